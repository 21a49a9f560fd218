"""Two probabilities on the same cases."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from radresp.errors import InputError
from radresp.evaluate import compare, compare_auc


def cohort(n: int = 150, seed: int = 0):
    rng = np.random.default_rng(seed)
    y = (rng.uniform(size=n) < 0.4).astype(float)
    shared = rng.normal(size=n)
    a = expit(1.5 * (y - 0.5) + shared + 0.1 * rng.normal(size=n))
    b = expit(1.0 * (y - 0.5) + shared + 0.1 * rng.normal(size=n))
    return y, a, b


def test_values_are_those_of_scikit_learn() -> None:
    y, a, b = cohort()
    found = compare(y, a, b, seed=1, repeats=100)
    for name, of in (
        ("auc", roc_auc_score),
        ("brier", brier_score_loss),
        ("log_loss", log_loss),
    ):
        assert found[name]["a"] == pytest.approx(of(y, a))
        assert found[name]["b"] == pytest.approx(of(y, b))
        assert found[name]["value"] == pytest.approx(of(y, a) - of(y, b))
        assert found[name]["low"] <= found[name]["value"] <= found[name]["high"]
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_interval_is_that_of_the_same_draws_by_hand() -> None:
    y, a, b = cohort(60)
    patients = np.arange(60) // 3
    rng = np.random.default_rng(7)
    differences = []
    for counts in rng.multinomial(20, np.full(20, 1 / 20), size=300):
        rows = np.repeat(np.arange(60), counts[patients])
        differences.append(brier_score_loss(y[rows], a[rows]) - brier_score_loss(y[rows], b[rows]))
    found = compare(y, a, b, patients, seed=7, repeats=300)["brier"]
    ends = np.quantile(differences, [0.025, 0.975])
    assert (found["low"], found["high"]) == pytest.approx(tuple(ends))


def test_interval_agrees_with_delong_where_delong_holds() -> None:
    y, a, b = cohort(400)
    found, delong = compare(y, a, b, seed=1)["auc"], compare_auc(y, a, b)
    assert (found["low"], found["high"]) == pytest.approx((delong.low, delong.high), abs=0.01)


def test_itself_differs_by_nothing_and_exchange_turns_the_sign() -> None:
    y, a, b = cohort()
    same = compare(y, a, a, seed=1, repeats=100)
    for name in ("auc", "brier", "log_loss"):
        assert (same[name]["value"], same[name]["low"], same[name]["high"]) == (0, 0, 0)
    one, back = compare(y, a, b, seed=1, repeats=100), compare(y, b, a, seed=1, repeats=100)
    for name in ("auc", "brier", "log_loss"):
        assert (back[name]["low"], back[name]["high"]) == pytest.approx(
            (-one[name]["high"], -one[name]["low"])
        )


def test_one_class_is_null_and_a_gap_is_refused() -> None:
    found = compare([1, 1, 1], [0.2, 0.3, 0.4], [0.5, 0.5, 0.5], seed=1, repeats=20)
    assert (found["auc"]["a"], found["auc"]["value"]) == (None, None)
    assert found["auc"]["reason"].startswith("only one class")
    assert found["brier"]["value"] is not None
    empty = compare([], [], [], seed=1, repeats=20)
    assert empty["brier"]["reason"] == "no cases"
    for gap in (([0.1, math.nan], [0.1, 0.2]), ([0.1, 0.2], [math.nan, 0.2])):
        with pytest.raises(InputError, match="NaN") as caught:
            compare([0, 1], *gap, seed=1)
        assert caught.value.code == "SCORE_INVALID"
