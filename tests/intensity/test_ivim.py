"""IVIM: exact on exact signals, within stated limits on noisy ones, refused without b-values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from intensity.diffusion import middle, series

from radresp.core import Sequence, Unit
from radresp.errors import InputError
from radresp.intensity import FitIvim, fit_ivim

MANY_B = (0, 10, 20, 40, 60, 80, 100, 150, 200, 400, 600, 800)
FEW_B = (0, 50, 100, 200, 400, 800)


def decay(d, f, d_star):
    return lambda b: (1 - f) * np.exp(-b * d * 1e-6) + f * np.exp(-b * d_star * 1e-6)


@given(st.floats(500, 2000), st.floats(0.03, 0.3), st.floats(12_000, 60_000))
@settings(max_examples=15, deadline=None)
def test_exact_signals_give_exact_maps(d, f, d_star):
    fit = fit_ivim(series(decay(d, f, d_star), MANY_B, edge=12), FitIvim(method="bounded"))
    np.testing.assert_allclose(middle(fit.d.array), d, rtol=0.02)
    np.testing.assert_allclose(middle(fit.f), f, atol=0.01)
    np.testing.assert_allclose(middle(fit.d_star.array), d_star, rtol=0.1)


@pytest.mark.parametrize(
    ("snr", "b_values", "d_bias", "d_sd", "f_bias", "f_sd"),
    [
        (30, MANY_B, 20, 180, 0.01, 0.075),
        (30, FEW_B, 20, 200, 0.01, 0.08),
        (100, MANY_B, 10, 55, 0.006, 0.025),
        (100, FEW_B, 12, 60, 0.006, 0.025),
    ],
)
def test_segmented_is_nearly_unbiased(snr, b_values, d_bias, d_sd, f_bias, f_sd):
    fit = fit_ivim(series(decay(1000, 0.1, 20_000), b_values, snr))
    d, f = middle(fit.d.array), middle(fit.f)
    assert abs(d.mean() - 1000) < d_bias
    assert d.std() < d_sd
    assert abs(f.mean() - 0.1) < f_bias
    assert f.std() < f_sd


def test_bounded_finds_the_fast_share_at_low_noise():
    dwi = series(decay(1000, 0.1, 20_000), MANY_B, 100)
    fit = fit_ivim(dwi, FitIvim(method="bounded"))
    assert np.median(middle(fit.d_star.array)) == pytest.approx(20_000, rel=0.05)
    assert middle(fit.f).mean() == pytest.approx(0.1, abs=0.01)
    assert middle(fit.f).min() >= 0
    assert middle(fit.f).max() <= 0.6


def test_maps_keep_grid_and_unit_and_are_zero_in_air():
    dwi = series(decay(1000, 0.1, 20_000), FEW_B, 50)
    fit = fit_ivim(dwi)
    for volume in (fit.d, fit.d_star):
        assert volume.grid.same_as(dwi[0].grid)
        assert (volume.sequence, volume.unit) == (Sequence.ADC, Unit.UM2_PER_S)
    assert np.mean(fit.f[:, :12] == 0) > 0.99
    (note,) = fit.step.notes
    assert (note.code, note.found[:20]) == ("IVIM_FIT", "b-values 0, 50, 100,")
    assert fit.step.settings["method"] == "segmented"
    np.testing.assert_array_equal(fit_ivim(dwi[::-1]).f, fit.f)


@pytest.mark.parametrize(
    "b_values", [(0, 400, 800), (0, 400, 600, 800), (50, 100, 150, 800), (0, 100, 800)]
)
def test_protocols_without_the_b_values_are_refused(b_values):
    with pytest.raises(InputError) as caught:
        fit_ivim(series(decay(1000, 0.1, 20_000), b_values, edge=12))
    assert caught.value.code == "DWI_BVALUES"
    assert "2 below 200" in caught.value.expected
