"""Area under the ROC curve: value, DeLong and bootstrap intervals, paired comparison.

Source: Hanley & McNeil 1982 (a tie counts one half); DeLong, DeLong & Clarke-Pearson 1988
(variance and covariance from placement values), computed by midranks as in Sun & Xu 2014.
The DeLong interval is built on the logit scale, so it never leaves [0, 1]. Where the AUC is exactly
0 or 1 the variance is 0 and says nothing; there the interval is Wilson's for all of min(events,
non-events) right, which is wider. Use DeLong for one fixed score on unrelated patients and
:func:`auc_bootstrap` for pooled cross-validated predictions or several cases a patient.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit, ndtr
from scipy.stats import rankdata

from radresp.evaluate.intervals import bootstrap_interval, wilson_interval, z_value
from radresp.evaluate.pairs import Floats, Pairs, check_scores, plain, ratio


class AucComparison(NamedTuple):
    """Two AUCs on the same cases and their paired difference ``a - b``."""

    auc_a: float
    auc_b: float
    difference: float
    low: float
    high: float
    z: float
    p_value: float


def auc(y: ArrayLike, score: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Probability that a case with the event scores higher than one without; ties count half.

    Parameters
    ----------
    y : array-like of shape (n,)
        1 where the event happened, 0 where not.
    score : array-like of shape (n,)
        Any finite number.
    weights : array-like of shape (..., n), optional
        How often each case counts; gives an array of AUCs of shape (...).

    Returns
    -------
    float
        In [0, 1]; NaN when only one class is present.

    Raises
    ------
    InputError
        ``SCORE_INVALID`` or ``LABEL_UNKNOWN`` for unusable numbers.

    Examples
    --------
    >>> auc([0, 0, 1, 1], [0.1, 0.4, 0.4, 0.8])
    0.875
    """
    pairs = check_scores(y, score, weights)
    if pairs.y.size == 0:
        return float("nan")
    with_event, without = _by_score(pairs)
    below = without.cumsum(axis=-1) - 0.5 * without
    total = with_event.sum(axis=-1) * without.sum(axis=-1)
    return plain(ratio((with_event * below).sum(axis=-1), total))


def average_precision(y: ArrayLike, score: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Area under the precision-recall curve as a sum of steps; its chance level is the prevalence.

    Parameters are those of :func:`auc`. NaN when no case has the event.
    """
    pairs = check_scores(y, score, weights)
    if pairs.y.size == 0:
        return float("nan")
    with_event, without = (side[..., ::-1] for side in _by_score(pairs))
    found = with_event.cumsum(axis=-1)
    precision = np.nan_to_num(ratio(found, found + without.cumsum(axis=-1)))
    return plain(ratio((with_event * precision).sum(axis=-1), with_event.sum(axis=-1)))


def delong(y: ArrayLike, scores: ArrayLike) -> tuple[Floats, Floats]:
    """AUCs of several scores on the same cases and their covariance.

    Parameters
    ----------
    y : array-like of shape (n,)
        Outcomes, 0 or 1.
    scores : array-like of shape (k, n)
        One row a score.

    Returns
    -------
    aucs : ndarray of shape (k,)
        The areas.
    covariance : ndarray of shape (k, k)
        NaN when a class has fewer than two cases.
    """
    checked = [check_scores(y, score) for score in np.atleast_2d(np.asarray(scores, float))]
    event = checked[0].y == 1
    m, n = int(event.sum()), int((~event).sum())
    k = len(checked)
    if min(m, n) == 0:
        return np.full(k, np.nan), np.full((k, k), np.nan)
    above, below = [], []
    for pairs in checked:
        rank = rankdata(pairs.p)
        above.append((rank[event] - rankdata(pairs.p[event])) / n)
        below.append(1 - (rank[~event] - rankdata(pairs.p[~event])) / m)
    aucs = np.array([values.mean() for values in above])
    if min(m, n) < 2:
        return aucs, np.full((k, k), np.nan)
    covariance = np.atleast_2d(np.cov(above)) / m + np.atleast_2d(np.cov(below)) / n
    return aucs, covariance


def auc_interval(y: ArrayLike, score: ArrayLike, level: float = 0.95) -> tuple[float, float]:
    """DeLong interval of the AUC on the logit scale.

    Parameters
    ----------
    y, score : array-like of shape (n,)
        Outcomes 0 or 1 and scores.
    level : float
        Confidence level, in (0, 1).

    Returns
    -------
    tuple of float
        Low and high end, in [0, 1]; NaN twice when a class has fewer than two cases.
    """
    z = z_value(level)
    areas, covariance = delong(y, score)
    area, variance = float(areas[0]), float(covariance[0, 0])
    if not np.isfinite(variance):
        return (np.nan, np.nan)
    if area in (0.0, 1.0):
        events = int(np.sum(y))
        fewer = min(events, np.size(y) - events)
        return wilson_interval(round(area * fewer), fewer, level)
    half = z * np.sqrt(variance) / (area * (1 - area))
    return (float(expit(logit(area) - half)), float(expit(logit(area) + half)))


def auc_bootstrap(
    y: ArrayLike,
    score: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    seed: int,
    repeats: int = 2000,
    level: float = 0.95,
) -> tuple[float, float]:
    """Percentile interval of the AUC over patients drawn with replacement.

    Parameters
    ----------
    y, score : array-like of shape (n,)
        Outcomes 0 or 1 and scores.
    groups : array-like of shape (n,), optional
        Patient of each case.
    seed : int
        Makes the interval repeatable.
    repeats : int
        Number of draws.
    level : float
        Confidence level, in (0, 1).
    """
    return bootstrap_interval(auc, y, score, groups, seed=seed, repeats=repeats, level=level)


def compare_auc(
    y: ArrayLike, score_a: ArrayLike, score_b: ArrayLike, level: float = 0.95
) -> AucComparison:
    """Compare two scores on the same cases by DeLong's paired test.

    Parameters
    ----------
    y : array-like of shape (n,)
        Outcomes, 0 or 1.
    score_a, score_b : array-like of shape (n,)
        The two scores.
    level : float
        Confidence level of the interval of the difference, in (0, 1).

    Returns
    -------
    AucComparison
        Areas, difference with interval, z and two-sided p. Two scores that order the cases alike
        have difference 0, z 0 and p 1; NaN throughout when a class has fewer than two cases.
    """
    z_level = z_value(level)
    (area_a, area_b), covariance = delong(y, [np.asarray(score_a), np.asarray(score_b)])
    difference = float(area_a - area_b)
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    error = float(np.sqrt(max(variance, 0.0))) if np.isfinite(variance) else np.nan
    if error == 0.0:
        z = 0.0 if difference == 0.0 else float(np.copysign(np.inf, difference))
    else:
        z = difference / error
    return AucComparison(
        float(area_a),
        float(area_b),
        difference,
        difference - z_level * error,
        difference + z_level * error,
        z,
        float(2 * ndtr(-abs(z))),
    )


def roc_points(y: ArrayLike, score: ArrayLike) -> list[dict[str, float]]:
    """The ROC curve as points, one for every distinct score, from the strictest on.

    Parameters
    ----------
    y, score : array-like of shape (n,)
        Outcomes 0 or 1 and scores.

    Returns
    -------
    list of dict
        ``false_positive_rate`` and ``true_positive_rate``, both from 0 to 1; empty when only one
        class is present.

    Examples
    --------
    >>> [tuple(point.values()) for point in roc_points([0, 1, 1], [0.2, 0.1, 0.9])]
    [(0.0, 0.0), (0.0, 0.5), (1.0, 0.5), (1.0, 1.0)]
    """
    pairs = check_scores(y, score)
    if not 0 < pairs.y.sum() < pairs.y.size:
        return []
    sides = [side[::-1].cumsum() / side.sum() for side in _by_score(pairs)[::-1]]
    rows = zip(*(np.r_[0.0, side].tolist() for side in sides), strict=True)
    return [{"false_positive_rate": x, "true_positive_rate": y} for x, y in rows]


def _by_score(pairs: Pairs) -> tuple[Floats, Floats]:
    """Weights with and without the event at each distinct score, rising, shape (..., distinct)."""
    order = np.argsort(pairs.p, kind="stable")
    sorted_p, w = pairs.p[order], pairs.w[..., order]
    starts = np.flatnonzero(np.r_[True, np.diff(sorted_p) > 0])
    event = w * pairs.y[order]
    return (
        np.add.reduceat(event, starts, axis=-1),
        np.add.reduceat(w - event, starts, axis=-1),
    )
