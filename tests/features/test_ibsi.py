"""The IBSI's consensus values: digital phantom, and configurations A and C of the CT phantom."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from builders import make_grid, make_region, shared_data
from commands import radresp

from radresp.core import Mask, Region, RegionKey, Roi, Sequence, Timepoint, Volume
from radresp.errors import InputError
from radresp.features import Ibsi, ibsi, ibsi_shape

KEY = RegionKey(Timepoint.PRE, Sequence.T2, Roi.TUMOUR)
IN_PLANE = ("2D_avg", "2D_comb", "2_5D_avg", "2_5D_comb")
IN_SPACE = ("3D_avg", "3D_comb")
GROUPS = ("morph", "loc", "stat", "ih", "ivh", "cm", "rlm", "szm", "dzm", "ngt", "ngl")
PLANS = {
    "digital_phantom": Ibsi(
        aggregations=IN_PLANE + IN_SPACE,
        bin_width={KEY.sequence: 1},
        ivh_width={KEY.sequence: 1},
        round_intensities=True,
        minimum_voxels=8,
    ),
    "config_A": Ibsi(
        aggregations=IN_PLANE,
        intensity_range={KEY.sequence: (-500, 400)},
        bin_width={KEY.sequence: 25},
        ivh_width={KEY.sequence: 1},
        round_intensities=True,
    ),
    "config_C": Ibsi(
        aggregations=IN_SPACE,
        resampled_spacing_mm=(2, 2, 2),
        round_intensities=True,
        intensity_range={KEY.sequence: (-1000, 400)},
        bin_width={KEY.sequence: 25},
        ivh_width={KEY.sequence: 2.5},
    ),
}


def read(folder: Path) -> Region:
    image, mask = (sitk.ReadImage(str(folder / f"{n}.nii.gz")) for n in ("phantom", "mask"))
    whole = sitk.GetImageFromArray(np.rint(sitk.GetArrayFromImage(image).astype(np.float32)))
    whole.CopyInformation(image)
    inside = sitk.GetImageFromArray((sitk.GetArrayFromImage(mask) > 0).astype(np.uint8))
    inside.CopyInformation(image)
    return Region(KEY, Volume(whole, KEY.sequence), Mask(inside, KEY.roi))


def consensus(name: str, folder: Path) -> list[tuple[str, float, float]]:
    """Tag, value and tolerance of what is standardised."""
    path = folder / f"reference_values_{name}.csv"
    with path.open(newline="", encoding="utf-8-sig") as file:
        return [
            (row["tag"], float(row["reference value"]), float(row["tolerance"]))
            for row in csv.DictReader(file)
            if not row["family"].startswith("Diagnostics")
            and row["consensus"] != "not standardized"
        ]


@cache
def found(name: str, folder: Path) -> dict[str, float]:
    region = read(folder / ("digital_phantom" if name == "digital_phantom" else "ct_phantom"))
    return dict(ibsi.extract(region, PLANS[name]).values)


def rounding(value: float) -> float:
    """Half a unit of the third figure: consensus values are printed with three."""
    return 0.5 * 10.0 ** (math.floor(math.log10(abs(value))) - 2) if value else 0.0


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("name", list(PLANS))
def test_every_standardised_feature_is_within_its_tolerance(name: str, group: str) -> None:
    folder = shared_data("ibsi1")
    values = found(name, folder)
    expected = [row for row in consensus(name, folder) if row[0].split("_")[0] == group]
    assert expected
    wrong = {
        tag: (values[tag], value, tolerance)
        for tag, value, tolerance in expected
        if not abs(values[tag] - value) <= max(tolerance, rounding(value)) * (1 + 1e-9)
    }
    assert not wrong


def test_every_standardised_feature_is_offered() -> None:
    folder = shared_data("ibsi1")
    tags = {tag for name in PLANS for tag, _, _ in consensus(name, folder)}
    assert tags == set(ibsi.names(PLANS["digital_phantom"]))


def test_intensities_out_of_range_leave_texture_and_stay_in_morphology() -> None:
    region = make_region()
    values = region.volume.values_in(region.mask)
    low, high = (float(np.percentile(values, level)) for level in (10, 90))
    whole = ibsi.extract(region, Ibsi()).values
    cut = ibsi.extract(region, Ibsi(intensity_range={KEY.sequence: (low, high)})).values
    assert cut["morph_volume"] == whole["morph_volume"]
    assert low <= cut["stat_min"] < cut["stat_max"] <= high
    assert whole["stat_min"] < low


def test_a_range_that_empties_the_region_names_the_unit() -> None:
    with pytest.raises(InputError, match="widen intensity_range") as caught:
        ibsi.extract(make_region(), Ibsi(intensity_range={KEY.sequence: (1e6, 2e6)}))
    assert caught.value.code == "MASK_TOO_SMALL"


def test_too_many_grey_levels_are_refused() -> None:
    with pytest.raises(InputError) as caught:
        ibsi.extract(make_region(), Ibsi(bin_width={KEY.sequence: 1e-3}))
    assert caught.value.code == "BINS"


def test_an_outline_on_one_slice_has_no_morphology_and_says_so() -> None:
    region = make_region()
    inside = np.zeros(region.mask.array.shape, bool)
    inside[5] = region.mask.array.any(axis=0)
    region = replace(region, mask=region.mask.with_array(inside))
    found = ibsi.extract(region, Ibsi(aggregations=("2D_avg",)))
    assert {name for name in found.absent if name.startswith("morph_")} == set(found.absent)
    assert "one voxel thick along z" in found.absent["morph_volume"]


def test_autocorrelation_is_the_sum_over_all_pairs() -> None:
    rng = np.random.default_rng(2)
    inside = rng.random((4, 6, 5)) < 0.7
    values, edges = rng.normal(size=inside.shape), (3.0, 0.6, 0.8)
    found = ibsi_shape.measure(inside, inside, values, edges)
    places, x = np.argwhere(inside) * edges, values[inside]
    apart = np.linalg.norm(places[:, None] - places[None], axis=-1)
    near = np.divide(1, apart, out=np.zeros_like(apart), where=apart > 0)
    off = x - x.mean()
    moran = len(x) / near.sum() * (off @ near @ off) / (off @ off)
    gaps = np.sum(near * (x[:, None] - x[None]) ** 2)
    geary = (len(x) - 1) / (2 * near.sum()) * gaps / (off @ off)
    assert found["moran_i"] == pytest.approx(moran)
    assert found["geary_c"] == pytest.approx(geary)


def test_the_series_of_the_ellipsoid_has_its_limits() -> None:
    assert ibsi_shape._ellipsoid_area(3, 3, 3) == pytest.approx(4 * np.pi * 9)
    for flat in (1e-4, 1e-7, 0):  # where Legendre's argument grows without bound
        found = ibsi_shape._ellipsoid_area(3, 3 - flat, 2)
        assert found == pytest.approx(ibsi_shape._ellipsoid_area(3, 3, 2), rel=1e-4)
    assert ibsi_shape._ellipsoid_area(6, 4, 2) == pytest.approx(211.254, rel=1e-5)


def test_the_command_gives_the_family(tmp_path: Path) -> None:
    region = make_region(make_grid(size=(30, 28, 16)))
    for image, name in ((region.volume.image, "image"), (region.mask.image, "mask")):
        sitk.WriteImage(image, str(tmp_path / f"{name}.nii.gz"))
    paths = [tmp_path / f"{name}.nii.gz" for name in ("image", "mask")]
    done = radresp("features", *paths, "--region", "pre.t2.tumour", "--ibsi")
    values = ibsi.extract(region, Ibsi()).values
    expected = {f"pre.t2.tumour.ibsi.{name}": value for name, value in values.items()}
    assert json.loads(done.out) == pytest.approx(expected, rel=1e-6)


def test_outliers_are_left_out_of_all_but_morphology() -> None:
    region = make_region()
    whole = ibsi.extract(region, Ibsi()).values
    cut = ibsi.extract(region, Ibsi(outlier_sigmas=1.0)).values
    assert cut["morph_volume"] == whole["morph_volume"]
    values = region.volume.values_in(region.mask).astype(float)
    kept = values[np.abs(values - values.mean()) <= values.std()]
    assert cut["stat_mean"] == pytest.approx(kept.mean(), rel=1e-6)
