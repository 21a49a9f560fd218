"""Where an outline lands on another grid: signed distance, cut at the level that keeps the volume.

What: the work behind `radresp.masks.carry`, done only in the box of voxels the outline reaches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from radresp.core import Grid, Mask, resample_mask, resample_values
from radresp.core.volume import image_of

_MOST_POINTS = 2_000_000
"""Points the outline is sampled at in all; more buys nothing that voxels of the target can show."""

_FINEST = 5
"""Most points along each edge of a voxel."""

_SEARCH_MM = 4.0
"""Edge of the voxels in which the box is looked for; longer edges of the target are kept."""

_STRETCH = 2.0
"""How many times longer than on the target a distance may be on the mask's own image."""


@dataclass(frozen=True, slots=True)
class Landing:
    """An outline on another grid.

    Parameters
    ----------
    mask : Mask
        The binary outline.
    surface_mm : float
        Mean distance between its surface and that of the outline as it was, mm: the volume that
        belongs to one of them alone, over the area of the surface. NaN when nothing arrived.
    """

    mask: Mask
    surface_mm: float


def land(mask: Mask, grid: Grid, transform: sitk.Transform) -> Landing:
    """Place an outline on a grid.

    Parameters
    ----------
    mask : Mask
        Outline as it is.
    grid : Grid
        Where to.
    transform : SimpleITK.Transform
        A point of ``grid`` (LPS mm) to the mask's own image (LPS mm).

    Returns
    -------
    Landing
        As many voxels as make up the volume of the outline within the grid; empty when less than
        half a voxel arrives.
    """
    drawn = np.zeros(grid.size[::-1], dtype=bool)
    depth = None if mask.is_empty else _depth_mm(mask, grid)
    box = None if depth is None else _box(depth, grid, transform)
    if depth is None or box is None:
        return Landing(mask.from_array(drawn, grid, mask.roi), float("nan"))
    window, at = box
    share = _share(mask, at, transform)
    count = _count(share, mask, at, transform)
    inside = _fullest(share, resample_values(depth, at, transform, _outside(depth)), count)
    drawn[window] = inside
    surface_mm = _mean_distance_mm(share, inside, at)
    return Landing(mask.from_array(drawn, grid, mask.roi), surface_mm)


def placed(
    grid: Grid, first: NDArray[Any], size: NDArray[Any], spacing_mm: NDArray[np.float64]
) -> Grid:
    """Another grid along the same axes, from an index (x, y, z) of the first, which may be between.

    Parameters
    ----------
    grid : Grid
        Whose axes and index.
    first : numpy.ndarray
        Index of the first voxel, (x, y, z).
    size : numpy.ndarray
        Voxels along x, y, z.
    spacing_mm : numpy.ndarray
        Voxel edges, mm, x, y, z.
    """
    return Grid(
        cast(tuple[int, int, int], tuple(int(n) for n in size)),
        cast(tuple[float, float, float], tuple(float(edge) for edge in spacing_mm)),
        grid.to_mm(first),
        grid.direction,
    )


def _depth_mm(mask: Mask, grid: Grid) -> sitk.Image:
    """Signed distance to the surface, mm, positive inside, in a box around the outline."""
    drawn, spacing = mask.array, np.asarray(mask.grid.spacing_mm[::-1])
    reach = _STRETCH * _reach_mm(_coarse(grid)[0])
    pad = np.ceil(reach / spacing).astype(int) + 1
    found = ndimage.find_objects(drawn.view(np.uint8))[0]
    inside = np.pad(drawn[found], [(int(p), int(p)) for p in pad])
    first = np.array([span.start for span in found]) - pad
    size = np.array(inside.shape)
    around = placed(mask.grid, first[::-1], size[::-1], np.asarray(mask.grid.spacing_mm))
    # From centre to centre, so that the surface between two voxels lies half way.
    depth = ndimage.distance_transform_edt(inside, sampling=spacing)
    depth -= ndimage.distance_transform_edt(~inside, sampling=spacing)
    return image_of(depth.astype(np.float32), around)


def _outside(depth: sitk.Image) -> float:
    """A depth for points beyond the box: as far out as its border."""
    return float(sitk.GetArrayViewFromImage(depth).min())


def _coarse(grid: Grid) -> tuple[Grid, NDArray[np.intp]]:
    """The same box in voxels of about the search's edge, and how many voxels along each."""
    stride = np.maximum(_SEARCH_MM // np.asarray(grid.spacing_mm), 1).astype(int)
    size = -(-np.asarray(grid.size) // stride)
    return placed(grid, (stride - 1) / 2, size, stride * np.asarray(grid.spacing_mm)), stride


def _reach_mm(grid: Grid) -> float:
    """From the middle of a voxel to its farthest corner."""
    return float(np.linalg.norm(grid.spacing_mm)) / 2


def _box(
    depth: sitk.Image, grid: Grid, transform: sitk.Transform
) -> tuple[tuple[slice, ...], Grid] | None:
    """The voxels (z, y, x) the outline may reach, and their grid; None when it reaches none."""
    coarse, stride = _coarse(grid)
    near = resample_values(depth, coarse, transform, _outside(depth))
    found = ndimage.find_objects((near > -_STRETCH * _reach_mm(coarse)).astype(np.uint8))
    if not found:
        return None
    window = tuple(
        slice(span.start * step, min(span.stop * step, n))
        for span, step, n in zip(found[0], stride[::-1].tolist(), grid.size[::-1], strict=True)
    )
    first = np.array([span.start for span in window[::-1]])
    size = np.array([span.stop - span.start for span in window[::-1]])
    return window, placed(grid, first, size, np.asarray(grid.spacing_mm))


def _share(mask: Mask, grid: Grid, transform: sitk.Transform) -> NDArray[np.float32]:
    """Share of each voxel that is inside the outline, 0 to 1, (z, y, x)."""
    voxels = float(np.prod(grid.size))
    edge = int(np.clip(np.cbrt(_MOST_POINTS / voxels), 1, _FINEST))
    points = placed(
        grid,
        np.full(3, 0.5 / edge - 0.5),
        np.asarray(grid.size) * edge,
        np.asarray(grid.spacing_mm) / edge,
    )
    inside = resample_mask(mask, points, transform).array
    z, y, x = grid.size[::-1]
    split = inside.reshape(z, edge, y, edge, x, edge)
    return split.mean(axis=(1, 3, 5), dtype=np.float32)


def _count(share: NDArray[np.float32], mask: Mask, grid: Grid, transform: sitk.Transform) -> int:
    """How many voxels the outline fills: exact where a linear map brings all of it onto the grid.

    Elsewhere what the points in each voxel add up to.
    """
    faces = (share.take(end, axis=axis) for axis in range(3) for end in (0, -1))
    if not transform.IsLinear() or any(face.any() for face in faces):
        return round(float(share.sum(dtype=np.float64)))
    start = np.asarray(transform.TransformPoint((0.0, 0.0, 0.0)))
    steps = [np.subtract(transform.TransformPoint(axis), start) for axis in np.eye(3).tolist()]
    stretch = abs(float(np.linalg.det(steps)))
    return round(mask.volume_ml / stretch / grid.voxel_volume_ml)


def _fullest(
    share: NDArray[np.float32], depth: NDArray[np.float32], count: int
) -> NDArray[np.bool_]:
    """The deepest voxels, as many as asked for; of equally deep ones the fullest."""
    order = np.lexsort((-share.ravel(), -depth.ravel()))
    inside = np.zeros(share.size, dtype=bool)
    inside[order[:count]] = True
    return inside.reshape(share.shape)


def _mean_distance_mm(share: NDArray[np.float32], inside: NDArray[np.bool_], grid: Grid) -> float:
    """Volume of what is in one of two regions alone, over the area of their surface, mm."""
    differs = float(np.abs(share - inside).sum(dtype=np.float64))
    around = np.pad(share, 1)
    steps = np.gradient(around, *grid.spacing_mm[::-1])
    # The integral of a share's gradient is the area of the surface (coarea formula), per volume.
    area = float(np.sqrt(sum(step * step for step in steps)).sum(dtype=np.float64))
    return differs / area if area else float("nan")
