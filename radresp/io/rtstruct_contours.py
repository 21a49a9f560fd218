"""The closed planar contours of one ROI of an RTSTRUCT, checked point by point.

Standard: DICOM PS3.3 C.8.8.5 (structure set) and C.8.8.6 (ROI contour).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from radresp.core import Note, NoteKind
from radresp.errors import InputError
from radresp.io.dicom_dataset import items_of, numbers_of, text_of, whole_of

MAX_POINTS = 20_000_000
_CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
_FARTHEST_MM = 1e5


@dataclass(frozen=True, slots=True)
class Contours:
    """Contours of one ROI: vertices in LPS mm, shape (n, 3) each, and what was passed over."""

    points: tuple[NDArray[np.float64], ...]
    notes: tuple[Note, ...]


def read_contours(dataset: Dataset, roi_number: int, path: Path) -> Contours:
    """The closed contours of one ROI.

    Parameters
    ----------
    dataset : pydicom.Dataset
        An RTSTRUCT.
    roi_number : int
        ROI number (3006,0022).
    path : Path
        File, for messages.

    Returns
    -------
    Contours
        May hold none: an ROI without contours is an empty outline.

    Raises
    ------
    InputError
        ``RTSTRUCT_CONTOUR`` when points are missing, unreadable or absurdly far away.
    """
    points: list[NDArray[np.float64]] = []
    skipped = 0
    for roi in items_of(dataset, "ROIContourSequence"):
        if whole_of(roi, "ReferencedROINumber") != roi_number:
            continue
        for contour in items_of(roi, "ContourSequence"):
            kind = text_of(contour, "ContourGeometricType")
            vertices = _vertices(contour, path) if kind in _CLOSED else np.empty((0, 3))
            if len(vertices) < 3:
                skipped += 1
            else:
                points.append(vertices)
    if sum(map(len, points)) > MAX_POINTS:
        raise InputError(
            "IMG_TOO_LARGE", "more contour points", expected=f"at most {MAX_POINTS}", file=path
        )
    return Contours(tuple(points), _skipped_note(skipped, path))


def _vertices(contour: Dataset, path: Path) -> NDArray[np.float64]:
    values = _contour_data(contour)
    declared = whole_of(contour, "NumberOfContourPoints")
    if values is None or values.size % 3 or declared not in (None, values.size // 3):
        found = "unreadable" if values is None else f"{values.size} numbers"
        raise InputError(
            "RTSTRUCT_CONTOUR",
            f"contour points: {found}",
            expected="three for each point" if declared is None else f"{3 * declared} numbers",
            action="copy or export the file again",
            file=path,
        )
    if not np.all(np.isfinite(values)) or np.abs(values).max(initial=0.0) > _FARTHEST_MM:
        raise InputError(
            "RTSTRUCT_CONTOUR",
            "contour points that are not finite or absurdly far away",
            expected=f"mm, up to {_FARTHEST_MM:g}",
            file=path,
        )
    return values.reshape(-1, 3)


def _contour_data(contour: Dataset) -> NDArray[np.float64] | None:
    """All numbers at once from the stored text: pydicom's own way makes an object of each."""
    element = contour.get_item("ContourData") if "ContourData" in contour else None
    if isinstance(element, RawDataElement) and isinstance(element.value, bytes):
        words = element.value.strip(b" \0").split(b"\\")
        try:
            return np.array([float(word) for word in words])
        except ValueError:
            return None
    found = numbers_of(contour, "ContourData")
    return np.array(found) if found else None


def _skipped_note(skipped: int, path: Path) -> tuple[Note, ...]:
    if not skipped:
        return ()
    note = Note(
        NoteKind.WARNING,
        "RTSTRUCT_CONTOUR",
        f"{skipped} contours that enclose nothing (points, open lines) were left out",
        expected="closed planar contours",
        file=path.name,
    )
    return (note,)
