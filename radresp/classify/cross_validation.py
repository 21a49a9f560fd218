"""The honest evaluation: repeated, patient-grouped, nested cross-validation.

Source: Varma & Simon 2006 for nesting; clinical checklist 4.2. Everything learned (gaps, scaling,
selection, hyper-parameters, calibration) is learned on the training patients of a fold and on
nothing else. Each case gets one probability a repeat from a model that never met its patient.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from radresp.classify.selection import ColumnSelector
from radresp.classify.settings import ClassifierSettings
from radresp.classify.table import RESIDUAL, TrainingTable, listed
from radresp.classify.training import Heads, train_heads
from radresp.classify.tuning import Method, patient_folds, possible_folds, seed_of
from radresp.core import Note, NoteKind, Step

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """Probabilities of cases by models that never met their patients.

    Parameters
    ----------
    p : DataFrame of shape (cases, classes)
        Mean over the repeats; index = case id, sorted; rows sum to 1.
    per_repeat : tuple of DataFrame
        The same for each repeat alone.
    folds : DataFrame of shape (cases, repeats)
        Fold of each case in each repeat.
    chosen : tuple of dict
        For each repeat and fold: hyper-parameters, calibration line, selected columns, columns
        constant only in that fold, numbers of cases.
    step : Step
        Method, settings, seconds and notes.
    """

    p: pd.DataFrame
    per_repeat: tuple[pd.DataFrame, ...]
    folds: pd.DataFrame
    chosen: tuple[dict[str, Any], ...]
    step: Step

    @property
    def p_ccr(self) -> pd.Series:
        """Probability of a complete response, 1 - p(residual), by case id."""
        return (1.0 - self.p[RESIDUAL]).rename("p_ccr")


def cross_validate_table(
    name: str,
    method: Method,
    settings: ClassifierSettings,
    table: TrainingTable,
    *,
    seed: int,
    progress: Progress | None = None,
) -> OutOfFold:
    """Out-of-fold probabilities of a checked table.

    Parameters
    ----------
    name : str
        The method's name, for the record.
    method, settings
        The classifier.
    table : TrainingTable
        The checked table.
    seed : int
        Makes folds, tuning and solver repeatable.
    progress : callable, optional
        Called with folds done and folds in all.
    """
    start = time.perf_counter()
    folds = possible_folds(settings.outer_folds, table.residual, table.groups)
    total = folds * settings.repeats
    p = np.full((settings.repeats, len(table.ids), len(table.classes)), np.nan)
    fold_of = np.empty((settings.repeats, len(table.ids)), dtype=np.int64)
    chosen: list[dict[str, Any]] = []
    notes = list(table.notes)
    for repeat in range(settings.repeats):
        fold_of[repeat] = patient_folds(table.labels, table.groups, folds, seed_of(seed, 0, repeat))
        for fold in range(folds):
            test = fold_of[repeat] == fold
            check_disjoint(table.groups[~test], table.groups[test])
            heads = train_heads(
                method,
                settings,
                table,
                ~test,
                repeats=settings.inner_repeats,
                seed=seed_of(seed, 1, repeat, fold),
            )
            p[repeat, test] = heads.probabilities(table.x[test])
            chosen.append(_record(table, heads, test, repeat, fold))
            notes.extend(heads.notes)
            if progress is not None:
                progress(len(chosen), total)
    notes += _summary(chosen, folds, settings)
    seconds = time.perf_counter() - start
    step = Step("classify", name, settings.model_dump(mode="json"), seconds, _merged(notes))
    frames = tuple(_frame(table, values) for values in p)
    names = [f"repeat_{k + 1}" for k in range(settings.repeats)]
    return OutOfFold(
        _frame(table, p.mean(axis=0)),
        frames,
        pd.DataFrame(fold_of.T, index=_index(table), columns=names),
        tuple(chosen),
        step,
    )


def check_disjoint(train: NDArray[Any], test: NDArray[Any]) -> None:
    """Refuse a split that has a patient on both sides.

    Raises
    ------
    AssertionError
        If a patient is on both sides, which the folds make impossible.
    """
    if np.intersect1d(train, test).size:
        raise AssertionError("a patient stands in training and test fold")


def _record(
    table: TrainingTable, heads: Heads, test: NDArray[np.bool_], repeat: int, fold: int
) -> dict[str, Any]:
    selector: ColumnSelector = heads.residual[0]
    columns = np.array(table.columns)
    selected = heads.selected()
    whole = np.ptp(np.nan_to_num(table.x), axis=0) == 0
    record: dict[str, Any] = {
        "repeat": repeat,
        "fold": fold,
        "train": int((~test).sum()),
        "test": int(test.sum()),
        "test_residual": int(table.residual[test].sum()),
        **heads.candidate.record(),
        "slope": heads.platt.slope,
        "intercept": heads.platt.intercept,
        "selected": columns[selector.get_support()].tolist(),
        "constant_in_fold": columns[selector.constant_ & ~whole].tolist(),
        "test_cases_imputed": int(np.isnan(table.x[np.ix_(test, selected)]).any(axis=1).sum()),
    }
    if heads.subtype_candidate is not None:
        record["subtype"] = heads.subtype_candidate.record()
    return record


def _summary(chosen: list[dict[str, Any]], folds: int, settings: ClassifierSettings) -> list[Note]:
    notes = []
    if folds < settings.outer_folds:
        notes.append(
            Note(
                NoteKind.INFO,
                "FOLDS_REDUCED",
                f"{folds} outer folds",
                f"{settings.outer_folds}",
                "the rarer outcome has no more patients",
            )
        )
    imputed = sum(record["test_cases_imputed"] for record in chosen)
    if imputed:
        notes.append(
            Note(
                NoteKind.WARNING,
                "TEST_CASE_IMPUTED",
                f"{imputed} out-of-fold probabilities rest on an imputed value",
                "",
                "scoring would abstain from these cases",
            )
        )
    constant = sorted({name for record in chosen for name in record["constant_in_fold"]})
    if constant:
        found = f"{len(constant)} columns constant in some fold: {listed(constant)}"
        notes.append(Note(NoteKind.FIX, "FEATURE_CONSTANT", found, "", "dropped in that fold"))
    return notes


def _merged(notes: list[Note]) -> tuple[Note, ...]:
    """Each note once; repeats of a fold's warning are counted, not listed."""
    counts: dict[Note, int] = {}
    for note in notes:
        counts[note] = counts.get(note, 0) + 1
    return tuple(
        note
        if count == 1
        else Note(
            note.kind, note.code, f"{note.found} (in {count} folds)", note.expected, note.action
        )
        for note, count in counts.items()
    )


def _index(table: TrainingTable) -> pd.Index:
    return pd.Index(table.ids, name="case_id")


def _frame(table: TrainingTable, p: NDArray[np.float64]) -> pd.DataFrame:
    return pd.DataFrame(p, index=_index(table), columns=list(table.classes))
