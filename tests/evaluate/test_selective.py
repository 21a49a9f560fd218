"""Risk against coverage, with ties by brute force."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from radresp.errors import InputError
from radresp.evaluate import auc, brier, risk_coverage

few = st.lists(
    st.tuples(st.booleans(), st.integers(0, 10).map(lambda k: k / 10), st.integers(0, 2)),
    min_size=2,
    max_size=6,
)


def cohort(n: int = 200, seed: int = 0):
    rng = np.random.default_rng(seed)
    p = rng.uniform(0.02, 0.98, n)
    return (rng.uniform(size=n) < p).astype(float), p, np.abs(p - 0.5)


@given(few)
@settings(max_examples=40, deadline=None)
def test_ties_are_the_mean_over_every_order(rows: list[tuple[bool, float, int]]) -> None:
    y, p, sure = (np.array(column, float) for column in zip(*rows, strict=True))
    n = y.size
    wrong = ((p >= 0.5) != (y == 1)).astype(float)
    orders = [
        list(order)
        for order in itertools.permutations(range(n))
        if all(sure[a] >= sure[b] for a, b in itertools.pairwise(order))
    ]
    risks = np.mean([np.cumsum(wrong[o]) / np.arange(1, n + 1) for o in orders], axis=0)
    briers = np.mean([np.cumsum((p - y)[o] ** 2) / np.arange(1, n + 1) for o in orders], axis=0)
    coverages = [k / n for k in range(1, n + 1)]
    found = risk_coverage(y, p, sure, seed=1, repeats=2, coverages=coverages)
    assert [row["n"] for row in found["rows"]] == list(range(1, n + 1))
    assert [row["risk"] for row in found["rows"]] == pytest.approx(risks)
    assert [row["brier"] for row in found["rows"]] == pytest.approx(briers)
    assert found["aurc"]["value"] == pytest.approx(risks.mean())
    assert found["random_risk"] == pytest.approx(wrong.mean())
    assert found["best_aurc"] <= found["aurc"]["value"] + 1e-12


def test_without_ties_the_accepted_are_the_surest() -> None:
    y, p, sure = cohort()
    found = risk_coverage(y, p, sure, seed=1, repeats=50)
    assert (found["tied"], len(found["rows"])) == (0, 10)
    for row in found["rows"]:
        chosen = np.argsort(-sure)[: row["n"]]
        assert row["n"] == math.ceil(row["coverage"] * 200 - 1e-9)
        assert row["risk"] == pytest.approx(np.mean((p >= 0.5)[chosen] != y[chosen]))
        assert row["auc"] == pytest.approx(roc_auc_score(y[chosen], p[chosen]))
        assert row["low"] <= row["risk"] <= row["high"]
    assert found["rows"][-1]["brier"] == pytest.approx(brier(y, p))
    assert found["rows"][-1]["auc"] == pytest.approx(auc(y, p))


def test_confidence_that_knows_gains_and_one_that_does_not_gains_nothing() -> None:
    y, p, sure = cohort()
    knowing = risk_coverage(y, p, sure, seed=1, repeats=300)
    assert knowing["gain"]["low"] > 0
    same = risk_coverage(y, p, np.ones(200), seed=1, repeats=300)
    assert same["gain"]["value"] == pytest.approx(0, abs=1e-12)
    assert (same["gain"]["low"], same["gain"]["high"]) == pytest.approx((0, 0), abs=1e-12)
    assert [row["risk"] for row in same["rows"]] == pytest.approx([same["random_risk"]] * 10)
    assert [row["auc"] for row in same["rows"]] == pytest.approx([auc(y, p)] * 10)
    drawn = risk_coverage(y, p, np.random.default_rng(3).uniform(size=200), seed=1, repeats=300)
    assert drawn["gain"]["low"] < 0 < drawn["gain"]["high"]


def test_the_best_confidence_puts_wrong_calls_last() -> None:
    y, p, _ = cohort(40)
    wrong = (p >= 0.5) != (y == 1)
    found = risk_coverage(y, p, -wrong.astype(float), seed=1, repeats=20)
    assert found["aurc"]["value"] == pytest.approx(found["best_aurc"])
    right = 40 - wrong.sum()
    assert found["best_aurc"] == pytest.approx(
        np.mean([max(0, k - right) / k for k in range(1, 41)])
    )


def test_a_rising_map_of_confidence_moves_nothing_and_patients_are_drawn() -> None:
    y, p, sure = cohort(60)
    first = risk_coverage(y, p, sure, seed=1, repeats=200)
    assert first == risk_coverage(y, p, np.exp(3 * sure), seed=1, repeats=200)
    three = [np.tile(column, 3) for column in (y, p, sure)]
    grouped = risk_coverage(*three, np.tile(np.arange(60), 3), seed=1, repeats=200)
    alone = risk_coverage(*three, seed=1, repeats=200)
    width = {k: d["aurc"]["high"] - d["aurc"]["low"] for k, d in enumerate((grouped, alone))}
    assert width[0] > 1.3 * width[1]


def test_interval_is_that_of_repeated_cases_by_hand() -> None:
    y, p, sure = cohort(30, 4)
    sure = np.round(sure, 1)
    patients = np.arange(30) // 2
    drawn = []
    for counts in np.random.default_rng(9).multinomial(15, np.full(15, 1 / 15), size=100):
        rows = np.repeat(np.arange(30), counts[patients])
        found = risk_coverage(y[rows], p[rows], sure[rows], seed=1, repeats=2)
        drawn.append((found["aurc"]["value"], found["gain"]["value"]))
    found = risk_coverage(y, p, sure, patients, seed=9, repeats=100)
    for name, values in zip(("aurc", "gain"), zip(*drawn, strict=True), strict=True):
        ends = np.quantile(values, [0.025, 0.975])
        assert (found[name]["low"], found[name]["high"]) == pytest.approx(tuple(ends))


def test_an_auc_without_both_classes_is_null_with_a_reason() -> None:
    found = risk_coverage([1, 1, 0, 0], [0.9, 0.8, 0.2, 0.1], [4, 3, 2, 1], seed=1, repeats=20)
    half = found["rows"][4]
    assert (half["n"], half["auc"]) == (2, None)
    assert half["reason"] == "0 non-events; an AUC asks for 1 of each"
    assert found["rows"][-1]["auc"] == 1.0
    strict = risk_coverage(
        [1, 1, 0, 0], [0.9, 0.8, 0.2, 0.1], [4, 3, 2, 1], seed=1, repeats=20, minimum=3
    )
    assert strict["rows"][-1]["reason"] == "2 events; an AUC asks for 3 of each"
    json.dumps([found, strict], allow_nan=False)


def test_nothing_to_order_is_null_and_the_impossible_refused() -> None:
    empty = risk_coverage([], [], [], seed=1)
    assert (empty["rows"], empty["aurc"]["value"], empty["random_risk"]) == ([], None, None)
    assert empty["aurc"]["reason"] == "no cases"
    json.dumps(empty, allow_nan=False)
    with pytest.raises(InputError, match="NaN"):
        risk_coverage([0, 1], [0.1, 0.9], [0.5, math.nan], seed=1)
    with pytest.raises(InputError, match="coverages"):
        risk_coverage([0, 1], [0.1, 0.9], [0.5, 0.4], seed=1, coverages=(0.0, 1.0))
    with pytest.raises(InputError, match="threshold"):
        risk_coverage([0, 1], [0.1, 0.9], [0.5, 0.4], seed=1, threshold=1.5)
