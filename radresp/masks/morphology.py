"""Grow and shrink outlines by millimetres, and make the ring around one.

Exact Euclidean distances between voxel centres, on grids whose voxels are not cubes: 5 mm means
5 mm in every direction, however thick the slices. A thousandth of a millimetre is forgiven, so
that slices written as 3.0000001 mm apart are 3 mm apart. Source of the distance transform: Maurer,
Qi and Raghavan, IEEE Trans Pattern Anal Mach Intell 2003;25:265-270, as implemented in SciPy.
When: for the surroundings of a tumour or a treated bed, and for safety margins.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radresp.core import Mask, Roi
from radresp.core.grid import SNAP_TOLERANCE_MM
from radresp.errors import PlanError


def grow(mask: Mask, mm: float) -> Mask:
    """The mask with every voxel whose centre lies within a distance of a voxel inside.

    Parameters
    ----------
    mask : Mask
        Outline; an empty one stays empty.
    mm : float
        Distance between voxel centres, mm; at least 0. Less than one voxel edge changes nothing
        along that edge.

    Returns
    -------
    Mask
        Cut off at the border of the grid.

    Raises
    ------
    PlanError
        ``CONFIG_RANGE`` when ``mm`` is negative or not a number.

    Examples
    --------
    >>> from radresp.core import Grid
    >>> drawn = np.zeros((3, 7, 7))
    >>> drawn[1, 3, 3] = 1
    >>> dot = Mask.from_array(drawn, Grid((7, 7, 3), (1, 1, 3)), Roi.TUMOUR)
    >>> grow(dot, 1).voxel_count, grow(dot, 3).voxel_count
    (5, 31)
    """
    _check_distance(mm)
    return mask.with_array(_within(mask, mm))


def shrink(mask: Mask, mm: float) -> Mask:
    """The mask without the voxels whose centre lies within a distance of a voxel outside.

    Parameters
    ----------
    mask : Mask
        Outline. What lies beyond the grid counts as outside.
    mm : float
        Distance between voxel centres, mm; at least 0.

    Returns
    -------
    Mask
        May be empty, and says so.

    Raises
    ------
    PlanError
        ``CONFIG_RANGE`` when ``mm`` is negative or not a number.
    """
    _check_distance(mm)
    padded = np.pad(mask.array, 1)
    depth = ndimage.distance_transform_edt(padded, sampling=mask.grid.spacing_mm[::-1])
    return mask.with_array(depth[1:-1, 1:-1, 1:-1] > mm + SNAP_TOLERANCE_MM)


def ring(mask: Mask, width_mm: float, gap_mm: float = 0.0) -> Mask:
    """The tissue around a mask: between a gap and the gap plus a width away from it.

    Parameters
    ----------
    mask : Mask
        Outline of the tumour or bed.
    width_mm : float
        Width of the ring, mm; at least 0.
    gap_mm : float, optional
        Distance kept to the outline, mm: keeps partial-volume voxels of the outline out.

    Returns
    -------
    Mask
        Named ``ring``; never overlaps the mask. Cut off at the border of the grid.

    Raises
    ------
    PlanError
        ``CONFIG_RANGE`` when a distance is negative or not a number.
    """
    _check_distance(width_mm)
    _check_distance(gap_mm)
    around = _within(mask, gap_mm + width_mm) & ~_within(mask, gap_mm)
    return mask.with_array(around).named(Roi.RING)


def _within(mask: Mask, mm: float) -> NDArray[np.bool_]:
    """Voxels whose centre is at most a distance from a voxel inside, ordered (z, y, x)."""
    drawn = mask.array
    if not drawn.any():
        return drawn
    spacing = mask.grid.spacing_mm[::-1]
    mm += SNAP_TOLERANCE_MM
    box = tuple(
        slice(max(found.start - int(mm // edge), 0), found.stop + int(mm // edge))
        for found, edge in zip(ndimage.find_objects(drawn.view(np.uint8))[0], spacing, strict=True)
    )
    grown = np.zeros_like(drawn)
    grown[box] = ndimage.distance_transform_edt(~drawn[box], sampling=spacing) <= mm
    return grown


def _check_distance(mm: float) -> None:
    if not (np.isfinite(mm) and mm >= 0):
        raise PlanError("CONFIG_RANGE", f"a distance of {mm} mm", expected="0 mm or more")
