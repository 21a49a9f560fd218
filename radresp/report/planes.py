"""Slices as people look at them: patient right on the left of the picture, anterior up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from radresp.core import Grid, Mask, Volume, resample_mask, resample_volume

Point = NDArray[np.float64]


def axial_grid(image: sitk.Image) -> Grid:
    """The grid of an image with its axes ordered right-left, front-back, foot-head."""
    order = sitk.DICOMOrientImageFilter()
    order.SetDesiredCoordinateOrientation("LPS")
    return Grid.of(order.Execute(image))


def axial(volume: Volume) -> Volume:
    """A volume on its axial grid; its voxels change places and are never interpolated."""
    grid = axial_grid(volume.image)
    if grid.same_as(volume.grid):
        return volume
    return resample_volume(volume, grid, interpolator=sitk.sitkNearestNeighbor)


def axial_mask(mask: Mask) -> Mask:
    """An outline on its axial grid."""
    grid = axial_grid(mask.image)
    return mask if grid.same_as(mask.grid) else resample_mask(mask, grid)


def index_of(grid: Grid, point_mm: Point) -> Point:
    """Fractional voxel index (x, y, z) of a point, LPS mm."""
    turned = grid.axes.T @ (np.asarray(point_mm) - np.asarray(grid.origin_mm))
    return np.asarray(turned / np.asarray(grid.spacing_mm))


class Extent(NamedTuple):
    """The box of an outline: first and last voxel along x, y and z."""

    first: Point
    last: Point

    @property
    def middle(self) -> Point:
        """Its middle, as a voxel index."""
        return (self.first + self.last) / 2

    def reach_mm(self, grid: Grid) -> float:
        """Half of its longer edge in the plane, mm."""
        edges = (self.last - self.first + 1) * np.asarray(grid.spacing_mm)
        return float(edges[:2].max()) / 2


def extent_of(masks: list[Mask], grid: Grid) -> Extent:
    """The box around outlines on one grid; that of the whole image where there is none."""
    inside = np.zeros(grid.size[::-1], bool)
    for mask in masks:
        inside |= mask.array
    if not inside.any():
        return Extent(np.zeros(3), np.asarray(grid.size, dtype=float) - 1)
    where = np.argwhere(inside)[:, ::-1]
    return Extent(where.min(axis=0).astype(float), where.max(axis=0).astype(float))


@dataclass(frozen=True, slots=True)
class Cut:
    """A box of voxels of an axial grid, and where it lies in its panel.

    Parameters
    ----------
    grid : Grid
        The whole grid.
    first, last : tuple of int
        First and last voxel along x, y and z.
    centre : ndarray of shape (3,)
        Voxel index of the panel's middle; only x and y count.
    """

    grid: Grid
    first: tuple[int, int, int]
    last: tuple[int, int, int]
    centre: Point

    @classmethod
    def around(cls, grid: Grid, centre_mm: Point, half_mm: float, slices: tuple[int, int]) -> Cut:
        """The voxels of some slices that lie in a square around a point, as far as there are."""
        centre, most = index_of(grid, centre_mm), np.asarray(grid.size) - 1
        reach = half_mm / np.asarray(grid.spacing_mm)
        low = np.clip(np.floor(centre - reach), 0, most).astype(int)
        high = np.clip(np.ceil(centre + reach), 0, most).astype(int)
        first = (int(low[0]), int(low[1]), max(slices[0], 0))
        last = (int(high[0]), int(high[1]), min(slices[1], int(most[2])))
        return cls(grid, first, last, centre)

    @property
    def box(self) -> tuple[slice, slice, slice]:
        """Slices of an array ordered (z, y, x)."""
        z, y, x = (slice(a, b + 1) for a, b in zip(self.first[::-1], self.last[::-1], strict=True))
        return z, y, x

    @property
    def cut_grid(self) -> Grid:
        """The grid of the box alone."""
        x, y, z = (b - a + 1 for a, b in zip(self.first, self.last, strict=True))
        origin = self.grid.to_mm((float(self.first[0]), float(self.first[1]), float(self.first[2])))
        return Grid((x, y, z), self.grid.spacing_mm, origin, self.grid.direction)

    @property
    def place_mm(self) -> tuple[float, float, float, float]:
        """Left and upper edge of the box from the middle of the panel, its width and height, mm."""
        sx, sy, _ = self.grid.spacing_mm
        left = (self.first[0] - 0.5 - float(self.centre[0])) * sx
        top = (self.first[1] - 0.5 - float(self.centre[1])) * sy
        size = self.cut_grid.size
        return left, top, size[0] * sx, size[1] * sy


def borders(inside: NDArray[np.bool_]) -> list[int]:
    """The border of an outline in a slice, along the edges of its voxels.

    Parameters
    ----------
    inside : ndarray of bool, shape (y, x)
        One slice.

    Returns
    -------
    list of int
        Four numbers a straight piece: 0 where it runs along x, 1 along y; its place on the other
        axis; where it starts and ends. All in voxel edges, 0 before the first voxel.

    Examples
    --------
    >>> borders(np.array([[True, True]]))
    [0, 0, 0, 2, 0, 1, 0, 2, 1, 0, 0, 1, 1, 2, 0, 1]
    """
    padded = np.pad(inside, 1).astype(np.int8)
    along = (np.diff(padded, axis=0)[:, 1:-1], np.diff(padded, axis=1)[1:-1].T)
    return [n for axis, steps in enumerate(along) for run in _runs(steps) for n in (axis, *run)]


def _runs(steps: NDArray[np.int8]) -> list[list[int]]:
    """Place, start and end of every piece along the lines where inside and outside meet."""
    turns = np.diff(np.pad(np.abs(steps), ((0, 0), (1, 1))).astype(np.int8), axis=1)
    place, start = np.nonzero(turns > 0)
    _, end = np.nonzero(turns < 0)
    runs: list[list[int]] = np.column_stack([place, start, end]).tolist()
    return runs
