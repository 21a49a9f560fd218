"""Two heads learned together: residual or not, calibrated, and the kind of complete response.

The head that matters is binary, residual tumour against the rest, with Platt's line on its score:
``p_ccr = 1 - p(residual)`` always. With three outcomes a multinomial head divides the remaining
probability between fibrosis and inflammation and never touches ``p_ccr``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.pipeline import Pipeline

from radresp.classify.calibration import Platt, fit_platt
from radresp.classify.conformal import Mondrian
from radresp.classify.settings import ClassifierSettings
from radresp.classify.table import RESIDUAL, Floats, TrainingTable
from radresp.classify.tuning import (
    Candidate,
    Method,
    class_scores,
    fit_pipeline,
    possible_folds,
    seed_of,
    tune,
)
from radresp.core import Note, NoteKind


@dataclass(frozen=True, eq=False)
class Heads:
    """The fitted heads.

    Parameters
    ----------
    classes : tuple of str
        Sorted outcome names.
    residual, subtype : Pipeline
        Select, impute, scale, classify; ``subtype`` only with three outcomes.
    platt : Platt
        Line from the residual head's score to log-odds.
    candidate, subtype_candidate : Candidate
        Chosen hyper-parameters.
    scores : ndarray of shape (repeats, cases)
        Out-of-fold scores of the residual head behind ``platt``.
    conformal : Mondrian
        Their calibrated log-odds by outcome.
    doubted : Platt or None
        Line learned from the cases a reader called less than complete; None with too few of them.
    notes : tuple of Note
        What was noticed.
    """

    classes: tuple[str, ...]
    residual: Pipeline
    platt: Platt
    candidate: Candidate
    scores: Floats
    conformal: Mondrian
    doubted: Platt | None = None
    subtype: Pipeline | None = None
    subtype_candidate: Candidate | None = None
    notes: tuple[Note, ...] = ()

    def margins(self, x: Floats) -> Floats:
        """Score of residual tumour for x of shape (cases, columns), before calibration."""
        scores = class_scores(self.residual[-1], self.residual[:-1].transform(x), 2)
        return np.asarray(scores[:, 1] - scores[:, 0])

    def probabilities(self, x: Floats) -> Floats:
        """Probability of each class for x of shape (cases, columns); rows sum to 1."""
        p = self.platt.probability(self.margins(x))
        if self.subtype is None:
            return combine(self.classes, p, None)
        z = self.subtype[:-1].transform(x)
        return combine(self.classes, p, class_scores(self.subtype[-1], z, len(self.classes)))

    def selected(self) -> NDArray[np.bool_]:
        """Which columns any head looks at."""
        heads = [head for head in (self.residual, self.subtype) if head is not None]
        return np.asarray(np.any([head["select"].get_support() for head in heads], axis=0))


def combine(classes: tuple[str, ...], p_residual: Floats, scores: Floats | None) -> Floats:
    """Class probabilities from p(residual) and the multinomial scores.

    Parameters
    ----------
    classes : tuple of str
        Two or three names with residual among them.
    p_residual : ndarray of shape (cases,)
        Calibrated probability of residual tumour.
    scores : ndarray of shape (cases, classes) or None
        Multinomial scores; None with two classes.
    """
    k = classes.index(RESIDUAL)
    rest = np.delete(np.arange(len(classes)), k)
    p = np.empty((p_residual.size, len(classes)))
    p[:, k] = p_residual
    share = np.ones((p_residual.size, 1)) if scores is None else softmax(scores[:, rest], axis=1)
    p[:, rest] = (1.0 - p_residual)[:, None] * share
    return p


def train_heads(
    method: Method,
    settings: ClassifierSettings,
    table: TrainingTable,
    rows: NDArray[np.bool_],
    *,
    repeats: int,
    seed: int,
) -> Heads:
    """Tune, fit and calibrate the heads on some rows of a table, by those rows alone.

    Parameters
    ----------
    method, settings
        The classifier.
    table : TrainingTable
        The checked table.
    rows : ndarray of bool, shape (cases,)
        Rows to learn from.
    repeats : int
        Draws of the inner folds.
    seed : int
        Makes it repeatable.
    """
    x, labels, groups = table.x[rows], table.labels[rows], table.groups[rows]
    residual = table.residual[rows]
    folds = possible_folds(settings.inner_folds, residual, groups)
    # The folds of both heads are drawn alike, stratified by all outcomes.
    draw: dict[str, Any] = {"folds": folds, "repeats": repeats, "seed": seed_of(seed, 1)}
    draw["columns"] = names = table.columns
    tuned = tune(method, settings, x, residual, labels, groups, **draw)
    scores = tuned.margins()
    platt = fit_platt(scores, residual)
    last = draw["seed"]
    pipeline, settled = fit_pipeline(method, settings, tuned.candidate, x, residual, names, last)
    unsettled = tuned.unconverged + (not settled)
    subtype, subtype_candidate = None, None
    if len(table.classes) > 2:
        second = tune(method, settings, x, labels, labels, groups, **draw)
        subtype_candidate = second.candidate
        subtype, settled = fit_pipeline(method, settings, subtype_candidate, x, labels, names, last)
        unsettled += second.unconverged + (not settled)
    return Heads(
        table.classes,
        pipeline,
        platt,
        tuned.candidate,
        scores,
        Mondrian.of(platt.log_odds(scores), residual),
        doubted_line(scores, residual, table.doubted[rows], settings),
        subtype,
        subtype_candidate,
        _notes(table, labels, folds, settings, platt, unsettled),
    )


def doubted_line(
    scores: Floats,
    residual: NDArray[np.int64],
    doubted: NDArray[np.bool_],
    settings: ClassifierSettings,
) -> Platt | None:
    """A calibration of their own for cases read as less than complete, where there are enough.

    Parameters
    ----------
    scores : ndarray of shape (repeats, cases)
        Out-of-fold scores.
    residual, doubted : ndarray of shape (cases,)
        1 for residual tumour; whether a reader called the case less than complete.
    settings : ClassifierSettings
        Holds the fewest of each outcome.
    """
    events = int(residual[doubted].sum())
    if min(events, int(doubted.sum()) - events) < settings.min_per_class:
        return None
    return fit_platt(scores[:, doubted], residual[doubted])


def _notes(
    table: TrainingTable,
    labels: NDArray[np.int64],
    folds: int,
    settings: ClassifierSettings,
    platt: Platt,
    unsettled: int,
) -> tuple[Note, ...]:
    notes = []
    if folds < settings.inner_folds:
        notes.append(
            Note(
                NoteKind.INFO,
                "FOLDS_REDUCED",
                f"{folds} inner folds",
                f"{settings.inner_folds}",
                "the rarer outcome has no more patients",
            )
        )
    for name, count in zip(
        table.classes, np.bincount(labels, minlength=len(table.classes)), strict=True
    ):
        if count < folds:
            notes.append(
                Note(
                    NoteKind.WARNING,
                    "CLASS_ABSENT_FROM_FOLD",
                    f"{count} {name} cases in {folds} folds",
                    "at least one case of each outcome a fold",
                    f"do not rely on the share of {name}; p_ccr is not affected",
                )
            )
    if platt.flat:
        notes.append(
            Note(
                NoteKind.WARNING,
                "NO_RANKING",
                "out-of-fold scores do not rank residual above complete response",
                "",
                "probabilities stay near the prevalence",
            )
        )
    if unsettled:
        notes.append(
            Note(
                NoteKind.WARNING,
                "NOT_CONVERGED",
                f"{unsettled} fits stopped before the solver settled",
                "",
                "raise max_iterations or lower strengths",
            )
        )
    return tuple(notes)
