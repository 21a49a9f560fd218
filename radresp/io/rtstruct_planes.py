"""Contours in mm to voxels of a grid: each in its own plane, each plane on its own slice.

A contour between two slices belongs to neither, and one that crosses slices was drawn on another
image: both are refused, unless a grid of the contours' own is asked for, from which the outline is
then resampled like any other mask.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from radresp.core import Grid, Note, NoteKind
from radresp.errors import InputError
from radresp.io.image_checks import MAX_VOXELS, without_dust
from radresp.io.polygon import Contour, fill

SNAP_SLICES = 0.25
"""A contour up to this far off a slice, in slice distances, is taken for that slice's."""
TILT_SLICES = 0.1
SAME_PLANE_SLICES = 0.05
SILENT_MM = 0.01
"""Rounding of contour coordinates in common exports."""

_NUDGE = 0.01
_SAME_PLANE_MM = 0.05
_MAX_COMPARED = 60


@dataclass(frozen=True, slots=True)
class Drawn:
    """Contours as voxels: the part inside the grid, the share outside it, and notes."""

    inside: NDArray[np.bool_]
    outside: float
    notes: tuple[Note, ...]


def misfit(contours: Sequence[NDArray[np.float64]], grid: Grid) -> str:
    """Why contours cannot be filled on the slices of a grid, in words; empty when they can."""
    levels: dict[int, list[float]] = {}
    for index in _indices(contours, grid):
        tilt = float(np.ptp(index[:, 2]))
        level = float(index[:, 2].mean())
        off = abs(level - round(level))
        if tilt > TILT_SLICES:
            return f"a contour crosses {tilt * grid.spacing_mm[2]:.3g} mm of slices"
        if off > SNAP_SLICES:
            return f"a contour lies {off * grid.spacing_mm[2]:.3g} mm off the nearest slice"
        levels.setdefault(round(level), []).append(level)
    if any(max(found) - min(found) > SAME_PLANE_SLICES for found in levels.values()):
        return "contours of several planes lie on one slice"
    return ""


def draw(contours: Sequence[NDArray[np.float64]], grid: Grid, name: str) -> Drawn:
    """Fill contours by the even-odd rule on the slices they lie on.

    Parameters
    ----------
    contours : sequence of ndarray
        Vertices in LPS mm, shape (n, 3) each; `misfit` has found nothing.
    grid : Grid
        Where to.
    name : str
        File name for notes.
    """
    slices: dict[int, list[Contour]] = {}
    off_mm = 0.0
    for index in _indices(contours, grid):
        level = float(index[:, 2].mean())
        off_mm = max(off_mm, abs(level - round(level)) * grid.spacing_mm[2])
        slices.setdefault(round(level), []).append(_nudged(index[:, :2]))
    inside = np.zeros(grid.size[::-1], dtype=bool)
    total, crossed, doubled = 0, 0, 0
    for number, found in slices.items():
        unique = list({_vertex_key(contour): contour for contour in found}.values())
        doubled += len(found) - len(unique)
        crossed += _cross(unique)
        total += _fill_slice(unique, number, inside)
    kept = int(np.count_nonzero(inside))
    outside = 1 - kept / total if total else 0.0
    return Drawn(inside, outside, _notes(slices, off_mm, crossed, doubled, name))


def own_grid(contours: Sequence[NDArray[np.float64]], grid: Grid) -> Grid:
    """A grid whose slices are the contours' planes, twice as fine in plane as another grid.

    Raises
    ------
    InputError
        ``RTSTRUCT_CONTOUR`` when the planes are not parallel and evenly spaced,
        ``IMG_TOO_LARGE`` when the grid would be.
    """
    axes = _axes_of(max(contours, key=len), grid)
    heights = np.sort([float((points @ axes[:, 2]).mean()) for points in contours])
    gaps = np.diff(heights)
    gaps = gaps[gaps > _SAME_PLANE_MM]
    thickness = float(gaps.min()) if gaps.size else grid.spacing_mm[2]
    fine = min(grid.spacing_mm[:2]) / 2
    every = np.vstack(contours) @ axes
    low, high = every.min(axis=0), every.max(axis=0)
    spacing = np.array([fine, fine, thickness])
    counts = np.ceil((high - low) / spacing - 1e-3) + np.array([3, 3, 1])
    if np.prod(counts) > MAX_VOXELS:
        raise InputError(
            "IMG_TOO_LARGE", "contours too far apart", expected=f"at most {MAX_VOXELS} voxels"
        )
    origin = axes @ np.array([low[0] - fine, low[1] - fine, heights[0]])
    x, y, z = (int(count) for count in counts)
    found = Grid((x, y, z), tuple(spacing), tuple(origin), without_dust(axes))
    if reason := misfit(contours, found):
        raise InputError(
            "RTSTRUCT_CONTOUR",
            f"planes that no grid fits: {reason}",
            expected="parallel planes at even distances",
        )
    return found


def _indices(contours: Sequence[NDArray[np.float64]], grid: Grid) -> list[NDArray[np.float64]]:
    to_index = np.linalg.inv(grid.affine)
    return [points @ to_index[:3, :3].T + to_index[:3, 3] for points in contours]


def _nudged(contour: Contour) -> Contour:
    """Vertices within a hundredth of a pixel of a pixel centre are put on it.

    Coordinates are rounded in the file. Without this, whether the pixels along an edge through
    their centres count would be decided by that rounding; with it, by the even-odd rule.
    """
    near = np.rint(contour)
    return np.where(np.abs(contour - near) <= _NUDGE, near, contour)


def _vertex_key(contour: Contour) -> bytes:
    rounded = np.round(contour, 3) + 0.0
    return rounded[np.lexsort(rounded.T)].tobytes()


def _fill_slice(contours: list[Contour], number: int, inside: NDArray[np.bool_]) -> int:
    """Fill one slice; returns the number of pixels, also those outside the picture."""
    slices, rows, columns = inside.shape
    low = np.floor(np.vstack(contours).min(axis=0)).astype(int)
    high = np.ceil(np.vstack(contours).max(axis=0)).astype(int) + 1
    # Contours far beyond the picture need not be filled pixel by pixel to be seen to leave it.
    low = np.maximum(low, [-columns, -rows])
    high = np.minimum(high, [2 * columns, 2 * rows])
    width, height = (high - low).tolist()
    if width <= 0 or height <= 0:
        return max(1, rows * columns)
    window = fill([contour - low for contour in contours], width, height)
    x0, y0 = max(low[0], 0), max(low[1], 0)
    x1, y1 = min(high[0], columns), min(high[1], rows)
    if 0 <= number < slices and x1 > x0 and y1 > y0:
        part = window[y0 - low[1] : y1 - low[1], x0 - low[0] : x1 - low[0]]
        inside[number, y0:y1, x0:x1] = part
    return int(np.count_nonzero(window))


def _cross(contours: list[Contour]) -> bool:
    """Whether two contours overlap without one lying inside the other."""
    if not 2 <= len(contours) <= _MAX_COMPARED:
        return False
    low = np.floor(np.vstack(contours).min(axis=0))
    width, height = (np.ceil(np.vstack(contours).max(axis=0)) - low + 1).astype(int).tolist()
    if width * height > MAX_VOXELS // _MAX_COMPARED:
        return False
    filled = [fill([contour - low], width, height) for contour in contours]
    for one, two in combinations(filled, 2):
        both = np.count_nonzero(one & two)
        if 0 < both < min(np.count_nonzero(one), np.count_nonzero(two)):
            return True
    return False


def _axes_of(points: NDArray[np.float64], grid: Grid) -> NDArray[np.float64]:
    """Axes with the contour's normal as third, the first as near the grid's as can be."""
    normal = np.linalg.svd(points - points.mean(axis=0))[2][2]
    normal = normal * (np.sign(normal @ grid.axes[:, 2]) or 1.0)
    if abs(normal @ grid.axes[:, 2]) > 1 - 1e-6:
        return grid.axes
    along = grid.axes[:, int(np.argmin(np.abs(normal @ grid.axes[:, :2])))]
    first = along - (along @ normal) * normal
    first = first / np.linalg.norm(first)
    return np.column_stack([first, np.cross(normal, first), normal])


def _notes(
    slices: dict[int, list[Contour]], off_mm: float, crossed: int, doubled: int, name: str
) -> tuple[Note, ...]:
    notes = []
    if off_mm > SILENT_MM:
        found = f"contours up to {off_mm:.2g} mm off their slices were put on them"
        notes.append(Note(NoteKind.FIX, "MASK_SNAPPED", found, file=name))
    if doubled:
        found = f"{doubled} contours that stand twice were counted once"
        notes.append(Note(NoteKind.FIX, "RTSTRUCT_DOUBLED", found, file=name))
    if crossed:
        found = f"on {crossed} slices contours cross; where two overlap nothing is inside"
        notes.append(Note(NoteKind.WARNING, "RTSTRUCT_CROSSING", found, file=name))
    missing = max(slices) - min(slices) + 1 - len(slices) if slices else 0
    if missing:
        found = f"{missing} slices between the contours hold none"
        notes.append(
            Note(NoteKind.WARNING, "RTSTRUCT_GAP", found, expected="every slice drawn", file=name)
        )
    return tuple(notes)
