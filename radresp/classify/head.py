"""A fitted head: names of columns, their scale, and a classifier; all that scoring needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from radresp.classify.scaling import Scaler, scaler_of
from radresp.classify.table import Floats
from radresp.classify.tuning import class_scores


@dataclass(frozen=True, eq=False)
class Head:
    """A scaler and a classifier with the names of their columns.

    Parameters
    ----------
    columns : tuple of str
        Columns in the order both want them.
    scaler : Scaler
        Brings them to one scale.
    classifier : object
        ``classes_`` and ``decision_function``; a linear one has ``coef_`` and ``intercept_``.
    """

    columns: tuple[str, ...]
    scaler: Scaler
    classifier: Any

    @property
    def linear(self) -> bool:
        """Whether the score is a weighted sum."""
        return hasattr(self.classifier, "coef_")

    def standardised(self, values: Floats) -> Floats:
        """Values of shape (cases, columns) on the training scale; a gap is its middle, 0."""
        return np.nan_to_num(self.scaler.transform(values))

    def scores(self, values: Floats, classes: int) -> Floats:
        """Log-probabilities up to a constant a case, shape (cases, classes)."""
        return class_scores(_RowByRow(self.classifier), self.standardised(values), classes)


@dataclass(frozen=True)
class _RowByRow:
    """A classifier whose answer for a row never depends on the rows beside it.

    Matrix products may round differently by block size; a sum along each row does not.
    """

    classifier: Any

    @property
    def classes_(self) -> Any:
        return self.classifier.classes_

    def decision_function(self, z: Floats) -> Floats:
        if not hasattr(self.classifier, "coef_"):
            rows = [self.classifier.decision_function(row[None]) for row in z]
            return np.concatenate(rows)
        products = z[:, None, :] * self.classifier.coef_[None]
        raw = products.sum(axis=2) + self.classifier.intercept_
        return np.asarray(raw[:, 0] if raw.shape[1] == 1 else raw)


def head_of(pipeline: Pipeline, columns: tuple[str, ...]) -> Head:
    """The part of a fitted pipeline that scoring needs: no selection, and no filling of gaps."""
    names = np.array(columns)[pipeline["select"].get_support()].tolist()
    classifier = pipeline["classify"]
    plain = classifier.plain() if hasattr(classifier, "plain") else classifier
    return Head(tuple(names), scaler_of(pipeline["scale"]), plain)
