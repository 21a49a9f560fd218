"""The mesorectum: fat around the rectum and its fascia, and the levator below.

What: a packet of fat in the coordinates of the rectal axis, thick behind and beside the rectum and
thin in front, that ends at the fascia and narrows towards the pelvic floor, where the funnel of the
levator holds it.
Source: proportions after standard axial pelvic anatomy; the ranges are assumptions.
When: drawing the pelvis around the rectum.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from radresp.phantom.geometry import Plane, Points
from radresp.phantom.heights import LADDER, Heights
from radresp.phantom.rectum import Rectum
from radresp.phantom.shapes import Scene, Shape
from radresp.phantom.tissue import Label

_Values = NDArray[np.float32]
_REFLECTION_MM = 22.0  # above, peritoneum and no mesorectal fat covers the front
TOP_MM, _BOTTOM_MM = 90.0, -72.0
_LEVATOR_TOP_MM = -8.0
_LEVATOR_BOX = np.array([0.0, 19.0, -40.0]), np.array([58.0, 63.0, 32.0])
_FAT_HALF_MM = np.array([56.0, 48.0, 81.0])
_MUSCLE = np.uint8(Label.MUSCLE)


@dataclass(frozen=True)
class Mesorectum:
    """Shape of the mesorectal fascia around the axis of the rectum, and what lies within.

    Parameters
    ----------
    front_mm, side_mm, back_mm : float
        Distance of the fascia from the axis at mid height.
    notch_mm : float
        Depth of the furrow in the middle of its back.
    wave, wave_phase : float
        Departures from that shape, relative, and their phase.
    fascia_mm, levator_mm : float
        Thickness of the fascia and of the levator.
    contents : tuple of Shape
        Vessels and nodes.
    """

    front_mm: float
    side_mm: float
    back_mm: float
    notch_mm: float
    wave: float
    wave_phase: float
    fascia_mm: float
    levator_mm: float
    contents: tuple[Shape, ...] = ()

    def fascia_at(self, x: _Values, y: _Values, z: _Values) -> tuple[_Values, _Values]:
        """Distance of points from the axis and that of the fascia in their direction, mm.

        Parameters
        ----------
        x, y : numpy.ndarray
            Place relative to the axis of the rectum, mm.
        z : numpy.ndarray
            Height, mm.
        """
        side, tip, bulge, notch, twist = self._heights.at(z)
        r = np.sqrt(x * x + y * y) + np.float32(1e-3)
        cos, sin = x / r, y / r
        fascia = (bulge * sin + tip) * sin + side
        behind = np.maximum(sin, 0)
        behind *= behind
        fascia -= notch * (behind * behind * behind)
        wave = cos * (4 * cos * cos - 3) * np.float32(math.cos(self.wave_phase))
        wave += cos * sin * np.float32(math.sin(self.wave_phase)) + twist
        wave *= np.float32(self.wave)
        wave += 1
        fascia *= wave
        return r, fascia

    def front_of(self, rectum: Rectum, z: float) -> float:
        """Place (y) of the front of the fascia in the middle of the body at a height, mm."""
        return self._edge(rectum, z, -1.0)

    def back_of(self, rectum: Rectum, z: float) -> float:
        """Place (y) of the back of the fascia in the middle of the body at a height, mm."""
        return self._edge(rectum, z, 1.0)

    def _edge(self, rectum: Rectum, z: float, side: float) -> float:
        across, along, height = (np.array([v], np.float32) for v in (0.0, side, z))
        _, fascia = self.fascia_at(across, along, height)
        return float(rectum.axis_mm(height)[1][0] + side * fascia[0])

    def paint(self, labels: NDArray[np.uint8], plane: Plane, rectum: Rectum) -> None:
        """Paint fat, fascia, levator, vessels and nodes into the labels of a plane."""
        low = plane.window(*_LEVATOR_BOX) is not None
        box = _LEVATOR_BOX if low else (np.array([0.0, rectum.back_mm - 6, 9.0]), _FAT_HALF_MM)
        window = plane.window(*box)
        if window is None:
            return
        points = plane.points(window)
        x, y = rectum.beside(points)
        z = points[2]
        r, fascia = self.fascia_at(x, y, z)
        outside = r - fascia
        view = labels[window]
        if low:
            self._paint_levator(view, points, (x, y), outside)
        outside[(z < _BOTTOM_MM) | (z > TOP_MM)] = np.inf
        np.copyto(view, np.uint8(Label.FAT), where=outside < 0)
        # In front, below the peritoneum, it is doubled by Denonvilliers' fascia.
        doubled = (y < -0.75 * r) & (z < _REFLECTION_MM)
        np.abs(outside, out=outside)
        line = outside < np.float32(0.5 * self.fascia_mm)
        line |= doubled & (outside < np.float32(0.9 * self.fascia_mm))
        np.copyto(view, np.uint8(Label.FASCIA), where=line)
        self._scene.paint(labels, plane)

    def _paint_levator(
        self,
        labels: NDArray[np.uint8],
        points: Points,
        beside: tuple[_Values, _Values],
        outside: _Values,
    ) -> None:
        """A sling open to the front: round behind the rectum, straight beside the organs."""
        z = points[2]
        soft = (labels == Label.FAT) | (labels == Label.MUSCLE)
        there = soft & (points[1] > -44) & (z < _LEVATOR_TOP_MM) & (z > _BOTTOM_MM)
        x, y, z, outside = (v[there] for v in (*beside, z, outside))
        # Its sides start on the pelvic wall, come down to the anal canal and meet the pubis.
        depth = np.minimum((np.float32(_LEVATOR_TOP_MM) - z) * np.float32(1 / 46), 1)
        flare = 7 * (1 - depth) ** 2
        forward = np.clip(y * np.float32(-1 / 75), 0, 1)
        width = np.abs(x)
        _, side = self.fascia_at(np.sign(x), np.zeros_like(x), z)
        straight = width - (side + 2 + flare) * (1 - 0.5 * forward * forward)
        across = x * x / (x * x + y * y + 1)
        gap = np.where(y > 0, outside - 1.5 - (flare + 0.5) * across, straight)
        half = np.float32(self.levator_mm / 2) * (1 + 0.8 * depth) * (1 - 0.5 * forward)
        labels[there] = np.where(np.abs(gap - half) < half, _MUSCLE, labels[there])

    @cached_property
    def _scene(self) -> Scene:
        return Scene(self.contents)

    @cached_property
    def _heights(self) -> Heights:
        """By height: the fascia beside, its tilt and bulge to the back, the furrow, a twist."""
        upper = ((LADDER - _REFLECTION_MM) / 30).clip(0, 1)
        front, back = self.front_mm - 3 * upper, self.back_mm + 6 * upper
        size = 1 - 0.7 / (1 + np.exp((LADDER + 34) / 6))  # narrow at the anal canal
        side = np.full_like(LADDER, self.side_mm)
        twist = 0.5 * np.sin(LADDER / 17 + self.wave_phase)
        tilt, bulge = (back - front) / 2, (back + front) / 2 - side
        return Heights(size * side, size * tilt, size * bulge, size * self.notch_mm, twist)


def draw_mesorectum(rng: np.random.Generator, rectum: Rectum) -> Mesorectum:
    """A random mesorectum around a rectum, empty as yet."""
    return Mesorectum(
        front_mm=1.22 * rectum.radius_mm + rng.uniform(1.5, 4.5),
        side_mm=rng.uniform(35, 41),
        back_mm=rng.uniform(28, 33),
        notch_mm=rng.uniform(0, 4),
        wave=rng.uniform(0.01, 0.05),
        wave_phase=rng.uniform(0, 2 * np.pi),
        fascia_mm=rng.uniform(0.6, 0.9),
        levator_mm=rng.uniform(3.5, 5.0),
    )
