"""Filtered: pyradiomics' first-order and texture features of filtered images.

What: LoG (edges and blobs of a chosen width), wavelet sub-bands (3-D, or within the slice), square,
square root, logarithm, exponential, gradient and local binary patterns, each under pyradiomics'
name, for example ``log-sigma-2-0-mm-3D_glcm_Contrast``. The default, three LoG and eight sub-bands,
gives 1,023 features a region.

What depends on more than the region: a filter looks around the outline, and the point-wise ones
scale with the largest value of the image. ``wavelet`` letters follow the stored axes (x, y, z from
right to left), and its filter is not symmetric, so that flipped files give other values.

``lbp2d`` and ``lbp3d`` (:mod:`radresp.features.lbp`) have few or narrow values: look at the number
of grey levels before comparing texture of them.

When to use: with many patients, or to test a hypothesis; a thousand columns for sixty patients find
chance. Voxels much thicker than wide: ``wavelet: 2d`` and ``force_2d``, since a 3-D filter mixes
0.6 mm with 3 mm.

Source: van Griethuysen et al., Cancer Res 2017. Values equal pyradiomics': to 1e-9 for wavelet,
patterns (``lbp-3D-k``: 1e-5, for it sums in single precision) and point-wise filters, and for LoG
with the engines exact and reference; ``fast`` cuts LoG to 10 sigma around the region, 1e-6 of the
filtered standard deviation (see :mod:`radresp.features.filters`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from time import perf_counter
from typing import Annotated, Literal

import numpy as np
import SimpleITK as sitk
from pydantic import Field

from radresp.core import Region, Step
from radresp.features import original
from radresp.features.checks import MAX_LEVELS, check_size, check_values
from radresp.features.family import Extracted
from radresp.features.original import Original
from radresp.features.voxels import Box, bounding_box, finite, resampled, resegmented

Filter = Literal["square", "squareroot", "logarithm", "exponential", "gradient", "lbp2d", "lbp3d"]
LBP = {"lbp2d": ("lbp-2D",), "lbp3d": ("lbp-3D-m1", "lbp-3D-m2", "lbp-3D-k")}
LETTERS = {"3d": "LLH LHL LHH HLL HLH HHL HHH LLL", "2d": "LH HL HH LL", "none": ""}


class Filtered(Original):
    """Which filters, and the texture settings of ``original`` for each filtered image."""

    shape: Literal[False] = Field(
        False, description="Always false: the outline's shape is in original."
    )
    log_sigma_mm: tuple[Annotated[float, Field(ge=0.5, le=10)], ...] = Field(
        (2.0, 3.0, 4.0), description="Widths of the Laplacian of Gaussian, mm; () for none."
    )
    wavelet: Literal["3d", "2d", "none"] = Field(
        "3d", description="Sub-bands along three axes (8), within the slice (4), or none."
    )
    others: tuple[Filter, ...] = Field(
        (), description="square, squareroot, logarithm, exponential, gradient, lbp2d, lbp3d."
    )


def image_names(settings: Filtered) -> tuple[str, ...]:
    """Names of the filtered images, as pyradiomics names them.

    Examples
    --------
    >>> image_names(Filtered(log_sigma_mm=(2.5,), wavelet="2d", others=("square",)))
    ('log-sigma-2-5-mm-3D', 'wavelet-LH', 'wavelet-HL', 'wavelet-HH', 'wavelet-LL', 'square')
    """
    return (
        *(_log_name(sigma) for sigma in settings.log_sigma_mm),
        *(f"wavelet-{letters}" for letters in LETTERS[settings.wavelet].split()),
        *(image for name in settings.others for image in LBP.get(name, (name,))),
    )


def names(settings: Filtered) -> tuple[str, ...]:
    """Feature names: every filtered image with every feature of the classes.

    Examples
    --------
    >>> len(names(Filtered())), names(Filtered())[0]
    (1023, 'log-sigma-2-0-mm-3D_firstorder_10Percentile')
    """
    features = original.names(settings)
    return tuple(f"{image}_{feature}" for image in image_names(settings) for feature in features)


def extract(region: Region, settings: Filtered) -> Extracted:
    """Compute pyradiomics features of the filtered images of a region.

    Parameters
    ----------
    region : Region
        Image and outline on one grid. What is not a number outside the outline counts as 0.
    settings : Filtered
        Which filters and which features.

    Returns
    -------
    Extracted
        Exactly ``names(settings)``; NaN, with the reason, for a filter the image is too small for
        or that leaves nothing to see.

    Raises
    ------
    InputError
        ``MASK_TOO_SMALL``, ``ROI_NONFINITE`` and ``ROI_CONSTANT``, as ``original``.
    """
    started = perf_counter()
    check_size(region.mask, region.key, settings.minimum_voxels)
    check_values(region)
    if settings.resampled_spacing_mm is not None:
        region, _ = resampled(region, settings)
        check_values(region)
    region = resegmented(region, settings)
    option = original.discretisation(settings, region.key.sequence)
    box, outline = bounding_box(region), region.mask.image
    images = dict(_images(finite(region.volume).image, outline, box, settings))
    values, absent = dict[str, float](), dict[str, str]()
    for name in image_names(settings):
        found, reason = {}, "the image is smaller than the filter"
        if name in images:
            reason = _unusable(images[name], outline[box], option)
            if not reason:
                found = original.compute(images[name], outline[box], settings, option)
        for feature in original.names(settings):
            value = found.get(feature, math.nan)
            values[f"{name}_{feature}"] = value if math.isfinite(value) else math.nan
            if not math.isfinite(value):
                absent[f"{name}_{feature}"] = reason or original.reason(feature, ())
    seconds = perf_counter() - started
    step = Step("features", "filtered", settings.model_dump(mode="json"), seconds)
    return Extracted(values, absent, step)


def _images(
    image: sitk.Image, mask: sitk.Image, box: Box, settings: Filtered
) -> Iterator[tuple[str, sitk.Image]]:
    """Filtered images, cut to the box of the region."""
    from radresp.features import filters

    for sigma in settings.log_sigma_mm:
        found = filters.log_image(image, box, sigma, whole=settings.engine != "fast")
        if found is not None:
            yield _log_name(sigma), found
    if settings.wavelet != "none":
        bands = filters.wavelet_images(image, box, in_plane=settings.wavelet == "2d")
        yield from ((f"wavelet-{letters}", band) for letters, band in bands)
    for name in settings.others:
        if name == "gradient":
            yield name, filters.gradient_image(image, box)
        elif name in LBP:
            yield from filters.lbp_images(image, mask, box, in_plane=name == "lbp2d")
        else:
            yield name, filters.pointwise_image(image, box, name)


def _unusable(image: sitk.Image, mask: sitk.Image, option: dict[str, float]) -> str:
    """Why texture of a filtered image would be nonsense; empty where it is not."""
    values = sitk.GetArrayViewFromImage(image)[sitk.GetArrayViewFromImage(mask) == 1]
    span = float(np.ptp(values))
    if not span > 0:
        return "the filter leaves one single value in the region"
    levels = span / option["binWidth"] if "binWidth" in option else option["binCount"]
    if levels > MAX_LEVELS:
        return f"{levels:.0f} grey levels, more than {MAX_LEVELS}: set bin_width for this filter"
    return ""


def _log_name(sigma_mm: float) -> str:
    return f"log-sigma-{str(float(sigma_mm)).replace('.', '-')}-mm-3D"
