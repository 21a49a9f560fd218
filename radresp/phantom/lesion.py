"""The tumour on the rectal wall, and the treated bed that is left of it.

What: a lesion is a patch of wall (place along and around the tube, extent) that grows inwards and
outwards, crescent-shaped or polypoid, with an irregular edge. After treatment the patch is smaller
and filled with a mixture of scar, inflammation, recovered wall and, for residual disease, viable
islands of 2-6 mm near the lumen.
Source: ``docs/reference/clinical.md`` 2.1 note (e) and 3.1; the distributions of the mixture are
assumptions, chosen to overlap between outcomes.
When: the phantom needs its lesion; the truth it returns is what the labels of a case mean.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radresp.phantom.geometry import Plane, Points
from radresp.phantom.rectum import Rectum
from radresp.phantom.tissue import Label

_NODE_MM = 4.0
_NODES = 32
_COARSE_MM = 1.6
_RECOVERED = (Label.BED_MUCOSA, Label.BED_SUBMUCOSA, Label.BED_MUSCULARIS)


@dataclass(frozen=True, slots=True)
class Mixture:
    """What fills a treated bed, as shares of its volume, and how volume shrank.

    Parameters
    ----------
    fibrosis, inflammation, viable, wall : float
        Shares, sum 1.
    shrinkage : float
        Bed volume over tumour volume.
    """

    fibrosis: float
    inflammation: float
    viable: float
    wall: float
    shrinkage: float


@dataclass(frozen=True, slots=True)
class Lesion:
    """A lesion in the coordinates of the rectal wall; lengths in mm, angles in radians.

    Parameters
    ----------
    clock : float
        Direction from the axis: 0 to the left, pi/2 to the back.
    height_mm : float
        z of its middle.
    half_around_mm, half_along_mm : float
        Half extent around and along the tube.
    inward_mm, outward_mm : float
        Growth into the lumen and into the mesorectum.
    edge : numpy.ndarray
        Random lattice that makes the edge irregular.
    scale : float
        Multiplies all extents.
    pattern : numpy.ndarray, optional
        Two random lattices that place the tissues of a treated bed.
    cuts : tuple of float
        Levels of the two lattices between the tissues.
    islands : numpy.ndarray
        Viable islands, (n, 4): centre x, y, z and radius, mm.
    """

    clock: float
    height_mm: float
    half_around_mm: float
    half_along_mm: float
    inward_mm: float
    outward_mm: float
    edge: NDArray[np.float32] = field(repr=False)
    scale: float = 1.0
    pattern: NDArray[np.float32] | None = field(default=None, repr=False)
    cuts: tuple[float, float] = (0.0, 0.0)
    islands: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 4)), repr=False)

    def paint(self, labels: NDArray[np.uint8], plane: Plane, rectum: Rectum) -> None:
        """Paint the lesion over the labels of a plane."""
        window = plane.window(*self._box(rectum))
        if window is None:
            return
        points = plane.points(window)
        inside, depth = self._inside(points, rectum)
        if not inside.any():
            return
        view = labels[window]
        if self.pattern is None:
            view[inside] = Label.TUMOUR
            return
        wall = rectum.layer(depth[inside], _RECOVERED)
        scar, inflamed = (_look_up(lattice, _within(points, inside)) for lattice in self.pattern)
        filled = np.where(inflamed < self.cuts[1], np.uint8(Label.BED_INFLAMMATION), wall)
        view[inside] = np.where(scar < self.cuts[0], np.uint8(Label.BED_FIBROSIS), filled)
        self._paint_islands(view, inside, points)

    def _box(self, rectum: Rectum) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        x, y = rectum.axis_mm(np.array([self.height_mm], np.float32))
        reach = rectum.radius_mm * 1.4 + self.scale * self.outward_mm + 6
        along = self.scale * self.half_along_mm * 1.3 + 2
        return np.array([x[0], y[0], self.height_mm]), np.array([reach, reach, along])

    def _inside(
        self, points: Points, rectum: Rectum
    ) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        """Which points belong to the lesion, and every point's depth from the lumen surface, mm."""
        distance, x, y = rectum.locate(points)
        depth = distance + np.float32(rectum.wall_mm)
        around = np.abs(np.arctan2(y, x) - np.float32(self.clock))
        around = np.minimum(around, np.float32(2 * np.pi) - around) * rectum.radius_mm
        patch = (around / (self.scale * self.half_around_mm)) ** 2
        patch += ((points[2] - self.height_mm) / (self.scale * self.half_along_mm)) ** 2
        inside = (patch < 1.7) & (depth > -self.scale * self.inward_mm - 2)
        inside &= depth < rectum.wall_mm + 2.2 * self.scale * self.outward_mm
        # Only where the lesion can be is the rough edge worth looking up.
        rough = _look_up(self.edge, _within(points, inside))
        edge, deep = patch[inside] + 0.16 * rough, depth[inside]
        growth = self.scale * np.sqrt(np.maximum(1 - edge, 0))
        outer = rectum.wall_mm + self.outward_mm * growth * (1 + 0.35 * rough)
        inside[inside] = (edge < 1) & (deep > -self.inward_mm * growth) & (deep < outer)
        return inside, depth

    def _paint_islands(
        self, view: NDArray[np.uint8], inside: NDArray[np.bool_], points: Points
    ) -> None:
        x, y, z = points
        for cx, cy, cz, radius in self.islands:
            if z.min() > cz + radius or z.max() < cz - radius:
                continue
            near = (x - cx) ** 2 + (y - cy) ** 2 + (z - cz) ** 2 < radius**2
            view[near & inside] = Label.BED_VIABLE


def draw_tumour(rng: np.random.Generator, rectum: Rectum, volume_ml: float) -> Lesion:
    """A random untreated tumour of about a given volume (mL)."""
    polypoid = rng.random() < 0.35
    lesion = Lesion(
        clock=rng.uniform(-np.pi, np.pi),
        height_mm=rng.uniform(-12, 14),
        half_around_mm=rng.uniform(14, 24) if polypoid else rng.uniform(20, 42),
        half_along_mm=rng.uniform(14, 24),
        inward_mm=rng.uniform(6, 10) if polypoid else rng.uniform(2, 5),
        outward_mm=rng.uniform(1, 4) if polypoid else rng.uniform(3, 8),
        edge=_lattice(rng),
    )
    return _sized(lesion, rectum, volume_ml)


def draw_bed(
    rng: np.random.Generator, tumour: Lesion, rectum: Rectum, mixture: Mixture, tumour_ml: float
) -> Lesion:
    """What treatment left of a tumour: a smaller, flatter patch filled with the mixture.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the draws come from.
    tumour : Lesion
        The untreated lesion.
    rectum : Rectum
        The rectum at the second visit.
    mixture : Mixture
        Shares of the tissues.
    tumour_ml : float
        Volume of the tumour; times the mixture's shrinkage it is that of the bed, about.
    """
    flat = replace(tumour, inward_mm=0.45 * tumour.inward_mm, outward_mm=0.8 * tumour.outward_mm)
    bed = _sized(flat, rectum, mixture.shrinkage * tumour_ml)
    points, depth = _sampled(bed, rectum)
    pattern = np.stack([_lattice(rng), _lattice(rng)])
    scar, inflamed = (_look_up(lattice, points) for lattice in pattern)
    solid = 1 - mixture.viable  # islands replace all other tissues alike
    cut = float(np.quantile(scar, mixture.fibrosis / solid))
    rest = mixture.inflammation + mixture.wall
    left = inflamed[scar >= cut] if rest > 0 and (scar >= cut).any() else inflamed
    second = float(np.quantile(left, mixture.inflammation / rest)) if rest > 0 else 0.0
    islands = _draw_islands(rng, points, depth, mixture.viable)
    return replace(bed, pattern=pattern, cuts=(cut, second), islands=islands)


def lesion_volume_ml(lesion: Lesion, rectum: Rectum) -> float:
    """Volume in mL, counted on points 1.6 mm apart."""
    points, _ = _sampled(lesion, rectum)
    return len(points[0]) * _COARSE_MM**3 / 1000


def _draw_islands(
    rng: np.random.Generator, points: Points, depth: NDArray[np.float32], share: float
) -> NDArray[np.float64]:
    """Spheres of 2-6 mm that cover a share of the bed, mostly near the lumen."""
    xyz = np.stack(points, axis=1).astype(float)
    covered = np.zeros(len(xyz), bool)
    # Likelier within a few millimetres of the lumen surface than in the outer wall.
    weight = np.exp(-np.maximum(depth, 0) / 4.0).astype(float)
    islands: list[tuple[float, ...]] = []
    while covered.mean() < share and len(islands) < 400:
        centre = xyz[rng.choice(len(xyz), p=weight / weight.sum())]
        radius = rng.uniform(1.0, 3.0)
        covered |= ((xyz - centre) ** 2).sum(axis=1) < radius**2
        islands.append((*map(float, centre), radius))
    return np.array(islands).reshape(-1, 4)


def _sized(lesion: Lesion, rectum: Rectum, volume_ml: float) -> Lesion:
    """The lesion scaled until it has about a volume."""
    for _ in range(6):
        volume = max(lesion_volume_ml(lesion, rectum), 0.1)
        if abs(volume / volume_ml - 1) < 0.02:
            break
        # Volume grows between the square (a patch of wall) and the cube (a ball) of the scale.
        step = float(np.clip((volume_ml / volume) ** 0.42, 0.5, 2.0))
        lesion = replace(lesion, scale=lesion.scale * step)
    return lesion


def _sampled(lesion: Lesion, rectum: Rectum) -> tuple[Points, NDArray[np.float32]]:
    """Coarse points inside a lesion (flat x, y, z) and their depth from the lumen, mm."""
    centre, half = lesion._box(rectum)
    axes = [
        (c + np.arange(-h, h, _COARSE_MM)).astype(np.float32)
        for c, h in zip(centre, half, strict=True)
    ]
    z, y, x = np.meshgrid(axes[2], axes[1], axes[0], indexing="ij")
    inside, depth = lesion._inside((x, y, z), rectum)
    return _within((x, y, z), inside), depth[inside]


def _within(points: Points, inside: NDArray[np.bool_]) -> Points:
    """The points where a condition holds, flat."""
    x, y, z = points
    return x[inside], y[inside], z[inside]


def _lattice(rng: np.random.Generator) -> NDArray[np.float32]:
    """Smooth random values, mean 0 and SD 1, on a repeating lattice with 4-mm nodes."""
    white = rng.standard_normal((_NODES,) * 3, dtype=np.float32)
    smooth: NDArray[np.float32] = ndimage.gaussian_filter(white, 0.7, mode="wrap")
    smooth /= smooth.std()
    return smooth


def _look_up(lattice: NDArray[np.float32], points: Points) -> NDArray[np.float32]:
    """Values of a lattice at points."""
    where = np.stack(points[::-1]) / np.float32(_NODE_MM)
    values: NDArray[np.float32] = ndimage.map_coordinates(
        lattice, where, np.float32, order=1, mode="grid-wrap"
    )
    return values
