"""Feature tables: the same numbers as Parquet and as CSV, and any such table read back.

Numbers are written to CSV so that they read back to the last bit. Missing is an empty cell; an
infinite number, an id or a case that stands twice is refused. CSV is read as strictly as every
other table here; nothing is inferred from the look of a cell.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from radresp.core import FeatureRow
from radresp.errors import CohortError, PlanError
from radresp.io import atomic
from radresp.io.identifiers import check_distinct, check_plain, shown
from radresp.io.text_table import MAX_ROWS, NUMBER, TextTable, load_text_table, write_lines

ID_COLUMN = "case_id"
MISSING = frozenset({"", "NA", "NaN", "nan"})
"""Cells that mean "no value": empty, and what R and Python write for it."""
MAX_VALUES = 20_000_000
"""Largest table read from Parquet, in cells."""
_INFINITE = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)
_ENOUGH_TO_TELL = 5
"""Two cases agreeing in this many numbers with decimals, and differing in none, are one case."""


def save_features(rows: Iterable[FeatureRow], folder: Path) -> tuple[Path, Path]:
    """Write ``features.parquet`` and ``features.csv`` with the same content.

    Parameters
    ----------
    rows : iterable of FeatureRow
        At least one; all with the same feature names in the same order. Written in this order.
    folder : Path
        Where to.

    Returns
    -------
    tuple of Path
        The Parquet and the CSV file.

    Raises
    ------
    CohortError
        ``NO_CASES`` without rows.
    PlanError
        ``CASE_DUPLICATE``; ``FEATURE_SCHEMA`` when the names differ between cases.
    OutputError
        When a file cannot be written.
    """
    parquet, text = folder / "features.parquet", folder / "features.csv"
    ids, names, values = _gathered(rows, parquet)
    places = range(1, len(ids) + 1)
    check_distinct(ids, places, column=ID_COLUMN, code="CASE_DUPLICATE", file=parquet)

    columns = {ID_COLUMN: pa.array(ids, pa.string())}
    columns |= {
        name: pa.array(values[:, i], pa.float64(), from_pandas=True) for i, name in enumerate(names)
    }
    with atomic.replacing(parquet) as temp:
        pq.write_table(pa.table(columns), temp)
    lines = ([case, *map(_cell, row)] for case, row in zip(ids, values, strict=True))
    write_lines(text, itertools.chain([[ID_COLUMN, *names]], lines))
    return parquet, text


def load_features(
    path: Path, *, id_column: str = ID_COLUMN, drop: Sequence[str] = ()
) -> pd.DataFrame:
    """Read a feature table of any origin.

    Parameters
    ----------
    path : Path
        ``.csv``, ``.csv.gz`` (comma, UTF-8) or ``.parquet``; one row per case.
    id_column : str, optional
        Column of the case ids, read as text exactly as they stand.
    drop : sequence of str, optional
        Columns to leave out, such as outcomes or text.

    Returns
    -------
    pandas.DataFrame
        Float columns in the order of the table; the index is the id. Missing is NaN.

    Raises
    ------
    PlanError
        ``CSV_FORMAT`` naming line and column, ``CASE_DUPLICATE``, ``ROW_DUPLICATE`` when two
        cases hold the same numbers, ``FEATURE_INFINITE``; ``TABLE_FORMAT`` for another kind of
        file; table faults as `load_text_table`.
    CohortError
        ``NO_CASES`` for an empty table.
    """
    path = Path(path)
    if path.name.endswith((".csv", ".csv.gz")):
        frame, lines = _from_text(load_text_table(path), id_column, drop)
    elif path.suffix == ".parquet":
        frame, lines = _from_parquet(path, id_column, drop)
    else:
        raise _table_format(path, f"a table called {path.name}")
    _check_frame(frame, lines, id_column, path)
    return frame


def _gathered(
    rows: Iterable[FeatureRow], file: Path
) -> tuple[list[str], list[str], NDArray[np.float64]]:
    """Case ids, feature names and values (cases, features): a cohort is too large for its rows."""
    ids: list[str] = []
    names: list[str] = []
    values: list[NDArray[np.float64]] = []
    for row in rows:
        if not ids:
            names = list(row.values)
        elif list(row.values) != names:
            raise _other_features(ids[0], names, row, file)
        ids.append(row.case_id)
        values.append(np.array(list(row.values.values()), dtype=float))
    if not ids:
        raise CohortError("NO_CASES", "there is no case to write", expected="at least one")
    if ID_COLUMN in names:
        raise PlanError("FEATURE_SCHEMA", f"a feature is called {ID_COLUMN!r}", file=file)
    return ids, names, np.stack(values)


def _other_features(first: str, names: list[str], row: FeatureRow, file: Path) -> PlanError:
    differing = sorted(set(names) ^ set(row.values))
    what = f"{differing[0]!r} is in one only" if differing else "their order differs"
    return PlanError(
        "FEATURE_SCHEMA",
        f"the features of {first} and {row.case_id} differ: {what}",
        expected="the same features in the same order for every case",
        action="extract all cases with one plan",
        file=file,
    )


def _cell(value: float) -> str:
    return "" if np.isnan(value) else repr(float(value))


def _from_text(
    table: TextTable, id_column: str, drop: Sequence[str]
) -> tuple[pd.DataFrame, tuple[int, ...]]:
    table.check_has_rows()
    names = _kept(table, id_column, drop)
    cells = dict(zip(table.columns, zip(*table.rows, strict=True), strict=True))
    values = {name: _numbers(cells[name], name, table) for name in names}
    frame = pd.DataFrame(values, index=pd.Index(cells[id_column], name=id_column), dtype=float)
    return frame, table.lines


def _kept(table: TextTable, id_column: str, drop: Sequence[str]) -> list[str]:
    for name in (id_column, *drop):
        table.check_has(name)
    names = [name for name in table.columns if name != id_column and name not in drop]
    if not names:
        raise table.fault("line 1: there is no feature column", expected="at least one")
    return names


def _numbers(cells: tuple[str, ...], name: str, table: TextTable) -> NDArray[np.float64]:
    values = np.full(len(cells), np.nan)
    for row, text in enumerate(cells):
        if text in MISSING:
            continue
        if not (NUMBER.fullmatch(text) or _INFINITE.fullmatch(text)):
            expected = "a number, or an empty cell; a column of text can be dropped"
            raise table.cell_fault(table.lines[row], name, text, expected=expected)
        values[row] = float(text)
    return values


def _from_parquet(
    path: Path, id_column: str, drop: Sequence[str]
) -> tuple[pd.DataFrame, tuple[int, ...]]:
    if not path.is_file():
        code = "NOT_A_FILE" if path.exists() else "MISSING_FILE"
        raise PlanError(code, "no table file here", expected="a .parquet file", file=path)
    try:
        with pq.ParquetFile(path) as source:
            size = source.metadata.num_rows * source.metadata.num_columns
            if source.metadata.num_rows > MAX_ROWS or size > MAX_VALUES:
                raise PlanError(
                    "CSV_TOO_LARGE",
                    f"{source.metadata.num_rows} rows, {size} values",
                    expected=f"at most {MAX_ROWS} rows and {MAX_VALUES} values",
                    file=path,
                )
            content = source.read()
        content.validate(full=True)  # text that is none among it
        header = TextTable(path, tuple(content.column_names), (), ())
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _table_format(path, "the Parquet file is damaged") from error
    if len(set(header.columns)) < len(header.columns):
        raise header.fault("two columns have one name", expected="distinct column names")
    if content.num_rows == 0:
        header.check_has_rows()
    lines = tuple(range(1, content.num_rows + 1))
    names = _kept(header, id_column, drop)
    ids = _parquet_ids(content.column(id_column), header, id_column)
    values = {name: _parquet_numbers(content.column(name), name, header) for name in names}
    return pd.DataFrame(values, index=pd.Index(ids, name=id_column), dtype=float), lines


def _parquet_ids(column: Any, header: TextTable, name: str) -> list[str]:
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_integer)
    if column.null_count or not any(is_kind(kind) for is_kind in texts):
        raise header.fault(
            f"column {name!r} holds {kind} and {column.null_count} empty cells",
            expected="ids as text in every row",
        )
    return [str(value) for value in column.to_pylist()]


def _parquet_numbers(column: Any, name: str, header: TextTable) -> NDArray[np.float64]:
    kinds = (pa.types.is_floating, pa.types.is_integer, pa.types.is_boolean, pa.types.is_null)
    if not any(is_kind(column.type) for is_kind in kinds):
        raise header.fault(
            f"column {name!r} holds {column.type}",
            expected="numbers; a column of text can be dropped",
        )
    return np.array([np.nan if v is None else v for v in column.to_pylist()], dtype=float)


def _check_frame(frame: pd.DataFrame, lines: tuple[int, ...], id_column: str, path: Path) -> None:
    ids = [str(text) for text in frame.index]
    for text, line in zip(ids, lines, strict=True):
        check_plain(text, where=f"line {line}, column {id_column!r}", file=path)
    check_distinct(ids, lines, column=id_column, code="CASE_DUPLICATE", file=path)
    values = frame.to_numpy()
    rows, columns = np.nonzero(np.isinf(values))
    if rows.size:
        raise PlanError(
            "FEATURE_INFINITE",
            f"line {lines[rows[0]]}, column {shown(str(frame.columns[columns[0]]), 80)}: infinite",
            expected="finite numbers, or an empty cell when there is no value",
            file=path,
        )
    _check_rows_differ(values, lines, path)


def _check_rows_differ(values: NDArray[np.float64], lines: tuple[int, ...], path: Path) -> None:
    telling = (np.isfinite(values) & (values != np.round(values))).sum(axis=1)
    seen: dict[bytes, int] = {}
    for row in np.flatnonzero(telling >= _ENOUGH_TO_TELL):
        before = seen.setdefault(values[row].tobytes(), lines[row])
        if before != lines[row]:
            raise PlanError(
                "ROW_DUPLICATE",
                f"lines {before} and {lines[row]} hold the same numbers under two ids",
                expected="every case once",
                action="remove one of them; the same case on both sides of a split is a leak",
                file=path,
            )


def _table_format(path: Path, found: str) -> PlanError:
    return PlanError("TABLE_FORMAT", found, expected="a .csv, .csv.gz or .parquet file", file=path)
