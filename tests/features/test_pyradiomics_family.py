"""A user's own pyradiomics file gives what pyradiomics gives, or is refused by name."""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from builders import make_grid, make_region
from commands import radresp
from pydantic import ValidationError

from radresp.features import Pyradiomics, pyradiomics

FILE: dict[str, Any] = {
    "imageType": {
        "Original": {},
        "LoG": {"sigma": [2.0, 3]},
        "Wavelet": {"level": 2, "binWidth": 10},
        "Square": {},
        "SquareRoot": {},
        "Logarithm": {},
        "Exponential": {},
        "Gradient": {},
    },
    "featureClass": {"shape": None, "firstorder": [], "glcm": ["MCC", "Contrast"], "ngtdm": None},
    "setting": {
        "binWidth": 20,
        "normalize": True,
        "normalizeScale": 100,
        "resegmentRange": [-2, 2],
        "resegmentMode": "sigma",
        "resampledPixelSpacing": [1.2, 1.2, 3],
        "interpolator": "sitkBSpline",
        "voxelArrayShift": 300,
        "label": 1,
    },
}


def by_pyradiomics(parameters: dict[str, Any]) -> dict[str, float]:
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    region = make_region(make_grid(size=(30, 28, 16)))
    extractor = RadiomicsFeatureExtractor(parameters, additionalInfo=False)
    found = extractor.execute(region.volume.image, region.mask.image)
    return {name: float(value) for name, value in found.items()}


@pytest.mark.parametrize(
    "parameters",
    [
        FILE,
        {"setting": {"binCount": 16}, "featureClass": {"glrlm": None}},
        {
            "imageType": {"Wavelet": {}},
            "setting": {"force2D": True, "binCount": 8},
            "featureClass": {"gldm": []},
        },
    ],
    ids=["everything", "one class", "2d"],
)
def test_names_and_values_are_pyradiomics(parameters: dict[str, Any]) -> None:
    plan = Pyradiomics(parameters=parameters)
    found = pyradiomics.extract(make_region(make_grid(size=(30, 28, 16))), plan)
    assert dict(found.values) == by_pyradiomics(parameters)
    assert set(found.values) == set(pyradiomics.names(plan))


def test_the_default_is_the_original_image_with_all_classes() -> None:
    assert len(pyradiomics.names(Pyradiomics())) == 107


def test_a_label_of_the_users_files_is_not_looked_for() -> None:
    plan = Pyradiomics(parameters={"setting": {"label": 255}, "featureClass": {"ngtdm": None}})
    assert not pyradiomics.extract(make_region(), plan).absent


def test_what_pyradiomics_refuses_is_absent_with_its_words() -> None:
    asked = {"setting": {"resegmentRange": [1e6, 2e6]}, "featureClass": {"firstorder": ["Mean"]}}
    found = pyradiomics.extract(make_region(), Pyradiomics(parameters=asked))
    assert math.isnan(found.values["original_firstorder_Mean"])
    assert found.absent["original_firstorder_Mean"].startswith("pyradiomics refused: ")


def test_a_shape_within_the_slice_of_a_solid_outline_is_absent() -> None:
    plan = Pyradiomics(parameters={"featureClass": {"shape2D": None}})
    found = pyradiomics.extract(make_region(), plan)
    assert set(found.absent) == set(found.values)
    assert "original_shape2D_PixelSurface" in found.values


@pytest.mark.parametrize(
    ("parameters", "word"),
    [
        ({"imageTypes": {"Original": {}}}, "imageTypes"),
        ({"imageType": {"LBP3D": {}}}, "LBP3D"),
        ({"voxelSetting": {"kernelRadius": 1}}, "voxelSetting"),
        ({"featureClass": {"glcm": ["Contrats"]}}, "Contrats"),
        ({"featureClass": {"glxm": None}}, "glxm"),
        ({"setting": {"binWidth": -3}}, "binWidth"),
        ({"setting": {"binWidht": 25}}, "binWidht"),
    ],
)
def test_what_pyradiomics_does_not_know_is_named(parameters: dict[str, Any], word: str) -> None:
    with pytest.raises(ValidationError, match=word):
        Pyradiomics(parameters=parameters)


def test_nothing_is_printed_and_no_tolerance_is_touched(capfd: pytest.CaptureFixture[str]) -> None:
    before = sitk.ProcessObject.GetGlobalDefaultCoordinateTolerance()
    plan = Pyradiomics(parameters={"setting": {"geometryTolerance": 0.5, "binCount": 8}})
    pyradiomics.extract(make_region(), plan)
    assert sitk.ProcessObject.GetGlobalDefaultCoordinateTolerance() == before
    assert logging.getLogger("radiomics").level > logging.CRITICAL
    assert capfd.readouterr() == ("", "")


def test_the_command_takes_the_file_as_it_is(tmp_path: Path) -> None:
    region = make_region(make_grid(size=(30, 28, 16)))
    for image, name in ((region.volume.image, "image"), (region.mask.image, "mask")):
        sitk.WriteImage(image, str(tmp_path / f"{name}.nii.gz"))
    params = tmp_path / "params.yaml"
    params.write_text("setting:\n  binWidth: 25\nfeatureClass:\n  firstorder: [Mean]\n")
    paths = [str(tmp_path / name) for name in ("image.nii.gz", "mask.nii.gz")]
    done = radresp("features", *paths, "--region", "pre.t2.tumour", "--params", str(params))
    name = "pre.t2.tumour.pyradiomics.original_firstorder_Mean"
    mean = region.volume.values_in(region.mask).mean(dtype=np.float64)
    assert json.loads(done.out)[name] == pytest.approx(mean)
    params.write_text("setting:\n  binWidht: 25\n")
    refused = radresp("features", *paths, "--params", str(params))
    assert refused.code == 2
    assert "binWidht" in refused.err
