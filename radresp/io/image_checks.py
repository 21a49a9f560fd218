"""Rules every image keeps, whatever file it came from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radresp.core import Grid, Note, NoteKind
from radresp.errors import InputError

MAX_VOXELS = 512**3
"""Largest number of voxels of one volume."""

SPACING_RANGE_MM = (0.2, 10.0)
MAX_ANISOTROPY = 20.0
FOV_RANGE_MM = (100.0, 600.0)
NAN_FRACTION = 0.001


def check_spacing(grid: Grid, path: Path) -> None:
    """Refuse a grid whose spacing can only be an error of unit.

    Parameters
    ----------
    grid : Grid
        Where the voxels lie.
    path : Path
        File or folder, for the message.

    Raises
    ------
    InputError
        ``IMG_SPACING`` for a spacing outside 0.2 to 10 mm or an anisotropy above 20.
    """
    low, high = SPACING_RANGE_MM
    smallest, largest = min(grid.spacing_mm), max(grid.spacing_mm)
    # Headers hold float32: 0.2 mm is stored as 0.200000003.
    if smallest < low * (1 - 1e-5) or largest > high * (1 + 1e-5):
        expected = f"{low:g} to {high:g} mm along every axis"
    elif largest / smallest > MAX_ANISOTROPY:
        expected = f"edges that differ at most {MAX_ANISOTROPY:g}-fold"
    else:
        return
    raise InputError(
        "IMG_SPACING",
        f"voxels of {' x '.join(f'{v:.4g}' for v in grid.spacing_mm)} mm",
        expected=expected,
        action="check whether the header is in mm",
        file=path,
    )


def without_dust(axes: NDArray[np.float64]) -> tuple[float, ...]:
    """Direction cosines row by row, numbers too small to turn anything made exactly 0.

    Denormal numbers in a file's direction make ITK's decomposition of it complain.
    """
    return tuple(np.where(np.abs(axes) < 1e-12, 0.0, axes).ravel())


def field_of_view_notes(grid: Grid, path: Path) -> tuple[Note, ...]:
    """A warning when the longest edge of the image is shorter than 100 mm or longer than 600 mm."""
    low, high = FOV_RANGE_MM
    longest = max(grid.extent_mm)
    if low <= longest <= high:
        return ()
    note = Note(
        NoteKind.WARNING,
        "FOV_UNUSUAL",
        f"the longest edge of the image is {longest:.4g} mm",
        expected=f"{low:g} to {high:g} mm for a pelvis",
        file=path.name,
    )
    return (note,)


def mend_nonfinite(
    array: NDArray[np.float32], path: Path
) -> tuple[NDArray[np.float32], tuple[Note, ...]]:
    """Set rare NaN voxels to 0 and say so; refuse many of them, and any infinity.

    Parameters
    ----------
    array : ndarray of float32
        Values in any axis order.
    path : Path
        File or folder, for the message.

    Returns
    -------
    ndarray, tuple of Note
        Finite values and a ``NONFINITE`` fix when a voxel was changed.

    Raises
    ------
    InputError
        ``NONFINITE`` when more than 0.1 % of the voxels are NaN, or one is infinite.
    """
    bad = int(array.size - np.count_nonzero(np.isfinite(array)))
    if bad == 0:
        return array, ()
    infinite = int(np.count_nonzero(np.isinf(array)))
    if infinite or bad > NAN_FRACTION * array.size:
        raise InputError(
            "NONFINITE",
            f"{bad} of {array.size} voxels are NaN or infinite",
            expected=f"at most {NAN_FRACTION:.1%} NaN and no infinity",
            file=path,
        )
    note = Note(
        NoteKind.FIX,
        "NONFINITE",
        f"{bad} of {array.size} voxels were NaN and are now 0",
        expected="finite values",
        file=path.name,
    )
    return np.nan_to_num(array, nan=0.0), (note,)


def check_not_constant(array: NDArray[np.float32], path: Path) -> None:
    """Refuse an image without any contrast.

    Raises
    ------
    InputError
        ``IMG_CONSTANT`` when every voxel holds one value.
    """
    if array.min() == array.max():
        raise InputError(
            "IMG_CONSTANT",
            f"every voxel is {float(array.flat[0]):g}",
            expected="an image with contrast",
            file=path,
        )
