"""Masks from disk: a label in a NIfTI file in, a binary outline on its image's grid out.

Nothing is guessed: several labels, fractional values and another geometry are refused unless the
caller says what to do. What is mended (a label stored as 255, rounding in a header) is recorded.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radresp.core import Grid, Mask, Note, NoteKind, Roi, Step, resample_mask
from radresp.errors import GeometryError, InputError
from radresp.io.image_checks import mend_nonfinite
from radresp.io.nifti import read_nifti

INTEGER_TOLERANCE = 1e-3
EXACT_MM = 2e-5
"""Rounding of a float32 header at pelvic coordinates; below it nothing is worth a note."""

_LABELS_SHOWN = 12


def load_mask(
    path: Path,
    roi: Roi,
    grid: Grid,
    *,
    label: int | None = None,
    resample: bool = False,
) -> tuple[Mask, Step]:
    """Load an outline and place it on the grid of the image it was drawn on.

    Parameters
    ----------
    path : Path
        A NIfTI file.
    roi : Roi
        What it outlines.
    grid : Grid
        Grid of its image (LPS mm).
    label : int, optional
        Which value is the outline; needed when the file holds several.
    resample : bool, optional
        Carry a mask of another geometry to ``grid`` by nearest neighbour instead of refusing it.

    Returns
    -------
    Mask, Step
        The mask, exactly on ``grid``; it may be empty, which the step's notes say.

    Raises
    ------
    InputError
        ``MASK_LABEL``, ``MASK_NOT_INTEGER``, ``NII_4D`` and the codes of
        `radresp.io.nifti.read_nifti`.
    GeometryError
        ``MASK_GEOMETRY`` for another geometry, ``MASK_OUTSIDE`` or ``MASK_LOST`` when resampling
        would cut it.
    """
    start = time.perf_counter()
    nifti = read_nifti(path)
    if len(nifti.arrays) > 1:
        raise InputError("NII_4D", f"{len(nifti.arrays)} volumes", expected="one", file=path)
    values, notes = mend_nonfinite(nifti.arrays[0], path)
    whole, rounded = _whole_numbers(values, path)
    inside, chosen = _choose(whole, label, path)
    mask, placed = _place(Mask.from_array(inside, nifti.grid, roi), grid, resample, path)
    empty = (_info("MASK_EMPTY", "the mask holds no voxel", path),) if mask.is_empty else ()
    settings = {
        "file": path.name,
        "roi": str(roi),
        "label": label,
        "resample": resample,
        "voxels": mask.voxel_count,
    }
    notes = nifti.notes + notes + rounded + chosen + placed + empty
    return mask, Step("io", "load_mask", settings, time.perf_counter() - start, notes)


def _whole_numbers(
    values: NDArray[np.float32], path: Path
) -> tuple[NDArray[np.float32], tuple[Note, ...]]:
    """Labels stored as 0.9999 or 1.00000006 are whole numbers; 0.5 is not."""
    whole = np.rint(values)
    error = float(np.abs(values - whole).max())
    if error > INTEGER_TOLERANCE:
        between = bool(values.min() >= 0 and values.max() <= 1)
        raise InputError(
            "MASK_NOT_INTEGER",
            "a probability map" if between else f"values up to {error:.3g} off a whole number",
            expected="a label map of whole numbers",
            action="threshold or round it first",
            file=path,
        )
    if error == 0:
        return whole, ()
    found = f"values up to {error:.2g} off a whole number were rounded"
    return whole, (Note(NoteKind.FIX, "MASK_NOT_INTEGER", found, file=path.name),)


def _choose(
    whole: NDArray[np.float32], label: int | None, path: Path
) -> tuple[NDArray[np.bool_], tuple[Note, ...]]:
    labels = [int(value) for value in np.unique(whole) if value != 0]
    shown = ", ".join(map(str, labels[:_LABELS_SHOWN])) or "none"
    shown += f" and {len(labels) - _LABELS_SHOWN} more" if len(labels) > _LABELS_SHOWN else ""
    if label is not None and label not in labels:
        raise InputError(
            "MASK_LABEL",
            f"no label {label}",
            expected=f"one of the labels in the file: {shown}",
            file=path,
        )
    if label is None and len(labels) > 1:
        raise InputError(
            "MASK_LABEL",
            f"{len(labels)} labels: {shown}",
            expected="one label, or a choice of one",
            action="name the label that is the outline",
            file=path,
        )
    if label is not None:
        notes = (_info("MASK_LABEL", f"label {label} chosen from {shown}", path),)
        return whole == label, notes
    if labels in ([], [1]):
        return whole == 1, ()
    found = f"the only label is {labels[0]}; it was taken as the outline"
    return whole == labels[0], (
        Note(NoteKind.FIX, "MASK_LABEL", found, expected="1", file=path.name),
    )


def _place(mask: Mask, grid: Grid, resample: bool, path: Path) -> tuple[Mask, tuple[Note, ...]]:
    if mask.grid.same_as(grid):
        moved = mask.grid.distance_mm(grid)
        snapped = Mask.from_array(mask.array, grid, mask.roi)
        if moved <= EXACT_MM:
            return snapped, ()
        found = f"the mask's header was {moved:.2g} mm off its image's; the image's was used"
        return snapped, (Note(NoteKind.FIX, "MASK_SNAPPED", found, file=path.name),)
    difference = mask.grid.difference(grid)
    if not resample:
        raise GeometryError(
            "MASK_GEOMETRY",
            f"the {mask.roi} mask lies on another grid than its image: {difference}",
            expected="the grid of its image",
            action="export the mask on its image, or ask for resampling",
            file=path,
        )
    return _resample(mask, grid, difference, path)


def _resample(mask: Mask, grid: Grid, difference: str, path: Path) -> tuple[Mask, tuple[Note, ...]]:
    outside = _outside_fraction(mask, grid)
    if outside > 0:
        raise GeometryError(
            "MASK_OUTSIDE",
            f"{outside:.1%} of the {mask.roi} mask lies outside its image",
            expected="all of it inside",
            action="check that mask and image belong together",
            file=path,
        )
    carried = resample_mask(mask, grid)
    if carried.is_empty and not mask.is_empty:
        raise GeometryError(
            "MASK_LOST",
            f"{mask.voxel_count} voxels before and 0 after resampling",
            expected="a mask that covers voxels of its image",
            file=path,
        )
    found = (
        f"resampled to its image's grid ({difference}): {mask.voxel_count} voxels "
        f"({mask.volume_ml:.3g} mL) became {carried.voxel_count} ({carried.volume_ml:.3g} mL)"
    )
    return carried, (Note(NoteKind.FIX, "MASK_GEOMETRY", found, file=path.name),)


def _outside_fraction(mask: Mask, grid: Grid) -> float:
    """Share of the mask's voxel centres that lie in no voxel of the grid."""
    index = np.argwhere(mask.array)[:, ::-1]
    if len(index) == 0:
        return 0.0
    to_grid = np.linalg.inv(grid.affine) @ mask.grid.affine
    place = index @ to_grid[:3, :3].T + to_grid[:3, 3]
    inside = np.all((place >= -0.5) & (place <= np.array(grid.size) - 0.5), axis=1)
    return 1.0 - float(np.count_nonzero(inside)) / len(index)


def _info(code: str, found: str, path: Path) -> Note:
    return Note(NoteKind.INFO, code, found, file=path.name)
