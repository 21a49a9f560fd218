"""Planes of points and solid shapes: the drawing tools of the phantom.

What: a `Plane` is one slice of sample points in anatomical millimetres, in any orientation; a
`Solid` is an ellipsoid, optionally with a rim and a mirror image, that paints its label into the
part of the plane it can reach. Painting only that part is what keeps the phantom quick.
When: wherever an anatomical shape becomes labels.

Anatomical axes are x to the patient's left, y to the back, z to the head (as LPS), in mm, with the
origin in the middle of the pelvis at the height of the mid rectum.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from radresp.phantom.tissue import Label

Points = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]
Window = tuple[slice, slice]
_Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Plane:
    """A plane of points: ``corner + row * down + column * across``, anatomical mm.

    Parameters
    ----------
    corner, down, across : numpy.ndarray
        First point, step from row to row, step from column to column; each (x, y, z) in mm.
    rows, columns : int
        Number of points.
    """

    corner: NDArray[np.float64]
    down: NDArray[np.float64]
    across: NDArray[np.float64]
    rows: int
    columns: int

    def window(self, centre: NDArray[np.float64], half: NDArray[np.float64]) -> Window | None:
        """Rows and columns a box (centre and half edges, mm) can reach; None when it misses."""
        down, across, normal, row_mm, column_mm = self._frame
        away = centre - self.corner
        if abs(normal @ away) > np.abs(normal) @ half:
            return None
        spans = []
        for axis, step, count in ((down, row_mm, self.rows), (across, column_mm, self.columns)):
            middle, reach = axis @ away, np.abs(axis) @ half
            start = max(int(np.floor((middle - reach) / step)), 0)
            stop = min(int(np.ceil((middle + reach) / step)) + 1, count)
            spans.append(slice(start, stop))
        rows, columns = spans
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return None
        return rows, columns

    @cached_property
    def _frame(self) -> tuple[_Vector, _Vector, _Vector, float, float]:
        """Unit vectors down, across and out of the plane, and the steps in mm."""
        row_mm, column_mm = float(np.linalg.norm(self.down)), float(np.linalg.norm(self.across))
        down, across = self.down / row_mm, self.across / column_mm
        return down, across, np.cross(down, across), row_mm, column_mm

    def points(self, window: Window) -> Points:
        """x, y and z of the points in a window, each of its shape."""
        rows = np.arange(window[0].start, window[0].stop)[:, None]
        columns = np.arange(window[1].start, window[1].stop)
        x, y, z = (
            (self.corner[k] + rows * self.down[k]).astype(np.float32)
            + (columns * self.across[k]).astype(np.float32)
            for k in range(3)
        )
        return x, y, z

    @property
    def whole(self) -> Window:
        """The window that holds every point."""
        return slice(0, self.rows), slice(0, self.columns)


@dataclass(frozen=True, slots=True)
class Solid:
    """An ellipsoid turned about the long axis of the body.

    Parameters
    ----------
    label : Label
        What it is made of.
    centre_mm, half_mm : tuple of float
        Centre and half axes (x, y, z).
    turn_deg : float
        Turn about z, from x towards y.
    rim_mm : float
        Thickness of its rim.
    rim : Label
        What the rim is made of.
    paired : bool
        Whether a mirror image lies on the other side of the body.
    """

    label: Label
    centre_mm: tuple[float, float, float]
    half_mm: tuple[float, float, float]
    turn_deg: float = 0.0
    rim_mm: float = 0.0
    rim: Label = Label.CORTEX
    paired: bool = False

    def paint(self, labels: NDArray[np.uint8], plane: Plane) -> None:
        """Paint the solid, and its mirror image, into the labels of a plane."""
        for side in (1, -1) if self.paired else (1,):
            window, q = self.distance(plane, side)
            if window is None:
                continue
            view = labels[window]
            if self.rim_mm:
                view[q < 1] = self.rim
                a, b, h = (half - self.rim_mm for half in self.half_mm)
                _, q = replace(self, half_mm=(a, b, h)).distance(plane, side, window)
            view[q < 1] = self.label

    def distance(
        self, plane: Plane, side: int = 1, window: Window | None = None
    ) -> tuple[Window | None, NDArray[np.float32]]:
        """Squared relative distance from the centre (1 on the surface), where it can be reached."""
        turn = np.deg2rad(self.turn_deg)
        cos, sin = float(np.cos(turn)), float(np.sin(turn)) * side
        a, b, h = self.half_mm
        centre = np.array(self.centre_mm) * (side, 1, 1)
        half = np.array([np.hypot(a * cos, b * sin), np.hypot(a * sin, b * cos), h])
        window = window or plane.window(centre, half)
        if window is None:
            return None, np.empty(0, np.float32)
        x, y, z = plane.points(window)
        x, y, z = x - np.float32(centre[0]), y - np.float32(centre[1]), z - np.float32(centre[2])
        along, across = x * cos + y * sin, y * cos - x * sin
        q = along * along * (1 / a**2) + across * across * (1 / b**2) + z * z * (1 / h**2)
        return window, q
