"""What fills a treated bed: where scar, oedema, mucin, scattered cells and foci lie.

What: every tissue has a smooth random lattice and lies where the lattice is low; the cuts are set
so that the drawn shares come out. Foci are spheres of 2-6 mm near the lumen, mostly inside scar.
Source: ``docs/reference/clinical.md`` 2.1 note (e) (islands), 3.1 (split scar: a dark inner and a
dark outer line with the muscularis spared). The preferences for a layer are assumptions.
When: a lesion is a treated bed.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radresp.phantom.geometry import Points
from radresp.phantom.rectum import Rectum
from radresp.phantom.response import Response
from radresp.phantom.tissue import Label

_NODE_MM = 4.0
_NODES = 32
_RECOVERED = (Label.BED_MUCOSA, Label.BED_SUBMUCOSA, Label.BED_MUSCULARIS)
_POOLS, _SCAR, _OEDEMA, _CELLS = range(4)
_RADIUS_MM = (1.0, 3.0)
_NEAR_LUMEN_MM = 3.0
_OUTSIDE_SCAR = 0.05  # density of foci outside scar relative to inside
_MOST_ISLANDS = 1500
_BATCH = 16
_Depth = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Filling:
    """Where the tissues of a treated bed lie.

    Parameters
    ----------
    lattices : numpy.ndarray
        Random lattices of mucin, scar, oedema and scattered cells, (4, n, n, n).
    split : bool
        Whether the scar spares the muscularis.
    pools, foci : Label
        What the mucin and the islands are.
    cuts : tuple of float
        A tissue lies where its lattice is below its cut; minus infinity for nowhere.
    islands : numpy.ndarray
        Foci, (n, 4): centre x, y, z and radius, mm.
    """

    lattices: NDArray[np.float32] = field(repr=False)
    split: bool
    pools: Label
    foci: Label
    cuts: tuple[float, float, float, float] = (-np.inf,) * 4
    islands: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 4)), repr=False)

    def tissue(self, points: Points, depth: _Depth, rectum: Rectum) -> NDArray[np.uint8]:
        """Labels of flat points of the bed at depths from the lumen, mm."""
        labels = rectum.layer(depth, _RECOVERED)
        pools, scar, oedema, cells = (self._lies(k, points, depth, rectum) for k in range(4))
        labels[oedema] = Label.BED_INFLAMMATION
        labels[scar] = Label.BED_FIBROSIS
        labels[scar & cells] = Label.BED_MICROSCOPIC
        labels[pools] = self.pools
        labels[_nearness(self.islands, points) < 1] = self.foci
        return labels

    def level(self, part: int, points: Points, depth: _Depth, rectum: Rectum) -> _Depth:
        """What is cut to place a tissue: its lattice, and where in the wall it likes to be."""
        level = look_up(self.lattices[part], points)
        layer = rectum.layer(depth, _RECOVERED)
        if part == _OEDEMA:
            level = level - np.float32(0.8) * (layer == Label.BED_SUBMUCOSA)
        elif part == _SCAR and self.split:
            spared = (layer == Label.BED_MUSCULARIS) & (depth < rectum.wall_mm)
            level = level + np.float32(2.5) * spared
        elif part == _SCAR:  # full thickness, the mucosa recovers first
            level = level + np.float32(0.4) * (layer == Label.BED_MUCOSA)
        return level

    def _lies(self, part: int, points: Points, depth: _Depth, rectum: Rectum) -> NDArray[np.bool_]:
        if self.cuts[part] == -np.inf:
            return np.zeros(len(depth), bool)
        return self.level(part, points, depth, rectum) < self.cuts[part]


def fill(
    rng: np.random.Generator, points: Points, depth: _Depth, rectum: Rectum, response: Response
) -> Filling:
    """A filling that meets the shares of a response on the points.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the draws come from.
    points : tuple of numpy.ndarray
        Points that sample the bed evenly, flat x, y, z in mm.
    depth : numpy.ndarray
        Their depth from the lumen, mm.
    rectum : Rectum
        The rectum at the second visit.
    response : Response
        The shares.
    """
    filling = Filling(
        lattices=np.stack([random_lattice(rng) for _ in range(4)]),
        split=response.split,
        pools=Label.BED_MUCINOUS_CARCINOMA if response.mucinous_carcinoma else Label.BED_MUCIN,
        foci=Label.BED_VIABLE if response.viable else Label.BED_GRANULATION,
    )
    scar = filling.level(_SCAR, points, depth, rectum)
    core = cut_at(scar, response.scar + response.focus)
    weight = np.exp((depth.min() - depth) / _NEAR_LUMEN_MM, dtype=np.float64)
    weight *= np.where(scar < core, 1, _OUTSIDE_SCAR)
    islands = _draw_islands(rng, points, weight, response.focus)
    left = _nearness(islands, points) >= 1
    cuts = _cuts(filling, within(points, left), depth[left], rectum, response)
    return replace(filling, cuts=cuts, islands=islands)


def random_lattice(rng: np.random.Generator) -> NDArray[np.float32]:
    """Smooth random values, mean 0 and SD 1, on a repeating lattice with 4-mm nodes."""
    white = rng.standard_normal((_NODES,) * 3, dtype=np.float32)
    smooth: NDArray[np.float32] = ndimage.gaussian_filter(white, 0.7, mode="wrap")
    smooth /= np.float32(smooth.std(dtype=np.float64))
    return smooth


def look_up(lattice: NDArray[np.float32], points: Points) -> NDArray[np.float32]:
    """Values of a lattice at flat points."""
    where = np.stack(points[::-1]) / np.float32(_NODE_MM)
    values: NDArray[np.float32] = ndimage.map_coordinates(
        lattice, where, np.float32, order=1, mode="grid-wrap"
    )
    return values


def cut_at(values: NDArray[np.float32], share: float) -> float:
    """The value below which a share of the values lies; minus infinity for none."""
    if share <= 0 or not len(values):
        return -np.inf
    return float(np.quantile(values.astype(np.float64), min(share, 1.0)))


def within(points: Points, inside: NDArray[np.bool_]) -> Points:
    """The points where a condition holds, flat."""
    x, y, z = points
    return x[inside], y[inside], z[inside]


def _cuts(
    filling: Filling, points: Points, depth: _Depth, rectum: Rectum, response: Response
) -> tuple[float, float, float, float]:
    """Cuts at which the shares come out on the points that no island covers."""
    left = 1 - response.focus
    pools = filling.level(_POOLS, points, depth, rectum)
    pool_cut = cut_at(pools, response.pools / left)
    dry = pools >= pool_cut
    points, depth, left = within(points, dry), depth[dry], left - response.pools
    scar = filling.level(_SCAR, points, depth, rectum)
    scar_cut = cut_at(scar, response.scar / left)
    cells = filling.level(_CELLS, points, depth, rectum)[scar < scar_cut]
    cell_cut = cut_at(cells, response.microscopic / response.scar)
    soft = scar >= scar_cut
    oedema = filling.level(_OEDEMA, within(points, soft), depth[soft], rectum)
    share = response.inflammation / (response.inflammation + response.wall)
    return pool_cut, scar_cut, cut_at(oedema, share), cell_cut


def _draw_islands(
    rng: np.random.Generator, points: Points, weight: NDArray[np.float64], share: float
) -> NDArray[np.float64]:
    """Spheres of 2-6 mm, resized together a little so that they cover a share of the points."""
    chance = weight / weight.sum()
    nearness = np.full(len(weight), np.inf)
    islands: list[NDArray[np.float64]] = []
    while (nearness < 1).mean() < share and len(islands) < _MOST_ISLANDS:
        centres = rng.choice(len(weight), _BATCH, p=chance)
        radii = rng.uniform(*_RADIUS_MM, _BATCH)
        for island in np.column_stack([*(axis[centres] for axis in points), radii]):
            nearness = np.minimum(nearness, _nearness(island[None], points))
            islands.append(island)
            if (nearness < 1).mean() >= share:
                break
    drawn = np.array(islands).reshape(-1, 4)
    if islands:
        drawn[:, 3] *= max(float(np.quantile(nearness, share)), 0.5)
    return drawn


def _nearness(islands: NDArray[np.float64], points: Points) -> NDArray[np.float64]:
    """Distance to the nearest island in units of its radius; infinite where none is near."""
    x, y, z = points
    nearest = np.full(len(z), np.inf)
    if not len(z):
        return nearest
    in_reach = (islands[:, 2] + islands[:, 3] > z.min()) & (islands[:, 2] - islands[:, 3] < z.max())
    for cx, cy, cz, radius in islands[in_reach]:
        squared = (x - cx) ** 2 + (y - cy) ** 2 + (z - cz) ** 2
        np.minimum(nearest, np.sqrt(squared, dtype=np.float64) / radius, out=nearest)
    return nearest
