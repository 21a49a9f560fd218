"""What every classifier promises; a new entry of ``METHODS`` is tested by being listed."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
from builders_tables import make_table

from radresp.classify import (
    METHODS,
    ClassifierSettings,
    Model,
    cross_validate,
    dump,
    fit,
    predict,
    restore,
)
from radresp.errors import CohortError, ModelError

SMALL = {"outer_folds": 3, "inner_folds": 3, "repeats": 1, "features": (5,), "ensemble": 10}

FEW_TREES = {
    "random_forest": {"trees": 20, "leaf_cases": (3,)},
    "extra_trees": {"trees": 20, "leaf_cases": (3,)},
    "gradient_boosting": {"trees": (20,)},
}

methods = pytest.mark.parametrize("name", list(METHODS))
outcomes = pytest.mark.parametrize("three", [False, True], ids=["binary", "three outcomes"])


def small(name: str) -> ClassifierSettings:
    return METHODS[name].settings(**SMALL, **FEW_TREES.get(name, {}))


@cache
def trained(name: str, three: bool = False) -> tuple[Model, pd.DataFrame]:
    model = fit(*make_table(n=50, p=20, three=three), small(name), endpoint="pCR", seed=1)
    return model, make_table(n=30, p=20, seed=7).x


@methods
def test_settings_have_defaults_ranges_and_words(name: str) -> None:
    settings = METHODS[name].settings
    assert settings() == settings.model_validate_json(settings().model_dump_json())
    assert all(field.description for field in settings.model_fields.values())
    with pytest.raises(ValueError, match="extra"):
        settings(unknown=1)
    assert len(set(METHODS[name].grid(settings()))) == len(METHODS[name].grid(settings()))


@methods
@outcomes
def test_probabilities_are_probabilities(name: str, three: bool) -> None:
    model, x = trained(name, three)
    for one in predict(model, x):
        p = np.array(list(one.classes.values()))
        assert tuple(one.classes) == model.classes
        assert ((p >= 0) & (p <= 1)).all()
        assert p.sum() == pytest.approx(1.0, abs=1e-12)
        assert one.p_ccr == 1.0 - one.classes["residual"]
        assert one.interval is not None
        assert 0 <= one.interval[0] <= one.p_ccr + 1e-12
        assert one.p_ccr - 1e-12 <= one.interval[1] <= 1


@methods
def test_missing_columns_are_refused_by_name(name: str) -> None:
    model, x = trained(name)
    with pytest.raises(ModelError, match=x.columns[2]) as caught:
        predict(model, x.drop(columns=x.columns[2]))
    assert caught.value.code == "FEATURE_SCHEMA"


@methods
@outcomes
def test_the_same_after_dump_and_restore(name: str, three: bool) -> None:
    model, x = trained(name, three)
    members = dump(model)
    assert all(isinstance(data, bytes) for data in members.values())
    assert predict(restore(members), x) == predict(model, x)


@methods
@outcomes
def test_order_of_columns_and_rows_and_other_columns_do_not_matter(name: str, three: bool) -> None:
    model, x = trained(name, three)
    expected = {one.case_id: one for one in predict(model, x)}
    mixed = x.sample(frac=1, random_state=1).sample(frac=1, axis=1, random_state=2)
    found = predict(model, mixed.assign(another=1.0, text="x"))
    assert [one.case_id for one in found] == list(mixed.index)
    assert {one.case_id: one for one in found} == expected
    alone = predict(model, x.iloc[[5]])[0]
    assert alone == expected[x.index[5]]


@methods
def test_same_seed_same_bytes_whatever_the_order_of_the_file(name: str) -> None:
    x, y, groups = make_table(n=50, p=20)
    first = dump(fit(x, y, groups, small(name), endpoint="pCR", seed=1))
    mixed = x.sample(frac=1, random_state=1).sample(frac=1, axis=1, random_state=2)
    assert dump(fit(mixed, y, groups, small(name), endpoint="pCR", seed=1)) == first
    assert dump(fit(x, y, groups, small(name), endpoint="pCR", seed=2)) != first


@methods
def test_evaluation_is_repeatable_and_complete(name: str) -> None:
    table = make_table(n=50, p=20)
    first, second = (cross_validate(*table, small(name), seed=3) for _ in range(2))
    pd.testing.assert_frame_equal(first.p, second.p, check_exact=True)
    assert json.dumps(first.chosen) == json.dumps(second.chosen)
    assert first.p.notna().all(axis=None)
    assert (first.step.room, first.step.method) == ("classify", name)


@methods
def test_one_outcome_is_refused(name: str) -> None:
    x, y, groups = make_table(n=50, p=20)
    for learn in (cross_validate, lambda *a, seed: fit(*a, endpoint="pCR", seed=seed)):
        with pytest.raises(CohortError) as caught:
            learn(x, y.map(lambda _: "residual"), groups, small(name), seed=1)
        assert caught.value.code == "ONE_CLASS"


@methods
def test_inputs_are_left_as_they_were(name: str) -> None:
    table = make_table(n=50, p=20)
    copies = [part.copy() for part in table]
    model = fit(*table, small(name), endpoint="pCR", seed=1)
    predict(model, table.x)
    pd.testing.assert_frame_equal(table.x, copies[0])
    pd.testing.assert_series_equal(table.y, copies[1])
    pd.testing.assert_series_equal(table.groups, copies[2])


@methods
def test_contributions_add_up_to_the_distance_from_the_training_medians(name: str) -> None:
    model, x = trained(name)
    every = model.settings.model_copy(update={"top_contributions": 100})
    medians = pd.DataFrame({c: [model.quantiles[c][2]] for c in model.quantiles}, index=["median"])
    rows = pd.concat([medians.reindex(columns=x.columns).fillna(x.median()), x.iloc[:5]])
    prepared = model.preparation.transform(rows[list(model.columns)].to_numpy(), None)
    scores = model.platt.slope * model.margins(prepared)
    found = predict(replace(model, settings=every), rows)
    parts = [sum(part.contribution for part in one.contributions) for one in found]
    assert np.subtract(parts, parts[0]) == pytest.approx(scores - scores[0], abs=1e-6)
