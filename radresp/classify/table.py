"""The training table: what may be learned from, checked once before any work.

Source: fault catalogue 2.10. A table that passes holds finite numbers or honest gaps, one label a
patient, at least two outcomes with enough patients, and no row twice. Rows are sorted by case id
and columns by name, so the order of a file never changes a result.

Longer than most: every reason to refuse a table stands here, in the order of the checks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from radresp.classify.settings import ClassifierSettings
from radresp.core import Note, NoteKind
from radresp.errors import CohortError, PlanError

RESIDUAL = "residual"
VOCABULARIES = (("fibrosis", "inflammation", RESIDUAL), ("complete", RESIDUAL))
_SUSPECT_AUC = 0.99
_NAMES_SHOWN = 10
_FEWEST = 4
_ENOUGH_TO_TELL = 5

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TrainingTable:
    """A checked table.

    Parameters
    ----------
    x : ndarray of shape (cases, columns)
        Features; NaN where missing.
    ids, columns : tuple of str
        Names of rows and columns, both sorted.
    labels : ndarray of int, shape (cases,)
        Index into ``classes``.
    classes : tuple of str
        Sorted outcome names; residual is one of them.
    groups : ndarray of shape (cases,)
        Patient of each case.
    notes : tuple of Note
        What was noticed.
    sites : ndarray of str, shape (cases,)
        Hospital of each case; empty where not known.
    doubted : ndarray of bool, shape (cases,)
        Which cases a reader called less than complete (nCR or iCR).
    """

    x: Floats
    ids: tuple[str, ...]
    columns: tuple[str, ...]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    groups: NDArray[Any]
    notes: tuple[Note, ...]
    sites: NDArray[Any]
    doubted: NDArray[np.bool_]

    @property
    def residual(self) -> NDArray[np.int64]:
        """1 for residual tumour, 0 for a complete response, shape (cases,)."""
        return np.asarray(self.labels == self.classes.index(RESIDUAL), dtype=np.int64)

    @property
    def counts(self) -> dict[str, int]:
        """Cases of each class."""
        return {name: int((self.labels == i).sum()) for i, name in enumerate(self.classes)}


def check_table(
    x: pd.DataFrame,
    y: pd.Series,
    groups: pd.Series,
    settings: ClassifierSettings,
    *,
    sites: pd.Series | None = None,
    doubted: pd.Series | None = None,
) -> TrainingTable:
    """Check features, labels and patients, and bring them into one order.

    Parameters
    ----------
    x : DataFrame of shape (cases, features)
        Index = case id. NaN where a value is missing.
    y : Series
        Outcome of each case id, in one of the two vocabularies.
    groups : Series
        Patient of each case id.
    settings : ClassifierSettings
        Holds the fewest patients a class may have.
    sites : Series of str, optional
        Hospital of each case id.
    doubted : Series of bool, optional
        Whether a reader called the case less than complete.

    Raises
    ------
    PlanError
        ``TABLE_MISMATCH``, ``CASE_DUPLICATE``, ``FEATURE_SCHEMA``, ``FEATURE_INFINITE``,
        ``DUPLICATE_ROWS``, ``LABEL_UNKNOWN`` or ``LABEL_CONFLICT``: the table must be mended.
    CohortError
        ``ONE_CLASS``, ``TOO_FEW`` or ``NO_FEATURES``: there is nothing to learn from.
    """
    _check_index(x, y, groups)
    ordered = x.sort_index(axis=0).sort_index(axis=1)
    ids = tuple(str(i) for i in ordered.index)
    labels = y.loc[ordered.index].to_numpy(dtype=object)
    patients = groups.loc[ordered.index].to_numpy().astype(str)
    values = _numbers(ordered, ids)
    classes = _classes(labels)
    _check_patients(labels, patients, ids)
    notes = _check_counts(labels == RESIDUAL, patients, settings)
    _check_rows(values, ids)
    columns = tuple(str(c) for c in ordered.columns)
    notes += _note_columns(values, columns, settings)
    notes += _note_suspects(values, columns, labels == RESIDUAL, settings.max_missing)
    index = np.array([classes.index(label) for label in labels], dtype=np.int64)
    return TrainingTable(
        values,
        ids,
        columns,
        index,
        classes,
        patients,
        notes,
        _per_case(sites, ordered.index, "", str),
        _per_case(doubted, ordered.index, False, bool),
    )


def _per_case(
    values: pd.Series | None, index: pd.Index, otherwise: Any, kind: type
) -> NDArray[Any]:
    """What is known of each case, in the order of an index."""
    if values is None:
        return np.full(len(index), otherwise)
    return np.asarray(values.reindex(index).fillna(otherwise).to_numpy().astype(kind))


def listed(names: Sequence[str]) -> str:
    """The first ten names and how many more there are."""
    shown = ", ".join(names[:_NAMES_SHOWN])
    return shown + (f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else "")


def _check_index(x: pd.DataFrame, y: pd.Series, groups: pd.Series) -> None:
    for name, index in (("feature", x.index), ("outcome", y.index), ("patient", groups.index)):
        if not index.is_unique:
            twice = str(index[index.duplicated()][0])
            raise PlanError("CASE_DUPLICATE", f"{twice} occurs twice in the {name} table")
        if len(index) != len(x.index) or not index.isin(x.index).all():
            strange = sorted({str(i) for i in index} ^ {str(i) for i in x.index})
            raise PlanError(
                "TABLE_MISMATCH",
                f"{listed(strange)} not in both the feature table and the {name} table",
                expected="the same case ids",
            )
    if not x.columns.is_unique:
        twice = str(x.columns[x.columns.duplicated()][0])
        raise PlanError("FEATURE_SCHEMA", f"column {twice} occurs twice", expected="unique names")


def _numbers(x: pd.DataFrame, ids: tuple[str, ...]) -> Floats:
    text = [str(c) for c in x.columns if not pd.api.types.is_numeric_dtype(x[c])]
    if text:
        raise PlanError(
            "FEATURE_SCHEMA", f"{listed(text)} not numeric", expected="one number a cell"
        )
    values = x.to_numpy(dtype=float)
    infinite = np.argwhere(np.isinf(values))
    if infinite.size:
        row, column = infinite[0]
        raise PlanError(
            "FEATURE_INFINITE",
            f"{x.columns[column]} is infinite ({len(infinite)} infinite values in all)",
            expected="finite values, or an empty cell where a value is missing",
            case=ids[row],
        )
    return values


def _classes(labels: NDArray[Any]) -> tuple[str, ...]:
    found = {str(label) for label in labels}
    if not any(found <= set(vocabulary) for vocabulary in VOCABULARIES):
        raise PlanError(
            "LABEL_UNKNOWN",
            f"outcomes {listed(sorted(found))}",
            expected=" or ".join("{" + ", ".join(v) + "}" for v in VOCABULARIES) + ", one set only",
        )
    if RESIDUAL not in found or len(found) == 1:
        counts = ", ".join(f"{name} {np.sum(labels == name)}" for name in sorted(found))
        raise CohortError(
            "ONE_CLASS",
            f"outcomes: {counts or 'none'}",
            expected="cases with and without residual tumour",
        )
    return tuple(sorted(found))


def _check_patients(labels: NDArray[Any], patients: NDArray[Any], ids: tuple[str, ...]) -> None:
    first: dict[str, int] = {}
    for row, patient in enumerate(patients):
        seen = first.setdefault(patient, row)
        if labels[seen] != labels[row]:
            raise PlanError(
                "LABEL_CONFLICT",
                f"{ids[seen]} and {ids[row]} are one patient with outcomes {labels[seen]} "
                f"and {labels[row]}",
                expected="one outcome a patient",
                case=ids[row],
            )


def _check_counts(
    residual: NDArray[np.bool_], patients: NDArray[Any], settings: ClassifierSettings
) -> tuple[Note, ...]:
    with_residual = np.unique(patients[residual]).size
    without = np.unique(patients[~residual]).size
    found = f"{with_residual} patients with and {without} without residual tumour"
    expected = f"at least {settings.min_per_class} of each"
    fewest = min(with_residual, without)
    if fewest >= settings.min_per_class:
        return ()
    # Below four, a fold of a fold could hold a single outcome.
    if not settings.allow_few or fewest < _FEWEST:
        raise CohortError("TOO_FEW", found, expected=expected, action="collect more patients")
    return (Note(NoteKind.WARNING, "TOO_FEW", found, expected, "not usable beyond a trial run"),)


def _check_rows(values: Floats, ids: tuple[str, ...]) -> None:
    seen: dict[bytes, str] = {}
    # A few whole numbers, such as a stage and a flag, may well be those of two patients.
    telling = (np.isfinite(values) & (values % 1 != 0)).sum(axis=1) >= _ENOUGH_TO_TELL
    for case, row in zip(np.array(ids)[telling].tolist(), values[telling], strict=True):
        other = seen.setdefault((row + 0.0).tobytes(), case)
        if other != case:
            raise PlanError(
                "DUPLICATE_ROWS",
                f"{other} and {case} have identical features",
                expected="every case once",
                action="remove one of them",
                case=case,
            )


def _note_columns(
    values: Floats, columns: tuple[str, ...], settings: ClassifierSettings
) -> tuple[Note, ...]:
    share = np.isnan(values).mean(axis=0)
    names = np.array(columns)
    constant = (share < 1) & ~_varies(values)
    groups = (
        ("FEATURE_ALL_MISSING", share == 1, "have no value at all", "dropped by name"),
        ("FEATURE_CONSTANT", constant, "are constant", "dropped by name"),
        (
            "FEATURE_MISSING",
            (share > settings.max_missing) & (share < 1) & ~constant,
            f"are missing in more than {settings.max_missing:.0%} of cases",
            "dropped by name in every fold where that holds",
        ),
        (
            "FEATURE_IMPUTED",
            (share > 0) & (share <= settings.max_missing) & ~constant,
            "have some missing values",
            "the median of the training fold stands in while learning",
        ),
    )
    notes = tuple(
        Note(NoteKind.FIX, code, f"{where.sum()} columns {what}: {listed(names[where])}", "", done)
        for code, where, what, done in groups
        if where.any()
    )
    if not (_varies(values) & (share <= settings.max_missing)).any():
        raise CohortError("NO_FEATURES", f"none of {len(columns)} columns is usable")
    return notes


def _note_suspects(
    values: Floats, columns: tuple[str, ...], residual: NDArray[np.bool_], max_missing: float
) -> tuple[Note, ...]:
    """Columns that alone separate the outcomes almost perfectly: usually a leak.

    A gap does not hide a leak: each usable column is judged by the cases that have it.
    """
    usable = (np.isnan(values).mean(axis=0) <= max_missing) & _varies(values)
    if not usable.any():
        return ()
    area = _areas(values[:, usable], residual)
    suspects = np.array(columns)[usable][np.maximum(area, 1 - area) > _SUSPECT_AUC]
    if not suspects.size:
        return ()
    return (
        Note(
            NoteKind.WARNING,
            "SUSPECT_FEATURE",
            f"{listed(suspects)} alone separate the outcomes (AUC over {_SUSPECT_AUC})",
            "",
            "check that they do not hold the outcome itself",
        ),
    )


def _areas(values: Floats, residual: NDArray[np.bool_]) -> Floats:
    """AUC of each column among the cases that have it, shape (columns,); 0.5 without both kinds."""
    there = ~np.isnan(values)
    # Gaps rank above everything, so that they change no rank of a value.
    ranks = np.where(there, rankdata(np.where(there, values, np.inf), axis=0), 0.0)
    events, others = there[residual].sum(axis=0), there[~residual].sum(axis=0)
    above = ranks[residual].sum(axis=0) - events * (events + 1) / 2
    pairs = events * others
    return np.where(pairs > 0, above / np.maximum(pairs, 1), 0.5)


def _varies(values: Floats) -> NDArray[np.bool_]:
    low = np.where(np.isnan(values), np.inf, values).min(axis=0)
    high = np.where(np.isnan(values), -np.inf, values).max(axis=0)
    return np.asarray(high > low)
