"""Outcome and prediction side by side: what every figure of this room is computed from.

Source: the checks are those a reader of TRIPOD+AI would make by eye: as many outcomes as
predictions, outcomes 0 or 1, probabilities between 0 and 1, nothing missing.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from radresp.errors import InputError

Floats = NDArray[np.float64]


class Pairs(NamedTuple):
    """Outcomes (0 or 1), predictions, and weights of the cases, as float arrays.

    ``y`` and ``p`` have shape (n,), ``w`` has shape (..., n): one row for each bootstrap repeat.
    """

    y: Floats
    p: Floats
    w: Floats

    @property
    def weighted_events(self) -> Floats:
        """Sum of weights of the cases with the event, shape (...)."""
        return np.asarray(self.w @ self.y)

    @property
    def weighted_total(self) -> Floats:
        """Sum of all weights, shape (...)."""
        return np.asarray(self.w.sum(axis=-1))

    def mean(self, values: Floats) -> Floats:
        """Weighted mean of one value a case; NaN where the weights are all zero."""
        return ratio(self.w @ values, self.weighted_total)


def check_scores(y: ArrayLike, score: ArrayLike, weights: ArrayLike | None = None) -> Pairs:
    """Outcomes and scores as arrays, or a refusal.

    Parameters
    ----------
    y : array-like of shape (n,)
        1 where the event happened, 0 where not.
    score : array-like of shape (n,)
        Any finite number; higher means the event is more likely.
    weights : array-like of shape (..., n), optional
        How often each case counts; all once by default.

    Raises
    ------
    InputError
        ``SCORE_INVALID`` for unequal lengths or a score that is not finite, ``LABEL_UNKNOWN`` for
        an outcome other than 0 and 1.
    """
    outcome, values = _numbers(y), _numbers(score)
    if outcome.ndim != 1 or outcome.shape != values.shape:
        raise InputError(
            "SCORE_INVALID",
            f"outcomes of shape {outcome.shape} and predictions of shape {values.shape}",
            expected="one prediction for each outcome",
        )
    if not np.isin(outcome, (0.0, 1.0)).all():
        raise InputError("LABEL_UNKNOWN", "an outcome is not 0 or 1", expected="0 or 1")
    if not np.isfinite(values).all():
        raise InputError(
            "SCORE_INVALID",
            f"{int((~np.isfinite(values)).sum())} predictions are NaN or infinite",
            expected="a number for every case",
            action="leave abstained cases out and count them",
        )
    w = np.ones_like(values) if weights is None else _numbers(weights)
    if w.shape[-1:] != values.shape or (w < 0).any():
        raise InputError("SCORE_INVALID", "weights do not fit", expected="one weight >= 0 a case")
    return Pairs(outcome, values, w)


def check_probabilities(y: ArrayLike, p: ArrayLike, weights: ArrayLike | None = None) -> Pairs:
    """As :func:`check_scores`, for probabilities in [0, 1].

    Raises
    ------
    InputError
        ``SCORE_INVALID`` when a probability lies outside [0, 1].
    """
    pairs = check_scores(y, p, weights)
    if ((pairs.p < 0) | (pairs.p > 1)).any():
        raise InputError(
            "SCORE_INVALID",
            f"predictions from {pairs.p.min():g} to {pairs.p.max():g}",
            expected="probabilities in [0, 1]",
        )
    return pairs


def ratio(top: Any, bottom: Any) -> Floats:
    """Quotient with NaN, not a warning, where the divisor is zero."""
    top, bottom = np.broadcast_arrays(np.asarray(top, float), np.asarray(bottom, float))
    quotient = np.full(top.shape, np.nan)
    np.divide(top, bottom, out=quotient, where=bottom != 0)
    return quotient


def plain(values: Any) -> float:
    """A float for one set of weights; the array, one value a row of weights, for several."""
    return float(values) if np.ndim(values) == 0 else cast(float, values)


def _numbers(values: ArrayLike) -> Floats:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(
            "SCORE_INVALID", "outcomes or predictions hold text", expected="numbers"
        ) from None
