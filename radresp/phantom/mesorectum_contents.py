"""What lies in the mesorectal fat: the superior rectal vessels and the lymph nodes.

What: an artery and a vein come down behind the rectum, part into two branches on each side and send
twigs to its wall; 2 to 9 nodes lie in the fat, a quarter of them beside the fascia.
Source: standard anatomy; numbers, sizes and places are assumptions within normal ranges.
When: drawing the pelvis around the rectum.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from radresp.phantom.mesorectum import TOP_MM, Mesorectum
from radresp.phantom.rectum import Rectum
from radresp.phantom.shapes import Place, Shape, Solid, Tube
from radresp.phantom.tissue import Label

_DIRECTIONS = np.stack(np.meshgrid(*(np.array([-1.0, 0, 1]),) * 3)).reshape(3, -1)
_DIRECTIONS /= np.sqrt(np.maximum((_DIRECTIONS**2).sum(axis=0), 1))


def draw_contents(
    rng: np.random.Generator, mesorectum: Mesorectum, rectum: Rectum
) -> tuple[Shape, ...]:
    """Random vessels and nodes within a mesorectum around a rectum."""
    place = _Places(mesorectum, rectum)
    vessels = _draw_vessels(rng, place)
    nodes = tuple(_draw_node(rng, place) for _ in range(rng.integers(2, 10)))
    hila = tuple(_hilum(node) for node in nodes if min(node.half_mm) > 2.6)
    return (*vessels, *nodes, *hila)


@dataclass(frozen=True, slots=True)
class _Places:
    """Places between the rectum and the fascia."""

    mesorectum: Mesorectum
    rectum: Rectum

    def room(self, clock: float, z: float) -> tuple[float, float]:
        """Distance from the axis at which the fat starts and ends in a direction, mm."""
        cos, sin, height = (
            np.array([v], np.float32) for v in (math.cos(clock), math.sin(clock), z)
        )
        _, fascia = self.mesorectum.fascia_at(cos, sin, height)
        start = 1.12 * self.rectum.outer_mm(height.astype(np.float64))
        return float(start[0]), float(fascia[0])

    def at(self, clock: float, z: float, away: float) -> Place:
        """Anatomical place at a distance from the axis."""
        x, y = self.rectum.axis_mm(np.array([z]))
        return (
            float(x[0]) + away * math.cos(clock),
            float(y[0]) + away * math.sin(clock),
            z,
        )

    def hold(self, node: Solid) -> bool:
        """Whether a node lies within the fascia."""
        turn = math.radians(node.turn_deg)
        along, across, up = _DIRECTIONS * np.array(node.half_mm)[:, None]
        x, y, z = node.centre_mm
        points = (
            (x + along * math.cos(turn) - across * math.sin(turn)).astype(np.float32),
            (y + along * math.sin(turn) + across * math.cos(turn)).astype(np.float32),
            (z + up).astype(np.float32),
        )
        r, fascia = self.mesorectum.fascia_at(*self.rectum.beside(points), points[2])
        return bool((r < fascia - 0.4).all())

    def share(self, clock: float, z: float, share: float) -> Place:
        """Anatomical place at a share of the way from the wall to the fascia."""
        start, end = self.room(clock, z)
        return self.at(clock, z, start + share * (end - start))


def _draw_vessels(rng: np.random.Generator, place: _Places) -> tuple[Shape, ...]:
    """The superior rectal artery and vein, their two branches on each side, and twigs."""
    found: list[Shape] = []
    parting = rng.uniform(26, 42)
    middle = np.pi / 2 - rng.uniform(-0.1, 0.3)
    heights = np.linspace(TOP_MM, parting, 6)
    trunks = (
        (middle - 0.08, rng.uniform(1.0, 1.5)),
        (middle + 0.08, rng.uniform(1.4, 2.1)),
    )
    for clock, radius in trunks:
        path = [place.share(clock, float(z), 0.62) for z in heights]
        found += _line(path, radius, radius)
        for side in (-1, 1):
            found += _branch(rng, place, clock, parting, side, radius)
    return tuple(found)


def _branch(
    rng: np.random.Generator,
    place: _Places,
    clock: float,
    top: float,
    side: int,
    radius: float,
) -> list[Shape]:
    """A branch that comes down beside the rectum, with twigs towards its wall."""
    heights = np.linspace(top, rng.uniform(-30, -12), 8)
    turns = clock + side * np.linspace(0, rng.uniform(0.9, 1.5), 8) ** 0.7
    turns[1:] += rng.normal(0, 0.05, 7)
    shares = 0.62 + rng.normal(0, 0.07, 8).clip(-0.15, 0.15)
    shares[0] = 0.62
    rows = list(zip(turns.tolist(), heights.tolist(), shares.tolist(), strict=True))
    found = _line([place.share(*row) for row in rows], 0.85 * radius, 0.5 * radius)
    for turn, z, share in rows[1:]:
        start = place.share(turn, z, share)
        end = place.share(turn + rng.normal(0, 0.3), z - rng.uniform(2, 8), rng.uniform(0, 0.15))
        found += _line([start, end], 0.75, 0.55)
    return found


def _line(path: list[Place], start_mm: float, end_mm: float) -> list[Shape]:
    """Tubes along a path whose radius changes evenly."""
    radii = np.linspace(start_mm, end_mm, len(path)).tolist()
    return [
        Tube(Label.VESSEL, a, b, ra, rb)
        for a, b, ra, rb in zip(path, path[1:], radii, radii[1:], strict=False)
    ]


def _draw_node(rng: np.random.Generator, place: _Places) -> Solid:
    """An oval node behind or beside the rectum; short axis 2 to 9 mm, mostly 3 to 5."""
    short = float(np.clip(3.6 * np.exp(0.35 * rng.standard_normal()), 2, 9)) / 2
    long, tall = short * rng.uniform(1.1, 1.7), short * rng.uniform(1.0, 1.6)
    clock, z = np.pi / 2 + rng.uniform(-1.75, 1.75), rng.uniform(-26, 50)
    share = 1.0 if rng.random() < 0.25 else rng.uniform(0, 0.9)  # 1: beside the fascia
    start, end = place.room(clock, z)
    for _ in range(40):
        first, last = start + short, end - short - 0.8
        centre = place.at(clock, z, first + share * (last - first))
        # Its long axis lies along the fascia.
        node = Solid(Label.NODE, centre, (short, long, tall), math.degrees(clock))
        if first < last and place.hold(node):
            break
        # Too large for the fat here, or too near a bend of the fascia.
        short, long, tall, share = 0.95 * short, 0.95 * long, 0.95 * tall, 0.95 * share
    return node


def _hilum(node: Solid) -> Solid:
    """Fat in the hilum of a larger node, open to one side."""
    a, b, h = node.half_mm
    turn = math.radians(node.turn_deg)
    x, y, z = node.centre_mm
    centre = x - 0.6 * a * math.cos(turn), y - 0.6 * a * math.sin(turn), z
    return Solid(Label.FAT, centre, (0.45 * a, 0.35 * b, 0.4 * h), node.turn_deg)
