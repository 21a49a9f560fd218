"""The tumour on the rectal wall, and the treated bed that is left of it.

What: a lesion is a patch of wall (place along and around the tube, extent) that grows inwards and
outwards: annular, crescent or a polypoid mass, with an irregular edge, sometimes with a crater,
sometimes with pools of mucin. After treatment the patch is smaller and flatter and filled as its
`Response` says: scar (a split scar that spares the muscularis, or a thick one), oedema, recovered
wall, pools, and islands of 2-6 mm near the lumen, mostly inside scar.
Source: ``docs/reference/clinical.md`` 2.1 note (e), 3.1 and 3.2; extents are assumptions.
When: the phantom needs its lesion; the truth it returns is what the labels of a case mean.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from radresp.phantom.filling import Filling, Spots, cut_at, fill, look_up, random_lattice, within
from radresp.phantom.geometry import Plane, Points
from radresp.phantom.rectum import Rectum
from radresp.phantom.response import Response
from radresp.phantom.tissue import Label

_COARSE_MM = 1.6
_FINE_MM = 1.0
_ROUGHEST = 2.0  # SDs at which the rough edge is cut off
_VERGE_Z_MM = -72.0
_ALONG_CURVE = 1.3  # the rectum is longer than its height: sacral and anorectal bends
# Chance and range of heights (z of the middle, mm) of low, mid and upper tumours.
_SITES = ((0.35, (-28, -12)), (0.45, (-12, 12)), (0.20, (12, 30)))
# Inward and outward growth of a bed relative to its tumour: split scar, thick scar.
_FLATTENED = {True: (0.25, 0.4), False: (0.5, 0.8)}
# Ranges of half extents around and along, inward and outward growth, mm.
_EXTENTS = {
    "annular": ((0, 12, 2, 1), (0, 22, 4, 6)),
    "crescent": ((20, 14, 2, 1), (38, 24, 5, 7)),
    "polypoid": ((14, 13, 7, 0), (22, 21, 11, 1.5)),
}
_OPEN = 0.85  # growth into the lumen stops short of the axis by the rest
_SMALLEST_RING_ML, _LARGEST_POLYP_ML = 22.0, 25.0
_RING_LEFT = 0.75  # of half the circumference, for the bed of a ring
_ULCERATED = 0.3


class Island(NamedTuple):
    """A focus in the bed: centre (anatomical mm), radius (mm), ``viable`` or ``granulation``."""

    x_mm: float
    y_mm: float
    z_mm: float
    radius_mm: float
    kind: str


@dataclass(frozen=True, slots=True)
class Lesion:
    """A lesion in the coordinates of the rectal wall; lengths in mm, angles in radians.

    Parameters
    ----------
    shape : str
        ``annular``, ``crescent`` or ``polypoid``.
    clock : float
        Direction from the axis: 0 to the left, pi/2 to the back.
    height_mm : float
        z of its middle.
    half_around_mm, half_along_mm : float
        Half extent around (infinite for a ring) and along the tube.
    inward_mm, outward_mm : float
        Growth into the lumen and into the mesorectum.
    ulcer : float
        Depth of the crater as a share of the inward growth.
    edge : numpy.ndarray
        Random lattice that makes the edge irregular.
    scale : float
        Multiplies all extents.
    mucin : tuple
        Random lattice of the pools of a mucinous tumour, and its cut; empty for none.
    filling : Filling, optional
        What fills a treated bed; None for an untreated tumour.
    """

    shape: str
    clock: float
    height_mm: float
    half_around_mm: float
    half_along_mm: float
    inward_mm: float
    outward_mm: float
    ulcer: float
    edge: NDArray[np.float32] = field(repr=False)
    scale: float = 1.0
    mucin: tuple[NDArray[np.float32], float] | None = field(default=None, repr=False)
    filling: Filling | None = None

    @property
    def clock_hour(self) -> int:
        """Position of the middle in the lithotomy view: 12 in front, 3 to the left, 6 behind."""
        return (round(self.clock / (2 * np.pi) * 12) + 3 - 1) % 12 + 1

    @property
    def distance_from_verge_mm(self) -> float:
        """Lower edge to anal verge along the bent rectum."""
        low = self.height_mm - self.scale * self.half_along_mm
        return max((low - _VERGE_Z_MM) * _ALONG_CURVE, 5.0)

    @property
    def extramural_mm(self) -> float:
        """Greatest growth beyond the muscularis, without the roughness of the edge."""
        return self.scale * self.outward_mm

    @property
    def foci(self) -> tuple[Island, ...]:
        """The islands as a truth table."""
        if self.filling is None:
            return ()
        kind = "viable" if self.filling.foci is Label.BED_VIABLE else "granulation"
        rows = self.filling.islands.tolist()
        return tuple(Island(x, y, z, radius, kind) for x, y, z, radius in rows)

    def paint(self, labels: NDArray[np.uint8], plane: Plane, rectum: Rectum) -> None:
        """Paint the lesion over the labels of a plane."""
        window = plane.window(*self._box(rectum))
        if window is None:
            return
        points = plane.points(window)
        inside, spots = self._inside(points, rectum)
        if len(spots):
            labels[window][inside] = self._tissue(spots, rectum)

    def _tissue(self, spots: Spots, rectum: Rectum) -> NDArray[np.uint8]:
        """Labels of points of the lesion."""
        if self.filling is None:
            tissue = np.full(len(spots), Label.TUMOUR, np.uint8)
            if self.mucin is not None:
                tissue[look_up(self.mucin[0], spots.points) < self.mucin[1]] = Label.TUMOUR_MUCINOUS
            return tissue
        return self.filling.tissue(spots, rectum)

    def _box(self, rectum: Rectum) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        x, y = rectum.axis_mm(np.array([self.height_mm], np.float32))
        reach = rectum.radius_mm * 1.4 + self.scale * self.outward_mm * 1.7 + 6
        along = self.scale * self.half_along_mm * 1.3 + 2
        return np.array([x[0], y[0], self.height_mm]), np.array([reach, reach, along])

    def _inside(self, points: Points, rectum: Rectum) -> tuple[NDArray[np.bool_], Spots]:
        """Which points belong to the lesion, and where in it those are."""
        distance, x, y = rectum.locate(points)
        depth = distance + np.float32(rectum.wall_mm)
        along = ((points[2] - self.height_mm) / (self.scale * self.half_along_mm)) ** 2
        inside = (depth > -1.5 * self.scale * self.inward_mm) & (along < 1.7)
        inside &= depth < rectum.wall_mm + 1.7 * self.scale * self.outward_mm
        # Only where the lesion can be are the angle and the rough edge worth working out.
        x, y = np.broadcast_to(x, inside.shape)[inside], np.broadcast_to(y, inside.shape)[inside]
        turn = np.abs(np.arctan2(y, x, dtype=np.float64) - self.clock)
        turn = np.minimum(turn, 2 * np.pi - turn).astype(np.float32)
        rough = look_up(self.edge, within(points, inside)).clip(-_ROUGHEST, _ROUGHEST)
        patch = np.broadcast_to(along, inside.shape)[inside]
        patch = patch + (turn * rectum.radius_mm / (self.scale * self.half_around_mm)) ** 2
        edge, deep = patch + 0.16 * rough, depth[inside]
        growth = self.scale * np.sqrt(np.maximum(1 - edge, 0))
        # A ring is thicker on one side; its crater lies there, too.
        lopsided = 1.2 - 0.4 * (turn / np.float32(np.pi)) if self.shape == "annular" else 1.0
        crater = 1 - self.ulcer * np.maximum(1 - 4 * patch - turn * turn, 0)
        inner = -self.inward_mm * growth * lopsided * crater * (1 + 0.15 * rough)
        inner = np.maximum(inner, -_OPEN * (rectum.radius_mm - rectum.wall_mm))
        outer = rectum.wall_mm + self.outward_mm * growth * lopsided * (1 + 0.25 * rough)
        kept = (edge < 1) & (deep > inner) & (deep < outer)
        inside[inside] = kept
        rim = (2 * edge[kept] - 1).clip(0, None)
        return inside, Spots(within(points, inside), deep[kept], rim.astype(np.float32))


def draw_tumour(
    rng: np.random.Generator, rectum: Rectum, volume_ml: float, mucinous: bool = False
) -> Lesion:
    """A random untreated tumour of about a given volume (mL).

    Only large ones are annular, only small ones polypoid. A mucinous tumour is 50-85 % pools in a
    matrix of solid tumour.
    """
    ring = 0.35 if volume_ml > _SMALLEST_RING_ML else 0.0
    polyp = 0.35 if volume_ml < _LARGEST_POLYP_ML else 0.0
    shape = str(rng.choice(["annular", "polypoid", "crescent"], p=[ring, polyp, 1 - ring - polyp]))
    low, high = _EXTENTS[shape]
    around, along, inward, outward = (float(v) for v in rng.uniform(low, high))
    site = int(rng.choice(len(_SITES), p=[share for share, _ in _SITES]))
    lesion = Lesion(
        shape=shape,
        clock=float(rng.uniform(-np.pi, np.pi)),
        height_mm=float(rng.uniform(*_SITES[site][1])),
        half_around_mm=np.inf if shape == "annular" else around,
        half_along_mm=along,
        inward_mm=inward,
        outward_mm=outward,
        ulcer=float(rng.uniform(0.4, 0.9)) if rng.random() < _ULCERATED else 0.0,
        edge=random_lattice(rng),
    )
    lesion = _sized(lesion, rectum, volume_ml)
    if not mucinous:
        return lesion
    pools = random_lattice(rng)
    values = look_up(pools, _sampled(lesion, rectum, _COARSE_MM).points)
    return replace(lesion, mucin=(pools, cut_at(values, float(rng.uniform(0.5, 0.85)))))


def draw_bed(
    rng: np.random.Generator, tumour: Lesion, rectum: Rectum, response: Response, tumour_ml: float
) -> Lesion:
    """What treatment left of a tumour: a smaller, flatter patch filled as the response says.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the draws come from.
    tumour : Lesion
        The untreated lesion.
    rectum : Rectum
        The rectum at the second visit.
    response : Response
        Shares of the tissues, met on sample points 1 mm apart, and shrinkage.
    tumour_ml : float
        Volume of the tumour; times the shrinkage it is that of the bed, about.
    """
    inward, outward = _FLATTENED[response.split]
    # A ring regresses unevenly and leaves the arc where it was thickest.
    arc = _RING_LEFT * np.pi * rectum.radius_mm
    flat = replace(
        tumour,
        shape="crescent" if tumour.shape == "annular" else tumour.shape,
        half_around_mm=min(tumour.half_around_mm, arc),
        inward_mm=inward * tumour.inward_mm,
        outward_mm=outward * tumour.outward_mm,
        ulcer=0.0,
        mucin=None,
    )
    bed = _sized(flat, rectum, response.shrinkage * tumour_ml)
    return replace(bed, filling=fill(rng, _sampled(bed, rectum, _FINE_MM), rectum, response))


def lesion_volume_ml(lesion: Lesion, rectum: Rectum) -> float:
    """Volume in mL, counted on points 1.6 mm apart."""
    return len(_sampled(lesion, rectum, _COARSE_MM)) * _COARSE_MM**3 / 1000


def _sized(lesion: Lesion, rectum: Rectum, volume_ml: float) -> Lesion:
    """The lesion scaled until it has about a volume."""
    for _ in range(10):
        volume = max(lesion_volume_ml(lesion, rectum), 0.05)
        if abs(volume / volume_ml - 1) < 0.015:
            break
        # Volume grows between the square (a patch of wall) and the cube (a ball) of the scale.
        step = float(np.clip((volume_ml / volume) ** 0.42, 0.5, 2.0))
        lesion = replace(lesion, scale=lesion.scale * step)
    return lesion


def _sampled(lesion: Lesion, rectum: Rectum, step_mm: float) -> Spots:
    """Points inside a lesion, evenly spread."""
    centre, half = lesion._box(rectum)
    axes = [
        (c + np.arange(-h, h, step_mm)).astype(np.float32)
        for c, h in zip(centre, half, strict=True)
    ]
    z, y, x = np.meshgrid(axes[2], axes[1], axes[0], indexing="ij")
    return lesion._inside((x, y, z), rectum)[1]
