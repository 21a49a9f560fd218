"""Whether each small piece of one image finds its own counterpart in the other.

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

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from radresp.core import Grid, Volume, resample_volume
from radresp.registration.coarse import Area, measured

PATCH_MM = 12.0
REACH_MM = 8.0
FEWEST_PATCHES = 8
_MOST_PATCHES = 600
_WELL_INSIDE, _WELL_SEEN = 0.6, 0.95
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
    corners : ndarray of int
        First voxel of each patch on the padded grid, shape (patches, 3), ordered (z, y, x).
    size : tuple of int
        Voxels of a patch along (z, y, x).
    reach_mm : float
        How far patches may be moved, mm.
    spacing_mm : tuple of float
        Voxel edges along (z, y, x), mm.
    """

    fixed: _Array
    wide: _Array
    corners: NDArray[np.intp]
    size: _Triple
    reach_mm: float
    spacing_mm: tuple[float, float, float]

    def moving(self, shift: _Triple = (0, 0, 0)) -> _Array:
        """The moving image's patches after a shift in voxels along (z, y, x), like ``fixed``."""
        windows = sliding_window_view(self.wide, self.size)
        z, y, x = (self.corners + shift).T
        return _normalised(windows[z, y, x].reshape(len(self.fixed), -1))

    @property
    def reach(self) -> _Triple:
        """How far patches may be moved, in voxels along (z, y, x)."""
        return _triple(int(self.reach_mm / s) for s in self.spacing_mm)

    def scores(self, power: int) -> _Array:
        """Match of every patch after every shift; shape (z, y, x of the shift, patches).

        -1, the worst, where a shift is longer than the reach.
        """
        found = np.full((*(2 * n + 1 for n in self.reach), len(self.fixed)), -1.0)
        for place in np.ndindex(found.shape[:3]):
            shift = _triple(np.subtract(place, self.reach))
            if np.linalg.norm(np.multiply(shift, self.spacing_mm)) <= self.reach_mm:
                found[place] = (self.fixed * self.moving(shift)).sum(axis=1) ** power
        return found


def cut_pieces(
    fixed: Volume, moving: Volume, area: Area, transform: sitk.Transform, reach_mm: float = 0.0
) -> Pieces:
    """Cut two images into patches.

    Parameters
    ----------
    fixed : Volume
        Coarse copy of the fixed image on ``area.grid``.
    moving : Volume
        Coarse copy of the moving image.
    area : Area
        Patches filled less than 60 % by it, or less than 95 % by the moving image, are left out,
        and so are plain ones.
    transform : SimpleITK.Transform
        Maps fixed to moving LPS mm; linear, deformable or composite.
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
    wanted, seen_too = (_cut(part[here], size, count).mean(axis=1) for part in (area.inside, known))
    values = _cut(fixed.array[here], size, count)
    usable = (wanted >= _WELL_INSIDE) & (seen_too >= _WELL_SEEN)
    spread = np.where(usable, values.std(axis=1), 0)
    contrast = np.sqrt(np.mean(spread[spread > 0] ** 2)) if (spread > 0).any() else 1.0
    used = np.flatnonzero(spread > _PLAIN * contrast)
    used = used[:: max(-(-len(used) // _MOST_PATCHES), 1)]
    corners = np.stack(np.unravel_index(used, count), axis=1) * size + pad
    return Pieces(_normalised(values[used]), seen.array, corners, size, reach_mm, spacing)


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
        ``match`` (mean over patches at the found place), ``match_near`` (at the best place within
        reach of each), ``match_null`` (over all wrong places), ``match_z`` (standard deviations of
        a shuffled mean between ``match`` and the null) and ``match_rank`` (share of wrong patches
        beaten; 0.5 is chance). Empty where fewer than eight patches can be compared.
    """
    n = len(pieces.fixed)
    if n < FEWEST_PATCHES:
        return {}
    power = 1 if one_sequence else 2
    table = (pieces.fixed @ pieces.moving().T) ** power
    own = np.diagonal(table).copy()
    wrong = table[~np.eye(n, dtype=bool)].reshape(n, n - 1)
    spread = max(float(wrong.std()) / np.sqrt(n), 1e-9)
    return {
        "match": float(own.mean()),
        "match_near": float(pieces.scores(power).max(axis=(0, 1, 2)).mean()),
        "match_null": float(wrong.mean()),
        "match_z": float((own.mean() - wrong.mean()) / spread),
        "match_rank": float((wrong < own[:, None]).mean()),
    }


def residual_mm(pieces: Pieces, *, one_sequence: bool) -> float | None:
    """Median distance between where patches are and where they match best, mm.

    Between voxels the best place is the top of a parabola along each axis. None where fewer than
    eight patches match by a correlation of 0.5 anywhere within reach.
    """
    if len(pieces.fixed) < FEWEST_PATCHES:
        return None
    power = 1 if one_sequence else 2
    scores = pieces.scores(power)
    found = scores.max(axis=(0, 1, 2)) >= _RECOGNISED**power
    if found.sum() < FEWEST_PATCHES:
        return None
    peaks = _peaks(scores[..., found]) - pieces.reach
    return float(np.median(np.linalg.norm(peaks * pieces.spacing_mm, axis=1)))


def _peaks(scores: _Array) -> _Array:
    """Where each patch's scores are highest, in voxels (z, y, x), between voxels too."""
    shape, patches = scores.shape[:3], np.arange(scores.shape[3])
    best = np.stack(np.unravel_index(scores.reshape(-1, len(patches)).argmax(axis=0), shape))
    peaks = best.astype(float)
    for axis, length in enumerate(shape):
        step = np.zeros((3, 1), dtype=int)
        step[axis] = 1
        inner = (best[axis] > 0) & (best[axis] < length - 1)
        before, top, after = (
            scores[(*np.where(inner, best + k * step, best), patches)] for k in (-1, 0, 1)
        )
        bend = before - 2 * top + after
        known = inner & (before > -1) & (after > -1) & (bend < 0)
        peaks[axis] += np.where(known, (before - after) / (2 * np.where(known, bend, 1)), 0)
    return peaks.T


def _cut(values: NDArray[Any], size: _Triple, count: _Triple) -> _Array:
    """An array (z, y, x) as rows of patches: shape (patches, voxels of a patch)."""
    sides = [side for pair in zip(count, size, strict=True) for side in pair]
    blocks = values.reshape(sides).transpose(0, 2, 4, 1, 3, 5)
    return np.asarray(blocks.reshape(int(np.prod(count)), int(np.prod(size))))


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


def _triple(values: Iterable[Any]) -> _Triple:
    a, b, c = (int(v) for v in values)
    return a, b, c
