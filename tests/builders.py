"""Small images, masks and regions made in memory, in any of four orientations."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import pytest

from radresp.core import Grid, Mask, Region, RegionKey, Roi, Sequence, Timepoint, Unit, Volume

_OBLIQUE = np.array(
    [[0.96, -0.28, 0.0], [0.28 * 0.8, 0.96 * 0.8, -0.6], [0.28 * 0.6, 0.96 * 0.6, 0.8]]
)
ORIENTATIONS = {
    "lps": (1, 0, 0, 0, 1, 0, 0, 0, 1),
    "ras": (-1, 0, 0, 0, -1, 0, 0, 0, 1),
    "coronal": (1, 0, 0, 0, 0, 1, 0, -1, 0),
    "oblique": tuple(_OBLIQUE.ravel()),
}


def shared_data(*parts: str) -> Path:
    """A path below the shared real test data, or a skip that says why."""
    path = Path(__file__).resolve().parents[2].joinpath("shared", "data", *parts)
    if not path.exists():
        pytest.skip(f"real test data {'/'.join(parts)} is not beside this checkout")
    return path


def living(kind: type) -> int:
    """How many objects of a kind there are, once those that nothing holds are gone."""
    gc.collect()
    return sum(type(found) is kind for found in gc.get_objects())


def make_grid(
    size: tuple[int, int, int] = (24, 20, 12),
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 3.0),
    origin_mm: tuple[float, float, float] = (-10.0, 5.0, 20.0),
    orientation: str = "lps",
) -> Grid:
    return Grid(size, spacing_mm, origin_mm, ORIENTATIONS[orientation])


def index_arrays(grid: Grid) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Voxel indices x, y, z as arrays ordered (z, y, x)."""
    z, y, x = np.indices(grid.size[::-1], dtype=float)
    return x, y, z


def make_volume(
    grid: Grid | None = None,
    sequence: Sequence = Sequence.T2,
    seed: int = 0,
    b_s_per_mm2: float | None = None,
) -> Volume:
    """A smooth, structured, positive picture with some noise."""
    grid = grid or make_grid()
    x, y, z = index_arrays(grid)
    nx, ny, nz = grid.size
    rng = np.random.default_rng(seed)
    picture = (
        300
        + 120 * np.sin(5.1 * x / nx) * np.cos(3.7 * y / ny)
        + 80 * np.cos(2.9 * z / nz + x / nx)
        + rng.normal(0, 8, grid.size[::-1])
    )
    unit = Unit.UM2_PER_S if sequence is Sequence.ADC else Unit.ARBITRARY
    scale = 4.0 if sequence is Sequence.ADC else 1.0
    return Volume.from_array(picture * scale, grid, sequence, unit, b_s_per_mm2)


def make_mask(
    grid: Grid | None = None,
    roi: Roi = Roi.TUMOUR,
    centre: tuple[float, float, float] = (0.5, 0.5, 0.5),
    radius: float = 0.3,
) -> Mask:
    """An ellipsoid; centre and radius as fractions of the box."""
    grid = grid or make_grid()
    x, y, z = index_arrays(grid)
    parts = [
        ((axis / (n - 1) - c) / radius) ** 2
        for axis, n, c in zip((x, y, z), grid.size, centre, strict=True)
    ]
    return Mask.from_array(sum(parts) <= 1.0, grid, roi)


def make_region(
    grid: Grid | None = None,
    timepoint: Timepoint = Timepoint.PRE,
    sequence: Sequence = Sequence.T2,
    roi: Roi = Roi.TUMOUR,
    seed: int = 0,
) -> Region:
    grid = grid or make_grid()
    b = 800.0 if sequence is Sequence.DWI else None
    volume = make_volume(grid, sequence, seed, b)
    return Region(RegionKey(timepoint, sequence, roi), volume, make_mask(grid, roi))
