"""The unit of a stored ADC map: found where certain, refused where not."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from builders import make_grid, make_mask, shared_data
from hypothesis import given, settings
from hypothesis import strategies as st

from radresp.core import Grid, Mask, NoteKind, Roi, Sequence, Unit, Volume
from radresp.core.volume import image_of
from radresp.errors import GeometryError, InputError
from radresp.intensity import AdcUnit, adc_volume

GRID = make_grid()
MASK = make_mask(GRID)


def stored(factor=1.0, seed=0):
    """A map of 1.2e-3 mm2/s on average, stored in 1e-6 mm2/s divided by ``factor``."""
    rng = np.random.default_rng(seed)
    array = rng.normal(1200, 150, GRID.size[::-1]) / factor
    return Volume.from_array(array, GRID, Sequence.T2).image


@pytest.mark.parametrize("factor", [1e6, 1e3, 1e-3, 1e-6])
@pytest.mark.parametrize("mask", [MASK, None], ids=["mask", "whole"])
def test_unit_is_found_and_the_fix_recorded(factor, mask):
    volume, step = adc_volume(stored(factor), mask)
    expected, _ = adc_volume(stored(), mask)
    np.testing.assert_allclose(volume.array, expected.array, rtol=1e-5)
    assert volume.unit is Unit.UM2_PER_S
    (note,) = step.notes
    assert (note.kind, note.code) == (NoteKind.FIX, "ADC_UNITS")
    assert f"{factor:g}" in note.action
    assert "median" in note.found


def test_right_unit_is_left_alone():
    volume, step = adc_volume(stored(), MASK)
    assert step.notes == ()
    np.testing.assert_array_equal(volume.array, Volume(stored(), Sequence.T2).array)


@given(st.floats(305, 3450), st.sampled_from([1e6, 1e3, 1.0, 1e-3, 1e-6]))
@settings(max_examples=30, deadline=None)
def test_any_plausible_median_comes_back_in_any_unit(adc, factor):
    image = sitk.Image(4, 4, 2, sitk.sitkFloat32) + adc / factor
    volume, _ = adc_volume(image)
    assert volume.array.mean() == pytest.approx(adc, rel=1e-4)


@pytest.mark.parametrize("value", [100.0, 12_000.0, 0.01, 25.0, 1e12])
def test_a_median_no_unit_explains_is_refused(value):
    with pytest.raises(InputError, match="300 to 3500") as error:
        adc_volume(sitk.Image(4, 4, 2, sitk.sitkFloat32) + value)
    assert error.value.code == "ADC_UNITS"
    assert f"{value:.4g}" in error.value.found


def test_a_map_without_positive_voxels_is_refused():
    with pytest.raises(InputError) as error:
        adc_volume(sitk.Image(4, 4, 2, sitk.sitkFloat32))
    assert error.value.code == "ADC_UNITS"


def test_the_mask_decides_not_its_surroundings():
    array = np.full(GRID.size[::-1], 3e-5)
    array[MASK.array] = 1.1e-3
    volume, _ = adc_volume(Volume.from_array(array, GRID, Sequence.T2).image, MASK)
    assert np.median(volume.values_in(MASK)) == pytest.approx(1100, rel=1e-4)


def with_share(value, share):
    array = Volume(stored(), Sequence.T2).array
    inside = np.flatnonzero(MASK.array)
    array.flat[inside[: int(np.ceil(share * inside.size))]] = value
    return Volume.from_array(array, GRID, Sequence.T2).image


def test_a_few_negative_voxels_warn_and_stay():
    volume, step = adc_volume(with_share(-50, 0.005), MASK)
    assert [(n.kind, n.code) for n in step.notes] == [(NoteKind.WARNING, "ADC_NEGATIVE")]
    assert volume.array.min() == -50


def test_many_negative_voxels_are_refused():
    with pytest.raises(InputError) as error:
        adc_volume(with_share(-50, 0.03), MASK)
    assert error.value.code == "ADC_NEGATIVE"


@pytest.mark.parametrize(("share", "codes"), [(0.04, []), (0.08, ["ADC_HIGH"])])
def test_more_than_free_water_warns(share, codes):
    _, step = adc_volume(with_share(5000, share), MASK)
    assert [note.code for note in step.notes] == codes


def test_another_grid_an_empty_mask_and_nan_are_refused():
    with pytest.raises(GeometryError):
        adc_volume(stored(), make_mask(make_grid((10, 10, 10))))
    empty = Mask.from_array(np.zeros(GRID.size[::-1]), GRID, Roi.BED)
    with pytest.raises(InputError) as error:
        adc_volume(stored(), empty)
    assert error.value.code == "MASK_EMPTY"
    with pytest.raises(InputError) as error:
        adc_volume(stored() + float("nan"))
    assert error.value.code == "NONFINITE"


def test_every_allowed_range_lets_at_most_one_unit_fit():
    widest = AdcUnit(plausible_low_um2_per_s=100, plausible_high_um2_per_s=5000)
    for value in np.geomspace(1e-6, 1e6, 200):
        image = sitk.Image(2, 2, 2, sitk.sitkFloat64) + value
        try:
            volume, _ = adc_volume(image, settings=widest)
        except InputError as error:
            assert error.code == "ADC_UNITS"  # noqa: PT017
        else:
            assert 100 <= np.median(volume.array) <= 5000


def test_real_map_in_mm2_per_s_equals_the_scanner_integers():
    import pydicom

    folder = shared_data("qin_prostate_ge_adc")
    image = sitk.ReadImage(str(folder / "adc_float_mm2_per_s.nrrd"))
    volume, step = adc_volume(image)
    read = [pydicom.dcmread(path) for path in (folder / "dicom_adc").glob("*.dcm")]
    axis = Grid.of(image).axes[:, 2]
    read.sort(key=lambda d: np.dot(axis, [float(v) for v in d.ImagePositionPatient]))
    integers = np.stack([d.pixel_array for d in read])
    np.testing.assert_allclose(volume.array, integers, atol=1e-3)
    assert step.notes[0].code == "ADC_UNITS"


def test_a_few_voxels_without_a_number_are_declared_unmeasured():
    grid = make_grid((20, 20, 20))
    values = np.full((20, 20, 20), 0.0011)
    values[3, 4, 5] = np.nan
    volume, step = adc_volume(image_of(values, grid))
    assert volume.array[3, 4, 5] == 0
    assert volume.background is not None
    assert volume.background[5, 4, 3] == 1
    assert volume.array[3, 4, 6] == pytest.approx(1100)
    assert [note.code for note in step.notes] == ["ADC_UNITS"]
