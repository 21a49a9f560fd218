"""Platt scaling: turn a classifier's score into a probability.

Source: Platt 1999, with his smoothed targets (N+ + 1)/(N+ + 2) and 1/(N- + 2), which keep the line
finite when the classes separate. The scores must be out-of-fold: a score learned on a case says
nothing about how that score behaves on a new one. A probability is never more certain than that of
the most extreme out-of-fold score.

The slope is the mean of its posterior. Its prior, per standard deviation of the score: positive,
and Cauchy around 0.5 with scale 0.25 (Gelman et al., Ann Appl Stat 2008;2:1360, for Cauchy priors
on such slopes). A half is worth an AUC of 0.64, what a table of image features is usually worth.
From a hundred cases the slope alone would be off by a quarter, and below nothing for a score that
is worth little; drawn to what is usual it says less about chance, and the heavy tail lets a strong
score be strong. The caller is told where the scores do not rank at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from radresp.classify.table import Floats

USUAL, SCALE, STEEPEST = 0.5, 0.25, 8.0
"""Prior of the slope per standard deviation of the score: middle, scale, and most."""
_NO_SPREAD = 1e-9
_ROUNDS, _SETTLED = 100, 1e-9
_STEPS, _UNLIKELY = 61, 1e-6


@dataclass(frozen=True, slots=True)
class Platt:
    """Calibrated log-odds = ``slope`` x score + ``intercept``, kept within ``low`` and ``high``.

    ``flat`` says that the scores did not rank events above others at all.

    Examples
    --------
    >>> line = Platt(slope=2.0, intercept=0.0, low=-3.0, high=3.0)
    >>> [round(float(p), 3) for p in line.probability(np.array([0.0, 1.0, 99.0]))]
    [0.5, 0.881, 0.953]
    """

    slope: float
    intercept: float
    low: float
    high: float
    flat: bool = False

    def log_odds(self, score: Floats) -> Floats:
        """Calibrated log-odds of a score, any shape."""
        return np.asarray(np.clip(self.slope * score + self.intercept, self.low, self.high))

    def probability(self, score: Floats) -> Floats:
        """Calibrated probability of a score, any shape."""
        return np.asarray(expit(self.log_odds(score)))


def fit_platt(score: Floats, event: NDArray[Any], weights: Floats | None = None) -> Platt:
    """Fit slope and intercept on out-of-fold scores.

    Parameters
    ----------
    score : ndarray of shape (repeats, cases)
        Out-of-fold scores; several repeats count as one set of cases.
    event : ndarray of shape (cases,)
        1 where the event happened, 0 where not.
    weights : ndarray of shape (cases,), optional
        How often each case counts; once by default.
    """
    count = np.ones(event.size) if weights is None else np.asarray(weights, dtype=float)
    events, others = float(count @ event), float(count @ (1 - event))
    target = np.where(event == 1, (events + 1) / (events + 2), 1 / (others + 2))
    spread, centre = float(score.std()), float(score.mean())
    if spread < _NO_SPREAD:
        base = float(logit(count @ target / count.sum()))
        return Platt(1.0, base - centre, base, base, flat=True)
    x = (score - centre) / spread
    a, b = _expected(x, target, count / len(score))
    slope, intercept = b / spread, a - b * centre / spread
    ends = slope * score.min() + intercept, slope * score.max() + intercept
    rises = (
        float((x * count * event).sum()) / events > float((x * count * (1 - event)).sum()) / others
    )
    return Platt(slope, intercept, float(ends[0]), float(ends[1]), flat=not rises)


def _expected(x: Floats, target: Floats, count: Floats) -> tuple[float, float]:
    """Intercept, and slope at the mean of its posterior."""
    slopes = np.linspace(0, STEEPEST, _STEPS)
    for _ in range(2):  # once over all slopes, once over those that may be
        _, fit = _profiled(slopes, x, target, count)
        fit = fit - np.log1p(((slopes - USUAL) / SCALE) ** 2)
        weight = np.exp(fit - fit.max())
        near = slopes[weight > _UNLIKELY]
        slopes, before = np.linspace(near[0], near[-1], _STEPS), slopes
    slope = float(weight @ before / weight.sum())
    intercepts, _ = _profiled(np.array([slope]), x, target, count)
    return float(intercepts[0]), slope


def _profiled(slopes: Floats, x: Floats, target: Floats, count: Floats) -> tuple[Floats, Floats]:
    """The best intercept for each slope, and the log-likelihood there."""
    a = np.full(slopes.size, float(logit(count @ target / count.sum())))
    n = np.tile(count, (len(x), 1)).ravel()
    t, z = np.tile(target, (len(x), 1)).ravel(), x.ravel()
    for _ in range(_ROUNDS):
        p = expit(a[:, None] + slopes[:, None] * z)
        step = ((t - p) @ n) / np.maximum((p * (1 - p)) @ n, 1e-12)
        a = a + np.clip(step, -2, 2)
        if np.abs(step).max() < _SETTLED:
            break
    raised = a[:, None] + slopes[:, None] * z
    return a, (t * raised - np.logaddexp(0, raised)) @ n
