"""The rectum: a curved tube with a layered wall, transverse folds and a lumen.

What: for any point, the distance from the outer surface of the wall and the place relative to the
axis; the layers follow from the distance. Pleats ripple the lining, and three transverse folds
(valves of Houston) reach into the lumen from alternate sides.
Source: wall layers and their T2 appearance, ``docs/reference/clinical.md`` 2.1; standard anatomy.
When: drawing the rectum, and as the coordinate system in which lesions are drawn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from radresp.phantom.geometry import Plane, Points
from radresp.phantom.heights import LADDER, Heights
from radresp.phantom.tissue import Label

_MUSCULARIS_MM = 2.2
_MUCOSA_MM = 1.2
_REACH_MM = 90.0
_CLOSED_MM = 8.0  # how far the lining closes in on itself in the anal canal
_Angle = tuple[NDArray[np.float32], NDArray[np.float32]]
_LAYERS = (Label.MUCOSA, Label.SUBMUCOSA, Label.MUSCULARIS)


@dataclass(frozen=True, slots=True)
class Fold:
    """A transverse fold of the wall that reaches into the lumen.

    Parameters
    ----------
    height_mm : float
        z of its middle.
    clock : float
        Direction from the axis in which it is highest: 0 to the left, pi/2 to the back.
    reach_mm : float
        How far it reaches into the lumen at most.
    half_mm : float
        Half its thickness at the base.
    """

    height_mm: float
    clock: float
    reach_mm: float
    half_mm: float


@dataclass(frozen=True, slots=True)
class Rectum:
    """Shape of one rectum at one visit; lengths in mm, angles in radians.

    Parameters
    ----------
    radius_mm : float
        Mean outer radius, set by the filling.
    bend_mm, bend_phase : float
        Size and phase of the sideways bends.
    back_mm : float
        How far behind the middle of the pelvis it lies at mid height.
    fold_phase : float
        Phase of the widening and narrowing along the tube.
    oval, oval_phase, fluted, fluted_phase : float
        Departures of the cross-section from a circle.
    submucosa_mm : float
        Thickness of the submucosa; oedema after radiotherapy widens it.
    gas_level_mm : float
        Gas fills the lumen in front of this level relative to the axis.
    pleat_mm, pleat_phase : float
        Height and phase of the lengthwise pleats of the lining.
    folds : tuple of Fold
        Transverse folds.
    """

    radius_mm: float
    bend_mm: float
    bend_phase: float
    back_mm: float
    fold_phase: float
    oval: float
    oval_phase: float
    fluted: float
    fluted_phase: float
    submucosa_mm: float
    gas_level_mm: float
    pleat_mm: float = 0.0
    pleat_phase: float = 0.0
    folds: tuple[Fold, ...] = ()

    @property
    def wall_mm(self) -> float:
        """Thickness of the whole wall."""
        return _MUSCULARIS_MM + self.submucosa_mm + _MUCOSA_MM

    def layer(
        self, depth: NDArray[np.float32], labels: tuple[Label, Label, Label]
    ) -> NDArray[np.uint8]:
        """Mucosa, submucosa or muscularis (as labelled) at depths from the lumen surface, mm."""
        mucosa, submucosa, muscularis = labels
        inner = np.where(depth < _MUCOSA_MM, mucosa, submucosa)
        outermost = depth >= _MUCOSA_MM + self.submucosa_mm
        return np.where(outermost, muscularis, inner).astype(np.uint8)

    def axis_mm(self, z: NDArray[np.floating]) -> tuple[NDArray, NDArray]:
        """Place (x, y) of the axis at height z."""
        x = self.bend_mm * np.sin(z * (2 * np.pi / 95) + self.bend_phase, dtype=np.float64)
        y = self.back_mm - 0.0035 * (z - 8) ** 2
        return x.astype(z.dtype), y.astype(z.dtype)

    def outer_mm(self, z: NDArray[np.floating]) -> NDArray:
        """Outer radius at height z, the mean around the tube."""
        folds = 1 + 0.12 * np.sin(z * (2 * np.pi / 42) + self.fold_phase, dtype=np.float64)
        # Narrow towards the anal canal.
        canal = 1 - 0.35 / (1 + np.exp((z + 42) / 4, dtype=np.float64))
        return (self.radius_mm * folds * canal).astype(z.dtype)

    def closed_mm(self, z: NDArray[np.floating]) -> NDArray:
        """How far the lining closes in on itself at height z: not at all above the anal canal."""
        return (_CLOSED_MM / (1 + np.exp((z + 50) / 3, dtype=np.float64))).astype(z.dtype)

    def beside(self, points: Points) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Place (x, y) of points relative to the axis at their height."""
        x, y, z = points
        axis_x, axis_y = _heights(self)[0].at(z)
        return x - axis_x, y - axis_y

    def locate(self, points: Points) -> tuple[NDArray[np.float32], ...]:
        """Distance outside the outer surface (mm, negative within), x and y from the axis."""
        x, y = self.beside(points)
        (outer,) = _heights(self)[1].at(points[2])
        r = np.sqrt(x * x + y * y) + np.float32(1e-3)
        twice, thrice = _turns(x / r, y / r)
        shape = _turned(self.oval, self.oval_phase, twice)
        shape += _turned(self.fluted, self.fluted_phase, thrice)
        shape += 1
        shape *= outer
        r -= shape
        return r, x, y

    def paint(self, labels: NDArray[np.uint8], plane: Plane) -> None:
        """Paint wall and lumen into the labels of a plane."""
        side = 1.4 * self.radius_mm
        centre = np.array([0.0, self.back_mm - 8, 0.0])
        window = plane.window(centre, np.array([self.bend_mm + side, 8 + side, _REACH_MM]))
        if window is None:
            return
        points = plane.points(window)
        distance, x, y = self.locate(points)
        view = labels[window]
        wall = distance < 0
        distance, x, y = distance[wall], x[wall], y[wall]
        depth = distance + np.float32(self.wall_mm)
        raised = depth + self._raised(x, y, points[2][wall])
        # Only the lining is raised, on a core of submucosa; the muscle stays where it is.
        painted = self.layer(np.minimum(raised, np.maximum(depth, _MUCOSA_MM)), _LAYERS)
        lumen = np.where(y < self.gas_level_mm, np.uint8(Label.GAS), np.uint8(Label.GEL))
        view[wall] = np.where(raised < 0, lumen, painted)

    def _raised(
        self, x: NDArray[np.float32], y: NDArray[np.float32], z: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """How far pleats and folds bring the lining into the lumen, mm."""
        r = np.sqrt(x * x + y * y) + np.float32(1e-3)
        cos, sin = x / r, y / r
        twice, thrice = _turns(cos, sin)
        ninth = _turns(*thrice)[1]
        # Nine pleats, higher in some directions than in others.
        raised = np.float32(self.pleat_mm) * (1 + _turned(0.6, 2 * self.pleat_phase, twice))
        raised *= 1 + _turned(1.0, self.pleat_phase, ninth)
        raised += _heights(self)[2].at(z)[0]
        for fold in self.folds:
            near = 1 - ((z - np.float32(fold.height_mm)) * np.float32(1 / fold.half_mm)) ** 2
            facing = _turned(1.0, fold.clock, (cos, sin)) + np.float32(0.25)
            raised += np.float32(fold.reach_mm / 1.25) * facing.clip(0) * near.clip(0)
        return raised


@lru_cache(maxsize=16)
def _heights(rectum: Rectum) -> tuple[Heights, Heights, Heights]:
    """By height: the axis (x, y), the outer radius, the closing of the lining."""
    return (
        Heights(*rectum.axis_mm(LADDER)),
        Heights(rectum.outer_mm(LADDER)),
        Heights(rectum.closed_mm(LADDER)),
    )


def _turns(cos: NDArray[np.float32], sin: NDArray[np.float32]) -> tuple[_Angle, _Angle]:
    """Cosine and sine of twice and of three times an angle."""
    twice: _Angle = (cos * cos - sin * sin, 2 * sin * cos)
    thrice: _Angle = (twice[0] * cos - twice[1] * sin, twice[1] * cos + twice[0] * sin)
    return twice, thrice


def _turned(size: float, phase: float, angle: _Angle) -> NDArray[np.float32]:
    """``size * cos(angle - phase)`` from the cosine and sine of the angle."""
    cos, sin = angle
    return size * math.cos(phase) * cos + size * math.sin(phase) * sin


def draw_rectum(rng: np.random.Generator) -> Rectum:
    """A random rectum at the first visit; the ranges are assumptions within normal anatomy."""
    return Rectum(
        radius_mm=rng.uniform(14, 19),
        bend_mm=rng.uniform(2, 8),
        bend_phase=rng.uniform(0, 2 * np.pi),
        back_mm=rng.uniform(32, 38),
        fold_phase=rng.uniform(0, 2 * np.pi),
        oval=rng.uniform(0.02, 0.14),
        oval_phase=rng.uniform(0, 2 * np.pi),
        fluted=rng.uniform(0.01, 0.07),
        fluted_phase=rng.uniform(0, 2 * np.pi),
        submucosa_mm=rng.uniform(1.4, 2.2),
        gas_level_mm=rng.uniform(-14, 2),
        pleat_mm=rng.uniform(0.2, 0.9),
        pleat_phase=rng.uniform(0, 2 * np.pi),
        # The lower and upper folds come from the left, the largest, between them, from the right.
        folds=tuple(
            Fold(
                height_mm=height + rng.uniform(-4, 4),
                clock=clock + rng.uniform(-0.5, 0.5),
                reach_mm=rng.uniform(3, 6) * size,
                half_mm=rng.uniform(2, 3.2),
            )
            for height, clock, size in (
                (-8, 0.0, 1.0),
                (14, np.pi, 1.3),
                (36, 0.0, 1.0),
            )
        ),
    )
