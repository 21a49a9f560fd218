"""Slices and pieces of a mask: what cleaning and checking both count."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radresp.core import Grid

ALL_NEIGHBOURS = np.ones((3, 3, 3), dtype=bool)


def slice_axis(grid: Grid) -> int:
    """Array axis (z, y, x) across the slices: the one with the longest voxel edge, else z."""
    return int(np.argmax(grid.spacing_mm[::-1]))


def pieces(drawn: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The connected pieces of a mask, where voxels that share a corner are connected.

    Returns
    -------
    tuple of ndarray
        An image of piece numbers (0 outside) and the voxel count of each piece from number 1 on.
    """
    labels, _ = ndimage.label(drawn, structure=ALL_NEIGHBOURS)
    return labels, np.bincount(labels.ravel())[1:]


def slice_count(drawn: NDArray[np.bool_], grid: Grid) -> int:
    """In how many slices anything is drawn."""
    across = slice_axis(grid)
    other = tuple(axis for axis in range(3) if axis != across)
    return int(drawn.any(axis=other).sum())
