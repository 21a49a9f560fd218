"""Maps: a texture or first-order feature around every voxel of a region.

What: for each voxel of the outline, the feature of its neighbourhood (a cube of
``2 * kernel_radius_voxels + 1`` voxels, cut to the outline), with grey levels set once for the
whole region. It shows where in a bed the texture comes from.

Source: pyradiomics' voxel-based extraction with a masked kernel (van Griethuysen et al., Cancer Res
2017).

When to use: to look. The maps are no input for a classifier here: neighbourhoods overlap, and a
radius of 1 holds 27 voxels, too few for most texture matrices to be full.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Annotated, Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydantic import Field

from radresp.core import Region, Sequence, Settings
from radresp.errors import InputError, PlanError
from radresp.features.checks import MAX_LEVELS, MIN_LEVELS, check_levels, check_size, check_values
from radresp.features.original import FEATURES
from radresp.features.voxels import bounding_box

MEMORY_BYTES = 100_000_000
_DIRECTIONS = 13
Watch = Callable[[int, int], None]


class MapSettings(Settings):
    """How large a neighbourhood, and how many grey levels."""

    kernel_radius_voxels: int = Field(
        1, ge=1, le=7, description="Neighbours looked at to every side, voxels."
    )
    bin_count: int = Field(
        32, ge=MIN_LEVELS, le=MAX_LEVELS, description="Grey levels over the whole region."
    )
    bin_width: dict[Sequence, Annotated[float, Field(gt=0)]] = Field(
        default_factory=dict,
        description="Width of a grey level, in the image's unit, by sequence; in place of "
        "bin_count there.",
    )
    force_2d: bool = Field(False, description="Neighbourhoods within the slice only.")
    maximum_voxels: int = Field(
        200_000, ge=1, description="Larger regions are refused: a map takes minutes to hours."
    )


def map_features(
    region: Region,
    wanted: tuple[str, ...],
    settings: MapSettings | None = None,
    *,
    watch: Watch | None = None,
) -> dict[str, NDArray[np.float32]]:
    """Compute maps of features over a region.

    Parameters
    ----------
    region : Region
        Image and outline.
    wanted : tuple of str
        Features by their names in ``original``, for example ``"glcm_Contrast"``; not of shape.
    settings : MapSettings, optional
        Neighbourhood and grey levels.
    watch : callable, optional
        Called with voxels done and all, counting a voxel once a class of features.

    Returns
    -------
    dict of str to numpy.ndarray
        By name; float32 on the region's grid, ordered (z, y, x), NaN outside the outline and where
        the neighbourhood has no such feature.

    Raises
    ------
    PlanError
        ``CONFIG_VALUE`` for a feature that is not known, or none.
    InputError
        ``MASK_TOO_SMALL``, ``MASK_TOO_LARGE``, ``ROI_NONFINITE``, ``ROI_CONSTANT``, ``BINS``.
    """
    from radresp.features import _pyradiomics

    settings = settings or MapSettings()
    by_class = _by_class(wanted)
    _check(region, settings)
    width = settings.bin_width.get(region.key.sequence)
    option: dict[str, float] = {"binWidth": width} if width else {"binCount": settings.bin_count}
    check_levels(region, option)
    box = bounding_box(region)
    image, mask = region.volume.image[box], region.mask.image[box]
    levels = _levels(region, option)
    options: dict[str, Any] = {
        **option,
        "kernelRadius": settings.kernel_radius_voxels,
        "force2D": settings.force_2d,
        "force2Ddimension": 0,
        "voxelBatch": max(1, int(MEMORY_BYTES / (8 * levels**2 * _DIRECTIONS))),
    }
    maps: dict[str, NDArray[np.float32]] = {}
    voxels = region.mask.voxel_count
    for i, (name, features) in enumerate(by_class.items()):
        tick = _counting(watch, i * voxels, len(by_class) * voxels, voxels)
        found = _pyradiomics.compute_maps(image, mask, name, features, options, tick)
        maps |= {f"{name}_{feature}": _placed(found[feature], region, box) for feature in features}
    return {name: maps[name] for name in wanted}


def _by_class(wanted: tuple[str, ...]) -> Mapping[str, list[str]]:
    known = {f"{c}_{f}": (c, f) for c, all_ in FEATURES.items() for f in all_.split()}
    known = {name: parts for name, parts in known.items() if parts[0] != "shape"}
    by_class: dict[str, list[str]] = {}
    for name in wanted:
        if name not in known:
            near = get_close_matches(name, known, n=1, cutoff=0.0)[0]
            raise PlanError(
                "CONFIG_VALUE",
                f"there is no map of {name!r}",
                expected="a feature of the family original, not of shape",
                action=f"did you mean {near!r}?",
            )
        kind, feature = known[name]
        by_class.setdefault(kind, []).append(feature)
    if not by_class:
        raise PlanError("CONFIG_VALUE", "no feature to map", expected="one or more")
    return by_class


def _check(region: Region, settings: MapSettings) -> None:
    check_size(region.mask, region.key, 1)
    check_values(region)
    count = region.mask.voxel_count
    if count > settings.maximum_voxels:
        raise InputError(
            "MASK_TOO_LARGE",
            f"the mask of {region.key} has {count} voxels",
            expected=f"at most {settings.maximum_voxels} for a map",
            action="map a smaller outline",
        )


def _levels(region: Region, option: Mapping[str, float]) -> int:
    if "binCount" in option:
        return int(option["binCount"])
    return math.ceil(float(np.ptp(region.volume.values_in(region.mask))) / option["binWidth"]) + 1


def _counting(watch: Watch | None, before: int, whole: int, most: int) -> Callable[[int], None]:
    """Told how many voxels of a class are done; passes on how many that makes of all."""

    def tell(done: int) -> None:
        if watch is not None:
            watch(before + min(done, most), whole)

    return tell


def _placed(found: sitk.Image, region: Region, box: tuple[slice, ...]) -> NDArray[np.float32]:
    inside = region.mask.array
    placed = np.full(inside.shape, np.nan, dtype=np.float32)
    placed[box[::-1]] = sitk.GetArrayFromImage(found)
    placed[~(inside & np.isfinite(placed))] = np.nan
    return placed
