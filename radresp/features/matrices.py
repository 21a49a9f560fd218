"""Texture matrices of a discretised region, by the compiled kernel or else by pyradiomics.

The kernel (``_kernel.c``) counts all five matrices in one pass over the voxels of the region, where
pyradiomics walks the whole box once a matrix. Both give the same counts; where no compiler was at
hand when radresp was installed, or neighbours farther than one voxel are asked for, pyradiomics'
own code counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radresp.features._pyradiomics import cMatrices

try:
    from radresp.features import _kernel  # type: ignore[attr-defined]
except ImportError:
    _kernel = None

Counts = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Matrices:
    """Raw counts of one region; a row for every grey level from 1 to the largest.

    Parameters
    ----------
    glcm : numpy.ndarray
        Level, level of the neighbour ahead, direction.
    glrlm : numpy.ndarray
        Level, run length from 1, direction.
    glszm : numpy.ndarray
        Level, zone size; only sizes that occur.
    zone_sizes : numpy.ndarray
        The size of every column of ``glszm``, voxels.
    gldm : numpy.ndarray
        Level, dependence from 1 (the voxel alone).
    ngtdm : numpy.ndarray
        Level; number of voxels and sum of differences.
    """

    glcm: Counts
    glrlm: Counts
    glszm: Counts
    zone_sizes: Counts
    gldm: Counts
    ngtdm: Counts


def is_compiled() -> bool:
    """Whether the compiled kernel is installed."""
    return _kernel is not None


def count(
    levels: NDArray[np.int32],
    inside: NDArray[np.bool_],
    distances: tuple[int, ...] = (1,),
    *,
    force_2d: bool = False,
) -> Matrices:
    """Count the texture matrices of a region.

    Parameters
    ----------
    levels : numpy.ndarray
        Grey levels from 1, slice-row-column; what lies outside the region does not matter.
    inside : numpy.ndarray of bool
        The region, same shape; at least one voxel.
    distances : tuple of int
        Neighbour distances, voxels.
    force_2d : bool
        Neighbours within a slice only.

    Examples
    --------
    >>> found = count(np.array([[[1, 1, 2]]], np.int32), np.ones((1, 1, 3), bool))
    >>> found.gldm[:, :2].tolist()
    [[0.0, 2.0], [1.0, 0.0]]
    """
    grey = int(levels[inside].max())
    if _kernel is None or distances != (1,):
        return _by_pyradiomics(levels, inside, grey, distances, force_2d)
    return _by_kernel(levels, inside, grey, force_2d)


def _by_kernel(
    levels: NDArray[np.int32], inside: NDArray[np.bool_], grey: int, force_2d: bool
) -> Matrices:
    padded = np.zeros([n + 2 for n in inside.shape], np.int32)
    padded[1:-1, 1:-1, 1:-1] = np.where(inside, levels, 0)
    voxels = np.flatnonzero(padded).astype(np.int32)
    directions = _directions(inside.shape, force_2d)
    strides = np.array([padded.shape[1] * padded.shape[2], padded.shape[2], 1])
    steps = np.ascontiguousarray(directions @ strides, np.int32)
    longest = max(inside.shape)
    glcm = np.zeros((steps.size, grey, grey), np.int64)
    glrlm = np.zeros((steps.size, grey, longest), np.int64)
    gldm = np.zeros((grey, 2 * steps.size + 1), np.int64)
    ngtdm = np.zeros((grey, 2))
    parent, sizes = np.empty(padded.size, np.int32), np.zeros(padded.size, np.int32)
    _kernel.count(padded, voxels, steps, grey, longest, glcm, glrlm, gldm, ngtdm, parent, sizes)
    glrlm[_lonely(glcm, directions, inside)] = 0
    roots = voxels[sizes[voxels] > 0]
    zone_sizes, column = np.unique(sizes[roots], return_inverse=True)
    row = padded.ravel()[roots] - 1
    zones = np.bincount(row * zone_sizes.size + column, minlength=grey * zone_sizes.size)
    return Matrices(
        np.ascontiguousarray(np.moveaxis(glcm, 0, 2), np.float64),
        np.ascontiguousarray(np.moveaxis(glrlm, 0, 2), np.float64),
        zones.reshape(grey, -1).astype(np.float64),
        zone_sizes.astype(np.float64),
        gldm.astype(np.float64),
        ngtdm,
    )


def _directions(box: tuple[int, ...], force_2d: bool) -> NDArray[np.int_]:
    """The neighbours that come later in memory, along axes with more than one voxel."""
    around = np.array(list(np.ndindex(3, 3, 3)), dtype=int)[14:] - 1
    moving = (np.array(box) > 1) & np.array([not force_2d, True, True])
    return around[~around[:, ~moving].any(axis=1)]


def _lonely(
    glcm: NDArray[np.int64], directions: NDArray[np.int_], inside: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Directions along which no line holds two voxels of the region: nothing can run there."""
    lonely: NDArray[np.bool_] = np.sum(glcm, axis=(1, 2)) == 0
    for n in np.flatnonzero(lonely):
        places, step = np.argwhere(inside), directions[n]
        axis = np.flatnonzero(step)[0]
        starts = places - np.outer(places[:, axis] * step[axis], step)
        lonely[n] = len(np.unique(starts, axis=0)) == len(places)
    return lonely


def _by_pyradiomics(
    levels: NDArray[np.int32],
    inside: NDArray[np.bool_],
    grey: int,
    distances: tuple[int, ...],
    force_2d: bool,
) -> Matrices:
    # Its code steps through both by the strides of one, which differ after cutting an axis to one.
    levels, inside = levels.copy(), inside.copy()
    near, plane = np.array(distances), (force_2d, 0)
    glszm = cMatrices.calculate_glszm(levels, inside, grey, int(inside.sum()), *plane)[0]
    occur = np.flatnonzero(glszm.any(axis=0))
    return Matrices(
        cMatrices.calculate_glcm(levels, inside, near, grey, *plane)[0][0],
        cMatrices.calculate_glrlm(levels, inside, grey, max(inside.shape), *plane)[0][0],
        glszm[:, occur],
        (occur + 1).astype(np.float64),
        cMatrices.calculate_gldm(levels, inside, near, grey, 0, *plane)[0],
        cMatrices.calculate_ngtdm(levels, inside, near, grey, *plane)[0][:, :2],
    )
