"""Stand-ins: a pelvis of boxes and balls, for the scanner alone, and points without a plane."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from radresp.core import Grid
from radresp.phantom.geometry import Plane
from radresp.phantom.physics import texture_lattice
from radresp.phantom.sampling import Subject
from radresp.phantom.tissue import Label, properties

PURE = {"noise": 0.0, "texture": 0.0, "variation": 0.0, "coil": 0.0}


@dataclass(frozen=True)
class Blocks:
    """Shapes painted in their order: (label, centre mm, half edges mm, is it a ball)."""

    shapes: tuple
    rectum: None = None

    def paint(self, plane):
        points = plane.points(plane.whole)
        labels = np.zeros(points[0].shape, np.uint8)
        for label, centre, half, ball in self.shapes:
            away = [np.abs(p - c) / h for p, c, h in zip(points, centre, half, strict=True)]
            inside = sum(a * a for a in away) < 1 if ball else np.maximum.reduce(away) < 1
            labels[inside] = label
        return labels


class NoLesion:
    """Whatever lesion there is, the blocks hold it."""

    def paint(self, labels, plane, rectum):
        return


def box(label, centre, half):
    return (label, centre, half, False)


def ball(label, centre, radius):
    return (label, centre, (radius,) * 3, True)


def subject(*shapes, field=3.0, to_anatomy=None, warp=None):
    rng = np.random.default_rng(5)
    return Subject(
        Blocks(shapes),
        NoLesion(),
        properties(field),
        field,
        (texture_lattice(rng), texture_lattice(rng)),
        np.eye(4) if to_anatomy is None else to_anatomy,
        warp,
    )


def centred(size, spacing_mm, direction=(1, 0, 0, 0, 1, 0, 0, 0, 1)):
    """A grid with its middle at 0."""
    corner = np.reshape(direction, (3, 3)) @ ((np.array(size) - 1) / 2 * spacing_mm)
    return Grid(size, spacing_mm, tuple(-corner), direction)


class Scattered(Plane):
    """Any points at all, painted as if they were one row of a plane."""

    @classmethod
    def at(cls, points):
        """From an array (n, 3) in anatomical mm."""
        step = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
        made = cls(np.zeros(3), *step, 1, len(points))
        return made._holding(tuple(points.T[:, None]))

    def points(self, window):
        return tuple(p[window].astype(np.float32) for p in self.__dict__["exact"])

    def reached(self, centres, halves):
        return ((index, self.whole) for index in range(len(centres)))

    def bent(self, by):
        return replace(self)._holding(by.moved(self.__dict__["exact"]))

    def _holding(self, exact):
        self.__dict__["exact"] = exact
        return self


__all__ = ["PURE", "Label", "Scattered", "ball", "box", "centred", "subject"]
