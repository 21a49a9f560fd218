"""Cohorts: features of every case, or its regions and pictures, resuming what is there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from radresp import io
from radresp.core import CaseFiles, FeatureRow, Trail
from radresp.pipeline.acquisition import acquisition_of, summarise
from radresp.pipeline.batch import WHOLE, Batch, Watcher, claimed, work_through
from radresp.pipeline.case_work import Job, Place
from radresp.pipeline.dictionary import describe_columns
from radresp.pipeline.extract import extract_case
from radresp.pipeline.kept_fits import KeptFits
from radresp.pipeline.page import save_prepared
from radresp.pipeline.plan import Plan
from radresp.pipeline.prepare import prepare_case
from radresp.pipeline.qc_pages import save_qc_index, save_strip
from radresp.pipeline.read import load_case
from radresp.pipeline.records import record_path, save_record
from radresp.pipeline.results import CohortResult


def extract_cohort(
    cases: Sequence[CaseFiles],
    plan: Plan,
    folder: Path,
    batch: Batch = WHOLE,
    *,
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
        ``acquisition.json``, ``plan.yaml``, ``status.jsonl``, ``events.jsonl``, one record a case
        in ``cases/extract/`` and its registrations in ``fits/``. A part of a cohort writes no
        table.
    batch : Batch, optional
        Where and how; by default all of it in this process.
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
    ResourceError
        ``SCHEDULER`` or ``WORKER_DIFFERS``, from a cluster.

    Notes
    -----
    Worker processes import the main module again: a script that asks for some has to keep what it
    does under ``if __name__ == "__main__":``.

    Examples
    --------
    >>> import radresp
    >>> batch = radresp.Batch(radresp.Engine(processes=4), part=(1, 8))
    >>> batch.is_whole
    False
    """
    with claimed(EXTRACT, cases, plan, folder, batch):
        outcome = work_through(EXTRACT, cases, plan, folder, batch, watch)
        if outcome.finished and batch.is_whole:
            save_tables([result.case_id for result in outcome.finished], folder)
            io.write_table(folder / "columns.csv", describe_columns(plan))
    return outcome


def prepare_cohort(
    cases: Sequence[CaseFiles],
    plan: Plan,
    folder: Path,
    batch: Batch = WHOLE,
    *,
    watch: Watcher | None = None,
) -> CohortResult:
    """Write regions, transforms and pictures of every case, resuming what is there.

    Parameters and errors are those of :func:`extract_cohort`; each case gets ``<case>/masks``,
    ``images``, ``transforms``, ``qc`` and ``qc.json``; all together get a picture each in ``qc``,
    and ``qc/index.html`` to flick through them.
    """
    with claimed(PREPARE, cases, plan, folder, batch):
        outcome = work_through(PREPARE, cases, plan, folder, batch, watch)
        if batch.is_whole:
            save_qc_index(folder)
    return outcome


def extract_one(files: CaseFiles, plan: Plan, place: Place) -> Trail:
    """Features of one case, from its files to its record."""
    row = extract_case(prepare_case(load_case(files, plan), plan, KeptFits.at(place)), plan)
    values = [[name, None if value != value else value] for name, value in row.values.items()]
    body = {
        "values": values,
        "absent": dict(row.absent),
        "acquisition": acquisition_of(row.trail),
        "trail": [step.record(timed=False) for step in row.trail],
    }
    save_record(EXTRACT.stage, files, plan.extraction_sha256, place.folder, body)
    return row.trail


def prepare_one(files: CaseFiles, plan: Plan, place: Place) -> Trail:
    """Regions, transforms and pictures of one case, from its files to its record."""
    folder = place.folder
    prepared = prepare_case(load_case(files, plan), plan, KeptFits.at(place))
    written = [*save_prepared(prepared, folder / files.case_id), save_strip(prepared, folder)]
    outputs = {path.relative_to(folder).as_posix(): io.sha256_of(path) for path in written}
    save_record(PREPARE.stage, files, plan.extraction_sha256, folder, {"outputs": outputs})
    return prepared.trail


EXTRACT = Job("extract", extract_one)
PREPARE = Job("prepare", prepare_one)


def save_tables(case_ids: Sequence[str], folder: Path) -> None:
    """The cohort's tables, from the records on disk alone; the same whatever was kept."""
    inputs: dict[str, Any] = {}
    acquired: list[Any] = []

    def rows() -> Iterator[FeatureRow]:
        for case_id in case_ids:
            record = io.read_json(record_path(EXTRACT.stage, case_id, folder))
            inputs[case_id] = record["key"]["inputs"]
            acquired.append(record["body"]["acquisition"])
            pairs = record["body"]["values"]
            values = {name: float("nan") if value is None else value for name, value in pairs}
            yield FeatureRow(case_id, values, record["body"]["absent"])

    io.save_features(rows(), folder)
    summary = {"cases": inputs, "acquisition": summarise(acquired)}
    io.write_json(folder / "acquisition.json", summary)
