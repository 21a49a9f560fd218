"""Which voxels features are computed on: resampled, and without outliers. Shared by families."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydantic import Field

from radresp.core import Region, Sequence, Settings, Volume
from radresp.errors import InputError
from radresp.features.checks import check_size

Box = tuple[slice, slice, slice]
INTERPOLATORS = {"linear": sitk.sitkLinear, "bspline": sitk.sitkBSpline}


Millimetres = Annotated[float, Field(ge=0, le=10)]


class VoxelRules(Settings):
    """On which voxels a family works."""

    resampled_spacing_mm: tuple[Millimetres, Millimetres, Millimetres] | None = Field(
        None,
        description="Voxel size x, y, z features are computed on, mm; 0 keeps an axis, for "
        "example (0.8, 0.8, 0). None computes on the voxels as acquired: interpolating 3 mm "
        "slices to 1 mm invents two of three. Set it where in-plane voxel sizes differ.",
    )
    interpolator: Literal["linear", "bspline"] = Field(
        "linear",
        description="How the image is resampled. linear stays within the measured intensities; "
        "bspline is smoother but overshoots at edges.",
    )
    intensity_range: dict[Sequence, tuple[float, float]] = Field(
        default_factory=dict,
        description="Intensities that count, lowest and highest, in the image's unit, by sequence; "
        "other voxels are left out of all but shape. Empty for all.",
    )
    outlier_sigmas: float | None = Field(
        None,
        gt=0,
        le=10,
        description="Voxels further from the region's mean than so many standard deviations are "
        "left out of all but shape, after intensity_range. None for all.",
    )
    minimum_voxels: int = Field(
        64, ge=8, description="Fewer voxels than this in the region are refused, voxels."
    )


@dataclass(frozen=True, slots=True)
class _Resampled:
    source: Region
    how: tuple[object, ...]
    made: Region


_last: _Resampled | None = None
"""The latest resampled region: the families of one region ask for the same, one after the other."""


def resampled(region: Region, rules: VoxelRules) -> tuple[Region, tuple[str, ...]]:
    """The region on the spacing of the plan, cropped, and the axes along which it is flat."""
    from radresp.features import _pyradiomics

    global _last
    how = (rules.resampled_spacing_mm, rules.interpolator)
    if _last is None or _last.source is not region or _last.how != how:
        volume = finite(region.volume)
        image, outline = _pyradiomics.resample(
            volume.image,
            region.mask.image,
            rules.resampled_spacing_mm or (0.0, 0.0, 0.0),
            INTERPOLATORS[rules.interpolator],
        )
        mask = replace(region.mask, image=outline)
        check_size(mask, region.key, rules.minimum_voxels)
        made = Region(region.key, replace(volume, image=image, background=None), mask)
        _last = _Resampled(region, how, made)
    return _last.made, check_size(_last.made.mask, region.key, rules.minimum_voxels)


def resegmented(region: Region, rules: VoxelRules) -> Region:
    """The region without voxels out of range, then without outliers (IBSI 2.5)."""
    inside = region.mask.array
    limits = rules.intensity_range.get(region.key.sequence)
    if limits is None and rules.outlier_sigmas is None:
        return region
    values = region.volume.array
    if limits is not None:
        inside &= (values >= limits[0]) & (values <= limits[1])
    if rules.outlier_sigmas is not None and inside.any():
        inside &= _usual(values, inside, rules.outlier_sigmas)
    if np.count_nonzero(inside) < rules.minimum_voxels:
        raise InputError(
            "MASK_TOO_SMALL",
            f"{np.count_nonzero(inside)} voxels of {region.key} are left by resegmentation",
            expected=f"at least {rules.minimum_voxels}",
            action="check the unit of the image, or widen intensity_range",
        )
    return replace(region, mask=region.mask.with_array(inside))


def _usual(
    values: NDArray[np.float32], inside: NDArray[np.bool_], sigmas: float
) -> NDArray[np.bool_]:
    mean, sd = np.mean(values[inside]), np.std(values[inside])
    return (values >= mean - sigmas * sd) & (values <= mean + sigmas * sd)


def finite(volume: Volume) -> Volume:
    """The volume with 0 where it has no number: one NaN spoils a whole line of a filter."""
    array = volume.array
    return volume.with_array(np.where(np.isfinite(array), array, 0.0))


def bounding_box(region: Region) -> Box:
    """The outline's bounding box along x, y, z."""
    found = np.argwhere(region.mask.array)[:, ::-1]
    ends = zip(found.min(axis=0).tolist(), found.max(axis=0).tolist(), strict=True)
    x, y, z = (slice(first, last + 1) for first, last in ends)
    return x, y, z
