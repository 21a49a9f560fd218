"""ADC options: weights lower the spread, corrections lower the bias, and exact stays exact."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from intensity.diffusion import S0, middle, series

from radresp.intensity import FitAdc, fit_adc

B_VALUES = (0, 400, 800, 1000)
OPTIONS = list(product(("linear", "weighted"), ("keep", "exclude", "correct")))


def noisy(adc, snr):
    return series(lambda b: np.exp(-b * adc * 1e-6), B_VALUES, snr)


@pytest.mark.parametrize(("method", "noise"), OPTIONS)
@pytest.mark.parametrize("adc", [200.0, 1100.0, 3000.0])
def test_every_option_is_exact_on_exact_signals(method, noise, adc):
    fit = fit_adc(noisy(adc, 0), FitAdc(method=method, noise=noise, noise_sigma=1.0))
    np.testing.assert_allclose(middle(fit.adc.array), adc, rtol=2e-3)
    np.testing.assert_allclose(middle(fit.s0.array), S0, rtol=2e-3)
    assert fit.step.settings["method"] == method
    assert fit.step.settings["noise"] == noise


def test_weights_lower_the_spread():
    dwi = noisy(1500, 20)
    plain, weighted = (
        middle(fit_adc(dwi, FitAdc(method=method)).adc.array).std()
        for method in ("linear", "weighted")
    )
    assert weighted < 0.8 * plain


@pytest.mark.parametrize("adc", [900, 1500])
def test_the_correction_removes_the_bias_of_the_floor(adc):
    dwi = noisy(adc, 10)
    fits = {n: fit_adc(dwi, FitAdc(method="weighted", noise=n)) for n in ("keep", "correct")}
    bias = {noise: np.median(middle(fit.adc.array)) - adc for noise, fit in fits.items()}
    assert abs(bias["correct"]) < 30
    assert abs(bias["correct"]) < 0.7 * abs(bias["keep"])


def test_leaving_out_samples_judges_by_expectation_not_by_chance():
    """Dropping what noise pushed below the floor would keep what it pushed above, and bias ADC."""
    dwi = noisy(900, 10)
    left_out = middle(fit_adc(dwi, FitAdc(method="weighted", noise="exclude")).adc.array)
    assert abs(left_out.mean() - 900) < 40


def test_a_voxel_is_reliable_by_the_samples_that_count():
    dwi = noisy(3000, 20)  # b 400 stands at SNR 6, b 800 and 1000 in the noise
    kept = fit_adc(dwi, FitAdc(noise="keep"))
    left_out = fit_adc(dwi, FitAdc(noise="exclude"))
    assert middle(kept.unreliable).mean() > 0.9
    assert middle(left_out.unreliable).mean() < 0.1
