"""Scores from elsewhere: judged on given folds, stacked, and never of a case that was met."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from builders_tables import QUICK, make_table

from radresp import classify, evaluate
from radresp.classify import FoldScores, cross_validate, draw_folds, fuse_out_of_fold, judge_scores
from radresp.errors import PlanError


def scores_of(y: pd.Series, groups: pd.Series, *, strength: float, seed: int = 0) -> FoldScores:
    """What a network that is worth something would have said, on other noise for every network."""
    folds = draw_folds(y, groups, 3, seed=seed)
    rng = np.random.default_rng(seed)
    event = (y.loc[folds.index] == "residual").to_numpy()
    number = int(folds.max()) + 1
    base = strength * event + rng.normal(size=event.size)
    inner = pd.DataFrame(
        base[:, None] + 0.1 * rng.normal(size=(event.size, number)), index=folds.index
    )
    inner[folds.to_numpy()[:, None] == np.arange(number)] = np.nan
    outer = pd.Series(base, index=folds.index)
    p = 1 / (1 + np.exp(-base))
    classes = pd.DataFrame({"complete": 1 - p, "residual": p}, index=folds.index)
    return FoldScores(folds, inner, outer, classes)


def test_folds_are_those_of_the_evaluation() -> None:
    x, y, groups = make_table(visits=2, n=40)
    folds = draw_folds(y, groups, QUICK.outer_folds, seed=7)
    found = cross_validate(x, y, groups, QUICK, seed=7)
    assert found.folds["repeat_1"].equals(folds.loc[found.folds.index].rename("repeat_1"))
    assert folds.groupby(groups.loc[folds.index]).nunique().max() == 1


def test_given_folds_are_obeyed() -> None:
    x, y, groups = make_table()
    folds = draw_folds(y, groups, 4, seed=99)
    found = cross_validate(x, y, groups, QUICK, seed=1, folds=folds)
    assert len(found.per_repeat) == 1
    assert found.folds["repeat_1"].tolist() == folds.tolist()


def test_scores_are_calibrated_by_other_folds() -> None:
    _, y, groups = make_table(n=240, p=10)
    scores = scores_of(y, groups, strength=2.0)
    nobody = pd.Series(False, index=y.index)
    found = judge_scores(scores, y, nobody, QUICK)
    event = (y.loc[found.p.index] != "residual").to_numpy()
    assert evaluate.auc(event, found.p_ccr) > 0.85
    slope, _ = evaluate.calibration_line(event, found.p_ccr)
    assert 0.7 < slope < 1.4
    assert found.p.sum(axis=1).to_numpy() == pytest.approx(1.0)
    covered = found.fit[0]["residual"][~event] > 0.1
    assert covered.mean() > 0.85


def test_a_stack_of_both_is_no_worse_than_either() -> None:
    x, y, groups = make_table(n=200, effect=0.8)
    scores = scores_of(y, groups, strength=1.2)
    nobody = pd.Series(False, index=y.index)
    imaging = cross_validate(x, y, groups, QUICK, seed=0, folds=scores.folds)
    network = judge_scores(scores, y, nobody, QUICK)
    residual = (y == "residual").astype(int)
    fused = fuse_out_of_fold({"imaging": imaging, "cnn": network}, residual, nobody, QUICK)
    event = (y.loc[fused.p.index] != "residual").to_numpy()
    alone = max(evaluate.auc(event, one.p_ccr) for one in (imaging, network))
    assert evaluate.auc(event, fused.p_ccr) > alone
    other = judge_scores(scores_of(y, groups, strength=1.2, seed=5), y, nobody, QUICK)
    with pytest.raises(PlanError, match="folds"):
        fuse_out_of_fold({"imaging": imaging, "cnn": other}, residual, nobody, QUICK)


def test_a_fused_model_asks_for_the_score_and_does_without() -> None:
    x, y, groups = make_table(n=80)
    scores = scores_of(y, groups, strength=1.5)
    nobody = pd.Series(False, index=y.index)
    imaging = classify.fit(x, y, groups, QUICK, endpoint="pCR", seed=1)
    residual = (y == "residual").astype(int)
    fused = classify.fuse_models(
        {"imaging": imaging}, residual, nobody, QUICK, {"cnn": scores.outer}
    )
    new = make_table(n=6, seed=4).x
    say = {"cnn": pd.Series([-4.0, 4.0, np.nan, 0.0, 0.0, 0.0], index=new.index)}
    low, high, alone, *_ = classify.predict(fused, new, scores=say)
    assert {note.code for note in alone.warnings} == {"CNN_MISSING"}
    assert alone.classes == classify.predict(imaging, new.iloc[[2]])[0].classes
    assert not low.warnings
    turned = classify.predict(fused, new, scores={"cnn": -say["cnn"]})
    assert turned[0].classes["residual"] > low.classes["residual"]
    assert turned[1].classes["residual"] < high.classes["residual"]
    again = classify.restore(classify.dump(fused))
    assert [one.classes for one in classify.predict(again, new, scores=say)] == [
        one.classes for one in classify.predict(fused, new, scores=say)
    ]


def test_scores_that_met_the_fold_or_are_missing_are_refused() -> None:
    _, y, groups = make_table()
    good = scores_of(y, groups, strength=1.0)
    for change in (
        {"inner": good.inner.fillna(0.0)},  # a score of its own fold: the network met it
        {"inner": good.inner.mask(good.inner > 1)},
        {"outer": good.outer.mask(good.outer > 1)},
        {"folds": good.folds + 1},
        {"classes": good.classes.iloc[::-1]},
    ):
        parts = {name: getattr(good, name) for name in ("folds", "inner", "outer", "classes")}
        with pytest.raises(PlanError) as caught:
            FoldScores(**(parts | change))
        assert caught.value.code == "TABLE_MISMATCH"
    with pytest.raises(PlanError, match="no score"):
        good.of(pd.Index(["nobody"]))
