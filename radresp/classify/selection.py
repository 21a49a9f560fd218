"""What every classifier stands on: choose columns, fill gaps, scale; learned inside the fold.

Source: one-way ANOVA F as in scikit-learn's ``f_classif`` and the greedy redundancy rule of mRMR
(Ding & Peng 2005): columns are taken by falling F, each only if it does not correlate too strongly
with one already taken. Columns that are constant, or missing too often, in the fold are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.feature_selection import SelectorMixin
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted, validate_data

from radresp.classify.scaling import NormalScores
from radresp.classify.settings import ClassifierSettings
from radresp.classify.table import Floats
from radresp.errors import CohortError

_TINY = 1e-12


class _Selector(SelectorMixin, BaseEstimator):
    """What every choice of columns starts from: those that vary and are not missing too often."""

    max_missing: float
    support_: NDArray[np.bool_]

    def _find_usable(self, values: Floats) -> Floats:
        """Note which columns can be used at all; the columns standardised."""
        present = np.isnan(values).mean(axis=0) <= self.max_missing
        z, varies = _standardised(values)
        self.constant_ = ~varies & present
        self.support_ = present & varies
        if not self.support_.any():
            raise CohortError("NO_FEATURES", "a fold has no varying column without gaps")
        return z

    def _get_support_mask(self) -> NDArray[np.bool_]:
        check_is_fitted(self)
        return self.support_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


class UsableColumns(_Selector):
    """Keeps every column that varies in the fold and is not missing too often.

    Parameters
    ----------
    max_missing : float
        A column missing in a larger share of the fold is left out, 0 to 0.5.

    Attributes
    ----------
    support_ : ndarray of bool
        The kept columns.
    constant_ : ndarray of bool
        Columns left out because they do not vary in the fold.
    """

    def __init__(self, max_missing: float = 0.1) -> None:
        self.max_missing = max_missing

    def fit(self, x: Floats, y: NDArray[Any] | None = None) -> Self:
        """Learn which columns to keep from x of shape (cases, columns).

        Raises
        ------
        CohortError
            ``NO_FEATURES`` when no column is left.
        """
        del y
        self._find_usable(validate_data(self, x, ensure_all_finite="allow-nan", dtype=float))
        return self


class ColumnSelector(_Selector):
    """Keeps the columns that differ most between classes and do not repeat each other.

    Parameters
    ----------
    features : int
        Most columns to keep, at least 1.
    max_missing : float
        A column missing in a larger share of the fold is left out, 0 to 0.5.
    max_correlation : float
        Largest absolute Pearson correlation between kept columns, 0 to 1.

    Attributes
    ----------
    support_ : ndarray of bool
        The kept columns.
    constant_ : ndarray of bool
        Columns left out because they do not vary in the fold.

    Examples
    --------
    >>> x = np.array([[0.0, 0.0, 1.0], [0.1, 0.2, 1.0], [1.0, 2.0, 1.0], [1.1, 2.2, 1.0]])
    >>> ColumnSelector(features=2).fit(x, [0, 0, 1, 1]).get_support()
    array([ True, False, False])
    """

    def __init__(
        self, features: int = 16, max_missing: float = 0.1, max_correlation: float = 0.95
    ) -> None:
        self.features = features
        self.max_missing = max_missing
        self.max_correlation = max_correlation

    def fit(self, x: Floats, y: NDArray[Any]) -> Self:
        """Learn which columns to keep from x of shape (cases, columns) and class labels y.

        Raises
        ------
        CohortError
            ``NO_FEATURES`` when no column is left.
        """
        values, labels = validate_data(self, x, y, ensure_all_finite="allow-nan", dtype=float)
        z = self._find_usable(values)
        usable = np.flatnonzero(self.support_)
        strength = anova_f(z[:, usable], labels)
        order = usable[np.argsort(-strength, kind="stable")]
        self.support_ = np.zeros(values.shape[1], dtype=bool)
        self.support_[self._unrepeated(z, order, labels)] = True
        return self

    def _unrepeated(self, z: Floats, order: NDArray[np.intp], labels: NDArray[Any]) -> list[int]:
        del labels  # the order holds what they say
        kept: list[int] = []
        limit = self.max_correlation * len(z)
        for column in order:
            if len(kept) == self.features:
                break
            if not kept or np.abs(z[:, column] @ z[:, kept]).max() <= limit:
                kept.append(int(column))
        return kept

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


class StableMrmr(ColumnSelector):
    """Keeps the columns that minimum redundancy, maximum relevance chooses in most half-samples.

    Columns are ranked by falling F divided by their mean absolute correlation with those already
    taken (Ding and Peng 2005, quotient form), in ``DRAWS`` draws of half the cases without
    replacement (stability selection, Meinshausen and Buehlmann 2010); the most frequent are kept.
    Parameters and attributes are those of :class:`ColumnSelector`.
    """

    DRAWS, CANDIDATES = 20, 200

    def _unrepeated(self, z: Floats, order: NDArray[np.intp], labels: NDArray[Any]) -> list[int]:
        candidates = order[: self.CANDIDATES]
        rng = np.random.default_rng(0)
        chosen = np.zeros(z.shape[1])
        for _ in range(self.DRAWS):
            half = _half(labels, rng)
            part, _ = _standardised(z[np.ix_(half, candidates)])
            taken = _mrmr(part, labels[half], self.features, self.max_correlation)
            chosen[candidates[taken]] += 1
        ranked = candidates[np.argsort(-chosen[candidates], kind="stable")]
        return super()._unrepeated(z, ranked[chosen[ranked] > 0], labels)


def _half(labels: NDArray[Any], rng: np.random.Generator) -> NDArray[np.intp]:
    """Half the cases of every class."""
    parts = []
    for label in np.unique(labels):
        of = rng.permutation(np.flatnonzero(labels == label))
        parts.append(of[: max(2, of.size // 2)])
    return np.concatenate(parts)


def _mrmr(z: Floats, labels: NDArray[Any], features: int, limit: float) -> list[int]:
    """Columns of z in the order they are taken."""
    strength = anova_f(z, labels)
    redundancy, taken = np.zeros(z.shape[1]), list[int]()
    free = np.ones(z.shape[1], dtype=bool)
    while len(taken) < features and free.any():
        worth = strength / np.maximum(redundancy / max(len(taken), 1), 0.01 if taken else 1.0)
        best = int(np.argmax(np.where(free, worth, -np.inf)))
        taken.append(best)
        likeness = np.abs(z.T @ z[:, best]) / len(z)
        redundancy += likeness
        free &= likeness <= limit
        free[best] = False
    return taken


def fit_front(
    settings: ClassifierSettings,
    features: int,
    kind: str,
    x: Floats,
    labels: NDArray[Any],
    columns: tuple[str, ...],
) -> tuple[Pipeline, Floats]:
    """The fitted steps before a classifier (select, impute by median, scale), and what they give.

    Parameters
    ----------
    settings : ClassifierSettings
        Limits of the choice.
    features : int
        Most columns a choosing front keeps.
    kind : str
        One of ``FRONTS``.
    x : ndarray of shape (cases, columns)
        Training features; NaN where missing.
    labels : ndarray of shape (cases,)
        Their classes.
    columns : tuple of str
        Names of the columns.
    """
    select = FRONTS[kind](settings, features)
    impute = SimpleImputer(strategy="median")
    filled = impute.fit_transform(select.fit_transform(x, labels))
    scale = scaling_step(settings, kind, np.array(columns)[select.get_support()])
    z = scale.fit_transform(filled)
    return Pipeline([("select", select), ("impute", impute), ("scale", scale)]), z


def scaling_step(settings: ClassifierSettings, kind: str, columns: NDArray[Any]) -> Any:
    """The unfitted scaling of some columns: mean 0 and SD 1, or weighted normal scores."""
    if kind != "ranks":
        return StandardScaler()
    special = np.array([str(name).startswith(settings.prespecified) for name in columns])
    share = settings.prespecified_share
    if share is None or special.all() or not special.any():
        return NormalScores()
    # Each block's columns divide its share of the prior variance among them.
    parts = np.where(special, share / special.sum(), (1 - share) / (~special).sum())
    return NormalScores(tuple(np.sqrt(parts * columns.size).tolist()))


FRONTS: dict[str, Callable[[ClassifierSettings, int], Any]] = {
    "selected": lambda s, n: ColumnSelector(n, s.max_missing, s.max_correlation),
    "mrmr": lambda s, n: StableMrmr(n, s.max_missing, s.max_correlation),
    "ranks": lambda s, n: UsableColumns(s.max_missing),
}
"""How columns are chosen, by kind."""


def anova_f(z: Floats, labels: NDArray[Any]) -> Floats:
    """One-way ANOVA F of each column of z, shape (cases, columns), between the labels."""
    classes = np.unique(labels)
    between, within = np.zeros(z.shape[1]), np.zeros(z.shape[1])
    for label in classes:
        part = z[labels == label]
        mean = part.mean(axis=0)
        between += len(part) * (mean - z.mean(axis=0)) ** 2
        within += ((part - mean) ** 2).sum(axis=0)
    freedom = max(len(z) - classes.size, 1) / max(classes.size - 1, 1)
    return freedom * between / np.maximum(within, _TINY)


def _standardised(values: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Columns to mean 0 and SD 1 with gaps at the median, and which columns vary at all."""
    filled = values
    gaps = np.isnan(values)
    if gaps.any():
        some = ~gaps.all(axis=0)
        median = np.zeros(values.shape[1])
        median[some] = np.nanmedian(values[:, some], axis=0)
        filled = np.where(gaps, median, values)
    centred = filled - filled.mean(axis=0)
    spread = centred.std(axis=0)
    varies = spread > _TINY * np.maximum(np.abs(filled).max(axis=0), 1e-300)
    return centred / np.where(varies, spread, 1.0), varies
