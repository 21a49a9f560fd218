"""What is in a DICOM folder: every series with its kind, grid, b-values and problems.

For people who receive an export and want to know which folder is the T2. Only acquisition
attributes of the allow-list are told; dates become days since the first study.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from collections.abc import Sequence as Ordered
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any

from radresp.core import Note, NoteKind
from radresp.errors import InputError, relative_name
from radresp.io.dicom_checks import check_series, series_groups
from radresp.io.dicom_folder import read_folder
from radresp.io.dicom_kind import Kind, b_values, kind_of, position_count
from radresp.io.dicom_series import common_attributes
from radresp.io.dicom_slice import Header
from radresp.io.dicom_stacks import arrange
from radresp.io.image_checks import check_spacing
from radresp.io.input_file import is_folder


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


def describe_folder(folder: Path) -> tuple[SeriesSummary, ...]:
    """Describe every DICOM series below a folder.

    Parameters
    ----------
    folder : Path
        Searched with its subfolders; files that are not DICOM are ignored.

    Returns
    -------
    tuple of SeriesSummary
        In order of acquisition. Files that are DICOM but cannot be parsed come last, one summary
        a folder.

    Raises
    ------
    InputError
        ``MISSING_FILE`` or ``NOT_A_FOLDER``.
    """
    if not is_folder(folder):
        raise InputError("NOT_A_FOLDER", "not a folder", expected="a folder", file=folder)
    found = read_folder(folder)
    groups = series_groups(found.headers)
    days = [header.study_date for header in found.headers if header.study_date is not None]
    first = min(days, default=None)
    summaries = [
        _summary(number, group, folder, first) for number, group in enumerate(groups, start=1)
    ]
    broken: dict[str, list[InputError]] = {}
    for error in found.broken:
        place = relative_name(Path(str(error.file)).parent, folder)
        broken.setdefault(place, []).append(error)
    for place, errors in sorted(broken.items()):
        problems = tuple(_problem(error, folder) for error in errors)
        number = len(summaries) + 1
        summaries.append(
            SeriesSummary(number, place, Kind.OTHER, 0, len(errors), problems=problems)
        )
    return tuple(summaries)


def _summary(
    number: int, headers: Ordered[Header], folder: Path, first: date | None
) -> SeriesSummary:
    layout, placement = headers[0].layout, headers[0].placement
    day = headers[0].study_date
    spacing, problems = _examine(headers, folder)
    return SeriesSummary(
        number=number,
        folder=_common_folder(headers, folder),
        kind=kind_of(headers),
        slices=position_count(headers),
        images=len(headers),
        matrix=None if layout is None else (layout.columns, layout.rows),
        spacing_mm=None if placement is None else placement.spacing_mm,
        slice_spacing_mm=spacing,
        b_values=b_values(headers),
        attributes=common_attributes(headers),
        days=None if day is None or first is None else (day - first).days,
        problems=problems,
    )


def _examine(headers: Ordered[Header], folder: Path) -> tuple[float | None, tuple[Note, ...]]:
    """Slice spacing, and what the reader would say, without decoding the series."""
    here = folder / _common_folder(headers, folder)
    try:
        check_series(headers, here)
        stacks = arrange(headers, here)
        check_spacing(stacks[0].grid, here)
    except InputError as error:
        return None, (_problem(error, folder),)
    notes = dict.fromkeys(note for stack in stacks for note in stack.notes)
    return round(stacks[0].grid.spacing_mm[2], 6), tuple(notes)


def _problem(error: InputError, folder: Path) -> Note:
    file = "" if error.file is None else relative_name(Path(error.file), folder)
    return Note(NoteKind.WARNING, error.code, error.found, error.expected, error.action, file=file)


def _common_folder(headers: Ordered[Header], folder: Path) -> str:
    common = os.path.commonpath([header.path.parent for header in headers])
    return relative_name(Path(common), folder)
