"""Columns on one scale: mean 0 and SD 1, or normal scores of their ranks.

Source: normal scores of van der Waerden 1952: the share of training cases below a value, as a
quantile of the normal distribution. They ask nothing of a feature's distribution: a long tail, an
outlier or a logarithm too few does not matter, and a new case beyond the training range gets the
score of its last case, not more. A grid of quantiles is kept, not the cases themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted, validate_data

from radresp.classify.table import Floats

POINTS = 65
"""Quantiles kept of every column."""


@dataclass(frozen=True, eq=False)
class Standard:
    """Distance from the training mean in training SDs.

    Parameters
    ----------
    mean, scale : ndarray of shape (columns,)
        Of the training cases.
    """

    mean: Floats
    scale: Floats

    def transform(self, values: Floats) -> Floats:
        """Values of shape (cases, columns); NaN stays NaN."""
        return np.asarray((values - self.mean) / self.scale)

    def record(self) -> dict[str, Any]:
        """JSON-ready."""
        return {"kind": "standard", "mean": self.mean.tolist(), "scale": self.scale.tolist()}


@dataclass(frozen=True, eq=False)
class Scores:
    """Normal scores of ranks among the training cases, standardised.

    Parameters
    ----------
    grid : ndarray of shape (points, columns)
        Training quantiles, evenly spaced from the smallest to the largest value.
    cases : int
        Training cases: no score lies beyond the middle of the last of them.
    mean, scale : ndarray of shape (columns,)
        Of the scores of the training cases.
    """

    grid: Floats
    cases: int
    mean: Floats
    scale: Floats

    @classmethod
    def of(cls, values: Floats) -> Self:
        """Learn from training values of shape (cases, columns), without gaps."""
        steps = np.linspace(0, 1, min(POINTS, max(len(values), 2)))
        # Values that occur: an interpolated one could part equal values by its last bit.
        grid = np.quantile(values, steps, axis=0, method="nearest")
        none, one = np.zeros(values.shape[1]), np.ones(values.shape[1])
        raw = cls(grid, len(values), none, one).transform(values)
        spread = raw.std(axis=0)
        return cls(grid, len(values), raw.mean(axis=0), np.where(spread > 0, spread, 1.0))

    def transform(self, values: Floats) -> Floats:
        """Values of shape (cases, columns); NaN stays NaN."""
        steps = np.linspace(0, 1, len(self.grid))
        share = np.empty(values.shape)
        for column, grid in enumerate(self.grid.T):
            x = values[:, column]
            # The middle of a run of equal training values, from below and from above.
            upper = np.interp(x, grid, steps)
            lower = 1 - np.interp(-x, -grid[::-1], steps)
            share[:, column] = (lower + upper) / 2
        edge = 0.5 / self.cases
        return np.asarray((ndtri(np.clip(share, edge, 1 - edge)) - self.mean) / self.scale)

    def record(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "kind": "normal_scores",
            "grid": self.grid.tolist(),
            "cases": self.cases,
            "mean": self.mean.tolist(),
            "scale": self.scale.tolist(),
        }


Scaler = Standard | Scores


class NormalScores(TransformerMixin, BaseEstimator):
    """The scikit-learn step of :class:`Scores`.

    Parameters
    ----------
    weights : sequence of float, optional
        Factor on each column's scores; 1 by default. Under one ridge penalty a column with twice
        the factor has four times the prior variance.

    Attributes
    ----------
    scores_ : Scores
        What was learned.

    Examples
    --------
    >>> x = np.array([[1.0], [2.0], [3.0], [1000.0]])
    >>> NormalScores().fit_transform(x).ravel().round(2).tolist()
    [-1.32, -0.5, 0.5, 1.32]
    """

    def __init__(self, weights: tuple[float, ...] | None = None) -> None:
        self.weights = weights

    def fit(self, x: Floats, y: NDArray[Any] | None = None) -> Self:
        """Learn the quantiles of x, shape (cases, columns)."""
        del y
        found = Scores.of(validate_data(self, x, dtype=float))
        factor = 1.0 if self.weights is None else np.array(self.weights)
        self.scores_ = replace(found, scale=found.scale / factor)
        return self

    def transform(self, x: Floats) -> Floats:
        """Normal scores, shape (cases, columns)."""
        check_is_fitted(self)
        return self.scores_.transform(validate_data(self, x, dtype=float, reset=False))


def scaler_of(step: NormalScores | StandardScaler) -> Scaler:
    """What a fitted scikit-learn step has learned."""
    if isinstance(step, NormalScores):
        return step.scores_
    return Standard(np.asarray(step.mean_), np.asarray(step.scale_))


def restored_scaler(record: dict[str, Any]) -> Scaler:
    """The inverse of ``record``.

    Raises
    ------
    ValueError
        For another kind, or shapes that do not fit.
    """
    mean, scale = (np.array(record[name], dtype=float) for name in ("mean", "scale"))
    if mean.ndim != 1 or mean.shape != scale.shape:
        raise ValueError("mean and scale do not fit")
    if record["kind"] == "standard":
        return Standard(mean, scale)
    grid = np.array(record["grid"], dtype=float)
    fits = grid.ndim == 2 and grid.shape[1] == mean.size and len(grid) > 1
    if record["kind"] != "normal_scores" or not fits or int(record["cases"]) < 1:
        raise ValueError("no scaler")
    return Scores(grid, int(record["cases"]), mean, scale)
