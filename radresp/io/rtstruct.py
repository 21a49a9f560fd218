"""One ROI of a DICOM RTSTRUCT as an outline on the grid of its image.

Standard: DICOM PS3.3 A.19. ROI names are free text: they are compared, and shown only where one
has to be chosen. Descriptions, observations and the names of who drew are not read.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import FileDataset

from radresp.core import Grid, Note, NoteKind
from radresp.errors import GeometryError, InputError
from radresp.io.dicom_dataset import items_of, private_words, text_of, whole_of
from radresp.io.mask_choice import Choice, Entry, refuse_threshold, select
from radresp.io.mask_place import Outline, outside_error
from radresp.io.rtstruct_contours import read_contours
from radresp.io.rtstruct_planes import draw, misfit, own_grid

RTSTRUCT_CLASS = "1.2.840.10008.5.1.4.1.1.481.3"


def read_rtstruct_outline(
    dataset: FileDataset, choice: Choice, grid: Grid, path: Path, *, resample: bool
) -> Outline:
    """Fill the contours of the chosen ROI.

    Parameters
    ----------
    dataset : pydicom.FileDataset
        The RTSTRUCT.
    choice : Choice
        ROI number, name or pattern; several ROIs joined by ``+`` are united.
    grid : Grid
        Grid of the image the contours were drawn on.
    path : Path
        File, for messages.
    resample : bool
        Whether contours of other planes than the image's slices may be carried to it.

    Returns
    -------
    Outline
        On ``grid``, or on a grid of the contours' own planes when resampling is needed.

    Raises
    ------
    InputError
        ``MASK_LABEL`` with the list of ROIs, ``RTSTRUCT_ROI``, ``RTSTRUCT_CONTOUR``,
        ``MASK_CHOICE``.
    GeometryError
        ``MASK_GEOMETRY`` for contours between or across slices, ``MASK_OUTSIDE``.
    """
    refuse_threshold(choice, "contours", path)
    entries = _entries(dataset, path)
    chosen = select(entries, choice, path, private_words(dataset))
    said = "+".join(str(entry.number) for entry in chosen)
    notes: tuple[Note, ...] = (
        Note(NoteKind.INFO, "MASK_LABEL", f"ROI {said} of {len(entries)} chosen", file=path.name),
    )
    each = []
    for entry in chosen:
        contours = read_contours(dataset, entry.number, path)
        each.append(contours.points)
        notes += contours.notes
    target = _target([points for roi in each for points in roi], grid, path, resample=resample)
    inside = np.zeros(target.size[::-1], dtype=bool)
    for points in each:
        drawn = draw(points, target, path.name)
        if drawn.outside > 0:
            raise outside_error("RTSTRUCT", drawn.outside, path)
        inside |= drawn.inside
        notes += drawn.notes
    count = sum(map(len, each))
    record: dict[str, str | int | float] = {"format": "rtstruct", "number": said}
    return Outline(inside, target, notes, record | {"contours": count})


def _entries(dataset: FileDataset, path: Path) -> tuple[Entry, ...]:
    entries = []
    for item in items_of(dataset, "StructureSetROISequence"):
        number = whole_of(item, "ROINumber")
        if number is None:
            raise _bad_roi("an ROI without a number", path)
        entries.append(Entry(number, text_of(item, "ROIName")))
    if len({entry.number for entry in entries}) != len(entries):
        raise _bad_roi("two ROIs of one number", path)
    return tuple(entries)


def _target(contours: list[NDArray[np.float64]], grid: Grid, path: Path, *, resample: bool) -> Grid:
    reason = misfit(contours, grid)
    if not reason:
        return grid
    if resample:
        return own_grid(contours, grid)
    raise GeometryError(
        "MASK_GEOMETRY",
        f"contours drawn on other planes than the image's slices: {reason}",
        expected="contours of the image they are named for",
        action="check which series they were drawn on, or ask for resampling",
        file=path,
    )


def _bad_roi(found: str, path: Path) -> InputError:
    return InputError(
        "RTSTRUCT_ROI",
        found,
        expected="one number for each ROI",
        action="export it again",
        file=path,
    )
