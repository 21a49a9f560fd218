"""Patient-grouped folds, the choice of hyper-parameters, and out-of-fold scores.

Source: nested cross-validation (Varma & Simon 2006). Folds are drawn over patients, stratified by
outcome: as every patient has one outcome, each fold gets its share of every class exactly, and no
patient stands on both sides. The scores that chose the hyper-parameters are kept for calibration.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax
from scipy.stats import rankdata
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline

from radresp.classify.method import Candidate, Method
from radresp.classify.selection import fit_front
from radresp.classify.settings import ClassifierSettings
from radresp.classify.table import Floats

_ABSENT_CLASS = -20.0


@dataclass(frozen=True, eq=False)
class Tuned:
    """The chosen combination and how it scored cases it had not learned from.

    Parameters
    ----------
    candidate : Candidate
        The choice.
    scores : ndarray of shape (repeats, cases, classes)
        Out-of-fold log-probabilities up to a constant a case.
    folds : ndarray of int, shape (repeats, cases)
        Fold of each case in each repeat.
    unconverged : int
        Fits that stopped before the solver settled.
    """

    candidate: Candidate
    scores: Floats
    folds: NDArray[np.int64]
    unconverged: int

    def margins(self) -> Floats:
        """Scores of the second class above the first, shape (repeats, cases), fold by fold level.

        Models of different folds start from different shares of events: one event more to learn
        from is one fewer to be judged. Levelled, that chance does not pass for a ranking.
        """
        found = self.scores[..., 1] - self.scores[..., 0]
        level = found.mean()
        for row, folds in zip(found, self.folds, strict=True):
            for fold in np.unique(folds):
                row[folds == fold] += level - row[folds == fold].mean()
        return np.asarray(found)


def seed_of(seed: int, *path: int) -> int:
    """A seed of its own for every place in a computation, from the user's one seed."""
    return int(np.random.SeedSequence([seed, *path]).generate_state(1)[0] >> 1)


def patient_folds(
    labels: NDArray[np.int64], groups: NDArray[Any], folds: int, seed: int
) -> NDArray[np.int64]:
    """The fold of each case: patients undivided, outcomes spread evenly.

    Parameters
    ----------
    labels : ndarray of shape (cases,)
        Class of each case; equal for all cases of a patient.
    groups : ndarray of shape (cases,)
        Patient of each case.
    folds : int
        Number of folds; at most the patients of the second largest class.
    seed : int
        Makes the folds repeatable.

    Returns
    -------
    ndarray of int, shape (cases,)
        Fold numbers from 0.
    """
    patients, first, of_case = np.unique(groups, return_index=True, return_inverse=True)
    fold_of_patient = np.empty(patients.size, dtype=np.int64)
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # A rare subtype may have fewer patients than folds; the caller notes it.
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        for number, (_, test) in enumerate(splitter.split(patients, labels[first])):
            fold_of_patient[test] = number
    return fold_of_patient[of_case]


def possible_folds(wanted: int, residual: NDArray[np.int64], groups: NDArray[Any]) -> int:
    """As many folds as wanted, but never more than patients of the rarer of the two outcomes."""
    patients = [np.unique(groups[residual == side]).size for side in (0, 1)]
    return max(2, min(wanted, *patients))


def tune(
    method: Method,
    settings: ClassifierSettings,
    x: Floats,
    labels: NDArray[np.int64],
    strata: NDArray[np.int64],
    groups: NDArray[Any],
    *,
    columns: tuple[str, ...],
    folds: int,
    repeats: int,
    seed: int,
) -> Tuned:
    """Choose hyper-parameters by patient-grouped cross-validation.

    Parameters
    ----------
    method, settings
        What to tune.
    x : ndarray of shape (cases, columns)
        Features.
    labels : ndarray of int, shape (cases,)
        What to predict, 0 .. classes - 1.
    strata : ndarray of int, shape (cases,)
        Classes spread evenly over the folds.
    groups : ndarray of shape (cases,)
        Patient of each case.
    columns : tuple of str
        Names of the features.
    folds, repeats : int
        Folds, and how often they are drawn anew.
    seed : int
        Makes the choice repeatable.
    """
    candidates = method.grid(settings)
    classes = int(labels.max()) + 1
    scores = np.zeros((len(candidates), repeats, labels.size, classes))
    unconverged = np.zeros(len(candidates), dtype=int)
    drawn = np.empty((repeats, labels.size), dtype=np.int64)
    for repeat in range(repeats):
        fold_of = patient_folds(strata, groups, folds, seed_of(seed, repeat))
        drawn[repeat] = fold_of
        for fold in range(folds):
            test = fold_of == fold
            fitted = _fit_all(method, settings, x[~test], labels[~test], columns, seed)
            for place, (steps, classifier, settled) in enumerate(fitted):
                raw = steps.transform(x[test])
                scores[place, repeat, test] = class_scores(classifier, raw, classes)
                unconverged[place] += not settled
    rank = _auc_loss if settings.tune_by == "auc" and classes == 2 else _log_loss
    losses = [rank(score, labels) for score in scores]
    # Rounding lets equal candidates tie, and the first, simplest one win.
    best = int(np.argmin(np.round(losses, 9)))
    return Tuned(candidates[best], scores[best], drawn, int(unconverged[best]))


def fit_pipeline(
    method: Method,
    settings: ClassifierSettings,
    candidate: Candidate,
    x: Floats,
    labels: NDArray[np.int64],
    columns: tuple[str, ...],
    seed: int,
) -> tuple[Pipeline, bool]:
    """One pipeline (select, impute, scale, classify) and whether its solver settled."""
    steps, z = fit_front(settings, candidate.features, method.front, x, labels, columns)
    classifier = method.build(settings, candidate, seed)
    settled = _fit_quietly(classifier, z, labels)
    return Pipeline([*steps.steps, ("classify", classifier)]), settled


def class_scores(classifier: Any, z: Floats, classes: int) -> Floats:
    """Log-probability of each class up to a constant a case, shape (cases, classes).

    A class the classifier never saw gets a score so low that its share is practically zero.
    """
    raw = np.asarray(classifier.decision_function(z))
    if raw.ndim == 1:
        raw = np.stack([np.zeros_like(raw), raw], axis=1)
    scores = np.full((len(z), classes), _ABSENT_CLASS)
    scores[:, classifier.classes_] = raw
    return scores


def _fit_all(
    method: Method,
    settings: ClassifierSettings,
    x: Floats,
    labels: NDArray[np.int64],
    columns: tuple[str, ...],
    seed: int,
) -> Iterator[tuple[Pipeline, Any, bool]]:
    """Every candidate fitted, in the grid's order; the front steps are shared where they can be."""
    for features, candidates in groupby(method.grid(settings), key=lambda c: c.features):
        steps, z = fit_front(settings, features, method.front, x, labels, columns)
        for candidate in candidates:
            classifier = method.build(settings, candidate, seed)
            settled = _fit_quietly(classifier, z, labels)
            yield steps, classifier, settled


def _fit_quietly(classifier: Any, z: Floats, labels: NDArray[np.int64]) -> bool:
    """Fit; where the solver runs out of passes give it ten times as many. Whether it settled."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        classifier.fit(z, labels)
        if getattr(classifier, "max_iter", -1) <= 0 or _settled(classifier):
            return True
        classifier.set_params(max_iter=10 * classifier.max_iter)
        classifier.fit(z, labels)
    return _settled(classifier)


def _settled(classifier: Any) -> bool:
    return bool(np.max(classifier.n_iter_) < classifier.max_iter)


def _log_loss(scores: Floats, labels: NDArray[np.int64]) -> float:
    log_p = log_softmax(scores, axis=-1)
    return float(-log_p[:, np.arange(labels.size), labels].mean())


def _auc_loss(scores: Floats, labels: NDArray[np.int64]) -> float:
    event = labels == 1
    events, others = int(event.sum()), int((~event).sum())
    rank = rankdata(scores[..., 1] - scores[..., 0], axis=-1)
    area = (rank[:, event].sum(axis=1) - events * (events + 1) / 2) / (events * others)
    return float(-area.mean())
