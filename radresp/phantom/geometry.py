"""Planes of points: where the phantom is painted.

What: a `Plane` is one slice of sample points in anatomical millimetres, in any orientation, moved
by a smooth `Deformation` if there is one. The points are computed once and looked at through
windows, the part of the plane that a shape can reach; this keeps the phantom quick.
When: wherever an anatomical shape becomes labels.

Anatomical axes are x to the patient's left, y to the back, z to the head (as LPS), in mm, with the
origin in the middle of the pelvis at the height of the mid rectum.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from radresp.phantom.spline import Deformation

Points = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]
Window = tuple[slice, slice]
_Vector = NDArray[np.float64]
# Nodes of the lattice in the plane from which displacements are interpolated to within 0.02 mm.
_NODES_PER_KNOT = 2.4
_NODE_MM = 6.0


@dataclass(frozen=True)
class Plane:
    """A plane of points: ``corner + row * down + column * across``, anatomical mm.

    Parameters
    ----------
    corner, down, across : numpy.ndarray
        First point, step from row to row, step from column to column; each (x, y, z) in mm.
    rows, columns : int
        Number of points.
    warp : Deformation, optional
        Moves the points: what is imaged at a place is the tissue that the deformation points to.
    source : Plane, optional
        The plane whose points the warp moves, for `bent`; a flat plane when not given.
    """

    corner: _Vector
    down: _Vector
    across: _Vector
    rows: int
    columns: int
    warp: Deformation | None = None
    source: Plane | None = field(default=None, repr=False)

    def bent(self, by: Deformation) -> Plane:
        """The plane with its points moved once more."""
        return replace(self, warp=by, source=self)

    def points(self, window: Window) -> Points:
        """x, y and z of the points in a window, each of its shape; not to be written to."""
        x, y, z = self._moved[0]
        return x[window], y[window], z[window]

    def window(self, centre: _Vector, half: _Vector) -> Window | None:
        """Rows and columns a box (centre and half edges, mm) can reach; None when it misses."""
        return next((window for _, window in self.reached(centre[None], half[None])), None)

    def reached(self, centres: _Vector, halves: _Vector) -> Iterator[tuple[int, Window]]:
        """Index and window of each box, given as two arrays (n, 3) in mm, that the plane meets."""
        frame, steps = self._frame
        away = ((centres - self.corner)[:, None] * frame).sum(axis=-1)
        reach = ((halves + self._moved[1])[:, None] * np.abs(frame)).sum(axis=-1)
        start = np.floor((away - reach)[:, :2] / steps).astype(int).clip(0)
        stop = np.ceil((away + reach)[:, :2] / steps).astype(int) + 1
        stop = np.minimum(stop, (self.rows, self.columns))
        met = (np.abs(away[:, 2]) <= reach[:, 2]) & (start < stop).all(axis=1)
        for i in np.flatnonzero(met).tolist():
            (r0, c0), (r1, c1) = start[i].tolist(), stop[i].tolist()
            yield i, (slice(r0, r1), slice(c0, c1))

    @property
    def whole(self) -> Window:
        """The window that holds every point."""
        return slice(0, self.rows), slice(0, self.columns)

    @cached_property
    def _frame(self) -> tuple[_Vector, _Vector]:
        """Unit vectors down, across and out of the plane, (3, 3), and the steps in mm."""
        steps = np.sqrt(np.array([(self.down**2).sum(), (self.across**2).sum()]))
        down, across = self.down / steps[0], self.across / steps[1]
        return np.stack([down, across, np.cross(down, across)]), steps

    @cached_property
    def _moved(self) -> tuple[Points, _Vector]:
        """Every point, and how far the warps moved them at most along x, y and z, mm."""
        if self.source is None:
            rows, columns = (np.arange(n, dtype=np.float64) for n in (self.rows, self.columns))
            x, y, z = self._flat(rows, columns, np.float32)
            reach = np.zeros(3)
        else:
            (x, y, z), reach = self.source._moved
        if self.warp is None:
            return (x, y, z), reach
        edge_mm = min(_NODE_MM, min(self.warp.spacing_mm) / _NODES_PER_KNOT)
        rows, columns = (
            np.linspace(0, count - 1, max(int(np.ceil((count - 1) * step / edge_mm)), 3) + 1)
            for count, step in zip((self.rows, self.columns), self._frame[1], strict=True)
        )
        shifts = self.warp.shift(self._exact(rows, columns, warped=False))
        down, across = (
            _upsampling(self.rows, len(rows)),
            _upsampling(self.columns, len(columns)),
        )
        fine = [down @ (across @ shift.T.astype(np.float32)).T for shift in shifts]
        reach = reach + [max(float(u.max()), -float(u.min())) for u in fine]
        return (x + fine[0], y + fine[1], z + fine[2]), reach

    def _exact(
        self, rows: _Vector, columns: _Vector, *, warped: bool = True
    ) -> tuple[_Vector, ...]:
        """Points at any rows and columns, fractions too, by the splines themselves."""
        if self.source is None:
            points: tuple[_Vector, ...] = self._flat(rows, columns, np.float64)
        else:
            points = self.source._exact(rows, columns)
        if self.warp is None or not warped:
            return points
        return tuple(p + u for p, u in zip(points, self.warp.shift(points), strict=True))

    def _flat(self, rows: _Vector, columns: _Vector, kind: type) -> tuple[NDArray[Any], ...]:
        return tuple(
            (self.corner[k] + rows * self.down[k]).astype(kind)[:, None]
            + (columns * self.across[k]).astype(kind)
            for k in range(3)
        )


@lru_cache(maxsize=64)
def _upsampling(count: int, nodes: int) -> sparse.csr_array:
    """Matrix (count, nodes): cubic Lagrange interpolation from evenly spread nodes to points."""
    where = np.arange(count) * ((nodes - 1) / max(count - 1, 1))
    first = (np.floor(where).astype(int) - 1).clip(0, nodes - 4)
    t = where - first
    weights = np.stack(
        [
            -(t - 1) * (t - 2) * (t - 3) / 6,
            t * (t - 2) * (t - 3) / 2,
            -t * (t - 1) * (t - 3) / 2,
            t * (t - 1) * (t - 2) / 6,
        ],
        axis=1,
    )
    columns = first[:, None] + np.arange(4)
    ends = np.arange(count + 1) * 4
    values = weights.astype(np.float32).ravel()
    return sparse.csr_array((values, columns.ravel(), ends), shape=(count, nodes))
