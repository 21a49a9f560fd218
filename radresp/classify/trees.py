"""Ensembles of trees as plain arrays: forests and boosting that can be kept without trusting code.

Scikit-learn grows the trees; what it has grown is copied into arrays, and those alone predict, in
training as after loading. skops does not trust scikit-learn's compiled trees by itself, and nothing
is added to what it trusts.

Source: Breiman 2001 (random forest), Geurts, Ernst and Wehenkel 2006 (extra trees), Friedman 2001
(gradient boosting).
"""

from __future__ import annotations

import io
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    RandomForestClassifier,
)

from radresp.classify.table import Floats

GROWERS = {
    "random_forest": RandomForestClassifier,
    "extra_trees": ExtraTreesClassifier,
    "gradient_boosting": GradientBoostingClassifier,
}
_LEAF = -2


class Trees(ClassifierMixin, BaseEstimator):
    """A forest or boosted trees behind one face.

    Parameters
    ----------
    kind : str
        Key of ``GROWERS``.
    options : dict
        What its class is built with.

    Attributes
    ----------
    classes_ : ndarray
        Outcomes.
    roots_, feature_, threshold_, left_, right_, values_, constant_ : ndarray
        First node of every tree; of every node the column (-2 for a leaf), the value up to which a
        case goes left, the two next nodes, and what it adds to each class; what is added to all.
    """

    ARRAYS: ClassVar[tuple[str, ...]] = (
        "classes_", "roots_", "feature_", "threshold_", "left_", "right_", "values_", "constant_",
    )  # fmt: skip

    def __init__(self, kind: str = "random_forest", options: dict[str, Any] | None = None) -> None:
        self.kind = kind
        self.options = options

    def fit(self, x: Floats, y: NDArray[Any]) -> Self:
        """Grow trees on x of shape (cases, columns)."""
        grown = GROWERS[self.kind](**(self.options or {})).fit(x, y)
        self.classes_ = np.asarray(grown.classes_)
        self.constant_ = np.zeros(max(self.classes_.size, 2))
        if self.kind == "gradient_boosting":
            self._copy_boosted(grown)
        else:
            share = 1 / len(grown.estimators_)
            self._copy([(one.tree_, share * _shares(one.tree_)) for one in grown.estimators_])
        return self

    def _copy_boosted(self, grown: GradientBoostingClassifier) -> None:
        size = self.constant_.size
        stages = grown.estimators_
        trees = []
        for stage in stages:
            for k, one in enumerate(stage):
                values = np.zeros((one.tree_.node_count, size))
                # A single tree a stage speaks for the second of two classes.
                place = 1 if len(stage) == 1 else k
                values[:, place] = grown.learning_rate * one.tree_.value[:, 0, 0]
                trees.append((one.tree_, values))
        self._copy(trees)
        prior = grown.init_.class_prior_
        if stages.shape[1] == 1:
            self.constant_[1] = np.log(prior[1] / prior[0])
        else:
            self.constant_[:] = np.log(prior)

    def _copy(self, trees: list[tuple[Any, Floats]]) -> None:
        sizes = [tree.node_count for tree, _ in trees]
        self.roots_ = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
        for name, ours in (("children_left", "left_"), ("children_right", "right_")):
            parts = [
                np.where(getattr(t, name) < 0, 0, getattr(t, name) + root)
                for (t, _), root in zip(trees, self.roots_, strict=True)
            ]
            setattr(self, ours, np.concatenate(parts).astype(np.int64))
        self.feature_ = np.concatenate([t.feature for t, _ in trees]).astype(np.int64)
        self.threshold_ = np.concatenate([t.threshold for t, _ in trees])
        self.values_ = np.concatenate([values for _, values in trees])

    def decision_function(self, x: Floats) -> Floats:
        """Log-odds, shape (cases,) for two classes, else log-probabilities (cases, classes)."""
        found = self._sums(x) + self.constant_
        if self.kind != "gradient_boosting":
            edge = 0.5 / max(len(self.roots_), 2)
            found = np.log(np.clip(found, edge, 1 - edge))
        return found[:, 1] - found[:, 0] if self.classes_.size == 2 else found

    def _sums(self, x: Floats) -> Floats:
        narrow = np.asarray(x, dtype=np.float32)  # as the trees were grown
        node = np.tile(self.roots_, (len(x), 1))
        rows = np.arange(len(x))[:, None]
        while True:
            feature = self.feature_[node]
            inner = feature != _LEAF
            if not inner.any():
                return np.asarray(self.values_[node].sum(axis=1))
            value = narrow[rows, np.where(inner, feature, 0)]
            further = np.where(value <= self.threshold_[node], self.left_[node], self.right_[node])
            node = np.where(inner, further, node)

    def predict(self, x: Floats) -> NDArray[Any]:
        """The likeliest class."""
        raw = self.decision_function(x)
        place = (raw > 0).astype(int) if raw.ndim == 1 else raw.argmax(axis=1)
        return np.asarray(self.classes_[place])

    def dump(self) -> bytes:
        """The arrays as an ``.npz`` file; equal trees give equal bytes."""
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            allow_pickle=False,
            kind=np.array(self.kind),
            **{name: getattr(self, name) for name in self.ARRAYS},
        )
        return buffer.getvalue()

    @classmethod
    def loaded(cls, data: bytes) -> Self:
        """The inverse of :meth:`dump`.

        Raises
        ------
        ValueError
            For anything that cannot be such trees: every way from a root must end in a leaf.
        """
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            found = cls(str(arrays["kind"]))
            for name in cls.ARRAYS:
                setattr(found, name, arrays[name])
        found._check()
        return found

    def _check(self) -> None:
        nodes = self.feature_.size
        each = (self.threshold_, self.left_, self.right_, self.feature_)
        shaped = self.kind in GROWERS and all(part.shape == (nodes,) for part in each)
        if not (shaped and self.values_.shape == (nodes, self.constant_.size)):
            raise ValueError("the arrays are no trees")
        inner = self.feature_ != _LEAF
        own = np.arange(nodes)
        ahead = (
            (self.left_ > own) & (self.right_ > own) & (self.left_ < nodes) & (self.right_ < nodes)
        )
        fits = (
            bool(((self.roots_ >= 0) & (self.roots_ < nodes)).all())
            and bool((self.feature_[inner] >= 0).all())
            and bool(ahead[inner].all())
            and bool(np.isfinite(self.values_).all() and np.isfinite(self.constant_).all())
        )
        if not fits:
            raise ValueError("the arrays are no trees")


def _shares(tree: Any) -> Floats:
    """Share of each class in every node."""
    counts = tree.value[:, 0, :]
    shares = counts / counts.sum(axis=1, keepdims=True)
    return np.asarray(shares if shares.shape[1] > 1 else np.column_stack([shares, 0 * shares]))
