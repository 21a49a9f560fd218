"""What fills a treated bed: where scar, oedema, mucin, scattered cells and foci lie.

What: every tissue has a smooth random lattice and lies where the lattice is low; the cuts are set
so that the drawn shares come out. A fine ripple on what is cut lets neighbours mingle over about
2 mm, as tissues do; towards the rim of the bed the wall has recovered. Foci are lumps of 2-6 mm
near the lumen, mostly inside scar.
Source: ``docs/reference/clinical.md`` 2.1 note (e) (islands), 3.1 (split scar: a dark inner and a
dark outer line with the muscularis spared). The preferences for a layer and for the middle of the
bed, and how far tissues mingle, are assumptions.
When: a lesion is a treated bed.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

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
_POOLS, _SCAR, _OEDEMA, _CELLS, _RIPPLE = range(5)
_FINE, _LUMPY = 5.0, 1.3  # how much faster than the lattice the ripple and the lumps of foci vary
_MINGLING = 0.3  # of the ripple, in SDs of the lattice
_LUMPS = 0.2  # of the radius of a focus, SD
_RECOVERING = {_SCAR: 1.8, _OEDEMA: 0.8}  # at the rim, in SDs of the lattice
_RADIUS_MM = (1.0, 3.0)
_NEAR_LUMEN_MM = 3.0
_OUTSIDE_SCAR = 0.05  # density of foci outside scar relative to inside
_MOST_ISLANDS = 1500
_BATCH = 16
_Values = NDArray[np.float32]


class Spots(NamedTuple):
    """Flat points of a lesion.

    Parameters
    ----------
    points : tuple of numpy.ndarray
        x, y and z, mm.
    depth : numpy.ndarray
        Distance from the surface of the lumen, mm.
    rim : numpy.ndarray
        How near the rim of the lesion: 0 in its middle half, 1 at its edge.
    """

    points: Points
    depth: _Values
    rim: _Values

    def where(self, condition: NDArray[np.bool_]) -> Spots:
        """Those of them for which a condition holds."""
        return Spots(within(self.points, condition), self.depth[condition], self.rim[condition])

    def __len__(self) -> int:
        return len(self.depth)


@dataclass(frozen=True, slots=True)
class Filling:
    """Where the tissues of a treated bed lie.

    Parameters
    ----------
    lattices : numpy.ndarray
        Random lattices of mucin, scar, oedema, scattered cells and ripple, (5, n, n, n).
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

    def tissue(self, spots: Spots, rectum: Rectum) -> NDArray[np.uint8]:
        """Labels of points of the bed."""
        labels = rectum.layer(spots.depth, _RECOVERED)
        pools, scar, oedema, cells = (self._lies(k, spots, rectum) for k in range(4))
        labels[oedema] = Label.BED_INFLAMMATION
        labels[scar] = Label.BED_FIBROSIS
        labels[scar & cells] = Label.BED_MICROSCOPIC
        labels[pools] = self.pools
        labels[self.nearness(self.islands, spots.points) < 1] = self.foci
        return labels

    def level(self, part: int, spots: Spots, rectum: Rectum) -> _Values:
        """What is cut to place a tissue: its lattice, and where in the wall it likes to be."""
        level = look_up(self.lattices[part], spots.points, order=3)
        level += np.float32(_MINGLING) * self._ripple(spots.points, _FINE + part)
        level += np.float32(_RECOVERING.get(part, 0.0)) * spots.rim
        layer = rectum.layer(spots.depth, _RECOVERED)
        if part == _OEDEMA:
            level -= np.float32(0.8) * (layer == Label.BED_SUBMUCOSA)
        elif part == _SCAR and self.split:
            spared = (layer == Label.BED_MUSCULARIS) & (spots.depth < rectum.wall_mm)
            level += np.float32(2.5) * spared
        elif part == _SCAR:  # full thickness, the mucosa recovers first
            level += np.float32(0.4) * (layer == Label.BED_MUCOSA)
        return level

    def nearness(self, islands: NDArray[np.float64], points: Points) -> NDArray[np.float64]:
        """Distance to the nearest island in units of its radius there; infinite far from all."""
        lumps = np.float32(_LUMPS) * self._ripple(points, _LUMPY).clip(-2, 2)
        return _distance(islands, points) * (1 + lumps)

    def _ripple(self, points: Points, faster: float) -> _Values:
        x, y, z = (p * np.float32(faster) for p in points)
        return look_up(self.lattices[_RIPPLE], (x, y, z))

    def _lies(self, part: int, spots: Spots, rectum: Rectum) -> NDArray[np.bool_]:
        if self.cuts[part] == -np.inf:
            return np.zeros(len(spots), bool)
        return self.level(part, spots, rectum) < self.cuts[part]


def fill(rng: np.random.Generator, spots: Spots, rectum: Rectum, response: Response) -> Filling:
    """A filling that meets the shares of a response on the points.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the draws come from.
    spots : Spots
        Points that sample the bed evenly.
    rectum : Rectum
        The rectum at the second visit.
    response : Response
        The shares.
    """
    smooth = [
        ndimage.spline_filter(random_lattice(rng), 3, np.float32, "grid-wrap") for _ in range(4)
    ]
    filling = Filling(
        lattices=np.stack([*smooth, random_lattice(rng)]),
        split=response.split,
        pools=Label.BED_MUCINOUS_CARCINOMA if response.mucinous_carcinoma else Label.BED_MUCIN,
        foci=Label.BED_VIABLE if response.viable else Label.BED_GRANULATION,
    )
    scar = filling.level(_SCAR, spots, rectum)
    core = cut_at(scar, response.scar + response.focus)
    weight = np.exp((spots.depth.min() - spots.depth) / _NEAR_LUMEN_MM, dtype=np.float64)
    weight *= np.where(scar < core, 1, _OUTSIDE_SCAR)
    islands = _draw_islands(rng, filling, spots.points, weight, response.focus)
    left = spots.where(filling.nearness(islands, spots.points) >= 1)
    return replace(filling, cuts=_cuts(filling, left, rectum, response), islands=islands)


def random_lattice(rng: np.random.Generator) -> NDArray[np.float32]:
    """Smooth random values, mean 0 and SD 1, on a repeating lattice with 4-mm nodes."""
    white = rng.standard_normal((_NODES,) * 3, dtype=np.float32)
    smooth: NDArray[np.float32] = ndimage.gaussian_filter(white, 0.7, mode="wrap")
    smooth /= np.float32(smooth.std(dtype=np.float64))
    return smooth


def look_up(lattice: NDArray[np.float32], points: Points, order: int = 1) -> NDArray[np.float32]:
    """Values of a lattice at flat points: linear, or cubic from spline coefficients (order 3)."""
    where = np.stack(points[::-1]) / np.float32(_NODE_MM)
    values: NDArray[np.float32] = ndimage.map_coordinates(
        lattice, where, np.float32, order=order, mode="grid-wrap", prefilter=False
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
    filling: Filling, spots: Spots, rectum: Rectum, response: Response
) -> tuple[float, float, float, float]:
    """Cuts at which the shares come out on the points that no island covers."""
    left = 1 - response.focus
    pools = filling.level(_POOLS, spots, rectum)
    pool_cut = cut_at(pools, response.pools / left)
    spots, left = spots.where(pools >= pool_cut), left - response.pools
    scar = filling.level(_SCAR, spots, rectum)
    scar_cut = cut_at(scar, response.scar / left)
    cells = filling.level(_CELLS, spots, rectum)[scar < scar_cut]
    cell_cut = cut_at(cells, response.microscopic / response.scar)
    oedema = filling.level(_OEDEMA, spots.where(scar >= scar_cut), rectum)
    share = response.inflammation / (response.inflammation + response.wall)
    return pool_cut, scar_cut, cut_at(oedema, share), cell_cut


def _draw_islands(
    rng: np.random.Generator,
    filling: Filling,
    points: Points,
    weight: NDArray[np.float64],
    share: float,
) -> NDArray[np.float64]:
    """Lumps of 2-6 mm, resized together a little so that they cover a share of the points."""
    chance = weight / weight.sum()
    nearness = np.full(len(weight), np.inf)
    islands: list[NDArray[np.float64]] = []
    while (nearness < 1).mean() < share and len(islands) < _MOST_ISLANDS:
        centres = rng.choice(len(weight), _BATCH, p=chance)
        radii = rng.uniform(*_RADIUS_MM, _BATCH)
        for island in np.column_stack([*(axis[centres] for axis in points), radii]):
            nearness = np.minimum(nearness, filling.nearness(island[None], points))
            islands.append(island)
            if (nearness < 1).mean() >= share:
                break
    drawn = np.array(islands).reshape(-1, 4)
    if islands:
        drawn[:, 3] *= max(float(np.quantile(nearness, share)), 0.5)
    return drawn


def _distance(islands: NDArray[np.float64], points: Points) -> NDArray[np.float64]:
    """Distance to the nearest island in units of its radius; infinite where none is near."""
    x, y, z = points
    nearest = np.full(len(z), np.inf)
    if not len(z):
        return nearest
    reach = islands[:, 3] / (1 - 2 * _LUMPS)
    met = (islands[:, 2] + reach > z.min()) & (islands[:, 2] - reach < z.max())
    for cx, cy, cz, radius in islands[met]:
        squared = (x - cx) ** 2 + (y - cy) ** 2 + (z - cz) ** 2
        np.minimum(nearest, np.sqrt(squared, dtype=np.float64) / radius, out=nearest)
    return nearest
