"""What a region must be before texture is computed from it.

pyradiomics answers a NaN in the region, an ADC in another unit or a constant region with finite,
wrong numbers, and an image scaled by a thousand with a minute of silence. These checks stand in
front of it. They import nothing heavy.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from radresp.core import Mask, Note, NoteKind, Region, RegionKey
from radresp.errors import InputError

MIN_LEVELS, MAX_LEVELS = 4, 512
USUAL_LEVELS = (16, 128)


def check_size(mask: Mask, key: RegionKey, minimum_voxels: int) -> tuple[str, ...]:
    """Refuse an outline too small for texture; name the axes along which it is one voxel thick.

    Parameters
    ----------
    mask : Mask
        The outline; may be empty.
    key : RegionKey
        Named in the message.
    minimum_voxels : int
        Fewest voxels accepted.

    Returns
    -------
    tuple of str
        Some of ``x``, ``y``, ``z`` (at most one); empty for a solid outline.

    Raises
    ------
    InputError
        ``MASK_TOO_SMALL`` for too few voxels, or for a line of voxels.
    """
    inside = mask.array
    count = int(inside.sum())
    others = {"x": (0, 1), "y": (0, 2), "z": (1, 2)}
    thin = tuple(a for a, axes in others.items() if np.sum(inside.any(axis=axes)) <= 1)
    if count < minimum_voxels or len(thin) > 1:
        line = " in one line" if count >= minimum_voxels else ""
        raise InputError(
            "MASK_TOO_SMALL",
            f"the mask of {key} has {count} voxels{line}",
            expected=f"at least {minimum_voxels} voxels, not all in one line",
            action="leave this region out of texture, or lower minimum_voxels",
        )
    return thin


def check_values(region: Region) -> None:
    """Refuse a region with values that are not numbers, or with one single value.

    Raises
    ------
    InputError
        ``ROI_NONFINITE`` with the count of NaN and infinity, ``ROI_CONSTANT`` with the value.
    """
    values = region.volume.values_in(region.mask)
    bad = int(np.count_nonzero(~np.isfinite(values)))
    if bad:
        raise InputError(
            "ROI_NONFINITE",
            f"{bad} of {values.size} voxels of {region.key} are NaN or infinite",
            expected="measured values in the whole region",
            action="draw the region inside the field of view",
        )
    if values.min() == values.max():
        raise InputError(
            "ROI_CONSTANT",
            f"every voxel of {region.key} is {values[0]:g}",
            expected="an image with contrast",
            action="check that this is the right image and that it was not clipped",
        )


def check_levels(region: Region, option: dict[str, float]) -> tuple[Note, ...]:
    """Refuse intensities that discretise to nonsense, as those in another unit do.

    Parameters
    ----------
    region : Region
        Its values have passed ``check_values``.
    option : dict
        pyradiomics' ``binWidth`` (in the image's unit) or ``binCount``.

    Returns
    -------
    tuple of Note
        A warning where the number of grey levels is unusual for texture.

    Raises
    ------
    InputError
        ``BINS`` for fewer than 4 grey levels in use or more than 512 between minimum and maximum.
    """
    values = region.volume.values_in(region.mask)
    used, span = _levels(values, option)
    scheme = ", ".join(f"{name} {value:g}" for name, value in option.items())
    found = (
        f"{used} grey levels in use of {span:.6g} in {region.key} with {scheme} for intensities "
        f"{values.min():g} to {values.max():g} (unit {region.volume.unit})"
    )
    if used < MIN_LEVELS or span > MAX_LEVELS:
        raise InputError(
            "BINS",
            found,
            expected=f"{MIN_LEVELS} to {MAX_LEVELS} grey levels",
            action="check the unit of the image, or set bin_width or bin_count for it",
        )
    if USUAL_LEVELS[0] <= span <= USUAL_LEVELS[1]:
        return ()
    usual = f"{USUAL_LEVELS[0]} to {USUAL_LEVELS[1]} grey levels"
    return (Note(NoteKind.WARNING, "BINS", found, usual, "compare with other bin settings"),)


def _levels(values: NDArray[np.float32], option: dict[str, float]) -> tuple[int, float]:
    """How many grey levels occur, and how many lie between the lowest and the highest."""
    if "binWidth" in option:
        levels = np.floor(values.astype(np.float64) / option["binWidth"])
        return np.unique(levels).size, float(np.ptp(levels)) + 1
    count = int(option["binCount"])
    try:
        return int(np.count_nonzero(np.histogram(values, count)[0])), count
    except ValueError:  # the range is too narrow to be cut into so many pieces in float32
        return 0, count
