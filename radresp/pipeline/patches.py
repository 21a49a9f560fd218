"""Patches of a cohort, each cut once and kept: what a network learns from and is asked about."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from radresp import cnn, io
from radresp.core import CaseFiles, Trail
from radresp.errors import InputError
from radresp.pipeline.batch import WHOLE, Batch, Watcher, claimed, work_through
from radresp.pipeline.case_work import Job, Place
from radresp.pipeline.kept_fits import KeptFits
from radresp.pipeline.plan import EXTRACTION, Plan
from radresp.pipeline.prepare import prepare_patch
from radresp.pipeline.read import load_case
from radresp.pipeline.records import save_record
from radresp.pipeline.results import CohortResult

SECTIONS = (*EXTRACTION, "cnn")


def cut_cohort(
    cases: Sequence[CaseFiles],
    plan: Plan,
    folder: Path,
    batch: Batch = WHOLE,
    *,
    watch: Watcher | None = None,
) -> CohortResult:
    """Cut the patch of every case of a cohort into a folder, resuming what is there.

    Parameters
    ----------
    cases : sequence of CaseFiles
        The cohort.
    plan : Plan
        With a section ``cnn``.
    folder : Path
        Gets ``patches/CASE.npz``, ``plan.yaml``, ``status.jsonl`` and one record a case.
    batch, watch
        As in :func:`radresp.pipeline.cohort.extract_cohort`.

    Raises
    ------
    OutputError
        ``CONFIG_CHANGED``, ``LOCKED``, or any failure to write.
    CohortError
        ``NO_CASES``.
    """
    with claimed(CUT, cases, plan, folder, batch):
        return work_through(CUT, cases, plan, folder, batch, watch)


def load_inputs(case_id: str, folder: Path) -> cnn.Inputs:
    """What the network reads of a case that was cut.

    Raises
    ------
    InputError
        ``PATCH`` when its file is missing or damaged.
    """
    found = io.load_arrays(patch_path(case_id, folder))
    if found is None or set(found) != {"images", "there"}:
        raise InputError(
            "PATCH",
            "the patch of the case is missing or damaged",
            expected="a file written by `radresp train-cnn`",
            action="run the command again; with --force if that does not help",
            case=case_id,
        )
    return cnn.Inputs(found["images"], found["there"])


def patch_path(case_id: str, folder: Path) -> Path:
    """Where the patch of a case lies."""
    return folder / "patches" / f"{case_id}.npz"


def _cut_one(files: CaseFiles, plan: Plan, place: Place) -> Trail:
    folder = place.folder
    patch, trail = prepare_patch(load_case(files, plan), plan, KeptFits.at(place))
    inputs = cnn.inputs_of(patch)
    path = patch_path(files.case_id, folder)
    io.save_arrays(path, inputs._asdict())
    body = {
        "absent": dict(patch.absent),
        "outputs": {path.relative_to(folder).as_posix(): io.sha256_of(path)},
    }
    save_record(CUT.stage, files, plan.sha256(*SECTIONS), folder, body)
    return trail


CUT = Job("patch", _cut_one, SECTIONS)
