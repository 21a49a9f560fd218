"""Cut the patch of a case: both visits around the bed, each image interpolated once."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from radresp.cnn.settings import PatchSettings
from radresp.core import (
    PATCH_CHANNELS,
    Grid,
    Mask,
    Patch,
    Sequence,
    Timepoint,
    Volume,
    resample_mask,
    resample_volume,
)
from radresp.errors import InputError
from radresp.pipeline.align import from_later_t2
from radresp.pipeline.desk import BED, TUMOUR, Desk

_FWHM_TO_SD = 1 / 2.3548


def cut_patch(desk: Desk, settings: PatchSettings) -> Patch:
    """The patch of a prepared case.

    Parameters
    ----------
    desk : Desk
        The case with its images, outlines and alignments.
    settings : PatchSettings
        Size and voxels of the box.

    Raises
    ------
    InputError
        ``MASK_EMPTY`` when there is no bed to cut around.
    """
    bed = desk.outlines.get(BED)
    if bed is None or bed.is_empty:
        raise InputError(
            "MASK_EMPTY",
            "there is no bed to cut a patch around",
            expected="an outline of the bed, or one of the tumour that could be carried",
            case=desk.case.case_id,
        )
    grid = patch_grid(bed, settings)
    channels: dict[str, NDArray[np.float32]] = {}
    absent: dict[str, str] = {}
    for name in PATCH_CHANNELS:
        found = _channel(desk, name, grid)
        if isinstance(found, str):
            absent[name] = found
        else:
            channels[name] = found
    outlines = {"bed": resample_mask(bed, grid).array}
    tumour = _tumour(desk, grid)
    if isinstance(tumour, str):
        absent["tumour"] = tumour
    else:
        outlines["tumour"] = tumour
    return Patch(desk.case.case_id, grid, channels, outlines, absent)


def patch_grid(bed: Mask, settings: PatchSettings) -> Grid:
    """A grid of the image's axes, centred on the middle of an outline."""
    grid = bed.grid
    inside = np.argwhere(bed.array)[:, ::-1]
    middle = np.array(grid.to_mm(inside.mean(axis=0)))
    spacing, size = np.array(settings.spacing_mm), np.array(settings.size)
    axes = np.array(grid.direction).reshape(3, 3)
    x, y, z = middle - axes @ (spacing * (size - 1) / 2)
    origin = (float(x), float(y), float(z))
    return Grid(settings.size, settings.spacing_mm, origin, grid.direction)


def _channel(desk: Desk, name: str, grid: Grid) -> NDArray[np.float32] | str:
    """One image on the grid, NaN beyond its field of view; or why it is not there."""
    visit, sequence = Timepoint(name.partition(".")[0]), Sequence(name.partition(".")[2])
    volume = desk.images.get((visit, sequence))
    if volume is None:
        return f"no {visit} {sequence} image"
    route = from_later_t2(desk, visit, sequence)
    if isinstance(route, str):
        return route
    moved = resample_volume(_smoothed(volume, grid), grid, route)
    values = moved.array.copy()
    if moved.background is not None:
        values[sitk.GetArrayFromImage(moved.background).astype(bool)] = np.nan
    return np.asarray(values, dtype=np.float32)


def _smoothed(volume: Volume, grid: Grid) -> Volume:
    """The image without detail that the grid's voxels cannot hold."""
    edges = zip(grid.spacing_mm[::-1], volume.grid.spacing_mm[::-1], strict=True)
    sigma = [_FWHM_TO_SD * coarse / fine if coarse > 1.5 * fine else 0.0 for coarse, fine in edges]
    if not any(sigma):
        return volume
    return volume.with_array(ndimage.gaussian_filter(volume.array, sigma))


def _tumour(desk: Desk, grid: Grid) -> NDArray[np.bool_] | str:
    tumour = desk.outlines.get(TUMOUR)
    if tumour is None:
        return "nobody outlined the tumour"
    route = from_later_t2(desk, Timepoint.PRE, Sequence.T2)
    return route if isinstance(route, str) else resample_mask(tumour, grid, route).array
