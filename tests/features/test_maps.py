"""Voxel maps: what pyradiomics computes around a voxel, on the region's grid, told as it goes."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from builders import make_grid, make_region
from radiomics import featureextractor

from radresp.errors import InputError, PlanError
from radresp.features.maps import MapSettings, map_features

WANTED = ("glcm_Contrast", "firstorder_Entropy", "glcm_Id", "ngtdm_Busyness")


def test_maps_equal_pyradiomics_and_keep_the_order_asked_for() -> None:
    region = make_region(make_grid((14, 12, 8)))
    maps = map_features(region, WANTED)
    assert tuple(maps) == WANTED
    classes = {"glcm": ["Contrast", "Id"], "firstorder": ["Entropy"], "ngtdm": ["Busyness"]}
    extractor = featureextractor.RadiomicsFeatureExtractor(
        {
            "setting": {"binCount": 32, "label": 1},
            "voxelSetting": {"kernelRadius": 1, "initValue": -1e9},
            "featureClass": classes,
        }
    )
    found = extractor.execute(region.volume.image, region.mask.image, voxelBased=True)
    inside = region.mask.array
    for name in WANTED:
        theirs = sitk.GetArrayFromImage(
            sitk.Resample(found[f"original_{name}"], region.mask.image, sitk.Transform(),
                          sitk.sitkNearestNeighbor, -1e9)
        )  # fmt: skip
        known = np.isfinite(maps[name])
        assert not known[~inside].any()
        assert known[inside].mean() > 0.95
        assert maps[name][known] == pytest.approx(theirs[known], rel=1e-5)


def test_progress_reaches_the_end_and_never_goes_back() -> None:
    region, told = make_region(), []
    map_features(region, WANTED, watch=lambda done, whole: told.append((done, whole)))
    voxels = region.mask.voxel_count
    assert told == sorted(told)
    assert told[-1] == (3 * voxels, 3 * voxels)


def test_a_larger_neighbourhood_gives_a_smoother_map() -> None:
    region = make_region()
    small, large = (
        map_features(region, ("firstorder_Mean",), MapSettings(kernel_radius_voxels=r))
        for r in (1, 3)
    )
    inside = region.mask.array
    assert large["firstorder_Mean"][inside].std() < small["firstorder_Mean"][inside].std()


@pytest.mark.parametrize("name", ["shape_Sphericity", "glcm_Contrasts", ""])
def test_what_has_no_map_is_refused_by_name(name: str) -> None:
    with pytest.raises(PlanError, match="did you mean"):
        map_features(make_region(), (name,))


def test_a_map_of_nothing_is_refused() -> None:
    with pytest.raises(PlanError, match="no feature to map") as caught:
        map_features(make_region(), ())
    assert caught.value.code == "CONFIG_VALUE"


def test_a_region_too_large_for_a_map_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        map_features(make_region(), WANTED, MapSettings(maximum_voxels=10))
    assert caught.value.code == "MASK_TOO_LARGE"
