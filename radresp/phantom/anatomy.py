"""The pelvis around the rectum: body outline, fat, muscles, bones, bladder, prostate or uterus.

What: a continuous analytic pelvis at the height of the hip joints, painted plane by plane from the
outside in; the later shape wins. Sizes and places vary from patient to patient, filling from visit
to visit.
Source: proportions after standard axial pelvic anatomy; there is no citation for single numbers.
When: the phantom needs something around the lesion that a radiologist knows and that a
registration can hold on to.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from radresp.phantom.geometry import Plane, Solid
from radresp.phantom.rectum import Rectum, draw_rectum
from radresp.phantom.tissue import Label

_M, _B = Label.MUSCLE, Label.MARROW
_OBTURATOR = Solid(_M, (52, -2, -8), (8.5, 37, 46), -9, paired=True)
_FIXED = (
    # Muscles, then the bones and vessels that lie between them.
    Solid(_M, (76, 57, -10), (70, 21, 75), -26, paired=True),  # gluteus maximus
    Solid(_M, (134, -14, 8), (15, 40, 70), 8, paired=True),  # gluteus medius, tensor fasciae latae
    Solid(_M, (88, -56, 5), (21, 17, 80), 12, paired=True),  # iliopsoas
    Solid(_M, (118, -68, -10), (15, 10, 80), 20, paired=True),  # sartorius, rectus femoris
    Solid(_M, (50, -66, -42), (26, 10, 26), 18, paired=True),  # pectineus
    Solid(_M, (22, -84, 22), (21, 5.5, 60), 4, paired=True),  # rectus abdominis
    Solid(_M, (46, 52, 34), (32, 8, 16), -28, paired=True),  # piriformis
    Solid(_M, (84, 34, -22), (18, 9, 24), -18, paired=True),  # gemelli, quadratus femoris
    _OBTURATOR,
    Solid(_B, (72, 14, 2), (12, 27, 62), -14, 1.8, paired=True),  # ischium, posterior column
    Solid(_B, (68, -30, 4), (11, 19, 40), 24, 1.8, paired=True),  # anterior column
    Solid(_B, (31, -60, -44), (28, 10, 22), 16, 1.8, paired=True),  # pubis
    Solid(_B, (122, 6, -12), (17, 17, 26), 0, 1.8, paired=True),  # greater trochanter
    Solid(_B, (97, -12, 20), (24, 24, 24), 0, 2.0, paired=True),  # femoral head
    Solid(_B, (0, 74, 46), (40, 12, 30), 0, 1.8),  # sacrum
    Solid(_B, (0, 70, 2), (11, 6, 26), 0, 1.5),  # coccyx
    Solid(Label.VESSEL, (66, -79, 0), (5, 4.5, 90), 0, paired=True),  # femoral artery
    Solid(Label.VESSEL, (54, -77, 0), (5.5, 5, 90), 0, paired=True),  # femoral vein
    Solid(Label.VESSEL, (40, 8, 30), (2.4, 2.4, 40), 0, paired=True),  # internal iliac branches
    Solid(Label.VESSEL, (43, -18, 26), (2.8, 2.4, 44), 0, paired=True),
)


@dataclass(frozen=True, slots=True)
class Anatomy:
    """One pelvis at one visit.

    Parameters
    ----------
    half_width_mm, half_depth_mm : float
        Half axes of the body outline.
    fat_mm : float
        Thickness of the subcutaneous fat at the sides.
    organs : tuple of Solid
        Bladder first, then prostate and seminal vesicles, or uterus and vagina.
    vessels : tuple of Solid
        Mesorectal vessels and nodes.
    rectum : Rectum
        The rectum.
    sex : str
        ``"M"`` or ``"F"``.
    """

    half_width_mm: float
    half_depth_mm: float
    fat_mm: float
    organs: tuple[Solid, ...]
    vessels: tuple[Solid, ...]
    rectum: Rectum
    sex: str

    def paint(self, plane: Plane) -> NDArray[np.uint8]:
        """Labels of every point of a plane, without the lesion; shape (rows, columns)."""
        labels = np.zeros((plane.rows, plane.columns), np.uint8)
        inside = self._paint_body(labels, plane)
        for solid in _FIXED:
            solid.paint(labels, plane)
        self._striate(labels, plane)
        self._paint_mesorectum(labels, plane)
        for solid in (*self.organs, *self.vessels):
            solid.paint(labels, plane)
        self.rectum.paint(labels, plane)
        labels[~inside] = Label.AIR
        return labels

    def _paint_body(self, labels: NDArray[np.uint8], plane: Plane) -> NDArray[np.bool_]:
        x, y, z = plane.points(plane.whole)
        width = np.abs(x)
        # Rounder than a box, boxier than an ellipse; the cleft opens towards the feet.
        u, v = (width / self.half_width_mm) ** 2, ((y + 8) / self.half_depth_mm) ** 2
        outline = u + v - 0.35 * u * v
        inside = outline < 1
        labels[inside] = Label.SKIN
        labels[outline < 1 - 4 / self.half_depth_mm] = Label.FAT
        depth = y + 8 - self.half_depth_mm + 24 - 0.35 * z
        inside &= width * 6 > depth
        labels[(outline < 1) & (width * 6 < depth + 14) & (depth > -4)] = Label.SKIN
        a, b = self.half_width_mm - self.fat_mm, self.half_depth_mm - 0.8 * self.fat_mm
        wall = (width / a) ** 2 + ((y + 8) / b) ** 2
        ring = (wall < 1) & (wall > 0.955) & (y < -20)
        labels[ring & inside] = Label.FASCIA
        return inside

    def _striate(self, labels: NDArray[np.uint8], plane: Plane) -> None:
        """Thin fat planes between the bundles of the gluteus maximus."""
        for side in (1, -1):
            window, q = _FIXED[0].distance(plane, side)
            if window is None:
                continue
            x, y, z = plane.points(window)
            bundles = np.sin(0.5 * y + side * 0.23 * x + 0.8 * np.sin(0.06 * x + 0.05 * z))
            broken = np.sin(0.05 * x + 0.07 * y + 0.16 * z) > -0.6
            view = labels[window]
            view[(bundles > 0.985) & broken & (q < 0.92) & (view == Label.MUSCLE)] = Label.FAT

    def _paint_mesorectum(self, labels: NDArray[np.uint8], plane: Plane) -> None:
        """Mesorectal fat, its fascia, and the levator muscle below."""
        window = plane.window(np.array([0.0, 32.0, 0.0]), np.array([50.0, 46.0, 120.0]))
        if window is None:
            return
        x, y, z = plane.points(window)
        _, axis_y = self.rectum.axis_mm(z)
        # The packet narrows towards the pelvic floor, where the levator takes over.
        narrow = 1 / (1 + np.exp((z + 30) / 6))
        half_x, half_y = 42 - 20 * narrow, 33 - 11 * narrow
        behind = (y - axis_y + 1) / half_y
        # Pear-shaped: wider behind the rectum than in front of it.
        r = np.sqrt((x / (half_x * (1 + 0.14 * behind))) ** 2 + behind**2)
        view = labels[window]
        soft = (view == Label.FAT) | (view == Label.MUSCLE)
        view[soft & (r < 1)] = Label.FAT
        view[soft & (np.abs(r - 1) < 0.011)] = Label.FASCIA
        view[soft & (r > 1) & (r < 1 + 0.24 * narrow) & (z < -20)] = Label.MUSCLE


def draw_anatomy(rng: np.random.Generator) -> Anatomy:
    """A random pelvis at the first visit."""
    sex = "M" if rng.random() < 0.6 else "F"
    return Anatomy(
        half_width_mm=rng.normal(172, 7),
        half_depth_mm=rng.normal(108, 4),
        fat_mm=rng.uniform(14, 24),
        organs=_male(rng) if sex == "M" else _female(rng),
        vessels=_vessels(rng),
        rectum=draw_rectum(rng),
        sex=sex,
    )


def later(anatomy: Anatomy, rng: np.random.Generator) -> Anatomy:
    """The same pelvis at the second visit: other filling, submucosal oedema."""
    rectum = replace(
        anatomy.rectum,
        radius_mm=anatomy.rectum.radius_mm * rng.uniform(0.85, 1.12),
        fold_phase=anatomy.rectum.fold_phase + rng.normal(0, 0.4),
        submucosa_mm=anatomy.rectum.submucosa_mm + rng.uniform(0, 1.6),
        gas_level_mm=rng.uniform(-14, 2),
    )
    bladder, *others = anatomy.organs
    floor_mm = bladder.centre_mm[2] - 0.9 * bladder.half_mm[2]
    return replace(anatomy, rectum=rectum, organs=(_bladder(rng, floor_mm), *others))


def muscle_core(plane: Plane) -> NDArray[np.bool_]:
    """Points well inside the obturator internus, where a reader would put the reference."""
    core = np.zeros((plane.rows, plane.columns), bool)
    for side in (1, -1):
        window, q = _OBTURATOR.distance(plane, side)
        if window is not None:
            core[window] |= q < 0.5
    return core


def _bladder(rng: np.random.Generator, floor_mm: float) -> Solid:
    """A bladder of random filling that rests on the prostate or the anterior vaginal wall."""
    fill = rng.uniform(0.8, 1.15)
    half = (43 * fill, 29 * fill, 28 * fill)
    centre = (0.0, -44.0, floor_mm + 0.9 * half[2])
    return Solid(Label.URINE, centre, half, 0, 3.5 / fill, Label.BLADDER_WALL)


def _male(rng: np.random.Generator) -> tuple[Solid, ...]:
    size = rng.uniform(0.9, 1.2)
    zone, capsule = Label.PERIPHERAL_ZONE, Label.FASCIA
    y, half = -9 - 9 * size, (24 * size, 16 * size, 19 * size)
    inner = (17 * size, 10.5 * size, 14 * size)
    return (
        _bladder(rng, -10.0),
        Solid(zone, (17, -3, 4), (15, 5.5, 9), -14, 1.0, capsule, paired=True),
        Solid(zone, (0, y, -24), half, 0, 0.9, capsule),
        Solid(Label.TRANSITION_ZONE, (0, y - 4.5 * size, -22), inner, 0, 0.8, capsule),
    )


def _female(rng: np.random.Generator) -> tuple[Solid, ...]:
    size, turn = rng.uniform(0.85, 1.1), rng.uniform(-20, 20)
    body, cavity = (27 * size, 16 * size, 28 * size), (11 * size, 4.5 * size, 19 * size)
    return (
        _bladder(rng, -20.0),
        Solid(Label.MYOMETRIUM, (0, -12, 24), body, turn, 0.8, Label.FASCIA),
        Solid(Label.ENDOMETRIUM, (0, -12, 26), cavity, turn, 2.5, Label.MUSCULARIS),
        Solid(Label.MUCOSA, (0, -4, -24), (18, 5.5, 26), 0, 2.2, Label.MUSCULARIS),  # vagina
    )


def _vessels(rng: np.random.Generator) -> tuple[Solid, ...]:
    """Superior rectal branches and small nodes in the mesorectal fat behind the rectum."""
    found = []
    for _ in range(10):
        angle, far = rng.uniform(-0.2, np.pi + 0.2), rng.uniform(23, 29)
        r = rng.uniform(0.9, 1.8)
        label = Label.VESSEL if rng.random() < 0.7 else Label.MUCOSA
        long = rng.uniform(8, 26) if label is Label.VESSEL else 1.3 * r
        z = rng.uniform(-24, 48)
        centre = (1.15 * far * np.cos(angle), 33 + far * np.sin(angle) * 0.85, z)
        found.append(Solid(label, centre, (1.2 * r, r, long)))
    return tuple(found)
