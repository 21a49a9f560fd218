"""Read a cohort table. Addresses only; no image is opened.

A cohort table is comma-separated text: ``case_id``, optionally ``patient_id``, image columns such
as ``pre_t2`` and ``post_dwi``, series columns such as ``pre_t2_series`` (which series of that
folder, where it holds several; see `radresp.io.series_choice`), mask columns such as
``pre_tumour`` (drawn on the T2) or ``post_adc_bed`` (drawn on the ADC), and clinical columns.
Paths are relative to the table's folder, the data root, and never leave it. A path that does not
exist is no fault of the table: that case alone is refused later.

A mask cell is ``path`` or ``path#choice``, the choice naming one outline of the file
(`radresp.io.mask_choice`). ``empty`` in post_bed or post_residual says that somebody
looked and saw none; an empty cell says that nobody drew.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from radresp.core import CaseFiles, Note, RegionKey
from radresp.errors import PlanError
from radresp.io.case_roles import IMAGES, MASKS, SERIES
from radresp.io.clinical_columns import CLINICAL, OWN_PREFIX
from radresp.io.cohort_row import CellError, Row
from radresp.io.identifiers import check_patients, folded, privacy_notes, repeated, shown
from radresp.io.text_table import TextTable, load_text_table, nearest


@dataclass(frozen=True, slots=True)
class Cohort:
    """The cases of a table.

    Parameters
    ----------
    cases : tuple of CaseFiles
        In the order of the table; at least one.
    notes : tuple of Note
        What was noticed about the table as a whole.
    root : Path
        Data root: the folder of the table, with symbolic links resolved.
    """

    cases: tuple[CaseFiles, ...]
    notes: tuple[Note, ...]
    root: Path


def load_cohort(path: Path, root: Path | None = None) -> Cohort:
    """Read a cohort table, or refuse it for the first fault in it.

    Parameters
    ----------
    path : Path
        Comma-separated UTF-8 table.
    root : Path, optional
        Data root the table's paths are relative to and may not leave; the table's own folder
        when not given.

    Returns
    -------
    Cohort
        One `CaseFiles` per row. An empty cell means absent.

    Raises
    ------
    PlanError
        ``CSV_FORMAT``, ``CSV_TOO_LARGE``, ``MISSING_FILE``, ``NOT_A_FILE``, ``CASE_ID``,
        ``CASE_DUPLICATE``, ``PATIENT_DUPLICATE``, ``PATH_OUTSIDE_ROOT``, ``CLINICAL_RANGE``.
    CohortError
        ``NO_CASES`` for an empty table.
    """
    cohort, faults = read_cohort(path, root)
    for fault in faults:
        raise fault
    return cohort


def read_cohort(path: Path, root: Path | None = None) -> tuple[Cohort, tuple[CellError, ...]]:
    """Read what can be read of a cohort table, with every fault of its cells.

    Parameters are those of `load_cohort`.

    Returns
    -------
    Cohort, tuple of CellError
        Cells at fault are left out, and rows that have no id of their own. The faults are what
        `load_cohort` would raise, in the order of the table.

    Raises
    ------
    PlanError
        When the table as a whole cannot be read.
    CohortError
        ``NO_CASES`` for an empty table.
    """
    table = load_text_table(path)
    table.check_has_rows()
    _check_columns(table)
    root = Path(os.path.realpath(table.file.parent if root is None else root))
    rows = [Row(table, line, cells, root) for line, cells in table.records()]
    faults = [fault for row in rows for fault in row.faults]
    ids = table.column("case_id")
    again = tuple(
        repeated(ids, table.lines, column="case_id", code="CASE_DUPLICATE", file=table.file)
    )
    faults += [CellError.of(fault) for fault in again]
    faults += _patient_faults(table)
    notes = privacy_notes(ids, table.lines, column="case_id")
    if "patient_id" in table.columns:
        notes += privacy_notes(table.column("patient_id"), table.lines, column="patient_id")
    named: dict[str, CaseFiles] = {}
    for row in rows:
        if row.files is not None:
            named.setdefault(folded(row.files.case_id), row.files)
    return Cohort(tuple(named.values()), notes, root), tuple(faults)


def _check_columns(table: TextTable) -> None:
    table.check_has("case_id")
    known = ("case_id", "patient_id", *IMAGES, *SERIES, *MASKS, *CLINICAL)
    for place, name in enumerate(table.columns, start=1):
        if name not in known and not name.startswith(OWN_PREFIX):
            raise table.fault(
                f"line 1, column {place}: unknown column {shown(name)}{nearest(name, known)}",
                expected="a column of the cohort table",
                action=f"correct it, or call it {OWN_PREFIX}... to carry it along; outcomes stand "
                "in a table of their own",
            )
    if not IMAGES.keys() & set(table.columns):
        raise table.fault(
            "line 1: no image column", expected=f"at least one of {', '.join(IMAGES)}"
        )
    meaning: dict[RegionKey, str] = {}
    for name in table.columns:
        if name in MASKS and meaning.setdefault(MASKS[name], name) != name:
            raise table.fault(
                f"line 1: columns {meaning[MASKS[name]]!r} and {name!r} mean the same mask",
                expected="one column for a mask",
            )


def _patient_faults(table: TextTable) -> list[CellError]:
    if "patient_id" not in table.columns:
        return []
    try:
        check_patients(table.column("patient_id"), table.lines, file=table.file)
    except PlanError as error:
        return [CellError.of(error)]
    return []
