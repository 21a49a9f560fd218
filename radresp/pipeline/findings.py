"""What `radresp check` finds, one thing about one case, in the words of errors and notes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from radresp import io
from radresp.core import CaseFiles, Note
from radresp.errors import PlanError, RadrespError


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to know about one case.

    Parameters
    ----------
    case_id : str
        Name of the case; empty for the table itself.
    role : str
        What it concerns, for example ``"post.t2"``; empty for the whole case.
    severity : str
        ``refused``, ``warning``, ``fix`` or ``info``.
    code, file, found, expected, action : str
        As in errors and notes.
    """

    case_id: str
    role: str
    severity: str
    code: str
    file: str
    found: str
    expected: str
    action: str

    def record(self) -> dict[str, str]:
        """The finding as a JSON-ready dictionary."""
        return {name: getattr(self, name) for name in self.__slots__}


def of_error(files: CaseFiles, role: str, error: RadrespError) -> Finding:
    """The finding of a refusal."""
    placed = error.located(case=files.case_id, root=files.root)
    return Finding(
        files.case_id,
        role,
        "refused",
        placed.code,
        placed.file or "",
        placed.found,
        placed.expected,
        placed.action,
    )


def of_note(case_id: str, role: str, note: Note) -> Finding:
    """The finding of a note."""
    return Finding(
        case_id,
        role,
        str(note.kind),
        note.code,
        note.file,
        note.found,
        note.expected,
        note.action,
    )


def of_table(error: RadrespError, file: str, *, severity: str = "refused") -> Finding:
    """The finding of a fault in a table, with the case and column it lies in where told."""
    column = getattr(error, "column", "")
    return Finding(
        error.case or "",
        column,
        severity,
        error.code,
        file,
        error.found,
        error.expected,
        error.action,
    )


COLUMNS = ("code", "severity", "case_id", "role", "file", "found", "expected", "action")


def save_findings(findings: Iterable[Finding], table: Path, inputs: Iterable[Path | None]) -> None:
    """Write findings as a CSV table.

    Raises
    ------
    PlanError
        ``OUTPUT_IS_INPUT`` when the table is one of the inputs.
    OutputError
        When it cannot be written.
    """
    if table.resolve() in {path.resolve() for path in inputs if path is not None}:
        raise PlanError(
            "OUTPUT_IS_INPUT",
            "the findings would replace a table they are about",
            expected="a name of its own",
            action="choose another name with --csv",
        )
    header = dict.fromkeys(COLUMNS, "")
    rows = [{name: getattr(finding, name) for name in COLUMNS} for finding in findings]
    text = io.table_text(rows or [header])
    io.write_text(table, text if rows else text.splitlines(keepends=True)[0])
