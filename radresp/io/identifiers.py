"""Case and patient ids: what may name a case, and what looks too much like a person."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

from radresp.core import Note, NoteKind
from radresp.errors import PlanError

CASE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_OURS = re.compile(r"rr-[0-9a-f]{16}")
"""Pseudonyms of `radresp.io.pseudonym`, in which eight digits in a row are chance."""
_LOOKS_LIKE = {
    "a hospital number (8 or more digits in a row)": re.compile(r"[0-9]{8,}"),
    "a date": re.compile(
        r"(?<![0-9])(?:(?:19|20)[0-9]{2}[._-][0-9]{1,2}[._-][0-9]{1,2}"
        r"|[0-9]{1,2}[._-][0-9]{1,2}[._-](?:19|20)[0-9]{2})(?![0-9])"
    ),
    "a name (two capitalised words)": re.compile(r"[A-Z][a-z]+[ ._-]+[A-Z][a-z]+"),
}


def check_case_id(text: str, *, where: str, file: Path) -> None:
    """Refuse a case id that could not safely name a folder.

    Parameters
    ----------
    text : str
        The id, exactly as given.
    where : str
        Place for the message, for example ``"line 4"``.
    file : Path
        Table or folder it stands in.

    Raises
    ------
    PlanError
        ``CASE_ID``.
    """
    if not CASE_ID.fullmatch(text):
        raise PlanError(
            "CASE_ID",
            f"{where}: the case id is {shown(text)}",
            expected="1 to 64 letters, digits, '.', '_' or '-', the first a letter or digit",
            action="rename the case",
            file=file,
        )


def check_plain(text: str, *, where: str, file: Path) -> None:
    """Refuse an id of a foreign table that is empty, very long or has invisible edges.

    Raises
    ------
    PlanError
        ``CSV_FORMAT``.
    """
    if not text or len(text) > 255 or text != text.strip() or not text.isprintable():
        raise PlanError(
            "CSV_FORMAT",
            f"{where}: the id is {shown(text)}",
            expected="1 to 255 printable characters without blanks at the ends",
            action="correct the id",
            file=file,
        )


def check_distinct(
    ids: Iterable[str], lines: Iterable[int], *, column: str, code: str, file: Path
) -> None:
    """Refuse ids that are equal, also when only case or Unicode form differ.

    Parameters
    ----------
    ids, lines : iterable
        The ids and the line each stands on.
    column : str
        Name of the column.
    code : str
        Catalogue code to raise, for example ``"CASE_DUPLICATE"``.
    file : Path
        The table.

    Raises
    ------
    PlanError
        With the given code and both lines.
    """
    for fault in repeated(ids, lines, column=column, code=code, file=file):
        raise fault


def repeated(
    ids: Iterable[str], lines: Iterable[int], *, column: str, code: str, file: Path
) -> Iterator[PlanError]:
    """Every refusal `check_distinct` could raise, one for each id that occurred before."""
    seen: dict[str, tuple[str, int]] = {}
    for text, line in zip(ids, lines, strict=True):
        before = seen.setdefault(folded(text), (text, line))
        if before != (text, line):
            yield PlanError(
                code,
                f"column {column!r}: lines {before[1]} and {line} hold {shown(before[0])} and "
                f"{shown(text)}",
                expected="ids that differ in more than case or Unicode form",
                action="rename or remove one of the rows",
                file=file,
            )


def check_patients(ids: Iterable[str], lines: Iterable[int], *, file: Path) -> None:
    """Refuse patient ids that differ only by case or Unicode form, for they may be one patient.

    Parameters
    ----------
    ids, lines : iterable
        Patient ids, empty where not stated, and the line each stands on. Equal ids are welcome.
    file : Path
        The table.

    Raises
    ------
    PlanError
        ``PATIENT_DUPLICATE``; ``CSV_FORMAT`` for an id that is not plain text.
    """
    first: dict[str, int] = {}
    for text, line in zip(ids, lines, strict=True):
        if text:
            check_plain(text, where=f"line {line}, column 'patient_id'", file=file)
            first.setdefault(text, line)
    code = "PATIENT_DUPLICATE"
    check_distinct(first, first.values(), column="patient_id", code=code, file=file)


def folded(text: str) -> str:
    """The form in which two ids are compared: case and Unicode composition do not matter."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def privacy_notes(ids: Iterable[str], lines: Iterable[int], *, column: str) -> tuple[Note, ...]:
    """Warn of ids that look like a hospital number, a date or a name, without repeating them.

    Returns
    -------
    tuple of Note
        At most one ``CASE_ID_LOOKS_LIKE_PHI`` for each kind of resemblance, naming the lines.
    """
    rows = list(zip(ids, lines, strict=True))
    notes = []
    for what, pattern in _LOOKS_LIKE.items():
        hits = [
            str(line) for text, line in rows if pattern.search(text) and not _OURS.fullmatch(text)
        ]
        if hits:
            more = f" and {len(hits) - 5} more" if len(hits) > 5 else ""
            notes.append(
                Note(
                    NoteKind.WARNING,
                    "CASE_ID_LOOKS_LIKE_PHI",
                    f"column {column!r} seems to hold {what}, line {', '.join(hits[:5])}{more}",
                    expected="pseudonyms; these ids name every output",
                    action="replace them and keep the key list apart",
                )
            )
    return tuple(notes)


def shown(text: str, limit: int = 40) -> str:
    """A cell as it appears in a message: quoted, escaped and cut to a readable length."""
    return ascii(text) if len(text) <= limit else f"{text[:limit]!a}... ({len(text)} long)"
