"""Filtered features are those of pyradiomics' own extractor, on a smaller box."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from builders import make_grid, make_region, shared_data
from pydantic import ValidationError

from radresp.core import Mask, Region, RegionKey, Roi, Sequence, Timepoint, Volume
from radresp.features import Filtered, filtered, filters

OTHERS = ("square", "squareroot", "logarithm", "exponential", "gradient")
TYPES = {
    "square": "Square",
    "squareroot": "SquareRoot",
    "logarithm": "Logarithm",
    "exponential": "Exponential",
    "gradient": "Gradient",
}
BOX = (slice(20, 30), slice(22, 31), slice(12, 17))


def by_pyradiomics(region: Region, sigmas: tuple[float, ...], **settings: Any) -> dict[str, float]:
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    extractor = RadiomicsFeatureExtractor(additionalInfo=False, **settings)
    extractor.disableAllImageTypes()
    extractor.enableImageTypeByName("LoG", customArgs={"sigma": list(sigmas)})
    for name in ("Wavelet", *TYPES.values()):
        extractor.enableImageTypeByName(name)
    extractor.disableAllFeatures()
    for name in ("firstorder", "glcm", "glrlm", "glszm", "gldm", "ngtdm"):
        extractor.enableFeatureClassByName(name)
    found = extractor.execute(region.volume.image, region.mask.image)
    return {name: float(value) for name, value in found.items()}


def check(found: Mapping[str, float], expected: Mapping[str, float], rel: float = 1e-9) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=rel, abs=1e-12, nan_ok=True), name


@pytest.mark.parametrize(
    ("plan", "settings"),
    [
        ({"bin_count": 32}, {"binCount": 32}),
        (
            {"bin_count": 32, "wavelet": "2d", "force_2d": True},
            {"binCount": 32, "force2D": True, "force2Ddimension": 0},
        ),
        (
            {"bin_width": {Sequence.T2: 4}, "resampled_spacing_mm": (1.5, 1.5, 2.0)},
            {
                "binWidth": 4,
                "resampledPixelSpacing": (1.5, 1.5, 2.0),
                "interpolator": "sitkLinear",
            },
        ),
    ],
    ids=["native", "2d", "resampled"],
)
def test_every_feature_equals_pyradiomics(plan: dict[str, Any], settings: dict[str, Any]) -> None:
    region = make_region(make_grid(size=(41, 38, 21)))
    expected = by_pyradiomics(region, (2.0, 3.5), **settings)
    planned = Filtered(log_sigma_mm=(2.0, 3.5), others=OTHERS, engine="exact", **plan)
    found = filtered.extract(region, planned)
    assert not found.absent
    check(found.values, expected)


def test_every_feature_equals_pyradiomics_on_a_patient() -> None:
    folder = shared_data("pyradiomics_cases")
    image, label = (
        sitk.ReadImage(str(folder / f"brain1_{kind}.nrrd"), sitk.sitkFloat32)
        for kind in ("image", "label")
    )
    key = RegionKey(Timepoint.PRE, Sequence.T2, Roi.TUMOUR)
    mask = Mask(sitk.Cast(label == 1, sitk.sitkUInt8), key.roi)
    region = Region(key, Volume(image, key.sequence), mask)
    expected = by_pyradiomics(region, (3.0,), binCount=32)
    planned = Filtered(log_sigma_mm=(3.0,), others=OTHERS, engine="exact")
    check(filtered.extract(region, planned).values, expected)


def noise() -> sitk.Image:
    image = sitk.GetImageFromArray(
        np.random.default_rng(7).normal(300, 90, (60, 55, 50)).astype(np.float32)
    )
    image.SetSpacing((0.8, 0.7, 1.5))
    return image


def test_a_wavelet_on_the_box_is_the_wavelet_of_the_image() -> None:
    image = noise()
    whole = tuple(slice(0, n) for n in image.GetSize())
    for in_plane in (False, True):
        small = dict(filters.wavelet_images(image, BOX, in_plane=in_plane))
        large = dict(filters.wavelet_images(image, whole, in_plane=in_plane))
        for letters, band in large.items():
            cut = sitk.GetArrayFromImage(band[BOX])
            np.testing.assert_array_equal(sitk.GetArrayFromImage(small[letters]), cut)


def test_log_on_the_box_is_the_log_of_the_image_to_a_millionth() -> None:
    image = noise()
    for sigma in (1.0, 2.0):
        small, large = (
            sitk.GetArrayFromImage(filters.log_image(image, BOX, sigma, whole=whole))
            for whole in (False, True)
        )
        assert np.abs(small - large).max() < 5e-6 * large.std()


def test_a_filter_that_does_not_fit_is_explained() -> None:
    region = make_region(make_grid(spacing_mm=(0.4, 0.4, 3.0)))
    found = filtered.extract(region, Filtered(log_sigma_mm=(10.0, 2.0), wavelet="none"))
    reasons = {name.split("_")[0]: why for name, why in found.absent.items()}
    assert reasons == {"log-sigma-10-0-mm-3D": "the image is smaller than the filter"}
    assert math.isfinite(found.values["log-sigma-2-0-mm-3D_glcm_Contrast"])


def test_numbers_outside_the_region_that_are_none_do_not_spread() -> None:
    region = make_region()
    array, outside = region.volume.array, ~region.mask.array
    background = sitk.GetImageFromArray(outside.astype(np.uint8))
    plan = Filtered(log_sigma_mm=(2.0,), classes=("firstorder",))
    with_nan, with_zero = (
        filtered.extract(
            replace(
                region,
                volume=Volume.from_array(
                    np.where(outside, filler, array),
                    region.volume.grid,
                    Sequence.T2,
                    background=background,
                ),
            ),
            plan,
        )
        for filler in (np.nan, 0)
    )
    assert not with_nan.absent
    assert with_nan.values == with_zero.values


def test_too_many_grey_levels_are_explained() -> None:
    plan = Filtered(
        log_sigma_mm=(), wavelet="none", others=("square",), bin_width={Sequence.T2: 1e-4}
    )
    found = filtered.extract(make_region(), plan)
    assert all("grey levels, more than 512" in why for why in found.absent.values())
    assert len(found.absent) == len(found.values) == 93


def test_shape_is_refused_here() -> None:
    with pytest.raises(ValidationError, match="shape"):
        Filtered(shape=True)


def ibsi_2(name: str, phantom: str) -> tuple[sitk.Image, np.ndarray]:
    folder = shared_data("ibsi2")
    image = sitk.ReadImage(str(folder / "digital_phantom" / f"{phantom}.nii.gz"), sitk.sitkFloat32)
    response = sitk.ReadImage(str(folder / "response_maps" / f"{name}-ValidCRM.nii.gz"))
    return image, sitk.GetArrayFromImage(response)


def test_the_wavelet_is_the_one_of_the_ibsi() -> None:
    image, expected = ibsi_2("6_a_1", "sphere")
    bands = dict(filters.wavelet_images(image, image_box(image), in_plane=False))
    assert np.abs(sitk.GetArrayFromImage(bands["HHL"]) - expected).max() < 1e-6 * np.ptp(expected)


def test_log_is_the_one_of_the_ibsi_but_for_its_unit() -> None:
    image, expected = ibsi_2("2_b", "checkerboard")
    found = filters.log_image(image, image_box(image), 5.0, whole=True)
    voxels = image.GetSpacing()[0] ** 2 / 5.0**2  # pyradiomics multiplies by sigma in mm squared
    off = np.abs(voxels * sitk.GetArrayFromImage(found) - expected) / np.ptp(expected)
    assert off.max() < 0.01  # what the IBSI allows


def image_box(image: sitk.Image) -> filters.Box:
    x, y, z = (slice(0, size) for size in image.GetSize())
    return x, y, z
