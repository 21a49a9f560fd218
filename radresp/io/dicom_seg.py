"""One or several segments of a DICOM SEG as an outline on a grid restored from its frames.

Read: binary, fractional (with a threshold the caller declares) and label-map segmentations, with
overlapping segments, sparse frames in any order, and shared or per-frame geometry. Standard: DICOM
PS3.3 A.51, A.51.5 (label maps) and C.8.20.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset

from radresp.core import Grid, Note, NoteKind
from radresp.errors import GeometryError, InputError
from radresp.io.dicom_dataset import items_of, private_words, text_of, whole_of
from radresp.io.dicom_seg_frames import Frame, Stack, read_frames, stack_of
from radresp.io.dicom_seg_pixels import read_layout, read_pixels
from radresp.io.mask_choice import Choice, Entry, refuse_threshold, select
from radresp.io.mask_place import Outline

SEG_CLASSES = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
_KINDS = ("BINARY", "FRACTIONAL", "LABELMAP")


def read_seg_outline(dataset: FileDataset, choice: Choice, grid: Grid, path: Path) -> Outline:
    """Read the chosen segments.

    Parameters
    ----------
    dataset : pydicom.FileDataset
        The SEG.
    choice : Choice
        Segment number, label, coded meaning or ``scheme:value``; several joined by ``+`` are
        united. A fractional SEG needs a threshold.
    grid : Grid
        Grid of the image; only its slice distance is used here.
    path : Path
        File, for messages.

    Returns
    -------
    Outline
        On the grid of the SEG's own frames, slices without a frame being empty.

    Raises
    ------
    InputError
        ``MASK_LABEL`` with the list of segments, ``MASK_NOT_INTEGER`` for fractions without a
        threshold, ``MASK_CHOICE`` for a threshold without fractions, ``DCM_PIXELS``, and the
        codes of `radresp.io.dicom_seg_frames` and `radresp.io.dicom_seg_pixels`.
    """
    kind = text_of(dataset, "SegmentationType").upper()
    if kind not in _KINDS:
        raise InputError(
            "DCM_PIXELS",
            "an unknown type of segmentation",
            expected=f"one of {', '.join(_KINDS)}",
            file=path,
        )
    if kind != "FRACTIONAL":
        refuse_threshold(choice, f"a {kind.lower()} segmentation", path)
    entries = _entries(dataset, kind, path)
    chosen = select(entries, choice, path, private_words(dataset))
    layout = read_layout(dataset, path)
    frames = read_frames(dataset, layout.frames, path)
    stack = stack_of(frames, layout.rows, layout.columns, grid, path)
    numbers = [entry.number for entry in chosen]
    used = [frame for frame in frames if kind == "LABELMAP" or frame.segment in numbers]
    _check_frames(used, stack, path)
    level = _Level(dataset, kind, choice, numbers, path)
    inside = np.zeros(stack.grid.size[::-1], dtype=bool)
    pixels = read_pixels(dataset, layout, [frame.index for frame in used], path)
    for frame, found in zip(used, pixels, strict=True):
        inside[stack.slices[frame.index]] |= level.of(found)
    said = "+".join(map(str, numbers))
    notes = (
        Note(
            NoteKind.INFO, "MASK_LABEL", f"segment {said} of {len(entries)} chosen", file=path.name
        ),
        *level.notes(),
    )
    record: dict[str, str | int | float] = {"format": f"seg {kind.lower()}", "number": said}
    return Outline(inside, stack.grid, notes, record | {"frames": len(used)})


class _Level:
    """What counts as inside, by kind of segmentation."""

    def __init__(
        self, dataset: Dataset, kind: str, choice: Choice, numbers: Sequence[int], path: Path
    ) -> None:
        self._kind, self._threshold, self._numbers = kind, choice.threshold, numbers
        self._path = path
        self._top = whole_of(dataset, "MaximumFractionalValue") or 255
        fraction = text_of(dataset, "SegmentationFractionalType").lower()
        self._fraction = fraction if fraction in ("probability", "occupancy") else "fraction"

    def of(self, stored: NDArray[Any]) -> NDArray[np.bool_]:
        """Pixels inside, of one frame."""
        if self._kind == "LABELMAP":
            return np.isin(stored, self._numbers)
        if self._kind == "BINARY":
            return stored != 0
        if int(stored.max()) > self._top:
            raise InputError(
                "DCM_PIXELS",
                f"a fraction of {int(stored.max())} of {self._top}",
                expected="fractions up to MaximumFractionalValue",
                file=self._path,
            )
        if self._threshold is not None:
            return stored >= self._threshold * self._top
        if np.any((stored != 0) & (stored != self._top)):
            raise InputError(
                "MASK_NOT_INTEGER",
                f"a segmentation of fractions ({self._fraction})",
                expected="a threshold",
                action="write >=0.5 behind the path and #, or behind the segment's name",
                file=self._path,
            )
        return stored == self._top

    def notes(self) -> tuple[Note, ...]:
        """How fractions became an outline."""
        if self._kind != "FRACTIONAL":
            return ()
        if self._threshold is not None:
            found = f"fractions ({self._fraction}) were cut at {self._threshold:g}"
            return (Note(NoteKind.INFO, "MASK_THRESHOLD", found, file=self._path.name),)
        found = f"a fractional segmentation that holds only 0 and {self._top} was taken as binary"
        return (Note(NoteKind.FIX, "MASK_NOT_INTEGER", found, file=self._path.name),)


def _entries(dataset: Dataset, kind: str, path: Path) -> tuple[Entry, ...]:
    entries = []
    for item in items_of(dataset, "SegmentSequence"):
        number = whole_of(item, "SegmentNumber")
        if number is None:
            raise _bad_segments("a segment without a number", path)
        if number == 0 and kind == "LABELMAP":
            continue  # the background, where it is described
        entries.append(Entry(number, text_of(item, "SegmentLabel"), _meanings(item)))
    if len({entry.number for entry in entries}) != len(entries):
        raise _bad_segments("two segments of one number", path)
    return tuple(entries)


def _meanings(segment: Dataset) -> tuple[str, ...]:
    """Meaning and ``scheme:value`` of the property type: what kind of thing was segmented."""
    found: tuple[str, ...] = ()
    for code in items_of(segment, "SegmentedPropertyTypeCodeSequence")[:1]:
        scheme, value = text_of(code, "CodingSchemeDesignator"), text_of(code, "CodeValue")
        found = (text_of(code, "CodeMeaning"), f"{scheme}:{value}")
    return tuple(filter(None, found))


def _check_frames(frames: Sequence[Frame], stack: Stack, path: Path) -> None:
    places = [(frame.segment, stack.slices[frame.index]) for frame in frames]
    if len(set(places)) != len(places):
        raise GeometryError(
            "DCM_DUP_POSITION",
            "two frames of one segment at one place",
            expected="one frame a slice",
            action="export the segmentation of one visit alone",
            file=path,
        )


def _bad_segments(found: str, path: Path) -> InputError:
    return InputError("DCM_INCOMPLETE", found, expected="one number for each segment", file=path)
