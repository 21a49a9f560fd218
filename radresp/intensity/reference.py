"""Reference tissue: divide by the median of muscle or of normal rectal wall.

What: the ratio to muscle (obturator or gluteal) that radiologists read T2 by: scar about 1,
residual tumour about 2, oedema and mucin above 3.5. Or the ratio to normal wall, at least 2 cm from
the tumour, by which high b-values are judged.
Source: ``docs/reference/clinical.md`` sections 2.1 and 3.4.
When: an outline exists at both visits; of muscle, `radresp.intensity.find_muscle` can make one.
Keeps zero signal at zero, so ratios stay ratios; the result for ``a * image`` (a > 0) is that for
``image``.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from radresp.core import Mask, Settings, Unit, Volume
from radresp.errors import InputError, PlanError


class ReferenceTissue(Settings):
    """Settings of the division by a reference tissue."""

    tissue: Literal["muscle", "normal_wall"] = Field(
        "muscle", description="Which outline: obturator or gluteal muscle, or normal rectal wall."
    )
    min_voxels: int = Field(
        64, ge=1, le=100_000, description="Smallest reference outline accepted, voxels."
    )


def divide_by_reference(
    volume: Volume, reference: Mask | None, settings: ReferenceTissue
) -> tuple[Volume, dict[str, float]]:
    """Divide a volume by its median in a reference tissue.

    Parameters
    ----------
    volume : Volume
        T2 or DWI.
    reference : Mask or None
        Outline of the reference tissue on the volume's grid; required.
    settings : ReferenceTissue
        Smallest outline accepted.

    Returns
    -------
    volume : Volume
        Same grid, unit ``ratio``; 1 is the reference tissue's median.
    numbers : dict
        ``median`` (image units) and ``voxels`` it comes from.

    Raises
    ------
    PlanError
        ``NORMALISE`` when no outline is given, or one of another tissue.
    InputError
        ``REFERENCE_SMALL`` for fewer than ``min_voxels`` voxels, ``REFERENCE_SIGNAL`` when the
        median is not positive.
    GeometryError
        ``MASK_GEOMETRY`` when the outline lies on another grid.
    """
    if reference is None or reference.roi != settings.tissue:
        raise PlanError(
            "NORMALISE",
            f"normalising by {settings.tissue} "
            + ("without an outline of it" if reference is None else f"with a {reference.roi} mask"),
            expected=f"a {settings.tissue} mask",
            action="add the mask or choose zscore",
        )
    values = volume.values_in(reference)
    if values.size < settings.min_voxels:
        raise InputError(
            "REFERENCE_SMALL",
            f"the {reference.roi} mask has {values.size} voxels",
            expected=f"at least {settings.min_voxels}",
            action="draw a larger reference region",
        )
    median = float(np.median(values))
    if not median > 0:
        raise InputError(
            "REFERENCE_SIGNAL",
            f"the median signal in the {reference.roi} mask is {median:g}",
            expected="above 0",
            action="check that the mask lies on this image's tissue",
        )
    result = Volume.from_array(
        volume.array / np.float32(median),
        volume.grid,
        volume.sequence,
        Unit.RATIO,
        volume.b_s_per_mm2,
        volume.background,
    )
    return result, {"median": median, "voxels": float(values.size)}
