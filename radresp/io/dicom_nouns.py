"""What the DICOM reader hands over: the same on both sides of the reader process."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radresp.core import Grid, Note
from radresp.errors import InputError

IDENTITY = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
)
"""What every DICOM object has to carry, if only empty (type 2 in PS3.3), and nothing more."""

_UID = re.compile(r"[0-9.]{1,64}")
_LONGEST = {"StudyID": 16, "AccessionNumber": 16}


class Kind(StrEnum):
    """What a series shows."""

    T2 = "t2"
    DWI = "dwi"
    ADC = "adc"
    CALCULATED_B = "calculated_b"
    LOCALIZER = "localizer"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class SeriesVolume:
    """One volume of a series: values ordered (z, y, x), their grid, b-value and notes."""

    array: NDArray[np.float32]
    grid: Grid
    b_s_per_mm2: float | None
    image_count: int
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class Series:
    """One series: what it shows, its volumes by rising b-value and acquisition attributes."""

    kind: Kind
    description: str
    volumes: tuple[SeriesVolume, ...]
    attributes: Mapping[str, str | float]
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class SeriesSummary:
    """One series of a folder, in words and numbers that name no person.

    Parameters
    ----------
    number : int
        Place in order of acquisition, from 1; a pseudonym.
    folder : str
        Folder relative to the one described.
    kind : Kind
        What it shows.
    slices, images : int
        Slice positions, and files.
    matrix : tuple of int or None
        Columns and rows.
    spacing_mm : tuple of float or None
        Pixel spacing along x and y, mm.
    slice_spacing_mm : float or None
        Distance between slices from their positions, mm; None when they do not form a grid.
    b_values : mapping of float to int
        Images of every b-value, s/mm2.
    attributes : mapping of str to str or float
        Acquisition attributes all slices share.
    days : int or None
        Days since the first study date in the folder.
    problems : tuple of Note
        Why a reader would refuse it or what it would warn of; empty when it is fine.
    """

    number: int
    folder: str
    kind: Kind
    slices: int
    images: int
    matrix: tuple[int, int] | None = None
    spacing_mm: tuple[float, float] | None = None
    slice_spacing_mm: float | None = None
    b_values: Mapping[float, int] = field(default_factory=dict)
    attributes: Mapping[str, str | float] = field(default_factory=dict)
    days: int | None = None
    problems: tuple[Note, ...] = ()

    def __post_init__(self) -> None:
        for name in ("b_values", "attributes"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    def record(self) -> dict[str, Any]:
        """The summary as a JSON-ready dictionary."""
        return {
            "number": self.number,
            "folder": self.folder,
            "kind": str(self.kind),
            "slices": self.slices,
            "images": self.images,
            "matrix": None if self.matrix is None else list(self.matrix),
            "spacing_mm": None if self.spacing_mm is None else list(self.spacing_mm),
            "slice_spacing_mm": self.slice_spacing_mm,
            "b_values": {f"{b:g}": count for b, count in self.b_values.items()},
            **dict(self.attributes),
            "days": self.days,
            "problems": [note.record() for note in self.problems],
        }


@dataclass(frozen=True, slots=True)
class VisitFacts:
    """Facts of one series, for checks in memory; nothing of it is ever written.

    Parameters
    ----------
    patient : str or None
        HMAC-SHA256 of patient id, birth date and sex under a key of this process.
    acquired : datetime or None
        Start of the earliest slice.
    study_date : date or None
        Date of the study.
    body_part : str or None
        BodyPartExamined, when it is a standard value.
    notes : tuple of Note
        What is missing.
    """

    patient: str | None = None
    acquired: datetime | None = None
    study_date: date | None = None
    body_part: str | None = None
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceImage:
    """One slice: class and UID of its file, its frame from 1 where there are several, its place."""

    sop_class: str
    sop_uid: str
    frame: int | None
    position: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Sources:
    """The images of one series.

    Parameters
    ----------
    grid : Grid
        Of the volume they make.
    images : tuple of SourceImage
        One a slice, in the order of the grid's z axis; of a diffusion series the highest b-value,
        and of repeats the last.
    study_uid, series_uid, frame_of_reference_uid : str
        Where they belong.
    identity : mapping of str to str
        Values by keyword of `IDENTITY`; empty unless asked for.

    Raises
    ------
    InputError
        ``DICOM_SOURCE`` for a UID that is none, or an identity that cannot be copied as it is.
    """

    grid: Grid
    images: tuple[SourceImage, ...]
    study_uid: str
    series_uid: str
    frame_of_reference_uid: str
    identity: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        uids = {self.study_uid, self.series_uid, self.frame_of_reference_uid}
        uids |= {uid for image in self.images for uid in (image.sop_class, image.sop_uid)}
        if not all(map(_UID.fullmatch, uids)):
            raise unusable_source("an image or study without a usable UID")
        for keyword, value in self.identity.items():
            parts = value.split("=") if keyword.endswith("Name") else [value]
            too_long = max(map(len, parts)) > _LONGEST.get(keyword, 64)
            if "\\" in value or len(parts) > 3 or too_long:
                raise unusable_source(f"a {keyword} that DICOM does not allow")


def unusable_source(found: str, file: Path | None = None) -> InputError:
    """The refusal of images that no object can refer to."""
    return InputError(
        "DICOM_SOURCE",
        found,
        expected="DICOM images that an object can refer to",
        action="leave out --dicom; score.json and report.html need none",
        file=file,
    )
