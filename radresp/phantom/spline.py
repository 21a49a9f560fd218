"""A smooth displacement as a cubic B-spline, exactly the one ITK knows.

What: a `Deformation` moves every point by ``u(x)``, the cubic B-spline of control points on an even
grid. It evaluates itself in numpy, hands itself out as a `SimpleITK.BSplineTransform`, and finds
its inverse.
Source: Rueckert et al., IEEE Trans Med Imaging 1999;18:712-721 (free-form deformation).
When: the second visit shows the patient deformed, and the truth must hold that deformation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

_Array = NDArray[np.float64]
_Place = tuple[float, float, float]
_MARGIN = 3  # control points at every face that stay 0
_INVERSE_REFINEMENT, _FINEST_INVERSE = 2.0, 4.0  # control points per one of the forward spline
_INVERSE_MM = 0.04
_INVERSE_DECIMALS = 3
_INVERSE_STEPS = 60
_PHASES = 2  # places between neighbouring control points at which determinants are looked at


@dataclass(frozen=True)
class Deformation:
    """A smooth displacement ``x -> x + u(x)`` in mm; 0 outside its control grid.

    Parameters
    ----------
    coefficients : numpy.ndarray
        B-spline coefficients in mm, (3, nz, ny, nx): displacement along x, y and z. The three
        outermost layers must be 0, so that the displacement ends smoothly within the grid.
    origin_mm, spacing_mm : tuple of float
        Place of the first control point and steps of the grid along x, y and z.

    Examples
    --------
    >>> still = Deformation(np.zeros((3, 8, 8, 8)), (0.0, 0.0, 0.0), (10.0, 10.0, 10.0))
    >>> still.reach_mm
    0.0
    """

    coefficients: _Array = field(repr=False)
    origin_mm: _Place
    spacing_mm: _Place

    def __post_init__(self) -> None:
        within = (slice(None), *(slice(_MARGIN, -_MARGIN),) * 3)
        outer = self.coefficients.copy()
        outer[within] = 0
        if outer.any() or min(self.coefficients.shape[1:]) <= 2 * _MARGIN:
            raise ValueError(f"the {_MARGIN} outer layers of control points must be 0")

    @cached_property
    def reach_mm(self) -> float:
        """Upper bound of the length of the displacement, mm."""
        # A B-spline stays within the convex hull of its coefficients.
        return float(np.sqrt((self.coefficients**2).sum(axis=0).max()))

    def shift(self, points: Sequence[NDArray[np.floating]]) -> tuple[_Array, _Array, _Array]:
        """Displacement along x, y and z (mm) at points, given as x, y and z of any one shape."""
        where = self._index(points)
        last = np.array(self.coefficients.shape[1:]) - 2
        inside = np.logical_and.reduce(
            [(w > 1) & (w < end) for w, end in zip(where, last, strict=True)]
        )
        chosen = np.stack([w[inside] for w in where])
        x, y, z = (np.zeros(inside.shape) for _ in range(3))
        for out, part in zip((x, y, z), self.coefficients, strict=True):
            out[inside] = ndimage.map_coordinates(part, chosen, order=3, prefilter=False)
        return x, y, z

    def moved(self, points: Sequence[NDArray[np.floating]]) -> tuple[_Array, ...]:
        """The points after the displacement."""
        return tuple(p + u for p, u in zip(points, self.shift(points), strict=True))

    def gradient(self) -> _Array:
        """``du_i / dx_j`` on a lattice twice as fine as the control grid, (3, 3, z, y, x)."""
        found = np.stack([self._refined(axis) for axis in range(3)], axis=1)
        found /= np.array(self.spacing_mm)[:, None, None, None]
        return found

    def determinant(self) -> _Array:
        """Determinant of the Jacobian on the lattice of `gradient`: local change of volume."""
        g = self.gradient()
        a, b, c = (g[i] + np.eye(3)[i][:, None, None, None] for i in range(3))
        found: _Array = (
            a[0] * (b[1] * c[2] - b[2] * c[1])
            - a[1] * (b[0] * c[2] - b[2] * c[0])
            + a[2] * (b[0] * c[1] - b[1] * c[0])
        )
        return found

    def transform(self) -> sitk.BSplineTransform:
        """The same displacement for ITK: maps a point of the later to the earlier visit, LPS mm."""
        sizes = self.coefficients.shape[:0:-1]
        fixed = (*sizes, *self.origin_mm, *self.spacing_mm, 1, 0, 0, 0, 1, 0, 0, 0, 1)
        transform = sitk.BSplineTransform(3, 3)
        transform.SetFixedParameters([float(v) for v in fixed])
        transform.SetParameters(self.coefficients.ravel().tolist())
        return transform

    def inverse(self) -> sitk.BSplineTransform:
        """The inverse as a transform that can be saved; error below 0.05 mm."""
        return self.inverted().transform()

    def inverted(self) -> Deformation:
        """The inverse as a B-spline on a finer control grid; error below 0.05 mm."""
        refinement = _INVERSE_REFINEMENT
        found, error = self._fitted_inverse(refinement)
        while error > _INVERSE_MM and refinement < _FINEST_INVERSE:
            # The error falls with the fourth power of the steps; in steps of a quarter.
            refinement *= max((error / (0.7 * _INVERSE_MM)) ** 0.25, 1.1)
            refinement = min(float(np.ceil(4 * refinement)) / 4, _FINEST_INVERSE)
            found, error = self._fitted_inverse(refinement)
        return found

    def lattice(self) -> tuple[tuple[_Array, ...], _Place]:
        """x, y and z of the control points, each (z, y, x), and their steps, mm."""
        axes = [
            start + step * np.arange(count)
            for start, step, count in zip(
                self.origin_mm,
                self.spacing_mm,
                self.coefficients.shape[:0:-1],
                strict=True,
            )
        ]
        z, y, x = np.meshgrid(*axes[::-1], indexing="ij")
        return (x, y, z), self.spacing_mm

    def _fitted_inverse(self, refinement: float) -> tuple[Deformation, float]:
        """The B-spline through the inverse at denser control points, and its largest error, mm."""
        counts = [int((n - 1) * refinement) + 1 for n in self.coefficients.shape[1:]]
        x, y, z = (s / refinement for s in self.spacing_mm)
        empty = Deformation(np.zeros((3, *counts)), self.origin_mm, (x, y, z))
        points, steps = empty.lattice()
        samples = self._solved(points)
        fitted = np.stack([ndimage.spline_filter(part, 3, mode="mirror") for part in samples])
        found = replace(empty, coefficients=rounded(fitted, _INVERSE_DECIMALS))
        # Right at its control points, it is worst between them.
        there = [p[:-1, :-1, :-1] + s / 2 for p, s in zip(points, steps, strict=True)]
        again = self.moved(found.moved(there))
        error = np.zeros_like(there[0])
        for p, q in zip(again, there, strict=True):
            error += (p - q) ** 2
        return found, float(np.sqrt(error.max()))

    def _solved(self, points: Sequence[_Array]) -> _Array:
        """Displacement v with ``v + u(points + v) = 0``, by fixed-point steps."""
        flat = np.stack([p.ravel() for p in points])
        found = np.zeros_like(flat)
        # u is exactly 0 far away, and a point that stays at rest there needs no step.
        left = np.arange(flat.shape[1])
        for _ in range(_INVERSE_STEPS):
            step = -np.stack(self.shift(tuple(flat[:, left] + found[:, left])))
            moved = np.abs(step - found[:, left]).max(axis=0)
            found[:, left] = step
            left = left[moved > 1e-3]
            if not left.size:
                break
        return found.reshape(3, *points[0].shape)

    def _index(self, points: Sequence[NDArray[np.floating]]) -> list[_Array]:
        """Fractional index of points along z, y and x."""
        return [
            (np.asarray(p, np.float64) - start) / step
            for p, start, step in zip(
                points[::-1], self.origin_mm[::-1], self.spacing_mm[::-1], strict=True
            )
        ]

    def _refined(self, derived: int) -> _Array:
        """Derivative along one axis (0 for x), in mm per knot, at `_PHASES` places per knot."""
        values = self.coefficients
        for axis in (3, 2, 1):
            values = _along(values, axis, derivative=derived == 3 - axis)
        return values


def rounded(coefficients: _Array, decimals: int) -> _Array:
    """Coefficients rounded, without -0, and 0 in the outer layers."""
    clean = np.zeros_like(coefficients)
    within = (slice(None), *(slice(_MARGIN, -_MARGIN),) * 3)
    clean[within] = np.round(coefficients[within], decimals) + 0.0
    return clean


def _along(values: _Array, axis: int, *, derivative: bool) -> _Array:
    """The spline or its derivative along an axis, at evenly spread places between the knots."""
    t = np.arange(_PHASES) / _PHASES
    rest = 1 - t
    if derivative:
        doubled = -rest * rest, (3 * t - 4) * t, (4 - 3 * rest) * rest, t * t
        taps = [tap / 2 for tap in doubled]
    else:
        near, far = (4 - 6 * t**2 + 3 * t**3) / 6, (4 - 6 * rest**2 + 3 * rest**3) / 6
        taps = [rest**3 / 6, near, far, t**3 / 6]
    values = np.moveaxis(values, axis, -1)
    count = values.shape[-1] - 3
    found = np.zeros((*values.shape[:-1], count, _PHASES))
    for i, tap in enumerate(taps):
        found += values[..., i : i + count, None] * tap
    return np.moveaxis(found.reshape(*values.shape[:-1], count * _PHASES), -1, axis)
