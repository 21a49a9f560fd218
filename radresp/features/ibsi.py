"""IBSI: the features of the Image Biomarker Standardisation Initiative, by its own definitions.

What: morphology (with autocorrelation), local intensity, statistics, intensity histogram,
intensity-volume histogram, and the texture matrices GLCM, GLRLM, GLSZM, GLDZM, NGTDM and NGLDM with
their six ways to aggregate, named by the IBSI's tags (``cm_joint_max_3D_comb``). pyradiomics lacks
a third of them and defines some otherwise (listed in ``original``): kurtosis is the excess here,
a fixed bin width starts at the lower end of ``intensity_range`` or at the region's minimum, and
axis lengths stand on the variance with 1/(n - 1).

Left out: what the IBSI has not standardised (densities by minimal bounding box or enclosing
ellipsoid, area under the intensity-volume histogram).

Source: Zwanenburg et al., Radiology 2020; reference manual arXiv:1612.07003. Held to the consensus
values of the digital phantom and of configurations A and C of the CT phantom.

When to use: to report values others can reproduce with any IBSI-compliant software, or where
merged (``comb``) matrices are wanted. Local intensity looks up to 6.2 mm around the outline.
"""

from __future__ import annotations

import math
from dataclasses import replace
from time import perf_counter
from typing import Annotated, Literal

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydantic import Field

from radresp.core import Region, Sequence, Step
from radresp.errors import InputError
from radresp.features.checks import MAX_LEVELS, MIN_LEVELS, check_size, check_values
from radresp.features.family import Extracted
from radresp.features.voxels import INTERPOLATORS, VoxelRules, finite, resegmented

Aggregation = Literal["2D_avg", "2D_comb", "2_5D_avg", "2_5D_comb", "3D_avg", "3D_comb"]
Width = Annotated[float, Field(gt=0)]
IVH_BINS = 1000
MORPHOLOGY = """volume vol_approx area_mesh av comp_1 comp_2 sph_dispr sphericity asphericity com
    diam pca_maj_axis pca_min_axis pca_least_axis pca_elongation pca_flatness vol_dens_aabb
    area_dens_aabb vol_dens_aee area_dens_aee vol_dens_conv_hull area_dens_conv_hull integ_int
    moran_i geary_c"""


class Ibsi(VoxelRules):
    """Image processing in the order of the IBSI, and which aggregations.

    Grids share their centre when resampled, and the outline is interpolated and cut at a half.
    """

    aggregations: tuple[Aggregation, ...] = Field(
        ("3D_comb",),
        min_length=1,
        description="How directions (avg, comb) and slices (2D, 2_5D, 3D) are aggregated. 2D for "
        "slices much thicker than the pixel.",
    )
    round_intensities: bool = Field(
        False, description="Round to whole numbers after resampling, for CT."
    )
    bin_count: int = Field(
        32, ge=MIN_LEVELS, le=MAX_LEVELS, description="Grey levels between minimum and maximum."
    )
    bin_width: dict[Sequence, Width] = Field(
        default_factory=dict,
        description="Width of a grey level, in the image's unit; takes the place of bin_count.",
    )
    ivh_width: dict[Sequence, Width] = Field(
        default_factory=dict,
        description="Width of the bins of the intensity-volume histogram, in the image's unit; "
        "1,000 bins between minimum and maximum where not given.",
    )


def names(settings: Ibsi) -> tuple[str, ...]:
    """The IBSI's tags, group by group.

    Examples
    --------
    >>> found = names(Ibsi())
    >>> len(found), found[0], found[-1]
    (169, 'morph_volume', 'ngl_dc_energy_3D')
    """
    from radresp.features import ibsi_intensity, ibsi_texture

    groups = {
        "morph": MORPHOLOGY,
        "loc": ibsi_intensity.PEAKS,
        "stat": ibsi_intensity.STATISTICS,
        "ih": ibsi_intensity.HISTOGRAM,
        "ivh": ibsi_intensity.VOLUMES,
    }
    tags = (f"{group}_{name}" for group, listed in groups.items() for name in listed.split())
    return (*tags, *ibsi_texture.names(settings.aggregations))


def extract(region: Region, settings: Ibsi) -> Extracted:
    """Compute IBSI features of a region.

    Parameters
    ----------
    region : Region
        Image and outline on one grid.
    settings : Ibsi
        Processing and aggregations.

    Returns
    -------
    Extracted
        Exactly ``names(settings)``; morphology is NaN, with the reason, for an outline one voxel
        thick.

    Raises
    ------
    InputError
        ``MASK_TOO_SMALL``, ``ROI_NONFINITE``, ``ROI_CONSTANT``; ``BINS`` for more than 512 levels.
    """
    from radresp.features import ibsi_intensity, ibsi_texture

    started = perf_counter()
    check_size(region.mask, region.key, settings.minimum_voxels)
    check_values(region)
    region = _processed(region, settings)
    thin = check_size(region.mask, region.key, settings.minimum_voxels)
    values, outline = region.volume.array.astype(float), region.mask.array
    spacing = region.volume.image.GetSpacing()[::-1]
    inside = resegmented(region, settings).mask.array
    x = values[inside]
    levels = _levels(region, x, settings)
    placed = np.zeros(outline.shape, int)
    placed[inside] = levels
    where = np.argwhere(outline)
    box = tuple(slice(a, b + 1) for a, b in zip(where.min(0), where.max(0), strict=True))
    found = {} if thin else _morphology(outline[box], inside[box], values[box], spacing)
    for group, numbers in (
        ("loc", ibsi_intensity.local_peaks(values, inside, spacing)),
        ("stat", ibsi_intensity.statistics(x)),
        ("ih", ibsi_intensity.histogram(levels)),
        ("ivh", ibsi_intensity.volume_histogram(*_graded(region, x, settings))),
    ):
        found |= {f"{group}_{name}": value for name, value in numbers.items()}
    found |= ibsi_texture.measure(placed[box], outline[box], settings.aggregations)
    numbers = {name: float(found.get(name, math.nan)) for name in names(settings)}
    absent = {name: _reason(name, thin) for name, v in numbers.items() if not math.isfinite(v)}
    numbers |= dict.fromkeys(absent, math.nan)
    seconds = perf_counter() - started
    step = Step("features", "ibsi", settings.model_dump(mode="json"), seconds)
    return Extracted(numbers, absent, step)


def _morphology(
    outline: NDArray[np.bool_],
    inside: NDArray[np.bool_],
    values: NDArray[np.float64],
    spacing_mm: tuple[float, float, float],
) -> dict[str, float]:
    from radresp.features import ibsi_shape

    found = ibsi_shape.measure(outline, inside, values, spacing_mm)
    return {f"morph_{name}": value for name, value in found.items()}


def _processed(region: Region, settings: Ibsi) -> Region:
    """The region resampled and rounded, in this order."""
    volume = finite(region.volume)
    if settings.resampled_spacing_mm is not None:
        edges = zip(settings.resampled_spacing_mm, volume.image.GetSpacing(), strict=True)
        spacing = [new or old for new, old in edges]
        method = INTERPOLATORS[settings.interpolator]
        image = _resampled(volume.image, spacing, method)
        drawn = sitk.Cast(region.mask.image, sitk.sitkFloat32)
        outline = _resampled(drawn, spacing, sitk.sitkLinear) >= 0.5
        mask = replace(region.mask, image=outline)
        volume = replace(volume, image=image, background=None)
        region = Region(region.key, volume, mask)
    if settings.round_intensities:
        region = replace(region, volume=volume.with_array(np.rint(volume.array)))
    return region


def _resampled(image: sitk.Image, spacing: list[float], method: int) -> sitk.Image:
    """The image on a grid of another spacing and the same centre (IBSI 2.4)."""
    old, size = image.GetSpacing(), image.GetSize()
    new = [math.ceil(n * a / b - 1e-6) for n, a, b in zip(size, old, spacing, strict=True)]
    start = [
        (a * (n - 1) - b * (m - 1)) / 2 / a
        for n, m, a, b in zip(size, new, old, spacing, strict=True)
    ]
    turned = sitk.ResampleImageFilter()
    turned.SetSize(new)
    turned.SetOutputSpacing(spacing)
    turned.SetOutputOrigin(image.TransformContinuousIndexToPhysicalPoint(start))
    turned.SetOutputDirection(image.GetDirection())
    turned.SetInterpolator(method)
    turned.UseNearestNeighborExtrapolatorOn()
    return turned.Execute(image)


def _levels(region: Region, x: NDArray[np.float64], settings: Ibsi) -> NDArray[np.int_]:
    """Grey levels from 1 (IBSI 2.7)."""
    sequence, low = region.key.sequence, x.min()
    if sequence not in settings.bin_width:
        part = (x - low) / (x.max() - low)
        return np.minimum(np.floor(settings.bin_count * part).astype(int) + 1, settings.bin_count)
    low, _ = settings.intensity_range.get(sequence, (low, 0.0))
    levels = np.floor((x - low) / settings.bin_width[sequence]) + 1
    if levels.max() > MAX_LEVELS:
        raise InputError(
            "BINS",
            f"{levels.max():.0f} grey levels in {region.key} (unit {region.volume.unit})",
            expected=f"at most {MAX_LEVELS}",
            action="check the unit of the image, or set a larger bin_width",
        )
    return levels.astype(int)


def _graded(
    region: Region, x: NDArray[np.float64], settings: Ibsi
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Intensities and the possible ones of the intensity-volume histogram."""
    sequence = region.key.sequence
    low, high = settings.intensity_range.get(sequence, (x.min(), x.max()))
    if sequence not in settings.ivh_width:
        part = (x - x.min()) / np.ptp(x)
        number = np.minimum(np.floor(IVH_BINS * part) + 1, IVH_BINS)
        return number, np.arange(1.0, IVH_BINS + 1)
    width = settings.ivh_width[sequence]
    if settings.round_intensities and width == 1:
        return x, np.arange(low, high + 1)
    number = np.floor((x - low) / width) + 1
    last = max(math.ceil((high - low) / width), int(number.max()))
    return low + (number - 0.5) * width, low + (np.arange(1.0, last + 1) - 0.5) * width


def _reason(name: str, thin: tuple[str, ...]) -> str:
    if thin and name.startswith("morph_"):
        return f"the outline is one voxel thick along {thin[0]}: it has no 3-D shape"
    return "the definition divides by zero here"
