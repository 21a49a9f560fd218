"""An outline as its file has it, and its way onto the grid of the image it was drawn on.

The same voxels stored in another order, or only a part of them, are placed voxel by voxel and that
is recorded. Any other geometry is refused in mm, or carried by nearest neighbour when asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radresp.core import Grid, Mask, Note, NoteKind, Roi, resample_mask
from radresp.core.grid import SNAP_TOLERANCE_MM
from radresp.errors import GeometryError

EXACT_MM = 2e-5
"""Rounding of a float32 header at pelvic coordinates; below it nothing is worth a note."""


@dataclass(frozen=True, slots=True)
class Outline:
    """One outline on the grid of its own file.

    Parameters
    ----------
    inside : ndarray of bool
        Ordered (z, y, x).
    grid : Grid
        Grid of the file, LPS mm.
    notes : tuple of Note
        What was mended or chosen.
    record : mapping of str to value
        How it was read, for the step's settings; no free text of the file.
    """

    inside: NDArray[np.bool_]
    grid: Grid
    notes: tuple[Note, ...] = ()
    record: Mapping[str, str | int | float] = field(default_factory=dict)


def place(
    outline: Outline, roi: Roi, grid: Grid, *, resample: bool, path: Path
) -> tuple[Mask, tuple[Note, ...]]:
    """Put an outline on the grid of its image.

    Parameters
    ----------
    outline : Outline
        As read.
    roi : Roi
        What it outlines.
    grid : Grid
        Grid of its image.
    resample : bool
        Whether another geometry may be carried by nearest neighbour.
    path : Path
        File, for messages.

    Returns
    -------
    Mask, tuple of Note
        The mask, exactly on ``grid``, and what was done.

    Raises
    ------
    GeometryError
        ``MASK_GEOMETRY``, ``MASK_OUTSIDE`` or ``MASK_LOST``.
    """
    own = outline.grid
    if own.same_as(grid):
        return _snap(outline, roi, grid, path)
    if (found := _same_voxels(outline, grid)) is not None:
        return Mask.from_array(found, grid, roi), (_reordered(own, grid, path),)
    difference = own.difference(grid)
    if not resample:
        raise GeometryError(
            "MASK_GEOMETRY",
            f"the {roi} mask lies on another grid than its image: {difference}",
            expected="the grid of its image",
            action="export the mask on its image, or ask for resampling",
            file=path,
        )
    return _resample(Mask.from_array(outline.inside, own, roi), grid, difference, path)


def outside_error(roi: Roi | str, share: float, path: Path) -> GeometryError:
    """The refusal of an outline that its image does not cover."""
    return GeometryError(
        "MASK_OUTSIDE",
        f"{share:.1%} of the {roi} mask lies outside its image",
        expected="all of it inside",
        action="check that mask and image belong together",
        file=path,
    )


def _snap(outline: Outline, roi: Roi, grid: Grid, path: Path) -> tuple[Mask, tuple[Note, ...]]:
    moved = outline.grid.distance_mm(grid)
    mask = Mask.from_array(outline.inside, grid, roi)
    if moved <= EXACT_MM:
        return mask, ()
    found = f"the mask's header was {moved:.2g} mm off its image's; the image's was used"
    return mask, (Note(NoteKind.FIX, "MASK_SNAPPED", found, file=path.name),)


def _same_voxels(outline: Outline, grid: Grid) -> NDArray[np.bool_] | None:
    """The outline on the image's grid when its voxels are some of the image's, else None.

    Axes may be swapped or flipped and the box may be smaller, as long as it lies inside the image.
    A box of the image's own size that is shifted sticks out, and that is how a wrong origin looks.
    """
    for order in permutations(range(3)):
        array, turned = _turned(outline.inside, outline.grid, grid, order)
        start = start_in(turned, grid)
        if start is None:
            continue
        whole = np.zeros(grid.size[::-1], dtype=bool)
        x, y, z = start
        nx, ny, nz = turned.size
        whole[z : z + nz, y : y + ny, x : x + nx] = array
        return whole
    return None


def _turned(
    inside: NDArray[np.bool_], own: Grid, grid: Grid, order: tuple[int, ...]
) -> tuple[NDArray[np.bool_], Grid]:
    """Outline and grid with axes in another order, each pointing along the image's axis."""
    axes = own.axes[:, order]
    against = np.sum(axes * grid.axes, axis=0) < 0
    array = inside.transpose([2 - order[2 - k] for k in range(3)])
    array = np.flip(array, axis=tuple(2 - k for k in range(3) if against[k]))
    first = [0, 0, 0]
    for k in range(3):
        if against[k]:
            first[order[k]] = own.size[order[k]] - 1
    size = tuple(own.size[k] for k in order)
    spacing = tuple(own.spacing_mm[k] for k in order)
    direction = tuple((axes * np.where(against, -1.0, 1.0)).ravel())
    return array, Grid(size, spacing, own.to_mm(tuple(map(float, first))), direction)  # type: ignore[arg-type]


def start_in(part: Grid, grid: Grid) -> tuple[int, int, int] | None:
    """Index of a part's first voxel in a grid, when all its voxels are the grid's own."""
    index = np.linalg.solve(grid.affine[:3, :3], np.subtract(part.origin_mm, grid.origin_mm))
    start = np.rint(index).astype(int)
    if np.any(start < 0) or np.any(start + part.size > grid.size):
        return None
    own = Grid(part.size, grid.spacing_mm, grid.to_mm(tuple(map(float, start))), grid.direction)
    if not part.same_as(own, tol_mm=SNAP_TOLERANCE_MM):
        return None
    return int(start[0]), int(start[1]), int(start[2])


def _reordered(own: Grid, grid: Grid, path: Path) -> Note:
    same = own.size == grid.size or sorted(own.size) == sorted(grid.size)
    found = (
        "the mask stores its image's voxels in another order"
        if same
        else f"the mask covers {'x'.join(map(str, own.size))} of its image's "
        f"{'x'.join(map(str, grid.size))} voxels"
    )
    return Note(NoteKind.FIX, "MASK_REORDERED", f"{found}; placed voxel by voxel", file=path.name)


def _resample(mask: Mask, grid: Grid, difference: str, path: Path) -> tuple[Mask, tuple[Note, ...]]:
    outside = _outside_fraction(mask, grid)
    if outside > 0:
        raise outside_error(mask.roi, outside, path)
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
    at = index @ to_grid[:3, :3].T + to_grid[:3, 3]
    inside = np.all((at >= -0.5) & (at <= np.array(grid.size) - 0.5), axis=1)
    return 1.0 - float(np.count_nonzero(inside)) / len(index)
