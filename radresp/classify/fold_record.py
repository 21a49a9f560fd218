"""What the folds of an evaluation leave on record: choices, counts, and notes said once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from radresp.classify.selection import ColumnSelector
from radresp.classify.settings import ClassifierSettings
from radresp.classify.table import TrainingTable, listed
from radresp.classify.training import Heads
from radresp.core import Note, NoteKind


def record_of(
    table: TrainingTable, heads: Heads, test: NDArray[np.bool_], repeat: int, fold: int
) -> dict[str, Any]:
    """What one fold chose and how many cases it had, JSON-ready."""
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


def summary(chosen: list[dict[str, Any]]) -> list[Note]:
    """Notes on all folds together: gaps filled, columns constant in some."""
    notes = []
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


def merged(notes: list[Note]) -> tuple[Note, ...]:
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


def fewer_folds(folds: int, settings: ClassifierSettings) -> Note:
    """That there are fewer outer folds than asked for."""
    return Note(
        NoteKind.INFO,
        "FOLDS_REDUCED",
        f"{folds} outer folds",
        f"{settings.outer_folds}",
        "the rarer outcome has no more patients",
    )
