"""Read a cohort table. Addresses only; no image is opened.

A cohort table is comma-separated text: ``case_id``, optionally ``patient_id``, image columns such
as ``pre_t2`` and ``post_dwi``, mask columns such as ``pre_tumour`` (drawn on the T2) or
``post_adc_bed`` (drawn on the ADC), and clinical columns. Paths are relative to the table's
folder, the data root, and never leave it. A path that does not exist is no fault of the table:
that case alone is refused later.

A mask cell is ``path`` or ``path#choice``, the choice naming one outline of the file
(`radresp.io.mask_choice`). ``empty`` in a residual column of the post visit says that somebody
looked and saw none; an empty cell says that nobody drew.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from radresp.core import CaseFiles, Note, RegionKey, Roi, Timepoint
from radresp.errors import PlanError
from radresp.io.case_roles import IMAGES, MASKS, check_inside
from radresp.io.clinical_columns import CLINICAL, OWN_PREFIX
from radresp.io.identifiers import (
    check_case_id,
    check_distinct,
    check_patients,
    privacy_notes,
    shown,
)
from radresp.io.mask_choice import parse_choice
from radresp.io.text_table import TextTable, load_text_table, nearest

EMPTY = "empty"
"""Cell of a mask column: looked for, and not there."""

_NO_PATH = frozenset({"none", "null", "nan", "na", "n/a", "no", "absent", "missing", "-"})


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
    """Read a cohort table.

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
    table = load_text_table(path)
    table.check_has_rows()
    _check_columns(table)
    root = Path(os.path.realpath(table.file.parent if root is None else root))
    cases = tuple(_case(table, line, cells, root) for line, cells in table.records())
    ids = [case.case_id for case in cases]
    check_distinct(ids, table.lines, column="case_id", code="CASE_DUPLICATE", file=table.file)
    _check_patients(table)
    notes = privacy_notes(ids, table.lines, column="case_id")
    if "patient_id" in table.columns:
        notes += privacy_notes(table.column("patient_id"), table.lines, column="patient_id")
    return Cohort(cases, notes, root)


def _check_columns(table: TextTable) -> None:
    table.check_has("case_id")
    known = ("case_id", "patient_id", *IMAGES, *MASKS, *CLINICAL)
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


def _check_patients(table: TextTable) -> None:
    if "patient_id" in table.columns:
        check_patients(table.column("patient_id"), table.lines, file=table.file)


def _case(table: TextTable, line: int, cells: Mapping[str, str], root: Path) -> CaseFiles:
    check_case_id(cells["case_id"], where=f"line {line}", file=table.file)
    paths: dict[str, Path] = {}
    choices: dict[RegionKey, str] = {}
    clinical: dict[str, str] = {}
    absent = [name for name, text in cells.items() if name in MASKS and text == EMPTY]
    for name, text in cells.items():
        if name in absent:
            _check_may_be_empty(table, line, name)
        elif name in IMAGES or name in MASKS:
            where = f"line {line}, column {name!r}"
            path, choice = _mask_cell(table, where, text, root) if name in MASKS else (text, "")
            if path:
                check_inside(path, root, where=where, file=table.file)
                paths[name] = root / path
            if choice:
                choices[MASKS[name]] = choice
        elif name not in ("case_id", "patient_id"):
            _check_clinical(table, line, name, text)
            clinical[name] = text
    return CaseFiles(
        case_id=cells["case_id"],
        patient_key=cells.get("patient_id") or cells["case_id"],
        root=root,
        images={IMAGES[name]: path for name, path in paths.items() if name in IMAGES},
        masks={MASKS[name]: path for name, path in paths.items() if name in MASKS},
        clinical=clinical,
        choices=choices,
        empty=frozenset(MASKS[name] for name in absent),
    )


def _mask_cell(table: TextTable, where: str, text: str, root: Path) -> tuple[str, str]:
    """Path and choice of a mask cell; the choice is empty when the cell is a path alone."""
    path, mark, choice = text.partition("#")
    path, choice = path.rstrip(), choice.strip()
    found = f"{where}: {shown(text)}"
    if text.casefold() in _NO_PATH or text.casefold() == EMPTY:
        raise table.fault(
            found,
            expected="a path",
            action=f"leave the cell empty when nobody drew; write '{EMPTY}' in a post_residual "
            "column when the reader saw no residual",
        )
    if not mark:
        return path, ""
    if not path or (root / text).exists():
        raise table.fault(
            found,
            expected="a path without '#', and behind '#' which outline of the file is meant",
            action="rename the file" if path else "name the file before '#'",
        )
    try:
        parse_choice(choice)
    except PlanError as error:
        raise PlanError(
            "MASK_CHOICE", f"{where}: {error.found}", expected=error.expected, file=table.file
        ) from None
    return path, choice


def _check_may_be_empty(table: TextTable, line: int, name: str) -> None:
    key = MASKS[name]
    if key.roi is Roi.RESIDUAL and key.timepoint is Timepoint.POST:
        return
    raise table.fault(
        f"line {line}, column {name!r}: '{EMPTY}'",
        expected=f"a path; only a residual after treatment can be '{EMPTY}'",
        action="leave the cell empty when nobody drew the region",
    )


def _check_clinical(table: TextTable, line: int, name: str, text: str) -> None:
    fault = CLINICAL[name].fault(text) if name in CLINICAL else None
    if fault is None:
        return
    code, expected = fault
    if code == "CSV_FORMAT":
        raise table.cell_fault(line, name, text, expected=expected)
    raise PlanError(
        code,
        f"line {line}, column {name!r}: {shown(text)}",
        expected=expected,
        action="correct the cell, or leave it empty when not known",
        file=table.file,
    )
