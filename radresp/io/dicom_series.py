"""Strict reader of one MR series: a folder in, one checked volume a b-value out.

All headers are read and checked before any pixel. A series is refused, with the reason and the
file, unless every slice is present, lies where the grid says and shows the same kind of picture.
Frames of multi-frame files are slices like any other. Runs in the reader process
(`radresp.io.dicom_guard`), which nothing it reads can take with it.
"""

from __future__ import annotations

from collections.abc import Sequence as Ordered
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radresp.core import Note, NoteKind
from radresp.errors import InputError
from radresp.io import dwi_repeats
from radresp.io.dicom_checks import check_series, lossy_notes
from radresp.io.dicom_diffusion import assume_zero, conflict_notes
from radresp.io.dicom_folder import Folder, Watcher, read_folder, unwatched
from radresp.io.dicom_kind import describe_kind, kind_of
from radresp.io.dicom_nouns import Kind, Series, SeriesVolume
from radresp.io.dicom_pixels import read_pixels
from radresp.io.dicom_scaling import choose_rule
from radresp.io.dicom_slice import Header
from radresp.io.dicom_stacks import Stack, arrange
from radresp.io.image_checks import (
    check_not_constant,
    check_spacing,
    field_of_view_notes,
    mend_nonfinite,
)
from radresp.io.series_choice import chosen_series

SIGN_FRACTION = 0.001
"""Largest tolerated fraction of impossible stored numbers."""

_MAGNITUDE = (Kind.T2, Kind.DWI, Kind.CALCULATED_B)


def read_series(path: Path, watch: Watcher = unwatched, choice: str | None = None) -> Series:
    """Read the one series of a folder, or the chosen one, or refuse it.

    Parameters
    ----------
    path : Path
        Folder of DICOM files, searched with its subfolders; other files are named and skipped.
    watch : callable, optional
        Told of every file before it is read.
    choice : str, optional
        Which series of a folder of several, see `radresp.io.series_choice`.

    Returns
    -------
    Series
        Volumes as float32 after each slice's own rescaling, LPS mm.

    Raises
    ------
    InputError
        ``DCM_NOT_DICOM`` when there is no DICOM file, ``DCM_SIGN``, ``NONFINITE``,
        ``IMG_CONSTANT``, ``IMG_SPACING`` and the codes of `radresp.io.dicom_header.read_headers`,
        `radresp.io.series_choice.chosen_series`, `radresp.io.dicom_checks.check_series`,
        `radresp.io.dicom_stacks.arrange` and `radresp.io.dicom_pixels.read_pixels`.
    """
    folder = read_folder(path, watch)
    headers, filled = assume_zero(chosen_series(_usable(folder, path), choice, path))
    check_series(headers, path)
    kind = kind_of(headers)
    rule, ambiguous = choose_rule([h.scaling for h in headers], kind is Kind.ADC, path)
    volumes = tuple(_read_stack(stack, kind, rule, path, watch) for stack in arrange(headers, path))
    return Series(
        kind,
        describe_kind(kind, headers),
        volumes,
        {**common_attributes(headers), "rescale_source": rule},
        skipped_notes(folder, path)
        + filled
        + ambiguous
        + lossy_notes(headers)
        + _rescale_notes(headers, rule)
        + conflict_notes(headers, kind),
    )


def common_attributes(headers: Ordered[Header]) -> dict[str, str | float]:
    """The acquisition attributes all slices share."""
    return {
        name: value
        for name, value in headers[0].attributes.items()
        if all(header.attributes.get(name) == value for header in headers)
    }


def skipped_notes(folder: Folder, path: Path) -> tuple[Note, ...]:
    """A warning for every file that is not DICOM."""
    return tuple(
        Note(
            NoteKind.WARNING,
            "DCM_NOT_DICOM",
            "a file that is not DICOM was skipped",
            file=file.relative_to(path).as_posix() if file != path else file.name,
        )
        for file in folder.skipped
    )


def _usable(folder: Folder, path: Path) -> tuple[Header, ...]:
    if folder.broken:
        raise folder.broken[0]
    if not folder.headers:
        raise InputError(
            "DCM_NOT_DICOM",
            f"no DICOM file among {len(folder.skipped)} files",
            expected="the files of one DICOM series",
            file=path,
        )
    return folder.headers


def _read_stack(stack: Stack, kind: Kind, rule: str, path: Path, watch: Watcher) -> SeriesVolume:
    check_spacing(stack.grid, path)
    array = np.empty(stack.grid.size[::-1], np.float32)
    outside = 0
    for values, place in zip(array, stack.places, strict=True):
        watch(place[0].path)
        arrays, counts = zip(*(read_pixels(h, h.scaling.line(rule)) for h in place), strict=True)
        outside += sum(counts)
        values[:] = (
            arrays[0]
            if len(place) == 1
            else dwi_repeats.combine(arrays, [header.direction for header in place])
        )
    array, mended = mend_nonfinite(array, path)
    check_not_constant(array, path)
    directions = [header.direction for header in stack.places[0]]
    repeats = len(directions)
    _check_sign(array, outside / (array.size * repeats), kind, path)
    notes = stack.notes + mended + field_of_view_notes(stack.grid, path)
    notes += dwi_repeats.notes(stack.b_s_per_mm2 or 0.0, directions)
    return SeriesVolume(array, stack.grid, stack.b_s_per_mm2, array.shape[0] * repeats, notes)


def _check_sign(array: NDArray[np.float32], outside: float, kind: Kind, path: Path) -> None:
    """Magnitude images are not negative, and stored numbers fit the declared bits."""
    negative = np.count_nonzero(array < 0) / array.size if kind in _MAGNITUDE else 0.0
    if max(negative, outside) <= SIGN_FRACTION:
        return
    raise InputError(
        "DCM_SIGN",
        f"{negative:.2%} negative voxels and {outside:.2%} outside the declared bits",
        expected=f"at most {SIGN_FRACTION:.1%} in a magnitude image",
        action="check BitsStored, PixelRepresentation and the rescaling; numbers may have wrapped",
        file=path,
    )


def _rescale_notes(headers: Ordered[Header], rule: str) -> tuple[Note, ...]:
    lines = {header.scaling.line(rule) for header in headers}
    if len(lines) == 1:
        return ()
    note = Note(
        NoteKind.INFO,
        "DCM_RESCALE",
        f"{len(lines)} different rescalings in one series, each applied to its own slice",
    )
    return (note,)
