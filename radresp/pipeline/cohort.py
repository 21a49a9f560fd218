"""The batch engine: every case by itself, resumable, nothing lost.

One case can never stop, change or lose another. A case whose process dies costs itself only, and
a refused case is never "done": it is tried again on the next run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radresp import io
from radresp.core import CaseFiles, FeatureRow
from radresp.errors import CohortError, InputError, OutputError, RadrespError, locating
from radresp.pipeline import interrupt
from radresp.pipeline.acquisition import acquisition_of, summarise
from radresp.pipeline.destination import check_output
from radresp.pipeline.dictionary import describe_columns
from radresp.pipeline.extract import extract_case
from radresp.pipeline.page import save_prepared
from radresp.pipeline.plan import EXTRACTION, Plan
from radresp.pipeline.prepare import prepare_case
from radresp.pipeline.qc_pages import save_qc_index, save_strip
from radresp.pipeline.read import load_case
from radresp.pipeline.records import load_record, record_path, save_record
from radresp.pipeline.results import CaseResult, CohortResult
from radresp.pipeline.workers import worker_pool

Watcher = Callable[[CaseResult], None]


@dataclass(frozen=True, slots=True)
class Job:
    """What a batch does with one case.

    Parameters
    ----------
    stage : str
        Its name, for ``status.jsonl``.
    work : callable
        Case, plan and output folder to a result; writes the case's record.
    keep : callable
        Case and the body of its record to the result of a case that was finished before.
    sections : tuple of str
        Sections of the plan that can change a result.
    """

    stage: str
    work: Callable[[CaseFiles, Plan, Path], CaseResult]
    keep: Callable[[CaseFiles, Mapping[str, Any]], CaseResult]
    sections: tuple[str, ...] = EXTRACTION


def extract_cohort(
    cases: Sequence[CaseFiles],
    plan: Plan,
    folder: Path,
    *,
    workers: int = 1,
    force: bool = False,
    watch: Watcher | None = None,
) -> CohortResult:
    """Prepare and extract every case of a cohort into a folder, resuming what is there.

    Parameters
    ----------
    cases : sequence of CaseFiles
        The cohort.
    plan : Plan
        What to compute.
    folder : Path
        Gets ``features.parquet``, ``features.csv``, ``columns.csv`` (what each column is),
        ``acquisition.json``, ``plan.yaml``,
        ``status.jsonl`` and one record a case in ``cases/``.
    workers : int, default 1
        Processes; 1 works in this process.
    force : bool, default False
        Redo finished cases, and accept a plan other than the one the folder was made with.
    watch : callable, optional
        Called with every result as it arrives.

    Returns
    -------
    CohortResult

    Raises
    ------
    OutputError
        ``CONFIG_CHANGED`` when the folder holds results of another plan; ``LOCKED``; or any
        failure to write.
    CohortError
        ``NO_CASES`` when the cohort is empty.
    """
    with claimed(EXTRACT, cases, plan, folder, force):
        outcome = work_through(EXTRACT, cases, plan, folder, workers, force, watch)
        if outcome.finished:
            _save_tables(outcome, folder)
            io.write_table(folder / "columns.csv", describe_columns(plan))
    return outcome


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


def prepare_cohort(
    cases: Sequence[CaseFiles],
    plan: Plan,
    folder: Path,
    *,
    workers: int = 1,
    force: bool = False,
    watch: Watcher | None = None,
) -> CohortResult:
    """Write regions, transforms and pictures of every case, resuming what is there.

    Parameters and errors are those of :func:`extract_cohort`; each case gets ``<case>/masks``,
    ``images``, ``transforms``, ``qc`` and ``qc.json``; all together get a picture each in ``qc``,
    and ``qc/index.html`` to flick through them.
    """
    with claimed(PREPARE, cases, plan, folder, force):
        outcome = work_through(PREPARE, cases, plan, folder, workers, force, watch)
        save_qc_index(folder)
    return outcome


def extract_one(files: CaseFiles, plan: Plan, folder: Path) -> CaseResult:
    """Features of one case, from its files to its record."""
    row = extract_case(prepare_case(load_case(files, plan), plan), plan)
    values = [[name, None if value != value else value] for name, value in row.values.items()]
    body = {
        "values": values,
        "absent": dict(row.absent),
        "acquisition": acquisition_of(row.trail),
        "trail": [step.record() for step in row.trail],
    }
    save_record(files, plan.extraction_sha256, folder, body)
    return CaseResult(files.case_id, "extract", trail=row.trail, row=row)


def prepare_one(files: CaseFiles, plan: Plan, folder: Path) -> CaseResult:
    """Regions, transforms and pictures of one case, from its files to its record."""
    prepared = prepare_case(load_case(files, plan), plan)
    written = [*save_prepared(prepared, folder / files.case_id), save_strip(prepared, folder)]
    outputs = {path.relative_to(folder).as_posix(): io.sha256_of(path) for path in written}
    save_record(files, plan.extraction_sha256, folder, {"outputs": outputs})
    return CaseResult(files.case_id, "prepare", trail=prepared.trail)


def _keep_row(files: CaseFiles, body: Mapping[str, Any]) -> CaseResult:
    values = {name: float("nan") if value is None else value for name, value in body["values"]}
    row = FeatureRow(files.case_id, values, body["absent"])
    return CaseResult(files.case_id, "extract", row=row, kept=True)


def _keep_files(files: CaseFiles, body: Mapping[str, Any]) -> CaseResult:
    del body
    return CaseResult(files.case_id, "prepare", kept=True)


EXTRACT = Job("extract", extract_one, _keep_row)
PREPARE = Job("prepare", prepare_one, _keep_files)


@contextmanager
def claimed(
    job: Job, cases: Sequence[CaseFiles], plan: Plan, folder: Path, force: bool
) -> Iterator[None]:
    """Hold the folder for this run and this plan."""
    if not cases:
        raise CohortError("NO_CASES", "the cohort has no case", expected="at least one row")
    check_output(folder, {files.root for files in cases})
    with io.lock(folder):
        io.sweep(folder)
        path = folder / "plan.yaml"
        if path.exists() and not force:
            _check_plan_unchanged(job, plan, path)
        io.write_text(path, io.dump_mapping(plan.record()))
        yield


def _check_plan_unchanged(job: Job, plan: Plan, path: Path) -> None:
    before, now = io.load_mapping(path), plan.record()
    changed = sorted(name for name in job.sections if before.get(name) != now[name])
    if changed:
        raise OutputError(
            "CONFIG_CHANGED",
            f"the folder holds results of another plan; differing: {', '.join(changed)}",
            expected="the plan the folder was made with",
            action="choose another output folder, or redo everything with --force",
            file=path,
        )


def work_through(
    job: Job,
    cases: Sequence[CaseFiles],
    plan: Plan,
    folder: Path,
    workers: int,
    force: bool,
    watch: Watcher | None,
) -> CohortResult:
    """Every case once: kept where its record still holds, else worked on."""
    status = io.StatusLog(folder / "status.jsonl")
    results: list[CaseResult] = []
    todo: list[CaseFiles] = []

    def finish(result: CaseResult) -> None:
        results.append(result)
        status.append(result.record())
        if watch is not None:
            watch(result)

    for files in cases:
        body = None if force else load_record(files, plan.sha256(*job.sections), folder)
        if body is None:
            todo.append(files)
        else:
            finish(job.keep(files, body))
    for result in _work_all(todo, plan, folder, job, workers):
        finish(result)
    return CohortResult(tuple(sorted(results, key=lambda result: result.case_id)))


def _work(job: Job, files: CaseFiles, plan: Plan, folder: Path) -> CaseResult:
    try:
        with locating(files.case_id, files.root):
            return job.work(files, plan, folder)
    except OutputError:
        raise  # the folder itself is in trouble; every other case would meet the same
    except RadrespError as error:
        interrupt.check()  # a case we were stopped in is dropped, not refused
        return CaseResult(files.case_id, job.stage, error)


def _work_all(
    todo: Sequence[CaseFiles], plan: Plan, folder: Path, job: Job, workers: int
) -> Iterator[CaseResult]:
    if workers <= 1 or len(todo) <= 1:
        yield from (_work(job, files, plan, folder) for files in todo)
        return
    lost: list[CaseFiles] = []
    with worker_pool(min(workers, len(todo))) as pool:
        futures: dict[Future[CaseResult], CaseFiles] = {
            pool.submit(_work, job, files, plan, folder): files for files in todo
        }
        for future in as_completed(futures):
            try:
                yield future.result()
            except BrokenProcessPool:
                lost.append(futures[future])
    # A dead worker takes its whole pool along; each case that was lost gets a process of its own.
    yield from (_work_alone(job, files, plan, folder) for files in lost)


def _work_alone(job: Job, files: CaseFiles, plan: Plan, folder: Path) -> CaseResult:
    with worker_pool(1) as pool:
        try:
            return pool.submit(_work, job, files, plan, folder).result()
        except BrokenProcessPool:
            crash = InputError(
                "WORKER_CRASH",
                "the process working on this case died",
                expected="a case the readers survive",
                action="check the case's files and the memory of this machine",
                case=files.case_id,
            )
            return CaseResult(files.case_id, job.stage, crash)


def _save_tables(outcome: CohortResult, folder: Path) -> None:
    """The cohort's tables, from the rows and the records on disk; the same whatever was kept."""
    rows = [result.row for result in outcome.finished if result.row is not None]
    io.save_features(rows, folder)
    records = {row.case_id: io.read_json(record_path(row.case_id, folder)) for row in rows}
    acquisition = {
        "cases": {case: record["key"]["inputs"] for case, record in records.items()},
        "acquisition": summarise(r["body"]["acquisition"] for r in records.values()),
    }
    io.write_json(folder / "acquisition.json", acquisition)
