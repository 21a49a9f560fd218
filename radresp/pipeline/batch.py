"""The batch: every case by itself, resumable, nothing lost.

One case can never stop, change or lose another. A case whose process dies costs itself only, and
a refused case is never "done": it is tried again on the next run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from radresp import io
from radresp.core import CaseFiles
from radresp.errors import CohortError, OutputError, PlanError
from radresp.pipeline import interrupt
from radresp.pipeline.case_work import PLAN, Job, Place, Seen, lost, work_elsewhere, work_on
from radresp.pipeline.destination import check_output
from radresp.pipeline.engine import HERE, Engine, Lost, Task, spread
from radresp.pipeline.plan import Plan
from radresp.pipeline.records import load_record
from radresp.pipeline.results import CaseResult, CohortResult

Watcher = Callable[[CaseResult], None]
EVENTS = "events.jsonl"
STATUS = "status.jsonl"
FITS = "fits"


@dataclass(frozen=True, slots=True)
class Batch:
    """How a cohort is gone through.

    Parameters
    ----------
    engine : Engine
        Where cases are worked on, and what one may cost.
    force : bool, default False
        Redo finished cases, also registrations that are kept.
    update : bool, default False
        Accept a plan other than the one the folder was made with: what depends on the change is
        done again, all else is kept.
    part : tuple of int, default (1, 1)
        ``(k, n)``: only the k-th of n parts of the cohort. Parts may run beside each other; they
        write records alone, and a run of the whole makes the tables of them.
    work : Path, optional
        Where registrations are kept, to be shared between commands; by default in the output
        folder.
    hear : callable, optional
        Called with every event as it is written to ``events.jsonl``.
    """

    engine: Engine = HERE
    force: bool = False
    update: bool = False
    part: tuple[int, int] = (1, 1)
    work: Path | None = None
    hear: Callable[[Mapping[str, Any]], None] | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it is the whole cohort."""
        return self.part[1] == 1

    def share(self, cases: Sequence[CaseFiles]) -> tuple[CaseFiles, ...]:
        """The cases of this part, by name."""
        part, parts = self.part
        return tuple(sorted(cases, key=lambda files: files.case_id)[part - 1 :: parts])


WHOLE = Batch()


def parse_part(text: str) -> tuple[int, int]:
    """Read ``K/N``.

    Raises
    ------
    PlanError
        ``USAGE`` for anything else, or a part that is not one of them.

    Examples
    --------
    >>> parse_part("3/8")
    (3, 8)
    """
    part, _, parts = text.partition("/")
    if part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts):
        return int(part), int(parts)
    raise PlanError("USAGE", f"--part {text}", expected="K/N with K from 1 to N, for example 1/8")


def counted(tick: Callable[[int, int], None], whole: int) -> Watcher:
    """A watcher that counts the results of a cohort on a progress line.

    Parameters
    ----------
    tick : callable
        Called with the number of cases done and of all.
    whole : int
        Cases in all.
    """
    done = 0

    def watch(_: CaseResult) -> None:
        nonlocal done
        done += 1
        tick(done, whole)

    return watch


@contextmanager
def claimed(
    job: Job, cases: Sequence[CaseFiles], plan: Plan, folder: Path, batch: Batch
) -> Iterator[None]:
    """Hold the folder for this run and this plan.

    Raises
    ------
    OutputError
        ``CONFIG_CHANGED`` when the folder holds results of another plan; ``LOCKED``; or any
        failure to write.
    CohortError
        ``NO_CASES`` when the cohort is empty.
    """
    if not cases:
        raise CohortError("NO_CASES", "the cohort has no case", expected="at least one row")
    check_output(folder, {files.root for files in cases})
    with io.lock(folder, shared=not batch.is_whole):
        if batch.is_whole:  # what another part is writing looks like a leftover
            io.sweep(folder)
        path = folder / PLAN
        if path.exists() and not (batch.force or batch.update):
            _check_plan_unchanged(job, plan, path)
        text = io.dump_mapping(plan.record())
        if not path.exists() or path.read_text("utf-8") != text:
            io.write_text(path, text)
        yield


def _check_plan_unchanged(job: Job, plan: Plan, path: Path) -> None:
    before, now = io.load_mapping(path), plan.record()
    changed = sorted(name for name in job.sections if before.get(name) != now[name])
    if changed:
        raise OutputError(
            "CONFIG_CHANGED",
            f"the folder holds results of another plan; differing: {', '.join(changed)}",
            expected="the plan the folder was made with",
            action="choose another output folder, or take the change over with --update",
            file=path,
        )


def work_through(
    job: Job,
    cases: Sequence[CaseFiles],
    plan: Plan,
    folder: Path,
    batch: Batch = WHOLE,
    watch: Watcher | None = None,
) -> CohortResult:
    """Every case once: kept where its record still holds, else worked on.

    Call it inside :func:`claimed`.
    """
    return _Pass(job, plan, folder, batch, watch).go_through(cases)


class _Pass:
    """One pass through a cohort, and the two logs it writes."""

    def __init__(
        self, job: Job, plan: Plan, folder: Path, batch: Batch, watch: Watcher | None
    ) -> None:
        self.job, self.plan, self.folder, self.batch, self.watch = job, plan, folder, batch, watch
        self.status = io.StatusLog(folder / STATUS)
        self.events = io.StatusLog(folder / EVENTS)
        self.results: list[CaseResult] = []

    def go_through(self, cases: Sequence[CaseFiles]) -> CohortResult:
        mine = self.batch.share(cases)
        part, parts = self.batch.part
        self.tell({"event": "run", "cases": len(cases), "part": part, "parts": parts})
        todo = {files.case_id: (files, reason) for files, reason in self._unkept(mine)}
        self.tell({"event": "todo", "kept": len(mine) - len(todo), "todo": len(todo)})
        for result in self._results([files for files, _ in todo.values()]):
            self._finish(replace(result, redone=todo[result.case_id][1]))
        ended = CohortResult(tuple(sorted(self.results, key=lambda result: result.case_id)))
        self.tell({"event": "ended", "exit_code": int(ended.exit_code)})
        return ended

    def tell(self, event: Mapping[str, Any]) -> None:
        """Write an event with its time."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        self.events.append({"time": now, "stage": self.job.stage, **event})
        if self.batch.hear is not None:
            self.batch.hear(event)

    def _unkept(self, cases: Sequence[CaseFiles]) -> Iterator[tuple[CaseFiles, str]]:
        """The cases to work on, each with what became of its record; the others are finished."""
        told = {
            line.get("case"): line.get("severity")
            for line in self.status.read()
            if line.get("stage") == self.job.stage
        }
        digest = self.plan.sha256(*self.job.sections)
        for files in cases:
            interrupt.check()
            kept = load_record(self.job.stage, files, digest, self.folder)
            if kept.body is None or self.batch.force:
                yield files, kept.reason
                continue
            result = CaseResult(files.case_id, self.job.stage, kept=True)
            self._finish(result, told=told.get(files.case_id) == "finished")

    def _finish(self, result: CaseResult, *, told: bool = False) -> None:
        # A cohort may be large: what a case was told by is written, not remembered.
        self.results.append(replace(result, trail=()))
        if not told:
            self.status.append(result.record())
        if not result.kept:
            code = result.refusal.code if result.refusal else "OK"
            seconds = round(result.seconds, 3)
            self.tell({"event": "case", "case": result.case_id, "code": code, "seconds": seconds})
        if self.watch is not None:
            self.watch(result)

    def _results(self, todo: Sequence[CaseFiles]) -> Iterator[CaseResult]:
        if not self.batch.engine.spreads:
            for files in todo:
                self.tell({"event": "begun", "case": files.case_id})
                yield work_on(self.job, files, self.plan, self._place)
        elif todo:
            yield from self._spread(todo)

    def _spread(self, todo: Sequence[CaseFiles]) -> Iterator[CaseResult]:
        engine, seen = self.batch.engine, Seen.here(self.folder)
        tasks = [
            Task(files.case_id, work_elsewhere, (seen, self.job, files, self.plan, self._place))
            for files in todo
        ]
        with io.scratch(self.folder) as scratch:
            for task, result in spread(tasks, engine, self.tell, scratch.absolute()):
                if isinstance(result, Lost):
                    result = lost(self.job, task.name, result.code, engine)
                yield result

    @property
    def _place(self) -> Place:
        folder = self.folder.absolute()
        work = self.batch.work
        return Place(folder, (work.absolute() if work else folder) / FITS, self.batch.force)
