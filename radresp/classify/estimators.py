"""Scikit-learn estimators of our own behind methods of the room."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression

from radresp.classify.table import Floats


class PerFeatureRidge(ClassifierMixin, BaseEstimator):
    """Ridge logistic regression whose penalty grows with the number of columns.

    More columns than cases are first turned to the space the cases span, where the penalised
    solution lies (Hastie and Tibshirani 2004): the same weights, at the cost of cases squared.

    Parameters
    ----------
    strength : float
        ``C`` of scikit-learn times the number of columns.
    class_weight : str or None
        ``"balanced"`` or none.
    max_iter : int
        Passes of the solver.

    Attributes
    ----------
    coef_, intercept_, classes_, n_iter_
        As of ``LogisticRegression``.
    """

    def __init__(
        self, strength: float = 1.0, class_weight: str | None = None, max_iter: int = 1000
    ) -> None:
        self.strength = strength
        self.class_weight = class_weight
        self.max_iter = max_iter

    def fit(self, x: Floats, y: NDArray[Any]) -> Self:
        """Learn from x of shape (cases, columns)."""
        turned, axes = x, None
        if x.shape[1] > x.shape[0]:
            u, s, axes = np.linalg.svd(x, full_matrices=False)
            turned = u * s
        inner = LogisticRegression(
            C=self.strength / x.shape[1], class_weight=self.class_weight, max_iter=self.max_iter
        ).fit(turned, y)
        self.coef_ = inner.coef_ if axes is None else inner.coef_ @ axes
        self.intercept_, self.classes_, self.n_iter_ = (
            inner.intercept_,
            inner.classes_,
            inner.n_iter_,
        )
        self.n_features_in_ = x.shape[1]
        return self

    def plain(self) -> LogisticRegression:
        """The same weights as a scikit-learn estimator, for the model folder."""
        made = LogisticRegression(C=self.strength / self.n_features_in_)
        made.coef_, made.intercept_, made.classes_ = self.coef_, self.intercept_, self.classes_
        made.n_iter_, made.n_features_in_ = self.n_iter_, self.n_features_in_
        return made

    def decision_function(self, x: Floats) -> Floats:
        """Log-odds, shape (cases,) for two classes, else (cases, classes)."""
        raw = x @ self.coef_.T + self.intercept_
        return np.asarray(raw[:, 0] if raw.shape[1] == 1 else raw)

    def predict(self, x: Floats) -> NDArray[Any]:
        """The likeliest class."""
        raw = self.decision_function(x)
        place = (raw > 0).astype(int) if raw.ndim == 1 else raw.argmax(axis=1)
        return np.asarray(self.classes_[place])
