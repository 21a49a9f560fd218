"""The grid: where voxels lie in the patient, without any voxel values."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Self, cast

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from radresp.errors import GeometryError

SNAP_TOLERANCE_MM = 1e-3
"""Grids whose corners differ by less than this are the same grid (rounding in file headers)."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Size, spacing, origin and direction of a 3-D image.

    Axis order is x, y, z (as ITK); the world is LPS millimetres. Arrays taken from a volume on
    this grid are ordered (z, y, x).

    Parameters
    ----------
    size : tuple of int
        Number of voxels along x, y, z; each at least 1.
    spacing_mm : tuple of float
        Voxel edge lengths in mm; each positive.
    origin_mm : tuple of float
        LPS position of the centre of the first voxel, mm.
    direction : tuple of float
        3x3 direction cosines, row by row; columns are the axes. Must be orthonormal.

    Raises
    ------
    GeometryError
        If a number is not finite, a size or spacing is not positive, or the direction is not
        orthonormal.

    Examples
    --------
    >>> grid = Grid(size=(4, 4, 2), spacing_mm=(1, 1, 3), origin_mm=(0, 0, 0))
    >>> grid.voxel_volume_ml
    0.003
    """

    size: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    origin_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    direction: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)

    def __post_init__(self) -> None:
        for name, length, kind in (
            ("size", 3, int),
            ("spacing_mm", 3, float),
            ("origin_mm", 3, float),
            ("direction", 9, float),
        ):
            value = tuple(getattr(self, name))
            if len(value) != length or not np.all(np.isfinite(value)):
                raise _bad_grid(name, value, f"{length} finite numbers")
            object.__setattr__(self, name, tuple(kind(v) for v in value))
        if min(self.size) < 1:
            raise _bad_grid("size", self.size, "at least 1 voxel along every axis")
        if min(self.spacing_mm) <= 0:
            raise _bad_grid("spacing_mm", self.spacing_mm, "positive spacing")
        axes = self.axes
        if not np.allclose(axes.T @ axes, np.eye(3), atol=1e-4):
            raise _bad_grid("direction", self.direction, "orthonormal axes")

    @classmethod
    def of(cls, image: sitk.Image) -> Self:
        """The grid of a SimpleITK image."""
        if image.GetDimension() != 3:
            raise GeometryError(
                "NII_DIM", f"the image has {image.GetDimension()} dimensions", expected="3"
            )
        return cls(image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection())

    @property
    def axes(self) -> NDArray[np.float64]:
        """3x3 matrix whose columns are the unit vectors of the x, y and z axis."""
        return np.asarray(self.direction, dtype=float).reshape(3, 3)

    @property
    def affine(self) -> NDArray[np.float64]:
        """4x4 matrix from voxel index (x, y, z) to LPS mm."""
        matrix = np.eye(4)
        matrix[:3, :3] = self.axes * np.asarray(self.spacing_mm)
        matrix[:3, 3] = self.origin_mm
        return matrix

    @property
    def voxel_volume_ml(self) -> float:
        """Volume of one voxel in mL."""
        return float(np.prod(self.spacing_mm)) / 1000.0

    @property
    def extent_mm(self) -> tuple[float, float, float]:
        """Edge lengths of the whole box in mm (x, y, z)."""
        extent = np.asarray(self.size) * np.asarray(self.spacing_mm)
        return cast(tuple[float, float, float], tuple(float(v) for v in extent))

    @property
    def centre_mm(self) -> tuple[float, float, float]:
        """LPS position of the middle of the box, mm."""
        return self.to_mm((np.asarray(self.size) - 1) / 2.0)

    def to_mm(self, index: NDArray[np.float64] | tuple[float, ...]) -> tuple[float, float, float]:
        """LPS position in mm of a (fractional) voxel index (x, y, z)."""
        point = self.affine[:3, :3] @ np.asarray(index, dtype=float) + self.affine[:3, 3]
        return cast(tuple[float, float, float], tuple(float(v) for v in point))

    def corners_mm(self) -> NDArray[np.float64]:
        """LPS positions of the eight corner voxel centres, shape (8, 3), mm."""
        ends = [(0, n - 1) for n in self.size]
        return np.array([self.to_mm(corner) for corner in product(*ends)])

    def same_as(self, other: Grid, tol_mm: float = SNAP_TOLERANCE_MM) -> bool:
        """Whether both grids put every voxel at the same place.

        Size must be equal and spacing, origin and direction together must leave every corner
        within ``tol_mm``; a grid one voxel thick is compared by spacing too.
        """
        if self.size != other.size:
            return False
        return self.distance_mm(other) <= tol_mm

    def distance_mm(self, other: Grid) -> float:
        """Largest displacement between equal voxel indices of two grids of one size, mm."""
        shift = np.abs(self.corners_mm() - other.corners_mm()).max()
        spacing = np.abs(np.subtract(self.spacing_mm, other.spacing_mm)).max()
        thickness = np.abs(self.axes - other.axes).max() * max(self.spacing_mm)
        return float(max(shift, spacing, thickness))

    def difference(self, other: Grid) -> str:
        """What differs between two grids, in words; empty when nothing does."""
        parts = []
        for name in ("size", "spacing_mm", "origin_mm", "direction"):
            mine, theirs = getattr(self, name), getattr(other, name)
            if not np.allclose(mine, theirs, rtol=0, atol=1e-6):
                parts.append(f"{name} {_short(mine)} against {_short(theirs)}")
        if parts and self.size == other.size:
            parts.append(f"corners up to {self.distance_mm(other):.3g} mm apart")
        return ", ".join(parts)

    def blank(self, pixel_type: int = sitk.sitkUInt8) -> sitk.Image:
        """A SimpleITK image of zeros on this grid."""
        image = sitk.Image(list(self.size), pixel_type)
        self.stamp(image)
        return image

    def stamp(self, image: sitk.Image) -> None:
        """Write this grid's spacing, origin and direction onto a new image of the same size."""
        image.SetSpacing(self.spacing_mm)
        image.SetOrigin(self.origin_mm)
        image.SetDirection(self.direction)


def _bad_grid(name: str, value: object, expected: str) -> GeometryError:
    return GeometryError("GRID", f"grid {name} is {value}", expected=expected)


def _short(values: tuple[float, ...]) -> str:
    return "x".join(f"{v:.6g}" for v in values)
