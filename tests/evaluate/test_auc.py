"""AUC, its intervals and its comparison."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from radresp.errors import InputError
from radresp.evaluate import (
    auc,
    auc_bootstrap,
    auc_interval,
    average_precision,
    compare_auc,
    delong,
    roc_points,
)

cases = st.lists(
    st.tuples(st.booleans(), st.integers(-5, 5).map(float)), min_size=4, max_size=40
).filter(lambda rows: 0 < sum(event for event, _ in rows) < len(rows))


@given(cases)
@settings(max_examples=60, deadline=None)
def test_agrees_with_scikit_learn_ties_and_all(rows: list[tuple[bool, float]]) -> None:
    y, score = np.array(rows).T
    assert auc(y, score) == pytest.approx(roc_auc_score(y, score), abs=1e-12)
    assert average_precision(y, score) == pytest.approx(
        average_precision_score(y, score), abs=1e-12
    )


@given(cases)
@settings(max_examples=40, deadline=None)
def test_turned_round_scores_give_one_minus(rows: list[tuple[bool, float]]) -> None:
    y, score = np.array(rows).T
    assert auc(y, score) + auc(y, -score) == pytest.approx(1.0)
    assert auc(y, score) == pytest.approx(auc(y, np.exp(score / 3)))


@given(cases)
@settings(max_examples=40, deadline=None)
def test_interval_stays_in_the_unit_and_holds_the_value(rows: list[tuple[bool, float]]) -> None:
    y, score = np.array(rows).T
    low, high = auc_interval(y, score)
    if min(y.sum(), (1 - y).sum()) < 2:
        assert math.isnan(low)
        assert math.isnan(high)
    else:
        assert 0.0 <= low <= auc(y, score) <= high <= 1.0


def test_perfect_separation_still_admits_doubt() -> None:
    low, high = auc_interval([0] * 5 + [1] * 5, range(10))
    assert high == 1.0
    assert 0.5 < low < 0.7


@given(cases, st.integers(0, 100))
@settings(max_examples=20, deadline=None)
def test_weights_are_repeated_cases(rows: list[tuple[bool, float]], seed: int) -> None:
    y, score = np.array(rows).T
    weights = np.random.default_rng(seed).integers(0, 4, (3, y.size))
    found = auc(y, score, weights)
    for value, row in zip(np.atleast_1d(found), weights, strict=True):
        expected = auc(np.repeat(y, row), np.repeat(score, row))
        assert value == pytest.approx(expected, nan_ok=True)


def test_delong_variance_is_that_of_simulation() -> None:
    rng = np.random.default_rng(3)
    y = np.repeat([0.0, 1.0], 30)
    drawn = [rng.normal(size=60) + y for _ in range(400)]
    areas = [auc(y, score) for score in drawn]
    variances = [delong(y, score)[1][0, 0] for score in drawn]
    assert np.mean(variances) == pytest.approx(np.var(areas), rel=0.15)


def test_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(4)
    y, truth = np.repeat([0.0, 1.0], 40), 0.76025
    held = [
        low <= truth <= high
        for low, high in (auc_interval(y, rng.normal(size=80) + y) for _ in range(400))
    ]
    assert 0.92 <= np.mean(held) <= 0.98


def test_bootstrap_is_seeded_and_draws_patients() -> None:
    rng = np.random.default_rng(5)
    y = np.repeat([0.0, 1.0], 30)
    score = rng.normal(size=60) + y
    alone = auc_bootstrap(y, score, seed=1, repeats=500)
    assert alone == auc_bootstrap(y, score, seed=1, repeats=500)
    assert alone != auc_bootstrap(y, score, seed=2, repeats=500)
    patients = np.tile(np.arange(60), 4)
    grouped = auc_bootstrap(np.tile(y, 4), np.tile(score, 4), patients, seed=1, repeats=500)
    assert grouped == pytest.approx(alone)
    naive = auc_bootstrap(np.tile(y, 4), np.tile(score, 4), seed=1, repeats=500)
    assert naive[1] - naive[0] < 0.7 * (alone[1] - alone[0])


def test_compare_with_itself_and_with_a_clear_winner() -> None:
    rng = np.random.default_rng(6)
    y = np.repeat([0.0, 1.0], 50)
    strong, weak = 2 * y + rng.normal(size=100), rng.normal(size=100)
    same = compare_auc(y, strong, strong)
    assert (same.difference, same.z, same.p_value) == (0.0, 0.0, 1.0)
    found = compare_auc(y, strong, weak)
    assert found.p_value < 0.001
    assert found.low > 0
    back = compare_auc(y, weak, strong)
    assert back.z == pytest.approx(-found.z)


@pytest.mark.parametrize("y", [[], [1, 1, 1], [0]])
def test_one_class_is_nan_never_a_crash(y: list[int]) -> None:
    score = np.linspace(0, 1, len(y))
    assert math.isnan(auc(y, score))
    assert all(math.isnan(end) for end in auc_interval(y, score))
    assert all(math.isnan(end) for end in auc_bootstrap(y, score, seed=1, repeats=20))
    assert math.isnan(compare_auc(y, score, score).difference)


@pytest.mark.parametrize(
    ("y", "score", "code"),
    [
        ([0, 1], [0.1], "SCORE_INVALID"),
        ([0, 2], [0.1, 0.2], "LABEL_UNKNOWN"),
        ([0, 1], [0.1, math.nan], "SCORE_INVALID"),
        ([0, 1], ["low", "high"], "SCORE_INVALID"),
    ],
)
def test_unusable_numbers_are_refused(y: list[int], score: list[float], code: str) -> None:
    with pytest.raises(InputError) as caught:
        auc(y, score)
    assert caught.value.code == code


def test_impossible_levels_weights_and_groups_are_refused() -> None:
    with pytest.raises(InputError, match="between 0 and 1"):
        auc_interval([0, 0, 1, 1], [1, 2, 3, 4], level=1.0)
    with pytest.raises(InputError, match="one weight"):
        auc([0, 1], [0, 1], [-1, 1])
    with pytest.raises(InputError, match="one each"):
        auc_bootstrap([0, 1], [0, 1], [1], seed=1)


@pytest.mark.parametrize("seed", range(5))
def test_roc_points_are_those_of_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y, score = rng.integers(0, 2, 60), rng.integers(0, 15, 60) / 10
    false, true, _ = roc_curve(y, score, drop_intermediate=False)
    points = roc_points(y, score)
    assert [p["false_positive_rate"] for p in points] == pytest.approx(false.tolist())
    assert [p["true_positive_rate"] for p in points] == pytest.approx(true.tolist())
    area = np.trapezoid(true, false)
    assert auc(y, score) == pytest.approx(area)
    assert roc_points([1, 1], [0.2, 0.3]) == []
