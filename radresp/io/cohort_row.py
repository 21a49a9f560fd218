"""One row of a cohort table: what its cells address, and every fault in them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from radresp.core import CaseFiles, RegionKey, Roi, Timepoint
from radresp.errors import PlanError
from radresp.io.case_roles import IMAGES, MASKS, SERIES, ImageKey, check_inside
from radresp.io.clinical_columns import check_clinical
from radresp.io.identifiers import CASE_ID, check_case_id, shown
from radresp.io.input_file import is_there
from radresp.io.mask_choice import parse_choice
from radresp.io.series_choice import FORM, SERIES_CHOICE
from radresp.io.text_table import TextTable

EMPTY = "empty"
"""Cell of a mask column: looked for, and not there."""

_NO_PATH = frozenset({"none", "null", "nan", "na", "n/a", "no", "absent", "missing", "-"})


class CellError(PlanError):
    """A fault of a cohort table, with the case and column it lies in where there is one."""

    column: str = ""

    @classmethod
    def of(cls, error: PlanError, case: str = "", column: str = "") -> CellError:
        """The same error, placed."""
        fields = error.fields()
        fields["case"] = case or None
        fault = cls(error.code, error.found, **fields)  # type: ignore[arg-type]
        fault.column = column
        return fault


class Row:
    """One row on its way to a case.

    Parameters
    ----------
    table : TextTable
        The table.
    line : int
        Line the row starts on.
    cells : mapping of str to str
        Text by column.
    root : Path
        Data root, resolved.

    Attributes
    ----------
    faults : list of CellError
        What is wrong, by column.
    files : CaseFiles or None
        What is right; None when the row has no id to go by.
    """

    def __init__(self, table: TextTable, line: int, cells: Mapping[str, str], root: Path) -> None:
        self._table, self._line, self._root = table, line, root
        self.faults: list[CellError] = []
        self._paths: dict[str, Path] = {}
        self._choices: dict[RegionKey, str] = {}
        self._series: dict[ImageKey, str] = {}
        self._clinical: dict[str, str] = {}
        case_id = cells["case_id"]
        named = case_id if CASE_ID.fullmatch(case_id) else ""
        absent = [name for name, text in cells.items() if name in MASKS and text == EMPTY]
        for name, text in cells.items():
            try:
                self._take(name, text, absent, cells)
            except PlanError as error:
                self.faults.append(CellError.of(error, named, name))
        self.files: CaseFiles | None = None
        if named:
            self.files = CaseFiles(
                case_id=case_id,
                patient_key=cells.get("patient_id") or case_id,
                root=root,
                images={IMAGES[n]: path for n, path in self._paths.items() if n in IMAGES},
                masks={MASKS[n]: path for n, path in self._paths.items() if n in MASKS},
                clinical=self._clinical,
                choices=self._choices,
                empty=frozenset(MASKS[name] for name in absent),
                series=self._series,
            )

    def _take(self, name: str, text: str, absent: list[str], cells: Mapping[str, str]) -> None:
        table, line = self._table, self._line
        where = f"line {line}, column {name!r}"
        if name == "case_id":
            check_case_id(text, where=f"line {line}", file=table.file)
        elif name in absent:
            _check_may_be_empty(table, line, name)
        elif name in SERIES:
            if text:
                _check_series(table, line, name, cells)
                self._series[SERIES[name]] = text
        elif name in IMAGES or name in MASKS:
            path, choice = (
                _mask_cell(table, where, text, self._root) if name in MASKS else (text, "")
            )
            if path:
                check_inside(path, self._root, where=where, file=table.file)
                self._paths[name] = self._root / path
            if choice:
                self._choices[MASKS[name]] = choice
        elif name != "patient_id":
            check_clinical(table, line, name, text)
            self._clinical[name] = text


def _check_series(table: TextTable, line: int, name: str, cells: Mapping[str, str]) -> None:
    if not SERIES_CHOICE.fullmatch(cells[name]):
        raise table.cell_fault(line, name, cells[name], expected=FORM)
    column = name.removesuffix("_series")
    if not cells.get(column):
        raise table.fault(
            f"line {line}, column {name!r}: a series without a folder",
            expected=f"a folder in column {column!r}",
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
            action=f"leave the cell empty when nobody drew; write '{EMPTY}' in post_bed or "
            "post_residual when the reader saw none",
        )
    if not mark:
        return path, ""
    if not path or is_there(root / text):
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
    if key.roi in (Roi.BED, Roi.RESIDUAL) and key.timepoint is Timepoint.POST:
        return
    raise table.fault(
        f"line {line}, column {name!r}: '{EMPTY}'",
        expected=f"a path; only bed and residual after treatment can be '{EMPTY}'",
        action="leave the cell empty when nobody drew the region",
    )
