"""Spread of the AUC over repeats and folds."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from radresp.errors import InputError
from radresp.evaluate import fold_variation


def repeats(n: int = 60, times: int = 4, folds: int = 5, seed: int = 0):
    rng = np.random.default_rng(seed)
    y = (rng.uniform(size=n) < 0.4).astype(float)
    p = [np.clip(0.3 * y + rng.uniform(0, 0.7, n), 0, 1) for _ in range(times)]
    return y, p, [rng.permutation(np.arange(n) % folds) for _ in range(times)]


def test_spread_is_that_of_every_auc_by_scikit_learn() -> None:
    y, p, folds = repeats()
    found = fold_variation(y, p, folds)
    whole = [roc_auc_score(y, row) for row in p]
    parts = [
        roc_auc_score(y[fold == k], row[fold == k])
        for row, fold in zip(p, folds, strict=True)
        for k in range(5)
    ]
    for name, values in (("repeats", whole), ("folds", parts)):
        assert found[name]["n"] == len(values)
        assert found[name]["mean"] == pytest.approx(np.mean(values))
        assert found[name]["sd"] == pytest.approx(np.std(values, ddof=1))
        assert (found[name]["min"], found[name]["max"]) == pytest.approx((min(values), max(values)))
    assert found["repeats"]["values"] == pytest.approx(whole)
    assert (found["folds"]["left_out"], found["folds"]["reason"]) == (0, "")
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_folds_of_one_class_are_counted_and_explained() -> None:
    y = [1, 1, 0, 0, 1, 0]
    p = [[0.9, 0.4, 0.6, 0.1, 0.8, 0.3]]
    found = fold_variation(y, p, [["a", "a", "b", "b", "c", "c"]])
    assert (found["folds"]["n"], found["folds"]["left_out"]) == (1, 2)
    assert found["folds"]["reason"] == (
        "2 of 3 folds have no AUC: 1 without an event, 1 without a non-event"
    )
    assert (found["folds"]["mean"], found["folds"]["sd"]) == (1.0, None)


def test_leave_one_out_and_one_class_have_no_auc_and_say_so() -> None:
    y, p, _ = repeats(10, 1)
    alone = fold_variation(y, p, [range(10)])
    assert (alone["folds"]["n"], alone["folds"]["mean"], alone["folds"]["left_out"]) == (
        0,
        None,
        10,
    )
    assert alone["repeats"]["n"] == 1
    single = fold_variation([1, 1], [[0.1, 0.2]], [[0, 1]])
    assert single["repeats"]["values"] == [None]
    assert single["repeats"]["reason"] == "no repeat holds both classes"
    json.dumps([alone, single], allow_nan=False)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="as many"):
        fold_variation([0, 1], [[0.1, 0.2]], [])
    with pytest.raises(InputError, match="one fold a case"):
        fold_variation([0, 1], [[0.1, 0.2]], [[0]])
    with pytest.raises(InputError, match="NaN"):
        fold_variation([0, 1], [[0.1, float("nan")]], [[0, 0]])
