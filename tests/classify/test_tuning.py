"""Folds, hyper-parameters, calibration."""

from __future__ import annotations

import numpy as np
import pytest
from builders_tables import QUICK, make_table
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from radresp.classify import METHODS, ElasticNet, cross_validate, fit_platt
from radresp.classify.cross_validation import check_disjoint
from radresp.classify.elastic_net import grid
from radresp.classify.table import check_table
from radresp.classify.training import combine
from radresp.classify.tuning import patient_folds, possible_folds, tune


@given(st.integers(0, 1000), st.integers(2, 5), st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_folds_never_divide_a_patient_and_spread_outcomes(
    seed: int, folds: int, visits: int
) -> None:
    rng = np.random.default_rng(seed)
    label_of = rng.permutation(np.repeat([0, 1, 2], [12, 9, 7]))
    patient = rng.permutation(np.repeat(np.arange(28), visits))
    fold_of = patient_folds(label_of[patient], patient, folds, seed)
    for k in range(folds):
        assert not np.intersect1d(patient[fold_of == k], patient[fold_of != k]).size
    for label in range(3):
        per_fold = [
            np.unique(patient[(fold_of == k) & (label_of[patient] == label)]).size
            for k in range(folds)
        ]
        assert max(per_fold) - min(per_fold) <= 1


def test_folds_are_at_most_the_patients_of_the_rarer_outcome() -> None:
    residual = np.array([1, 1, 1, 0, 0, 0, 0, 0, 0])
    patients = np.arange(9)
    assert possible_folds(5, residual, patients) == 3
    assert possible_folds(2, residual, patients) == 2


def test_a_patient_on_both_sides_is_caught() -> None:
    with pytest.raises(AssertionError):
        check_disjoint(np.array(["a", "b"]), np.array(["b", "c"]))


def test_grid_starts_with_the_simplest() -> None:
    first, *_, last = grid(ElasticNet())
    assert first.record() == {"features": 8, "l1_ratio": 0.3, "strength": 0.1}
    assert last.record() == {"features": 16, "l1_ratio": 0.1, "strength": 0.3}


def test_tuning_finds_how_many_features_matter() -> None:
    rng = np.random.default_rng(1)
    labels = np.repeat([0, 1], 60)
    x = rng.normal(size=(120, 60))
    x[:, :12] += 0.6 * labels[:, None]
    wide = QUICK.model_copy(update={"features": (1, 12)})
    names = tuple(f"f{i}" for i in range(60))
    draw = {"columns": names, "folds": 4, "repeats": 1, "seed": 1}
    for by in ("log_loss", "auc"):
        chosen = tune(
            METHODS["elastic_net"],
            wide.model_copy(update={"tune_by": by}),
            x,
            labels,
            labels,
            np.arange(120),
            **draw,
        )
        assert chosen.candidate.features == 12


def test_solver_that_runs_out_gets_more_passes_and_then_a_note() -> None:
    x, y, groups = make_table(effect=6.0)
    hasty = QUICK.model_copy(
        update={"max_iterations": 100, "strengths": (10_000.0,), "features": (25,)}
    )
    notes = {note.code for note in cross_validate(x, y, groups, hasty, seed=1).step.notes}
    assert "NOT_CONVERGED" in notes
    calm = cross_validate(x, y, groups, QUICK, seed=1).step.notes
    assert "NOT_CONVERGED" not in {note.code for note in calm}


def test_platt_recovers_the_line_scores_were_made_with() -> None:
    rng = np.random.default_rng(2)
    score = rng.normal(0, 2, size=(1, 5000))
    event = (rng.uniform(size=5000) < expit(0.7 * score[0] - 0.5)).astype(int)
    line = fit_platt(score, event)
    assert (line.slope, line.intercept) == pytest.approx((0.7, -0.5), abs=0.08)
    repeated = fit_platt(np.repeat(score, 3, axis=0), event)
    assert (repeated.slope, repeated.intercept) == pytest.approx((line.slope, line.intercept))
    weighted = fit_platt(score, event, np.full(5000, 2.0))
    assert weighted.slope == pytest.approx(line.slope, rel=0.01)


def test_platt_never_turns_the_ranking_round_or_claims_certainty() -> None:
    event = np.repeat([0, 1], 10)
    score = np.linspace(-1, 1, 20)[None]
    against = fit_platt(-score, event)
    assert 0 < against.slope * score.std() < 0.3
    assert against.flat
    perfect = fit_platt(np.linspace(-1, 1, 20)[None], event)
    p = perfect.probability(np.array([-100.0, 100.0]))
    assert 0.005 < p[0] < 0.2
    assert 0.8 < p[1] < 0.995
    silent = fit_platt(np.zeros((2, 20)), event)
    assert silent.probability(np.array([0.0]))[0] == pytest.approx(0.5)


def test_few_cases_are_drawn_to_what_is_usual_and_many_are_believed() -> None:
    rng = np.random.default_rng(5)

    def steepness(n: int, slope: float) -> float:
        found = []
        for _ in range(40):
            score = rng.normal(size=(1, n))
            event = (rng.uniform(size=n) < expit(slope * score[0])).astype(int)
            found.append(fit_platt(score, event).slope * score.std())
        return float(np.mean(found))

    assert 0.1 < steepness(60, 0.0) < 0.35  # nothing known: between nothing and a half
    assert steepness(2000, 0.0) < 0.1
    assert steepness(60, 0.5) == pytest.approx(0.5, abs=0.08)
    assert steepness(300, 2.0) == pytest.approx(2.0, rel=0.1)  # the tail leaves it alone


def test_combine_leaves_residual_alone() -> None:
    names = ("fibrosis", "inflammation", "residual")
    p = combine(names, np.array([0.2, 1.0]), np.array([[1.0, 1.0, 9.0], [0.0, 5.0, -9.0]]))
    assert p[0] == pytest.approx([0.4, 0.4, 0.2])
    assert p[1] == pytest.approx([0, 0, 1])


def test_balanced_weights_are_undone_by_calibration() -> None:
    x, y, groups = make_table(n=120, residual=0.2)
    balanced = QUICK.model_copy(update={"class_weight": "balanced"})
    for settings_ in (QUICK, balanced):
        found = cross_validate(x, y, groups, settings_, seed=1)
        assert found.p["residual"].mean() == pytest.approx(0.2, abs=0.05)


def test_table_order_does_not_reach_the_folds() -> None:
    x, y, groups = make_table()
    table = check_table(x, y, groups, QUICK)
    first = patient_folds(table.labels, table.groups, 3, 1)
    other = check_table(x.iloc[::-1], y, groups, QUICK)
    assert np.array_equal(first, patient_folds(other.labels, other.groups, 3, 1))
