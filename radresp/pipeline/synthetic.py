"""Write synthetic patients to disk as a cohort that looks like anybody's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from collections.abc import Sequence as Ordered
from functools import partial
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from radresp import evaluate, io, phantom
from radresp.core import Case, Sequence, Timepoint
from radresp.errors import PlanError
from radresp.pipeline.synthetic_dicom import check_writes_dicom, save_dicom_visit
from radresp.pipeline.workers import worker_pool

ENDPOINT = "synthetic_truth"
Cells = dict[str, str]


class SavedPatient(NamedTuple):
    """The table rows of one written patient."""

    cohort: Cells
    outcome: Cells
    truth: Cells
    foci: list[Cells]


def phantom_settings(
    preset: str = "balanced",
    scanners: Ordered[str] | None = None,
    *,
    fast: bool = False,
    coarseness: float | None = None,
    dicom: bool = False,
) -> phantom.PhantomSettings:
    """The settings of a synthetic cohort.

    Parameters
    ----------
    preset : str, default "balanced"
        Kind of cohort; see `radresp.phantom.presets`.
    scanners : sequence of str, optional
        Scanners drawn from. By default all vendors', or the reference scanners when fast, unless
        they have to write DICOM.
    fast : bool, default False
        Coarser voxels and a tighter field of view.
    coarseness : float, optional
        Factor on the voxel edges of every scanner, 1 to 4; by default 1, or 1.8 when fast.
    dicom : bool, default False
        Whether the scanners have to write DICOM.

    Raises
    ------
    PlanError
        ``CONFIG_VALUE`` for an unknown preset or scanner.
    """
    changes: dict[str, object] = {"preset": preset}
    if scanners or (fast and dicom):
        changes["scanners"] = tuple(scanners or phantom.VENDOR_SCANNERS)
    if coarseness is not None:
        changes["coarseness"] = coarseness
    base = phantom.PhantomSettings.fast() if fast else phantom.PhantomSettings()
    try:
        return phantom.PhantomSettings.model_validate(base.model_dump() | changes)
    except ValidationError as error:
        expected = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
        raise PlanError(
            "CONFIG_VALUE",
            f"preset {preset}, scanners {', '.join(scanners or ()) or 'by default'}",
            expected=expected,
        ) from None


def make_phantom_cohort(
    folder: Path,
    cases: int,
    seed: int,
    *,
    first: int = 0,
    settings: phantom.PhantomSettings | None = None,
    dicom: bool = False,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a cohort of synthetic patients with their truth.

    Parameters
    ----------
    folder : Path
        Gets one folder a case (``pre/`` and ``post/`` with images and masks), ``cohort.csv``,
        ``outcomes.csv`` and ``truth/``.
    cases, seed : int
        How many, and the seed; the same pair gives the same bytes whatever the workers.
    first : int, default 0
        Index of the first patient.
    settings : PhantomSettings, optional
        Cohort preset, scanners, sampling; a full-size multi-scanner cohort when not given.
    dicom : bool, default False
        Images as DICOM series in the dialect of each scanner, with the masks also as DICOM SEG and
        RTSTRUCT, instead of NIfTI.
    workers : int, default 1
        Processes.
    progress : callable, optional
        Called with (done, all).

    Returns
    -------
    Path
        The cohort table.

    Raises
    ------
    PlanError
        ``USAGE`` for DICOM from a reference scanner, before anything is written.
    """
    settings = settings or phantom.PhantomSettings()
    if dicom:
        check_writes_dicom(settings.scanners)
    make = partial(_save_patient, folder=folder, seed=seed, settings=settings, dicom=dicom)
    saved: list[SavedPatient] = []
    for patient in _spread(make, range(first, first + cases), workers):
        saved.append(patient)
        if progress is not None:
            progress(len(saved), cases)
    io.write_table(folder / "cohort.csv", [patient.cohort for patient in saved])
    io.write_table(folder / "outcomes.csv", [patient.outcome for patient in saved])
    io.write_table(folder / "truth" / "truth.csv", [patient.truth for patient in saved])
    foci = [row for patient in saved for row in patient.foci]
    if foci:
        io.write_table(folder / "truth" / "foci.csv", foci)
    return folder / "cohort.csv"


def ceiling(folder: Path) -> float:
    """AUC for complete response of the phantom's oracle on a cohort that was written.

    The oracle knows everything an image of these patients could show, so no model of the images
    can be expected to do better.

    Parameters
    ----------
    folder : Path
        Of the cohort.
    """
    table = io.load_text_table(folder / "truth" / "truth.csv")
    complete = [outcome != "residual" for outcome in table.column("outcome")]
    return evaluate.auc(complete, [-float(p) for p in table.column("oracle_p_residual")])


def _spread(
    make: Callable[[int], SavedPatient], indices: Iterable[int], workers: int
) -> Iterator[SavedPatient]:
    if workers <= 1:
        yield from map(make, indices)
        return
    with worker_pool(workers) as pool:
        yield from pool.map(make, indices)


def _save_patient(
    index: int, folder: Path, seed: int, settings: phantom.PhantomSettings, dicom: bool
) -> SavedPatient:
    patient = phantom.make_patient(index, seed, settings)
    case_id = patient.case.case_id
    cells = {"case_id": case_id, **_save_masks(patient.case, folder)}
    for visit in Timepoint:
        if dicom:
            cells |= save_dicom_visit(patient, visit, folder, f"{seed}/{case_id}/{visit}")
        else:
            cells |= _save_nifti(patient.case, visit, folder)
    _save_truth(patient, folder / "truth" / case_id)
    truth = {name: _text(value) for name, value in patient.truth.items()}
    return SavedPatient(
        cohort=cells | dict(patient.clinical),
        outcome={"case_id": case_id, "endpoint": ENDPOINT, **patient.reference},
        truth={"case_id": case_id} | truth,
        foci=[
            {"case_id": case_id, **{name: _text(v) for name, v in focus._asdict().items()}}
            for focus in patient.foci
        ],
    )


def _save_nifti(case: Case, visit: Timepoint, folder: Path) -> Cells:
    """Write the images of a visit; the table's cells name them relative to the folder."""
    place = f"{case.case_id}/{visit}"
    io.save_volume(case.image(visit, Sequence.T2), folder / place / "t2.nii.gz")
    io.save_dwi(case.dwi(visit), folder / place / "dwi.nii.gz")
    return {f"{visit}_t2": f"{place}/t2.nii.gz", f"{visit}_dwi": f"{place}/dwi.nii.gz"}


def _save_masks(case: Case, folder: Path) -> Cells:
    cells: Cells = {}
    for key, mask in case.masks.items():
        name = f"{case.case_id}/{key.timepoint}/{key.roi}.nii.gz"
        cells[f"{key.timepoint}_{key.roi}"] = name
        io.save_mask(mask, folder / name)
    return cells


def _save_truth(patient: phantom.PhantomPatient, folder: Path) -> None:
    """True maps as NIfTI on the grids of their images, and the transform between the visits."""
    for key, maps in patient.maps.items():
        grid = patient.case.image(key.timepoint, key.sequence).grid
        for name, values in maps.items():
            io.save_map(values, grid, folder / f"{key.timepoint}_{key.sequence}_{name}.nii.gz")
    io.save_transform(patient.transform, folder / "post_to_pre.tfm")


def _text(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.6g}"
