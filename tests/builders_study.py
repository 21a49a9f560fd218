"""Small DICOM studies of made-up patients: several series a visit, several visits a patient."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, timedelta
from pathlib import Path

import builders_dicom as make
from pydicom.dataset import FileDataset

FIRST = date(2024, 1, 2)
Edit = Callable[[list[FileDataset]], list[FileDataset]]
PLAIN = (("t2", make.setting()), ("dwi", make.setting()), ("adc", make.setting()))


def series(
    kind: str, patient: str, day: date | int, number: int, edit: Edit | None = None
) -> list[FileDataset]:
    """One series of a patient on a day (or so many days after the first), the n-th of its study."""
    when = FIRST + timedelta(days=day) if isinstance(day, int) else day
    datasets = make.make_series(kind, slices=12, b_values=(50, 800))
    for dataset in datasets:
        dataset.PatientID, dataset.PatientName = patient, f"{patient}^NAME"
        dataset.StudyDate = dataset.AcquisitionDate = when.strftime("%Y%m%d")
        dataset.AcquisitionTime = f"10{number:02d}00"
        dataset.SeriesNumber = number
        dataset.SeriesDescription = dataset.ProtocolName = "series"
    return edit(datasets) if edit else datasets


def write_study(
    folder: Path,
    patient: str,
    day: date | int,
    kinds: Iterable[tuple[str, Edit]] = PLAIN,
    *,
    flat: bool = False,
) -> Path:
    """Write a study: a folder a series, or all files in one folder."""
    made = [series(kind, patient, day, n, edit) for n, (kind, edit) in enumerate(kinds, start=1)]
    if flat:
        return make.write_series(folder, [dataset for datasets in made for dataset in datasets])
    for number, datasets in enumerate(made, start=1):
        make.write_series(folder / f"s{number}", datasets)
    return folder


def write_patient(
    folder: Path, patient: str = "4711", days: Iterable[date | int] = (0, 84)
) -> Path:
    """Write plain studies of one patient."""
    for place, day in enumerate(days, start=1):
        write_study(folder / f"v{place}", patient, day)
    return folder
