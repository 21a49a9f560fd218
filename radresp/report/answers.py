"""What an answer to a reporting checklist is, and the ways to give one.

Each answer says no more than the run shows. A fact that the run knows of a question it cannot
settle is given as known, and the item stays with the authors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

FILLED = "filled from the run"
AUTHORS = "for the authors"
NOT_DONE = "not done"

_ENTRIES_SHOWN = 12


class Answer(NamedTuple):
    """Whether an item is answered (one of the three words above), and with what."""

    status: str
    text: str


class Run(NamedTuple):
    """What there is to answer from: ``evaluation.json`` and the facts of the model."""

    evaluation: Mapping[str, Any]
    facts: Mapping[str, Any]


Source = Callable[[Run], Answer]


def filled(text: str) -> Answer:
    """An answer of the run."""
    return Answer(FILLED, text)


def not_done(reason: str) -> Answer:
    """An answer that there is nothing to report, and why."""
    return Answer(NOT_DONE, reason)


def authors(known: str = "") -> Answer:
    """An answer only the authors have, with what the run knows of it."""
    return Answer(AUTHORS, f"known: {known}" if known else "")


def listed(entries: Any) -> str:
    """A mapping or a sequence in one line, the first twelve entries of it."""
    if isinstance(entries, Mapping):
        parts = [f"{name} = {value}" for name, value in entries.items()]
    elif isinstance(entries, Sequence) and not isinstance(entries, str):
        parts = [str(entry) for entry in entries]
    else:
        return str(entries)
    more = len(parts) - _ENTRIES_SHOWN
    return ", ".join(parts[:_ENTRIES_SHOWN]) + (f" and {more} more" if more > 0 else "")
