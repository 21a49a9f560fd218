"""What acting on the probability would bring: net benefit, sensitivity, specificity.

Source: Vickers & Elkin 2006. With the event "complete response" and the action "preserve the
organ", a false positive is a cancer left behind; at threshold 0.8 one of them outweighs four true
positives. A case is called positive when its probability is at or above the threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from radresp.errors import InputError
from radresp.evaluate.intervals import wilson_interval
from radresp.evaluate.pairs import check_probabilities, check_scores, plain, ratio


class Proportion(NamedTuple):
    """Part of a whole with its Wilson interval; NaN when the whole is empty."""

    value: float
    low: float
    high: float
    part: int
    whole: int


class ThresholdResult(NamedTuple):
    """Proportions at one threshold."""

    threshold: float
    sensitivity: Proportion
    specificity: Proportion
    ppv: Proportion
    npv: Proportion


class DecisionPoint(NamedTuple):
    """Net benefit per case at one threshold: of the model and of treating everybody."""

    threshold: float
    model: float
    treat_all: float


def net_benefit(
    y: ArrayLike, p: ArrayLike, threshold: float, weights: ArrayLike | None = None
) -> float:
    """True positives per case minus false positives per case at the threshold's odds.

    Parameters
    ----------
    y : array-like of shape (n,)
        1 where the event happened, 0 where not.
    p : array-like of shape (n,)
        Probability of the event, in [0, 1].
    threshold : float
        Probability from which one acts, in [0, 1).
    weights : array-like of shape (..., n), optional
        How often each case counts; gives an array of shape (...).

    Returns
    -------
    float
        At most the prevalence; 0 is treating nobody. NaN without cases.

    Examples
    --------
    >>> net_benefit([1, 0, 1, 0], [0.9, 0.6, 0.4, 0.1], 0.5)
    0.0
    """
    _check_threshold(threshold)
    pairs = check_probabilities(y, p, weights)
    positive = pairs.p >= threshold
    odds = threshold / (1 - threshold)
    return plain(pairs.mean(positive * (pairs.y - (1 - pairs.y) * odds)))


def treat_all(y: ArrayLike, threshold: float, weights: ArrayLike | None = None) -> float:
    """Net benefit of acting in every case; parameters as :func:`net_benefit`."""
    return net_benefit(y, np.ones(np.size(y)), threshold, weights)


def decision_curve(
    y: ArrayLike, p: ArrayLike, thresholds: Sequence[float]
) -> tuple[DecisionPoint, ...]:
    """Net benefit of the model and of treating everybody at each threshold in [0, 1)."""
    return tuple(DecisionPoint(t, net_benefit(y, p, t), treat_all(y, t)) for t in thresholds)


def at_threshold(
    y: ArrayLike, p: ArrayLike, threshold: float, level: float = 0.95
) -> ThresholdResult:
    """Sensitivity, specificity and predictive values with Wilson intervals.

    Parameters
    ----------
    y, p : array-like of shape (n,)
        Outcomes 0 or 1 and probabilities in [0, 1].
    threshold : float
        Called positive at or above it, in [0, 1].
    level : float
        Confidence level, in (0, 1).
    """
    check_share("threshold", threshold)
    pairs = check_probabilities(y, p)
    positive, event = pairs.p >= threshold, pairs.y == 1

    def share(part: np.ndarray, whole: np.ndarray) -> Proportion:
        return share_of(int((part & whole).sum()), int(whole.sum()), level)

    return ThresholdResult(
        float(threshold),
        share(positive, event),
        share(~positive, ~event),
        share(event, positive),
        share(~event, ~positive),
    )


def sensitivity_at_specificity(
    y: ArrayLike, score: ArrayLike, specificity: float, level: float = 0.95
) -> Proportion:
    """Highest sensitivity among thresholds whose specificity is at least the one asked for.

    Parameters
    ----------
    y, score : array-like of shape (n,)
        Outcomes 0 or 1 and scores.
    specificity : float
        Demanded share of non-events called negative, in [0, 1].
    level : float
        Confidence level, in (0, 1); the interval ignores that the threshold was chosen.

    Returns
    -------
    Proportion
        Of the cases with the event; NaN when a class is missing.

    Raises
    ------
    InputError
        ``SCORE_INVALID`` for a share outside [0, 1] or unusable numbers.
    """
    check_share("specificity", specificity)
    pairs = check_scores(y, score)
    event = pairs.y == 1
    if event.all():
        return Proportion(np.nan, np.nan, np.nan, 0, int(event.sum()))
    negatives = np.sort(pairs.p[~event])
    needed = int(np.ceil(specificity * negatives.size - 1e-9))
    # `needed` non-events must lie strictly below the threshold: call positive above the last.
    cut = negatives[needed - 1] if needed > 0 else -np.inf
    return share_of(int((pairs.p[event] > cut).sum()), int(event.sum()), level)


def specificity_at_sensitivity(
    y: ArrayLike, score: ArrayLike, sensitivity: float, level: float = 0.95
) -> Proportion:
    """Highest specificity among thresholds whose sensitivity is at least the one asked for.

    Parameters
    ----------
    y, score : array-like of shape (n,)
        Outcomes 0 or 1 and scores.
    sensitivity : float
        Demanded share of events called positive, in [0, 1].
    level : float
        Confidence level, in (0, 1); the interval ignores that the threshold was chosen.

    Returns
    -------
    Proportion
        Of the cases without the event; NaN when a class is missing.

    Raises
    ------
    InputError
        ``SCORE_INVALID`` for a share outside [0, 1] or unusable numbers.

    Examples
    --------
    >>> specificity_at_sensitivity([1, 1, 0, 0], [0.9, 0.4, 0.6, 0.1], 1.0).value
    0.5
    """
    check_share("sensitivity", sensitivity)
    pairs = check_scores(y, score)
    event = pairs.y == 1
    others = int((~event).sum())
    if not event.any():
        return Proportion(np.nan, np.nan, np.nan, 0, others)
    positives = np.sort(pairs.p[event])[::-1]
    needed = int(np.ceil(sensitivity * positives.size - 1e-9))
    # Called positive from the score of the last event that must be found.
    cut = positives[needed - 1] if needed > 0 else np.inf
    return share_of(int((pairs.p[~event] < cut).sum()), others, level)


def share_of(part: int, whole: int, level: float) -> Proportion:
    """Part of a whole with its Wilson interval; counts with 0 <= part <= whole."""
    return Proportion(float(ratio(part, whole)), *wilson_interval(part, whole, level), part, whole)


def check_share(name: str, share: float) -> None:
    """Refuse what is no share.

    Raises
    ------
    InputError
        ``SCORE_INVALID`` outside [0, 1].
    """
    if not 0 <= share <= 1:
        raise InputError("SCORE_INVALID", f"{name} {share}", expected="in [0, 1]")


def _check_threshold(threshold: float) -> None:
    if not 0 <= threshold < 1:
        raise InputError("SCORE_INVALID", f"threshold {threshold}", expected="in [0, 1)")
