"""Outcome tables: what was later found for each case, in one vocabulary and for one endpoint.

Two vocabularies are accepted, never mixed: the fine one says what the treated bed held (fibrosis,
inflammation or residual tumour), the coarse one only complete or residual. Numbers such as 0/1
mean nothing until the caller says what they stand for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from radresp.core import Note, NoteKind
from radresp.core.frozen import frozen
from radresp.errors import PlanError
from radresp.io.identifiers import check_distinct, check_patients, check_plain, shown
from radresp.io.text_table import TextTable, load_text_table

FINE = frozenset({"fibrosis", "inflammation", "residual"})
COARSE = frozenset({"complete", "residual"})
UNSPECIFIED = "unspecified"


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Labels by case.

    Parameters
    ----------
    labels : mapping of str to str or None
        Case id to outcome; None where it is not known.
    endpoint : str
        What "complete response" means here, for example ``"pCR"``.
    patients : mapping of str to str
        Case id to patient id; the case id itself where the table states none.
    notes : tuple of Note
        Repairs, counts and ignored columns.
    """

    labels: Mapping[str, str | None]
    endpoint: str
    patients: Mapping[str, str]
    notes: tuple[Note, ...] = ()

    def __post_init__(self) -> None:
        for name in ("labels", "patients"):
            object.__setattr__(self, name, frozen(getattr(self, name)))


def load_outcomes(
    path: Path,
    *,
    id_column: str = "case_id",
    outcome_column: str = "outcome",
    outcome_map: Mapping[str, str] | None = None,
) -> Outcomes:
    """Read an outcome table.

    Parameters
    ----------
    path : Path
        Comma-separated UTF-8 table (``.csv`` or ``.csv.gz``), one row per case.
    id_column, outcome_column : str, optional
        Which columns hold the case id and the outcome, so that any table can be used.
    outcome_map : mapping of str to str, optional
        What the cells of the outcome column stand for, for example
        ``{"1": "residual", "0": "complete"}``. Without it the cells must be the words themselves.

    Returns
    -------
    Outcomes
        An empty cell is an unlabelled case.

    Raises
    ------
    PlanError
        ``LABEL_UNKNOWN``, ``LABEL_VOCABULARY``, ``LABEL_CONFLICT``, ``ENDPOINT_MIXED``,
        ``CASE_DUPLICATE``, ``PATIENT_DUPLICATE``; table faults as `load_text_table`.
    CohortError
        ``NO_CASES`` for an empty table.
    """
    table = load_text_table(path)
    table.check_has_rows()
    ids = table.column(id_column)
    for line, text in zip(table.lines, ids, strict=True):
        check_plain(text, where=f"line {line}, column {id_column!r}", file=table.file)
    check_distinct(ids, table.lines, column=id_column, code="CASE_DUPLICATE", file=table.file)

    meanings = dict(outcome_map or {word: word for word in FINE | COARSE})
    _check_vocabulary(set(meanings.values()) if outcome_map else set(), table)
    fixes: list[Note] = []
    labels: dict[str, str | None] = {}
    for case_id, text, line in zip(ids, table.column(outcome_column), table.lines, strict=True):
        labels[case_id] = _label(text, line, outcome_column, meanings, fixes, table)
    _check_vocabulary({label for label in labels.values() if label}, table)

    patients = dict(zip(ids, _patients(table, ids), strict=True))
    _check_conflicts(labels, patients, table)
    endpoint = _endpoint(table, [label is not None for label in labels.values()])
    used = {id_column, outcome_column, "endpoint", "patient_id"}
    notes = (*fixes, *_facts(labels, [c for c in table.columns if c not in used]))
    return Outcomes(labels, endpoint, patients, notes)


def _label(
    text: str,
    line: int,
    column: str,
    meanings: Mapping[str, str],
    fixes: list[Note],
    table: TextTable,
) -> str | None:
    if not text.strip():
        return None
    if text in meanings:
        return meanings[text]
    alike = [word for word in meanings if word.strip().casefold() == text.strip().casefold()]
    if len(alike) == 1:
        found = f"line {line}, column {column!r}: {shown(text)} read as {alike[0]!r}"
        fixes.append(Note(NoteKind.FIX, "LABEL_SPELLING", found, file=table.file.name))
        return meanings[alike[0]]
    numeric = text.strip().lstrip("+-").replace(".", "", 1).isdigit()
    hint = "say what each value stands for with an outcome map (1=residual 0=complete)"
    raise PlanError(
        "LABEL_UNKNOWN",
        f"line {line}, column {column!r}: {shown(text)}",
        expected=f"one of {', '.join(sorted(meanings))}, or an empty cell when not known",
        action=hint if numeric else "correct the cell",
        file=table.file,
    )


def _check_vocabulary(words: set[str], table: TextTable) -> None:
    if words <= FINE or words <= COARSE:
        return
    raise PlanError(
        "LABEL_VOCABULARY",
        f"the outcomes {', '.join(sorted(words))} do not belong to one vocabulary",
        expected=f"only {', '.join(sorted(FINE))}, or only {', '.join(sorted(COARSE))}",
        action="use one vocabulary for the whole table",
        file=table.file,
    )


def _patients(table: TextTable, ids: tuple[str, ...]) -> list[str]:
    if "patient_id" not in table.columns:
        return list(ids)
    stated = table.column("patient_id")
    check_patients(stated, table.lines, file=table.file)
    return [patient or case_id for patient, case_id in zip(stated, ids, strict=True)]


def _check_conflicts(
    labels: Mapping[str, str | None], patients: Mapping[str, str], table: TextTable
) -> None:
    first: dict[str, tuple[str, int]] = {}
    for (case_id, label), line in zip(labels.items(), table.lines, strict=True):
        if label is None:
            continue
        before, before_line = first.setdefault(patients[case_id], (label, line))
        if before != label:
            raise PlanError(
                "LABEL_CONFLICT",
                f"lines {before_line} and {line} are one patient with the outcomes {before!r} "
                f"and {label!r}",
                expected="one outcome for a patient",
                action="correct the outcome or the patient id",
                file=table.file,
            )


def _endpoint(table: TextTable, labelled: list[bool]) -> str:
    if "endpoint" not in table.columns:
        return UNSPECIFIED
    cells = zip(table.column("endpoint"), labelled, table.lines, strict=True)
    first: dict[str, int] = {}
    for text, has_label, line in cells:
        if has_label:
            first.setdefault(text.strip(), line)
    if len(first) > 1:
        (one, here), (other, there), *_ = first.items()
        raise PlanError(
            "ENDPOINT_MIXED",
            f"line {here} has the endpoint {shown(one)}, line {there} {shown(other)}",
            expected="one endpoint in the whole table",
            action="make one table per endpoint",
            file=table.file,
        )
    return next(iter(first), "") or UNSPECIFIED


def _facts(labels: Mapping[str, str | None], ignored: list[str]) -> tuple[Note, ...]:
    notes = []
    unlabelled = sum(label is None for label in labels.values())
    if unlabelled:
        found = f"{unlabelled} of {len(labels)} cases have no outcome and are left out of training"
        notes.append(Note(NoteKind.INFO, "UNLABELLED", found))
    if ignored:
        more = f" and {len(ignored) - 10} more" if len(ignored) > 10 else ""
        found = f"columns not used: {', '.join(shown(c) for c in ignored[:10])}{more}"
        notes.append(Note(NoteKind.INFO, "COLUMNS_IGNORED", found))
    return tuple(notes)
