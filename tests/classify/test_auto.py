"""The default classifier: many weak hints, gaps of a new case, and the penalty per feature."""

from __future__ import annotations

import numpy as np
import pytest
from builders_tables import make_table
from sklearn.linear_model import LogisticRegression

from radresp.classify import Auto, fit, predict
from radresp.classify.estimators import PerFeatureRidge
from radresp.classify.selection import StableMrmr

QUICK = Auto(outer_folds=3, inner_folds=3, inner_repeats=1, repeats=1, ensemble=10)


def test_it_looks_at_every_column_that_varies() -> None:
    x, y, groups = make_table(n=60, p=30)
    model = fit(x.assign(constant=1.0), y, groups, QUICK, endpoint="x", seed=1)
    assert set(model.selected) == set(x.columns)


def test_a_gap_with_little_weight_is_filled_and_one_with_much_is_not() -> None:
    x, y, groups = make_table(n=60, p=30)
    model = fit(x, y, groups, QUICK, endpoint="x", seed=1)
    weights = np.abs(model.residual.classifier.coef_[0])
    light = model.residual.columns[int(np.argmin(weights))]
    case = x.iloc[[0]].copy()
    case[light] = np.nan
    (found,) = predict(model, case)
    assert found.filled == (light,)
    assert found.p_ccr is not None
    median = x.iloc[[0]].assign(**{light: x[light].median()})
    assert found.p_ccr == pytest.approx(predict(model, median)[0].p_ccr, abs=0.02)
    case[list(x.columns[:20])] = np.nan
    (refused,) = predict(model, case)
    assert refused.p_ccr is None
    assert refused.notes[0].code == "MISSING_FEATURE"


def test_an_outlier_moves_a_case_no_further_than_the_last_training_case() -> None:
    x, y, groups = make_table(n=60, p=30)
    model = fit(x, y, groups, QUICK, endpoint="x", seed=1)
    column = x.columns[0]
    far, last = (x.iloc[[0]].assign(**{column: v}) for v in (1e12, x[column].max()))
    assert predict(model, far)[0].classes == predict(model, last)[0].classes


@pytest.mark.parametrize("columns", [5, 80])
def test_the_penalty_is_per_feature_and_the_short_way_gives_the_same_weights(columns: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, columns))
    y = (x[:, 0] + rng.normal(size=40) > 0).astype(int)
    ours = PerFeatureRidge(2.0, "balanced").fit(x, y)
    plain = LogisticRegression(C=2.0 / columns, class_weight="balanced", tol=1e-8, max_iter=5000)
    plain.fit(x, y)
    assert ours.coef_ == pytest.approx(plain.coef_, abs=2e-3)
    assert ours.decision_function(x) == pytest.approx(plain.decision_function(x), abs=5e-3)
    assert (ours.plain().predict(x) == ours.predict(x)).all()


def test_steady_selection_finds_what_carries_the_outcome_once() -> None:
    rng = np.random.default_rng(1)
    y = np.arange(80) % 2
    x = rng.normal(size=(80, 60))
    x[:, 7] += 1.5 * y
    x[:, 30] -= 1.5 * y
    x[:, 31] = x[:, 30] + 0.01 * rng.normal(size=80)  # says the same again
    chosen = np.flatnonzero(StableMrmr(features=4).fit(x, y).get_support())
    assert 7 in chosen
    assert len({30, 31} & set(chosen.tolist())) == 1
