"""The status log: one JSON line per finished case, appended and never rewritten.

A line is written in one piece and flushed, so after a kill every line but the last is whole; a
last line without newline never counts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radresp.errors import OutputError
from radresp.io import atomic


@dataclass(frozen=True, slots=True)
class StatusLog:
    """An append-only log of records.

    Parameters
    ----------
    path : Path
        The log, usually ``status.jsonl`` in the output folder. Made by the first `append`.
    """

    path: Path

    def append(self, record: Mapping[str, Any]) -> None:
        """Add one record as one flushed line.

        Parameters
        ----------
        record : mapping
            JSON-ready, without NaN.

        Raises
        ------
        OutputError
            When it cannot be written; the log is then as it was.
        """
        atomic.append_line(self.path, atomic.json_bytes(dict(record)).rstrip(b"\n"))

    def read(self) -> tuple[dict[str, Any], ...]:
        """All whole records, as `read`."""
        return read(self.path)


def read(path: Path) -> tuple[dict[str, Any], ...]:
    """All whole records of a status log, oldest first.

    Parameters
    ----------
    path : Path
        The log; a missing one has no records.

    Returns
    -------
    tuple of dict
        A half-written last line, the trace of a kill, is left out.

    Raises
    ------
    OutputError
        ``OUTPUT_EXISTS`` when a whole line is not a record: something else wrote here.
    """
    if not path.exists():
        return ()
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
    except OSError as error:
        raise _not_a_log(path, f"the log cannot be read: {error.strerror}") from error
    return tuple(_record(line, number, path) for number, line in enumerate(lines, start=1))


def _record(line: bytes, number: int, path: Path) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _not_a_log(path, f"line {number} is not JSON") from error
    if not isinstance(record, dict):
        raise _not_a_log(path, f"line {number} is not a record")
    return record


def _not_a_log(path: Path, found: str) -> OutputError:
    return OutputError(
        "OUTPUT_EXISTS",
        found,
        expected="one JSON record per line, as radresp writes them",
        action="move the file away or choose another output folder",
        file=path,
    )
