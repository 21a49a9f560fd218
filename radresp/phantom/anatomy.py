"""The pelvis around the rectum: what is painted, in which order, for one patient at one visit.

What: a continuous analytic pelvis at the height of the hip joints, painted plane by plane from the
outside in; the later shape wins. Sizes and places vary from patient to patient; a smooth random
displacement makes outer shapes irregular and the sides unlike each other. Rectum and mesorectum are
painted without it: they, and the lesion, are what the truth is about.
Source: proportions after standard axial pelvic anatomy; there is no citation for single numbers.
When: the phantom needs something around the lesion that a radiologist knows and that a
registration can hold on to.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from radresp.phantom.geometry import Plane
from radresp.phantom.mesorectum import Mesorectum, draw_mesorectum
from radresp.phantom.mesorectum_contents import draw_contents
from radresp.phantom.organs import (
    draw_bladder,
    draw_bowel,
    draw_female,
    draw_male,
    draw_veins,
)
from radresp.phantom.outline import Outline
from radresp.phantom.rectum import Rectum, draw_rectum
from radresp.phantom.shapes import Scene, Shape, Solid
from radresp.phantom.spline import Deformation, rounded
from radresp.phantom.surroundings import Sacrum, obturator, surroundings
from radresp.phantom.tissue import Label

_SHAPE_KNOTS = (17, 14, 13)  # control points along x, y, z of the irregularity
_SHAPE_STEP_MM = 30.0
_SHAPE_SD_MM = 1.7
# A cubic B-spline of independent coefficients has about a third of their SD.
_SHAPE_GAIN = 3.0
_COCCYX_MM = -20.0
_CORE = 0.3  # fourth power of the distance from the middle of the muscle


@dataclass(frozen=True)
class Anatomy:
    """One pelvis at one visit.

    Parameters
    ----------
    outline : Outline
        The body with its subcutaneous fat.
    width : float
        Width of the bony pelvis relative to the mean.
    sacrum : Sacrum
        Sacrum and coccyx.
    bladder : Solid
        The bladder.
    organs : tuple of Shape
        What lies in front of the rectum, the bladder included, in the order of painting.
    mesorectum : Mesorectum
        Fat around the rectum with its fascia, vessels and nodes.
    rectum : Rectum
        The rectum.
    irregular : Deformation
        Smooth displacement of everything outside the mesorectum.
    sex : str
        ``"M"`` or ``"F"``.
    """

    outline: Outline
    width: float
    sacrum: Sacrum
    bladder: Solid
    organs: tuple[Shape, ...]
    mesorectum: Mesorectum
    rectum: Rectum
    irregular: Deformation = field(repr=False)
    sex: str

    def paint(self, plane: Plane) -> NDArray[np.uint8]:
        """Labels of every point of a plane, without the lesion; shape (rows, columns)."""
        labels = np.zeros((plane.rows, plane.columns), np.uint8)
        around = plane.bent(self.irregular)
        inside, depth = self.outline.paint(labels, around)
        self._scene.paint(labels, around)
        self.outline.paint_septa(labels, around, depth)
        self.mesorectum.paint(labels, plane, self.rectum)
        self.rectum.paint(labels, plane)
        labels[~inside] = Label.AIR
        return labels

    @cached_property
    def _scene(self) -> Scene:
        return Scene((*surroundings(self.width, self.sacrum), *self.organs))


def draw_anatomy(rng: np.random.Generator) -> Anatomy:
    """A random pelvis at the first visit."""
    sex = "M" if rng.random() < 0.6 else "F"
    outline = Outline(rng.normal(174, 7), rng.normal(114, 4))
    rectum = draw_rectum(rng)
    mesorectum = draw_mesorectum(rng, rectum)
    contents = draw_contents(rng, mesorectum, rectum)
    front = mesorectum.front_of(rectum, -8.0)
    bladder = draw_bladder(rng, sex, front)
    others = draw_male(rng, front) if sex == "M" else draw_female(rng, front)
    return Anatomy(
        outline=outline,
        # The pelvis of women is wider.
        width=rng.uniform(0.95, 1.03) + 0.04 * (sex == "F"),
        sacrum=_draw_sacrum(rng, mesorectum.back_of(rectum, _COCCYX_MM)),
        bladder=bladder,
        organs=(*draw_bowel(rng, front), *draw_veins(rng, front), bladder, *others),
        mesorectum=replace(mesorectum, contents=contents),
        rectum=rectum,
        irregular=_irregular(rng),
        sex=sex,
    )


def later(anatomy: Anatomy, rng: np.random.Generator) -> Anatomy:
    """The same pelvis at the second visit: submucosal oedema and another level of gas.

    Other filling and other places of the organs are left to the deformation.
    """
    rectum = replace(
        anatomy.rectum,
        submucosa_mm=anatomy.rectum.submucosa_mm + rng.uniform(0, 1.6),
        gas_level_mm=rng.uniform(-14, 2),
    )
    return replace(anatomy, rectum=rectum)


def muscle_core(plane: Plane, anatomy: Anatomy | None = None) -> NDArray[np.bool_]:
    """Points well inside the obturator internus, where a reader would put the reference.

    Parameters
    ----------
    plane : Plane
        Where to look.
    anatomy : Anatomy, optional
        Whose muscle; the mean one when not given, which is inside that of almost everybody.
    """
    core = np.zeros((plane.rows, plane.columns), bool)
    around = plane if anatomy is None else plane.bent(anatomy.irregular)
    for muscle in obturator(1.0 if anatomy is None else anatomy.width):
        centre, half = (np.array(v) for v in muscle.box)
        window = around.window(centre, half)
        if window is not None:
            core[window] |= muscle.distance(around.points(window)) < _CORE
    return core


def _draw_sacrum(rng: np.random.Generator, back_mm: float) -> Sacrum:
    """A sacrum whose coccyx ends just behind the mesorectum."""
    deepest = rng.uniform(78, 85)
    # 50 mm is the height at which it is deepest.
    curve = (deepest - back_mm - rng.uniform(1.5, 4.5)) / (50 - _COCCYX_MM) ** 2
    return Sacrum(deepest, curve, rng.uniform(0, 24))


def _irregular(rng: np.random.Generator) -> Deformation:
    """A smooth random displacement with an SD of 1.7 mm along each axis."""
    knots = rng.standard_normal((3, *_SHAPE_KNOTS[::-1])) * _SHAPE_SD_MM * _SHAPE_GAIN
    x, y, z = (-(n - 1) / 2 * _SHAPE_STEP_MM for n in _SHAPE_KNOTS)
    return Deformation(rounded(knots, 4), (x, y, z), (_SHAPE_STEP_MM,) * 3)
