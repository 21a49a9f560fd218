"""The signal equations against the table they came with, and what the scanner adds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from phantom_blocks import centred

from radresp.phantom.physics import (
    coil_field,
    dwi_signal,
    magnitude,
    t2_signal,
    texture,
    texture_lattice,
)
from radresp.phantom.protocol import reference_protocol
from radresp.phantom.tissue import ROWS, Label, properties, tissue_table, vary

FIELDS = [(1.5, "1p5T"), (3.0, "3T")]


@pytest.mark.parametrize(("field", "name"), FIELDS)
@pytest.mark.parametrize("label", Label, ids=lambda label: label.name.lower())
def test_signals_reproduce_the_tables_ratios_to_muscle(label, field, name):
    row = tissue_table()[ROWS[label]]
    tissue = properties(field)
    t2 = t2_signal(tissue, field)
    assert t2[label] / t2[Label.MUSCLE] == pytest.approx(
        row[f"T2TSE_ratio_to_muscle_{name}"], abs=0.006
    )
    for b in (800, 1000):
        dwi = dwi_signal(tissue, field, b)
        # The table divides by muscle as a fat-suppressed scanner sees it.
        assert dwi[label] / dwi[Label.MUSCLE] == pytest.approx(row[f"b{b}_ratio_{name}"], abs=0.006)


def test_adc_follows_from_two_b_values():
    tissue = properties(3.0)
    low, high = dwi_signal(tissue, 3.0, 0), dwi_signal(tissue, 3.0, 800)
    here = low > 0
    np.testing.assert_allclose(
        np.log(low[here] / high[here]) / 800 * 1e6, tissue.adc_um2_per_s[here]
    )


def test_variation_has_the_tables_spread_and_can_be_switched_off():
    mean = properties(3.0)
    drawn = [vary(mean, np.random.default_rng(i), 1.0).adc_um2_per_s for i in range(400)]
    sd = np.std(drawn, axis=0)[Label.TUMOUR]
    assert sd == pytest.approx(120, rel=0.12)
    assert np.mean(drawn, axis=0)[Label.TUMOUR] == pytest.approx(900, rel=0.03)
    same = vary(mean, np.random.default_rng(0), 0.0)
    np.testing.assert_array_equal(same.t2_ms, mean.t2_ms)
    one = vary(mean, np.random.default_rng(0), 1.0)
    assert one.t2_ms[Label.MUSCULARIS] == one.t2_ms[Label.BLADDER_WALL]


def test_noise_is_rician():
    rng = np.random.default_rng(0)
    air = magnitude(np.zeros((60, 60, 60), np.float32), 5.0, rng)
    assert air.mean() == pytest.approx(5 * np.sqrt(np.pi / 2), rel=0.005)
    assert np.median(air) == pytest.approx(5 * 1.1774, rel=0.005)
    tissue = magnitude(np.full((60, 60, 60), 100, np.float32), 5.0, rng)
    assert tissue.mean() == pytest.approx(100 + 25 / 200, abs=0.05)
    assert tissue.std() == pytest.approx(5, rel=0.01)
    clean = np.ones((2, 2, 2), np.float32)
    np.testing.assert_array_equal(magnitude(clean, 0.0, rng), clean)


def test_texture_is_standard_correlated_over_2_to_4_mm_and_fixed_in_space():
    lattice = texture_lattice(np.random.default_rng(0))

    def seen_from(start_mm, count):
        along = (start_mm + 0.5 * np.arange(count)).astype(np.float32)
        z, y, x = np.meshgrid(along, along, along, indexing="ij")
        return texture(lattice, (x, y, z))

    seen = seen_from(0.0, 60)
    assert seen.mean() == pytest.approx(0, abs=0.2)
    assert 0.6 < seen.std() < 1.1

    def correlation(shift_mm):
        steps = int(shift_mm / 0.5)
        return np.corrcoef(seen[..., :-steps].ravel(), seen[..., steps:].ravel())[0, 1]

    assert correlation(2.0) > 0.4
    assert abs(correlation(8.0)) < 0.2
    np.testing.assert_allclose(seen_from(4.0, 40), seen[8:48, 8:48, 8:48], atol=1e-4)


@pytest.mark.parametrize("amount", [0.0, 0.25, 1.0])
def test_coil_field_is_smooth_and_brighter_in_front_and_behind(amount):
    grid = centred((60, 60, 10), (4.0, 3.6, 10.0))
    field = coil_field(np.random.default_rng(1), grid, amount)
    assert field.shape == (10, 60, 60)
    assert field.dtype == np.float32
    log = np.log(field)
    assert abs(log).max() <= 1.6 * amount
    assert abs(np.diff(log, axis=1)).max() <= 0.1 * amount
    assert (field.std() > 0) == (amount > 0)
    middle = field[5, 30, 30]
    assert middle == pytest.approx(1, abs=0.05)
    if amount:
        assert min(field[5, 0, 30], field[5, -1, 30]) > 1 + 0.4 * amount


def test_coil_field_lies_around_the_patient_in_any_orientation():
    def field(direction, size, spacing_mm):
        return coil_field(np.random.default_rng(1), centred(size, spacing_mm, direction), 1.0)

    axial = field((1, 0, 0, 0, 1, 0, 0, 0, 1), (21, 31, 11), (8.0, 6.0, 10.0))
    # Columns of a coronal image run along x, its rows towards the feet, its slices backwards.
    coronal = field((1, 0, 0, 0, 0, 1, 0, -1, 0), (21, 11, 31), (8.0, 10.0, 6.0))
    np.testing.assert_allclose(coronal.transpose(1, 0, 2)[::-1], axial, rtol=1e-5)


def test_a_field_strength_stands_for_its_reference_scanner():
    tissue, scanner = properties(3.0), reference_protocol(3.0)
    np.testing.assert_array_equal(t2_signal(tissue, 3.0), t2_signal(tissue, scanner))
    np.testing.assert_array_equal(dwi_signal(tissue, 3.0, 400), dwi_signal(tissue, scanner, 400))
    later = replace(scanner, t2_te_ms=120.0, dwi_te_ms=80.0)
    for mine, theirs in (
        (t2_signal(tissue, later), t2_signal(tissue, scanner)),
        (dwi_signal(tissue, later, 0), dwi_signal(tissue, scanner, 0)),
    ):
        # A longer echo time leaves more of urine than of scar.
        left = mine[[Label.URINE, Label.BED_FIBROSIS]] / theirs[[Label.URINE, Label.BED_FIBROSIS]]
        assert 1 > left[0] > left[1]
