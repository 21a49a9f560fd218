"""Measure how well masks survive the journey to another grid: volume, surface, time.

    python scripts/bench/carry.py [--turns 5] [--gland MASK.nii.gz]

Balls, shells, a crescent and, where given, a real gland are drawn on one grid, turned by up to 12
degrees about each axis, moved by up to 4 mm and carried to another. Volume is compared with the
drawn mask, the surface with the shape itself (for the gland, with its drawn voxels). Beside our
method stand nearest neighbour and SimpleITK's label-Gaussian interpolation.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from radresp.core import Grid, Mask, Roi, resample_mask
from radresp.masks import carry
from radresp.masks.landing import land

ROUTES = (
    ((0.6, 0.6, 3.0), (2.0, 2.0, 3.5)),
    ((0.6, 0.6, 3.3), (2.5, 2.5, 4.0)),
    ((0.6, 0.6, 3.0), (0.6, 0.6, 3.0)),
    ((0.6, 0.6, 3.0), (1.0, 1.0, 1.0)),
    ((2.0, 2.0, 3.5), (0.6, 0.6, 3.0)),
)
EDGE_MM = 0.5
Inside = Callable[[NDArray[np.float64]], NDArray[np.bool_]]


def ball(radius_mm: float, hollow_mm: float = -1.0) -> Inside:
    """A ball, or the shell between two radii."""

    def inside(places: NDArray[np.float64]) -> NDArray[np.bool_]:
        away = np.linalg.norm(places, axis=-1)
        return (away <= radius_mm) & (away > hollow_mm)

    return inside


def crescent(places: NDArray[np.float64]) -> NDArray[np.bool_]:
    """A ball less another beside it: up to 7 mm thick, with sharp edges."""
    return ball(15)(places) & ~ball(13)(places - np.array([0.0, 5.0, 0.0]))


SHAPES: dict[str, Inside] = {
    "ball 0.5 mL": ball(5),
    "ball 14 mL": ball(15),
    "shell 2 mm": ball(14, 12),
    "shell 3 mm": ball(14, 11),
    "crescent": crescent,
}


def cube(spacing_mm: tuple[float, ...], shift_mm: NDArray[np.float64], edge_mm: float = 48) -> Grid:
    """A grid of a cube around a point."""
    size = tuple(round(edge_mm / edge) for edge in spacing_mm)
    first = [s - (n - 1) * e / 2 for n, e, s in zip(size, spacing_mm, shift_mm, strict=True)]
    return Grid(size, spacing_mm, tuple(float(f) for f in first))


def centres(grid: Grid) -> NDArray[np.float64]:
    """Places of all voxels, LPS mm."""
    index = np.stack(np.indices(grid.size[::-1])[::-1], axis=-1)
    return index @ grid.affine[:3, :3].T + grid.affine[:3, 3]


def apart_mm(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> tuple[float, float]:
    """Mean and 95th percentile of the distances between two surfaces, both ways."""
    rims = [region ^ ndimage.binary_erosion(region) for region in (one, other)]
    away = [ndimage.distance_transform_edt(~rim, sampling=EDGE_MM) for rim in rims]
    both = np.concatenate([away[1][rims[0]], away[0][rims[1]]])
    return float(both.mean()), float(np.percentile(both, 95))


def gaussian(mask: Mask, grid: Grid, transform: sitk.Transform) -> Mask:
    """SimpleITK's interpolation of labels."""
    image = sitk.Resample(
        mask.image, grid.blank(), transform, sitk.sitkLabelGaussian, 0, sitk.sitkUInt8
    )
    return Mask(image, mask.roi)


METHODS: dict[str, Callable[[Mask, Grid, sitk.Transform], Mask]] = {
    "carry": lambda mask, grid, transform: carry(mask, grid, transform)[0],
    "nearest": resample_mask,
    "label-Gaussian": gaussian,
}


def journeys(
    shape: str, gland: sitk.Image | None, turns: int
) -> Iterator[tuple[str, Mask, Grid, sitk.Transform, NDArray[np.bool_]]]:
    """Route, drawn mask, target, transform, and what should arrive in voxels of half a mm."""
    rng = np.random.default_rng(1)
    for here, there in ROUTES:
        for _ in range(turns):
            turn, shift = np.radians(rng.uniform(-12, 12, 3)), rng.uniform(-4, 4, 3)
            transform = sitk.Euler3DTransform((0, 0, 0), *turn.tolist(), shift.tolist())
            edge_mm = 48 if gland is None else 72
            source = cube(here, rng.uniform(-1, 1, 3), edge_mm)
            target = cube(there, rng.uniform(-1, 1, 3), edge_mm)
            fine = cube((EDGE_MM,) * 3, np.zeros(3), edge_mm)
            if gland is None:
                mask = Mask.from_array(SHAPES[shape](centres(source)), source, Roi.TUMOUR)
                matrix = np.reshape(transform.GetMatrix(), (3, 3))
                truth = SHAPES[shape](centres(fine) @ matrix.T + shift)
            else:
                mask = resample_mask(Mask(gland, Roi.TUMOUR), source)
                truth = resample_mask(mask, fine, transform).array
            name = " -> ".join("x".join(f"{e:g}" for e in g) for g in (here, there))
            yield name, mask, target, transform, truth


def measure(shape: str, gland: sitk.Image | None, turns: int) -> None:
    """Print the table rows of one shape."""
    rows: dict[tuple[str, str], list[list[float]]] = {}
    for route, mask, target, transform, truth in journeys(shape, gland, turns):
        said = land(mask, target, transform).surface_mm
        fine = cube((EDGE_MM,) * 3, np.zeros(3), 48 if gland is None else 72)
        for name, method in METHODS.items():
            started = time.perf_counter()
            there = method(mask, target, transform)
            seconds = time.perf_counter() - started
            voxels = resample_mask(there, fine).array
            change = there.volume_ml / mask.volume_ml - 1
            away = apart_mm(voxels, truth) if voxels.any() else (np.nan, np.nan)
            rows.setdefault((route, name), []).append([100 * change, *away, said, 1e3 * seconds])
    for (route, name), found in rows.items():
        volume, mean, p95, said, ms = np.array(found).T
        print(
            f"| {shape} | {route} | {name} | {np.abs(volume).mean():.1f} | "
            f"{np.abs(volume).max():.1f} | {np.nanmean(mean):.2f} | {np.nanmean(p95):.2f} | "
            f"{said.mean() if name == 'carry' else np.nan:.2f} | {np.median(ms):.0f} |"
        )


def centred(path: str) -> sitk.Image:
    """A mask file, moved so that its centre of mass is at 0."""
    image = sitk.Cast(sitk.ReadImage(path) > 0, sitk.sitkUInt8)
    middle = np.argwhere(sitk.GetArrayViewFromImage(image)).mean(axis=0)[::-1]
    place = image.TransformContinuousIndexToPhysicalPoint(middle.tolist())
    image.SetOrigin([o - p for o, p in zip(image.GetOrigin(), place, strict=True)])
    return image


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--gland", help="a mask file")
    chosen = parser.parse_args()
    print("| shape | voxels, mm | method | volume error, mean % | worst % | surface mean, mm |")
    print("| ... | 95th percentile, mm | said in the note, mm | ms |")
    for shape in SHAPES:
        measure(shape, None, chosen.turns)
    if chosen.gland:
        measure("gland", centred(chosen.gland), chosen.turns)


if __name__ == "__main__":
    main()
