"""Treatment dates: a small table that says when each patient was treated.

Columns: ``patient_id`` as in the DICOM headers, or ``case_id`` as `radresp index` names cases;
``treatment_start`` and ``treatment_end`` as YYYY-MM-DD, either of which may be empty. The patient
ids are hashed as they are read and kept nowhere.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

from radresp.errors import PlanError
from radresp.io.clinical_columns import MISSING, ClinicalColumn
from radresp.io.identifiers import check_distinct, check_plain
from radresp.io.pseudonym import case_name, keyed_hash
from radresp.io.text_table import TextTable, load_text_table

_DATES = ("treatment_start", "treatment_end")
_DAY = ClinicalColumn("date", "covariate", "a day", is_date=True)

TreatmentDates = tuple[date | None, date | None]


def load_treatment(path: Path, key: bytes) -> dict[str, TreatmentDates]:
    """Read treatment dates by case id.

    Parameters
    ----------
    path : Path
        Comma-separated UTF-8 table.
    key : bytes
        Of the project, which names the cases.

    Returns
    -------
    dict
        Case id to first and last day of treatment.

    Raises
    ------
    PlanError
        ``CSV_FORMAT``, ``CLINICAL_RANGE`` (also for an end before its start), ``CASE_DUPLICATE``
        and the faults of `radresp.io.text_table.load_text_table`. No message repeats an id.
    CohortError
        ``NO_CASES``.
    """
    table = load_text_table(path)
    table.check_has_rows()
    column = "patient_id" if "patient_id" in table.columns else "case_id"
    table.check_has(column)
    if not set(_DATES) & set(table.columns):
        raise table.fault("line 1: no date column", expected=" or ".join(_DATES))
    names = [_name(table, line, text, column, key) for line, text in _cells(table, column)]
    check_distinct(names, table.lines, column=column, code="CASE_DUPLICATE", file=table.file)
    return {
        name: _dates(table, line, cells)
        for name, (line, cells) in zip(names, table.records(), strict=True)
    }


def _cells(table: TextTable, column: str) -> list[tuple[int, str]]:
    return list(zip(table.lines, table.column(column), strict=True))


def _name(table: TextTable, line: int, text: str, column: str, key: bytes) -> str:
    check_plain(text, where=f"line {line}, column {column!r}", file=table.file)
    if column == "case_id":
        return text
    # Headers are compared byte by byte, see radresp.io.dicom_header.
    return case_name(keyed_hash(key, text.encode().decode("latin-1")))


def _dates(table: TextTable, line: int, cells: dict[str, str]) -> TreatmentDates:
    found: list[date | None] = []
    for column in _DATES:
        text = cells.get(column, "")
        fault = _DAY.fault(text)
        if fault is not None:
            raise PlanError(
                fault[0],
                f"line {line}, column {column!r}: not a day of treatment",
                expected=fault[1],
                file=table.file,
            )
        found.append(None if text in MISSING else date.fromisoformat(text))
    start, end = found
    if start is not None and end is not None and end < start:
        raise PlanError(
            "CLINICAL_RANGE",
            f"line {line}: the treatment ends before it starts",
            expected="an end after the start",
            file=table.file,
        )
    return start, end
