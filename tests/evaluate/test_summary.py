"""The dictionary a report is written from."""

from __future__ import annotations

import json

import numpy as np
import pytest
from pydantic import ValidationError

from radresp.errors import InputError
from radresp.evaluate import (
    Describe,
    auc,
    brier,
    calibration_curve,
    describe,
    describe_classes,
    specificity_at_sensitivity,
)

FIGURES = (
    "auc",
    "average_precision",
    "brier",
    "scaled_brier",
    "log_loss",
    "calibration_slope",
    "calibration_intercept",
    "calibration_in_the_large",
    "observed_expected",
    "ece",
    "auc_delong",
)


def cohort(n: int = 80, seed: int = 0):
    rng = np.random.default_rng(seed)
    p = rng.uniform(0.05, 0.95, n)
    return (rng.uniform(size=n) < p).astype(float), p


def test_every_figure_has_value_interval_counts_and_is_json() -> None:
    y, p = cohort()
    found = describe(y, p, seed=1, repeats=200)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    for name in FIGURES:
        figure = found[name]
        assert figure["low"] <= figure["value"] <= figure["high"], name
        assert (figure["n"], figure["events"]) == (80, int(y.sum()))
    assert found["auc"]["value"] == auc(y, p)
    assert found["brier"]["value"] == brier(y, p)
    assert len(found["decision_curve"]) == 19
    assert sum(row["n"] for row in found["calibration_bins"]) == 80


def test_curve_and_specificity_are_those_of_their_functions() -> None:
    y, p = cohort()
    patients = np.arange(80) // 2
    chosen = Describe(calibration_points=7, sensitivity=0.8)
    found = describe(y, p, patients, seed=1, repeats=200, settings=chosen)
    curve = calibration_curve(y, p, patients, seed=1, repeats=200, points=7)
    assert found["calibration_curve"]["points"] == [at._asdict() for at in curve.points]
    assert found["calibration_curve"]["ici"] == curve.ici
    assert found["calibration_curve"]["repeats"] == 200
    share = found["specificity_at_sensitivity"]
    assert (share["sensitivity"], share["value"]) == (
        0.8,
        specificity_at_sensitivity(y, p, 0.8).value,
    )


DISCRIMINATION = (
    "auc",
    "auc_delong",
    "average_precision",
    "sensitivity_at_specificity",
    "specificity_at_sensitivity",
)


def test_discrimination_of_too_few_is_withheld_and_says_so() -> None:
    y, p = np.r_[np.ones(3), np.zeros(40)], np.linspace(0.9, 0.1, 43)
    chosen = Describe(minimum_events=10)
    found = describe(y, p, seed=1, repeats=50, settings=chosen)
    other = describe(1 - y, p, seed=1, repeats=50, settings=chosen)
    for name in DISCRIMINATION:
        assert [found[name][key] for key in ("value", "low", "high")] == [None] * 3, name
        assert found[name]["reason"].startswith("3 events; "), name
        assert other[name]["reason"].startswith("3 non-events; "), name
    assert found["auc"]["reason"] == "3 events; an AUC asks for 10 of each"
    assert found["brier"]["value"] is not None
    json.dumps(found, allow_nan=False)
    enough = Describe(minimum_events=3)
    assert describe(y, p, seed=1, repeats=50, settings=enough) == describe(y, p, seed=1, repeats=50)
    classes = describe_classes(
        ["residual"] * 3 + ["complete"] * 40,
        np.column_stack([1 - p, p]),
        ["complete", "residual"],
        seed=1,
        repeats=50,
        settings=chosen,
    )
    assert classes["one_versus_rest"]["residual"]["value"] is None


def test_one_patient_has_values_but_no_intervals() -> None:
    found = describe([0, 1, 1], [0.2, 0.6, 0.7], ["x"] * 3, seed=1, repeats=50)
    assert (found["brier"]["low"], found["brier"]["high"]) == (None, None)
    assert found["brier"]["value"] is not None
    assert "patients" in found["brier"]["reason"]


def test_same_seed_same_bytes_and_order_of_cases_moves_no_value() -> None:
    y, p = cohort()
    first = describe(y, p, seed=1, repeats=100)
    assert json.dumps(first) == json.dumps(describe(y, p, seed=1, repeats=100))
    back = describe(y[::-1], p[::-1], seed=1, repeats=100)
    for name in FIGURES:
        assert back[name]["value"] == pytest.approx(first[name]["value"]), name


def test_patients_with_several_cases_widen_the_interval() -> None:
    y, p = cohort(40)
    twice = np.tile(y, 3), np.tile(p, 3)
    grouped = describe(*twice, np.tile(np.arange(40), 3), seed=1, repeats=300)
    alone = describe(*twice, seed=1, repeats=300)
    assert (grouped["patients"], alone["patients"]) == (40, 120)
    width = {k: d["brier"]["high"] - d["brier"]["low"] for k, d in enumerate((grouped, alone))}
    assert width[0] > 1.3 * width[1]


@pytest.mark.parametrize("y", [[], [1.0, 1.0, 1.0], [0.0]])
def test_undefined_is_null_with_a_reason(y: list[float]) -> None:
    found = describe(y, np.linspace(0.2, 0.8, len(y)), seed=1, repeats=20)
    json.dumps(found, allow_nan=False)
    assert found["auc"]["value"] is None
    expected = f"only one class: {sum(y):.0f} events among {len(y)} cases" if y else "no cases"
    assert found["auc"]["reason"] == expected
    assert found["calibration_slope"]["reason"]
    assert found["sensitivity_at_specificity"]["reason"]
    assert found["specificity_at_sensitivity"]["reason"]
    assert (found["calibration_curve"]["points"], found["calibration_curve"]["ici"]) == ([], None)
    assert found["calibration_curve"]["reason"] == expected


def test_perfect_separation_has_no_slope_and_says_so() -> None:
    found = describe([0, 0, 0, 1, 1, 1], [0.1, 0.2, 0.3, 0.7, 0.8, 0.9], seed=1, repeats=50)
    assert found["calibration_slope"]["value"] is None
    assert "separate" in found["calibration_slope"]["reason"]
    assert found["auc"]["value"] == 1.0


def test_classes_put_complete_against_residual() -> None:
    rng = np.random.default_rng(2)
    names = ["fibrosis", "inflammation", "residual"]
    p = rng.dirichlet([1, 1, 1], size=60)
    labels = [names[rng.choice(3, p=row)] for row in p]
    found = describe_classes(labels, p, names, seed=1, repeats=100)
    event = [label != "residual" for label in labels]
    direct = describe(event, np.clip(1 - p[:, 2], 0, 1), seed=1, repeats=100)
    assert found["complete_versus_residual"] == direct
    assert found["one_versus_rest"]["residual"]["value"] == pytest.approx(direct["auc"]["value"])
    assert sum(found["counts"].values()) == 60
    json.dumps(found, allow_nan=False)


def test_unknown_labels_and_absent_residual_are_refused() -> None:
    with pytest.raises(InputError) as caught:
        describe_classes(["scar"], [[0.5, 0.5]], ["complete", "residual"], seed=1)
    assert caught.value.code == "LABEL_UNKNOWN"
    with pytest.raises(InputError, match="residual"):
        describe_classes(["a"], [[0.5, 0.5]], ["a", "b"], seed=1)


def test_settings_refuse_what_is_no_threshold() -> None:
    with pytest.raises(ValidationError):
        Describe(thresholds=(1.2,))
    with pytest.raises(ValidationError):
        Describe(curve=(1.0,))
