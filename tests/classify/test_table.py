"""What may be learned from, and every refusal."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from builders_tables import QUICK, make_table
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from radresp.classify import ClassifierSettings, cross_validate
from radresp.classify.table import _areas, check_table
from radresp.core import NoteKind
from radresp.errors import CohortError, ExitCode, PlanError, RadrespError


def refusal(x: pd.DataFrame, y: pd.Series, groups: pd.Series, settings=QUICK) -> RadrespError:
    with pytest.raises(RadrespError) as caught:
        check_table(x, y, groups, settings)
    return caught.value


def codes(x: pd.DataFrame, y: pd.Series, groups: pd.Series) -> dict[str, NoteKind]:
    return {note.code: note.kind for note in check_table(x, y, groups, QUICK).notes}


def test_rows_and_columns_come_in_one_order() -> None:
    x, y, groups = make_table()
    mixed = x.sample(frac=1, random_state=1).sample(frac=1, axis=1, random_state=2)
    first, second = check_table(x, y, groups, QUICK), check_table(mixed, y, groups, QUICK)
    assert (first.ids, first.columns) == (second.ids, second.columns)
    assert np.array_equal(first.x, second.x)
    assert np.array_equal(first.labels, second.labels)
    assert first.counts == {"complete": 36, "residual": 24}


def test_one_class_is_refused_with_counts() -> None:
    x, y, groups = make_table()
    error = refusal(x, y.map(lambda _: "complete"), groups)
    assert (error.code, error.exit_code) == ("ONE_CLASS", ExitCode.NONE_USABLE)
    assert "complete 60" in error.found
    assert refusal(x, y.map(lambda _: "residual"), groups).code == "ONE_CLASS"
    no_residual = y.map({"complete": "fibrosis", "residual": "inflammation"})
    assert refusal(x, no_residual, groups).code == "ONE_CLASS"


def test_too_few_patients_are_refused_unless_allowed() -> None:
    x, y, groups = make_table(n=30, residual=0.2)
    error = refusal(x, y, groups)
    assert (error.code, error.exit_code) == ("TOO_FEW", ExitCode.NONE_USABLE)
    allowed = QUICK.model_copy(update={"allow_few": True})
    table = check_table(x, y, groups, allowed)
    (note,) = [note for note in table.notes if note.code == "TOO_FEW"]
    assert note.kind is NoteKind.WARNING
    assert "not usable" in note.action


def test_many_cases_of_few_patients_are_still_few() -> None:
    x, y, groups = make_table(n=12, visits=5)
    assert refusal(x, y, groups).code == "TOO_FEW"
    x, y, groups = make_table(n=20, residual=0.15)
    assert refusal(x, y, groups, QUICK.model_copy(update={"allow_few": True})).code == "TOO_FEW"


def test_few_allowed_learns_to_the_end_and_says_so() -> None:
    x, y, groups = make_table(n=16, residual=0.25)
    settings = QUICK.model_copy(update={"allow_few": True, "outer_folds": 5, "inner_folds": 4})
    found = cross_validate(x, y, groups, settings, seed=1)
    assert found.p.notna().all(axis=None)
    assert "TOO_FEW" in {note.code for note in found.step.notes}
    reduced = [note.found for note in found.step.notes if note.code == "FOLDS_REDUCED"]
    assert {text[:13] for text in reduced} == {"4 outer folds", "3 inner folds"}
    assert found.folds.max().max() == 3


@pytest.mark.parametrize(
    "words", [{"complete": "ccr", "residual": "residual"}, {"complete": 1, "residual": 0}]
)
def test_unknown_labels_are_refused(words: dict[str, object]) -> None:
    x, y, groups = make_table()
    error = refusal(x, y.map(words), groups)
    assert (error.code, error.exit_code) == ("LABEL_UNKNOWN", ExitCode.USAGE)


def test_two_vocabularies_in_one_table_are_refused() -> None:
    x, y, groups = make_table()
    y = y.copy()
    y.iloc[int(np.flatnonzero(y == "complete")[0])] = "fibrosis"
    assert refusal(x, y, groups).code == "LABEL_UNKNOWN"


def test_one_patient_with_two_outcomes_is_refused_without_naming_the_patient() -> None:
    x, y, groups = make_table(visits=2)
    y = y.copy()
    y.iloc[1] = "residual" if y.iloc[0] == "complete" else "complete"
    error = refusal(x, y, groups)
    assert error.code == "LABEL_CONFLICT"
    assert "c0000" in error.found
    assert "p000" not in str(error)


def test_identical_rows_are_refused_by_both_names() -> None:
    x, y, groups = make_table()
    x = x.copy()
    x.iloc[7] = x.iloc[3]
    error = refusal(x, y, groups)
    assert error.code == "DUPLICATE_ROWS"
    assert "c0003" in error.found
    assert "c0007" in error.found


def test_infinity_and_text_are_refused_by_name() -> None:
    x, y, groups = make_table()
    infinite = x.copy()
    infinite.iloc[4, 2] = -np.inf
    error = refusal(infinite, y, groups)
    assert (error.code, error.case) == ("FEATURE_INFINITE", "c0004")
    assert x.columns[2] in error.found
    text = x.astype({x.columns[1]: str})
    assert refusal(text, y, groups).code == "FEATURE_SCHEMA"


def test_tables_that_do_not_fit_together_are_refused() -> None:
    x, y, groups = make_table()
    assert refusal(x, y.iloc[:-1], groups).code == "TABLE_MISMATCH"
    assert refusal(x, y, groups.rename({"c0001": "other"})).code == "TABLE_MISMATCH"
    assert refusal(pd.concat([x, x.iloc[:1]]), y, groups).code == "CASE_DUPLICATE"
    twice = pd.concat([x, x.iloc[:, :1]], axis=1)
    error = refusal(twice, y, groups)
    assert (error.code, error.expected) == ("FEATURE_SCHEMA", "unique names")
    assert refusal(x.iloc[:, :0], y, groups).code == "NO_FEATURES"


def test_columns_without_use_are_named() -> None:
    x, y, groups = make_table()
    x = x.copy()
    x.iloc[:, 5] = np.nan
    x.iloc[:, 6] = 3.0
    x.iloc[:20, 7] = np.nan
    x.iloc[0, 8] = np.nan
    found = check_table(x, y, groups, QUICK)
    named = {note.code: note.found for note in found.notes}
    assert x.columns[5] in named["FEATURE_ALL_MISSING"]
    assert x.columns[6] in named["FEATURE_CONSTANT"]
    assert x.columns[7] in named["FEATURE_MISSING"]
    assert x.columns[8] in named["FEATURE_IMPUTED"]
    assert len(found.columns) == x.shape[1]


def test_nothing_usable_is_refused() -> None:
    x, y, groups = make_table()
    gaps = x.where(np.random.default_rng(0).uniform(size=x.shape) < 0.5)
    assert isinstance(refusal(gaps, y, groups), CohortError)
    assert refusal(gaps, y, groups).code == "NO_FEATURES"


def test_a_column_that_is_the_outcome_is_suspected() -> None:
    x, y, groups = make_table()
    assert "SUSPECT_FEATURE" not in codes(x, y, groups)
    leak = x.assign(leak=(y == "complete") + np.linspace(0, 0.1, len(y)))
    table = check_table(leak, y, groups, QUICK)
    (note,) = [note for note in table.notes if note.code == "SUSPECT_FEATURE"]
    assert "leak" in note.found


@pytest.mark.parametrize("gaps", [1, 6])
def test_gaps_hide_no_leak(gaps: int) -> None:
    x, y, groups = make_table()
    leak = (y == "complete") + np.linspace(0, 0.1, len(y))
    leak[leak.index[3 : 3 + gaps]] = np.nan
    notes = check_table(x.assign(leak=leak), y, groups, QUICK).notes
    (note,) = [note for note in notes if note.code == "SUSPECT_FEATURE"]
    assert note.found.startswith("leak alone")


def test_a_column_too_empty_to_be_used_is_not_suspected() -> None:
    x, y, groups = make_table()
    leak = (y == "complete").astype(float).where(np.arange(len(y)) < 4)
    assert "SUSPECT_FEATURE" not in codes(x.assign(leak=leak), y, groups)


@given(st.integers(0, 10**6))
def test_areas_are_those_of_the_cases_that_have_the_column(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 6, size=(20, 4)).astype(float)
    values[rng.uniform(size=values.shape) < 0.2] = np.nan
    residual = rng.permutation(np.arange(20) < 8)
    values[residual, 3] = np.nan
    found = _areas(values, residual)
    for column, area in zip(values.T[:3], found[:3], strict=True):
        there = ~np.isnan(column)
        assert area == pytest.approx(roc_auc_score(residual[there], column[there]), abs=1e-12)
    assert found[3] == 0.5


def test_settings_of_no_method_are_refused() -> None:
    x, y, groups = make_table()
    with pytest.raises(PlanError) as caught:
        cross_validate(x, y, groups, ClassifierSettings(), seed=1)
    assert caught.value.code == "CONFIG_KEY"
