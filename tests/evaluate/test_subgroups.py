"""Figures by subgroup."""

from __future__ import annotations

import json

import numpy as np
import pytest

from radresp.errors import InputError
from radresp.evaluate import auc, auc_bootstrap, brier, describe_groups, observed_expected


def cohort(n: int = 120, seed: int = 0):
    rng = np.random.default_rng(seed)
    p = rng.uniform(0.05, 0.95, n)
    return (rng.uniform(size=n) < p).astype(float), p, rng.choice(["LCRT", "SCRT"], n)


def test_each_row_is_what_the_subgroup_alone_gives() -> None:
    y, p, labels = cohort()
    patients = np.arange(120) // 2
    rows = describe_groups(y, p, labels, patients, seed=1, repeats=200)
    assert [row["value"] for row in rows] == ["LCRT", "SCRT"]
    for row in rows:
        inside = labels == row["value"]
        assert (row["n"], row["events"]) == (inside.sum(), y[inside].sum())
        assert row["patients"] == np.unique(patients[inside]).size
        assert row["prevalence"] == pytest.approx(y[inside].mean())
        assert row["mean_p"] == pytest.approx(p[inside].mean())
        assert row["brier"]["value"] == brier(y[inside], p[inside])
        assert row["observed_expected"]["value"] == observed_expected(y[inside], p[inside])
        assert row["auc"]["value"] == auc(y[inside], p[inside])
        ends = auc_bootstrap(y[inside], p[inside], patients[inside], seed=1, repeats=200)
        assert (row["auc"]["low"], row["auc"]["high"]) == ends
        for name in ("brier", "observed_expected", "auc"):
            assert row[name]["low"] <= row[name]["value"] <= row[name]["high"]
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows


def test_too_few_of_a_class_withhold_the_auc_alone() -> None:
    y = np.r_[np.ones(4), np.zeros(20)]
    p = np.linspace(0.9, 0.1, 24)
    (row,) = describe_groups(y, p, ["A"] * 24, seed=1, repeats=50)
    assert (row["auc"]["value"], row["auc"]["low"]) == (None, None)
    assert row["auc"]["reason"] == "4 events; an AUC asks for 5 of each"
    assert row["brier"]["value"] is not None
    (row,) = describe_groups(y, p, ["A"] * 24, seed=1, repeats=50, minimum=4)
    assert row["auc"]["value"] == 1.0
    (row,) = describe_groups(1 - y, p, ["A"] * 24, seed=1, repeats=50)
    assert row["auc"]["reason"].startswith("4 non-events;")


def test_what_is_not_stated_is_a_subgroup_of_its_own_and_last() -> None:
    y, p, _ = cohort(12)
    labels = ["3", None, "", 1.5, " ", float("nan"), "vendor", "10", "Arm", "3", None, 1.5]
    rows = describe_groups(y, p, labels, seed=1, repeats=20)
    assert [(row["value"], row["n"]) for row in rows] == [
        ("1.5", 2),
        ("3", 2),
        ("10", 1),
        ("Arm", 1),
        ("vendor", 1),
        ("not stated", 5),
    ]


def test_other_subgroups_do_not_move_the_figures_of_one() -> None:
    y, p, labels = cohort()
    inside = labels == "LCRT"
    alone = describe_groups(y[inside], p[inside], labels[inside], seed=1, repeats=50)
    assert describe_groups(y, p, labels, seed=1, repeats=50)[0] == alone[0]


def test_one_patient_has_no_interval() -> None:
    (row,) = describe_groups([1, 0, 1], [0.8, 0.3, 0.6], ["A"] * 3, ["x"] * 3, seed=1, repeats=20)
    assert (row["patients"], row["brier"]["low"]) == (1, None)
    assert row["brier"]["value"] is not None
    assert row["brier"]["reason"]


def test_no_cases_are_no_rows_and_unequal_lengths_refused() -> None:
    assert describe_groups([], [], [], seed=1) == []
    with pytest.raises(InputError, match="one each"):
        describe_groups([1, 0], [0.5, 0.5], ["A"], seed=1)
