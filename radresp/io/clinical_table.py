"""Clinical tables: the clinical columns of any table, checked, by case.

What: takes the columns of `radresp.io.clinical_columns` out of a table and refuses what a cohort
table would refuse. A cohort table is one such table: its paths are left alone. Reader call and
reference, which labels come from, are also read row by row (`Axes`), or of one case
(`reference_of`).
Source: the schema of ``docs/reference/clinical.md`` 3.3; fault catalogue C14 and C15.
When: joining covariates to features that were extracted elsewhere; reading outcomes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from radresp.core import (
    BY_FOLLOW_UP,
    BY_PATHOLOGY,
    Endpoint,
    Note,
    NoteKind,
    Reference,
    ReferenceKind,
    kind_of,
)
from radresp.core.frozen import frozen
from radresp.errors import PlanError
from radresp.io.case_roles import IMAGES, MASKS, SERIES
from radresp.io.clinical_columns import CLINICAL, MISSING, OWN_PREFIX, check_clinical
from radresp.io.identifiers import check_distinct, check_plain, shown
from radresp.io.text_table import TextTable, load_text_table, nearest

_ADDRESSES = frozenset({"case_id", "patient_id", *IMAGES, *SERIES, *MASKS})
_LISTED = 10
_AXES = (
    "reader_call",
    "reference",
    "reference_kind",
    "ypT",
    "ypN",
    "months_followup",
    "months_to_regrowth",
    "pseudo_residual_type",
    "residual_fraction",
)
"""What labels are derived and grouped by."""


@dataclass(frozen=True, slots=True)
class ClinicalTable:
    """Clinical values as text, by case.

    Parameters
    ----------
    cells : mapping of str to (mapping of str to str)
        Case id to column to cell. The cells of every case have the same columns; those in
        `radresp.io.MISSING` are not known.
    notes : tuple of Note
        Which columns were left out.
    """

    cells: Mapping[str, Mapping[str, str]]
    notes: tuple[Note, ...] = ()

    def __post_init__(self) -> None:
        cells = {case: frozen(row) for case, row in self.cells.items()}
        object.__setattr__(self, "cells", frozen(cells))


def load_clinical(path: Path, id_column: str = "case_id") -> ClinicalTable:
    """Read the clinical columns of a table.

    Parameters
    ----------
    path : Path
        Comma-separated UTF-8 table (``.csv`` or ``.csv.gz``), one row per case; a cohort table too.
    id_column : str, default "case_id"
        Which column holds the case id.

    Returns
    -------
    ClinicalTable
        Columns of a cohort table that are not clinical are left out silently, unknown ones with a
        note.

    Raises
    ------
    PlanError
        ``CLINICAL_RANGE`` or ``CSV_FORMAT`` with line and column; ``CASE_DUPLICATE``; table faults
        as `load_text_table`.
    CohortError
        ``NO_CASES`` for an empty table.
    """
    table = load_text_table(path)
    table.check_has_rows()
    ids = table.column(id_column)
    for line, text in zip(table.lines, ids, strict=True):
        check_plain(text, where=f"line {line}, column {id_column!r}", file=table.file)
    check_distinct(ids, table.lines, column=id_column, code="CASE_DUPLICATE", file=table.file)
    names = [name for name in table.columns if name in CLINICAL and name != id_column]
    if not names:
        raise table.fault(
            "line 1: no clinical column", expected=f"at least one of {', '.join(CLINICAL)}"
        )
    cells: dict[str, dict[str, str]] = {}
    for case_id, (line, row) in zip(ids, table.records(), strict=True):
        for name in names:
            check_clinical(table, line, name, row[name])
        cells[case_id] = {name: row[name] for name in names}
    return ClinicalTable(cells, _ignored(table, id_column))


def _ignored(table: TextTable, id_column: str) -> tuple[Note, ...]:
    known = {id_column, *_ADDRESSES, *CLINICAL}
    left = [c for c in table.columns if c not in known and not c.startswith(OWN_PREFIX)]
    if not left:
        return ()
    names = ", ".join(shown(c) + nearest(c, CLINICAL, cutoff=0.8) for c in left[:_LISTED])
    more = f" and {len(left) - _LISTED} more" if len(left) > _LISTED else ""
    found = f"columns not used: {names}{more}"
    return (Note(NoteKind.INFO, "COLUMNS_IGNORED", found, file=table.file.name),)


@dataclass(frozen=True, slots=True)
class Axes:
    """What the team saw and what was later found, row by row of any table.

    Parameters
    ----------
    table : TextTable
        The table.
    ids : tuple of str
        Case id of each row.
    rows : tuple of dict
        For each row a cell for every column of the two axes, empty where it is not known.
    used : frozenset of str
        The columns of the table that were read.
    """

    table: TextTable
    ids: tuple[str, ...]
    rows: tuple[dict[str, str], ...]
    used: frozenset[str]

    def known(self, column: str) -> dict[str, str]:
        """Case id to cell, where it is known."""
        return {c: row[column] for c, row in zip(self.ids, self.rows, strict=True) if row[column]}

    def kinds(self) -> dict[str, ReferenceKind]:
        """Case id to how the truth was verified: as stated, else as the reference implies."""
        found = {}
        for case_id, row in zip(self.ids, self.rows, strict=True):
            if row["reference_kind"]:
                found[case_id] = ReferenceKind(row["reference_kind"])
            elif row["reference"]:
                found[case_id] = kind_of(row["reference"], row["ypN"])
        return found

    def references(self) -> list[Reference | None]:
        """The reference of each row; None where there is none.

        Raises
        ------
        PlanError
            ``LABEL_CONFLICT`` with line and case when cells of a row contradict each other.
        """
        rows = zip(self.table.lines, self.ids, self.rows, strict=True)
        return [_placed(self.table, *row) for row in rows]

    def implied_endpoint(self) -> Endpoint:
        """The only endpoint the references allow: all by pathology, or all by follow-up.

        Raises
        ------
        PlanError
            ``ENDPOINT_MIXED`` when both kinds are there, with the count of each.
        """
        words = self.known("reference").values()
        by_pathology = sum(word in BY_PATHOLOGY for word in words)
        by_follow_up = sum(word in BY_FOLLOW_UP for word in words)
        if by_pathology and by_follow_up:
            raise PlanError(
                "ENDPOINT_MIXED",
                f"{by_pathology} references by pathology and {by_follow_up} by follow-up",
                expected="one endpoint for the whole table",
                action=f"choose {Endpoint.PCR} (pathology), {Endpoint.SUSTAINED_CCR_24M} "
                f"(follow-up) or, for the mix of both, {Endpoint.COMPLETE_RESPONSE}",
                file=self.table.file,
            )
        return Endpoint.SUSTAINED_CCR_24M if by_follow_up else Endpoint.PCR


def read_axes(table: TextTable, ids: tuple[str, ...], *, strict: bool) -> Axes:
    """Read the columns of reader call and reference.

    Parameters
    ----------
    table : TextTable
        Any table.
    ids : tuple of str
        Case id of each row.
    strict : bool
        Whether a wrong cell is refused. Otherwise its whole column is left alone, for it may be
        somebody else's of the same name.

    Raises
    ------
    PlanError
        As `check_clinical`, when strict.
    """
    names = [name for name in _AXES if name in table.columns]
    if strict:
        for line, row in table.records():
            for name in names:
                check_clinical(table, line, name, row[name])
    else:
        names = [n for n in names if not any(map(CLINICAL[n].fault, table.column(n)))]
    rows = tuple(_known({name: row[name] for name in names}) for _, row in table.records())
    return Axes(table, ids, rows, frozenset(names))


def reference_of(cells: Mapping[str, str]) -> Reference | None:
    """The reference in the clinical cells of one case; None where there is none.

    Parameters
    ----------
    cells : mapping of str to str
        Column to cell, each right by itself (`check_clinical`); other columns are not looked at.

    Raises
    ------
    PlanError
        ``LABEL_CONFLICT`` when cells contradict each other.

    Examples
    --------
    >>> reference_of({"reference": "ypT0N+", "ypT": "0", "ypN": "1a", "age_years": "61"}).word
    'ypT0N+'
    """
    row = _known(cells)
    if not row["reference"]:
        return None
    followed, regrown = row["months_followup"], row["months_to_regrowth"]
    return Reference(
        word=row["reference"],
        kind=row["reference_kind"],
        yp_t=row["ypT"],
        yp_n=row["ypN"],
        months_followup=float(followed) if followed else None,
        months_to_regrowth=float(regrown) if regrown else None,
        tissue=row["pseudo_residual_type"],
    )


def _known(cells: Mapping[str, str]) -> dict[str, str]:
    """A cell for every column of the two axes, empty where it is not known."""
    return {n: "" if cells.get(n, "") in MISSING else cells[n] for n in _AXES}


def _placed(table: TextTable, line: int, case_id: str, row: Mapping[str, str]) -> Reference | None:
    try:
        return reference_of(row)
    except PlanError as error:
        raise PlanError(
            error.code,
            f"line {line}: {error.found}",
            expected=error.expected,
            action=error.action,
            case=case_id,
            file=table.file,
        ) from None
