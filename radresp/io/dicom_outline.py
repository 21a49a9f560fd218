"""One outline of a DICOM object, whatever kind of object holds it."""

from __future__ import annotations

from pathlib import Path

from radresp.core import Grid
from radresp.errors import InputError
from radresp.io.dicom_dataset import read_dataset, text_of
from radresp.io.dicom_seg import SEG_CLASSES, read_seg_outline
from radresp.io.mask_choice import Choice
from radresp.io.mask_place import Outline
from radresp.io.rtstruct import RTSTRUCT_CLASS, read_rtstruct_outline


def read_dicom_outline(path: Path, choice: Choice, grid: Grid, *, resample: bool) -> Outline:
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
        return read_seg_outline(dataset, choice, grid, path)
    if kind == RTSTRUCT_CLASS:
        return read_rtstruct_outline(dataset, choice, grid, path, resample=resample)
    raise InputError(
        "MASK_FORMAT",
        "a DICOM object that holds no outline",
        expected="a DICOM SEG or RTSTRUCT, a NIfTI or NRRD label map",
        action="check which file was named as a mask",
        file=path,
    )
