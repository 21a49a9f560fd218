"""Control points of a cubic B-spline on the axes of an image, and its matrices along each axis.

Everything a tensor-product spline needs is small and one-dimensional: the basis at given places,
its derivative, a change to a finer lattice, the differences that measure bending. A method applies
these matrices axis by axis. Arrays are ordered (z, y, x); a displacement has its components along
x, y and z of the image's own axes, mm; places are mm from the first voxel along these axes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from radresp.core import Grid

Matrix = NDArray[np.float64]
Matrices = tuple[Matrix, Matrix, Matrix]
"""One matrix for each axis: z, y, x."""

_ORDER = 3
_CLEAR_LAYERS = 3
"""Outer control points that must be 0 for a cubic spline to end without a step."""
_STEEPEST_FADE = 2.5
"""Width of the fade-out over the largest displacement; a cosine then slopes at most 0.63."""


@dataclass(frozen=True, slots=True)
class ControlGrid:
    """An even lattice of control points over a box, one layer more on each side than it needs.

    Parameters
    ----------
    start_mm : tuple of float
        Where the box begins along z, y and x, mm.
    step_mm : tuple of float
        Distance of control points along z, y and x, mm.
    count : tuple of int
        Control points along z, y and x.

    Examples
    --------
    >>> lattice = ControlGrid.over((0.0, 0.0, 0.0), (30.0, 60.0, 60.0), 12.0)
    >>> lattice.count, lattice.step_mm
    ((6, 8, 8), (10.0, 12.0, 12.0))
    """

    start_mm: tuple[float, float, float]
    step_mm: tuple[float, float, float]
    count: tuple[int, int, int]

    @classmethod
    def over(
        cls,
        low_mm: tuple[float, float, float],
        high_mm: tuple[float, float, float],
        step_mm: float,
        least_mm: tuple[float, float, float] = (0.0, 0.0, 0.0),
    ) -> ControlGrid:
        """The lattice with the longest steps of at most ``step_mm`` that fit a box.

        An axis with voxels of ``least_mm`` gets no shorter steps than these.
        """
        extent = np.subtract(high_mm, low_mm)
        wanted = np.maximum(step_mm, least_mm)
        parts = np.maximum(np.ceil(extent / wanted - 1e-6), 1).astype(int)
        return cls(low_mm, _three(extent / parts), _three(parts + _ORDER, int))

    @property
    def cell_mm3(self) -> float:
        """Volume one control point stands for, mm3."""
        return float(np.prod(self.step_mm))

    def basis(self, places_mm: Matrices, derived: int | None = None) -> Matrices:
        """Each axis' basis at places: (place, control point); ``derived`` axis as derivative."""
        found = []
        for axis, places in enumerate(places_mm):
            knots = (places[:, None] - self.start_mm[axis]) / self.step_mm[axis] + 1
            away = knots - np.arange(self.count[axis], dtype=float)
            if axis == derived:
                found.append(_slope(away) / self.step_mm[axis])
            else:
                found.append(cubic(away))
        return _three_matrices(found)

    def towards(self, finer: ControlGrid) -> Matrices:
        """Matrices that carry coefficients to another lattice over the same box."""
        found = []
        for axis in range(3):
            end = self.start_mm[axis] + self.step_mm[axis] * (self.count[axis] - _ORDER)
            places = np.linspace(self.start_mm[axis], end, 8 * finer.count[axis] + 1)
            at = (places,) * 3
            found.append(np.linalg.lstsq(finer.basis(at)[axis], self.basis(at)[axis])[0])
        return _three_matrices(found)

    def stiffness(self) -> tuple[Matrices, Matrices]:
        """First and second differences of control points, squared, along each axis."""
        first, second = [], []
        for count, step in zip(self.count, self.step_mm, strict=True):
            once = np.diff(np.eye(count), axis=0) / step
            twice = np.diff(np.eye(count), 2, axis=0) / step**2
            first.append(once.T @ once)
            second.append(twice.T @ twice)
        return _three_matrices(first), _three_matrices(second)

    def lattice_mm(self, phases: int) -> Matrices:
        """Places along each axis, ``phases`` per control point, where the spline is complete."""
        return _three_matrices(
            [
                start + step / phases * np.arange((count - _ORDER) * phases + 1)
                for start, step, count in zip(self.start_mm, self.step_mm, self.count, strict=True)
            ]
        )


def fading(
    lattice: ControlGrid, coefficients: NDArray[np.floating]
) -> tuple[ControlGrid, NDArray[np.float64]]:
    """A larger lattice on which the displacement fades to nothing outside the box.

    Parameters
    ----------
    lattice : ControlGrid
        Where the coefficients are.
    coefficients : ndarray
        (3, z, y, x), mm.

    Returns
    -------
    tuple of ControlGrid, ndarray
        Inside the box nothing changes; the outermost three layers are 0.
    """
    largest = float(np.abs(coefficients).max())
    padded = np.asarray(coefficients, dtype=np.float64)
    layers = []
    for axis, step in enumerate(lattice.step_mm, start=1):
        fade = int(np.ceil(_STEEPEST_FADE * largest / step)) + 1
        layer = fade + _CLEAR_LAYERS
        layers.append(layer)
        pads = [(0, 0)] * 4
        pads[axis] = (layer, layer)
        padded = np.pad(padded, pads, mode="edge")
        depth = np.minimum(np.arange(1, layer + 1) / (fade + 1), 1.0)
        tail = 0.5 + 0.5 * np.cos(np.pi * depth)
        tail[fade:] = 0.0
        weight = np.concatenate([tail[::-1], np.ones(lattice.count[axis - 1]), tail])
        padded *= weight.reshape([-1 if a == axis else 1 for a in range(4)])
    start = np.subtract(lattice.start_mm, np.multiply(layers, lattice.step_mm))
    count = np.add(lattice.count, np.multiply(layers, 2))
    return ControlGrid(_three(start), lattice.step_mm, _three(count, int)), padded


def itk_transform(
    lattice: ControlGrid, coefficients: NDArray[np.float64], grid: Grid
) -> sitk.BSplineTransform:
    """The displacement as an ITK transform in LPS mm.

    Parameters
    ----------
    lattice : ControlGrid
        On the axes of ``grid``, mm from its first voxel.
    coefficients : ndarray
        (3, z, y, x): displacement along the axes x, y and z of the grid, mm.
    grid : Grid
        The image the lattice belongs to.
    """
    axes = grid.axes
    first = np.subtract(lattice.start_mm, lattice.step_mm)[::-1]
    origin = np.asarray(grid.origin_mm) + axes @ first
    fixed = [*lattice.count[::-1], *origin, *lattice.step_mm[::-1], *axes.ravel()]
    transform = sitk.BSplineTransform(3, _ORDER)
    transform.SetFixedParameters([float(value) for value in fixed])
    turned = np.tensordot(axes, coefficients, axes=1)
    transform.SetParameters(turned.ravel().tolist())
    return transform


def cubic(x: Matrix) -> Matrix:
    """The cubic B-spline at distances in control points."""
    a = np.abs(x)
    near = 2 / 3 - a * a + a**3 / 2
    return np.where(a < 1, near, np.where(a < 2, (2 - a).clip(min=0) ** 3 / 6, 0.0))


def _slope(x: Matrix) -> Matrix:
    a = np.abs(x)
    near, far = a * (1.5 * a - 2), -((2 - a) ** 2) / 2
    return np.sign(x) * np.where(a < 1, near, np.where(a < 2, far, 0.0))


def _three(values: NDArray[np.generic], kind: type = float) -> tuple:
    z, y, x = (kind(value) for value in values)
    return z, y, x


def _three_matrices(values: Iterable[NDArray[Any]]) -> Matrices:
    z, y, x = values
    return z, y, x
