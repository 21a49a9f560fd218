"""From slice headers to a grid: every slice's position and orientation is used and checked.

Common readers invent spacing, drop slices and call a sheared stack straight. Here a stack is a
grid only when every slice lies where the grid says it does. Spacing comes from positions, never
from SliceThickness or SpacingBetweenSlices.
"""

from __future__ import annotations

from collections.abc import Sequence as Ordered
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radresp.core import Grid, Note, NoteKind
from radresp.errors import GeometryError, InputError
from radresp.io.dicom_slice import Header, Placement
from radresp.io.image_checks import without_dust

SAME_POSITION_MM = 0.01
ORIENTATION_TOLERANCE = 1e-4
SPACING_TOLERANCE = 0.01
SPACING_WARNING = 1e-4
GAP_FACTOR = 1.5
SHEAR_TOLERANCE_VOXELS = 0.1


def check_same_plane(headers: Ordered[Header]) -> None:
    """Refuse slices that do not share matrix, pixel spacing and orientation.

    Parameters
    ----------
    headers : sequence of Header
        Slices of one series, each with a placement.

    Raises
    ------
    GeometryError
        ``DCM_NO_GEOMETRY``, ``DCM_ORIENTATION`` or ``DCM_MATRIX``.
    """
    first = placement(headers[0])
    _check_axes(first, headers[0].path)
    for header in headers:
        place = placement(header)
        tilt = np.abs(np.subtract((*place.row, *place.column), (*first.row, *first.column))).max()
        if tilt > ORIENTATION_TOLERANCE:
            raise GeometryError(
                "DCM_ORIENTATION",
                f"image orientations that differ by {tilt:.3g}",
                expected=f"one orientation, to {ORIENTATION_TOLERANCE:g}",
                action="keep one stack of parallel slices",
                file=header.path,
            )
        if _plane(header) != _plane(headers[0]) or not np.allclose(
            place.spacing_mm, first.spacing_mm, rtol=1e-4
        ):
            raise GeometryError(
                "DCM_MATRIX",
                f"{_describe_plane(header)} beside {_describe_plane(headers[0])}",
                expected="one matrix and pixel spacing",
                file=header.path,
            )


def placement(header: Header) -> Placement:
    """The placement of a slice.

    Raises
    ------
    GeometryError
        ``DCM_NO_GEOMETRY`` when position, orientation or pixel spacing is missing.
    """
    if header.placement is None:
        raise GeometryError(
            "DCM_NO_GEOMETRY",
            "no usable ImagePositionPatient, ImageOrientationPatient or PixelSpacing",
            expected="all three",
            action="export the series again; its geometry cannot be guessed",
            file=header.path,
        )
    return header.placement


def heights_mm(headers: Ordered[Header]) -> NDArray[np.float64]:
    """Distance of every slice along the common normal, mm."""
    normal = _axes(placement(headers[0]))[:, 2]
    return np.array([placement(header).position for header in headers]) @ normal


def positions(headers: Ordered[Header]) -> list[list[Header]]:
    """Headers grouped by slice position and ordered along the normal.

    Raises
    ------
    GeometryError
        As `placement`.
    """
    heights = heights_mm(headers)
    order = np.argsort(heights, kind="stable")
    groups: list[list[Header]] = []
    last = -np.inf
    for index in order:
        if heights[index] - last > SAME_POSITION_MM:
            groups.append([])
        groups[-1].append(headers[index])
        last = heights[index]
    return groups


def grid_of(headers: Ordered[Header]) -> tuple[Grid, tuple[Note, ...]]:
    """The grid of slices ordered along their normal, one a position.

    Parameters
    ----------
    headers : sequence of Header
        As from `positions`, one header each; at least two.

    Returns
    -------
    Grid, tuple of Note
        The grid (LPS, mm) and notes on small irregularities.

    Raises
    ------
    GeometryError
        ``DCM_GAP``, ``DCM_SPACING`` or ``DCM_SHEAR``.
    """
    folder = headers[0].path.parent
    spacing, notes = _slice_spacing(headers)
    place = placement(headers[0])
    axes = _axes(place)
    _check_shear(headers, axes, place, folder)
    size = (*_plane(headers[0]), len(headers))
    grid = Grid(size, (*place.spacing_mm, spacing), place.position, without_dust(axes))
    return grid, notes + _order_notes(headers)


def _slice_spacing(headers: Ordered[Header]) -> tuple[float, tuple[Note, ...]]:
    heights = heights_mm(headers)
    gaps = np.diff(heights)
    middle = float(np.median(gaps))
    wide = int(np.argmax(gaps))
    if gaps[wide] > GAP_FACTOR * middle:
        before, after = headers[wide], headers[wide + 1]
        raise GeometryError(
            "DCM_GAP",
            f"a gap of {gaps[wide]:.4g} mm from {heights[wide]:.2f} to {heights[wide + 1]:.2f} mm "
            f"between {before.name} and {after.name}",
            expected=f"a slice every {middle:.4g} mm",
            action="export the missing slices",
            file=before.path.parent,
        )
    uneven = float(np.abs(gaps - middle).max() / middle)
    words = f"slice distances from {gaps.min():.5g} to {gaps.max():.5g} mm, median {middle:.5g} mm"
    if uneven > SPACING_TOLERANCE:
        raise GeometryError(
            "DCM_SPACING",
            words,
            expected=f"equal distances to {SPACING_TOLERANCE:.0%}",
            file=headers[0].path.parent,
        )
    notes: tuple[Note, ...] = ()
    if uneven > SPACING_WARNING:
        notes = (Note(NoteKind.WARNING, "DCM_SPACING", words, expected="equal distances"),)
    return float((heights[-1] - heights[0]) / (len(headers) - 1)), notes


def _check_shear(
    headers: Ordered[Header], axes: NDArray[np.float64], place: Placement, folder: Path
) -> None:
    """Slices must lie above each other: refuse a sideways drift (gantry tilt)."""
    offsets = np.array([placement(header).position for header in headers]) - place.position
    along = offsets @ axes[:, 2]
    sideways = np.linalg.norm(offsets - np.outer(along, axes[:, 2]), axis=1)
    worst = int(np.argmax(sideways))
    if sideways[worst] <= SHEAR_TOLERANCE_VOXELS * min(place.spacing_mm):
        return
    angle = np.degrees(np.arctan2(sideways[worst], abs(along[worst])))
    raise GeometryError(
        "DCM_SHEAR",
        f"slices drift sideways by {sideways[worst]:.3g} mm, an angle of {angle:.2f} degrees",
        expected=f"a straight stack, to {SHEAR_TOLERANCE_VOXELS:g} pixel",
        action="resample the series to a straight stack",
        file=folder,
    )


def _order_notes(headers: Ordered[Header]) -> tuple[Note, ...]:
    numbers = [header.instance_number for header in headers]
    if any(number is None for number in numbers):
        return ()
    steps = np.diff(np.array(numbers, dtype=float))
    if np.all(steps > 0) or np.all(steps < 0):
        return ()
    note = Note(
        NoteKind.FIX,
        "DCM_ORDER",
        "InstanceNumber contradicts the slice positions; the positions were used",
        expected="numbers that rise or fall along the stack",
    )
    return (note,)


def _check_axes(place: Placement, path: Path) -> None:
    row, column = np.array(place.row), np.array(place.column)
    error = max(abs(row @ row - 1), abs(column @ column - 1), abs(row @ column))
    if error > 1e-3:
        raise GeometryError(
            "DCM_ORIENTATION",
            f"ImageOrientationPatient is {error:.3g} off two right-angled unit vectors",
            expected="direction cosines",
            file=path,
        )


def _axes(place: Placement) -> NDArray[np.float64]:
    """3x3 matrix whose columns are row, column and normal, made exactly orthonormal."""
    row = np.array(place.row) / np.linalg.norm(place.row)
    column = np.array(place.column)
    column = column - (column @ row) * row
    column = column / np.linalg.norm(column)
    return np.column_stack([row, column, np.cross(row, column)])


def _plane(header: Header) -> tuple[int, int]:
    if header.layout is None:
        raise InputError("DCM_INCOMPLETE", "no pixel layout", file=header.path)
    return header.layout.columns, header.layout.rows


def _describe_plane(header: Header) -> str:
    columns, rows = _plane(header)
    x, y = placement(header).spacing_mm
    return f"{columns} x {rows} pixels of {x:.4g} x {y:.4g} mm"
