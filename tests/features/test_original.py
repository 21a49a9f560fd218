"""pyradiomics behind its guard: what is refused, what is explained, what stays untouched."""

from __future__ import annotations

import logging
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from builders import make_grid, make_mask, make_region, make_volume
from pydantic import ValidationError

from radresp.core import NoteKind, Region, Roi, Sequence, Volume
from radresp.errors import InputError
from radresp.features import Original, _pyradiomics, original

FIRST_ORDER = Original(shape=False, classes=("firstorder",))


def with_values(region: Region, values: np.ndarray) -> Region:
    """The region with values along the voxels inside, in array order; nothing changes outside."""
    array = region.volume.array
    array[region.mask.array] = values
    return replace(region, volume=region.volume.with_array(array))


def with_outline(region: Region, inside: np.ndarray) -> Region:
    return replace(region, mask=region.mask.with_array(inside))


def refused(region: Region, settings: Original) -> InputError:
    with pytest.raises(InputError) as caught:
        original.extract(region, settings)
    return caught.value


def test_the_table_of_names_is_the_installed_pyradiomics() -> None:
    for name, feature_class in _pyradiomics.CLASSES.items():
        offered = {f for f, deprecated in feature_class.getFeatureNames().items() if not deprecated}
        assert set(original.FEATURES[name].split()) == offered
    assert len(original.names(Original())) == len(set(original.names(Original()))) == 107


def test_names_cost_no_import_of_pyradiomics() -> None:
    code = (
        "import sys; from radresp import features; from radresp.core import *; "
        "key = RegionKey(Timepoint.PRE, Sequence.T2, Roi.TUMOUR); "
        "features.names(key, {'original': features.Original()}); "
        "assert not {m for m in sys.modules if m.split('.')[0] in ('radiomics', 'pywt')}"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_bounding_box_gives_exactly_what_the_whole_image_gives() -> None:
    region = make_region()
    options = {"binCount": 32, "distances": [1], "force2D": False}
    whole = _pyradiomics.compute(
        region.volume.image, region.mask.image, list(original.FEATURES), options
    )
    assert dict(original.extract(region, Original(engine="reference")).values) == whole
    for engine in ("fast", "exact"):
        values = original.extract(region, Original(engine=engine)).values
        assert values.keys() == whole.keys()
        assert values == pytest.approx(whole, rel=1e-9)


def test_the_values_are_those_of_pyradiomics_own_extractor() -> None:
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    region = make_region(sequence=Sequence.ADC)
    for spacing in (None, (1.5, 1.5, 2.0)):
        settings = {"resampledPixelSpacing": spacing, "interpolator": "sitkLinear", "binWidth": 30}
        extractor = RadiomicsFeatureExtractor(additionalInfo=False, **settings)
        theirs = extractor.execute(region.volume.image, region.mask.image)
        theirs = {name.removeprefix("original_"): float(theirs[name]) for name in theirs}
        for engine, tolerance in (("reference", 0), ("fast", 1e-9)):
            plan = Original(
                bin_width={Sequence.ADC: 30}, resampled_spacing_mm=spacing, engine=engine
            )
            ours = original.extract(region, plan).values
            assert ours == pytest.approx(theirs, rel=tolerance, abs=0)


def test_nothing_is_printed_and_no_global_is_touched(capfd: pytest.CaptureFixture[str]) -> None:
    tolerance = sitk.ProcessObject.GetGlobalDefaultCoordinateTolerance()
    root_level = logging.getLogger().level
    found = original.extract(scattered(), Original())
    assert found.absent
    assert capfd.readouterr() == ("", "")
    assert sitk.ProcessObject.GetGlobalDefaultCoordinateTolerance() == tolerance
    assert logging.getLogger().level == root_level


def scattered() -> Region:
    """Voxels that never touch: no pair, no neighbourhood."""
    region = make_region()
    inside = np.zeros_like(region.mask.array)
    inside[::2, ::2, ::2] = True
    return with_outline(region, inside)


def test_what_pyradiomics_cannot_give_is_explained() -> None:
    found = original.extract(scattered(), Original(shape=False))
    missing = {name for name, value in found.values.items() if not np.isfinite(value)}
    assert missing == set(found.absent)
    assert "glcm_Contrast" in missing
    assert "firstorder_Mean" not in missing
    assert "touch" in found.absent["glcm_Contrast"]


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_single_slice_has_texture_but_no_solid_shape(axis: int) -> None:
    region = make_region(make_grid(size=(24, 24, 24)))
    inside = np.zeros_like(region.mask.array)
    np.moveaxis(inside, axis, 0)[12] = True
    found = original.extract(with_outline(region, inside), Original())
    assert set(found.absent) == {n for n in found.values if n.startswith("shape_")}
    assert f"one voxel thick along {'zyx'[axis]}" in found.absent["shape_Sphericity"]
    assert [note.code for note in found.step.notes] == ["MASK_2D"]


def test_a_small_region_or_a_line_is_refused() -> None:
    region = make_region(make_grid(size=(100, 20, 12)))
    few, line = np.zeros_like(region.mask.array), np.zeros_like(region.mask.array)
    few[2:5, 2:5, 2:9] = True
    line[6, 10, :] = True
    error = refused(with_outline(region, few), Original())
    assert (error.code, "has 63 voxels" in error.found) == ("MASK_TOO_SMALL", True)
    assert original.extract(with_outline(region, few), Original(minimum_voxels=63)).absent == {}
    error = refused(with_outline(region, line), Original())
    assert (error.code, "in one line" in error.found) == ("MASK_TOO_SMALL", True)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("spacing", [None, (2.0, 2.0, 3.0)])
def test_one_value_that_is_not_a_number_refuses_the_region(
    value: float, spacing: tuple[float, float, float] | None
) -> None:
    region = make_region()
    array, hole = region.volume.array, np.zeros(region.mask.array.shape, dtype=np.uint8)
    where = tuple(np.argwhere(region.mask.array)[0])
    array[where], hole[where] = value, 1
    background = sitk.GetImageFromArray(hole)
    volume = Volume.from_array(array, region.volume.grid, Sequence.T2, background=background)
    error = refused(replace(region, volume=volume), Original(resampled_spacing_mm=spacing))
    assert error.code == "ROI_NONFINITE"
    assert error.found.startswith("1 of ")


@pytest.mark.parametrize("interpolator", ["linear", "bspline"])
def test_background_far_from_the_region_does_not_spoil_resampling(interpolator: str) -> None:
    region = make_region()
    array, hole = region.volume.array, np.zeros(region.mask.array.shape, dtype=np.uint8)
    array[:, 0, :], hole[:, 0, :] = np.nan, 1
    volume = replace(region.volume, background=sitk.GetImageFromArray(hole)).with_array(array)
    plan = Original(resampled_spacing_mm=(1.5, 1.5, 0), interpolator=interpolator)
    found = original.extract(replace(region, volume=volume), plan)
    assert not found.absent


def test_a_constant_region_is_refused() -> None:
    error = refused(with_values(make_region(), np.full(1, 300.0)), Original())
    assert (error.code, "is 300" in error.found) == ("ROI_CONSTANT", True)


@pytest.mark.parametrize(("factor", "levels"), [(1e-6, "1 grey levels"), (1e3, "grey levels")])
def test_an_adc_in_another_unit_is_refused_at_once(factor: float, levels: str) -> None:
    region = make_region(sequence=Sequence.ADC)
    wrong = replace(region, volume=region.volume.with_array(region.volume.array * factor))
    error = refused(wrong, Original(bin_width={Sequence.ADC: 25}))
    assert error.code == "BINS"
    assert levels in error.found
    assert "binWidth 25" in error.found
    assert "intensities" in error.found
    assert "unit um2/s" in error.found


@pytest.mark.parametrize("values", [(1.0, 2.0, 3.0), (1e6, 1e6 + 0.0625)])
def test_too_few_grey_levels_are_refused_with_a_bin_count_too(values: tuple[float, ...]) -> None:
    region = make_region()
    pattern = np.resize(values, region.mask.voxel_count)
    assert refused(with_values(region, pattern), Original()).code == "BINS"


def test_the_bin_width_of_a_sequence_replaces_the_count_only_there() -> None:
    plan = Original(bin_width={Sequence.ADC: 40}, bin_count=64)
    assert original.discretisation(plan, Sequence.ADC) == {"binWidth": 40}
    assert original.discretisation(plan, Sequence.T2) == {"binCount": 64}
    assert Original.model_validate({"bin_width": {"adc": 40}}).bin_width == {Sequence.ADC: 40}


def test_unusual_grey_levels_are_warned_of() -> None:
    region = make_region()
    for count, codes in ((8, ["BINS"]), (32, []), (256, ["BINS"])):
        notes = original.extract(region, FIRST_ORDER.model_copy(update={"bin_count": count})).step
        assert [note.code for note in notes.notes] == codes
        assert all(note.kind is NoteKind.WARNING for note in notes.notes)


def test_texture_with_a_bin_count_does_not_depend_on_the_unit() -> None:
    region = make_region()
    scaled = replace(region, volume=region.volume.with_array(region.volume.array * 4 + 128))
    before, after = (original.extract(r, Original()).values for r in (region, scaled))
    for name, value in before.items():
        if name == "firstorder_Mean":
            assert after[name] == pytest.approx(4 * value + 128)
        elif name == "firstorder_Variance":
            assert after[name] == pytest.approx(16 * value, rel=1e-5)
        elif not name.startswith("firstorder_"):
            assert after[name] == pytest.approx(value, rel=1e-6), name


def test_slices_do_not_meet_in_two_dimensional_texture() -> None:
    region = make_region()
    array = region.volume.array[[0, 1, 2, 3, 4, 8, 7, 6, 5, 9, 10, 11]]
    inside = region.mask.array
    inside[3:9] = inside[5]
    region = with_outline(region, inside)
    shuffled = replace(region, volume=region.volume.with_array(array))
    plan = Original(shape=False, force_2d=True)
    flat, flat_shuffled = (original.extract(r, plan).values for r in (region, shuffled))
    solid, solid_shuffled = (
        original.extract(r, Original(shape=False)).values for r in (region, shuffled)
    )
    name = "glcm_Contrast"
    assert flat[name] == pytest.approx(flat_shuffled[name], rel=1e-9)
    assert solid[name] != pytest.approx(solid_shuffled[name], rel=1e-3)


def test_resampling_can_keep_the_slices_and_refuses_what_it_empties() -> None:
    region = make_region()
    in_plane = original.extract(region, Original(resampled_spacing_mm=(0.5, 0.5, 0)))
    volume = in_plane.values["shape_VoxelVolume"]
    assert volume == pytest.approx(region.mask.volume_ml * 1000, rel=0.1)
    error = refused(region, Original(resampled_spacing_mm=(10, 10, 10)))
    assert error.code == "MASK_TOO_SMALL"


def test_a_box_of_a_ramp_has_the_values_of_its_formulae() -> None:
    grid = make_grid(size=(20, 20, 10), spacing_mm=(1.0, 2.0, 3.0))
    z, y, x = np.indices((10, 20, 20), dtype=float)
    inside = (x >= 4) & (x < 16) & (y >= 5) & (y < 13) & (z >= 2) & (z < 8)
    region = make_region(grid)
    region = replace(
        region, volume=region.volume.with_array(x), mask=region.mask.with_array(inside)
    )
    found = original.extract(region, Original(bin_width={Sequence.T2: 1})).values
    expected = {
        "shape_VoxelVolume": 12 * 8 * 6 * 6.0,
        "shape_MajorAxisLength": 4 * np.sqrt((6**2 - 1) / 12) * 3,
        "shape_Maximum3DDiameter": np.sqrt(11**2 + 14**2 + 18**2),
        "firstorder_Mean": 9.5,
        "firstorder_Minimum": 4,
        "firstorder_Variance": (12**2 - 1) / 12,
        "firstorder_Skewness": 0,
        "firstorder_Entropy": np.log2(12),
        "firstorder_Uniformity": 1 / 12,
        "gldm_GrayLevelVariance": (12**2 - 1) / 12,
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-6, abs=1e-9), name
    # Neighbours differ by one level in the 9 of 13 directions that move along x, by none in 4.
    assert found["glcm_Contrast"] == pytest.approx(9 / 13)
    assert found["glcm_DifferenceAverage"] == pytest.approx(9 / 13)


def test_shape_is_left_out_where_the_plan_says_so() -> None:
    found = original.extract(make_region(), Original(shape=False, classes=("ngtdm", "firstorder")))
    assert {name.split("_")[0] for name in found.values} == {"firstorder", "ngtdm"}
    assert tuple(found.values) == original.names(
        Original(shape=False, classes=("firstorder", "ngtdm"))
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"bin_count": 3},
        {"bin_count": 513},
        {"bin_width": {"adc": 0}},
        {"bin_width": {"ct": 25}},
        {"resampled_spacing_mm": (1, 1, 11)},
        {"classes": ("shape2D",)},
        {"classes": ()},
        {"binwidth": 25},
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Original(**wrong)


def test_the_step_tells_what_was_done() -> None:
    step = original.extract(make_region(), FIRST_ORDER).step
    assert (step.room, step.method) == ("features", "original")
    assert step.record()["settings"]["classes"] == ["firstorder"]
    assert Original.model_validate(dict(step.settings)) == FIRST_ORDER


def test_a_carried_mask_on_a_grid_of_rounded_numbers_is_no_trouble() -> None:
    grid = make_grid()
    shifted = replace(grid, origin_mm=tuple(v + 4e-4 for v in grid.origin_mm))
    region = Region(make_region(grid).key, make_volume(grid), make_mask(shifted, Roi.TUMOUR))
    aligned = make_region(grid)
    assert dict(original.extract(region, Original()).values) == dict(
        original.extract(aligned, Original()).values
    )
