"""Masks from disk: NIfTI, NRRD, DICOM SEG or RTSTRUCT in, one outline on its image's grid out.

What a file is decides its content, not its name. Nothing is guessed: several outlines, fractional
values and another geometry are refused unless the caller says what to do. What is mended (a label
stored as 255, rounding in a header) is recorded.
"""

from __future__ import annotations

import time
from pathlib import Path

from radresp.core import Grid, Mask, Note, NoteKind, Roi, Step
from radresp.errors import InputError
from radresp.io.dicom_guard import read_outline
from radresp.io.input_file import check_file, is_there
from radresp.io.label_map import read_nifti_outline, read_nrrd_outline
from radresp.io.mask_choice import parse_choice, shown_name
from radresp.io.mask_place import Outline, place
from radresp.io.nrrd import NRRD_MAGIC


def load_mask(
    path: Path,
    roi: Roi,
    grid: Grid,
    *,
    choice: str | None = None,
    resample: bool = False,
    image: Path | None = None,
) -> tuple[Mask, Step]:
    """Load an outline and place it on the grid of the image it was drawn on.

    Parameters
    ----------
    path : Path
        A NIfTI or NRRD label map, a Slicer segmentation (``.seg.nrrd``), a DICOM SEG or a DICOM
        RTSTRUCT.
    roi : Roi
        What it outlines.
    grid : Grid
        Grid of its image (LPS mm).
    choice : str, optional
        Which outline of the file: a number, a name, ``/regular expression/``, or several of the
        first two joined by ``+``; ``>=0.5`` behind it, or alone, for fractions. Needed when the
        file holds several.
    resample : bool, optional
        Carry a mask of another geometry to ``grid`` by nearest neighbour instead of refusing it.
    image : Path, optional
        Where the image lies; a DICOM outline that refers to another DICOM series is warned of.

    Returns
    -------
    Mask, Step
        The mask, exactly on ``grid``; it may be empty, which the step's notes say.

    Raises
    ------
    PlanError
        ``MASK_CHOICE`` for a choice that cannot be read.
    InputError
        ``MASK_LABEL``, ``MASK_NOT_INTEGER``, ``MASK_CHOICE``, ``MASK_FORMAT`` for another kind of
        DICOM object, and the codes of the reader of each format.
    GeometryError
        ``MASK_GEOMETRY`` for another geometry, ``MASK_OUTSIDE`` or ``MASK_LOST`` when the image
        does not hold the outline.
    """
    start = time.perf_counter()
    outline = _read(path, choice, grid, resample=resample, image=image)
    mask, placed = place(outline, roi, grid, resample=resample, path=path)
    empty = (
        (Note(NoteKind.INFO, "MASK_EMPTY", "the mask holds no voxel", file=path.name),)
        if mask.is_empty
        else ()
    )
    settings = {
        "file": path.name,
        "roi": str(roi),
        "choice": None if choice is None else shown_name(choice),
        "resample": resample,
        "voxels": mask.voxel_count,
        **outline.record,
    }
    notes = outline.notes + placed + empty
    return mask, Step("io", "load_mask", settings, time.perf_counter() - start, notes)


def split_choice(path: Path) -> tuple[Path, str | None]:
    """A mask argument of a command, taken apart: ``seg.dcm#2`` is outline 2 of seg.dcm."""
    name, mark, choice = path.name.partition("#")
    if not mark or is_there(path):
        return path, None
    return path.with_name(name), choice


def empty_mask(roi: Roi, grid: Grid) -> tuple[Mask, Step]:
    """The mask of a region that was looked for and is not there.

    Parameters
    ----------
    roi : Roi
        What was looked for.
    grid : Grid
        Grid of the image it was looked for on.
    """
    note = Note(NoteKind.INFO, "MASK_EMPTY", f"no visible {roi}, as the cohort table says")
    settings = {"roi": str(roi), "voxels": 0}
    return Mask(grid.blank(), roi), Step("io", "empty_mask", settings, notes=(note,))


def _read(
    path: Path, text: str | None, grid: Grid, *, resample: bool, image: Path | None
) -> Outline:
    choice = parse_choice(text)
    check_file(path)
    try:
        with path.open("rb") as handle:
            start = handle.read(132)
    except OSError:
        raise InputError("FILE_UNREADABLE", "reading failed", file=path) from None
    if start.startswith(NRRD_MAGIC):
        return read_nrrd_outline(path, choice)
    if start[128:] != b"DICM":
        return read_nifti_outline(path, choice)
    return read_outline(path, text, grid, resample=resample, image=image)
