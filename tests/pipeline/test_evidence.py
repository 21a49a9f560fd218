"""What a training run can show, and what it must say when it cannot."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from builders_tables import QUICK, make_table

from radresp import classify
from radresp.core import Step
from radresp.errors import PlanError
from radresp.pipeline.decide import DecisionRules
from radresp.pipeline.evidence import confounding, coverage, decisions, mean_rates
from radresp.pipeline.learning_table import TrainingTable
from radresp.pipeline.plan import parse_plan
from radresp.pipeline.train import Trained, model_facts, train_model

PLAN = parse_plan(
    {
        "classifier": {
            "method": "elastic_net",
            "settings": {
                "outer_folds": 3,
                "inner_folds": 3,
                "repeats": 2,
                "features": [6],
                "strengths": [0.3],
                "l1_ratios": [0.1],
                "ensemble": 10,
            },
        },
        "evaluation": {"permutations": 2, "bootstrap": 100},
    }
)
BASELINES = {
    "prevalence",
    "volume only",
    "mean ADC only",
    "radiologist features",
    "clinical only",
    "reader call",
}


def table(n: int = 90, seed: int = 0, *, known: bool = True) -> TrainingTable:
    """Cases with a volume, a mean ADC, radiologist measures, covariates, sites and readings."""
    x, y, groups = make_table(n=n, seed=seed)
    rng = np.random.default_rng(seed + 100)
    event = (y == "residual").to_numpy()
    if not known:
        return TrainingTable(x, y, groups, "pCR", ())
    x["post.t2.bed.volumetry.volume_ml"] = np.exp(rng.normal(size=n) + 0.4 * event)
    x["post.adc.bed.original.firstorder_Mean"] = 1300 + 150 * rng.normal(size=n) - 80 * event
    x["response.adc_ratio"] = rng.normal(size=n) - 0.8 * event
    x["response.dark_fraction"] = rng.normal(size=n)
    clinical = pd.DataFrame(
        {
            "clinical.log_cea_post": rng.normal(size=n) + 0.9 * event,
            "clinical.age_years": rng.normal(60, 8, size=n),
        },
        index=x.index,
    )
    calls = np.where(event ^ (rng.random(n) < 0.3), "nCR", "cCR")
    calls[:3] = "not_assessed"

    def series(values: np.ndarray | list[str]) -> pd.Series:
        return pd.Series(values, index=x.index)

    strata = {
        "site": series([f"s{i % 3}" for i in range(n)]),
        "regimen": series(np.where(rng.random(n) < 0.5, "LCRT", "SCRT + IO")),
        "reader_call": series(calls),
        "reference_kind": series(["surgery"] * (n - 2) + ["follow_up"] * 2),
    }
    return TrainingTable(x, y, groups, "pCR", (), clinical, None, strata)


@pytest.fixture(scope="module")
def trained() -> Trained:
    return train_model(table(), PLAN, fuse=True)


def test_every_baseline_is_in_the_table_with_its_difference(trained: Trained) -> None:
    found = trained.evaluation["baselines"]
    assert set(found) == BASELINES
    for name, row in found.items():
        assert row["auc"]["low"] <= row["auc"]["value"] <= row["auc"]["high"], name
        lead = row["difference"]
        assert lead["low"] <= lead["value"] <= lead["high"], name
    assert found["prevalence"]["auc"]["value"] == 0.5
    assert found["prevalence"]["brier"]["value"] == pytest.approx(0.4 * 0.6)
    assert found["reader call"]["n"] == 87  # three were not assessed
    assert found["clinical only"]["auc"]["value"] > 0.6


def test_a_baseline_nobody_has_is_named_with_the_reason() -> None:
    evaluation = train_model(table(known=False), PLAN).evaluation
    assert set(evaluation["baselines"]) == BASELINES
    for name in BASELINES - {"prevalence"}:
        assert set(evaluation["baselines"][name]) == {"reason"}
    assert evaluation["leave_one_site_out"] == {"reason": "no site is known"}
    assert evaluation["subgroups"] == {}
    assert "fusion" not in evaluation
    json.dumps(evaluation, allow_nan=False)


def test_subgroups_and_sites_come_with_counts_and_intervals(trained: Trained) -> None:
    found = trained.evaluation["subgroups"]
    assert set(found) == {"site", "regimen", "reader_call", "reference_kind"}
    assert sum(row["n"] for row in found["regimen"]) == 90
    (few,) = [row for row in found["reference_kind"] if row["value"] == "follow_up"]
    assert few["auc"]["value"] is None
    assert few["auc"]["reason"]
    left_out = trained.evaluation["leave_one_site_out"]
    assert [row["value"] for row in left_out["sites"]] == ["s0", "s1", "s2"]
    assert left_out["complete_response"]["n"] == 90
    assert all(0 <= row["abstained"] <= 1 for row in left_out["sites"])


def test_fusion_compares_on_the_same_cases_and_the_model_holds_both(trained: Trained) -> None:
    fusion = trained.evaluation["fusion"]
    assert set(fusion) >= {"imaging", "clinical", "fused", "differences"}
    lead = fusion["differences"]["fused - imaging"]["auc"]
    expected = fusion["fused"]["auc"]["value"] - fusion["imaging"]["auc"]["value"]
    assert lead["value"] == pytest.approx(expected)
    assert lead["low"] < lead["value"] < lead["high"]
    assert isinstance(trained.model, classify.Fused)
    own = trained.evaluation["complete_response"]["auc"]["value"]
    assert own == pytest.approx(fusion["fused"]["auc"]["value"])
    again = classify.restore(classify.dump(trained.model))
    cases = table(n=12, seed=5)
    before, after = (
        classify.predict(model, cases.x, clinical=cases.clinical)
        for model in (trained.model, again)
    )
    assert [one.classes for one in before] == [one.classes for one in after]
    assert [one.interval for one in before] == [one.interval for one in after]
    alone = classify.predict(trained.model, cases.x)
    assert all("CLINICAL_MISSING" in {n.code for n in one.warnings} for one in alone)
    imaging = classify.predict(trained.imaging, cases.x)
    assert [one.classes for one in alone] == [one.classes for one in imaging]


def test_a_fused_model_needs_clinical_values() -> None:
    with pytest.raises(PlanError, match="clinical"):
        train_model(table(known=False), PLAN, fuse=True)


def test_the_leak_guard_is_part_of_the_record(trained: Trained) -> None:
    guard = trained.evaluation["leak_guard"]
    assert guard["permutations"] == len(guard["aucs"]) == 2
    assert np.mean(guard["aucs"]) <= guard["bound"]
    assert guard["passed"] is True


@pytest.mark.slow
def test_shuffled_voxels_are_a_control() -> None:
    """A control that knows nothing is clearly worse; one that knows the same is not."""
    cases = table(n=60)
    rng = np.random.default_rng(1)
    noise = pd.DataFrame(rng.normal(size=cases.x.shape), cases.x.index, cases.x.columns)
    for control, better in ((noise, True), (cases.x, False)):
        with_control = TrainingTable(cases.x, cases.y, cases.groups, "pCR", (), control=control)
        found = train_model(with_control, PLAN).evaluation["leak_guard"]["control"]
        assert found["better"] is better
        assert found["difference"]["low"] <= found["difference"]["value"]


def test_pseudo_residual_is_conditioned_on_a_reading_and_says_so(trained: Trained) -> None:
    found = trained.evaluation["pseudo_residual"]
    assert found["condition"] == "read as nCR or iCR"
    calls = table().strata["reader_call"]
    assert found["read"] == int((calls == "nCR").sum())
    p = trained.out_of_fold.pseudo
    assert not p[calls.loc[p.index] != "nCR"].notna().any()
    assert found["figures"]["n"] == p.notna().sum() >= 0.6 * found["read"]
    # The probability answers to the share among such readings, not among all cases.
    share = found["pseudo_residual"] / found["read"]
    known = p.dropna()
    assert known.mean() == pytest.approx(share, abs=0.1)
    assert trained.out_of_fold.p_ccr[known.index].mean() > known.mean() + 0.04


def test_decisions_are_measured_and_keep_their_bounds() -> None:
    """Over many tables the share of residual called complete stays at its level."""
    rules = DecisionRules(missed_residual=0.1, missed_complete=0.2)
    missed, held = [], []
    for seed in range(6):
        x, y, groups = make_table(n=100, seed=seed)
        found = classify.cross_validate(x, y, groups, QUICK, seed=1)
        complete = (y.loc[found.p.index] != "residual").to_numpy()
        said = decisions(complete, found, found.p.index.to_numpy(), rules, seed=1)
        missed.append(said["rates"]["missed_residual"]["value"])
        held.append(said["coverage"]["complete"]["value"])
        shares = [rate["value"] for rate in said["rates"]["share"].values()]
        assert sum(shares) == pytest.approx(1)
        assert said["risk_coverage"]["aurc"]["value"] <= said["risk_coverage"]["random_risk"] + 0.05
    assert np.mean(missed) <= 0.1 + 0.04
    assert np.mean(held) == pytest.approx(0.8, abs=0.06)


def test_rates_of_repeats_are_averaged_with_one_repeats_counts() -> None:
    each = [{"a": {"part": part, "whole": 10}, "b": {"c": {"part": 1, "whole": 4}}, "n": {"x": 3}}
            for part in (2, 4)]  # fmt: skip
    found = mean_rates(each)
    assert (found["a"]["value"], found["a"]["part"], found["a"]["whole"]) == (0.3, 3.0, 10.0)
    assert found["a"]["low"] < 0.3 < found["a"]["high"]
    assert found["b"]["c"]["value"] == 0.25
    assert "n" not in found
    nothing = mean_rates([{"a": {"part": 0, "whole": 0}}])
    assert nothing["a"]["value"] is None


def test_coverage_counts_the_sets_that_hold_the_truth() -> None:
    fit = pd.DataFrame({"complete": [0.5, 0.05, 0.5, 0.01], "residual": [0.5, 0.9, 0.04, 0.9]})
    found = coverage(np.array([True, True, False, False]), fit, DecisionRules())
    assert found["complete"] == {"part": 1, "whole": 2}
    assert found["residual"] == {"part": 1, "whole": 2}


def test_a_hospital_that_goes_with_the_outcome_is_warned_of() -> None:
    cases = table()
    assert confounding(cases) == ()
    where = cases.y.map({"complete": "north", "residual": "south"})
    where.iloc[:4] = "north"
    mixed = TrainingTable(cases.x, cases.y, cases.groups, "pCR", (), strata={"scanner": where})
    (note,) = confounding(mixed)
    assert note.code == "CONFOUNDED"
    assert "north" in note.found
    assert "scanner" in note.found


@pytest.mark.slow
def test_order_of_the_rows_changes_nothing() -> None:
    cases = table(n=60)
    turned = TrainingTable(
        cases.x.iloc[::-1],
        cases.y.iloc[::-1],
        cases.groups.iloc[::-1],
        "pCR",
        (),
        None if cases.clinical is None else cases.clinical.iloc[::-1],
        None,
        {name: values.iloc[::-1] for name, values in cases.strata.items()},
    )
    first, second = (train_model(one, PLAN).evaluation for one in (cases, turned))
    assert first == second


def test_the_facts_of_a_card_are_those_of_the_model(trained: Trained) -> None:
    facts = model_facts(trained, PLAN, "synthetic", stability=True)
    assert facts["clinical"] is True
    assert facts["sites"] == 3
    assert facts["conformal"]["residual_cases"] == 36
    assert facts["conformal"]["missed_residual"] == PLAN.decision.missed_residual
    assert isinstance(trained.out_of_fold.step, Step)
