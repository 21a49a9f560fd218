"""Texture by the IBSI manual, in each of its six ways to aggregate directions and slices.

A matrix is counted a direction and slice (``3D``: the volume is one slice). ``avg`` takes features
of every matrix and averages them, ``comb`` merges the matrices first; ``2_5D`` merges slices before
either. Names are the IBSI's own tags.

Source: Zwanenburg et al., Radiology 2020; reference manual arXiv:1612.07003, sections 3.6 to 3.11.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[np.float64]
Levels = NDArray[np.int_]
"""Grey levels from 1, slice-row-column; 0 outside the region."""

CM = [
    "joint_max",
    "joint_avg",
    "joint_var",
    "joint_entr",
    "diff_avg",
    "diff_var",
    "diff_entr",
    "sum_avg",
    "sum_var",
    "sum_entr",
    "energy",
    "contrast",
    "dissimilarity",
    "inv_diff",
    "inv_diff_norm",
    "inv_diff_mom",
    "inv_diff_mom_norm",
    "inv_var",
    "corr",
    "auto_corr",
    "clust_tend",
    "clust_shade",
    "clust_prom",
    "info_corr1",
    "info_corr2",
]
RLM = [
    "sre",
    "lre",
    "lgre",
    "hgre",
    "srlge",
    "srhge",
    "lrlge",
    "lrhge",
    "glnu",
    "glnu_norm",
    "rlnu",
    "rlnu_norm",
    "r_perc",
    "gl_var",
    "rl_var",
    "rl_entr",
]
SZM = [
    "sze",
    "lze",
    "lgze",
    "hgze",
    "szlge",
    "szhge",
    "lzlge",
    "lzhge",
    "glnu",
    "glnu_norm",
    "zsnu",
    "zsnu_norm",
    "z_perc",
    "gl_var",
    "zs_var",
    "zs_entr",
]
DZM = [
    "sde",
    "lde",
    "lgze",
    "hgze",
    "sdlge",
    "sdhge",
    "ldlge",
    "ldhge",
    "glnu",
    "glnu_norm",
    "zdnu",
    "zdnu_norm",
    "z_perc",
    "gl_var",
    "zd_var",
    "zd_entr",
]
NGL = [
    "lde",
    "hde",
    "lgce",
    "hgce",
    "ldlge",
    "ldhge",
    "hdlge",
    "hdhge",
    "glnu",
    "glnu_norm",
    "dcnu",
    "dcnu_norm",
    "dc_perc",
    "gl_var",
    "dc_var",
    "dc_entr",
    "dc_energy",
]
NGT = ["coarseness", "contrast", "busyness", "complexity", "strength"]
AHEAD = np.array(list(np.ndindex(3, 3, 3)), dtype=int)[14:] - 1


@dataclass(frozen=True, slots=True)
class Counts:
    """A matrix of grey level and something else, and the number of voxels it was counted on."""

    table: Array
    voxels: float


def names(aggregations: Iterable[str]) -> tuple[str, ...]:
    """Names of the features, aggregation by aggregation."""
    found = []
    for aggregation in aggregations:
        found += [f"cm_{name}_{aggregation}" for name in CM]
        found += [f"rlm_{name}_{aggregation}" for name in RLM]
    for dimension in dict.fromkeys(one.rsplit("_", 1)[0] for one in aggregations):
        for family, features in (("szm", SZM), ("dzm", DZM), ("ngt", NGT), ("ngl", NGL)):
            found += [f"{family}_{name}_{dimension}" for name in features]
    return tuple(found)


def measure(
    levels: Levels, outline: NDArray[np.bool_], aggregations: Iterable[str]
) -> dict[str, float]:
    """All texture features of a region.

    Parameters
    ----------
    levels : numpy.ndarray of int
        Grey levels from 1, slice-row-column; 0 outside the region.
    outline : numpy.ndarray of bool
        The region before resegmentation; distances of zones are counted from its border.
    aggregations : iterable of str
        Some of ``2D_avg``, ``2D_comb``, ``2_5D_avg``, ``2_5D_comb``, ``3D_avg``, ``3D_comb``.
    """
    found: dict[str, float] = {}
    for aggregation in aggregations:
        dimension, merged = aggregation.rsplit("_", 1)
        parts = _parts(levels, dimension)
        steps = AHEAD if dimension == "3D" else AHEAD[AHEAD[:, 0] == 0]
        grey = int(levels.max())
        for family, count in (("cm", _pairs), ("rlm", _runs)):
            table = [[count(part, step, grey) for step in steps] for part in parts]
            groups = _grouped(table, across_slices=dimension != "2D", merged=merged == "comb")
            found |= _tagged(family, aggregation, _averaged(family, groups, grey))
    for dimension in dict.fromkeys(one.rsplit("_", 1)[0] for one in aggregations):
        found |= _by_dimension(levels, outline, dimension)
    return found


def _by_dimension(levels: Levels, outline: NDArray[np.bool_], dimension: str) -> dict[str, float]:
    """Zones and neighbourhoods, which have no directions."""
    grey = int(levels.max())
    pairs = list(zip(_parts(levels, dimension), _parts(outline, dimension), strict=True))
    counted: dict[str, list[list[Counts]]] = {
        "szm": [[_zones(part, grey)] for part, _ in pairs],
        "dzm": [[_distances(part, around, grey)] for part, around in pairs],
        "ngl": [[_dependences(part, grey)] for part, _ in pairs],
        "ngt": [[_tones(part, grey)] for part, _ in pairs],
    }
    found: dict[str, float] = {}
    for family, table in counted.items():
        groups = _grouped(table, across_slices=dimension != "2D", merged=True)
        found |= _tagged(family, dimension, _averaged(family, groups, grey))
    return found


def _parts(array: NDArray[np.int_] | NDArray[np.bool_], dimension: str) -> list[NDArray[np.int_]]:
    """The volume, or its slices."""
    if dimension == "3D":
        return [array.astype(int)]
    return [array[n : n + 1].astype(int) for n in range(len(array))]


def _grouped(
    table: list[list[Counts]], *, across_slices: bool, merged: bool
) -> Iterator[list[Counts]]:
    """Matrices that are merged before features are taken; the table is slice by direction."""
    rows = [list(column) for column in zip(*table, strict=True)]
    if across_slices and merged:
        yield [one for row in table for one in row]
    elif across_slices:
        yield from rows
    elif merged:
        yield from table
    else:
        yield from ([one] for row in table for one in row)


def _averaged(family: str, groups: Iterable[list[Counts]], grey: int) -> dict[str, float]:
    """Features of every merged matrix, averaged over those that counted anything."""
    rows = []
    for group in groups:
        width = max(one.table.shape[1] for one in group)
        table = sum(_wide(one.table, width) for one in group)
        if np.any(table):
            merged = Counts(np.asarray(table), sum(one.voxels for one in group))
            rows.append(FAMILIES[family](merged, grey))
    if not rows:
        return {}
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def _wide(table: Array, width: int) -> Array:
    return np.pad(table, ((0, 0), (0, width - table.shape[1])))


def _tagged(family: str, suffix: str, found: dict[str, float]) -> dict[str, float]:
    return {f"{family}_{name}_{suffix}": value for name, value in found.items()}


def _shifted(levels: Levels, step: NDArray[np.int_]) -> tuple[Levels, Levels]:
    """Every voxel and its neighbour, where both lie in the box."""
    here = tuple(slice(max(0, -s), n - max(0, s)) for s, n in zip(step, levels.shape, strict=True))
    there = tuple(slice(max(0, s), n - max(0, -s)) for s, n in zip(step, levels.shape, strict=True))
    return levels[here], levels[there]


def _table(rows: Levels, columns: Levels, shape: tuple[int, int]) -> Array:
    """Counts of (row, column), both from 1."""
    place = (rows - 1) * shape[1] + columns - 1
    return np.bincount(place, minlength=shape[0] * shape[1]).reshape(shape).astype(float)


def _pairs(levels: Levels, step: NDArray[np.int_], grey: int) -> Counts:
    here, there = _shifted(levels, step)
    both = (here > 0) & (there > 0)
    found = _table(here[both], there[both], (grey, grey))
    return Counts(found + found.T, float(np.count_nonzero(levels)))


def _runs(levels: Levels, step: NDArray[np.int_], grey: int) -> Counts:
    padded = np.pad(levels, 1)
    flat = padded.ravel()
    stride = int(step @ np.array([padded.shape[1] * padded.shape[2], padded.shape[2], 1]))
    inside = np.flatnonzero(flat)
    starts = inside[flat[inside - stride] != flat[inside]]
    lengths, going, place = np.ones(len(starts), int), np.arange(len(starts)), starts
    while len(going):
        place = place + stride
        same = flat[place] == flat[starts[going]]
        going, place = going[same], place[same]
        lengths[going] += 1
    longest = int(lengths.max(initial=1))
    return Counts(_table(flat[starts], lengths, (grey, longest)), float(len(inside)))


def _labelled(levels: Levels, grey: int) -> Iterator[tuple[int, Levels, int]]:
    for level in range(1, grey + 1):
        labels, number = ndimage.label(levels == level, np.ones((3, 3, 3)))
        if number:
            yield level, labels, number


def _zones(levels: Levels, grey: int) -> Counts:
    rows, sizes = [], []
    for level, labels, number in _labelled(levels, grey):
        rows += [level] * number
        sizes += np.bincount(labels.ravel())[1:].tolist()
    return _listed(rows, sizes, levels, grey)


def _distances(levels: Levels, outline: Levels, grey: int) -> Counts:
    """Zones by their distance to the border: 1 for a voxel with a face outside."""
    flat = len(outline) == 1
    padded = np.pad(outline, ((0, 0), (1, 1), (1, 1)) if flat else 1)
    around = padded[0] if flat else padded
    depth = ndimage.distance_transform_cdt(around, "taxicab")
    depth = depth[None, 1:-1, 1:-1] if flat else depth[1:-1, 1:-1, 1:-1]
    rows, nearest = [], []
    for level, labels, number in _labelled(levels, grey):
        rows += [level] * number
        nearest += ndimage.minimum(depth, labels, np.arange(1, number + 1)).astype(int).tolist()
    return _listed(rows, nearest, levels, grey)


def _listed(rows: list[int], columns: list[int], levels: Levels, grey: int) -> Counts:
    shape = (grey, max(columns, default=1))
    table = _table(np.array(rows, int), np.array(columns, int), shape)
    return Counts(table, float(np.count_nonzero(levels)))


def _neighbours(levels: Levels) -> Iterator[tuple[Levels, Levels, tuple[slice, ...]]]:
    """Every voxel beside each of its 26 (in a slice 8) neighbours, and where the voxels are."""
    for step in np.concatenate([AHEAD, -AHEAD]):
        if len(levels) > 1 or step[0] == 0:
            here = tuple(
                slice(max(0, -s), n - max(0, s)) for s, n in zip(step, levels.shape, strict=True)
            )
            yield *_shifted(levels, step), here


def _dependences(levels: Levels, grey: int) -> Counts:
    alike = np.ones(levels.shape, int)
    for here, there, where in _neighbours(levels):
        alike[where] += here == there
    inside = levels > 0
    table = _table(levels[inside], alike[inside], (grey, 27))
    return Counts(table, float(inside.sum()))


def _tones(levels: Levels, grey: int) -> Counts:
    total, number = np.zeros(levels.shape), np.zeros(levels.shape)
    for _, there, where in _neighbours(levels):
        total[where] += there
        number[where] += there > 0
    inside = (levels > 0) & (number > 0)
    off = np.abs(levels[inside] - total[inside] / number[inside])
    index = levels[inside] - 1
    table = [np.bincount(index, weights, grey) for weights in (np.ones(len(off)), off)]
    return Counts(np.stack(table, axis=1), float(inside.sum()))


def _entropy(p: Array) -> float:
    p = p[p > 0]
    return float(-np.sum(p * np.log2(p)))


def _cm(counts: Counts, grey: int) -> dict[str, float]:
    p = counts.table / counts.table.sum()
    level = np.arange(1, grey + 1)
    i, j = level[:, None], level[None, :]
    gap = np.abs(i - j)
    differ = np.bincount(gap.ravel(), p.ravel()).astype(float)
    add = np.bincount((i + j).ravel(), p.ravel()).astype(float)
    k, total = np.arange(len(differ)), np.arange(len(add))
    margin = p.sum(axis=1)
    mean = float(margin @ level)
    spread = float(margin @ (level - mean) ** 2)
    centred = i + j - 2 * mean
    apart = np.outer(margin, margin)
    some = apart > 0
    joint, single = _entropy(p), _entropy(margin)
    mixed = float(-np.sum(p[some] * np.log2(apart[some])))
    independent = float(-np.sum(apart[some] * np.log2(apart[some])))
    off = gap > 0
    diff_avg, sum_avg = float(k @ differ), float(total @ add)
    return {
        "joint_max": p.max(),
        "joint_avg": mean,
        "joint_var": spread,
        "joint_entr": joint,
        "diff_avg": diff_avg,
        "diff_var": float((k - diff_avg) ** 2 @ differ),
        "diff_entr": _entropy(differ),
        "sum_avg": sum_avg,
        "sum_var": float((total - sum_avg) ** 2 @ add),
        "sum_entr": _entropy(add),
        "energy": np.sum(p**2),
        "contrast": np.sum(gap**2 * p),
        "dissimilarity": np.sum(gap * p),
        "inv_diff": np.sum(p / (1 + gap)),
        "inv_diff_norm": np.sum(p / (1 + gap / grey)),
        "inv_diff_mom": np.sum(p / (1 + gap**2)),
        "inv_diff_mom_norm": np.sum(p / (1 + gap**2 / grey**2)),
        "inv_var": np.sum(p[off] / gap[off] ** 2),
        "corr": (np.sum(i * j * p) - mean**2) / spread if spread > 0 else 1.0,
        "auto_corr": np.sum(i * j * p),
        "clust_tend": np.sum(centred**2 * p),
        "clust_shade": np.sum(centred**3 * p),
        "clust_prom": np.sum(centred**4 * p),
        "info_corr1": (joint - mixed) / single if single > 0 else 0.0,
        "info_corr2": np.sqrt(max(0.0, 1 - np.exp(-2 * (independent - joint)))),
    }


def _emphases(counts: Counts, names: list[str]) -> dict[str, float]:
    """The features that runs, zones and dependences share, in the order of the manual."""
    table = counts.table
    number = table.sum()
    i = np.arange(1.0, len(table) + 1)[:, None]
    j = np.arange(1.0, table.shape[1] + 1)[None, :]
    p = table / number
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    values = [
        np.sum(p / j**2),
        np.sum(p * j**2),
        np.sum(p / i**2),
        np.sum(p * i**2),
        np.sum(p / i**2 / j**2),
        np.sum(p * i**2 / j**2),
        np.sum(p * j**2 / i**2),
        np.sum(p * i**2 * j**2),
        np.sum(rows**2) / number,
        np.sum(rows**2) / number**2,
        np.sum(columns**2) / number,
        np.sum(columns**2) / number**2,
        number / counts.voxels,
        np.sum(p * (i - np.sum(p * i)) ** 2),
        np.sum(p * (j - np.sum(p * j)) ** 2),
        _entropy(p),
        np.sum(p**2),
    ]
    return dict(zip(names, values, strict=False))


def _ngt(counts: Counts, _: int) -> dict[str, float]:
    number, off = counts.table[:, 0], counts.table[:, 1]
    some = number > 0
    level = (np.flatnonzero(some) + 1).astype(float)
    p, s = number[some] / counts.voxels, off[some]
    i, j = level[:, None], level[None, :]
    pi, pj = p[:, None], p[None, :]
    weighted, grey = float(p @ s), len(level)
    pairs = grey * (grey - 1)
    contrast = np.sum(pi * pj * (i - j) ** 2) / pairs * s.sum() / counts.voxels if pairs else 0.0
    spread = np.abs(i * pi - j * pj).sum()
    return {
        "coarseness": 1 / weighted if weighted > 0 else 1e6,
        "contrast": contrast,
        "busyness": weighted / spread if spread > 0 else 0.0,
        "complexity": np.sum(np.abs(i - j) * (pi * s[:, None] + pj * s[None, :]) / (pi + pj))
        / counts.voxels,
        "strength": np.sum((pi + pj) * (i - j) ** 2) / s.sum() if s.sum() > 0 else 0.0,
    }


FAMILIES = {
    "cm": _cm,
    "rlm": lambda counts, _: _emphases(counts, RLM),
    "szm": lambda counts, _: _emphases(counts, SZM),
    "dzm": lambda counts, _: _emphases(counts, DZM),
    "ngl": lambda counts, _: _emphases(counts, NGL),
    "ngt": _ngt,
}
