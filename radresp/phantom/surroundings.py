"""What lies around the organs of the pelvis: muscles, bones, ligaments, nerves and large vessels.

What: shapes of a standing order that every patient has, spread to the width of the pelvis, and the
sacrum.
Source: proportions after standard axial pelvic anatomy at the height of the hip joints; there is no
citation for single numbers.
When: drawing the pelvis; `obturator` is the reference muscle that a reader would outline.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from radresp.phantom.geometry import Points
from radresp.phantom.heights import LADDER, Heights
from radresp.phantom.shapes import Place, Shape, Solid, Tube, sine
from radresp.phantom.tissue import Label


@dataclass(frozen=True, slots=True)
class Striated:
    """A muscle with thin planes of fat between its bundles.

    Parameters
    ----------
    muscle : Solid
        Its shape.
    """

    muscle: Solid

    @property
    def box(self) -> tuple[Place, Place]:
        """Centre and half edges of a box around it, mm."""
        return self.muscle.box

    def widened(self, by: float) -> Striated:
        """The muscle at another distance from the middle of the body."""
        return Striated(self.muscle.widened(by))

    def mirrored(self) -> Striated:
        """Its mirror image."""
        return Striated(self.muscle.mirrored())

    def paint(self, labels: NDArray[np.uint8], points: Points) -> None:
        """Paint it into the labels of points, both of one window."""
        inside = self.muscle.distance(points) < 1
        x, y, z = (p[inside] for p in points)
        if self.muscle.centre_mm[0] < 0:
            x = -x
        bundles = sine(0.5 * y + 0.23 * x + 0.8 * sine(0.06 * x + 0.05 * z))
        broken = sine(0.05 * x + 0.07 * y + 0.16 * z) > -0.6
        labels[inside] = np.where((bundles > 0.975) & broken, np.uint8(Label.FAT), _M)


def _bone(*parts: Solid) -> tuple[Solid, ...]:
    """Parts of one bone, so that their marrow joins within a common rim."""
    return tuple(replace(part, joins=True) for part in parts)


_M, _B, _F, _V = Label.MUSCLE, Label.MARROW, Label.FAT, Label.VESSEL
_LIGAMENT, _NERVE = Label.FASCIA, Label.MUSCULARIS
_OBTURATOR = Solid(_M, (50.5, 2, -6), (10, 42, 48), -8, (0.06, 0.0))
_PAIRED: tuple[Solid | Tube | Striated, ...] = (
    # Muscles of buttock and hip, from behind and outside.
    Striated(Solid(_M, (80, 66, -8), (66, 21, 82), -27, (-0.1, 0.0))),  # gluteus maximus
    Solid(_M, (126, -2, 36), (20, 42, 62), 4),  # gluteus medius
    Solid(_M, (112, -8, 46), (10, 30, 34), 6),  # gluteus minimus
    Solid(_M, (140, -44, 0), (9, 20, 70), 34),  # tensor fasciae latae
    Solid(_M, (86, -50, 5), (20, 16, 90), 12, (-0.06, -0.1)),  # iliopsoas
    Solid(_M, (114, -72, -10), (14, 8, 80), 24),  # sartorius
    Solid(_M, (110, -50, -14), (13, 9, 70), 16),  # rectus femoris
    Solid(_M, (50, -64, -46), (26, 9, 26), 18, (0.3, 0.2)),  # pectineus
    Solid(_M, (23, -84, 22), (24, 6.5, 90), 5, (0.0, -0.06), square=True),  # rectus abdominis
    Solid(_M, (50, -34, -46), (24, 10, 17), 24),  # obturator externus
    Solid(_M, (84, 30, -14), (19, 7, 9), -20),  # gemelli
    Solid(_M, (86, 32, -40), (20, 7, 22), -14),  # quadratus femoris
    Solid(_M, (56, 57, 46), (38, 7.5, 16), -27, (-0.3, 0.5)),  # piriformis
    _OBTURATOR,
    *_bone(  # hip bone
        Solid(_B, (82, 4, 58), (27, 16, 30), -18, (0.1, 0.1), 1.8),  # body of the ilium
        Solid(_B, (84, -5, 24), (24, 34, 32), -6, (0.0, 0.0), 1.8),  # acetabulum
        Solid(_B, (66, -36, -8), (10, 20, 18), 40, (0.4, 0.5), 1.6),  # superior ramus
        Solid(_B, (25, -49, -36), (26, 9.5, 18), 24, (0.2, 0.25), 1.8),  # pubis
        Solid(_B, (74, 24, -4), (13, 17, 32), -30, (-0.1, 0.0), 1.8),  # body of the ischium
        Solid(_B, (66, 26, -48), (12, 17, 34), -22, (0.1, 0.1), 1.8),  # tuber of the ischium
        Solid(_B, (56, 37, 5), (9, 3.8, 8), -38, (0.0, 0.0), 1.2),  # ischial spine
    ),
    Solid(_NERVE, (93, -9, 20), (27.4, 27.4, 27.4)),  # cartilage and joint
    *_bone(  # femur
        Solid(_B, (128, 8, -10), (17, 19, 27), -10, (0.0, 0.0), 1.6),  # greater trochanter
        Solid(_B, (112, 0, 6), (22, 12, 13), 14, (-0.4, 0.0), 1.6),  # neck
        Solid(_B, (93, -9, 20), (24.6, 24.6, 24.6), 0, (0.0, 0.0), 1.3),  # head
    ),
    Solid(_F, (68, -6, 12), (3.5, 9, 9), -8),  # fat of the acetabular fossa
    Solid(_M, (33, 56, 1), (25, 3.2, 15), -38),  # coccygeus
    # Ligaments from the ischium to the sacrum, and the sciatic nerve.
    Tube(_LIGAMENT, (54, 37, 5), (18, 68, 8), 1.6, 2.6),  # sacrospinous
    Tube(_LIGAMENT, (62, 42, -34), (26, 80, 16), 2.2, 3.0),  # sacrotuberous
    Solid(_NERVE, (75, 41, 6), (6.5, 3.2, 70), -16, (-0.22, 0.16)),
    Solid(_F, (75, 41, 6), (1.6, 0.8, 70), -16, (-0.22, 0.16)),
    # Vessels: external iliac to femoral, internal iliac branches, obturator, gluteal, dorsal.
    Tube(_V, (58, -46, 90), (66, -71, 10), 4.8, 4.6),
    Tube(_V, (66, -71, 10), (72, -82, -90), 4.6, 4.0),
    Tube(_V, (49, -38, 90), (54, -69, 10), 5.6, 5.4),
    Tube(_V, (54, -69, 10), (62, -80, -90), 5.4, 4.6),
    Tube(_V, (40, 30, 90), (42, 34, 46), 3.4, 3.0),
    Tube(_V, (42, 34, 46), (44, 12, 14), 2.4, 1.8),
    Tube(_V, (42, 34, 46), (66, 56, 40), 2.2, 1.8),
    Tube(_V, (45, 24, 52), (44, -10, 20), 2.2, 1.6),
    Tube(_V, (44, -10, 20), (47, -40, 2), 1.6, 1.2),
    Tube(_V, (50, 46, -20), (46, 30, -34), 1.6, 1.2),  # pudendal
)
_SINGLE: tuple[Shape, ...] = (
    Solid(_LIGAMENT, (0, -52, -36), (3.4, 10, 19), 0, (0.0, 0.25)),  # symphysis
)
_SEGMENT_MM = 24.0


@dataclass(frozen=True, slots=True)
class Sacrum:
    """Sacrum and coccyx: a curved plate, hollow in front, with canal, foramina and old discs.

    Parameters
    ----------
    back_mm : float
        Place of its front in the middle, at its deepest.
    curve : float
        How quickly its front comes forward above and below that, per mm.
    joint_mm : float
        Height of one of the lines between its segments.
    """

    back_mm: float
    curve: float
    joint_mm: float

    @property
    def box(self) -> tuple[Place, Place]:
        """Centre and half edges of a box around it, mm."""
        return (0.0, self.back_mm, 40.0), (62.0, 40.0, 66.0)

    def front_mm(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Place (y) of its front in the middle at height z."""
        return self.back_mm - self.curve * (z - 50) ** 2

    def paint(self, labels: NDArray[np.uint8], points: Points) -> None:
        """Paint it into the labels of points, both of one window."""
        x, y, z = points
        half, thick, front = _plate(self).at(z)
        across = x / half
        across *= across
        behind = y - front + np.float32(0.0035) * x * x
        middle = thick * (1 - np.float32(0.35) * across) / 2
        # Distances in mm from its faces, negative within.
        outside = np.maximum(np.abs(behind - middle) - middle, (across - 1) * half / 2)
        inside = (outside < 0) & (z > -24) & (z < 104)
        across, behind, outside, half, thick, x, z = (
            v[inside] for v in (across, behind, outside, half, thick, x, z)
        )
        # The segments tilt with the curve; 0 and 1 at the lines between them.
        within = (z - np.float32(self.joint_mm) - 0.35 * behind) * np.float32(1 / _SEGMENT_MM)
        within -= np.floor(within)
        spongy = (outside < -1.5) & (np.abs(within - 0.5) < 0.475)
        painted = np.where(spongy, np.uint8(Label.MARROW), np.uint8(Label.CORTEX))
        # Canal with fat, and a pair of foramina in every segment with a nerve in each.
        canal = (across < 0.04) & (np.abs(behind / thick - 0.7) < 0.15) & (z > 22)
        lateral = (np.abs(x) - 0.52 * half) / 4.5
        hole = lateral**2 + ((within - 0.5) * 3.4) ** 2 + ((behind - 5) / 6.5) ** 2
        hole[z < 10] = np.inf
        painted[(hole < 1) | canal] = Label.FAT
        painted[hole < 0.25] = _NERVE
        labels[inside] = painted


@lru_cache(maxsize=16)
def _plate(sacrum: Sacrum) -> Heights:
    """Half width, thickness and front (y) by height."""
    up = (LADDER + 24).clip(0)
    half = 4 + 0.42 * up + 0.0019 * up * up
    return Heights(half, (5 + 0.25 * up).clip(None, 27), sacrum.front_mm(LADDER))


def surroundings(wide: float, sacrum: Sacrum) -> tuple[Shape, ...]:
    """Muscles, bones, ligaments, nerves and large vessels of a pelvis.

    Parameters
    ----------
    wide : float
        Width of the pelvis relative to the standing order, about 0.95 to 1.08.
    sacrum : Sacrum
        The sacrum.
    """
    left = [shape.widened(wide) for shape in _PAIRED]
    both = [shape for one in left for shape in (one, one.mirrored())]
    return (*both, *_SINGLE, sacrum)


def obturator(wide: float) -> tuple[Solid, Solid]:
    """The obturator internus of both sides, a reader's reference muscle."""
    left = _OBTURATOR.widened(wide)
    return left, left.mirrored()
