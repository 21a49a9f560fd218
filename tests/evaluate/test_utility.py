"""Net benefit, decision curve, sensitivity and specificity, Wilson interval."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_curve

from radresp.errors import InputError
from radresp.evaluate import (
    at_threshold,
    decision_curve,
    net_benefit,
    sensitivity_at_specificity,
    specificity_at_sensitivity,
    treat_all,
    wilson_interval,
)

Y = np.array([1, 1, 1, 0, 0, 0, 0, 0])
P = np.array([0.9, 0.7, 0.3, 0.8, 0.4, 0.3, 0.2, 0.1])


def test_net_benefit_counts_harm_at_the_threshold_odds() -> None:
    assert net_benefit(Y, P, 0.5) == pytest.approx((2 - 1) / 8)
    # At 0.8 one false positive costs four true positives.
    assert net_benefit(Y, P, 0.8) == pytest.approx((1 - 4) / 8)
    assert treat_all(Y, 0.0) == pytest.approx(Y.mean())


@given(st.floats(0, 0.99))
@settings(max_examples=30, deadline=None)
def test_net_benefit_never_beats_the_prevalence(threshold: float) -> None:
    assert net_benefit(Y, P, threshold) <= Y.mean() + 1e-12
    assert net_benefit(Y, Y, threshold) == pytest.approx(Y.mean())
    assert net_benefit(Y, np.zeros(8), max(threshold, 1e-6)) == 0.0


def test_decision_curve_joins_model_and_treat_all() -> None:
    (point,) = decision_curve(Y, P, [0.5])
    assert (point.model, point.treat_all) == (net_benefit(Y, P, 0.5), treat_all(Y, 0.5))


def test_proportions_at_a_threshold() -> None:
    found = at_threshold(Y, P, 0.3)
    assert (found.sensitivity.part, found.sensitivity.whole) == (3, 3)
    assert (found.specificity.part, found.specificity.whole) == (2, 5)
    assert (found.ppv.part, found.ppv.whole) == (3, 6)
    assert (found.npv.part, found.npv.whole) == (2, 2)
    assert found.specificity.low < 0.4 < found.specificity.high
    assert math.isnan(at_threshold(Y, P, 1.0).ppv.value)


def test_sensitivity_at_specificity_looks_strictly_above() -> None:
    assert sensitivity_at_specificity(Y, P, 0.8).value == pytest.approx(2 / 3)
    assert sensitivity_at_specificity(Y, P, 1.0).value == pytest.approx(1 / 3)
    assert sensitivity_at_specificity(Y, P, 0.0).value == 1.0
    # A tie between a case and the last allowed control must not count as found.
    assert sensitivity_at_specificity([1, 0], [0.5, 0.5], 1.0).value == 0.0
    assert math.isnan(sensitivity_at_specificity([1, 1], [0.5, 0.6], 0.9).value)


def test_specificity_at_sensitivity_calls_a_tie_positive() -> None:
    assert specificity_at_sensitivity(Y, P, 1.0).value == pytest.approx(2 / 5)
    assert specificity_at_sensitivity(Y, P, 0.6).value == pytest.approx(4 / 5)
    assert specificity_at_sensitivity(Y, P, 0.0).value == 1.0
    # A tie between the last event needed and a control must not count as a control left alone.
    assert specificity_at_sensitivity([1, 0], [0.5, 0.5], 1.0).value == 0.0
    assert math.isnan(specificity_at_sensitivity([0, 0], [0.5, 0.6], 0.9).value)
    assert specificity_at_sensitivity([1, 1], [0.5, 0.6], 0.9).whole == 0


@given(
    st.lists(st.tuples(st.booleans(), st.integers(-5, 5)), min_size=2, max_size=40).filter(
        lambda rows: 0 < sum(event for event, _ in rows) < len(rows)
    ),
    st.sampled_from([0.0, 0.5, 0.8, 0.9, 0.95, 1.0]),
)
@settings(max_examples=60, deadline=None)
def test_both_are_points_of_the_roc_curve(rows: list[tuple[bool, int]], asked: float) -> None:
    y, score = np.array(rows, float).T
    false, true, _ = roc_curve(y, score, drop_intermediate=False)
    best = 1 - false[true >= asked - 1e-9].min()
    assert specificity_at_sensitivity(y, score, asked).value == pytest.approx(best)
    best = true[1 - false >= asked - 1e-9].max()
    assert sensitivity_at_specificity(y, score, asked).value == pytest.approx(best)
    # The mirror: exchange the classes and turn the scores round.
    assert specificity_at_sensitivity(y, score, asked) == sensitivity_at_specificity(
        1 - y, -score, asked
    )


@given(st.integers(0, 60), st.integers(1, 60))
@settings(max_examples=60, deadline=None)
def test_wilson_holds_the_share_inside_the_unit(part: int, whole: int) -> None:
    part = min(part, whole)
    low, high = wilson_interval(part, whole)
    assert 0.0 <= low <= part / whole <= high <= 1.0
    mirror = wilson_interval(whole - part, whole)
    assert (1 - mirror[1], 1 - mirror[0]) == pytest.approx((low, high))


def test_wilson_of_nothing_and_of_the_impossible() -> None:
    assert all(math.isnan(end) for end in wilson_interval(0, 0))
    with pytest.raises(InputError, match="part <= whole"):
        wilson_interval(3, 2)


@pytest.mark.parametrize("threshold", [-0.1, 1.0, math.nan])
def test_impossible_thresholds_are_refused(threshold: float) -> None:
    with pytest.raises(InputError, match="threshold"):
        net_benefit(Y, P, threshold)
    if threshold != 1.0:
        with pytest.raises(InputError, match="threshold"):
            at_threshold(Y, P, threshold)
        with pytest.raises(InputError, match="sensitivity"):
            specificity_at_sensitivity(Y, P, threshold)
        with pytest.raises(InputError, match="specificity"):
            sensitivity_at_specificity(Y, P, threshold)
