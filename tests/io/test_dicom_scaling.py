"""Which rescaling a picture is read with, and what is said about it."""

from __future__ import annotations

import builders_dicom as make
import builders_enhanced as enhanced
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radresp.core import NoteKind
from radresp.errors import InputError
from radresp.io.dicom_scaling import Line, Scaling, choose_rule
from radresp.io.dicom_series import read_series

SLOPES = [2.0] * make.SLICES
UNEVEN = [2.0 + index / 5 for index in range(make.SLICES)]


def ordered(types=("ORIGINAL", "PRIMARY", "T2", "NONE")):
    frames = [enhanced.frame(i, types=types) for i in range(make.SLICES)]
    return enhanced.multi_frame(frames, [make.picture(i) for i in range(make.SLICES)])


def read(tmp_path, dataset):
    return read_series(enhanced.write(tmp_path / "series", dataset))


def ambiguous(series):
    return [note.found for note in series.notes if note.code == "SCALE_AMBIGUOUS"]


def with_mapping(dataset, slope, intercept=0.0, unit="1"):
    mapping = enhanced.item(RealWorldValueSlope=slope, RealWorldValueIntercept=intercept)
    mapping[0].MeasurementUnitsCodeSequence = enhanced.item(CodeValue=unit)
    dataset.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence = mapping
    return dataset


@pytest.mark.parametrize("slopes", [SLOPES, UNEVEN])
def test_philips_signals_undo_the_scaling_to_stored_numbers(tmp_path, slopes):
    series = read(tmp_path, enhanced.philips(ordered(), slopes))
    assert series.attributes["rescale_source"] == "precise"
    expected = make.picture(3) / enhanced.PHILIPS_SCALE_SLOPE
    assert np.allclose(series.volumes[0].array[3], expected, rtol=1e-6)
    # A factor common to all slices is no ambiguity; one that changes contrast is.
    assert bool(ambiguous(series)) is (slopes is UNEVEN)


def test_classic_philips_slices_are_read_as_enhanced_ones(tmp_path):
    datasets = make.setting(Manufacturer="Philips", RescaleSlope="2", RescaleIntercept="0")(
        make.make_series()
    )
    for dataset in datasets:
        block = dataset.private_block(0x2005, "Philips MR Imaging DD 001", create=True)
        block.add_new(0x0E, "FL", enhanced.PHILIPS_SCALE_SLOPE)
    classic = read_series(make.write_series(tmp_path / "classic", datasets))
    other = read(tmp_path / "enhanced", enhanced.philips(ordered(), SLOPES))
    assert np.allclose(classic.volumes[0].array, other.volumes[0].array, rtol=1e-6)


def test_a_scale_slope_that_some_slices_lack_is_not_used(tmp_path):
    dataset = enhanced.philips(ordered(), SLOPES)
    del dataset.PerFrameFunctionalGroupsSequence[2][0x2005100F]
    series = read(tmp_path, dataset)
    assert series.attributes["rescale_source"] == "displayed"
    assert "some slices tell no scale slope" in ambiguous(series)[0]


def test_philips_maps_keep_their_unit(tmp_path):
    dataset = enhanced.philips(ordered(("DERIVED", "PRIMARY", "DIFFUSION", "ADC")), SLOPES)
    series = read(tmp_path, dataset)
    assert series.attributes["rescale_source"] == "displayed"
    assert np.array_equal(series.volumes[0].array[3], make.picture(3) * np.float32(2))
    assert "which carry a unit" in ambiguous(series)[0]


def test_a_map_uses_the_mapping_that_names_a_unit_of_diffusion(tmp_path):
    dataset = with_mapping(ordered(("DERIVED", "PRIMARY", "DIFFUSION", "ADC")), 1e-6, 0, "mm2/s")
    series = read(tmp_path, dataset)
    assert series.attributes["rescale_source"] == "real_world"
    assert np.allclose(series.volumes[0].array[3], make.picture(3) * 1e-6)
    assert "which names its unit" in ambiguous(series)[0]


def test_a_map_with_two_rescalings_and_no_unit_is_refused(tmp_path):
    dataset = with_mapping(ordered(("DERIVED", "PRIMARY", "DIFFUSION", "ADC")), 1.5)
    with pytest.raises(InputError) as caught:
        read(tmp_path, dataset)
    assert caught.value.code == "SCALE_AMBIGUOUS"
    assert "none with a unit of diffusion" in str(caught.value)


@pytest.mark.parametrize("slope", [1.0, 1.005])
def test_a_mapping_that_agrees_is_no_ambiguity(tmp_path, slope):
    dataset = with_mapping(ordered(("DERIVED", "PRIMARY", "DIFFUSION", "ADC")), slope)
    series = read(tmp_path, dataset)
    assert (series.attributes["rescale_source"], ambiguous(series)) == ("displayed", [])


def test_a_mapping_of_a_signal_changes_nothing(tmp_path):
    series = read(tmp_path, with_mapping(ordered(), 3.0))
    assert series.attributes["rescale_source"] == "displayed"
    assert np.array_equal(series.volumes[0].array[3], make.picture(3).astype(np.float32))
    assert ambiguous(series) == []


@given(
    st.lists(st.floats(0.01, 100), min_size=2, max_size=6),
    st.floats(0.01, 100),
    st.booleans(),
)
def test_a_common_factor_never_makes_a_signal_ambiguous(slopes, factor, precise):
    lines = [Line(slope * factor) for slope in slopes]
    scalings = [
        Scaling(Line(slope), line if precise else None, None if precise else line)
        for slope, line in zip(slopes, lines, strict=True)
    ]
    rule, notes = choose_rule(scalings, False, "folder")
    assert rule == ("precise" if precise else "displayed")
    assert notes == ()


def test_a_slope_of_zero_is_no_division(tmp_path):
    scalings = [Scaling(Line(0.0), None, Line(2.0)), Scaling(Line(1.0), None, Line(2.0))]
    rule, notes = choose_rule(scalings, False, tmp_path)
    assert rule == "displayed"
    assert [note.kind for note in notes] == [NoteKind.WARNING]
