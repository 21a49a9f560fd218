"""Write synthetic patients to disk as a cohort that looks like anybody's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from radresp import io, phantom
from radresp.core import Case, Sequence, Timepoint
from radresp.pipeline.workers import worker_pool

ENDPOINT = "synthetic_truth"
Cells = dict[str, str]


class SavedPatient(NamedTuple):
    """The table rows of one written patient."""

    cohort: Cells
    outcome: Cells
    truth: Cells


def make_phantom_cohort(
    folder: Path,
    cases: int,
    seed: int,
    *,
    first: int = 0,
    workers: int = 1,
    fast: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a cohort of synthetic patients with their truth.

    Parameters
    ----------
    folder : Path
        Gets one folder a case (``pre/`` and ``post/`` with ``t2.nii.gz``, ``dwi.nii.gz`` and its
        ``dwi.bval``, masks), ``cohort.csv``, ``outcomes.csv`` and ``truth.csv``.
    cases, seed : int
        How many, and the seed; the same pair gives the same bytes whatever the workers.
    first : int, default 0
        Index of the first patient.
    workers : int, default 1
        Processes.
    fast : bool, default False
        Coarser voxels and a tighter field of view, about three times as quick.
    progress : callable, optional
        Called with (done, all).

    Returns
    -------
    Path
        The cohort table.
    """
    settings = phantom.PhantomSettings.fast() if fast else phantom.PhantomSettings()
    make = partial(_save_patient, folder=folder, seed=seed, settings=settings)
    saved: list[SavedPatient] = []
    for patient in _spread(make, range(first, first + cases), workers):
        saved.append(patient)
        if progress is not None:
            progress(len(saved), cases)
    io.write_table(folder / "cohort.csv", [patient.cohort for patient in saved])
    io.write_table(folder / "outcomes.csv", [patient.outcome for patient in saved])
    io.write_table(folder / "truth.csv", [patient.truth for patient in saved])
    return folder / "cohort.csv"


def _spread(
    make: Callable[[int], SavedPatient], indices: Iterable[int], workers: int
) -> Iterator[SavedPatient]:
    if workers <= 1:
        yield from map(make, indices)
        return
    with worker_pool(workers) as pool:
        yield from pool.map(make, indices)


def _save_patient(
    index: int, folder: Path, seed: int, settings: phantom.PhantomSettings
) -> SavedPatient:
    patient = phantom.make_patient(index, seed, settings)
    case_id = patient.case.case_id
    cells = {"case_id": case_id, **_save_images(patient.case, folder)}
    clinical = {name: str(value) for name, value in patient.clinical.items()}
    truth = {name: _text(value) for name, value in patient.truth.items()}
    return SavedPatient(
        cohort=cells | clinical,
        outcome={"case_id": case_id, "outcome": patient.outcome, "endpoint": ENDPOINT},
        truth={"case_id": case_id, "outcome": patient.outcome} | truth,
    )


def _save_images(case: Case, folder: Path) -> Cells:
    """Write the images and masks of a case; the table's cells name them relative to the folder."""
    cells: Cells = {}
    for timepoint in Timepoint:
        visit = f"{case.case_id}/{timepoint}"
        cells[f"{timepoint}_t2"] = f"{visit}/t2.nii.gz"
        io.save_volume(case.image(timepoint, Sequence.T2), folder / visit / "t2.nii.gz")
        cells[f"{timepoint}_dwi"] = f"{visit}/dwi.nii.gz"
        io.save_dwi(case.dwi(timepoint), folder / visit / "dwi.nii.gz")
    for key, mask in case.masks.items():
        name = f"{case.case_id}/{key.timepoint}/{key.roi}.nii.gz"
        cells[f"{key.timepoint}_{key.roi}"] = name
        io.save_mask(mask, folder / name)
    return cells


def _text(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.6g}"
