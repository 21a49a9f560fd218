"""Trees as arrays: the numbers of scikit-learn, the same after loading, and nothing else loads."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

from radresp.classify.trees import GROWERS, Trees

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 8))
TWO = (X[:, 0] + RNG.normal(size=120) > 0).astype(int)
THREE = np.digitize(X[:, 0] + RNG.normal(size=120), [-0.5, 0.5])
NEW = RNG.normal(size=(40, 8))
OPTIONS: dict[str, dict[str, Any]] = {
    "random_forest": {"n_estimators": 30, "min_samples_leaf": 3, "random_state": 1},
    "extra_trees": {"n_estimators": 30, "min_samples_leaf": 3, "class_weight": "balanced"},
    "gradient_boosting": {"n_estimators": 25, "max_depth": 2, "subsample": 0.5},
}


@pytest.mark.parametrize("kind", list(GROWERS))
@pytest.mark.parametrize("y", [TWO, THREE], ids=["two", "three"])
def test_the_arrays_predict_what_scikit_learn_predicts(kind: str, y: np.ndarray) -> None:
    options = {**OPTIONS[kind], "random_state": 1}
    theirs = GROWERS[kind](**options).fit(X, y)
    ours = Trees(kind, options).fit(X, y)
    raw = ours.decision_function(NEW)
    if kind == "gradient_boosting":
        expected = theirs.decision_function(NEW)
        if y is THREE:  # log-probabilities up to a constant a case
            raw, expected = (v - v.mean(axis=1, keepdims=True) for v in (raw, expected))
        assert raw == pytest.approx(expected, abs=1e-9)
        return
    p = np.clip(theirs.predict_proba(NEW), 0.5 / 30, 1 - 0.5 / 30)
    expected = np.log(p)
    if y is TWO:
        expected = expected[:, 1] - expected[:, 0]
    assert raw == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("kind", list(GROWERS))
def test_the_same_after_loading_and_the_same_bytes(kind: str) -> None:
    made = [Trees(kind, {**OPTIONS[kind], "random_state": 1}).fit(X, TWO) for _ in range(2)]
    assert made[0].dump() == made[1].dump()
    back = Trees.loaded(made[0].dump())
    assert back.decision_function(NEW).tolist() == made[0].decision_function(NEW).tolist()


def damaged(**arrays: np.ndarray) -> bytes:
    made = Trees("random_forest", OPTIONS["random_forest"]).fit(X, TWO)
    kept = {name: getattr(made, name) for name in Trees.ARRAYS} | arrays
    buffer = io.BytesIO()
    np.savez(buffer, kind=np.array("random_forest"), **kept)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "arrays",
    [
        {"left_": np.zeros(3, np.int64)},
        {"roots_": np.array([-1])},
        {"values_": np.zeros((4, 2))},
        {"constant_": np.array([np.nan, 0.0])},
    ],
)
def test_what_are_no_trees_is_refused(arrays: dict[str, np.ndarray]) -> None:
    with pytest.raises(ValueError, match="no trees"):
        Trees.loaded(damaged(**arrays))


def test_a_way_that_never_ends_is_refused() -> None:
    made = Trees("random_forest", OPTIONS["random_forest"]).fit(X, TWO)
    round_and_round = np.where(made.feature_ < 0, made.left_, 0)
    with pytest.raises(ValueError, match="no trees"):
        Trees.loaded(damaged(left_=round_and_round))


def test_pickled_content_is_refused() -> None:
    with pytest.raises(ValueError, match="pickle"):
        Trees.loaded(damaged(values_=np.array([object()], dtype=object)))
