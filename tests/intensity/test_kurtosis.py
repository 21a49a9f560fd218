"""Kurtosis: exact on exact signals, the noise floor taken off, refused without high b-values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from intensity.diffusion import middle, series

from radresp.core import Sequence, Unit
from radresp.errors import InputError
from radresp.intensity import FitKurtosis, fit_kurtosis

B_VALUES = (0, 500, 1000, 1500, 2000)


def decay(d, k):
    return lambda b: np.exp(-b * d * 1e-6 + (b * d * 1e-6) ** 2 * k / 6)


@given(st.floats(600, 1300), st.floats(0.0, 1.1))
@settings(max_examples=15, deadline=None)
def test_exact_signals_give_exact_maps(d, k):
    fit = fit_kurtosis(series(decay(d, k), B_VALUES, edge=12))
    np.testing.assert_allclose(middle(fit.d.array), d, rtol=1e-3)
    np.testing.assert_allclose(middle(fit.k), k, atol=2e-3)


@pytest.mark.parametrize(
    ("snr", "d_sd", "k_bias", "k_sd"), [(30, 180, 0.08, 0.3), (100, 55, 0.02, 0.08)]
)
def test_bias_and_spread_at_known_noise(snr, d_sd, k_bias, k_sd):
    fit = fit_kurtosis(series(decay(1200, 0.9), B_VALUES, snr))
    d, k = middle(fit.d.array), middle(fit.k)
    assert abs(d.mean() - 1200) < 12
    assert d.std() < d_sd
    assert abs(k.mean() - 0.9) < k_bias
    assert k.std() < k_sd


def test_the_noise_floor_is_not_taken_for_kurtosis():
    dwi = series(decay(2000, 0.5), B_VALUES, 15)
    medians = [
        np.median(middle(fit_kurtosis(dwi, FitKurtosis(correct_noise=chosen)).k))
        for chosen in (False, True)
    ]
    assert medians[0] > 0.6
    assert abs(medians[1] - 0.5) < 0.06


def test_maps_keep_grid_and_unit():
    dwi = series(decay(1200, 0.9), B_VALUES, 50)
    fit = fit_kurtosis(dwi)
    assert fit.d.grid.same_as(dwi[0].grid)
    assert (fit.d.sequence, fit.d.unit) == (Sequence.ADC, Unit.UM2_PER_S)
    assert fit.k.shape == dwi[0].grid.size[::-1]
    assert np.mean(fit.k[:, :12] == 0) > 0.99
    assert "KURTOSIS_FIT" in {note.code for note in fit.step.notes}


@pytest.mark.parametrize("b_values", [(0, 1500), (0, 400, 800), (0, 500, 1400)])
def test_protocols_without_the_b_values_are_refused(b_values):
    with pytest.raises(InputError) as caught:
        fit_kurtosis(series(decay(1200, 0.9), b_values, edge=12))
    assert caught.value.code == "DWI_BVALUES"
    assert "1500" in caught.value.expected
