"""Does each small piece of one image find its own counterpart in the other?

What: the compared area is cut into patches of about 12 mm. Every patch of the fixed image is held
against every patch of the moving image: the one at its own place, and all others, which are the
shuffled null. Two images of one patient recognise each other's patches; another patient, another
sequence or a wrong place comes nearer to the null. A patch is then moved a few millimetres about
its place: how far its best match lies is an estimate of the error that is left there.
Source: template matching by local correlation; a permutation test whose permutations need not be
drawn, since all pairs are measured.
When: in every verdict, for any transform.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from radresp.core import Grid, Volume, resample_volume
from radresp.registration.coarse import Area, measured

PATCH_MM = 12.0
REACH_MM = 8.0
FEWEST_PATCHES = 8
_MOST_PATCHES = 1_500
_WELL_FILLED = 0.6
_PLAIN = 0.5
"""Of the typical contrast of a patch: plainer ones, such as air, hold nothing to recognise."""
_RECOGNISED = 0.5

_Array = NDArray[np.floating[Any]]
_Triple = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Pieces:
    """Patches of both images, the moving one seen a little beyond the area as well.

    Parameters
    ----------
    fixed : ndarray
        Patches with mean 0 and length 1, shape (patches, voxels).
    wide : ndarray
        The moving image through the transform on the padded grid, (z, y, x).
    pad, size, count : tuple of int
        Padding in voxels, voxels of a patch and patches, along (z, y, x).
    used : ndarray of int
        Which patches of the lattice ``fixed`` holds.
    spacing_mm : tuple of float
        Voxel edges along (z, y, x), mm.
    """

    fixed: _Array
    wide: _Array
    pad: _Triple
    size: _Triple
    count: _Triple
    used: NDArray[np.intp]
    spacing_mm: tuple[float, float, float]

    def moving(self, shift: _Triple = (0, 0, 0)) -> _Array:
        """The moving image's patches after a shift in voxels along (z, y, x), like ``fixed``."""
        part = tuple(
            slice(p + s, p + s + n * m)
            for p, s, n, m in zip(self.pad, shift, self.size, self.count, strict=True)
        )
        return _normalised(_cut(self.wide[part], self.size, self.count)[self.used])

    def shifts(self) -> list[tuple[float, _Triple]]:
        """All shifts within reach with their length in mm, the shortest first."""
        ranges = [range(-int(REACH_MM / s), int(REACH_MM / s) + 1) for s in self.spacing_mm]
        found = []
        for dz, dy, dx in product(*ranges):
            length = float(np.linalg.norm(np.multiply((dz, dy, dx), self.spacing_mm)))
            if length <= REACH_MM:
                found.append((length, (dz, dy, dx)))
        return sorted(found)


def cut_pieces(
    fixed: Volume, moving: Volume, transform: sitk.Transform, area: Area, reach_mm: float = 0.0
) -> Pieces:
    """Cut two images into patches.

    Parameters
    ----------
    fixed : Volume
        Coarse copy of the fixed image on ``area.grid``.
    moving : Volume
        Coarse copy of the moving image.
    transform : SimpleITK.Transform
        Maps fixed to moving LPS mm; linear, deformable or composite.
    area : Area
        Patches filled less than 60 % by it, or by the moving image, are left out, and so are plain
        ones.
    reach_mm : float
        How far the moving image is kept beyond the area.
    """
    spacing = (area.grid.spacing_mm[2], area.grid.spacing_mm[1], area.grid.spacing_mm[0])
    shape = area.inside.shape
    size = _triple(min(max(round(PATCH_MM / s), 2), n) for s, n in zip(spacing, shape, strict=True))
    count = _triple(n // m for n, m in zip(shape, size, strict=True))
    pad = _triple(int(reach_mm / s) for s in spacing)
    seen = resample_volume(moving, _padded(area.grid, pad), transform)
    known = measured(seen)[tuple(slice(p, p + n) for p, n in zip(pad, shape, strict=True))]
    here = tuple(slice(0, n * m) for n, m in zip(size, count, strict=True))
    filled = _cut((area.inside & known)[here], size, count).mean(axis=1)
    values = _cut(fixed.array[here], size, count)
    spread = np.where(filled >= _WELL_FILLED, values.std(axis=1), 0)
    contrast = np.sqrt(np.mean(spread[spread > 0] ** 2)) if (spread > 0).any() else 1.0
    used = np.flatnonzero(spread > _PLAIN * contrast)
    used = used[:: -(-len(used) // _MOST_PATCHES) or 1]
    return Pieces(_normalised(values[used]), seen.array, pad, size, count, used, spacing)


def match_numbers(pieces: Pieces, *, one_sequence: bool) -> dict[str, float]:
    """How well patches recognise their counterparts, against the shuffled null.

    Parameters
    ----------
    pieces : Pieces
        Of both images.
    one_sequence : bool
        Whether brightness means the same in both: a match is then a correlation near 1, otherwise
        one far from 0, which is squared.

    Returns
    -------
    dict of str to float
        ``match`` (mean over patches at the found place), ``match_null`` (the same over all wrong
        places), ``match_z`` (standard deviations of a shuffled mean between the two) and
        ``match_rank`` (share of wrong patches beaten; 0.5 is chance). Empty where fewer than eight
        patches can be compared.
    """
    n = len(pieces.fixed)
    if n < FEWEST_PATCHES:
        return {}
    table = (pieces.fixed @ pieces.moving().T) ** (1 if one_sequence else 2)
    own = np.diagonal(table).copy()
    wrong = table[~np.eye(n, dtype=bool)].reshape(n, n - 1)
    spread = max(float(wrong.std()) / np.sqrt(n), 1e-9)
    return {
        "match": float(own.mean()),
        "match_null": float(wrong.mean()),
        "match_z": float(own.mean() - wrong.mean()) / spread,
        "match_rank": float((wrong < own[:, None]).mean()),
    }


def residual_mm(pieces: Pieces, *, one_sequence: bool) -> float | None:
    """Median distance between where patches are and where they match best, mm.

    None where fewer than eight patches
    match by a correlation of 0.5 anywhere within 8 mm.
    """
    power = 1 if one_sequence else 2
    lengths, scores = [], []
    for length, shift in pieces.shifts():
        lengths.append(length)
        scores.append((pieces.fixed * pieces.moving(shift)).sum(axis=1) ** power)
    table = np.array(scores)
    best = table.argmax(axis=0)
    found = table.max(axis=0) >= _RECOGNISED**power
    if found.sum() < FEWEST_PATCHES:
        return None
    return float(np.median(np.asarray(lengths)[best[found]]))


def _cut(values: _Array | NDArray[np.bool_], size: _Triple, count: _Triple) -> _Array:
    """An array (z, y, x) as rows of patches: shape (patches, voxels of a patch)."""
    sides = [side for pair in zip(count, size, strict=True) for side in pair]
    blocks = values.reshape(sides).transpose(0, 2, 4, 1, 3, 5)
    return blocks.reshape(int(np.prod(count)), int(np.prod(size)))


def _normalised(rows: _Array) -> _Array:
    """Rows with mean 0 and length 1; a flat row becomes 0."""
    rows = rows - rows.mean(axis=1, keepdims=True)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    least = max(1e-6 * float(length.max(initial=0.0)), 1e-30)
    return np.where(length > least, rows / np.maximum(length, least), 0)


def _padded(grid: Grid, pad: _Triple) -> Grid:
    size = _triple(n + 2 * p for n, p in zip(grid.size, reversed(pad), strict=True))
    corner = grid.to_mm(tuple(-float(p) for p in reversed(pad)))
    return Grid(size, grid.spacing_mm, corner, grid.direction)


def _triple(values: Iterable[int] | Iterator[int]) -> _Triple:
    a, b, c = (int(v) for v in values)
    return a, b, c
