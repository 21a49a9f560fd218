"""Texture by the IBSI manual, in each of its six ways to aggregate directions and slices.

A matrix is counted a direction and slice (``3D``: the volume is one slice). ``avg`` takes features
of every matrix and averages them, ``comb`` merges the matrices first; ``2_5D`` merges slices before
either. Names are the IBSI's own tags.

Source: Zwanenburg et al., Radiology 2020; reference manual arXiv:1612.07003, sections 3.6 to 3.11.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from radresp.features import ibsi_matrices
from radresp.features.ibsi_matrices import AHEAD, Array, Counts, Levels

TAGS = {
    "cm": """joint_max joint_avg joint_var joint_entr diff_avg diff_var diff_entr sum_avg sum_var
        sum_entr energy contrast dissimilarity inv_diff inv_diff_norm inv_diff_mom
        inv_diff_mom_norm inv_var corr auto_corr clust_tend clust_shade clust_prom info_corr1
        info_corr2""",
    "rlm": """sre lre lgre hgre srlge srhge lrlge lrhge glnu glnu_norm rlnu rlnu_norm r_perc gl_var
        rl_var rl_entr""",
    "szm": """sze lze lgze hgze szlge szhge lzlge lzhge glnu glnu_norm zsnu zsnu_norm z_perc gl_var
        zs_var zs_entr""",
    "dzm": """sde lde lgze hgze sdlge sdhge ldlge ldhge glnu glnu_norm zdnu zdnu_norm z_perc gl_var
        zd_var zd_entr""",
    "ngt": "coarseness contrast busyness complexity strength",
    "ngl": """lde hde lgce hgce ldlge ldhge hdlge hdhge glnu glnu_norm dcnu dcnu_norm dc_perc gl_var
        dc_var dc_entr dc_energy""",
}


def names(aggregations: Sequence[str]) -> tuple[str, ...]:
    """Names of the features, aggregation by aggregation."""
    dimensions = _dimensions(aggregations)
    return tuple(
        f"{family}_{name}_{suffix}"
        for families, suffixes in (
            (("cm", "rlm"), aggregations),
            (("szm", "dzm", "ngt", "ngl"), dimensions),
        )
        for suffix in suffixes
        for family in families
        for name in TAGS[family].split()
    )


def _dimensions(aggregations: Sequence[str]) -> list[str]:
    """2D, 2_5D and 3D, as far as aggregations name them."""
    return list(dict.fromkeys(one.rsplit("_", 1)[0] for one in aggregations))


def measure(
    levels: Levels, outline: NDArray[np.bool_], aggregations: Sequence[str]
) -> dict[str, float]:
    """All texture features of a region.

    Parameters
    ----------
    levels : numpy.ndarray of int
        Grey levels from 1, slice-row-column; 0 outside the region.
    outline : numpy.ndarray of bool
        The region before resegmentation; distances of zones are counted from its border.
    aggregations : sequence of str
        Some of ``2D_avg``, ``2D_comb``, ``2_5D_avg``, ``2_5D_comb``, ``3D_avg``, ``3D_comb``.
    """
    found: dict[str, float] = {}
    for aggregation in aggregations:
        dimension, merged = aggregation.rsplit("_", 1)
        parts = _parts(levels, dimension)
        steps = AHEAD if dimension == "3D" else AHEAD[AHEAD[:, 0] == 0]
        grey = int(levels.max())
        for family, count in (("cm", ibsi_matrices.pairs), ("rlm", ibsi_matrices.runs)):
            table = [[count(part, step, grey) for step in steps] for part in parts]
            groups = _grouped(table, across_slices=dimension != "2D", merged=merged == "comb")
            found |= _tagged(family, aggregation, _averaged(family, groups, grey))
    for dimension in _dimensions(aggregations):
        found |= _by_dimension(levels, outline, dimension)
    return found


def _by_dimension(levels: Levels, outline: NDArray[np.bool_], dimension: str) -> dict[str, float]:
    """Zones and neighbourhoods, which have no directions."""
    grey = int(levels.max())
    pairs = list(zip(_parts(levels, dimension), _parts(outline, dimension), strict=True))
    counted: dict[str, list[list[Counts]]] = {
        "szm": [[ibsi_matrices.zones(part, grey)] for part, _ in pairs],
        "dzm": [[ibsi_matrices.distances(part, around, grey)] for part, around in pairs],
        "ngl": [[ibsi_matrices.dependences(part, grey)] for part, _ in pairs],
        "ngt": [[ibsi_matrices.tones(part, grey)] for part, _ in pairs],
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
            rows.append(_features(family, merged, grey))
    if not rows:
        return {}
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def _wide(table: Array, width: int) -> Array:
    return np.pad(table, ((0, 0), (0, width - table.shape[1])))


def _tagged(family: str, suffix: str, found: dict[str, float]) -> dict[str, float]:
    return {f"{family}_{name}_{suffix}": value for name, value in found.items()}


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


def _ngt(counts: Counts) -> dict[str, float]:
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


def _features(family: str, counts: Counts, grey: int) -> dict[str, float]:
    if family == "cm":
        return _cm(counts, grey)
    return _ngt(counts) if family == "ngt" else _emphases(counts, TAGS[family].split())
