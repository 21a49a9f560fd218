"""The shapes that anatomy is painted with: ellipsoids, tubes and scenes of them.

What: a `Scene` paints shapes (`Solid`, `Tube` and whatever else has a box and can paint) in their
order, later over earlier, each only into the part of a plane that it can reach.
When: wherever an anatomical shape becomes labels.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from radresp.phantom.geometry import Plane, Points
from radresp.phantom.tissue import Label

Place = tuple[float, float, float]
_SINE = np.sin(np.arange(1024) * (2 * np.pi / 1024)).astype(np.float32)


class Shape(Protocol):
    """Something that can paint itself into labels."""

    @property
    def box(self) -> tuple[Place, Place]:
        """Centre and half edges (x, y, z) of a box around it, mm."""

    def paint(self, labels: NDArray[np.uint8], points: Points) -> None:
        """Paint it into the labels of points, both of one window."""


class Scene:
    """Shapes in the order in which they are painted.

    Parameters
    ----------
    shapes : iterable of Shape
        Later ones cover earlier ones.
    """

    def __init__(self, shapes: Iterable[Shape]) -> None:
        self.shapes = tuple(shapes)
        boxes = np.array([shape.box for shape in self.shapes], np.float64).reshape(-1, 2, 3)
        self._centres, self._halves = boxes[:, 0], boxes[:, 1]

    def paint(self, labels: NDArray[np.uint8], plane: Plane) -> None:
        """Paint every shape into the labels of a plane."""
        for i, window in plane.reached(self._centres, self._halves):
            self.shapes[i].paint(labels[window], plane.points(window))


@dataclass(frozen=True, slots=True)
class Solid:
    """An ellipsoid, turned about the long axis of the body and leaning.

    Parameters
    ----------
    label : Label
        What it is made of.
    centre_mm, half_mm : tuple of float
        Centre and half axes (x, y, z).
    turn_deg : float
        Turn about z, from x towards y.
    lean : tuple of float
        How far its cross-section moves along x and y for every mm towards the head.
    rim_mm : float
        Thickness of its rim.
    rim : Label
        What the rim is made of.
    square : bool
        Flatter sides and ends: the fourth powers take the place of the squares.
    joins : bool
        Whether it leaves what already has its label: its rim then ends where the next part begins.
    """

    label: Label
    centre_mm: Place
    half_mm: Place
    turn_deg: float = 0.0
    lean: tuple[float, float] = (0.0, 0.0)
    rim_mm: float = 0.0
    rim: Label = Label.CORTEX
    square: bool = False
    joins: bool = False

    @property
    def box(self) -> tuple[Place, Place]:
        """Centre and half edges of a box around it, mm."""
        a, b, h = self.half_mm
        turn = math.radians(self.turn_deg)
        cos, sin = abs(math.cos(turn)), abs(math.sin(turn))
        x, y = a * cos + b * sin, a * sin + b * cos
        if not self.square:
            x = math.sqrt((a * cos) ** 2 + (b * sin) ** 2)
            y = math.sqrt((a * sin) ** 2 + (b * cos) ** 2)
        return self.centre_mm, (x + h * abs(self.lean[0]), y + h * abs(self.lean[1]), h)

    def mirrored(self) -> Solid:
        """Its mirror image on the other side of the body."""
        x, y, z = self.centre_mm
        lean = (-self.lean[0], self.lean[1])
        return replace(self, centre_mm=(-x, y, z), turn_deg=-self.turn_deg, lean=lean)

    def widened(self, by: float) -> Solid:
        """The solid with its place at another distance from the middle of the body."""
        x, y, z = self.centre_mm
        return replace(self, centre_mm=(by * x, y, z))

    def paint(self, labels: NDArray[np.uint8], points: Points) -> None:
        """Paint it into the labels of points, both of one window."""
        squares = self._squares(points)
        q = squares[0] + squares[1] + squares[2]
        if self.rim_mm:
            rim = (q < 1) & (labels != self.label) if self.joins else q < 1
            np.copyto(labels, np.uint8(self.rim), where=rim)
            power = 4 if self.square else 2
            for square, half in zip(squares, self.half_mm, strict=True):
                square *= np.float32((half / (half - self.rim_mm)) ** power)
            q = squares[0] + squares[1] + squares[2]
        np.copyto(labels, np.uint8(self.label), where=q < 1)

    def distance(self, points: Points) -> NDArray[np.float32]:
        """Squared (fourth power when square) relative distance from the centre; 1 on its face."""
        x, y, z = self._squares(points)
        return x + y + z

    def _squares(self, points: Points) -> list[NDArray[np.float32]]:
        turn = math.radians(self.turn_deg)
        cos, sin = math.cos(turn), math.sin(turn)
        a, b, h = self.half_mm
        rows = ((cos / a, sin / a), (-sin / b, cos / b))
        parts = [_linear(points, self.centre_mm, (i, j, self._leaning(i, j))) for i, j in rows]
        parts.append(_linear(points, self.centre_mm, (0.0, 0.0, 1 / h)))
        for part in parts:
            part *= part
            if self.square:
                part *= part
        return parts

    def _leaning(self, i: float, j: float) -> float:
        return -i * self.lean[0] - j * self.lean[1]


def _linear(points: Points, centre: Place, factors: Place) -> NDArray[np.float32]:
    """``factors @ (point - centre)``, leaving out factors of 0."""
    constant = np.float32(-sum(f * c for f, c in zip(factors, centre, strict=True)))
    terms = [p * np.float32(f) for p, f in zip(points, factors, strict=True) if f]
    total = terms[0]
    for term in terms[1:]:
        total += term
    total += constant
    return total


@dataclass(frozen=True, slots=True)
class Tube:
    """A straight tube with round ends, for instance a piece of a vessel.

    Parameters
    ----------
    label : Label
        What it is made of.
    start_mm, end_mm : tuple of float
        Middle of its ends (x, y, z).
    start_radius_mm, end_radius_mm : float
        Radius at the ends; between them it changes evenly.
    """

    label: Label
    start_mm: Place
    end_mm: Place
    start_radius_mm: float
    end_radius_mm: float

    @property
    def box(self) -> tuple[Place, Place]:
        """Centre and half edges of a box around it, mm."""
        start, end = np.array(self.start_mm), np.array(self.end_mm)
        half = np.abs(end - start) / 2 + max(self.start_radius_mm, self.end_radius_mm)
        return tuple(((start + end) / 2).tolist()), tuple(half.tolist())

    def widened(self, by: float) -> Tube:
        """The tube at another distance from the middle of the body."""
        (x, y, z), (i, j, k) = self.start_mm, self.end_mm
        return replace(self, start_mm=(by * x, y, z), end_mm=(by * i, j, k))

    def mirrored(self) -> Tube:
        """Its mirror image on the other side of the body."""
        return self.widened(-1.0)

    def paint(self, labels: NDArray[np.uint8], points: Points) -> None:
        """Paint it into the labels of points, both of one window."""
        run = [end - start for start, end in zip(self.start_mm, self.end_mm, strict=True)]
        i, j, k = (step / sum(step * step for step in run) for step in run)
        along = _linear(points, self.start_mm, (i, j, k))
        np.clip(along, 0, 1, out=along)
        far = np.zeros_like(along)
        for p, start, step in zip(points, self.start_mm, run, strict=True):
            away = p - np.float32(start)
            away -= along * np.float32(step)
            away *= away
            far += away
        along *= np.float32(self.end_radius_mm - self.start_radius_mm)
        along += np.float32(self.start_radius_mm)
        along *= along
        np.copyto(labels, np.uint8(self.label), where=far < along)


def sine(phase: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sine from a table, for patterns: quick, to about 0.003, the same on every machine."""
    index = (phase * np.float32(len(_SINE) / (2 * np.pi))).astype(np.intp)
    index &= len(_SINE) - 1
    return _SINE.take(index)
