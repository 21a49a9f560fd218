"""One case of a batch: what is done with it, where, and how whatever goes wrong becomes its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from traceback import extract_tb
from typing import NamedTuple

from radresp import io
from radresp.core import CaseFiles, Trail
from radresp.errors import OutputError, RadrespError, ResourceError, locating
from radresp.pipeline import interrupt
from radresp.pipeline.engine import TRIES, Engine
from radresp.pipeline.plan import EXTRACTION, Plan
from radresp.pipeline.records import DECISIVE_PACKAGES
from radresp.pipeline.results import CaseResult

PLAN = "plan.yaml"
"""In every output folder of a batch."""


class Place(NamedTuple):
    """Where a case is worked on: the output folder, and where fits are kept (and looked for)."""

    folder: Path
    fits: Path
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """What a batch does with one case.

    Parameters
    ----------
    stage : str
        Its name, for ``status.jsonl``.
    work : callable
        Case, plan and place to the trail of what was done; writes the case's record.
    sections : tuple of str
        Sections of the plan that can change a result.
    """

    stage: str
    work: Callable[[CaseFiles, Plan, Place], Trail]
    sections: tuple[str, ...] = EXTRACTION


class Seen(NamedTuple):
    """What a worker must see as the run does: the plan in the output folder, and the versions."""

    plan_sha256: str
    versions: tuple[str, ...]

    @classmethod
    def here(cls, folder: Path) -> Seen:
        """As this process sees it."""
        plan = folder / PLAN
        versions = io.versions()
        known = tuple(f"{name} {versions.get(name, 'none')}" for name in DECISIVE_PACKAGES)
        return cls(io.sha256_of(plan) if plan.is_file() else "", known)


def work_elsewhere(seen: Seen, job: Job, files: CaseFiles, plan: Plan, place: Place) -> CaseResult:
    """Work on one case in a worker, on another machine perhaps.

    Raises
    ------
    ResourceError
        ``WORKER_DIFFERS`` for a worker with other versions, or one that sees another disk: what it
        writes would be lost, or could not be told from what the others write.
    """
    mine = Seen.here(place.folder)
    if mine != seen:
        differing = set(mine.versions) ^ set(seen.versions)
        raise ResourceError(
            "WORKER_DIFFERS",
            f"a worker has other versions: {', '.join(sorted(differing))}"
            if differing
            else "a worker does not see the output folder",
            expected="workers of the same installation, on a disk they share",
            action="start the workers in the environment of this command",
        )
    return work_on(job, files, plan, place)


def work_on(job: Job, files: CaseFiles, plan: Plan, place: Place) -> CaseResult:
    """Work on one case; whatever is wrong with it is its own refusal.

    Raises
    ------
    OutputError
        When the folder itself is in trouble: every other case would meet the same.
    """
    started = time.monotonic()
    refusal: RadrespError | None = None
    trail: Trail = ()
    try:
        with locating(files.case_id, files.root):
            trail = job.work(files, plan, place)
    except OutputError:
        raise
    except RadrespError as error:
        interrupt.check()  # a case we were stopped in is dropped, not refused
        refusal = error.located()  # without the frames it came through, which hold the images
    except MemoryError:
        refusal = _out_of_memory(files.case_id)
    except Exception as error:  # noqa: BLE001  one case must not take the others with it
        interrupt.check()
        refusal = _bug(files.case_id, error)
    return CaseResult(files.case_id, job.stage, refusal, trail, seconds=time.monotonic() - started)


def _out_of_memory(case: str) -> ResourceError:
    return ResourceError(
        "MEMORY",
        "there was not enough memory for this case",
        expected="a case that fits into memory",
        action="check the size of its images, or use fewer workers",
        case=case,
    )


def _bug(case: str, error: Exception) -> RadrespError:
    """Say that this is our fault, without an error text that may name a patient."""
    place = extract_tb(error.__traceback__)[-1]
    return RadrespError(
        "BUG",
        f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno} {place.name}",
        action="this is a fault of radresp; run this case alone with --debug and report it",
        case=case,
    )


def lost(job: Job, case: str, code: str, engine: Engine) -> CaseResult:
    """The result of a case that took its workers with it."""
    reasons = {
        "TIMEOUT": ResourceError(
            "TIMEOUT",
            f"the case took longer than {engine.time_limit_s:g} s and was ended",
            expected="a case that ends in time",
            action="look into its files, or allow more with --time-limit",
            case=case,
        ),
        "MEMORY": ResourceError(
            "MEMORY",
            f"the process working on this case outgrew its memory, {TRIES} times",
            expected="a case that fits into the memory of a worker",
            action="allow more with --memory-limit, or use fewer workers",
            case=case,
        ),
        "WORKER_CRASH": ResourceError(
            "WORKER_CRASH",
            f"the process working on this case died, {TRIES} times",
            expected="a case the readers survive",
            action="check the case's files and the memory of this machine",
            case=case,
        ),
    }
    return CaseResult(case, job.stage, reasons[code])
