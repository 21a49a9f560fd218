"""Rates from counts: closed forms, the published anchors, and what several trials add."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from radresp.regimen import Counted, posterior


@pytest.mark.parametrize(
    ("events", "patients", "expected"),
    [
        (25, 73, (0.345, 0.241, 0.456)),  # clinical.md 1.4, Jeffreys
        (35, 62, (0.564, 0.441, 0.683)),
        (32, 59, (0.542, 0.416, 0.665)),
        (27, 62, (0.437, 0.317, 0.560)),
        (21, 59, (0.358, 0.243, 0.483)),
    ],
)
def test_one_trial_is_jeffreys(
    events: int, patients: int, expected: tuple[float, float, float]
) -> None:
    found = posterior([Counted(events, patients)])
    assert (found.mean, found.low, found.high) == pytest.approx(expected, abs=6e-4)
    assert (found.new_low, found.new_high) == (found.low, found.high)


def test_many_alike_trials_pin_the_rate_and_leave_little_between_them() -> None:
    found = posterior([Counted(30, 100)] * 30)
    assert found.mean == pytest.approx(0.3, abs=0.005)
    assert found.high - found.low < 0.05
    assert found.new_high - found.new_low < 0.08


def test_trials_that_differ_widen_what_one_more_may_have() -> None:
    alike = posterior([Counted(30, 100)] * 6)
    apart = posterior([Counted(k, 100) for k in (10, 15, 25, 35, 45, 50)])
    assert apart.new_high - apart.new_low > 2 * (alike.new_high - alike.new_low)
    assert apart.new_high - apart.new_low > apart.high - apart.low


def test_the_grid_agrees_with_sampling() -> None:
    counts = [Counted(11, 37), Counted(10, 45), Counted(19, 55), Counted(12, 26)]
    rng = np.random.default_rng(0)
    draws = 400_000
    typical = np.log(1 / (1 / rng.beta(0.5, 0.5, draws) - 1))
    spread = np.abs(rng.normal(0, 0.5, draws))
    log = np.zeros(draws)
    for c in counts:
        rate = 1 / (1 + np.exp(-(typical + spread * rng.standard_normal(draws))))
        log += stats.binom.logpmf(c.events, c.patients, rate)
    weight = np.exp(log - log.max())
    expected = np.average(1 / (1 + np.exp(-typical)), weights=weight)
    assert posterior(counts).mean == pytest.approx(expected, abs=0.006)


def test_one_more_trial_may_have_no_event_at_all() -> None:
    found = posterior([Counted(0, 40), Counted(0, 40)])
    assert found.new_low < 1e-3  # the first edge of the grid of predicted rates is 0.00125
    full = posterior([Counted(40, 40), Counted(40, 40)])
    assert full.new_high == pytest.approx(1 - found.new_low)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(40, 80)), min_size=1, max_size=5))
def test_intervals_are_ordered_and_order_of_trials_does_not_matter(
    pairs: list[tuple[int, int]],
) -> None:
    counts = [Counted(k, n) for k, n in pairs]
    found, turned = posterior(counts), posterior(counts[::-1])
    assert 0 <= found.new_low <= found.low + 1e-3
    assert found.low <= found.mean <= found.high <= found.new_high + 1e-3
    assert (np.diff(found.quantiles) >= 0).all()
    assert found.mean == pytest.approx(turned.mean)


@pytest.mark.parametrize(("events", "patients"), [(5, 4), (-1, 4), (0, 0)])
def test_impossible_counts_are_refused(events: int, patients: int) -> None:
    with pytest.raises(ValueError, match="of"):
        Counted(events, patients)


def test_no_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="one count"):
        posterior([])
