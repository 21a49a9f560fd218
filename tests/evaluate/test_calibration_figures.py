"""Brier, calibration line, calibration in the large, O/E, ECE and bins."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, logit
from sklearn.metrics import log_loss as sklearn_log_loss

from radresp.errors import InputError
from radresp.evaluate import (
    brier,
    calibration_bins,
    calibration_in_the_large,
    calibration_line,
    ece,
    log_loss,
    multiclass_log_loss,
    observed_expected,
    scaled_brier,
)


def drawn(n: int, seed: int, slope: float = 1.0, shift: float = 0.0):
    """Outcomes whose true log-odds are ``slope`` x logit p + ``shift``."""
    rng = np.random.default_rng(seed)
    p = rng.uniform(0.05, 0.95, n)
    return (rng.uniform(size=n) < expit(slope * logit(p) + shift)).astype(float), p


@pytest.mark.parametrize(("slope", "shift"), [(1.0, 0.0), (0.5, 0.0), (1.0, 0.7), (2.0, -0.4)])
def test_line_recovers_what_was_drawn(slope: float, shift: float) -> None:
    y, p = drawn(20_000, 1, slope, shift)
    assert calibration_line(y, p) == pytest.approx((slope, shift), abs=0.08)


def test_line_is_the_maximum_of_the_likelihood() -> None:
    y, p = drawn(60, 2, 0.6, 0.3)

    def loss(ab: np.ndarray) -> float:
        q = expit(ab[0] + ab[1] * logit(p))
        return -float(np.sum(y * np.log(q) + (1 - y) * np.log(1 - q)))

    best = minimize(loss, np.array([0.0, 1.0]), tol=1e-10).x
    assert calibration_line(y, p) == pytest.approx((best[1], best[0]), abs=1e-5)


def test_in_the_large_makes_the_mean_fit() -> None:
    y, p = drawn(300, 3, 1.0, 0.9)
    a = calibration_in_the_large(y, p)
    assert expit(a + logit(p)).mean() == pytest.approx(y.mean(), abs=1e-9)
    assert a > 0
    assert observed_expected(y, p) == pytest.approx(y.sum() / p.sum())


def test_weights_are_repeated_cases() -> None:
    y, p = drawn(40, 4)
    weights = np.random.default_rng(0).integers(0, 3, (4, 40))
    slopes, intercepts = calibration_line(y, p, weights)
    larges = calibration_in_the_large(y, p, weights)
    briers, losses = brier(y, p, weights), log_loss(y, p, weights)
    for k, row in enumerate(weights):
        yy, pp = np.repeat(y, row), np.repeat(p, row)
        assert (slopes[k], intercepts[k]) == pytest.approx(calibration_line(yy, pp))
        assert larges[k] == pytest.approx(calibration_in_the_large(yy, pp))
        assert briers[k] == pytest.approx(brier(yy, pp))
        assert losses[k] == pytest.approx(sklearn_log_loss(yy, pp))


def test_what_does_not_exist_is_nan() -> None:
    separated = calibration_line([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9])
    constant = calibration_line([0, 1, 1], [0.5, 0.5, 0.5])
    one_class = calibration_line([1, 1], [0.4, 0.6])
    assert all(math.isnan(v) for v in (*separated, *constant, *one_class))
    assert math.isnan(calibration_in_the_large([1, 1], [0.4, 0.6]))
    assert math.isnan(scaled_brier([1, 1], [0.4, 0.6]))
    assert math.isnan(brier([], []))
    assert math.isnan(ece([], []))


def test_certain_and_wrong_stays_finite() -> None:
    assert math.isfinite(log_loss([0, 1], [1.0, 0.0]))
    assert brier([0, 1], [1.0, 0.0]) == 1.0
    assert scaled_brier([0, 1], [0.5, 0.5]) == 0.0
    assert scaled_brier([0, 1], [0.0, 1.0]) == 1.0


def test_ece_is_near_zero_when_calibrated_and_the_shift_when_not() -> None:
    y, p = drawn(20_000, 5)
    assert ece(y, p) < 0.02
    half = np.full(1000, 0.5)
    assert ece(np.ones(1000), half) == pytest.approx(0.5)
    assert ece(np.tile([0.0, 1.0], 500), half) == pytest.approx(0.0)


def test_bins_hold_every_case_once_and_ties_together() -> None:
    y, p = drawn(97, 6)
    p = np.round(p, 1)
    bins = calibration_bins(y, p, bins=10)
    assert sum(row.n for row in bins) == 97
    assert all(a.high < b.low for a, b in itertools.pairwise(bins))
    assert all(row.observed_low <= row.observed <= row.observed_high for row in bins)
    assert ece(y, p) == pytest.approx(
        sum(row.n * abs(row.observed - row.predicted) for row in bins) / 97
    )


def test_multiclass_log_loss() -> None:
    table = [[0.7, 0.2, 0.1], [0.1, 0.8, 0.1]]
    assert multiclass_log_loss([0, 1], table) == pytest.approx(-np.log([0.7, 0.8]).mean())
    with pytest.raises(InputError, match="rows sum to 1"):
        multiclass_log_loss([0], [[0.5, 0.2]])


def test_probabilities_and_bins_out_of_range_are_refused() -> None:
    with pytest.raises(InputError, match=r"\[0, 1\]"):
        brier([0, 1], [0.1, 1.2])
    with pytest.raises(InputError, match="at least 1"):
        ece([0, 1], [0.1, 0.2], bins=0)
