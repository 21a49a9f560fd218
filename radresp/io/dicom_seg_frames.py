"""Frames of a DICOM SEG: which segment each shows, and the grid their positions lie on.

A SEG holds only frames with something drawn, in any order. Their positions, not their count or
order, say which slices they are; slices without a frame are empty. Standard: DICOM PS3.3 C.8.20.2,
functional groups C.7.6.16.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from radresp.core import Grid
from radresp.errors import GeometryError, InputError
from radresp.io.dicom_dataset import items_of, numbers_of, whole_of
from radresp.io.image_checks import MAX_VOXELS, check_spacing, without_dust

ORIENTATION_TOLERANCE = 1e-4
SPACING_TOLERANCE = 0.01
SIDEWAYS_TOLERANCE = 0.1
"""Largest drift of frames sideways, and unevenness along the stack, in pixels and slices."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: its place in the pixel data, its segment, and its placement in LPS mm.

    ``segment`` is None where the pixels themselves are segment numbers (label maps).
    ``spacing_mm`` is the distance between columns, then between rows; ``step_mm`` the declared
    distance between slices, where there is one.
    """

    index: int
    segment: int | None
    position: tuple[float, ...]
    axes: tuple[float, ...]
    spacing_mm: tuple[float, float]
    step_mm: float | None


@dataclass(frozen=True, slots=True)
class Stack:
    """The grid of all frames and the slice each lies on."""

    grid: Grid
    slices: tuple[int, ...]


def read_frames(dataset: Dataset, count: int, path: Path) -> tuple[Frame, ...]:
    """Placement and segment of every frame, from its own functional groups or the shared ones.

    Raises
    ------
    InputError
        ``DCM_INCOMPLETE`` when frames and functional groups differ in number.
    GeometryError
        ``DCM_NO_GEOMETRY`` when a frame does not tell where it lies.
    """
    shared = next(iter(items_of(dataset, "SharedFunctionalGroupsSequence")), None)
    own = items_of(dataset, "PerFrameFunctionalGroupsSequence")
    if len(own) != count:
        raise InputError(
            "DCM_INCOMPLETE",
            f"{len(own)} functional groups for {count} frames",
            expected="one for each frame",
            action="export the segmentation again",
            file=path,
        )
    return tuple(_frame(index, groups, shared, path) for index, groups in enumerate(own))


def stack_of(frames: Sequence[Frame], rows: int, columns: int, image: Grid, path: Path) -> Stack:
    """The grid that holds all frames, with a slice for every place between them.

    Parameters
    ----------
    frames : sequence of Frame
        At least one.
    rows, columns : int
        Size of a frame.
    image : Grid
        Grid of the image: its slice distance is tried first, for sparse frames do not tell it.
    path : Path
        File, for messages.

    Raises
    ------
    GeometryError
        ``DCM_ORIENTATION``, ``DCM_MATRIX``, ``DCM_SHEAR``, ``DCM_SPACING``.
    InputError
        ``IMG_TOO_LARGE``, ``IMG_SPACING``.
    """
    axes = _common_axes(frames, path)
    positions = np.array([frame.position for frame in frames])
    heights = positions @ axes[:, 2]
    first = int(np.argmin(heights))
    offsets = positions - positions[first]
    sideways = np.linalg.norm(offsets - np.outer(offsets @ axes[:, 2], axes[:, 2]), axis=1).max()
    if sideways > SIDEWAYS_TOLERANCE * min(frames[0].spacing_mm):
        raise GeometryError(
            "DCM_SHEAR",
            f"frames drift sideways by {sideways:.3g} mm",
            expected="a straight stack",
            file=path,
        )
    rises = heights - heights[first]
    step = _step(rises, frames[0].step_mm, _step_of_image(image, axes[:, 2]), path)
    slices = np.rint(rises / step).astype(int)
    depth = int(slices.max()) + 1
    if rows * columns * depth > MAX_VOXELS:
        raise InputError(
            "IMG_TOO_LARGE",
            f"{columns} x {rows} pixels on {depth} slices",
            expected=f"at most {MAX_VOXELS} voxels",
            file=path,
        )
    # The mean over all frames, since positions are rounded in the file.
    origin = (positions - np.outer(slices * step, axes[:, 2])).mean(axis=0)
    spacing = (*frames[0].spacing_mm, step)
    grid = Grid((columns, rows, depth), spacing, tuple(origin), without_dust(axes))
    check_spacing(grid, path)
    return Stack(grid, tuple(slices.tolist()))


def _frame(index: int, own: Dataset, shared: Dataset | None, path: Path) -> Frame:
    def group(*keywords: str) -> Dataset | None:
        found = items_of(own, *keywords) or items_of(shared, *keywords)
        return found[0] if found else None

    identification = group("SegmentIdentificationSequence")
    measures = group("PixelMeasuresSequence")
    place, turn = group("PlanePositionSequence"), group("PlaneOrientationSequence")
    position = () if place is None else numbers_of(place, "ImagePositionPatient")
    axes = () if turn is None else numbers_of(turn, "ImageOrientationPatient")
    spacing = () if measures is None else numbers_of(measures, "PixelSpacing")
    if (len(position), len(axes), len(spacing)) != (3, 6, 2) or min(spacing) <= 0:
        raise GeometryError(
            "DCM_NO_GEOMETRY",
            f"frame {index + 1} without usable position, orientation or pixel spacing",
            expected="all three, of its own or shared",
            action="export the segmentation again; its place cannot be guessed",
            file=path,
        )
    steps = numbers_of(measures, "SpacingBetweenSlices") if measures is not None else ()
    if not steps and measures is not None:
        steps = numbers_of(measures, "SliceThickness")
    return Frame(
        index=index,
        segment=None
        if identification is None
        else whole_of(identification, "ReferencedSegmentNumber"),
        position=position,
        axes=axes,
        spacing_mm=(spacing[1], spacing[0]),  # DICOM names the distance between rows first
        step_mm=abs(steps[0]) if steps and steps[0] else None,
    )


def _common_axes(frames: Sequence[Frame], path: Path) -> NDArray[np.float64]:
    """3x3 matrix whose columns are row, column and normal, the same for all frames."""
    first = frames[0]
    turned = np.abs(np.array([frame.axes for frame in frames]) - first.axes).max()
    row, column = np.array(first.axes[:3]), np.array(first.axes[3:])
    skew = max(abs(row @ row - 1), abs(column @ column - 1), abs(row @ column))
    if turned > ORIENTATION_TOLERANCE or skew > 1e-3:
        raise GeometryError(
            "DCM_ORIENTATION",
            f"frame orientations that differ by {turned:.3g} and are {skew:.3g} off right angles",
            expected="one orientation of direction cosines",
            file=path,
        )
    spacing = np.array([frame.spacing_mm for frame in frames])
    if not np.allclose(spacing, spacing[0], rtol=1e-4):
        raise GeometryError(
            "DCM_MATRIX", "frames of several pixel spacings", expected="one", file=path
        )
    row = row / np.linalg.norm(row)
    column = column - (column @ row) * row
    column = column / np.linalg.norm(column)
    return np.column_stack([row, column, np.cross(row, column)])


def _step_of_image(image: Grid, normal: NDArray[np.float64]) -> float | None:
    """The image's distance between voxels along a direction, when one of its axes runs so."""
    along = np.abs(normal @ image.axes)
    best = int(np.argmax(along))
    return image.spacing_mm[best] if along[best] > 1 - 1e-4 else None


def _step(
    rises: NDArray[np.float64], declared: float | None, image: float | None, path: Path
) -> float:
    """The slice distance all frames are multiples of: the image's, the declared, the smallest."""
    gaps = np.diff(np.unique(np.round(rises, 3)))
    candidates = [image, declared, float(gaps.min()) if gaps.size else None]
    for step in candidates:
        if step is not None and step > 1e-3 and _divides(rises, step):
            return step
    raise GeometryError(
        "DCM_SPACING",
        "frames at distances that are multiples of no slice distance",
        expected="evenly spaced slices, some of which may hold no frame",
        file=path,
    )


def _divides(rises: NDArray[np.float64], step: float) -> bool:
    off = np.abs(rises - np.rint(rises / step) * step)
    return bool(np.all(off <= SPACING_TOLERANCE * step))
