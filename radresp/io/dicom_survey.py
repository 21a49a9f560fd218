"""The series among some files, told in facts that rules can judge and that name nobody.

This runs in the reader process. Patients, series and objects leave it as keyed hashes, dates moved
by the patient's secret shift, and of descriptions only which of the caller's patterns they fit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from collections.abc import Sequence as Ordered
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from radresp.errors import InputError
from radresp.io.dicom_checks import series_groups
from radresp.io.dicom_describe import examine
from radresp.io.dicom_diffusion import assume_zero
from radresp.io.dicom_folder import Watcher
from radresp.io.dicom_header import read_headers
from radresp.io.dicom_key import hashed, shift_of
from radresp.io.dicom_kind import b_values, kind_of, position_count
from radresp.io.dicom_series import common_attributes
from radresp.io.dicom_slice import Header

Fact = str | float | tuple[str, ...]
PLANES = ("sagittal", "coronal", "axial")
_TOLD = ("echo_time_ms", "repetition_time_ms", "slice_thickness_mm", "field_strength_t", "vendor")
_EPOCH = datetime(1900, 1, 1)
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class SeriesFacts:
    """One series among the files of a survey.

    Parameters
    ----------
    number : int
        Its place as `radresp series` lists the same files, from 1.
    uid, content : str
        Keyed hashes of the series' UID and of the UIDs of all its objects.
    patient : str
        Keyed hash of the patient id; empty when there is none.
    person : str
        Keyed hash of patient id, birth date and sex.
    day : int or None
        Study date as a day number, moved by the patient's secret shift.
    moment : float or None
        Start of the acquisition, s, moved likewise.
    facts : mapping of str to str, float or tuple of str
        What rules may judge; absent facts are not in it.
    warnings : tuple of str
        Codes a reader would warn with.
    """

    number: int
    uid: str
    content: str
    patient: str
    person: str
    day: int | None
    moment: float | None
    facts: Mapping[str, Fact]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Damaged:
    """A file that is DICOM but cannot be parsed: its name, the code, and what was found."""

    name: str
    code: str
    found: str


@dataclass(frozen=True, slots=True)
class FolderSurvey:
    """What some files of a folder hold."""

    series: tuple[SeriesFacts, ...] = ()
    damaged: tuple[Damaged, ...] = ()
    other_files: int = 0


def survey_files(
    folder: Path, names: Ordered[str], patterns: Mapping[str, str], watch: Watcher
) -> FolderSurvey:
    """Describe the series among some files by their headers.

    Parameters
    ----------
    folder : Path
        Where the files lie.
    names : sequence of str
        Paths relative to the folder.
    patterns : mapping of str to str
        Regular expressions by name, tried on series description and protocol name in small letters.
    watch : callable
        Told of every file before it is read.

    Returns
    -------
    FolderSurvey
        Series in order of acquisition.
    """
    headers: list[Header] = []
    damaged: list[Damaged] = []
    other = 0
    for name in names:
        watch(folder / name)
        try:
            found = read_headers(folder / name)
        except InputError as error:
            damaged.append(Damaged(name, error.code, error.found))
            continue
        headers += found
        other += not found
    tests = {name: re.compile(pattern) for name, pattern in patterns.items()}
    series = tuple(
        _facts_of(number, group, folder, damaged, tests)
        for number, group in enumerate(series_groups(headers), start=1)
    )
    return FolderSurvey(series, tuple(damaged), other)


def _facts_of(
    number: int,
    series: Ordered[Header],
    folder: Path,
    damaged: Ordered[Damaged],
    tests: Mapping[str, re.Pattern[str]],
) -> SeriesFacts:
    headers, _ = assume_zero(series)
    first = headers[0]
    spacing, notes = examine(headers, folder)
    # A folder with a file that cannot be parsed is refused whole: nobody knows whose slice it is.
    problem = damaged[0].code if damaged else ("" if spacing is not None else notes[-1].code)
    facts: dict[str, Fact | None] = {
        "kind": str(kind_of(headers)),
        "modality": first.modality if re.fullmatch("[A-Z]{2,8}", first.modality) else None,
        "problem": problem or None,
        "slices": float(position_count(headers)),
        "images": float(len(headers)),
        "slice_mm": spacing,
        "words": tuple(n for n, test in tests.items() if any(map(test.search, _texts(headers)))),
        **_seen(headers),
    }
    days, seconds = shift_of(first.patient_id)
    study = min((h.study_date for h in headers if h.study_date is not None), default=None)
    acquired = min((h.acquired for h in headers if h.acquired is not None), default=None)
    moment = None if acquired is None else (acquired - _EPOCH).total_seconds()
    return SeriesFacts(
        number=number,
        uid=hashed("series", first.series_uid),
        content=hashed("objects", *sorted(header.sop_uid for header in headers)),
        patient=first.patient_id,
        person=first.patient or "",
        day=None if study is None else study.toordinal() + days,
        moment=None if moment is None else moment + days * _DAY_S + seconds,
        facts={name: value for name, value in facts.items() if value is not None},
        warnings=tuple(dict.fromkeys(note.code for note in notes)) if not problem else (),
    )


def _texts(headers: Ordered[Header]) -> set[str]:
    return {header.described for header in headers}


def _seen(headers: Ordered[Header]) -> dict[str, Fact | None]:
    """Facts of the acquisition and of where the slices lie."""
    shared = common_attributes(headers)
    found = b_values(headers)
    place = headers[0].placement
    plane, tilt = (None, None) if place is None else _plane(place.row, place.column)
    return {
        **{name: shared[name] for name in _TOLD if name in shared},
        "scanning_sequence": _words(shared.get("scanning_sequence")),
        "image_type": _words(shared.get("image_type")),
        "b_count": float(len(found)),
        "b_min": min(found, default=None),
        "b_max": max(found, default=None),
        "in_plane_mm": None if place is None else round(max(place.spacing_mm), 4),
        "plane": plane,
        "tilt_degrees": tilt,
    }


def _words(text: str | float | None) -> tuple[str, ...]:
    return tuple(word for word in str(text or "").split("\\") if word)


def _plane(
    row: tuple[float, float, float], column: tuple[float, float, float]
) -> tuple[str | None, float | None]:
    """The nearest plane of the body, and degrees between slices and the axial plane."""
    normal = np.abs(np.cross(row, column))
    length = float(np.linalg.norm(normal))
    if not np.isfinite(length) or length <= 0:
        return None, None
    cosine = min(1.0, float(normal[2]) / length)
    return PLANES[int(normal.argmax())], round(float(np.degrees(np.arccos(cosine))), 1)
