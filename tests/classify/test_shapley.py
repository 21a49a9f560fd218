"""Shares of a score: they add up, are fair, and are exact where the answer is known."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radresp.classify.shapley import shapley


def score(rows: np.ndarray) -> np.ndarray:
    """No weighted sum: a step, a product and a feature that does nothing."""
    return np.where(rows[:, 0] > 0.5, 2.0, -1.0) + rows[:, 1] * rows[:, 2] + 0 * rows[:, 3]


def exact(values: np.ndarray, baseline: np.ndarray) -> np.ndarray:
    """By every order there is."""
    shares = np.zeros(values.size)
    orders = list(permutations(range(values.size)))
    for order in orders:
        row = baseline.copy()
        for feature in order:
            before = score(row[None])[0]
            row[feature] = values[feature]
            shares[feature] += score(row[None])[0] - before
    return shares / len(orders)


numbers = st.lists(st.floats(-2, 2), min_size=4, max_size=4).map(np.array)


@settings(deadline=None, max_examples=50)
@given(numbers, numbers)
def test_shares_are_those_of_every_order_and_add_up(values: np.ndarray, base: np.ndarray) -> None:
    found = shapley(score, values, base)
    # Products of two features are shared out exactly by an order and its reverse.
    assert found == pytest.approx(exact(values, base), abs=1e-9)
    assert found.sum() == pytest.approx(score(values[None])[0] - score(base[None])[0], abs=1e-9)
    assert found[3] == 0


def test_of_three_at_once_the_estimate_is_near_and_repeats() -> None:
    def cubic(rows: np.ndarray) -> np.ndarray:
        return np.asarray(rows[:, 0] * rows[:, 1] * rows[:, 2])

    values, base = np.array([1.0, 2.0, 3.0]), np.zeros(3)
    found = shapley(cubic, values, base, orders=400, seed=1)
    assert found == pytest.approx([2.0, 2.0, 2.0], abs=0.2)
    assert found.sum() == pytest.approx(6.0)
    assert (found == shapley(cubic, values, base, orders=400, seed=1)).all()


def test_a_weighted_sum_gets_weight_times_distance() -> None:
    weights, values, base = np.array([0.5, -2.0, 0.0]), np.array([1.0, 1.0, 9.0]), np.ones(3) * 3
    found = shapley(lambda rows: rows @ weights, values, base)
    assert found == pytest.approx(weights * (values - base))
