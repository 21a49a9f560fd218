"""Resampling: the one place where images and masks are carried to another grid."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from radresp.core.grid import Grid
from radresp.core.volume import Mask, Volume


def resample_volume(
    volume: Volume,
    grid: Grid,
    transform: sitk.Transform | None = None,
    *,
    interpolator: int = sitk.sitkLinear,
) -> Volume:
    """Carry a volume to another grid, declaring voxels outside its field of view background.

    Parameters
    ----------
    volume : Volume
        Image to carry.
    grid : Grid
        Where to.
    transform : SimpleITK.Transform, optional
        Maps a point of ``grid`` (LPS mm) to the volume (LPS mm). Identity when absent.
    interpolator : int, optional
        A SimpleITK interpolator; linear by default.

    Returns
    -------
    Volume
        Same sequence and unit; outside the old field of view 0 and marked in ``background``.

    Notes
    -----
    For pictures, change maps and the CNN. Radiomics intensities are never interpolated by
    registration: there the mask travels and the image stays.
    """
    transform = transform or sitk.Transform(3, sitk.sitkIdentity)
    like = grid.blank()
    moved = sitk.Resample(volume.image, like, transform, interpolator, 0.0, sitk.sitkFloat32)
    inside = sitk.Image(volume.image.GetSize(), sitk.sitkUInt8) + 1
    volume.grid.stamp(inside)
    seen = sitk.Resample(inside, like, transform, sitk.sitkNearestNeighbor, 0, sitk.sitkUInt8)
    outside = sitk.Equal(seen, 0)
    has_background = bool(sitk.GetArrayViewFromImage(outside).any())
    background = outside if has_background else None
    return Volume(moved, volume.sequence, volume.unit, volume.b_s_per_mm2, background)


def resample_mask(mask: Mask, grid: Grid, transform: sitk.Transform | None = None) -> Mask:
    """Carry a mask to another grid by nearest neighbour, in one step.

    Parameters
    ----------
    mask : Mask
        Outline to carry.
    grid : Grid
        Where to.
    transform : SimpleITK.Transform, optional
        Maps a point of ``grid`` (LPS mm) to the mask (LPS mm). Identity when absent.

    Returns
    -------
    Mask
        Still binary; may be empty, and says so. Callers check that nothing was lost.
    """
    transform = transform or sitk.Transform(3, sitk.sitkIdentity)
    image = sitk.Resample(
        mask.image, grid.blank(), transform, sitk.sitkNearestNeighbor, 0, sitk.sitkUInt8
    )
    return Mask(image, mask.roi)


def resample_values(
    image: sitk.Image, grid: Grid, transform: sitk.Transform, outside: float
) -> NDArray[np.float32]:
    """Interpolate a scalar image that is no picture, such as a distance, linearly onto a grid.

    Parameters
    ----------
    image : SimpleITK.Image
        3-D, float32.
    grid : Grid
        Where to.
    transform : SimpleITK.Transform
        Maps a point of ``grid`` (LPS mm) to the image (LPS mm).
    outside : float
        Value beyond the image.

    Returns
    -------
    numpy.ndarray
        Values on ``grid``, float32, ordered (z, y, x).
    """
    moved = sitk.Resample(
        image, grid.blank(), transform, sitk.sitkLinear, outside, sitk.sitkFloat32
    )
    return sitk.GetArrayFromImage(moved)
