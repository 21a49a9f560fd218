"""The smooth calibration curve, its band, and the distances from it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit

from radresp.errors import InputError
from radresp.evaluate import calibration_curve
from radresp.evaluate.calibration_curve import SPAN, smooth


def drawn(n: int, seed: int, slope: float = 1.0, shift: float = 0.0):
    """Outcomes whose true log-odds are ``slope`` x logit p + ``shift``."""
    rng = np.random.default_rng(seed)
    p = expit(rng.normal(0, 1.3, n))
    return (rng.uniform(size=n) < expit(slope * logit(p) + shift)).astype(float), p


def by_hand(y: np.ndarray, p: np.ndarray, at: float, weights: np.ndarray) -> float:
    """Weighted least squares of a line in the window around one point, by lstsq."""
    distance = np.abs(p - at)
    width = np.sort(distance)[math.ceil(SPAN * p.size) - 1] * (1 + 1e-9)
    w = np.where(distance < width, (1 - (distance / width) ** 3) ** 3, 0.0) * weights
    design = np.column_stack([np.ones(p.size), p - at]) * np.sqrt(w)[:, None]
    return float(np.clip(np.linalg.lstsq(design, y * np.sqrt(w), rcond=None)[0][0], 0, 1))


@pytest.mark.parametrize("n", [25, 60, 151])
def test_curve_is_that_of_least_squares_in_every_window_and_draw(n: int) -> None:
    y, p = drawn(n, n, 0.6, 0.4)
    at = np.linspace(p.min(), p.max(), 7)
    weights = np.random.default_rng(1).multinomial(n, np.full(n, 1 / n), size=5).astype(float)
    plain = [by_hand(y, p, x, np.ones(n)) for x in at]
    assert smooth(y, p, at) == pytest.approx(plain, abs=1e-8)
    for row, found in zip(weights, smooth(y, p, at, weights), strict=True):
        assert found == pytest.approx([by_hand(y, p, x, row) for x in at], abs=1e-8)


@given(st.integers(0, 1000), st.integers(20, 120))
@settings(max_examples=25, deadline=None)
def test_a_straight_line_is_followed_without_bias(seed: int, n: int) -> None:
    p = np.round(np.random.default_rng(seed).uniform(size=n), 2)
    at = np.linspace(p.min(), p.max(), 9)
    assert smooth(p, p, at) == pytest.approx(at, abs=1e-6)


def test_exchanging_the_classes_turns_the_curve_round() -> None:
    y, p = drawn(80, 2, 0.5)
    one = calibration_curve(y, p, seed=1, repeats=100, points=9)
    other = calibration_curve(1 - y, 1 - p, seed=1, repeats=100, points=9)
    for a, b in zip(one.points, other.points[::-1], strict=True):
        assert (a.predicted, a.observed) == pytest.approx((1 - b.predicted, 1 - b.observed))
        assert (a.low, a.high) == pytest.approx((1 - b.high, 1 - b.low))
    assert (one.ici, one.e50, one.e90) == pytest.approx((other.ici, other.e50, other.e90))


def test_distances_are_those_of_the_curve_at_the_cases() -> None:
    y, p = drawn(90, 3, 0.5, 0.5)
    gaps = np.abs([by_hand(y, p, x, np.ones(90)) - x for x in p])
    found = calibration_curve(y, p, seed=1, repeats=20)
    expected = (gaps.mean(), np.median(gaps), np.quantile(gaps, 0.9))
    assert (found.ici, found.e50, found.e90) == pytest.approx(expected, abs=1e-6)


def test_distances_of_many_cases_are_near_the_truth() -> None:
    y, p = drawn(20_000, 4, 1.0, 0.8)
    true = np.abs(expit(logit(p) + 0.8) - p)
    found = calibration_curve(y, p, seed=1, repeats=10, points=5)
    assert found.ici == pytest.approx(true.mean(), abs=0.01)
    assert found.e90 == pytest.approx(np.quantile(true, 0.9), abs=0.015)
    assert found.reason == ""


def test_band_holds_the_truth_and_chance_explains_the_ici_of_a_perfect_model() -> None:
    held, icis, by_chance = [], [], []
    for seed in range(60):
        y, p = drawn(120, 100 + seed)
        found = calibration_curve(y, p, seed=seed, repeats=200, points=9)
        held += [point.low <= point.predicted <= point.high for point in found.points[2:-2]]
        icis.append(found.ici)
        by_chance.append(found.ici_by_chance)
    assert 0.87 <= np.mean(held) <= 0.98
    # 60 simulations leave a standard error of about 0.003 in the mean ICI.
    assert np.mean(icis) == pytest.approx(np.mean(by_chance), abs=0.01)
    assert np.mean(by_chance) > 0.03


def test_band_is_seeded_and_draws_patients() -> None:
    y, p = drawn(40, 5)
    three = np.tile(y, 3), np.tile(p, 3)
    grouped = calibration_curve(*three, np.tile(np.arange(40), 3), seed=1, repeats=200, points=5)
    alone = calibration_curve(*three, seed=1, repeats=200, points=5)
    assert grouped == calibration_curve(
        *three, np.tile(np.arange(40), 3), seed=1, repeats=200, points=5
    )
    assert grouped.ici == alone.ici
    widths = [point.high - point.low for point in grouped.points]
    assert np.mean(widths) > 1.3 * np.mean([point.high - point.low for point in alone.points])


def test_draws_are_capped_and_said() -> None:
    y, p = drawn(50, 6)
    assert calibration_curve(y, p, seed=1, repeats=5000, points=2).draws == 500
    assert calibration_curve(y, p, seed=1, repeats=30, points=2).draws == 30
    assert "200" in calibration_curve(y, p, seed=1, repeats=30, points=2).reason


@pytest.mark.parametrize(
    ("y", "p", "reason"),
    [
        ([], [], "no cases"),
        ([1] * 30, np.linspace(0.1, 0.9, 30), "only one class: 30 events among 30 cases"),
        ([0, 1] * 5, np.linspace(0.1, 0.9, 10), "10 cases; a curve asks for 20"),
        ([0, 1] * 20, [0.4] * 40, "all probabilities are equal"),
    ],
)
def test_where_there_is_no_curve_there_is_a_reason(y, p, reason: str) -> None:
    found = calibration_curve(y, p, seed=1)
    assert (found.points, found.draws, found.reason) == ((), 0, reason)
    assert all(math.isnan(value) for value in found[1:5])


def test_few_distinct_probabilities_give_their_rates() -> None:
    # 90 % of the cases share one probability: its window has no width, so the curve is their rate.
    p = np.r_[np.full(90, 0.3), np.full(10, 0.8)]
    y = np.r_[np.tile([1.0, 0, 0], 30), np.tile([1.0, 0], 5)]
    assert smooth(y, p, np.array([0.3])) == pytest.approx([1 / 3])
    found = calibration_curve(y, p, seed=1, repeats=50, points=3)
    assert all(0 <= point.low <= point.high <= 1 for point in found.points)


def test_certain_probabilities_are_no_outliers() -> None:
    y, p = drawn(60, 7)
    p[:3], y[:3] = 0.0, 0.0
    p[3:6], y[3:6] = 1.0, 1.0
    found = calibration_curve(y, p, seed=1, repeats=50, points=3)
    assert (found.points[0].predicted, found.points[-1].predicted) == (0.0, 1.0)
    assert found.points[0].observed < 0.2 < 0.8 < found.points[-1].observed


def test_what_is_no_curve_is_refused() -> None:
    with pytest.raises(InputError, match="2 or more"):
        calibration_curve([0, 1], [0.1, 0.2], seed=1, points=1)
    with pytest.raises(InputError, match=r"\[0, 1\]"):
        calibration_curve([0, 1], [0.1, 1.2], seed=1)
