"""pyradiomics' mesh measured in linear time: area, volume and largest diameters of an outline.

pyradiomics compares every vertex of the mesh with every other one for its diameters, which takes
seconds for a mesorectum. The farthest two of any points are corners of their convex hull, and
within one plane there are few vertices, so that the same diameters come from few comparisons.

Area and volume are sums over cells of 2 x 2 x 2 voxels, and a cell has 256 patterns only: what each
contributes is asked of pyradiomics once (``_areas``, ``_volumes``), then counted. The volume of a
mesh is a sum of tetrahedra with one corner in the origin, hence a part for the pattern and a part
that grows with the cell's place.

Source: the mesh is marching cubes (Lorensen and Cline 1987) with vertices half way, as in
``radiomics.cShape``; identity with it is tested, to 1e-12 relative.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError
from scipy.spatial.distance import pdist

from radresp.features._pyradiomics import cShape

Points = NDArray[np.float64]
CORNERS = np.array(list(np.ndindex(2, 2, 2)))
ANGLES = np.arange(8) * np.pi / 8
SIDES = np.stack([np.cos(ANGLES), np.sin(ANGLES)])
PATTERNS = (np.arange(256)[:, None] >> np.arange(8) & 1).astype(bool).reshape(-1, 2, 2, 2)


@dataclass(frozen=True, slots=True)
class Mesh:
    """Measures of the mesh around an outline.

    Parameters
    ----------
    area_mm2, volume_mm3 : float
        Of the closed surface.
    diameters_mm : tuple of float
        Largest distance of two vertices in a plane across z, across y, across x, and in space.
    """

    area_mm2: float
    volume_mm3: float
    diameters_mm: tuple[float, float, float, float]


def measure(inside: NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> Mesh:
    """Measure the mesh of an outline.

    Parameters
    ----------
    inside : numpy.ndarray of bool
        The outline with a border of one empty voxel, slice-row-column.
    spacing_mm : tuple of float
        Voxel edges along the axes of the array, mm.

    Examples
    --------
    >>> inside = np.zeros((5, 5, 5), bool)
    >>> inside[1:4, 1:4, 1:4] = True
    >>> measure(inside, (1.0, 1.0, 1.0)).diameters_mm[3]
    4.123105625617661
    """
    pattern = _patterns(inside)
    cells = np.argwhere((pattern > 0) & (pattern < 255))
    kind = pattern[tuple(cells.T)]
    counts = np.bincount(kind, minlength=256)
    own, growth = _volumes()
    volume = counts @ own + np.sum(cells * growth[kind])
    return Mesh(
        float(counts @ _areas(spacing_mm)),
        float(volume * np.prod(spacing_mm)),
        _diameters(vertices(inside), np.array(spacing_mm)),
    )


def _patterns(inside: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Which of its eight corners every cell has inside, as a number."""
    ends = [n - 1 for n in inside.shape]
    found = np.zeros(ends, np.uint8)
    for bit, corner in enumerate(CORNERS):
        part = tuple(slice(at, at + n) for at, n in zip(corner, ends, strict=True))
        found |= inside[part].astype(np.uint8) << np.uint8(bit)
    return found


@lru_cache(maxsize=256)
def _areas(spacing_mm: tuple[float, float, float]) -> NDArray[np.float64]:
    """Area of the mesh within a cell, by pattern, mm2."""
    spacing = np.array(spacing_mm)
    return np.array([cShape.calculate_coefficients(cell, spacing)[0] for cell in PATTERNS])


@lru_cache(maxsize=1)
def _volumes() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Volume of a cell at the origin, and what it gains a voxel along each axis, by pattern."""
    own = np.array([_volume(cell) for cell in PATTERNS])
    growth = np.empty((256, 3))
    for axis in range(3):
        for number, cell in enumerate(PATTERNS):
            # The cell one voxel along the axis, behind a cell that repeats its first face.
            face = cell.take([0], axis=axis)
            before = np.concatenate([face, face], axis=axis)
            both = np.concatenate([face, cell], axis=axis)
            growth[number, axis] = _volume(both) - own[int(_patterns(before).item())] - own[number]
    return own, growth


def _volume(inside: NDArray[np.bool_]) -> float:
    return float(cShape.calculate_coefficients(np.ascontiguousarray(inside), np.ones(3))[1])


def vertices(inside: NDArray[np.bool_]) -> NDArray[np.int_]:
    """Vertices of the mesh in half voxels: half way between neighbours of which one is inside."""
    found = []
    for axis in range(3):
        crossed = np.argwhere(np.diff(inside, axis=axis)) * 2
        crossed[:, axis] += 1
        found.append(crossed)
    return np.concatenate(found)


def _diameters(half: NDArray[np.int_], spacing_mm: Points) -> tuple[float, float, float, float]:
    places = half * (spacing_mm / 2)
    z, y, x = (
        _largest_in_planes(half[:, axis], np.delete(places, axis, axis=1)) for axis in range(3)
    )
    return z, y, x, _largest(places)


def _largest_in_planes(plane: NDArray[np.int_], places: Points) -> float:
    """Largest distance of two points of one plane.

    The width of a plane's points seen from eight sides bounds their diameter to 2 %, so that few
    planes are left to be searched.
    """
    order = np.argsort(plane, kind="stable")
    starts = np.flatnonzero(np.diff(plane[order], prepend=-1))
    seen = places[order] @ SIDES
    widths = np.maximum.reduceat(seen, starts) - np.minimum.reduceat(seen, starts)
    width = widths.max(axis=1)
    near = np.flatnonzero(width >= 0.98 * width.max())
    groups = np.split(places[order], starts[1:])
    return max(_largest(groups[n]) for n in near)


def _largest(places: Points) -> float:
    """Largest distance of two points, from the corners of their hull where there are many."""
    if len(places) < 2:
        return 0.0
    if len(places) > 64:
        # Points all on one line or in one plane have no hull: every pair is compared.
        with contextlib.suppress(QhullError):
            places = places[ConvexHull(places).vertices]
    return float(pdist(places).max())
