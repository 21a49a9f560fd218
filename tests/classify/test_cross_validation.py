"""The honest evaluation: nested, grouped, leak-free, repeatable."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from builders import shared_data
from builders_tables import QUICK, make_table

from radresp.classify import ElasticNet, cross_validate
from radresp.errors import PlanError
from radresp.evaluate import auc, auc_bootstrap, calibration_line


def complete(y: pd.Series, found) -> np.ndarray:
    return (y.loc[found.p.index] != "residual").to_numpy()


def noise(n: int, p: int, seed: int):
    """Random labels on columns that know nothing of them."""
    rng = np.random.default_rng(seed)
    ids = [f"c{i:03d}" for i in range(n)]
    x = pd.DataFrame(rng.normal(size=(n, p)), index=ids, columns=[f"f{j:04d}" for j in range(p)])
    y = pd.Series(rng.permutation(np.where(np.arange(n) < 2 * n // 5, "residual", "complete")), ids)
    return x, y, pd.Series(ids, index=ids)


def test_shapes_sums_and_folds() -> None:
    x, y, groups = make_table(three=True)
    seen: list[tuple[int, int]] = []
    settings = QUICK.model_copy(update={"repeats": 2})
    found = cross_validate(
        x, y, groups, settings, seed=1, progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(k, 6) for k in range(1, 7)]
    assert list(found.p.columns) == ["fibrosis", "inflammation", "residual"]
    assert found.p.index.tolist() == sorted(x.index)
    assert found.p.sum(axis=1).to_numpy() == pytest.approx(1.0)
    assert ((found.p >= 0) & (found.p <= 1)).all(axis=None)
    mean = sum(found.per_repeat) / 2
    pd.testing.assert_frame_equal(found.p, mean)
    assert found.folds.shape == (60, 2)
    assert (found.folds["repeat_1"] != found.folds["repeat_2"]).any()
    assert len(found.chosen) == 6
    assert sum(record["test"] for record in found.chosen) == 120
    json.dumps(found.chosen, allow_nan=False)
    json.dumps(found.step.record(), allow_nan=False)
    pd.testing.assert_series_equal(found.p_ccr, (1 - found.p["residual"]).rename("p_ccr"))


def test_no_patient_stands_on_both_sides_even_with_many_visits() -> None:
    x, y, groups = make_table(n=30, visits=3)
    found = cross_validate(x, y, groups, QUICK, seed=1)
    per_patient = found.folds["repeat_1"].groupby(groups.loc[found.folds.index]).nunique()
    assert (per_patient == 1).all()


def test_finds_a_strong_signal_and_calibrates_it() -> None:
    x, y, groups = make_table(n=150, effect=2.0)
    found = cross_validate(x, y, groups, QUICK, seed=1)
    event = complete(y, found)
    assert auc(event, found.p_ccr) > 0.85
    slope, intercept = calibration_line(event, found.p_ccr)
    assert 0.6 < slope < 1.6
    assert abs(intercept) < 0.6


def test_splits_complete_responses_by_kind() -> None:
    x, y, groups = make_table(n=150, three=True)
    found = cross_validate(x, y, groups, QUICK, seed=1)
    rest = y.loc[found.p.index] != "residual"
    scar = (y.loc[found.p.index] == "fibrosis")[rest]
    share = (found.p["fibrosis"] / (found.p["fibrosis"] + found.p["inflammation"]))[rest]
    assert auc(scar, share) > 0.7


def test_same_seed_same_numbers_whatever_the_order_of_the_file() -> None:
    x, y, groups = make_table(p=15)
    first = cross_validate(x, y, groups, QUICK, seed=1)
    mixed = x.sample(frac=1, random_state=3).sample(frac=1, axis=1, random_state=4)
    second = cross_validate(mixed, y.iloc[::-1], groups, QUICK, seed=1)
    pd.testing.assert_frame_equal(first.p, second.p, check_exact=True)
    assert first.chosen == second.chosen
    other = cross_validate(x, y, groups, QUICK, seed=2)
    assert not first.p.equals(other.p)


def test_canary_random_labels_give_one_half() -> None:
    """L03: with 1,000 columns of noise, anything learned outside its fold would show."""
    x, y, groups = noise(60, 1000, seed=0)
    found = cross_validate(x, y, groups, QUICK, seed=1)
    low, high = auc_bootstrap(complete(y, found), found.p_ccr, seed=1)
    assert low <= 0.5 <= high


def test_canary_can_sing() -> None:
    """The same noise with columns chosen on all cases: the check above would notice."""
    x, y, groups = noise(60, 1000, seed=0)
    event = (y == "residual").to_numpy()
    apart = np.abs(x[event].mean() - x[~event].mean())
    leaky = x[apart.nlargest(12).index]
    found = cross_validate(leaky, y, groups, QUICK, seed=1)
    low, _ = auc_bootstrap(complete(y, found), found.p_ccr, seed=1)
    assert low > 0.6


def test_test_cases_do_not_reach_their_own_probability() -> None:
    """Changing one patient's features leaves the fold's other probabilities untouched."""
    x, y, groups = make_table()
    first = cross_validate(x, y, groups, QUICK, seed=1)
    changed = x.copy()
    changed.loc["c0010"] *= 1.5
    second = cross_validate(changed, y, groups, QUICK, seed=1)
    fold = first.folds["repeat_1"]
    beside = (fold == fold["c0010"]) & (fold.index != "c0010")
    assert beside.sum() > 10
    pd.testing.assert_frame_equal(first.p[beside], second.p[beside], check_exact=True)
    elsewhere = fold != fold["c0010"]
    assert not first.p[elsewhere].equals(second.p[elsewhere])


def test_column_constant_in_a_fold_and_gaps_are_recorded() -> None:
    x, y, groups = make_table(p=8, effect=0.5)
    x = x.assign(once=0.0)
    x.loc["c0005", "once"] = 1.0
    x.iloc[::12, 0] = np.nan
    settings = QUICK.model_copy(update={"features": (8,)})
    found = cross_validate(x, y, groups, settings, seed=1)
    notes = {note.code: note.found for note in found.step.notes}
    assert "once" in notes["FEATURE_CONSTANT"]
    assert any(record["constant_in_fold"] == ["once"] for record in found.chosen)
    assert "TEST_CASE_IMPUTED" in notes
    assert found.p.notna().all(axis=None)


def test_a_rare_kind_of_response_is_tolerated_and_told() -> None:
    x, y, groups = make_table()
    kinds = y.replace("complete", "fibrosis")
    kinds[kinds[kinds == "fibrosis"].index[0]] = "inflammation"
    found = cross_validate(x, kinds, groups, QUICK, seed=1)
    assert found.p.sum(axis=1).to_numpy() == pytest.approx(1.0)
    assert "CLASS_ABSENT_FROM_FOLD" in {note.code for note in found.step.notes}
    assert auc(complete(kinds, found), found.p_ccr) > 0.6


def real_table(name: str):
    frame = pd.read_csv(shared_data("radml_tables", f"{name}.csv.gz"), dtype={"ID": str})
    frame = frame.set_index("ID")
    y = frame.pop("Target").astype(int).map({1: "residual", 0: "complete"})
    return frame, y, pd.Series(frame.index, index=frame.index)


def published(name: str) -> float:
    table = pd.read_csv(shared_data("radml_tables", "published_auc.csv"), index_col="dataset")
    return float(table.loc[name, "auc_ANOVA16_LR_C2"])


# SOURCE.md of the tables: repeating the published settings elsewhere calls for a band of 0.08.
BAND = 0.08


def check_published(name: str, settings: ElasticNet) -> None:
    x, y, groups = real_table(name)
    found = cross_validate(x, y, groups, settings, seed=0)
    measured = auc(~complete(y, found), found.p["residual"])
    assert measured == pytest.approx(published(name), abs=BAND)


def test_real_features_give_the_published_auc() -> None:
    check_published("HNSCC", ElasticNet(repeats=1))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Arita2018", "Head-Neck-Radiomics-HN1", "LNDb", "Wang2024"])
def test_more_real_features_give_the_published_auc(name: str) -> None:
    check_published(name, ElasticNet())


def test_a_real_table_with_a_row_twice_is_refused() -> None:
    with pytest.raises(PlanError) as caught:
        cross_validate(*real_table("Song2020"), QUICK, seed=0)
    assert caught.value.code == "DUPLICATE_ROWS"


@pytest.mark.slow
def test_canary_over_many_draws_is_one_half_on_average() -> None:
    areas = []
    for seed in range(20):
        x, y, groups = noise(60, 1000, seed)
        # 25 and 35 divide evenly into five folds: unequal folds alone lower a pooled AUC.
        y = pd.Series(np.where(np.arange(60) < 25, "residual", "complete"), index=y.index)
        found = cross_validate(x, y, groups, ElasticNet(), seed=seed)
        areas.append(auc(complete(y, found), found.p_ccr))
    assert np.mean(areas) == pytest.approx(0.5, abs=3 * 0.11 / np.sqrt(20))


def test_a_doubted_reading_has_a_calibration_of_its_own() -> None:
    """Exactly the doubted cases get one, and it answers to the share among such readings."""
    x, y, groups = make_table(n=240)
    rng = np.random.default_rng(3)
    residual = (y == "residual").to_numpy()
    doubted = pd.Series(residual ^ (rng.random(240) < 0.25), index=y.index)
    found = cross_validate(x, y, groups, QUICK, seed=1, doubted=doubted)
    assert found.pseudo.notna().equals(doubted.loc[found.pseudo.index])
    known = found.pseudo.dropna()
    share = float((y.loc[known.index] != "residual").mean())
    assert known.mean() == pytest.approx(share, abs=0.05)
    assert found.p_ccr[known.index].mean() > known.mean() + 0.03
