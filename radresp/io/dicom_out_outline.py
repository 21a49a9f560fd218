"""The borders of a mask's pixels as closed polygons.

A polygon runs along pixel edges, where a mask taken as 0 and 1 at pixel centres crosses 0.5, so its
area is exactly that of its pixels and any even-odd fill gives exactly these pixels back. Outer
borders and holes are polygons of their own, running opposite ways; pixels that touch at a corner
only belong to different polygons.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

_Corner = tuple[int, int]


def outlines(pixels: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    """Closed polygons round the pixels of one slice.

    Parameters
    ----------
    pixels : ndarray of bool
        Ordered (y, x).

    Returns
    -------
    list of ndarray
        Vertices as (x, y) in pixel indices, pixel centres being whole numbers; the first vertex
        is not repeated. Empty for an empty slice.

    Examples
    --------
    >>> outlines(np.array([[False, True]]))[0].tolist()
    [[0.5, -0.5], [1.5, -0.5], [1.5, 0.5], [0.5, 0.5]]
    """
    edges = _edges(pixels)
    found = []
    while edges:
        corners = _walk(edges)
        turns = [
            corner
            for before, corner, after in zip(
                corners[-1:] + corners[:-1], corners, corners[1:] + corners[:1], strict=True
            )
            if _step(before, corner) != _step(corner, after)
        ]
        found.append(np.array(turns, dtype=float) - 0.5)
    return found


def _edges(pixels: NDArray[np.bool_]) -> dict[_Corner, list[_Corner]]:
    """Directed pixel edges between inside and outside, inside on the right, by their start.

    Corner (x, y) is the corner of pixel (x, y) at its lower indices.
    """
    inside = np.pad(pixels, 1)
    edges: dict[_Corner, list[_Corner]] = defaultdict(list)
    core = inside[1:-1, 1:-1]
    sides = (
        (inside[:-2, 1:-1], (0, 0), (1, 0)),
        (inside[1:-1, 2:], (1, 0), (1, 1)),
        (inside[2:, 1:-1], (1, 1), (0, 1)),
        (inside[1:-1, :-2], (0, 1), (0, 0)),
    )
    for neighbour, start, end in sides:
        for y, x in np.argwhere(core & ~neighbour).tolist():
            edges[x + start[0], y + start[1]].append((x + end[0], y + end[1]))
    return edges


def _walk(edges: dict[_Corner, list[_Corner]]) -> list[_Corner]:
    """Follow edges from the first corner until it closes, using them up."""
    start = min(edges)
    corners = [start]
    here = _take(edges, start, 0)
    while here != start:
        corners.append(here)
        ways = edges[here]
        # Where two pixels touch at a corner, turn right: stay with the same pixel.
        right = [_right(_step(corners[-2], here), _step(here, way)) for way in ways]
        here = _take(edges, here, right.index(max(right)))
    return corners


def _take(edges: dict[_Corner, list[_Corner]], corner: _Corner, which: int) -> _Corner:
    end = edges[corner].pop(which)
    if not edges[corner]:
        del edges[corner]
    return end


def _step(start: _Corner, end: _Corner) -> _Corner:
    return end[0] - start[0], end[1] - start[1]


def _right(before: _Corner, after: _Corner) -> int:
    """1 for a right turn with y pointing down, 0 straight on, -1 left."""
    return before[0] * after[1] - before[1] * after[0]
