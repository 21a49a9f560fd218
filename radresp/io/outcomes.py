"""Outcome tables: what was later found for each case, in one vocabulary and for one endpoint.

Two vocabularies are accepted, never mixed: the fine one says what the treated bed held (fibrosis,
inflammation or residual tumour), the coarse one only complete or residual. Numbers such as 0/1
mean nothing until the caller says what they stand for.

A table without outcomes gets them from its column ``reference``, for one endpoint
(`radresp.io.references`); see ``docs/reference/endpoints.md``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from radresp.core import Composite, Endpoint, Note, NoteKind, ReferenceKind, composite
from radresp.core.frozen import frozen
from radresp.errors import PlanError
from radresp.io.clinical_table import Axes, read_axes
from radresp.io.identifiers import check_distinct, check_patients, check_plain, shown
from radresp.io.references import (
    COARSE,
    FINE,
    RESIDUAL,
    UNSPECIFIED,
    Labels,
    Said,
    contradicts_fraction,
    derive_labels,
    hold_labels,
    stated_endpoint,
    stated_endpoints,
)
from radresp.io.text_table import TextTable, load_text_table

_OUTCOME = "outcome"


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
    reader_calls : mapping of str to str
        Case id to cCR, nCR, iCR or not_assessed, where the table says so.
    reference_kinds : mapping of str to ReferenceKind
        Case id to how the truth was verified, as stated or as the reference implies, where known.
    composites : mapping of str to Composite
        Case id to what call and label make together, where both are known.
    residual_fractions : mapping of str to float
        Case id to the share of the treated bed that is tumour, 0-1, where the table says so.
    stated_endpoint : str
        The word of the column ``endpoint``, which an endpoint chosen by the caller replaces; empty
        when there is none.
    """

    labels: Mapping[str, str | None]
    endpoint: str
    patients: Mapping[str, str]
    notes: tuple[Note, ...] = ()
    reader_calls: Mapping[str, str] = field(default_factory=dict)
    reference_kinds: Mapping[str, ReferenceKind] = field(default_factory=dict)
    composites: Mapping[str, Composite] = field(default_factory=dict)
    residual_fractions: Mapping[str, float] = field(default_factory=dict)
    stated_endpoint: str = ""

    def __post_init__(self) -> None:
        for one in fields(self):
            if isinstance(getattr(self, one.name), Mapping):
                object.__setattr__(self, one.name, frozen(getattr(self, one.name)))


def load_outcomes(
    path: Path,
    *,
    id_column: str = "case_id",
    outcome_column: str = _OUTCOME,
    outcome_map: Mapping[str, str] | None = None,
    endpoint: Endpoint | str | None = None,
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
    endpoint : Endpoint or str, optional
        What "complete response" has to mean. Without a column ``outcome`` the labels are derived
        for it from the column ``reference``; beside an outcome column the references must agree
        with the outcomes, and a reference that settles nothing for this endpoint unlabels its case.

    Returns
    -------
    Outcomes
        An empty cell is an unlabelled case, and so is a reference that settles nothing.

    Raises
    ------
    PlanError
        ``LABEL_UNKNOWN``, ``LABEL_VOCABULARY``, ``LABEL_CONFLICT``, ``ENDPOINT_MIXED``,
        ``ENDPOINT_UNKNOWN``, ``CASE_DUPLICATE``, ``PATIENT_DUPLICATE``, ``CLINICAL_RANGE``; table
        faults as `load_text_table`.
    CohortError
        ``NO_CASES`` for an empty table.
    """
    chosen = None if endpoint is None else Endpoint(endpoint)
    table = load_text_table(path)
    table.check_has_rows()
    ids = _ids(table, id_column)
    named = outcome_column != _OUTCOME or outcome_map is not None or _OUTCOME in table.columns
    derive = not named and (chosen is not None or "reference" in table.columns)
    if derive:
        table.check_has("reference")
    axes = read_axes(table, ids, strict=derive or chosen is not None)
    if derive:
        said = derive_labels(axes, chosen)
    else:
        said = _take(axes, outcome_column, outcome_map, chosen)
    patients = dict(zip(ids, _patients(table, ids), strict=True))
    _check_conflicts(said.labels, patients, table)
    used = {id_column, outcome_column, "endpoint", "patient_id", *axes.used}
    stated = [word for word in stated_endpoints(table, [True] * len(ids)) if word]
    calls = axes.known("reader_call")
    made = {case: _composite(call, said.labels[case]) for case, call in calls.items()}
    return Outcomes(
        said.labels,
        said.endpoint,
        patients,
        (*said.notes, *_facts(said, [c for c in table.columns if c not in used])),
        reader_calls=calls,
        reference_kinds=axes.kinds(),
        composites={case: word for case, word in made.items() if word is not None},
        residual_fractions=_fractions(axes, said.labels),
        stated_endpoint=stated[0] if len(stated) == 1 else "",
    )


def _ids(table: TextTable, column: str) -> tuple[str, ...]:
    ids = table.column(column)
    for line, text in zip(table.lines, ids, strict=True):
        check_plain(text, where=f"line {line}, column {column!r}", file=table.file)
    check_distinct(ids, table.lines, column=column, code="CASE_DUPLICATE", file=table.file)
    return ids


def _take(
    axes: Axes, column: str, outcome_map: Mapping[str, str] | None, chosen: Endpoint | None
) -> Said:
    """Labels of the outcome column, held against the references when an endpoint is chosen."""
    table = axes.table
    meanings = dict(outcome_map or {word: word for word in FINE | COARSE})
    _check_vocabulary(set(meanings.values()) if outcome_map else set(), table)
    fixes: list[Note] = []
    labels: Labels = {}
    for case_id, text, line in zip(axes.ids, table.column(column), table.lines, strict=True):
        labels[case_id] = _label(text, line, column, meanings, fixes, table)
    _check_vocabulary({label for label in labels.values() if label}, table)
    if chosen is None:
        labelled = [label is not None for label in labels.values()]
        return Said(labels, stated_endpoint(table, labelled), Counter(), fixes)
    referred = axes.known("reference")
    alone = [label is not None and case not in referred for case, label in labels.items()]
    _check_stated(stated_endpoint(table, alone), chosen, table)
    return hold_labels(axes, labels, chosen, fixes)


def _fractions(axes: Axes, labels: Labels) -> dict[str, float]:
    """Residual fractions; none above 0 where no tumour was left."""
    table, found = axes.table, axes.known("residual_fraction")
    fractions = {case: float(cell) for case, cell in found.items()}
    for case, line in zip(axes.ids, table.lines, strict=True):
        label, fraction = labels[case], fractions.get(case, 0.0)
        if contradicts_fraction(label, fraction):
            raise PlanError(
                "LABEL_CONFLICT",
                f"line {line}: the outcome is {label!r}, the residual fraction {fraction:g}",
                expected="a fraction of 0 where no tumour was left",
                action="correct the outcome or the fraction",
                file=table.file,
                case=case,
            )
    return fractions


def _composite(reader_call: str, label: str | None) -> Composite | None:
    return composite(reader_call, None if label is None else int(label == RESIDUAL))


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


def _check_stated(stated: str, chosen: Endpoint, table: TextTable) -> None:
    """Without references nothing could turn outcomes of one endpoint into those of another."""
    if stated not in (UNSPECIFIED, chosen):
        raise PlanError(
            "ENDPOINT_MIXED",
            f"the table has outcomes of the endpoint {shown(stated)}, {chosen} was chosen",
            expected="one endpoint, or a column 'reference' to derive it from",
            file=table.file,
        )


def _facts(said: Said, ignored: list[str]) -> tuple[Note, ...]:
    notes = []
    unlabelled = sum(label is None for label in said.labels.values())
    if unlabelled:
        why = ", ".join(f"{n} {reason}" for reason, n in sorted(said.unsettled.items()))
        found = (
            f"{unlabelled} of {len(said.labels)} cases have no outcome and are left out of training"
        )
        notes.append(Note(NoteKind.INFO, "UNLABELLED", found + (f": {why}" if why else "")))
    if ignored:
        more = f" and {len(ignored) - 10} more" if len(ignored) > 10 else ""
        found = f"columns not used: {', '.join(shown(c) for c in ignored[:10])}{more}"
        notes.append(Note(NoteKind.INFO, "COLUMNS_IGNORED", found))
    return tuple(notes)
