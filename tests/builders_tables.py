"""Feature tables with a known amount of truth in them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit

from radresp.classify import ElasticNet

QUICK = ElasticNet(
    outer_folds=3,
    inner_folds=3,
    repeats=1,
    features=(6,),
    strengths=(0.1, 0.3),
    l1_ratios=(0.1,),
    ensemble=10,
)


class Table(NamedTuple):
    x: pd.DataFrame
    y: pd.Series
    groups: pd.Series


def make_table(
    n: int = 60,
    p: int = 30,
    seed: int = 0,
    *,
    effect: float = 1.5,
    three: bool = False,
    residual: float = 0.4,
    visits: int = 1,
) -> Table:
    """A table of ``n`` patients with ``visits`` cases each.

    Three columns (the first, and those at one and two thirds) carry the outcome with the given
    effect, the fourth the kind of complete response. All columns are correlated in blocks of ten
    and lie on scales from 0.01 to 1000, as those of feature tables do.
    """
    rng = np.random.default_rng(seed)
    z = 0.6 * rng.normal(size=(n, p // 10 + 1))[:, np.arange(p) // 10]
    z = z + 0.8 * rng.normal(size=(n, p))
    push = effect * (z[:, 0] - z[:, p // 3] + z[:, 2 * p // 3]) + rng.logistic(size=n)
    # A fixed number of residual cases keeps small tables above the demanded minimum.
    order = np.argsort(-push)
    label = np.full(n, "complete", dtype=object)
    label[order[: round(residual * n)]] = "residual"
    if three:
        rest = label == "complete"
        scar = rng.uniform(size=n) < expit(2 * z[:, 3])
        label[rest & scar] = "fibrosis"
        label[rest & ~scar] = "inflammation"
    return _frames(z, label, visits, rng)


def _frames(z: np.ndarray, label: np.ndarray, visits: int, rng: np.random.Generator) -> Table:
    n, p = z.shape
    patient = np.repeat([f"p{i:03d}" for i in range(n)], visits)
    ids = [f"c{i:04d}" for i in range(n * visits)]
    scale = 10.0 ** (np.arange(p) % 6 - 2)
    values = (5 + np.repeat(z, visits, axis=0) + 0.1 * rng.normal(size=(n * visits, p))) * scale
    columns = [f"post.t2.bed.original.f{j:04d}" for j in range(p)]
    return Table(
        pd.DataFrame(values, index=ids, columns=columns),
        pd.Series(np.repeat(label, visits), index=ids),
        pd.Series(patient, index=ids),
    )
