"""The band around a ROC curve: what sensitivity may be at each specificity.

Source: Efron & Tibshirani 1993, percentile bootstrap; curves are averaged vertically, as in
Fawcett, Pattern Recognit Lett 2006;27:861-874. Whole patients are drawn with replacement and each
draw's curve is read at the same false-positive rates. The band is pointwise: it holds at each rate
by itself, not for the whole curve at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from radresp.evaluate.intervals import MOST_UNDEFINED, bootstrap_values, z_value
from radresp.evaluate.pairs import Floats, check_scores

_STEPS = 51


def roc_band(
    y: ArrayLike,
    score: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    seed: int,
    repeats: int = 2000,
    level: float = 0.95,
) -> dict[str, Any]:
    """Interval of the sensitivity at 51 false-positive rates from 0 to 1.

    Parameters
    ----------
    y, score : array-like of shape (n,)
        Outcomes 0 or 1 and scores.
    groups : array-like of shape (n,), optional
        Patient of each case.
    seed : int
        Makes the band repeatable.
    repeats : int
        Number of draws.
    level : float
        Confidence level, in (0, 1).

    Returns
    -------
    dict
        ``points`` (``false_positive_rate``, ``low``, ``high``), ``level``, ``method`` and
        ``reason``; no points, and why, when a class is missing or too many draws lack one.

    Examples
    --------
    >>> band = roc_band([0, 0, 1, 1, 0, 1], [0.1, 0.4, 0.3, 0.8, 0.2, 0.7], seed=1, repeats=200)
    >>> len(band["points"]), band["points"][-1]["low"]
    (51, 1.0)
    """
    z_value(level)
    pairs = check_scores(y, score)
    found: dict[str, Any] = {"points": [], "level": level, "method": "patient bootstrap"}
    if not 0 < pairs.y.sum() < pairs.y.size:
        return found | {"reason": "only one class"}
    values = bootstrap_values(_at_rates, y, score, groups, seed=seed, repeats=repeats)
    defined = values[:, np.isfinite(values[0])]
    if defined.shape[1] < (1 - MOST_UNDEFINED) * repeats:
        return found | {"reason": "too many bootstrap draws without both classes, or one patient"}
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2], axis=1).tolist()
    names = ("false_positive_rate", "low", "high")
    rows = zip(_RATES.tolist(), low, high, strict=True)
    return found | {"points": [dict(zip(names, row, strict=True)) for row in rows], "reason": ""}


_RATES = np.linspace(0.0, 1.0, _STEPS)


def _at_rates(y: ArrayLike, score: ArrayLike, weights: ArrayLike) -> Floats:
    """Sensitivity at each rate for each row of weights, shape (rates, draws); NaN where none."""
    event, falling = np.asarray(y) == 1, np.argsort(-np.asarray(score, float), kind="stable")
    ordered = np.asarray(score, float)[falling]
    last = np.append(np.flatnonzero(np.diff(ordered)), ordered.size - 1)  # of each tie
    drawn = np.atleast_2d(weights)[:, falling]
    sides = [(drawn * side[falling]).cumsum(axis=1)[:, last] for side in (~event, event)]
    rows = [_read(false, true) for false, true in zip(*sides, strict=True)]
    return np.asarray(np.transpose(rows))


def _read(false: Floats, true: Floats) -> Floats:
    if min(false[-1], true[-1]) == 0:
        return np.full(_STEPS, np.nan)
    return np.interp(_RATES, np.r_[0.0, false / false[-1]], np.r_[0.0, true / true[-1]])
