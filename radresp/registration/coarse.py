"""Coarse copies of volumes and the area in which two images are compared.

Registration needs neither every voxel nor the finest grid: it works on smoothed copies of a few
millimetres and, where an outline is known, on the surroundings of that outline only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from radresp.core import Grid, Mask, Volume, resample_volume

_AIR_FRACTION = 0.1
"""Of the mean brightness; keeps division by the local mean from blowing up the noise of air."""


@dataclass(frozen=True, slots=True)
class Area:
    """The part of the fixed image in which two images are compared.

    Parameters
    ----------
    grid : Grid
        Voxels to compare on.
    inside : ndarray of bool
        Which of them count, shape ``grid.size[::-1]``, ordered (z, y, x).
    centre_mm : tuple of float
        LPS centre of gravity of the outline, else the middle of the grid, mm.
    """

    grid: Grid
    inside: NDArray[np.bool_]
    centre_mm: tuple[float, float, float]

    @property
    def points(self) -> int:
        """How many voxels count."""
        return int(np.count_nonzero(self.inside))

    def coarser(self, spacing_mm: float) -> Area:
        """The same area on a coarser grid."""
        grid = coarse_grid(self.grid, spacing_mm)
        index = np.ix_(*_nearest_index(grid, self.grid))
        return Area(grid, self.inside[index], self.centre_mm)


def area_around(grid: Grid, mask: Mask | None = None, margin_mm: float = 0.0) -> Area:
    """The surroundings of a mask, cut out of its grid; the whole grid without a mask.

    Parameters
    ----------
    grid : Grid
        Grid of the fixed image.
    mask : Mask, optional
        Non-empty outline on that grid.
    margin_mm : float, optional
        How far the area reaches beyond the outline, Euclidean in 3-D, mm.

    Returns
    -------
    Area
        On the voxels of ``grid``.
    """
    if mask is None:
        return Area(grid, np.ones(grid.size[::-1], dtype=bool), grid.centre_mm)
    drawn = mask.array
    box = []
    for axis, spacing in enumerate(grid.spacing_mm[::-1]):
        used = np.flatnonzero(drawn.any(axis=tuple(a for a in range(3) if a != axis)))
        reach = int(np.ceil(margin_mm / spacing))
        box.append(slice(max(int(used[0]) - reach, 0), int(used[-1]) + reach + 1))
    cut = drawn[tuple(box)]
    near = ndimage.distance_transform_edt(~cut, sampling=grid.spacing_mm[::-1]) <= margin_mm
    corner = grid.to_mm(tuple(float(part.start) for part in reversed(box)))
    centre = grid.to_mm(np.argwhere(drawn).mean(axis=0)[::-1])
    size = cast(tuple[int, int, int], cut.shape[::-1])
    return Area(Grid(size, grid.spacing_mm, corner, grid.direction), near, centre)


def coarse_grid(grid: Grid, spacing_mm: float) -> Grid:
    """A grid over the same box with no voxel edge shorter than ``spacing_mm``, where it fits.

    Edges that are longer already stay as they are.
    """
    extent = np.asarray(grid.extent_mm)
    wanted = np.maximum(grid.spacing_mm, spacing_mm)
    size = np.maximum(np.floor(extent / wanted + 1e-6), 1).astype(int)
    spacing = extent / size
    first = (spacing / np.asarray(grid.spacing_mm) - 1) / 2
    nx, ny, nz = (int(n) for n in size)
    sx, sy, sz = (float(s) for s in spacing)
    return Grid((nx, ny, nz), (sx, sy, sz), grid.to_mm(first), grid.direction)


def coarse_copy(volume: Volume, grid: Grid) -> Volume:
    """The volume smoothed to a coarser grid's voxel size and sampled there, linearly.

    Parameters
    ----------
    volume : Volume
        Image to copy, finite everywhere.
    grid : Grid
        A part or a coarsening of the volume's grid, with the same axes.

    Returns
    -------
    Volume
        On ``grid``.
    """
    old, new = np.asarray(volume.grid.spacing_mm), np.asarray(grid.spacing_mm)
    sigma = 0.5 * np.sqrt(np.maximum((new / old) ** 2 - 1, 0))
    if sigma.max() > 0:
        smooth = ndimage.gaussian_filter(volume.array, sigma[::-1], mode="nearest", truncate=3.0)
        volume = volume.with_array(smooth)
    return resample_volume(volume, grid)


def unshaded(volume: Volume, sigma_mm: float) -> Volume:
    """The volume with slow changes of brightness divided out, for the search only.

    Coil shading of a receive array changes brightness several-fold across a pelvis, differently at
    every visit, and pulls a search over a small area up to millimetres off.

    Parameters
    ----------
    volume : Volume
        Image, finite everywhere.
    sigma_mm : float
        Width of the Gaussian that makes the local mean, mm; 0 leaves the image as it is.
    """
    if sigma_mm == 0:
        return volume
    values = volume.array.astype(np.float64)
    values -= values.min()
    sigma = sigma_mm / np.asarray(volume.grid.spacing_mm[::-1])
    local = ndimage.gaussian_filter(values, sigma, mode="nearest", truncate=3.0)
    return volume.with_array(values / (local + _AIR_FRACTION * max(values.mean(), 1e-30)))


def filled(volume: Volume) -> Volume:
    """The volume with 0 where its declared background holds no measurement."""
    if volume.background is None:
        return volume
    return replace(volume.with_array(np.where(measured(volume), volume.array, 0)), background=None)


def compared(
    fixed: Volume, moving: Volume, area: Area, transform: sitk.Transform
) -> tuple[NDArray[np.float32], NDArray[np.float32], float]:
    """The values two images show at the same places of an area.

    Parameters
    ----------
    fixed : Volume
        Fixed image on the area's grid.
    moving : Volume
        Moving image on any grid.
    area : Area
        Where to compare.
    transform : SimpleITK.Transform
        Maps fixed LPS mm to moving LPS mm.

    Returns
    -------
    tuple of ndarray, ndarray, float
        Fixed values, moving values (flat, equal length) and the fraction of the area that lies
        inside the moving image.
    """
    seen = resample_volume(moving, area.grid, transform)
    both = area.inside & measured(seen) & measured(fixed)
    return fixed.array[both], seen.array[both], int(np.count_nonzero(both)) / area.points


def measured(volume: Volume) -> NDArray[np.bool_]:
    """Where a volume holds a measurement, ordered (z, y, x)."""
    if volume.background is None:
        return np.ones(volume.grid.size[::-1], dtype=bool)
    return cast(NDArray[np.bool_], sitk.GetArrayViewFromImage(volume.background) == 0)


def _nearest_index(grid: Grid, onto: Grid) -> tuple[NDArray[np.intp], ...]:
    """For each axis (z, y, x), the index on ``onto`` nearest to each index on ``grid``."""
    index = []
    for n, m, new, old in zip(grid.size, onto.size, grid.spacing_mm, onto.spacing_mm, strict=True):
        position = (np.arange(n) + 0.5) * new / old - 0.5
        index.append(np.clip(np.rint(position).astype(np.intp), 0, m - 1))
    return tuple(reversed(index))
