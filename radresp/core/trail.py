"""The trail: what was done to a case, step by step, so that it can be read and replayed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from radresp.core.frozen import frozen


class NoteKind(StrEnum):
    """Why a note was taken."""

    INFO = "info"
    FIX = "fix"
    WARNING = "warning"
    ABSTAIN = "abstain"


@dataclass(frozen=True, slots=True)
class Note:
    """Something a step noticed, mended or warns of.

    Parameters
    ----------
    kind : NoteKind
        ``fix`` for an automatic repair, ``warning`` for a doubt the result carries, ``abstain``
        for a reason not to give a probability, ``info`` for a fact worth keeping.
    code : str
        Catalogue code in capitals.
    found, expected, action : str
        The same sentence parts an error has.
    file : str, optional
        File name concerned, relative to the data root.
    """

    kind: NoteKind
    code: str
    found: str
    expected: str = ""
    action: str = ""
    file: str = ""

    @property
    def text(self) -> str:
        """Code and sentence, for people."""
        expected = f"expected {self.expected}" if self.expected else ""
        parts = "; ".join(part for part in (self.found, expected, self.action) if part)
        return f"{self.code}: {parts}"

    def record(self) -> dict[str, str]:
        """The note as a JSON-ready dictionary."""
        return {
            "code": self.code,
            "severity": str(self.kind),
            "file": self.file,
            "found": self.found,
            "expected": self.expected,
            "action": self.action,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, str]) -> Self:
        """The note a record was made of."""
        parts = {name: text for name, text in record.items() if name not in ("code", "severity")}
        return cls(NoteKind(record["severity"]), record["code"], **parts)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was done.

    Parameters
    ----------
    room, method : str
        Who did it, for example ``"intensity"`` and ``"fit_adc"``.
    settings : mapping
        JSON-ready settings it was done with.
    seconds : float
        Wall time; informative only, never part of a hash.
    notes : tuple of Note
        What it noticed.
    """

    room: str
    method: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    notes: tuple[Note, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "settings", frozen(self.settings))

    def record(self, *, timed: bool = True) -> dict[str, Any]:
        """The step as a JSON-ready dictionary, with or without the time it took."""
        return {
            "room": self.room,
            "method": self.method,
            "settings": dict(self.settings),
            **({"seconds": round(self.seconds, 3)} if timed else {}),
            "notes": [note.record() for note in self.notes],
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """The step a record was made of; without a time, it took none.

        Examples
        --------
        >>> step = Step("masks", "clean", {"fill": True}, 0.0, (Note(NoteKind.FIX, "A", "b"),))
        >>> Step.from_record(step.record(timed=False)) == step
        True
        """
        notes = tuple(Note.from_record(note) for note in record["notes"])
        seconds = record.get("seconds", 0.0)
        return cls(record["room"], record["method"], record["settings"], seconds, notes)


Trail = tuple[Step, ...]


def notes_of(trail: Iterable[Step], kind: NoteKind) -> tuple[Note, ...]:
    """All notes of one kind, in order, each once."""
    found = (note for step in trail for note in step.notes if note.kind is kind)
    return tuple(dict.fromkeys(found))
