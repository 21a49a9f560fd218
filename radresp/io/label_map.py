"""Label maps: from whole numbers in an image to one outline, by label, by name or by threshold.

Labels stored as 0.9999 or as 255 are mended and that is said; several labels, fractions and names
nobody defined are refused. Names come from Slicer's own header or from a small table beside the
image (`radresp.io.label_names`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radresp.core import Note, NoteKind
from radresp.errors import InputError
from radresp.io.image_checks import mend_nonfinite
from radresp.io.label_names import read_label_names
from radresp.io.mask_choice import Choice, Entry, listed, refuse_threshold, select
from radresp.io.mask_place import Outline
from radresp.io.nifti import read_nifti
from radresp.io.nrrd import NrrdFile, read_nrrd

INTEGER_TOLERANCE = 1e-3

Inside = tuple[NDArray[np.bool_], tuple[Note, ...]]


def read_nifti_outline(path: Path, choice: Choice) -> Outline:
    """Read one outline of a NIfTI label map.

    Parameters
    ----------
    path : Path
        A 3-D NIfTI file; names of its labels may stand beside it.
    choice : Choice
        What is asked for.

    Raises
    ------
    InputError
        ``NII_4D``, ``MASK_LABEL``, ``MASK_NOT_INTEGER``, ``MASK_CHOICE``, ``MASK_NAMES`` and the
        codes of `radresp.io.nifti.read_nifti`.
    """
    nifti = read_nifti(path)
    if len(nifti.arrays) > 1:
        raise InputError("NII_4D", f"{len(nifti.arrays)} volumes", expected="one", file=path)
    names = read_label_names(path) if choice.text else {}
    inside, notes = _outline_in(nifti.arrays[0], names, choice, path)
    # A mask may cover a part of its image: how large its own box is says nothing.
    own = tuple(note for note in nifti.notes if note.code != "FOV_UNUSUAL")
    return Outline(inside, nifti.grid, own + notes, {"format": "nifti"})


def read_nrrd_outline(path: Path, choice: Choice) -> Outline:
    """Read one outline of an NRRD label map or a Slicer segmentation; as `read_nifti_outline`.

    Raises
    ------
    InputError
        The codes of `read_nifti_outline` and of `radresp.io.nrrd.read_nrrd`.
    """
    nrrd = read_nrrd(path)
    if nrrd.segments:
        inside, notes = _segments(nrrd, choice, path)
        return Outline(inside, nrrd.grid, nrrd.notes + notes, {"format": "seg.nrrd"})
    if len(nrrd.arrays) > 1:
        raise InputError("NRRD_DIM", f"{len(nrrd.arrays)} layers", expected="one", file=path)
    names = read_label_names(path) if choice.text else {}
    values = np.asarray(nrrd.arrays[0], dtype=np.float32)
    inside, notes = _outline_in(values, names, choice, path)
    return Outline(inside, nrrd.grid, nrrd.notes + notes, {"format": "nrrd"})


def _segments(nrrd: NrrdFile, choice: Choice, path: Path) -> Inside:
    """One or several of Slicer's segments; they are numbered from 1, as Slicer lists them."""
    refuse_threshold(choice, "a Slicer segmentation", path)
    entries = {
        Entry(number, segment.name, segment.meanings): segment
        for number, segment in enumerate(nrrd.segments, start=1)
    }
    chosen = select(tuple(entries), choice, path)
    inside = np.zeros(nrrd.arrays[0].shape, dtype=bool)
    for entry in chosen:
        inside |= nrrd.arrays[entries[entry].layer] == entries[entry].label
    numbers = "+".join(str(entry.number) for entry in chosen)
    return inside, (
        Note(
            NoteKind.INFO,
            "MASK_LABEL",
            f"segment {numbers} of {len(entries)} chosen",
            file=path.name,
        ),
    )


def _outline_in(
    values: NDArray[np.float32], names: Mapping[str, int], choice: Choice, path: Path
) -> Inside:
    values, mended = mend_nonfinite(values, path)
    if choice.threshold is not None:
        inside, notes = _above(values, choice, path)
        return inside, mended + notes
    whole, rounded = _whole_numbers(values, path)
    inside, chosen = _labelled(whole, names, choice, path)
    return inside, mended + rounded + chosen


def _above(values: NDArray[np.float32], choice: Choice, path: Path) -> Inside:
    if choice.text:
        refuse_threshold(choice, "a label of a label map", path)
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 1:
        raise InputError(
            "MASK_NOT_INTEGER",
            f"values from {low:.4g} to {high:.4g} for a threshold",
            expected="a probability map from 0 to 1",
            file=path,
        )
    found = f"a probability map was cut at {choice.threshold:g}"
    return values >= np.float32(choice.threshold), (
        Note(NoteKind.INFO, "MASK_THRESHOLD", found, file=path.name),
    )


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
            expected="a label map of whole numbers, or a probability map with a threshold",
            action="write >=0.5 behind the path and #" if between else "round it first",
            file=path,
        )
    if error == 0:
        return whole, ()
    found = f"values up to {error:.2g} off a whole number were rounded"
    return whole, (Note(NoteKind.FIX, "MASK_NOT_INTEGER", found, file=path.name),)


def _labelled(whole: NDArray[Any], names: Mapping[str, int], choice: Choice, path: Path) -> Inside:
    labels = [int(value) for value in np.unique(whole) if value != 0]
    if not choice.text and len(labels) < 2:
        return _only_label(whole, labels, path)
    called = {label: name for name, label in names.items()}
    # A label that has a name may have no voxel: an empty outline is a state. A bare number may not.
    entries = [Entry(label, called.get(label, "")) for label in sorted({*labels, *called})]
    chosen = select(entries, choice, path)
    inside = np.isin(whole, [entry.number for entry in chosen])
    said = "+".join(str(entry.number) for entry in chosen)
    shown = listed([Entry(label) for label in labels])
    return inside, (
        Note(NoteKind.INFO, "MASK_LABEL", f"label {said} chosen from {shown}", file=path.name),
    )


def _only_label(whole: NDArray[Any], labels: list[int], path: Path) -> Inside:
    if labels in ([], [1]):
        return whole == 1, ()
    found = f"the only label is {labels[0]}; it was taken as the outline"
    note = Note(NoteKind.FIX, "MASK_LABEL", found, expected="1", file=path.name)
    return whole == labels[0], (note,)
