"""What a mask must be before anything is computed from it: a region of the body, drawn in 3-D.

Source: faults catalogue, section 2.4 and A11. When: on the mask as drawn, on the image it was drawn
on, before cleaning. What makes a mask unusable is refused; what makes it doubtful is noted.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydantic import Field

from radresp.core import (
    Mask,
    Note,
    NoteKind,
    Roi,
    Sequence,
    Settings,
    Step,
    Volume,
    check_same_grid,
)
from radresp.errors import InputError
from radresp.masks.slices import pieces, slice_count


class MaskRules(Settings):
    """Limits for masks, and what may be done to one of another geometry."""

    resample: bool = Field(
        False,
        description="Carry a mask of another geometry to its image's grid by nearest neighbour, "
        "and record it; otherwise it is refused.",
    )
    min_voxels: int = Field(
        64, ge=1, le=100_000, description="Fewest voxels texture can be measured on. Count."
    )
    min_slices: int = Field(
        3, ge=1, le=50, description="Fewest slices with anything drawn; 1 admits 2-D masks. Count."
    )
    max_fraction: float = Field(
        0.5, gt=0, le=1, description="Largest fraction of the image a mask may cover."
    )
    min_signal_fraction: float = Field(
        0.03,
        ge=0,
        le=0.5,
        description="T2: lowest median inside, as a fraction of the way from the image's 1st to "
        "its 99th percentile. ADC: not used, the median must be above 0.",
    )
    min_piece_fraction: float = Field(
        0.1, ge=0, le=1, description="Pieces smaller than this part of the mask are noted."
    )


def check_mask(mask: Mask, volume: Volume, settings: MaskRules = MaskRules()) -> Step:  # noqa: B008
    """Refuse a mask that cannot be a region of the body, and note what is odd about it.

    Parameters
    ----------
    mask : Mask
        The outline.
    volume : Volume
        The image it was drawn on.
    settings : MaskRules, optional
        Limits.

    Returns
    -------
    Step
        With warnings ``MASK_2D``, ``MASK_ISLANDS`` and ``ROI_AT_EDGE`` (not of references).

    Raises
    ------
    InputError
        ``MASK_EMPTY``, ``MASK_TOO_SMALL``, ``MASK_INVERTED``, ``MASK_ON_BACKGROUND``,
        ``ROI_NONFINITE``, ``ROI_CONSTANT``.
    GeometryError
        ``MASK_GEOMETRY`` when the mask is not on the image's grid.
    """
    started = time.perf_counter()
    check_same_grid(volume, mask)
    drawn = mask.array
    _check_extent(drawn, mask, settings)
    _check_values(volume, mask, settings)
    notes = tuple(_odd(drawn, mask, settings))
    seconds = time.perf_counter() - started
    return Step("masks", "check_mask", settings.model_dump(), seconds, notes)


def _check_extent(drawn: NDArray[np.bool_], mask: Mask, settings: MaskRules) -> None:
    count = int(drawn.sum())
    if count == 0:
        raise InputError(
            "MASK_EMPTY",
            f"the {mask.roi} mask has 0 voxels",
            expected=f"at least {settings.min_voxels}",
            action="draw the region or leave the mask out",
        )
    if count > settings.max_fraction * drawn.size:
        raise InputError(
            "MASK_INVERTED",
            f"the {mask.roi} mask covers {count / drawn.size:.0%} of the image",
            expected=f"at most {settings.max_fraction:.0%}",
            action="check whether inside and outside are swapped",
        )
    slices = slice_count(drawn, mask.grid)
    if count < settings.min_voxels or slices < settings.min_slices:
        raise InputError(
            "MASK_TOO_SMALL",
            f"the {mask.roi} mask has {count} voxels in {slices} slices",
            expected=f"at least {settings.min_voxels} voxels in {settings.min_slices} slices",
            action="draw the whole region on every slice that shows it",
        )


def _check_values(volume: Volume, mask: Mask, settings: MaskRules) -> None:
    values = volume.values_in(mask)
    nothing = ~np.isfinite(values)
    if volume.background is not None:
        unmeasured = sitk.GetArrayViewFromImage(volume.background)[mask.array] != 0
        if 2 * int(unmeasured.sum()) > values.size:
            raise _on_background(mask, f"{unmeasured.mean():.0%} of it without a measurement")
        nothing |= unmeasured
    bad = int(nothing.sum())
    if bad:
        raise InputError(
            "ROI_NONFINITE",
            f"{bad} voxels of the {mask.roi} mask hold no number",
            expected="0",
            action="leave them out of the mask",
        )
    if mask.roi is not Roi.LUMEN:
        _check_signal(volume, values, mask, settings)
    if values.min() == values.max():
        raise InputError(
            "ROI_CONSTANT",
            f"every voxel of the {volume.sequence} inside the {mask.roi} mask is {values[0]:g}",
            expected="values that differ",
            action="check that the mask belongs to this image",
        )


def _check_signal(
    volume: Volume, values: NDArray[np.float32], mask: Mask, settings: MaskRules
) -> None:
    """Air is dark on T2 and has no ADC; a high b-value image is dark in healthy tissue too."""
    median = float(np.median(values))
    if volume.sequence is Sequence.ADC and median <= 0:
        raise _on_background(mask, f"an ADC of {median:g}e-6 mm2/s (median)")
    if volume.sequence is Sequence.T2:
        everything = volume.array
        dark, bright = np.percentile(everything[np.isfinite(everything)], [1, 99])
        level = (median - dark) / max(bright - dark, np.finfo(np.float32).tiny)
        if level <= settings.min_signal_fraction:
            raise _on_background(
                mask, f"{level:.1%} of the image's brightness (median), as dark as air"
            )


def _on_background(mask: Mask, what: str) -> InputError:
    return InputError(
        "MASK_ON_BACKGROUND",
        f"the {mask.roi} mask lies on background: {what}",
        expected="tissue",
        action="check whether the mask is flipped or belongs to another image",
    )


def _odd(drawn: NDArray[np.bool_], mask: Mask, settings: MaskRules) -> Iterator[Note]:
    if slice_count(drawn, mask.grid) == 1:
        yield Note(
            NoteKind.WARNING,
            "MASK_2D",
            f"the {mask.roi} mask is drawn on one slice",
            expected="the whole volume",
            action="shape in 3-D has no meaning here",
        )
    counts = pieces(drawn)[1]
    small = counts < settings.min_piece_fraction * counts.sum()
    if counts.size > 1 and small.any():
        yield Note(
            NoteKind.WARNING,
            "MASK_ISLANDS",
            f"the {mask.roi} mask has {counts.size} pieces, {int(small.sum())} of them with less "
            f"than {settings.min_piece_fraction:.0%} of it",
            expected="one piece, or few of similar size",
            action="check for stray voxels",
        )
    ends = (drawn.take(end, axis=axis) for axis in range(3) for end in (0, -1))
    if not mask.roi.is_reference and any(end.any() for end in ends):
        yield Note(
            NoteKind.WARNING,
            "ROI_AT_EDGE",
            f"the {mask.roi} mask touches the border of the image",
            expected="image on all sides of it",
            action="the region may continue beyond the image: volume and shape are then too small",
        )
