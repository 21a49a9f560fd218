"""Organs in front of the rectum: bladder, prostate or uterus, and loops of bowel.

What: shapes in the order of painting. The mesorectum is painted later, so the
organs are flattened where they lie on it.
Source: proportions after standard axial T2 anatomy (zones of the prostate, junctional zone of the
uterus); the ranges are assumptions within normal anatomy.
When: drawing the pelvis in front of the rectum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radresp.phantom.geometry import Points
from radresp.phantom.shapes import Place, Shape, Solid, Tube, sine
from radresp.phantom.tissue import Label

_WALL, _STROMA, _CAPSULE = Label.BLADDER_WALL, Label.MUSCULARIS, Label.FASCIA
_TUBULE_MM = 6.5  # from one coil of a seminal vesicle to the next


@dataclass(frozen=True, slots=True)
class Vesicle:
    """A seminal vesicle: bright coils with dark walls.

    Parameters
    ----------
    solid : Solid
        Its outer shape.
    """

    solid: Solid

    @property
    def box(self) -> tuple[Place, Place]:
        """Centre and half edges of a box around it, mm."""
        return self.solid.box

    def paint(self, labels: NDArray[np.uint8], points: Points) -> None:
        """Paint it into the labels of points, both of one window."""
        q = self.solid.distance(points)
        inside = q < 1
        x, y, z = (p[inside] * np.float32(2 * np.pi / _TUBULE_MM) for p in points)
        i, j, k = (v + np.float32(np.pi / 2) for v in (x, y, z))
        coils = sine(x) * sine(j) + sine(y) * sine(k) + sine(z) * sine(i)
        bright = (np.abs(coils) > 0.32) & (q[inside] < 0.8)
        labels[inside] = np.where(bright, np.uint8(self.solid.label), np.uint8(_STROMA))


def draw_bladder(rng: np.random.Generator, sex: str, front_mm: float) -> Solid:
    """A bladder of 80 to 200 mL, on the prostate or, lower, before the vagina."""
    floor_mm, back_mm = (-9.0, front_mm - 9) if sex == "M" else (-22.0, front_mm - 22)
    fill = rng.uniform(0.85, 1.15)
    half = 41 * fill, 28 * fill, 27 * fill
    place = rng.uniform(-4, 4), back_mm - 0.9 * half[1], floor_mm + 0.95 * half[2]
    wall_mm = rng.uniform(2.4, 3.6)
    return Solid(Label.URINE, place, half, rng.uniform(-4, 4), (0, 0.15), wall_mm, _WALL)


def draw_male(rng: np.random.Generator, front_mm: float) -> tuple[Shape, ...]:
    """Seminal vesicles, deferent ducts and a prostate of 25 to 65 mL with its zones.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the draws come from.
    front_mm : float
        Place (y) of the front of the mesorectum behind the prostate.
    """
    size = rng.uniform(0.92, 1.18)
    half = 25 * size, 16.5 * size, 19 * size
    # The mesorectum is painted over what lies behind its front, which flattens the back.
    middle = front_mm + 2.5 - half[1]
    inner = rng.uniform(0.62, 0.78)
    parts = _vesicles(rng, front_mm)
    parts.append(Solid(Label.PERIPHERAL_ZONE, (0, middle, -26), half, 0, (0, 0.15), 0.9, _CAPSULE))
    zone = inner * half[0], inner * half[1], inner * half[2]
    centre = 0.0, middle - 4.5 * size, -23.0
    parts.append(Solid(Label.TRANSITION_ZONE, centre, zone, 0, (0, 0.15), 0.8, _CAPSULE))
    parts += _nodules(rng, centre, zone)
    front = (0.0, middle - 14 * size, -26.0)
    parts.append(Solid(_STROMA, front, (11 * size, 4 * size, 15 * size), 0, (0, 0.15)))
    parts.append(Tube(_STROMA, (0, middle, -8), (0, middle - 3, -56), 3.4, 4.6))  # urethra
    parts.append(Tube(Label.MUCOSA, (0, middle, -8), (0, middle - 3, -56), 1.4, 1.6))
    return tuple(parts)


def _vesicles(rng: np.random.Generator, front_mm: float) -> list[Shape]:
    parts: list[Shape] = []
    for side in (1, -1):
        half = rng.uniform(15, 19), rng.uniform(5, 7), rng.uniform(7, 9)
        centre = (
            side * (4 + 0.8 * half[0]),
            front_mm - rng.uniform(3, 5),
            rng.uniform(3, 7),
        )
        turn = side * rng.uniform(5, 18)
        parts.append(Vesicle(Solid(Label.PERIPHERAL_ZONE, centre, half, turn, (side * 0.3, 0.0))))
        start, end = (side * 3.5, front_mm - 4, -6.0), (side * 6.0, front_mm - 7, 14.0)
        parts.append(Tube(_STROMA, start, end, 2.2, 2.4))
        parts.append(Tube(Label.MUCOSA, start, end, 0.8, 0.9))
    return parts


def _nodules(rng: np.random.Generator, centre: Place, half: Place) -> list[Shape]:
    """Nodules of hyperplasia: glandular ones brighter, stromal ones darker, with a dark rim."""
    parts: list[Shape] = []
    for _ in range(rng.integers(3, 9)):
        x, y, z = (c + h * rng.uniform(-0.6, 0.6) for c, h in zip(centre, half, strict=True))
        a, b, c = (min(rng.uniform(2.5, 6.5), 0.36 * h) for h in half)
        label = Label.PERIPHERAL_ZONE if rng.random() < 0.5 else Label.MUCOSA
        parts.append(Solid(label, (x, y, z), (a, b, c), 0, (0, 0), 0.7, _STROMA))
    return parts


def draw_female(rng: np.random.Generator, front_mm: float) -> tuple[Shape, ...]:
    """Ovaries, uterus with junctional zone and cervix, and vagina.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the draws come from.
    front_mm : float
        Place (y) of the front of the mesorectum behind the vagina.
    """
    size, turn = rng.uniform(0.8, 1.1), rng.uniform(-20, 20)
    aside, tip = rng.uniform(-6, 6), rng.uniform(-0.5, -0.1)  # most lie forward
    body, cavity = (26 * size, 17 * size, 26 * size), (13 * size, 3.6 * size, 18 * size)
    neck = aside / 2, front_mm - 11, 4.0
    place = aside, front_mm - 14 + 24 * tip, 34.0
    lean = aside / 60, tip
    parts: list[Shape] = []
    for side in (1, -1):
        parts += _ovary(rng, side, front_mm)
    parts.append(Solid(Label.MYOMETRIUM, place, body, turn, lean, 0.8, _CAPSULE))
    zone_mm = rng.uniform(2, 3.2)  # junctional zone
    parts.append(Solid(Label.ENDOMETRIUM, place, cavity, turn, lean, zone_mm, _STROMA))
    parts.append(Solid(Label.MYOMETRIUM, neck, (16, 12, 17), 0, (0, tip / 2), 0.8, _CAPSULE))
    parts.append(Solid(Label.SUBMUCOSA, neck, (6.5, 4.5, 18), 0, (0, tip / 2), 3.0, _STROMA))
    low = front_mm - 3.5
    parts.append(Solid(Label.MUCOSA, (0, low, -30), (17, 5.5, 30), 0, (0, 0.18), 2.0, _STROMA))
    parts.append(Solid(Label.SUBMUCOSA, (0, low, -30), (11, 0.8, 26), 0, (0, 0.18)))
    start, end = (0.0, low - 16, -14.0), (0.0, low - 20, -56.0)  # urethra
    parts += [
        Tube(_STROMA, start, end, 6.0, 5.5),
        Tube(Label.MUCOSA, start, end, 3.2, 3.0),
    ]
    return tuple(parts)


def _ovary(rng: np.random.Generator, side: int, front_mm: float) -> list[Shape]:
    """An ovary with up to five follicles."""
    centre = (
        side * rng.uniform(30, 38),
        front_mm - rng.uniform(6, 20),
        rng.uniform(28, 42),
    )
    half = rng.uniform(6, 12), rng.uniform(5, 9), rng.uniform(6, 12)
    parts: list[Shape] = [Solid(Label.TRANSITION_ZONE, centre, half, 0, (0, 0), 0.6, _CAPSULE)]
    for _ in range(rng.integers(0, 6)):
        x, y, z = (c + 0.6 * h * rng.uniform(-1, 1) for c, h in zip(centre, half, strict=True))
        r = rng.uniform(1.5, 3.2)
        parts.append(Solid(Label.URINE, (x, y, z), (r, r, r)))
    return parts


def draw_bowel(rng: np.random.Generator, front_mm: float) -> tuple[Shape, ...]:
    """Loops of bowel side by side in the upper pelvis, with mixed content."""
    loops: list[Solid] = []
    contents = (Label.SUBMUCOSA, Label.TRANSITION_ZONE, Label.MUCOSA, Label.URINE)
    for _ in range(160):
        centre = (
            rng.uniform(-38, 38),
            rng.uniform(-62, front_mm - 2),
            rng.uniform(40, 88),
        )
        half = rng.uniform(11, 19), rng.uniform(8, 12), rng.uniform(9, 15)
        lean = rng.uniform(-0.4, 0.4), rng.uniform(-0.4, 0.4)
        content, turn = contents[int(rng.integers(4))], rng.uniform(-70, 70)
        loop = Solid(content, centre, half, turn, lean, 2.0, _WALL)
        if all(_apart(loop, other) for other in loops):
            loops.append(loop)
    return tuple(loops)


def _apart(one: Solid, other: Solid) -> bool:
    """Whether two loops hardly overlap, judged as balls."""
    far = sum((a - b) ** 2 for a, b in zip(one.centre_mm, other.centre_mm, strict=True))
    return far > (0.4 * (sum(one.half_mm) + sum(other.half_mm)) * 0.72) ** 2


def draw_veins(rng: np.random.Generator, front_mm: float) -> tuple[Shape, ...]:
    """Slow veins beside prostate or cervix: bright, with a thin dark wall."""
    parts: list[Shape] = []
    for side in (1, -1):
        for _ in range(rng.integers(9, 15)):
            x, y, z = (
                side * rng.uniform(27, 38),
                front_mm - rng.uniform(4, 36),
                rng.uniform(-36, 24),
            )
            end = x + rng.uniform(-4, 4), y + rng.uniform(-7, 7), z + rng.uniform(4, 14)
            r = rng.uniform(0.7, 1.7)
            parts += [
                Tube(_CAPSULE, (x, y, z), end, r + 0.5, r + 0.5),
                Tube(Label.ENDOMETRIUM, (x, y, z), end, r, r),
            ]
    return tuple(parts)
