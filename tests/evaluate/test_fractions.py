"""Figures of a predicted share, and when there are none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from radresp.evaluate import describe_fraction


def shares(count: int = 60, *, noise: float = 0.1, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    truth = np.where(random.random(count) < 0.5, 0.0, random.random(count))
    return truth, np.clip(truth + noise * random.normal(size=count), 0, 1)


def test_figures_are_those_of_scipy_and_numpy_and_lie_in_their_intervals() -> None:
    truth, predicted = shares()
    found = describe_fraction(truth, predicted)
    assert found is not None
    assert found["rank"] == pytest.approx(spearmanr(truth, predicted).statistic)
    some = truth > 0
    assert found["rank_present"] == pytest.approx(spearmanr(truth[some], predicted[some]).statistic)
    assert found["mean_absolute_error"] == pytest.approx(np.abs(truth - predicted).mean())
    for name in ("rank", "rank_present", "mean_absolute_error"):
        low, high = found[f"{name}_interval"]
        assert low <= found[name] <= high


def test_a_prediction_without_information_says_so() -> None:
    truth, predicted = shares(200)
    shuffled = np.random.default_rng(2).permutation(predicted)
    found = describe_fraction(truth, shuffled)
    assert found is not None
    low, high = found["rank_interval"]
    assert low < 0 < high
    assert found["mean_absolute_error"] > found["without_images"]
    constant = describe_fraction(truth, np.full(200, 0.3))
    assert constant is not None
    assert constant["rank"] == 0.0


def test_cases_without_truth_are_left_out() -> None:
    truth, predicted = shares()
    more = describe_fraction([*truth, np.nan, np.nan], [*predicted, 0.9, 0.1])
    assert more == describe_fraction(truth, predicted)


@pytest.mark.parametrize("truth", [[0.2] * 9, [0.0] * 30, [np.nan] * 30, []])
def test_too_little_truth_gives_no_figures(truth: list[float]) -> None:
    assert describe_fraction(truth, np.linspace(0, 1, len(truth))) is None


def test_few_cases_with_tumour_have_no_rank_of_their_own() -> None:
    found = describe_fraction([0.0] * 20 + [0.5] * 3, np.linspace(0, 1, 23))
    assert found is not None
    assert found["rank_present"] is None
    assert found["rank_present_interval"] is None


@settings(deadline=None, max_examples=20)
@given(st.permutations(range(40)))
def test_the_order_of_cases_does_not_matter(order: list[int]) -> None:
    truth, predicted = shares(40)
    one = describe_fraction(truth, predicted)
    other = describe_fraction(truth[order], predicted[order])
    assert one is not None
    assert other is not None
    for name in ("cases", "rank", "rank_present", "mean_absolute_error", "without_images"):
        assert other[name] == pytest.approx(one[name])
