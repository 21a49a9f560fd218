"""Original: pyradiomics' 107 features of the unfiltered image.

What: shape (14, from the outline's mesh), first order (18), and the texture matrices GLCM (24),
GLRLM (16), GLSZM (16), GLDM (14) and NGTDM (5), named as pyradiomics names them
(``glcm_Contrast``). Computed in memory on the bounding box of the region.

Refused before pyradiomics sees it, because pyradiomics would answer with finite, wrong numbers
or not answer for a minute: NaN or infinity in the region, a constant region, too few voxels, and
grey levels too few or too many for texture (an image in another unit).

Source: van Griethuysen et al., Cancer Res 2017; definitions of the Image Biomarker
Standardisation Initiative (IBSI) with these known deviations:

- Kurtosis is not the excess: 3 for a normal distribution, IBSI gives 0.
- A fixed bin width starts at a multiple of the width, not at the region's minimum; the two agree
  where the minimum is such a multiple.
- First-order Entropy and Uniformity are taken after discretisation (IBSI: intensity histogram).
- Energy, TotalEnergy and RootMeanSquared take values as they are, without shifting negatives.
- GLCM and GLRLM features are means over 13 directions (IBSI: 3D averaged); a direction without
  any pair is left out. With ``force_2d`` they are means over 4 directions in the slice.
- GLCM MCC: the engines exact and reference sort eigenvalues of a non-symmetric matrix and keep the
  real part; fast takes the symmetric form. All give 1 where one grey level is left. GLCM Imc1 is
  negative, as in Haralick's paper.
- NGTDM Coarseness is capped at 1e6 for a uniform neighbourhood.
- Axis lengths stand on the variance with 1/n (IBSI: 1/(n - 1)); 0.7 % at 74 voxels.

What depends on how a file stores its axes: Maximum2DDiameterSlice, -Column and -Row follow the
stored axes; and where voxels of an outline touch along an edge only, pyradiomics' mesh is not
closed, so that MeshVolume, SurfaceArea, SurfaceVolumeRatio and Sphericity change when axes are
flipped or permuted (up to 1.7 % for a ragged brain tumour, not at all for a smooth outline).
Nothing else does.

When to use: whole-volume outlines. Texture values depend on voxel size and on the number of grey
levels; compare only regions with the same settings and similar acquisition.
"""

from __future__ import annotations

import math
from time import perf_counter
from typing import Annotated, Any, Literal

import SimpleITK as sitk
from pydantic import Field

from radresp.core import Note, NoteKind, Region, Sequence, Step
from radresp.features.checks import MAX_LEVELS, MIN_LEVELS, check_levels, check_size, check_values
from radresp.features.family import Extracted
from radresp.features.voxels import VoxelRules, bounding_box, resampled, resegmented

FEATURES = {
    "shape": """Elongation Flatness LeastAxisLength MajorAxisLength Maximum2DDiameterColumn
        Maximum2DDiameterRow Maximum2DDiameterSlice Maximum3DDiameter MeshVolume MinorAxisLength
        Sphericity SurfaceArea SurfaceVolumeRatio VoxelVolume""",
    "firstorder": """10Percentile 90Percentile Energy Entropy InterquartileRange Kurtosis Maximum
        Mean MeanAbsoluteDeviation Median Minimum Range RobustMeanAbsoluteDeviation
        RootMeanSquared Skewness TotalEnergy Uniformity Variance""",
    "glcm": """Autocorrelation ClusterProminence ClusterShade ClusterTendency Contrast Correlation
        DifferenceAverage DifferenceEntropy DifferenceVariance Id Idm Idmn Idn Imc1 Imc2
        InverseVariance JointAverage JointEnergy JointEntropy MCC MaximumProbability SumAverage
        SumEntropy SumSquares""",
    "glrlm": """GrayLevelNonUniformity GrayLevelNonUniformityNormalized GrayLevelVariance
        HighGrayLevelRunEmphasis LongRunEmphasis LongRunHighGrayLevelEmphasis
        LongRunLowGrayLevelEmphasis LowGrayLevelRunEmphasis RunEntropy RunLengthNonUniformity
        RunLengthNonUniformityNormalized RunPercentage RunVariance ShortRunEmphasis
        ShortRunHighGrayLevelEmphasis ShortRunLowGrayLevelEmphasis""",
    "glszm": """GrayLevelNonUniformity GrayLevelNonUniformityNormalized GrayLevelVariance
        HighGrayLevelZoneEmphasis LargeAreaEmphasis LargeAreaHighGrayLevelEmphasis
        LargeAreaLowGrayLevelEmphasis LowGrayLevelZoneEmphasis SizeZoneNonUniformity
        SizeZoneNonUniformityNormalized SmallAreaEmphasis SmallAreaHighGrayLevelEmphasis
        SmallAreaLowGrayLevelEmphasis ZoneEntropy ZonePercentage ZoneVariance""",
    "gldm": """DependenceEntropy DependenceNonUniformity DependenceNonUniformityNormalized
        DependenceVariance GrayLevelNonUniformity GrayLevelVariance HighGrayLevelEmphasis
        LargeDependenceEmphasis LargeDependenceHighGrayLevelEmphasis
        LargeDependenceLowGrayLevelEmphasis LowGrayLevelEmphasis SmallDependenceEmphasis
        SmallDependenceHighGrayLevelEmphasis SmallDependenceLowGrayLevelEmphasis""",
    "ngtdm": "Busyness Coarseness Complexity Contrast Strength",
}
"""Every feature by class; a test holds this table to the installed pyradiomics."""

IntensityClass = Literal["firstorder", "glcm", "glrlm", "glszm", "gldm", "ngtdm"]


class Original(VoxelRules):
    """Which features, on which voxels, with which grey levels."""

    shape: bool = Field(
        True,
        description="Mesh-based shape. It depends on the outline alone: ask for it on one "
        "sequence of each outline, not on all.",
    )
    classes: tuple[IntensityClass, ...] = Field(
        ("firstorder", "glcm", "glrlm", "glszm", "gldm", "ngtdm"),
        min_length=1,
        description="Intensity and texture classes.",
    )
    bin_count: int = Field(
        32,
        ge=MIN_LEVELS,
        le=MAX_LEVELS,
        description="Grey levels between the region's minimum and maximum, 4 to 512. Does not "
        "depend on the unit, hence the default for T2 and DWI, which have none.",
    )
    bin_width: dict[Sequence, Annotated[float, Field(gt=0)]] = Field(
        default_factory=dict,
        description="Width of a grey level, in the image's unit (ADC: 1e-6 mm2/s), by sequence; "
        "takes the place of bin_count there. Keeps differences of contrast between regions; for "
        "images with a unit or normalised ones.",
    )
    force_2d: bool = Field(
        False,
        description="Texture from neighbours within a slice only; for slices much thicker than "
        "the pixel. Shape and first order stay three-dimensional.",
    )
    distances_voxels: tuple[Annotated[int, Field(ge=1, le=10)], ...] = Field(
        (1,),
        min_length=1,
        description="Neighbour distances for GLCM, GLDM and NGTDM, voxels (Chebyshev norm).",
    )
    engine: Literal["fast", "exact", "reference"] = Field(
        "fast",
        description="How the numbers are made. fast: pyradiomics' formulae with its work done "
        "once; equal to 1e-9, MCC to 1e-5. exact: the same with pyradiomics' own MCC. reference: "
        "plain pyradiomics.",
    )


def names(settings: Original) -> tuple[str, ...]:
    """Feature names, in order: shape first, then the classes as in ``FEATURES``.

    Examples
    --------
    >>> len(names(Original())), names(Original(shape=False, classes=("ngtdm",)))[0]
    (107, 'ngtdm_Busyness')
    """
    classes = (*settings.classes, "shape") if settings.shape else settings.classes
    return tuple(
        f"{name}_{feature}"
        for name, features in FEATURES.items()
        if name in classes
        for feature in features.split()
    )


def extract(region: Region, settings: Original) -> Extracted:
    """Compute pyradiomics features of a region.

    Parameters
    ----------
    region : Region
        Image and outline on one grid.
    settings : Original
        Which features and how.

    Returns
    -------
    Extracted
        Exactly ``names(settings)``. Shape is NaN, with the reason, for an outline one voxel
        thick; any value pyradiomics cannot give is NaN with a reason too.

    Raises
    ------
    InputError
        ``MASK_TOO_SMALL`` below the minimum number of voxels or for a single line of voxels,
        ``ROI_NONFINITE`` for NaN or infinity inside, ``ROI_CONSTANT`` for one single intensity,
        ``BINS`` for fewer than 4 or more than 512 grey levels.
    """
    started = perf_counter()
    thin_axes = check_size(region.mask, region.key, settings.minimum_voxels)
    check_values(region)
    if settings.resampled_spacing_mm is not None:
        region, thin_axes = resampled(region, settings)
        check_values(region)
    option = discretisation(settings, region.key.sequence)
    kept = resegmented(region, settings)
    if kept is not region:
        check_values(kept)
    notes = (*check_levels(kept, option), *_note_thin(region, thin_axes))
    found = _measured(region, kept, settings, option, with_shape=settings.shape and not thin_axes)
    values: dict[str, float] = {}
    absent: dict[str, str] = {}
    for name in names(settings):
        values[name] = found.get(name, math.nan)
        if not math.isfinite(values[name]):
            values[name] = math.nan
            absent[name] = reason(name, thin_axes)
    step = Step(
        "features",
        "original",
        settings.model_dump(mode="json"),
        perf_counter() - started,
        notes,
    )
    return Extracted(values, absent, step)


def _measured(
    region: Region, kept: Region, settings: Original, option: dict[str, float], *, with_shape: bool
) -> dict[str, float]:
    """Shape of the outline as drawn, everything else of the voxels that were kept."""
    box = bounding_box(kept)
    image, mask = kept.volume.image[box], kept.mask.image[box]
    if kept is region or not with_shape:
        return compute(image, mask, settings, option, with_shape=with_shape)
    found = compute(image, mask, settings, option)
    whole = bounding_box(region)
    image, mask = region.volume.image[whole], region.mask.image[whole]
    return found | compute(image, mask, settings, option, classes=("shape",))


def discretisation(settings: Original, sequence: Sequence) -> dict[str, float]:
    """The discretisation of one sequence, in pyradiomics' own words."""
    if sequence in settings.bin_width:
        return {"binWidth": settings.bin_width[sequence]}
    return {"binCount": settings.bin_count}


def _note_thin(region: Region, thin_axes: tuple[str, ...]) -> tuple[Note, ...]:
    return tuple(
        Note(
            NoteKind.WARNING,
            "MASK_2D",
            f"the mask of {region.key} is one voxel thick along {axis}",
            "an outline on several slices",
            "there is no 3-D shape, and texture stands on one slice",
        )
        for axis in thin_axes
    )


def compute(
    image: sitk.Image,
    mask: sitk.Image,
    settings: Original,
    option: dict[str, float],
    *,
    with_shape: bool = False,
    classes: tuple[str, ...] = (),
) -> dict[str, float]:
    """Features of an image cut to the bounding box of the outline, by the engine of the plan."""
    wanted = classes or (*settings.classes, *(("shape",) if with_shape else ()))
    features = {name: FEATURES[name].split() for name in FEATURES if name in wanted}
    options: dict[str, Any] = {
        **option,
        "distances": list(settings.distances_voxels),
        "force2D": settings.force_2d,
        "force2Ddimension": 0,
    }
    if settings.engine == "reference":
        from radresp.features import _pyradiomics

        return _pyradiomics.compute(image, mask, features, options)
    from radresp.features import fast

    return fast.compute(image, mask, features, options, exact_mcc=settings.engine == "exact")


def reason(name: str, thin_axes: tuple[str, ...]) -> str:
    """Why a value is missing that was computed."""
    if thin_axes and name.startswith("shape_"):
        return f"the outline is one voxel thick along {thin_axes[0]}: it has no 3-D shape"
    return "pyradiomics gives no finite value, as when no two voxels of the region touch"
