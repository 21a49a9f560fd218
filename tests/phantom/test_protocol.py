"""Scanners: the table is sound, the bandwidths are those of the source, pixels survive storing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radresp.phantom.protocol import protocols, reference_protocol

NAMES = sorted(protocols())
VENDORS = [name for name in NAMES if not name.startswith("reference")]


def test_there_is_a_scanner_for_every_dialect():
    dialects = {protocols()[name].dialect for name in VENDORS}
    assert dialects == {"siemens", "siemens_xa", "ge", "philips", "philips_enhanced", "uih"}
    assert {p.field_strength_t for p in protocols().values()} == {1.5, 3.0}
    assert all(name == scanner.name for name, scanner in protocols().items())


@pytest.mark.parametrize(("field", "t2", "dwi"), [(1.5, (4000, 100), 75), (3.0, (4500, 100), 65)])
def test_reference_scanners_have_the_timing_of_the_tissue_table(field, t2, dwi):
    scanner = reference_protocol(field)
    assert scanner.field_strength_t == field
    assert (scanner.t2_tr_ms, scanner.t2_te_ms) == t2
    assert (scanner.dwi_tr_ms, scanner.dwi_te_ms) == (5000, dwi)
    assert scanner.b_values_s_per_mm2 == (0, 400, 800, 1000)


def test_bandwidth_and_shift_are_those_of_the_source():
    low, high = reference_protocol(1.5), reference_protocol(3.0)
    assert low.hz_per_pixel == pytest.approx(28.6, abs=0.05)
    assert 100 * low.mm_per_hz == pytest.approx(8.8, abs=0.051)
    longer = replace(high, echo_spacing_ms=0.6, pe_steps=112, pe_pixel_mm=2.0)
    assert longer.shift_mm_per_ppm == pytest.approx(high.shift_mm_per_ppm)
    assert high.hz_per_pixel == pytest.approx(29.8, abs=0.05)
    assert 100 * high.mm_per_hz == pytest.approx(6.7, abs=0.05)
    assert high.shift_mm_per_ppm == pytest.approx(8.6, abs=0.05)
    # 3.4 ppm give 29.2 mm; the source rounds to 30.
    assert 3.4 * high.shift_mm_per_ppm == pytest.approx(30, abs=1)
    assert replace(high, pe_polarity=-1).shift_mm_per_ppm == -high.shift_mm_per_ppm


@pytest.mark.parametrize("name", NAMES)
def test_scanners_lie_in_the_range_of_clinical_practice(name):
    p = protocols()[name]
    t2, dwi = (
        np.array(size) * spacing
        for size, spacing in ((p.t2_size, p.t2_spacing_mm), (p.dwi_size, p.dwi_spacing_mm))
    )
    assert 180 <= t2[0] == t2[1] <= 240
    assert 220 <= dwi[1] <= dwi[0] <= 360
    assert min(t2[2], dwi[2]) > 100  # the whole rectum
    assert p.t2_thickness_mm <= p.t2_spacing_mm[2] <= 4
    assert p.dwi_thickness_mm <= p.dwi_spacing_mm[2] <= 4
    assert 4000 <= p.t2_tr_ms <= 6000
    assert 90 <= p.t2_te_ms <= 110
    assert 60 <= p.dwi_te_ms <= 80
    assert 30 <= p.t2_snr <= 60
    assert 20 <= p.dwi_snr <= 30
    b = p.b_values_s_per_mm2
    assert list(b) == sorted(set(b))
    assert 0 <= b[0] <= 50
    assert 800 <= b[-1] <= 1000
    assert len(p.dwi_averages) == len(b)
    # The echo train covers the field of view.
    assert p.pe_steps * p.pe_pixel_mm == pytest.approx(dwi[1], rel=0.01)
    assert 20 <= p.hz_per_pixel <= 35


def test_most_scanners_image_t2_as_thin_as_the_guideline_asks():
    thin = [protocols()[name].t2_thickness_mm <= 3 for name in VENDORS]
    assert sum(thin) > len(thin) / 2


@pytest.mark.parametrize("name", NAMES)
def test_coarse_keeps_what_is_seen_and_how_it_is_distorted(name):
    scanner = protocols()[name]
    quick = scanner.coarse(2.0, 0.75)

    def height(p):
        return p.t2_size[2] * p.t2_spacing_mm[2]

    assert height(scanner) <= height(quick) < height(scanner) + quick.t2_spacing_mm[2]
    assert quick.t2_size[0] * quick.t2_spacing_mm[0] == pytest.approx(
        0.75 * scanner.t2_size[0] * scanner.t2_spacing_mm[0], rel=0.02
    )
    assert np.prod(quick.t2_size) < 0.2 * np.prod(scanner.t2_size)
    assert np.prod(quick.dwi_size) < 0.5 * np.prod(scanner.dwi_size)
    assert quick.dwi_size[1] * quick.dwi_spacing_mm[1] == pytest.approx(
        scanner.dwi_size[1] * scanner.dwi_spacing_mm[1], rel=0.02
    )
    assert quick.shift_mm_per_ppm == scanner.shift_mm_per_ppm
    assert quick.t2_thickness_mm <= quick.t2_spacing_mm[2] <= 4
    assert scanner.coarse(1.0, 1.0) == scanner


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    largest=st.floats(0.01, 60000),
    seed=st.integers(0, 2**32 - 1),
)
def test_pixels_survive_storing_and_are_stored_the_same_again(name, largest, seed):
    scanner = protocols()[name]
    image = (np.random.default_rng(seed).random((2, 3, 4)) * largest).astype(np.float32)
    stored = scanner.stored(image)
    values, (slope, intercept, scale_slope) = stored
    assert values.dtype == (np.int16 if scanner.signed else np.uint16)
    assert values.min() >= 0
    assert values.max() <= scanner.white
    clipped = np.minimum(image, scanner.white) if slope == 1 else image
    np.testing.assert_allclose(stored.image, clipped, atol=0.5001 * slope, rtol=1e-6)
    np.testing.assert_allclose(stored.image, values * slope + intercept, rtol=1e-6)
    again = scanner.stored(stored.image)
    np.testing.assert_array_equal(again.values, values)
    assert again.scaling == stored.scaling
    divisor = 1.0 if scale_slope is None else slope * scale_slope
    np.testing.assert_allclose(stored.precise, stored.image / divisor, rtol=3e-7)


@pytest.mark.parametrize("name", NAMES)
def test_only_philips_rescales(name):
    scanner = protocols()[name]
    image = np.array([0.0, 100.0, 1000.0], np.float32)
    values, (slope, intercept, scale_slope) = scanner.stored(image)
    assert intercept == 0
    if not scanner.dialect.startswith("philips"):
        assert (slope, scale_slope) == (1, None)
        np.testing.assert_array_equal(values, image)
        return
    assert values.max() == scanner.white == 4095
    assert len(f"{slope:g}") <= 16  # as a DICOM decimal string
    displayed = values * slope + intercept
    np.testing.assert_allclose(
        displayed / (slope * scale_slope), image / scanner.scale_factor, atol=0.51 / scale_slope
    )


def test_an_empty_image_can_be_stored():
    for scanner in protocols().values():
        stored = scanner.stored(np.zeros((2, 2), np.float32))
        assert not stored.image.any()
        assert not stored.precise.any()
        assert stored.scaling.slope == 1
