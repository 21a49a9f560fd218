"""Structured pictures drawn as functions of place, so that a moved copy needs no interpolation."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import SimpleITK as sitk
from builders import index_arrays, make_grid

from radresp.core import Grid, Mask, Roi, Sequence, Unit, Volume

FIELD = (72, 72, 18)
SPACING = (1.5, 1.5, 3.0)


def centred_grid(
    orientation: str = "lps",
    size: tuple[int, int, int] = FIELD,
    spacing_mm: tuple[float, float, float] = SPACING,
    middle_mm: tuple[float, float, float] = (10.0, -20.0, 30.0),
) -> Grid:
    """A grid whose middle is at a given place."""
    at_zero = make_grid(size, spacing_mm, (0.0, 0.0, 0.0), orientation)
    origin = np.subtract(middle_mm, at_zero.centre_mm)
    return Grid(size, spacing_mm, tuple(origin), at_zero.direction)


def places(grid: Grid) -> np.ndarray:
    """LPS mm of every voxel, shape (z, y, x, 3)."""
    index = np.stack(index_arrays(grid), axis=-1)
    return index @ grid.affine[:3, :3].T + grid.affine[:3, 3]


def rigid(
    shift_mm: tuple[float, float, float],
    turn_deg: tuple[float, float, float],
    centre_mm: tuple[float, float, float] = (10.0, -20.0, 30.0),
) -> sitk.Euler3DTransform:
    return sitk.Euler3DTransform(centre_mm, *np.radians(turn_deg).tolist(), shift_mm)


def picture(
    grid: Grid,
    truth: sitk.Euler3DTransform | None = None,
    *,
    content: int = 0,
    noise: float = 0.03,
    bias: float = 0.0,
    seed: int = 0,
    sequence: Sequence = Sequence.T2,
) -> Volume:
    """Blobs of several sizes; with a truth (fixed to moving mm), as the moving image shows them."""
    values = _blobs(grid, None if truth is None else _inverse(truth), content).copy()
    inside = np.indices(values.shape) / np.array(values.shape).reshape(3, 1, 1, 1)
    values *= np.exp(bias * (inside[1] + inside[2] - 1))
    values += np.random.default_rng(seed).normal(0, noise * 100, values.shape)
    unit = Unit.UM2_PER_S if sequence is Sequence.ADC else Unit.ARBITRARY
    return Volume.from_array(values, grid, sequence, unit)


def _inverse(truth: sitk.Euler3DTransform) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Matrix and offset of the way back."""
    turn = np.asarray(truth.GetMatrix()).reshape(3, 3).T
    centre = np.asarray(truth.GetCenter())
    offset = centre - turn @ (centre + np.asarray(truth.GetTranslation()))
    return tuple(turn.ravel()), tuple(offset)


@lru_cache(maxsize=64)
def _blobs(
    grid: Grid, back: tuple[tuple[float, ...], tuple[float, ...]] | None, content: int
) -> np.ndarray:
    points = places(grid).reshape(-1, 3)
    if back is not None:
        points = points @ np.reshape(back[0], (3, 3)).T + np.asarray(back[1])
    draw = np.random.default_rng(content)
    middles = draw.uniform((-40, -70, 5), (60, 30, 55), (150, 3))
    widths, heights = draw.uniform(2.5, 10, 150), draw.uniform(-120, 160, 150)
    squared = (points**2).sum(axis=1)[:, None] + (middles**2).sum(axis=1) - 2 * points @ middles.T
    blobs = np.exp(-((squared / (2 * widths**2)) ** 2).astype(np.float32))
    return 100.0 + (blobs @ heights).reshape(grid.size[::-1])


def ball(
    grid: Grid,
    middle_mm: tuple[float, float, float] = (14.0, -16.0, 30.0),
    radius_mm: float = 16.0,
    roi: Roi = Roi.TUMOUR,
) -> Mask:
    distance = np.linalg.norm(places(grid) - np.asarray(middle_mm), axis=-1)
    return Mask.from_array(distance <= radius_mm, grid, roi)


def box_corners_mm(mask: Mask) -> list[tuple[float, float, float]]:
    """The corners of the box around a mask, LPS mm."""
    found = np.argwhere(mask.array)[:, ::-1]
    low, high = found.min(axis=0), found.max(axis=0)
    ends = [(low[i], high[i]) for i in range(3)]
    return [mask.grid.to_mm((x, y, z)) for x in ends[0] for y in ends[1] for z in ends[2]]


def error_mm(found: sitk.Transform, truth: sitk.Transform, mask: Mask) -> float:
    """Largest distance between found and true place of the corners of the mask's box."""
    return max(
        float(np.linalg.norm(np.subtract(found.TransformPoint(c), truth.TransformPoint(c))))
        for c in box_corners_mm(mask)
    )


def mean_error_mm(found: sitk.Transform, truth: sitk.Transform, mask: Mask) -> float:
    """Mean distance between found and true place of every seventh voxel of a mask."""
    points = places(mask.grid)[mask.array][::7].tolist()
    apart = [np.subtract(found.TransformPoint(p), truth.TransformPoint(p)) for p in points]
    return float(np.linalg.norm(apart, axis=1).mean())
