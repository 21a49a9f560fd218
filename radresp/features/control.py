"""Control: a region with its texture destroyed, to see whether a model needed it.

What: the voxels of a part of the image are shuffled among themselves, drawn from it with
replacement, or replaced by uniform noise between its smallest and largest value. Shape and volume
stay; shuffling keeps the whole histogram, sampling nearly, noise only its range. A model that
predicts as well from such regions has learnt volume or intensity, not texture; one that predicts
from a shuffled surrounding never looked at the region.

Source: Welch et al., Radiother Oncol 2019;130:2, who found volume behind a radiomic signature that
way; kinds and places as in ``readii`` (bhklab).

When to use: extract once more with ``control`` in the plan, train on it, and compare.
"""

from __future__ import annotations

import zlib
from typing import Literal

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydantic import Field

from radresp.core import Region, Settings


class Control(Settings):
    """What replaces which voxels."""

    kind: Literal["shuffled", "sampled", "random"] = Field(
        "shuffled",
        description="shuffled: the same voxels in another order. sampled: drawn from them with "
        "replacement. random: uniform between their smallest and largest value.",
    )
    where: Literal["region", "outside", "everywhere"] = Field(
        "region", description="Inside the outline, outside it, or in the whole image."
    )
    seed: int = Field(17, ge=0, lt=2**32, description="Of the drawing.")


def control(region: Region, settings: Control) -> Region:
    """The region with its voxels replaced.

    Parameters
    ----------
    region : Region
        Image and outline. Background without measurement stays as it is.
    settings : Control
        What is replaced. The same region and seed give the same voxels.

    Returns
    -------
    Region
        The same outline on another image.

    Examples
    --------
    >>> from radresp.core import Grid, Mask, RegionKey, Roi, Sequence, Timepoint, Volume
    >>> grid = Grid((4, 4, 4), (1, 1, 1))
    >>> volume = Volume.from_array(np.arange(64.0).reshape(4, 4, 4), grid, Sequence.T2)
    >>> mask = Mask.from_array(np.ones((4, 4, 4)), grid, Roi.BED)
    >>> region = Region(RegionKey(Timepoint.POST, Sequence.T2, Roi.BED), volume, mask)
    >>> shuffled = control(region, Control()).volume.array
    >>> bool((np.sort(shuffled, axis=None) == np.arange(64)).all())
    True
    """
    values = region.volume.array
    chosen = _chosen(region, settings)
    rng = np.random.default_rng([settings.seed, zlib.crc32(str(region.key).encode())])
    values[chosen] = _replaced(values[chosen], settings, rng)
    return Region(region.key, region.volume.with_array(values), region.mask)


def _chosen(region: Region, settings: Control) -> NDArray[np.bool_]:
    measured = np.isfinite(region.volume.array)
    if region.volume.background is not None:
        measured &= sitk.GetArrayViewFromImage(region.volume.background) == 0
    inside = region.mask.array
    part = {"region": inside, "outside": ~inside, "everywhere": np.ones_like(inside)}
    return part[settings.where] & measured


def _replaced(
    values: NDArray[np.float32], settings: Control, rng: np.random.Generator
) -> NDArray[np.float32]:
    if not values.size:
        return values
    if settings.kind == "shuffled":
        return rng.permutation(values)
    if settings.kind == "sampled":
        return rng.choice(values, values.size)
    return rng.uniform(values.min(), values.max(), values.size).astype(np.float32)
