"""Which outline of a mask file is meant: by number, by name, by pattern; nothing is guessed.

A cell of the cohort table says ``path#choice``. The choice is a number (label value, segment or
ROI number), a name (segment label, ROI name or coded meaning), a regular expression between
slashes, or several of the first two joined by ``+``. Behind it, or alone, ``>=0.5`` turns
fractions into an outline. Whatever fits nothing or more than one entry is refused with the list of
what is there, for a name that fits twice is how the wrong lesion is measured.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from radresp.errors import InputError, PlanError
from radresp.io.identifiers import shown

LISTED = 12
NAME_LENGTH = 64
_LONGEST = 200
_THRESHOLD = re.compile(r"(?P<who>.*?)\s*>=\s*(?P<level>[0-9]*\.?[0-9]+)", re.DOTALL)
_PERSONAL = re.compile(r"[0-9]{8,}|(?:19|20)[0-9]{2}[._-][0-9]{1,2}[._-][0-9]{1,2}")
_EXAMPLES = "a number, a name or /pattern/, and >=0.5 behind it for fractions"


@dataclass(frozen=True, slots=True)
class Choice:
    """What a caller asks of a mask file.

    Parameters
    ----------
    text : str
        As written, without the threshold; empty when only a threshold, or nothing, was given.
    pattern : re.Pattern or None
        Set when the text stands between slashes.
    threshold : float or None
        Smallest fraction that counts as inside, in (0, 1].
    """

    text: str = ""
    pattern: re.Pattern[str] | None = None
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One outline a file holds: its number, its name, and coded meanings it also goes by."""

    number: int
    name: str = ""
    meanings: tuple[str, ...] = ()


def parse_choice(text: str | None) -> Choice:
    """Read the part of a cell behind ``#``.

    Parameters
    ----------
    text : str or None
        For example ``"3"``, ``"tumour"``, ``"/^GTV/"``, ``"1+3"``, ``"tumour>=0.5"``, ``">=0.5"``.

    Raises
    ------
    PlanError
        ``MASK_CHOICE``.

    Examples
    --------
    >>> parse_choice("tumour>=0.5")
    Choice(text='tumour', pattern=None, threshold=0.5)
    """
    if text is None:
        return Choice()
    text = text.strip()
    if not text or len(text) > _LONGEST or not text.isprintable():
        raise _bad_choice(text, f"1 to {_LONGEST} printable characters: {_EXAMPLES}")
    threshold = None
    if found := _THRESHOLD.fullmatch(text):
        text, threshold = found["who"].strip(), float(found["level"])
        if not 0 < threshold <= 1:
            raise _bad_choice(f">={found['level']}", "a fraction above 0 and up to 1")
    if len(text) > 2 and text[0] == text[-1] == "/":
        return Choice(text, _pattern(text), threshold)
    return Choice(text, None, threshold)


def select(
    entries: Sequence[Entry], choice: Choice, path: Path, private: frozenset[str] = frozenset()
) -> tuple[Entry, ...]:
    """The entries a choice means; never a guess.

    Parameters
    ----------
    entries : sequence of Entry
        What the file holds.
    choice : Choice
        What is asked for. Without one, the file must hold exactly one entry.
    path : Path
        File, for the message.
    private : frozenset of str
        Words, casefolded, that no message may repeat.

    Returns
    -------
    tuple of Entry
        At least one; several only when the choice joins them by ``+``.

    Raises
    ------
    InputError
        ``MASK_LABEL`` with the list of entries when none or several fit.
    """
    if not choice.text:
        if len(entries) != 1:
            raise _refusal(f"{len(entries)} outlines", entries, path, private)
        return tuple(entries)
    whole = _matches(entries, choice.text, choice.pattern)
    if not whole and choice.pattern is None and "+" in choice.text:
        parts = [part.strip() for part in choice.text.split("+")]
        each = [_one(entries, part, None, path, private) for part in parts]
        return tuple(dict.fromkeys(each))
    return (_one(entries, choice.text, choice.pattern, path, private),)


def listed(entries: Sequence[Entry], private: frozenset[str] = frozenset()) -> str:
    """The entries in words, the first dozen of them: ``1 'tumour', 2 'lymph node'``."""
    words = [
        f"{entry.number} '{shown_name(entry.name, private)}'" if entry.name else str(entry.number)
        for entry in entries[:LISTED]
    ]
    more = f" and {len(entries) - LISTED} more" if len(entries) > LISTED else ""
    return (", ".join(words) or "none") + more


def shown_name(name: str, private: frozenset[str] = frozenset()) -> str:
    """A name out of a file as a message may show it.

    Printable, at most 64 characters, without words known to be private and without anything that
    looks like a hospital number or a date: names of outlines are free text.
    """
    kept = "".join(c if c.isprintable() else "?" for c in name)
    for word in sorted(private, key=len, reverse=True):
        kept = re.sub(re.escape(word), "***", kept, flags=re.IGNORECASE)
    kept = _PERSONAL.sub("***", kept)
    return kept if len(kept) <= NAME_LENGTH else f"{kept[:NAME_LENGTH]}..."


def refuse_threshold(choice: Choice, what: str, path: Path) -> None:
    """Refuse a threshold for a file that holds no fractions.

    Raises
    ------
    InputError
        ``MASK_CHOICE``.
    """
    if choice.threshold is None:
        return
    raise InputError(
        "MASK_CHOICE",
        f"a threshold of {choice.threshold:g} for {what}",
        expected="a threshold for a probability map or a fractional segmentation only",
        action="take >= and the number out of the cell",
        file=path,
    )


def _one(
    entries: Sequence[Entry],
    text: str,
    pattern: re.Pattern[str] | None,
    path: Path,
    private: frozenset[str],
) -> Entry:
    found = _matches(entries, text, pattern)
    if len(found) == 1:
        return found[0]
    what = "nothing" if not found else f"{len(found)} outlines ({listed(found, private)})"
    raise _refusal(f"'{shown_name(text, private)}' fits {what}", entries, path, private)


def _matches(
    entries: Sequence[Entry], text: str, pattern: re.Pattern[str] | None
) -> tuple[Entry, ...]:
    """Entries that fit: numbers by value, names exactly, then in any case, then coded meanings."""
    if pattern is not None:
        return tuple(entry for entry in entries if entry.name and pattern.search(entry.name))
    if text.isdecimal() and text.isascii():
        return tuple(entry for entry in entries if entry.number == int(text))
    wanted = _folded(text)
    for fits in (
        lambda entry: entry.name.strip() == text,
        lambda entry: _folded(entry.name) == wanted,
        lambda entry: wanted in map(_folded, entry.meanings),
    ):
        if found := tuple(filter(fits, entries)):
            return found
    return ()


def _folded(name: str) -> str:
    return " ".join(name.split()).casefold()


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text[1:-1])
    except (re.error, OverflowError, RecursionError):
        raise _bad_choice(text, "a valid regular expression between the slashes") from None


def _refusal(
    found: str, entries: Sequence[Entry], path: Path, private: frozenset[str]
) -> InputError:
    return InputError(
        "MASK_LABEL",
        found,
        expected=f"one of what the file holds: {listed(entries, private)}",
        action="name one of them behind the path, as in path#2, path#tumour or path#/^GTV/",
        file=path,
    )


def _bad_choice(text: str, expected: str) -> PlanError:
    return PlanError("MASK_CHOICE", f"the choice {shown(text)}", expected=expected)
