"""What is in a DICOM folder: every series with its kind, grid, b-values and problems.

For people who receive an export and want to know which folder is the T2. Only acquisition
attributes of the allow-list are told; dates become days since the first study.
"""

from __future__ import annotations

import os
from collections.abc import Sequence as Ordered
from datetime import date
from pathlib import Path

from radresp.core import Note, NoteKind
from radresp.errors import InputError, relative_name
from radresp.io.dicom_checks import check_series, lossy_notes, series_groups
from radresp.io.dicom_diffusion import assume_zero, conflict_notes
from radresp.io.dicom_folder import Watcher, read_folder, unwatched
from radresp.io.dicom_kind import b_values, kind_of, position_count
from radresp.io.dicom_nouns import Kind, SeriesSummary
from radresp.io.dicom_scaling import choose_rule
from radresp.io.dicom_series import common_attributes
from radresp.io.dicom_slice import Header
from radresp.io.dicom_stacks import arrange
from radresp.io.image_checks import check_spacing
from radresp.io.input_file import is_folder


def describe_folder(folder: Path, watch: Watcher = unwatched) -> tuple[SeriesSummary, ...]:
    """Describe every DICOM series below a folder.

    Parameters
    ----------
    folder : Path
        Searched with its subfolders; files that are not DICOM are ignored.
    watch : callable, optional
        Told of every file before it is read.

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
    found = read_folder(folder, watch)
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
    number: int, series: Ordered[Header], folder: Path, first: date | None
) -> SeriesSummary:
    headers, filled = assume_zero(series)
    layout, placement = headers[0].layout, headers[0].placement
    day = headers[0].study_date
    spacing, problems = examine(headers, folder)
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
        problems=filled + problems,
    )


def examine(headers: Ordered[Header], folder: Path) -> tuple[float | None, tuple[Note, ...]]:
    """Slice spacing, and what the reader would say, without decoding the series.

    The spacing is None when the series would be refused; the last note then says why.
    """
    here = folder / _common_folder(headers, folder)
    try:
        check_series(headers, here)
        stacks = arrange(headers, here)
        check_spacing(stacks[0].grid, here)
        kind = kind_of(headers)
        _, ambiguous = choose_rule([h.scaling for h in headers], kind is Kind.ADC, here)
    except InputError as error:
        return None, (_problem(error, folder),)
    told = (*(note for stack in stacks for note in stack.notes), *ambiguous, *lossy_notes(headers))
    notes = dict.fromkeys((*told, *conflict_notes(headers, kind)))
    return round(stacks[0].grid.spacing_mm[2], 6), tuple(notes)


def _problem(error: InputError, folder: Path) -> Note:
    file = "" if error.file is None else relative_name(Path(error.file), folder)
    return Note(NoteKind.WARNING, error.code, error.found, error.expected, error.action, file=file)


def _common_folder(headers: Ordered[Header], folder: Path) -> str:
    common = os.path.commonpath([header.path.parent for header in headers])
    return relative_name(Path(common), folder)
