"""Platt scaling: turn a classifier's score into a probability.

Source: Platt 1999, with his smoothed targets (N+ + 1)/(N+ + 2) and 1/(N- + 2), which keep the line
finite when the classes separate. The scores must be out-of-fold: a score learned on a case says
nothing about how that score behaves on a new one. A probability is never more certain than that of
the most extreme out-of-fold score.

The slope has a prior: per standard deviation of the score, a Cauchy distribution around 0.5, scale
0.25 (Gelman et al., Ann Appl Stat 2008;2:1360, for Cauchy priors on such slopes). A half is worth
an AUC of 0.64, what a table of image features is usually worth. From a hundred cases the slope
alone would be off by a quarter; drawn to what is usual it says less about chance, and its heavy
tail lets a strong score be strong. A negative slope would turn the ranking round on the evidence of
noise; it is held at a small positive value, and the caller is told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from radresp.classify.table import Floats

USUAL, SCALE, FREEDOM = 0.5, 0.25, 1.0
"""Prior of the slope per standard deviation of the score."""
FLATTEST = 0.02
"""Smallest slope per standard deviation of the score."""
_NO_SPREAD = 1e-9
_ROUNDS, _SETTLED = 200, 1e-10


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
    a, b = _most_likely(x, target, count / len(score))
    slope, intercept = b / spread, a - b * centre / spread
    ends = slope * score.min() + intercept, slope * score.max() + intercept
    rises = (
        float((x * count * event).sum()) / events > float((x * count * (1 - event)).sum()) / others
    )
    return Platt(slope, intercept, float(ends[0]), float(ends[1]), flat=not rises)


def _most_likely(x: Floats, target: Floats, count: Floats) -> tuple[float, float]:
    """Intercept and slope at the peak of the posterior, by Newton's method.

    Student's t is a mixture of normal distributions: in every round the slope has the normal prior
    that fits where it stands.
    """
    a, b = float(logit(count @ target / count.sum())), USUAL
    for _ in range(_ROUNDS):
        precision = (FREEDOM + 1) / (FREEDOM * SCALE**2 + (b - USUAL) ** 2)
        p = expit(a + b * x)
        rest, w = count * (target - p), count * p * (1 - p)
        gradient = rest.sum(), (rest * x).sum() - precision * (b - USUAL)
        aa, ab, bb = w.sum(), (w * x).sum(), (w * x * x).sum() + precision
        step = np.linalg.solve([[aa, ab], [ab, bb]], gradient)
        a, b = a + float(step[0]), b + float(step[1])
        if np.abs(step).max() < _SETTLED:
            break
    if b >= FLATTEST:
        return a, b
    return float(logit(count @ target / count.sum())), FLATTEST
