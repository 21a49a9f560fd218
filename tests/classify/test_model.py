"""The final model: what it holds, how it scores, when it says no."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from builders_tables import QUICK, make_table

from radresp.classify import Model, fit, predict
from radresp.core import NoteKind
from radresp.errors import ModelError

SETTINGS = QUICK.model_copy(update={"ensemble": 30})


@pytest.fixture(scope="module")
def model() -> Model:
    return fit(*make_table(n=100), SETTINGS, endpoint="pCR", seed=1)


@pytest.fixture(scope="module")
def three() -> Model:
    return fit(*make_table(n=100, three=True), SETTINGS, endpoint="pCR", seed=1)


def new_cases(n: int = 100, seed: int = 99) -> pd.DataFrame:
    return make_table(n=n, seed=seed).x


def test_it_knows_what_it_was_made_from(model: Model) -> None:
    assert model.classes == ("complete", "residual")
    assert model.counts == {"complete": 60, "residual": 40}
    assert (model.endpoint, model.patients, model.cases, model.seed) == ("pCR", 100, 100, 1)
    assert model.prevalence == pytest.approx(0.6)
    assert set(model.selected) <= set(model.columns)
    assert set(model.quantiles) == set(model.selected)
    assert "scikit-learn" in model.versions
    assert model.step.settings["ensemble"] == 30
    assert list(model.columns) == sorted(make_table(n=100).x.columns)


def test_new_cases_of_the_same_kind_get_probabilities_that_hold(model: Model) -> None:
    table = make_table(n=400, seed=50)
    found = predict(model, table.x)
    p = np.array([one.p_ccr for one in found])
    event = (table.y == "complete").to_numpy()
    assert p[event].mean() > p[~event].mean() + 0.15
    assert p.mean() == pytest.approx(event.mean(), abs=0.1)


def test_interval_holds_the_probability_and_narrows_with_patients() -> None:
    def width(n: int) -> float:
        made = fit(*make_table(n=n), SETTINGS, endpoint="pCR", seed=1)
        found = predict(made, new_cases(40))
        assert all(one.interval[0] <= one.p_ccr <= one.interval[1] for one in found)
        assert all(one.interval[0] >= 0 and one.interval[1] <= 1 for one in found)
        return float(np.mean([one.interval[1] - one.interval[0] for one in found]))

    assert width(50) > 1.2 * width(300)


def test_interval_level_is_obeyed() -> None:
    table = make_table()
    narrow, wide = (
        fit(*table, SETTINGS.model_copy(update={"interval_level": v}), endpoint="x", seed=1)
        for v in (0.5, 0.95)
    )
    a, b = predict(narrow, table.x)[0], predict(wide, table.x)[0]
    assert a.p_ccr == b.p_ccr
    assert b.interval[0] < a.interval[0] < a.interval[1] < b.interval[1]


def test_contributions_add_up_to_the_log_odds(model: Model) -> None:
    everything = fit(
        *make_table(n=100),
        SETTINGS.model_copy(update={"top_contributions": 100}),
        endpoint="pCR",
        seed=1,
    )
    rows = new_cases(5)
    base = float(
        everything.platt.slope * everything.residual.classifier.intercept_[0]
        + everything.platt.intercept
    )
    for one in predict(everything, rows):
        total = base + sum(part.contribution for part in one.contributions)
        limited = np.clip(total, everything.platt.low, everything.platt.high)
        assert 1 / (1 + np.exp(-limited)) == pytest.approx(one.classes["residual"])
        sizes = [abs(part.contribution) for part in one.contributions]
        assert sizes == sorted(sizes, reverse=True)


def test_positive_contributions_point_towards_residual(model: Model) -> None:
    before = new_cases(1)
    for part in predict(model, before)[0].contributions:
        moved = before.copy()
        moved[part.name] += 0.5 * (part.training_high - part.training_low)
        first, second = predict(model, before)[0], predict(model, moved)[0]
        after = {other.name: other.contribution for other in second.contributions}
        up = after[part.name] > part.contribution
        assert (second.classes["residual"] > first.classes["residual"]) == up
        assert part.training_low < part.training_median < part.training_high


def test_missing_columns_are_refused_by_name(model: Model) -> None:
    x = new_cases(2)
    with pytest.raises(ModelError) as caught:
        predict(model, x.drop(columns=[x.columns[3]]).rename(columns={x.columns[4]: "odd"}))
    assert caught.value.code == "FEATURE_SCHEMA"
    assert x.columns[3] in caught.value.found
    assert x.columns[4] in caught.value.found
    assert "odd" in caught.value.found
    with pytest.raises(ModelError, match="twice"):
        predict(model, pd.concat([x, x.iloc[:, :1]], axis=1))
    with pytest.raises(ModelError, match="not numeric"):
        predict(model, x.astype({x.columns[0]: str}))


def test_a_needed_value_missing_gives_a_reason_and_no_number(model: Model) -> None:
    x = new_cases(2)
    for bad in (np.nan, np.inf):
        x.iloc[1, x.columns.get_loc(model.selected[0])] = bad
        whole, lacking = predict(model, x)
        assert whole.classes
        assert (dict(lacking.classes), lacking.interval, lacking.p_ccr) == ({}, None, None)
        (reason,) = lacking.outside
        assert reason.startswith("MISSING_FEATURE")
        assert model.selected[0] in reason


def test_a_value_nothing_looks_at_may_be_missing(model: Model) -> None:
    x = new_cases(3)
    unused = sorted(set(model.columns) - set(model.selected) - set(model.ensemble.columns))
    assert unused
    with_gap = x.copy()
    with_gap[unused[0]] = np.nan
    for a, b in zip(predict(model, x), predict(model, with_gap), strict=True):
        assert (a.classes, a.interval) == (b.classes, b.interval)


def test_without_most_of_the_ensemble_there_is_no_interval(model: Model) -> None:
    x = new_cases(1)
    gaps = [name for name in model.ensemble.columns if name not in model.selected]
    x[gaps] = np.nan
    (found,) = predict(model, x)
    assert found.interval is None
    assert found.classes
    assert "MISSING_FEATURE" in {note.code for note in found.notes}


def test_cases_like_the_training_cases_are_rarely_outside(model: Model, three: Model) -> None:
    for made in (model, three):
        flagged = [bool(one.outside) for one in predict(made, new_cases(300))]
        assert np.mean(flagged) <= 0.10


@pytest.mark.parametrize("name", ["other unit", "shifted", "noise", "mirrored"])
def test_cases_of_another_kind_are_outside(model: Model, name: str) -> None:
    x = new_cases(100)
    rng = np.random.default_rng(0)
    middle, spread = x.mean(), x.std()
    strange = {
        "other unit": x * 1000,
        "shifted": x + 4 * spread,
        "noise": 0 * x + middle + rng.normal(size=x.shape) * 4 * spread.to_numpy(),
        "mirrored": -x,
    }[name]
    flagged = [bool(one.outside) for one in predict(model, strange)]
    assert np.mean(flagged) >= 0.95


def test_reasons_name_features_and_say_how_far(model: Model) -> None:
    x = new_cases(1)
    x[model.selected[0]] += 50 * x[model.selected[0]].abs()
    (found,) = predict(model, x)
    (far,) = [note for note in found.notes if note.code == "OUTSIDE_TRAINING"]
    assert far.kind is NoteKind.ABSTAIN
    assert model.selected[0] in far.found
    assert "SD above the training mean" in far.found
    wide = predict(model, new_cases(1) * 100)[0]
    (share,) = [note for note in wide.notes if note.code == "OUTSIDE_RANGE"]
    assert "%" in share.found


def test_training_cases_themselves_are_inside(model: Model) -> None:
    flagged = [bool(one.outside) for one in predict(model, make_table(n=100).x)]
    assert np.mean(flagged) <= 0.02


def test_three_outcomes_share_what_residual_leaves(model: Model, three: Model) -> None:
    for one in predict(three, new_cases(20)):
        assert set(one.classes) == {"fibrosis", "inflammation", "residual"}
        assert one.p_ccr == pytest.approx(one.classes["fibrosis"] + one.classes["inflammation"])
    assert three.subtype is not None
    assert model.subtype is None


def test_linear_arithmetic_is_that_of_scikit_learn(three: Model) -> None:
    x = new_cases(20)
    for head, classes in ((three.residual, 2), (three.subtype, 3)):
        values = x[list(head.columns)].to_numpy()
        expected = head.classifier.predict_proba(head.scaler.transform(values))
        scores = np.exp(head.scores(values, classes))
        assert scores / scores.sum(axis=1, keepdims=True) == pytest.approx(expected, rel=1e-9)


def test_separated_training_cases_and_an_empty_model_are_told() -> None:
    x, y, groups = make_table(n=40)
    apart = x.assign(leak=(y == "residual") * 5.0 + np.linspace(0, 1, 40))
    codes = {note.code for note in fit(apart, y, groups, QUICK, endpoint="x", seed=1).step.notes}
    assert {"SEPARATION", "SUSPECT_FEATURE"} <= codes
    strict = QUICK.model_copy(update={"strengths": (1e-4,), "l1_ratios": (1.0,)})
    nothing = fit(x, y, groups, strict, endpoint="x", seed=1)
    assert "NO_FEATURE_USED" in {note.code for note in nothing.step.notes}
    p = {round(one.p_ccr, 6) for one in predict(nothing, x)}
    assert len(p) == 1
    assert p.pop() == pytest.approx(0.6, abs=0.05)


def test_gaps_in_training_are_learned_around_and_told() -> None:
    x, y, groups = make_table(n=100)
    x = x.copy()
    x.iloc[:5, 0] = np.nan
    made = fit(x, y, groups, QUICK, endpoint="x", seed=1)
    assert x.columns[0] in made.selected
    told = [n for n in made.step.notes if n.code == "FEATURE_IMPUTED" and n.kind is NoteKind.INFO]
    assert x.columns[0] in told[0].found
    assert predict(made, x)[0].classes == {}
    assert predict(made, x)[50].classes
