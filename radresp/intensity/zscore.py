"""Z-score: subtract the mean and divide by the standard deviation of the body.

What: makes images of one sequence comparable although MR units are arbitrary.
Source: Nyul and Udupa, Magn Reson Med 1999;42:1072-1081 (why units differ); Carre et al., Sci Rep
2020;10:12340 (z-score before radiomics).
When: the default for T2 and DWI when no reference tissue was outlined. The result for
``a * image + b`` (a > 0) is that for ``image``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from radresp.core import Mask, Settings, Unit, Volume
from radresp.errors import InputError
from radresp.intensity.body import body_threshold


class ZScore(Settings):
    """Settings of the z-score."""

    scale: float = Field(
        1.0, gt=0, le=1000, description="Standard deviation of the result in the body, no unit."
    )


def zscore(
    volume: Volume, reference: Mask | None, settings: ZScore
) -> tuple[Volume, dict[str, float]]:
    """Z-score a volume over the body, or over an outline.

    Parameters
    ----------
    volume : Volume
        T2 or DWI.
    reference : Mask or None
        Outline to take mean and standard deviation from; the body (above the air threshold) when
        None.
    settings : ZScore
        Scale of the result.

    Returns
    -------
    volume : Volume
        Same grid; mean 0 and standard deviation ``scale`` over the body, unit ``"1"``.
    numbers : dict
        ``mean``, ``sd`` (image units) and ``voxels`` they come from.

    Raises
    ------
    InputError
        ``IMG_CONSTANT`` when the standard deviation is zero.
    """
    array = volume.array
    inside = _values(volume, array, reference)
    mean = float(inside.mean(dtype=np.float64)) if inside.size else 0.0
    sd = float(inside.std(dtype=np.float64)) if inside.size else 0.0
    if sd <= 1e-6 * abs(mean) or sd == 0.0:
        raise InputError(
            "IMG_CONSTANT",
            f"all {inside.size} voxels to normalise by hold about {mean:g}",
            expected="differing intensities",
        )
    scaled = (array.astype(np.float64) - mean) * (settings.scale / sd)
    result = Volume.from_array(
        scaled, volume.grid, volume.sequence, Unit.ARBITRARY, volume.b_s_per_mm2, volume.background
    )
    return result, {"mean": mean, "sd": sd, "voxels": float(inside.size)}


def _values(
    volume: Volume, array: NDArray[np.float32], reference: Mask | None
) -> NDArray[np.float32]:
    if reference is not None:
        return volume.values_in(reference)
    with np.errstate(invalid="ignore"):  # NaN in the declared background is not body
        return array[array > body_threshold(array)]
