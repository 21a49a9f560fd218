"""One outline of a DICOM object, whatever kind of object holds it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pydicom.dataset import Dataset

from radresp.core import Grid, Note, NoteKind
from radresp.errors import InputError
from radresp.io.dicom_dataset import items_of, read_dataset, text_of
from radresp.io.dicom_header import read_headers
from radresp.io.dicom_seg import SEG_CLASSES, read_seg_outline
from radresp.io.input_file import files_below
from radresp.io.mask_choice import Choice
from radresp.io.mask_place import Outline
from radresp.io.rtstruct import RTSTRUCT_CLASS, read_rtstruct_outline


def read_dicom_outline(
    path: Path, choice: Choice, grid: Grid, *, resample: bool, image: Path | None = None
) -> Outline:
    """Read one outline of a DICOM SEG or RTSTRUCT.

    Parameters
    ----------
    path : Path
        The file.
    choice : Choice
        Which outline.
    grid : Grid
        Grid of the image it was drawn on.
    resample : bool
        Whether contours of other planes than the image's slices may be carried to it.
    image : Path, optional
        The image, where it is DICOM: an object that refers to another series is warned of.

    Raises
    ------
    InputError
        ``MASK_FORMAT`` for another kind of object, and the codes of
        `radresp.io.dicom_dataset.read_dataset`, `radresp.io.dicom_seg.read_seg_outline` and
        `radresp.io.rtstruct.read_rtstruct_outline`.
    """
    dataset = read_dataset(path)
    kind = text_of(dataset, "SOPClassUID")
    if kind in SEG_CLASSES:
        outline = read_seg_outline(dataset, choice, grid, path)
    elif kind == RTSTRUCT_CLASS:
        outline = read_rtstruct_outline(dataset, choice, grid, path, resample=resample)
    else:
        raise InputError(
            "MASK_FORMAT",
            "a DICOM object that holds no outline",
            expected="a DICOM SEG or RTSTRUCT, a NIfTI or NRRD label map",
            action="check which file was named as a mask",
            file=path,
        )
    warned = () if image is None else _series_notes(dataset, image, path)
    return replace(outline, notes=outline.notes + warned)


def _series_notes(dataset: Dataset, image: Path, path: Path) -> tuple[Note, ...]:
    """A warning when the object refers to other series than the image's, else nothing.

    Geometry decides whether an outline fits; anonymisers often change only one of the two UIDs.
    """
    referenced = items_of(dataset, "ReferencedSeriesSequence")
    for frame in items_of(dataset, "ReferencedFrameOfReferenceSequence"):
        for study in items_of(frame, "RTReferencedStudySequence"):
            referenced += items_of(study, "RTReferencedSeriesSequence")
    named = {text_of(item, "SeriesInstanceUID") for item in referenced} - {""}
    own = _series_of(image)
    if not named or own is None or own in named:
        return ()
    note = Note(
        NoteKind.WARNING,
        "MASK_SERIES",
        "the outline refers to another series than its image's",
        expected="an outline drawn on this image",
        action="check that the right visit and sequence are named",
        file=path.name,
    )
    return (note,)


def _series_of(image: Path) -> str | None:
    """Series of the first DICOM file of a folder, or of a file."""
    for file in files_below(image) if image.is_dir() else (image,):
        try:
            headers = read_headers(file)
        except InputError:
            return None  # the image's own reader says what is wrong with it
        if headers:
            return headers[0].series_uid
    return None
