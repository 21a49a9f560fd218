"""Matrices of grey levels by the IBSI manual, on a volume or on one slice.

Beside :mod:`radresp.features.matrices`, which counts what pyradiomics counts: here directions and
slices stay apart, a voxel without neighbours is left out of NGTDM, and zones know their distance to
the border.

Source: reference manual arXiv:1612.07003, sections 3.6 to 3.11.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[np.float64]
Levels = NDArray[np.int_]
"""Grey levels from 1, slice-row-column; 0 outside the region."""

AHEAD = np.array(list(np.ndindex(3, 3, 3)), dtype=int)[14:] - 1


@dataclass(frozen=True, slots=True)
class Counts:
    """A matrix of grey level and something else, and the number of voxels it was counted on."""

    table: Array
    voxels: float


def _shifted(levels: Levels, step: NDArray[np.int_]) -> tuple[Levels, Levels]:
    """Every voxel and its neighbour, where both lie in the box."""
    here = tuple(slice(max(0, -s), n - max(0, s)) for s, n in zip(step, levels.shape, strict=True))
    there = tuple(slice(max(0, s), n - max(0, -s)) for s, n in zip(step, levels.shape, strict=True))
    return levels[here], levels[there]


def _table(rows: Levels, columns: Levels, shape: tuple[int, int]) -> Array:
    """Counts of (row, column), both from 1."""
    place = (rows - 1) * shape[1] + columns - 1
    return np.bincount(place, minlength=shape[0] * shape[1]).reshape(shape).astype(float)


def pairs(levels: Levels, step: NDArray[np.int_], grey: int) -> Counts:
    """Neighbours along a step by their two levels, both ways round."""
    here, there = _shifted(levels, step)
    both = (here > 0) & (there > 0)
    found = _table(here[both], there[both], (grey, grey))
    return Counts(found + found.T, float(np.count_nonzero(levels)))


def runs(levels: Levels, step: NDArray[np.int_], grey: int) -> Counts:
    """Runs along a step by level and length."""
    padded = np.pad(levels, 1)
    flat = padded.ravel()
    stride = int(step @ np.array([padded.shape[1] * padded.shape[2], padded.shape[2], 1]))
    inside = np.flatnonzero(flat)
    starts = inside[flat[inside - stride] != flat[inside]]
    lengths, going, place = np.ones(len(starts), int), np.arange(len(starts)), starts
    while len(going):
        place = place + stride
        same = flat[place] == flat[starts[going]]
        going, place = going[same], place[same]
        lengths[going] += 1
    longest = int(lengths.max(initial=1))
    return Counts(_table(flat[starts], lengths, (grey, longest)), float(len(inside)))


def _labelled(levels: Levels, grey: int) -> Iterator[tuple[int, Levels, int]]:
    for level in range(1, grey + 1):
        labels, number = ndimage.label(levels == level, np.ones((3, 3, 3)))
        if number:
            yield level, labels, number


def zones(levels: Levels, grey: int) -> Counts:
    """Zones of one level by level and size."""
    rows, sizes = [], []
    for level, labels, number in _labelled(levels, grey):
        rows += [level] * number
        sizes += np.bincount(labels.ravel())[1:].tolist()
    return _listed(rows, sizes, levels, grey)


def distances(levels: Levels, outline: Levels, grey: int) -> Counts:
    """Zones by their distance to the border: 1 for a voxel with a face outside."""
    flat = len(outline) == 1
    padded = np.pad(outline, ((0, 0), (1, 1), (1, 1)) if flat else 1)
    around = padded[0] if flat else padded
    depth = ndimage.distance_transform_cdt(around, "taxicab")
    depth = depth[None, 1:-1, 1:-1] if flat else depth[1:-1, 1:-1, 1:-1]
    rows, nearest = [], []
    for level, labels, number in _labelled(levels, grey):
        rows += [level] * number
        nearest += ndimage.minimum(depth, labels, np.arange(1, number + 1)).astype(int).tolist()
    return _listed(rows, nearest, levels, grey)


def _listed(rows: list[int], columns: list[int], levels: Levels, grey: int) -> Counts:
    shape = (grey, max(columns, default=1))
    table = _table(np.array(rows, int), np.array(columns, int), shape)
    return Counts(table, float(np.count_nonzero(levels)))


def _neighbours(levels: Levels) -> Iterator[tuple[Levels, Levels, tuple[slice, ...]]]:
    """Every voxel beside each of its 26 (in a slice 8) neighbours, and where the voxels are."""
    for step in np.concatenate([AHEAD, -AHEAD]):
        if len(levels) > 1 or step[0] == 0:
            here = tuple(
                slice(max(0, -s), n - max(0, s)) for s, n in zip(step, levels.shape, strict=True)
            )
            yield *_shifted(levels, step), here


def dependences(levels: Levels, grey: int) -> Counts:
    """Voxels by level and the number of neighbours of that level, themselves included."""
    alike = np.ones(levels.shape, int)
    for here, there, where in _neighbours(levels):
        alike[where] += here == there
    inside = levels > 0
    table = _table(levels[inside], alike[inside], (grey, 27))
    return Counts(table, float(inside.sum()))


def tones(levels: Levels, grey: int) -> Counts:
    """Voxels with a neighbour, and their summed differences from the mean around, by level."""
    total, number = np.zeros(levels.shape), np.zeros(levels.shape)
    for _, there, where in _neighbours(levels):
        total[where] += there
        number[where] += there > 0
    inside = (levels > 0) & (number > 0)
    off = np.abs(levels[inside] - total[inside] / number[inside])
    index = levels[inside] - 1
    table = [np.bincount(index, weights, grey) for weights in (np.ones(len(off)), off)]
    return Counts(np.stack(table, axis=1), float(inside.sum()))
