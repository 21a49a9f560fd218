"""Platt scaling: turn a classifier's score into a probability.

Source: Platt 1999, with his smoothed targets (N+ + 1)/(N+ + 2) and 1/(N- + 2), which keep the line
finite when the classes separate. The scores must be out-of-fold: a score learned on a case says
nothing about how that score behaves on a new one. A negative slope would turn the ranking round on
the evidence of noise; it is held at a small positive value instead and the caller is told. A
probability is never more certain than that of the most extreme out-of-fold score.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from radresp.classify.table import Floats

FLATTEST = 0.05
_NO_SPREAD = 1e-9
_UNPENALISED = 1e10


@dataclass(frozen=True, slots=True)
class Platt:
    """Calibrated log-odds = ``slope`` x score + ``intercept``, kept within ``low`` and ``high``.

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

    def log_odds(self, score: Floats) -> Floats:
        """Calibrated log-odds of a score, any shape."""
        return np.asarray(np.clip(self.slope * score + self.intercept, self.low, self.high))

    def probability(self, score: Floats) -> Floats:
        """Calibrated probability of a score, any shape."""
        return np.asarray(expit(self.log_odds(score)))

    @property
    def flat(self) -> bool:
        """Whether the scores carried no usable ranking."""
        return self.slope <= FLATTEST


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
    count = np.ones(event.size) if weights is None else weights
    events, others = float(count @ event), float(count @ (1 - event))
    target = np.where(event == 1, (events + 1) / (events + 2), 1 / (others + 2))
    mean_target = float(count @ target / count.sum())
    spread, centre = float(score.std()), float(score.mean())
    if spread < _NO_SPREAD:
        return _line(FLATTEST, centre, mean_target, score)
    x = np.tile(((score - centre) / spread).ravel(), 2)[:, None]
    # Each case stands twice, as event and as non-event, weighted by its smoothed target.
    shares = np.tile(np.stack([target, 1 - target])[:, None] * count, (1, len(score), 1))
    fit = LogisticRegression(C=_UNPENALISED, solver="newton-cholesky", tol=1e-8)
    fit.fit(x, np.repeat([1, 0], score.size), sample_weight=shares.ravel() / len(score))
    slope = float(fit.coef_[0, 0]) / spread
    if slope <= FLATTEST:
        return _line(FLATTEST, centre, mean_target, score)
    return _line(slope, centre, float(expit(fit.intercept_[0])), score)


def _line(slope: float, centre: float, p_at_centre: float, score: Floats) -> Platt:
    """The line of a slope that says ``p_at_centre`` at the mean score."""
    intercept = float(logit(p_at_centre)) - slope * centre
    ends = slope * score.min() + intercept, slope * score.max() + intercept
    return Platt(slope, intercept, float(ends[0]), float(ends[1]))
