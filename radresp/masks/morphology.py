"""Grow, shrink and ring in millimetres.

Exact Euclidean distances between voxel centres on the mask's own, possibly anisotropic, grid
(scipy.ndimage.distance_transform_edt; Felzenszwalb & Huttenlocher 2012): a 5 mm margin is 5 mm
in every direction the grid can resolve, and less than a slice where slices are thicker.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radresp.core import Mask, Roi
from radresp.errors import InputError


def grow(mask: Mask, margin_mm: float) -> Mask:
    """Add every voxel whose centre lies within a distance of the mask.

    Parameters
    ----------
    mask : Mask
        Outline to grow.
    margin_mm : float
        Distance, mm, at least 0.

    Examples
    --------
    >>> from radresp.core import Grid
    >>> point = np.zeros((5, 5, 5), bool)
    >>> point[2, 2, 2] = True
    >>> grow(Mask.from_array(point, Grid((5, 5, 5), (1, 1, 1)), Roi.TUMOUR), 1.0).voxel_count
    7
    """
    _check_distance(margin_mm)
    if mask.is_empty or margin_mm == 0:
        return mask
    return mask.with_array(_distance_mm(~mask.array, mask) <= margin_mm)


def shrink(mask: Mask, margin_mm: float) -> Mask:
    """Keep only voxels whose centre lies further than a distance from everything outside.

    Parameters
    ----------
    mask : Mask
        Outline to shrink; may become empty.
    margin_mm : float
        Distance, mm, at least 0. Beyond the image's border counts as inside.
    """
    _check_distance(margin_mm)
    inside = mask.array
    if margin_mm == 0 or inside.all():
        return mask
    return mask.with_array(_distance_mm(inside, mask) > margin_mm)


def ring(mask: Mask, width_mm: float, gap_mm: float = 0.0) -> Mask:
    """The shell around a mask: what growing by gap and width adds beyond growing by gap.

    Parameters
    ----------
    mask : Mask
        Outline inside the ring.
    width_mm : float
        Width of the ring, mm, above 0.
    gap_mm : float, optional
        Distance left free between mask and ring, mm.

    Returns
    -------
    Mask
        Named ``ring``.
    """
    if width_mm <= 0:
        raise InputError("MASK_MARGIN", f"a ring {width_mm:g} mm wide", expected="more than 0 mm")
    _check_distance(gap_mm)
    if mask.is_empty:
        return mask.named(Roi.RING)
    distance = _distance_mm(~mask.array, mask)
    return Mask.from_array(
        (distance > gap_mm) & (distance <= gap_mm + width_mm), mask.grid, Roi.RING
    )


def _distance_mm(flags: NDArray[np.bool_], mask: Mask) -> NDArray[np.float64]:
    """Distance from each set voxel (z, y, x) to the nearest unset one, mm."""
    return ndimage.distance_transform_edt(flags, sampling=mask.grid.spacing_mm[::-1])


def _check_distance(margin_mm: float) -> None:
    if not (np.isfinite(margin_mm) and margin_mm >= 0):
        raise InputError("MASK_MARGIN", f"a margin of {margin_mm:g} mm", expected="0 mm or more")
