"""Strict text tables: every cell is text, and every fault is named with its line and column.

Comma-separated UTF-8 as RFC 4180 describes it, with or without byte-order mark, plain or
gzip-compressed. Nothing is guessed: ``001``, ``1e5`` and ``NA`` stay what they are, a row with a
cell too many is refused instead of shifting its columns, and size is bounded before parsing.
Text that a spreadsheet would run as a formula is written with an apostrophe before it (OWASP ASVS
1.2.10), which reading takes off again.
"""

from __future__ import annotations

import csv
import difflib
import gzip
import io
import os
import re
import stat
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from radresp.errors import CohortError, PlanError
from radresp.io import atomic
from radresp.io.identifiers import shown

MAX_BYTES = 256 * 2**20
"""Largest table read, in bytes after decompression."""
MAX_ROWS = 100_000
MAX_COLUMNS = 20_000
MAX_LINE = 2**22
"""Longest line, in characters; one of commas alone becomes a cell for each."""
MAX_LINES = 10 * MAX_ROWS
"""Lines, with the empty ones and those inside cells."""
MAX_CELL = 8_192
"""Longest cell, in characters."""
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")
_PROTECTED = re.compile(r"'+[=+\-@\t\r\n]")
_SPECIAL = re.compile(r'[,"\r\n]')
_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+")


@dataclass(frozen=True, slots=True)
class TextTable:
    """A table of text cells.

    Parameters
    ----------
    file : Path
        Where it was read.
    columns : tuple of str
        Column names, distinct and not empty.
    rows : tuple of tuple of str
        Cells, one per column.
    lines : tuple of int
        Line of the file each row starts on; the header is line 1.
    """

    file: Path
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]

    def records(self) -> Iterator[tuple[int, dict[str, str]]]:
        """Line and cells by column name, row by row."""
        for line, row in zip(self.lines, self.rows, strict=True):
            yield line, dict(zip(self.columns, row, strict=True))

    def column(self, name: str) -> tuple[str, ...]:
        """All cells of one column.

        Raises
        ------
        PlanError
            ``CSV_FORMAT`` when there is no such column.
        """
        self.check_has(name)
        index = self.columns.index(name)
        return tuple(row[index] for row in self.rows)

    def check_has_rows(self) -> None:
        """Refuse an empty table or a header alone with ``NO_CASES``."""
        if not self.rows:
            raise CohortError(
                "NO_CASES",
                "the table has no rows",
                expected="a header and at least one row",
                file=self.file,
            )

    def check_has(self, name: str) -> None:
        """Refuse a table without this column, naming the nearest one."""
        if name not in self.columns:
            raise self.fault(
                f"line 1: there is no column {name!r}{nearest(name, self.columns)}",
                expected=f"a column {name!r}",
                action="correct the header, or name the column that holds it",
            )

    def fault(self, found: str, *, expected: str = "", action: str = "") -> PlanError:
        """A ``CSV_FORMAT`` error about this table."""
        return PlanError("CSV_FORMAT", found, expected=expected, action=action, file=self.file)

    def cell_fault(self, line: int, column: str, text: str, *, expected: str) -> PlanError:
        """A ``CSV_FORMAT`` error about one cell, with a hint where it holds a decimal comma."""
        comma = _DECIMAL_COMMA.fullmatch(text.strip()) is not None
        return self.fault(
            f"line {line}, column {column!r}: {shown(text)}",
            expected=expected,
            action="write decimals with a point" if comma else "correct the cell",
        )


def load_text_table(path: Path) -> TextTable:
    """Read a comma-separated table as text.

    Parameters
    ----------
    path : Path
        A ``.csv`` or ``.csv.gz`` file.

    Returns
    -------
    TextTable
        May have no rows. Rows in which every cell is empty are left out.

    Raises
    ------
    PlanError
        ``MISSING_FILE``, ``NOT_A_FILE``, ``CSV_TOO_LARGE`` or ``CSV_FORMAT``.
    """
    path = Path(path)
    text = _decode(read_bounded(path), path)
    reader = csv.reader(_lines(text, path), strict=True)
    header: tuple[str, ...] = ()
    rows: list[tuple[str, ...]] = []
    lines: list[int] = []
    start = 1
    try:
        for cells in reader:
            if any(cells) and not header:
                header = _checked_header(cells, path)
            elif any(cells):
                _check_row(cells, header, start, path)
                rows.append(tuple(map(unprotected, cells)))
                lines.append(start)
            if len(rows) > MAX_ROWS:
                raise _too_large(path, f"more than {MAX_ROWS} rows")
            start = reader.line_num + 1
    except csv.Error as error:
        if "field limit" in str(error):
            found = f"line {start}: a cell of more than {MAX_CELL} characters"
            raise _too_large(path, found) from error
        raise _fault(path, f"line {start}: {error}", "cells quoted as in RFC 4180") from error
    return TextTable(path, header, tuple(rows), tuple(lines))


def write_table(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    """Write a table of text cells that `load_text_table` reads back exactly.

    Parameters
    ----------
    path : Path
        A ``.csv`` file.
    rows : sequence of mappings
        Cells by column name. The columns are those of all rows, in order of first appearance; a
        row without a column gets an empty cell.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    atomic.write_text(path, table_text(rows))


def table_text(rows: Sequence[Mapping[str, str]]) -> str:
    """The text `write_table` writes."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    lines = [columns, *([row.get(name, "") for name in columns] for row in rows)]
    return "".join(map(_line, lines))


def write_lines(path: Path, lines: Iterable[Sequence[str]]) -> None:
    """Write rows of text cells, the names of the columns first, as `write_table` but one by one."""
    with atomic.replacing(path) as temp, temp.open("w", encoding="utf-8", newline="") as file:
        file.writelines(map(_line, lines))


def protected(text: str) -> str:
    """Text as written to a CSV cell: an apostrophe before anything a spreadsheet would run.

    Examples
    --------
    >>> protected("=1+1"), protected("case-1"), protected("-1.5")
    ("'=1+1", 'case-1', '-1.5')
    """
    return f"'{text}" if _FORMULA.match(text) and not NUMBER.fullmatch(text) else text


def unprotected(text: str) -> str:
    """The text a protected CSV cell stands for; the inverse of `protected`."""
    return text[1:] if _PROTECTED.match(text) else text


def read_bounded(path: Path) -> bytes:
    """The content of a regular file, decompressed when it ends in ``.gz``; never more than a limit.

    Raises
    ------
    PlanError
        ``MISSING_FILE``, ``NOT_A_FILE`` (also for a pipe or device, without waiting on it),
        ``CSV_TOO_LARGE``, or ``CSV_FORMAT`` for damaged compression.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        raise PlanError(
            "MISSING_FILE",
            f"the table cannot be opened: {error.strerror}",
            expected="a table that exists and may be read",
            file=path,
        ) from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise PlanError("NOT_A_FILE", "a folder, pipe or device", expected="a file", file=path)
    with os.fdopen(handle, "rb") as file:
        try:
            stream = gzip.GzipFile(fileobj=file) if path.suffix == ".gz" else file
            data = stream.read(MAX_BYTES + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise _fault(path, "the compressed table is damaged", "a whole .gz file") from error
    if len(data) > MAX_BYTES:
        raise _too_large(path, f"more than {MAX_BYTES // 2**20} MiB")
    return data


def nearest(name: str, valid: Collection[str], *, cutoff: float = 0.6) -> str:
    """A hint at the most similar valid name, or nothing below a similarity of ``cutoff`` (0-1)."""
    by_form = {text.casefold(): text for text in valid}
    wanted = name.strip().casefold().replace(" ", "_")
    close = difflib.get_close_matches(wanted, list(by_form), n=1, cutoff=cutoff)
    return f" (did you mean {by_form[close[0]]!r}?)" if close else ""


def _line(cells: Sequence[str]) -> str:
    return ",".join(map(_quoted, cells)) + "\n"


def _quoted(cell: str) -> str:
    # The csv module leaves a carriage return unquoted when lines end in a line feed.
    text = protected(cell)
    return f'"{text.replace(chr(34), chr(34) * 2)}"' if _SPECIAL.search(text) else text


def _decode(data: bytes, path: Path) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _fault(path, "line 1: the table is UTF-16", "UTF-8", "save it as CSV UTF-8")
    zero = data.find(b"\0")
    if zero >= 0:
        line, column = _place(data, zero)
        raise _fault(path, f"line {line}, byte {column}: a NUL byte", "text")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, column = _place(data, error.start)
        found = f"line {line}, byte {column}: not UTF-8 (byte {data[error.start]:#04x})"
        raise _fault(path, found, "UTF-8", "save it as CSV UTF-8") from error


def _lines(text: str, path: Path) -> Iterator[str]:
    """The lines of a table with their ends, none of them longer than the limit."""
    for number, line in enumerate(io.StringIO(text, newline=""), start=1):
        if len(line) > MAX_LINE or number > MAX_LINES:
            what = f"{MAX_LINE} characters in it" if len(line) > MAX_LINE else f"{MAX_LINES} lines"
            raise _too_large(path, f"line {number}: more than {what}")
        yield line


def _place(data: bytes, offset: int) -> tuple[int, int]:
    before = data[:offset]
    return before.count(b"\n") + 1, offset - before.rfind(b"\n")


def _checked_header(cells: list[str], path: Path) -> tuple[str, ...]:
    for mark, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if len(cells) == 1 and mark in cells[0]:
            found = f"line 1: the columns are separated by {name}"
            action = "save it comma-separated, with decimal points"
            raise _fault(path, found, "commas", action)
    if len(cells) > MAX_COLUMNS:
        raise _too_large(path, f"line 1: {len(cells)} columns")
    places: dict[str, int] = {}
    for place, cell in enumerate(cells, start=1):
        if not cell.strip():
            raise _fault(path, f"line 1: column {place} has no name", "a name for every column")
        first = places.setdefault(cell, place)
        if first != place:
            found = f"line 1: columns {first} and {place} are both called {shown(cell)}"
            raise _fault(path, found, "distinct column names")
    return tuple(map(unprotected, cells))


def _check_row(cells: list[str], header: tuple[str, ...], line: int, path: Path) -> None:
    if len(cells) != len(header):
        if len(cells) < len(header):
            place = f"nothing from column {header[len(cells)]!r} on"
        else:
            place = f"cell {len(header) + 1} has no column"
        found = f"line {line}: {len(cells)} cells, {place}"
        action = "quote text that holds a comma; write decimals with a point"
        raise _fault(path, found, f"{len(header)} cells as in the header", action)
    if max(map(len, cells)) > MAX_CELL:
        raise _too_large(path, f"line {line}: a cell of more than {MAX_CELL} characters")


def _fault(path: Path, found: str, expected: str, action: str = "") -> PlanError:
    return PlanError("CSV_FORMAT", found, expected=expected, action=action, file=path)


def _too_large(path: Path, found: str) -> PlanError:
    limits = (
        f"at most {MAX_BYTES // 2**20} MiB, {MAX_ROWS} rows, {MAX_COLUMNS} columns, "
        f"{MAX_CELL} characters a cell"
    )
    return PlanError("CSV_TOO_LARGE", found, expected=limits, file=path)
