"""The rectum: a curved tube with a layered wall, a lumen and the mesorectal fascia around it.

What: for any point, the distance from the outer surface of the wall and the place along and around
the tube; the layers follow from the distance.
Source: wall layers and their T2 appearance, ``docs/reference/clinical.md`` 2.1.
When: drawing the rectum, and as the coordinate system in which lesions are drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radresp.phantom.geometry import Plane, Points
from radresp.phantom.tissue import Label

_MUSCULARIS_MM = 2.2
_MUCOSA_MM = 1.2
_REACH_MM = 48.0
_LAYERS = (Label.MUCOSA, Label.SUBMUCOSA, Label.MUSCULARIS)


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

    def axis_mm(self, z: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Place (x, y) of the axis at height z."""
        x = self.bend_mm * np.sin(z * (2 * np.pi / 95) + self.bend_phase)
        y = self.back_mm - 0.0035 * (z - 8) ** 2
        return x, y

    def locate(self, points: Points) -> tuple[NDArray[np.float32], ...]:
        """Distance outside the outer surface (mm, negative within), x and y from the axis."""
        x, y, z = points
        axis_x, axis_y = self.axis_mm(z)
        x, y = x - axis_x, y - axis_y
        r = np.sqrt(x * x + y * y) + np.float32(1e-3)
        cos, sin = x / r, y / r
        twice_cos, twice_sin = cos * cos - sin * sin, 2 * sin * cos
        thrice_cos = twice_cos * cos - twice_sin * sin
        thrice_sin = twice_sin * cos + twice_cos * sin
        shape = 1 + _turned(self.oval, self.oval_phase, twice_cos, twice_sin)
        shape += _turned(self.fluted, self.fluted_phase, thrice_cos, thrice_sin)
        folds = 1 + 0.12 * np.sin(z * (2 * np.pi / 42) + self.fold_phase)
        canal = 1 - 0.35 / (1 + np.exp((z + 42) / 4))  # narrow towards the anal canal
        return r - self.radius_mm * folds * canal * shape, x, y

    def paint(self, labels: NDArray[np.uint8], plane: Plane) -> None:
        """Paint wall and lumen into the labels of a plane."""
        centre = np.array([0.0, self.back_mm - 6, 0.0])
        window = plane.window(centre, np.array([_REACH_MM, _REACH_MM, 200.0]))
        if window is None:
            return
        distance, _, y = self.locate(plane.points(window))
        view = labels[window]
        wall = distance < 0
        view[wall] = self.layer(distance[wall] + np.float32(self.wall_mm), _LAYERS)
        lumen = distance < -self.wall_mm
        view[lumen] = np.where(y[lumen] < self.gas_level_mm, Label.GAS, Label.GEL)


def _turned(
    size: float, phase: float, cos: NDArray[np.float32], sin: NDArray[np.float32]
) -> NDArray[np.float32]:
    """``size * cos(angle - phase)`` from the cosine and sine of the angle."""
    return size * float(np.cos(phase)) * cos + size * float(np.sin(phase)) * sin


def draw_rectum(rng: np.random.Generator) -> Rectum:
    """A random rectum at the first visit."""
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
    )
