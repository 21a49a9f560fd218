"""Normal scores: what they are, what an outlier does, and that they come back from a record."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri
from sklearn.preprocessing import StandardScaler

from radresp.classify.scaling import NormalScores, Scores, restored_scaler, scaler_of


def test_scores_are_those_of_van_der_waerden_where_there_are_few_cases() -> None:
    x = np.random.default_rng(0).lognormal(0, 2, (60, 1))
    found = NormalScores().fit_transform(x).ravel()
    rank = x.ravel().argsort().argsort() / 59
    expected = ndtri(np.clip(rank, 0.5 / 60, 1 - 0.5 / 60))
    assert found == pytest.approx((expected - expected.mean()) / expected.std(), abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000))
def test_no_increasing_change_of_unit_matters(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = np.round(rng.normal(size=(40, 3)), 1)  # with ties
    new = rng.normal(size=(5, 3))
    one, two = NormalScores().fit(x), NormalScores().fit(3 * x - 7)
    assert two.transform(3 * new - 7) == pytest.approx(one.transform(new), abs=1e-7)


def test_an_outlier_is_the_last_case_and_no_further() -> None:
    x = np.arange(50.0)[:, None]
    scores = NormalScores().fit(x)
    ends = scores.transform(np.array([[-1e9], [0.0], [49.0], [1e9]])).ravel()
    assert ends[0] == ends[1]
    assert ends[2] == ends[3]
    assert abs(ends).max() < 3


def test_equal_values_get_the_middle_of_their_ranks() -> None:
    x = np.array([[0.0]] * 20 + [[1.0]] * 20)
    found = NormalScores().fit_transform(x).ravel()
    assert len(set(found.tolist())) == 2
    assert found.mean() == pytest.approx(0, abs=1e-12)
    assert found.std() == pytest.approx(1)


def test_gaps_stay_gaps_when_scoring() -> None:
    scores = Scores.of(np.random.default_rng(0).normal(size=(30, 2)))
    found = scores.transform(np.array([[np.nan, 0.0]]))
    assert np.isnan(found[0, 0])
    assert np.isfinite(found[0, 1])


@pytest.mark.parametrize("step", [NormalScores(), StandardScaler()])
def test_a_scaler_comes_back_from_its_record(step: NormalScores | StandardScaler) -> None:
    x = np.random.default_rng(0).normal(3, 2, size=(80, 4))
    scaler = scaler_of(step.fit(x))
    back = restored_scaler(json.loads(json.dumps(scaler.record())))
    assert back.transform(x).tolist() == scaler.transform(x).tolist()
    assert scaler.transform(x) == pytest.approx(step.transform(x), abs=1e-12)


def test_no_training_value_but_quantiles_is_kept() -> None:
    x = np.random.default_rng(0).normal(size=(500, 1))
    assert Scores.of(x).grid.shape == (65, 1)
