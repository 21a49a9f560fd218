"""How well probabilities mean what they say: Brier, log-loss, calibration line, O/E, ECE.

Source: Brier 1950; Cox 1958 and Van Calster 2019 for the calibration line
``logit P(y) = a + b logit p`` (ideal a = 0, b = 1; b < 1 means predictions too extreme) and
calibration in the large (a with b held at 1). The expected calibration error uses quantile bins
and is biased upwards below about 200 cases: report it with its bins and interval, never alone.
Probabilities are kept 1e-6 away from 0 and 1 before a logarithm is taken.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit, xlogy

from radresp.errors import InputError
from radresp.evaluate.intervals import wilson_interval
from radresp.evaluate.pairs import Floats, Pairs, check_probabilities, plain, ratio

NEAREST = 1e-6
_MOST_STEPS = 60


class CalibrationBin(NamedTuple):
    """One bin: its borders, cases, mean prediction, observed rate and Wilson interval."""

    low: float
    high: float
    n: int
    predicted: float
    observed: float
    observed_low: float
    observed_high: float


def brier(y: ArrayLike, p: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Mean squared difference of probability and outcome; 0 is perfect.

    Parameters
    ----------
    y : array-like of shape (n,)
        1 where the event happened, 0 where not.
    p : array-like of shape (n,)
        Probability of the event, in [0, 1].
    weights : array-like of shape (..., n), optional
        How often each case counts; gives an array of shape (...).

    Examples
    --------
    >>> brier([1, 0], [0.5, 0.5])
    0.25
    """
    pairs = check_probabilities(y, p, weights)
    return plain(pairs.mean((pairs.p - pairs.y) ** 2))


def scaled_brier(y: ArrayLike, p: ArrayLike, weights: ArrayLike | None = None) -> float:
    """One minus Brier over the Brier of always saying the prevalence; 1 perfect, 0 useless.

    Parameters are those of :func:`brier`. NaN when only one class is present.
    """
    pairs = check_probabilities(y, p, weights)
    prevalence = pairs.mean(pairs.y)
    return plain(1 - ratio(pairs.mean((pairs.p - pairs.y) ** 2), prevalence * (1 - prevalence)))


def log_loss(y: ArrayLike, p: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Mean negative log-likelihood of the outcomes, in nats. Parameters as :func:`brier`."""
    pairs = check_probabilities(y, p, weights)
    safe = np.clip(pairs.p, NEAREST, 1 - NEAREST)
    return plain(-pairs.mean(xlogy(pairs.y, safe) + xlogy(1 - pairs.y, 1 - safe)))


def calibration_line(
    y: ArrayLike, p: ArrayLike, weights: ArrayLike | None = None
) -> tuple[float, float]:
    """Slope and intercept of the logistic regression of the outcome on logit p.

    Parameters
    ----------
    y, p, weights
        As in :func:`brier`.

    Returns
    -------
    slope, intercept : float
        NaN twice when they do not exist: one class, one distinct probability, or classes that
        the probability separates perfectly.
    """
    pairs = check_probabilities(y, p, weights)
    x = logit(np.clip(pairs.p, NEAREST, 1 - NEAREST))
    spread = x.std() if x.size else 0.0
    if spread < 1e-12:
        missing = np.full(pairs.w.shape[:-1], np.nan)
        return plain(missing), plain(missing)
    centre = x.mean()
    a, b = _two_parameters(pairs, (x - centre) / spread)
    slope = b / spread
    return plain(slope), plain(a - slope * centre)


def calibration_in_the_large(y: ArrayLike, p: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Intercept on the logit scale with the slope held at 1; 0 is ideal.

    Positive when the event is more frequent than predicted. NaN when only one class is present.
    Parameters are those of :func:`brier`.
    """
    pairs = check_probabilities(y, p, weights)
    offset = logit(np.clip(pairs.p, NEAREST, 1 - NEAREST))
    a = np.zeros(pairs.w.shape[:-1])
    step = np.full_like(a, np.inf)
    for _ in range(_MOST_STEPS):
        mu = expit(a[..., None] + offset)
        gradient = (pairs.w * (pairs.y - mu)).sum(axis=-1)
        step = np.clip(ratio(gradient, (pairs.w * mu * (1 - mu)).sum(axis=-1)), -2, 2)
        a = a + step
        if not (np.abs(step) > 1e-10).any():
            break
    defined = _both_classes(pairs) & (np.abs(step) < 1e-6)
    return plain(np.where(defined, a, np.nan))


def observed_expected(y: ArrayLike, p: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Observed events over predicted events; 1 is ideal. Parameters as :func:`brier`."""
    pairs = check_probabilities(y, p, weights)
    return plain(ratio(pairs.weighted_events, pairs.w @ pairs.p))


def calibration_bins(
    y: ArrayLike, p: ArrayLike, bins: int = 10, level: float = 0.95
) -> tuple[CalibrationBin, ...]:
    """Cases in quantile bins of the prediction; equal predictions stay in one bin.

    Parameters
    ----------
    y, p : array-like of shape (n,)
        Outcomes 0 or 1 and probabilities in [0, 1].
    bins : int
        Number of bins asked for; fewer when predictions repeat.
    level : float
        Confidence level of the observed rates, in (0, 1).
    """
    pairs = check_probabilities(y, p)
    table = []
    for members in _members(pairs.p, bins):
        events, n = int(pairs.y[members].sum()), int(members.size)
        inside = pairs.p[members]
        ends = wilson_interval(events, n, level)
        table.append(
            CalibrationBin(
                float(inside.min()), float(inside.max()), n, float(inside.mean()), events / n, *ends
            )
        )
    return tuple(table)


def ece(y: ArrayLike, p: ArrayLike, weights: ArrayLike | None = None, *, bins: int = 10) -> float:
    """Expected calibration error: mean distance of observed and predicted over quantile bins.

    Parameters
    ----------
    y, p, weights
        As in :func:`brier`. The bins are those of the unweighted predictions.
    bins : int
        Number of quantile bins, at least 1.
    """
    pairs = check_probabilities(y, p, weights)
    gap = pairs.y - pairs.p
    parts = [np.abs(pairs.w[..., m] @ gap[m]) for m in _members(pairs.p, bins)]
    return plain(ratio(np.sum(parts, axis=0) if parts else 0.0, pairs.weighted_total))


def _members(p: Floats, bins: int) -> list[np.ndarray]:
    if bins < 1:
        raise InputError("SCORE_INVALID", f"{bins} bins", expected="at least 1")
    if p.size == 0:
        return []
    inner = np.unique(np.quantile(p, np.linspace(0, 1, bins + 1)[1:-1]))
    place = np.searchsorted(inner, p, side="left")
    return [np.flatnonzero(place == k) for k in np.unique(place)]


def _both_classes(pairs: Pairs) -> np.ndarray:
    events = pairs.weighted_events
    return (events > 0) & (events < pairs.weighted_total)


def _two_parameters(pairs: Pairs, x: Floats) -> tuple[Floats, Floats]:
    """Newton's method for a + b x, all rows of weights at once; NaN where it does not settle."""
    prevalence = np.clip(pairs.mean(pairs.y), NEAREST, 1 - NEAREST)
    a, b = np.asarray(logit(prevalence)), np.zeros(pairs.w.shape[:-1])
    step_a = step_b = np.full_like(b, np.inf)
    for _ in range(_MOST_STEPS):
        mu = expit(a[..., None] + b[..., None] * x)
        residual, v = pairs.w * (pairs.y - mu), pairs.w * mu * (1 - mu)
        g0, g1 = residual.sum(axis=-1), residual @ x
        h00, h01, h11 = v.sum(axis=-1), v @ x, v @ (x * x)
        determinant = h00 * h11 - h01 * h01
        step_a = np.clip(ratio(h11 * g0 - h01 * g1, determinant), -2, 2)
        step_b = np.clip(ratio(h00 * g1 - h01 * g0, determinant), -2, 2)
        a, b = a + step_a, b + step_b
        if not (np.maximum(np.abs(step_a), np.abs(step_b)) > 1e-10).any():
            break
    settled = (np.abs(step_a) < 1e-6) & (np.abs(step_b) < 1e-6) & _both_classes(pairs)
    return np.where(settled, a, np.nan), np.where(settled, b, np.nan)
