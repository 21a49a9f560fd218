"""How cases and cohorts end: finished, kept from before, or refused with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from radresp.core import NoteKind, Trail, notes_of
from radresp.errors import ExitCode, RadrespError


@dataclass(frozen=True, slots=True)
class CaseResult:
    """How one case ended.

    Parameters
    ----------
    case_id : str
        Name of the case.
    stage : str
        What was done, ``"prepare"`` or ``"extract"``.
    refusal : RadrespError, optional
        Why it was refused; None when it finished.
    trail : Trail
        What was done; empty when an earlier result was kept.
    kept : bool
        Whether an earlier result was still valid.
    redone : str
        Why an earlier result was not; empty when there was none.
    seconds : float
        What it took; informative only.
    """

    case_id: str
    stage: str
    refusal: RadrespError | None = None
    trail: Trail = ()
    kept: bool = False
    redone: str = ""
    seconds: float = 0.0

    def record(self) -> dict[str, Any]:
        """The line for ``status.jsonl``."""
        redone = {"redone": self.redone} if self.redone else {}
        if self.refusal is not None:
            return {"stage": self.stage, **self.refusal.record(), "fixes": [], **redone}
        return {
            "stage": self.stage,
            "code": "KEPT" if self.kept else "OK",
            "severity": "finished",
            "case": self.case_id,
            **redone,
            "fixes": [note.record() for note in notes_of(self.trail, NoteKind.FIX)],
            "warnings": [note.record() for note in notes_of(self.trail, NoteKind.WARNING)],
        }


@dataclass(frozen=True, slots=True)
class CohortResult:
    """How a cohort ended: one result a case, sorted by case id."""

    results: tuple[CaseResult, ...]

    @property
    def finished(self) -> tuple[CaseResult, ...]:
        """The cases that finished."""
        return tuple(result for result in self.results if result.refusal is None)

    @property
    def refused(self) -> tuple[CaseResult, ...]:
        """The cases that were refused."""
        return tuple(result for result in self.results if result.refusal is not None)

    @property
    def exit_code(self) -> ExitCode:
        """0 all finished, 4 some refused, 5 none usable."""
        if not self.finished:
            return ExitCode.NONE_USABLE
        return ExitCode.SOME_REFUSED if self.refused else ExitCode.FINISHED

    def describe(self) -> dict[str, Any]:
        """Counts for people and machines."""
        return {
            "cases": len(self.results),
            "finished": len(self.finished),
            "kept": sum(result.kept for result in self.results),
            "refused": {r.case_id: r.refusal.code for r in self.refused if r.refusal},
        }
