"""Sites harmonised, shadows of the volume left out, gaps marked: from the training part alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from builders_tables import QUICK, make_table

from radresp.classify import cross_validate, fit, leave_one_site_out, predict
from radresp.classify.combat import Combat
from radresp.classify.preparation import Preparation
from radresp.classify.table import check_table
from radresp.errors import CohortError

COMBAT = QUICK.model_copy(update={"harmonise": "combat"})


def sited(n: int = 90, *, strength: float = 3.0, seed: int = 0):
    """A table from three sites, two of which shift and stretch every column."""
    x, y, groups = make_table(n=n, seed=seed)
    site = pd.Series([f"site_{i % 3}" for i in range(n)], index=x.index)
    rng = np.random.default_rng(5)
    moved = x.copy()
    for name, factor in (("site_1", 1.6), ("site_2", 0.7)):
        rows = site == name
        shift = strength * rng.normal(1.0, 0.2, x.shape[1]) * x.std()
        moved.loc[rows] = (x.loc[rows] - x.mean()) * factor + x.mean() + shift
    return moved, y, groups, site


def test_combat_takes_shift_and_scale_of_a_site_away() -> None:
    x, _, _, site = sited(n=300)
    found = Combat.of(x.to_numpy(), site.to_numpy(str))
    clean = pd.DataFrame(found.transform(x.to_numpy(), site.to_numpy(str)), x.index, x.columns)
    apart = clean.groupby(site).mean()
    assert ((apart.max() - apart.min()) / clean.std() < 0.35).all()
    before = x.groupby(site).mean()
    assert ((before.max() - before.min()) / x.std() > 1.0).all()
    spread = clean.groupby(site).std()
    assert (spread.max() / spread.min() < 1.5).all()


def test_combat_agrees_with_plain_standardisation_where_sites_are_large() -> None:
    """With thousands of cases the prior no longer matters: each site gets its own mean and SD."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(6000, 5)) * [1, 2, 3, 4, 5]
    site = np.where(np.arange(6000) < 3000, "a", "b")
    x[site == "b"] = x[site == "b"] * 2 + 7
    found = Combat.of(x, site)
    clean = found.transform(x, site)
    for name in ("a", "b"):
        z = (x[site == name] - x[site == name].mean(axis=0)) / x[site == name].std(axis=0)
        expected = z * found.spread + found.centre
        assert clean[site == name] == pytest.approx(expected, rel=0.02, abs=0.1)


def test_combat_leaves_gaps_and_unknown_sites_alone() -> None:
    x, _, _, site = sited()
    values = x.to_numpy().copy()
    values[3, 2] = np.nan
    found = Combat.of(values, site.to_numpy(str))
    other = np.where(np.arange(len(values)) == 3, "elsewhere", site.to_numpy(str))
    clean = found.transform(values, other)
    assert np.array_equal(clean[3], values[3], equal_nan=True)
    assert np.isfinite(np.delete(clean, 3, axis=0)).all()
    assert not found.knows(np.array(["elsewhere", ""])).any()
    assert found.knows(np.array(["site_1"])).all()
    one = Combat.of(values, np.full(len(values), "only"))
    assert np.array_equal(one.transform(values, other), values, equal_nan=True)


def test_nothing_of_the_test_part_is_learned() -> None:
    """Changing what is left out, its outcomes included, changes nothing that was learned."""
    x, y, groups, site = sited()
    settings = COMBAT.model_copy(update={"missing_indicators": True, "max_volume_correlation": 0.8})
    train = np.arange(len(x)) < 60
    one = check_table(x, y, groups, settings, sites=site)
    strange = x.copy()
    strange.loc[np.array(one.ids)[~train]] *= -7.0
    other = check_table(strange, y, groups, settings, sites=site)
    first, second = (Preparation.of(table, train, settings) for table in (one, other))
    assert first.record() == second.record()


def test_harmonising_helps_across_sites_and_the_model_says_when_it_cannot() -> None:
    x, y, groups, site = sited(n=150)
    seed = {"seed": 1, "sites": site}
    loss = {}
    for name, settings in (("raw", QUICK), ("combat", COMBAT)):
        found = cross_validate(x, y, groups, settings, **seed)
        event = (y.loc[found.p.index] == "residual").to_numpy()
        p = found.p["residual"].to_numpy()
        loss[name] = -np.mean(np.log(np.where(event, p, 1 - p)))
    assert loss["combat"] < loss["raw"] - 0.03
    model = fit(x, y, groups, COMBAT, endpoint="pCR", **seed)
    known, unknown = (
        predict(model, x.iloc[:1], sites=pd.Series([name], index=x.index[:1]))[0]
        for name in (site.iloc[0], "elsewhere")
    )
    assert not known.warnings
    (note,) = unknown.warnings
    assert note.code == "SITE_UNSEEN"
    assert "elsewhere" in note.found
    assert predict(model, x.iloc[:1])[0].warnings


def test_leaving_a_site_out_needs_sites() -> None:
    x, y, groups, site = sited()
    found = leave_one_site_out(x, y, groups, QUICK, seed=1, sites=site)
    assert found.p.notna().all(axis=None)
    assert (
        found.folds["repeat_1"].groupby(site.loc[found.folds.index]).nunique().tolist() == [1] * 3
    )
    for wrong, said in (
        (pd.Series("one", index=x.index), "1 site"),
        (site.where(site != "site_0", ""), "without a site"),
    ):
        with pytest.raises(CohortError, match=said):
            leave_one_site_out(x, y, groups, QUICK, seed=1, sites=wrong)
    twice = pd.Series([f"p{i // 2}" for i in range(len(x))], index=x.index)
    same = pd.Series("complete", index=x.index)
    same.iloc[:40] = "residual"
    with pytest.raises(CohortError, match="two sites"):
        leave_one_site_out(x, same, twice, QUICK, seed=1, sites=site)


def test_columns_that_follow_the_volume_are_left_out_but_not_the_volume() -> None:
    x, y, groups = make_table(n=80)
    rng = np.random.default_rng(3)
    size = np.exp(rng.normal(size=80))
    x["post.t2.bed.volumetry.volume_ml"] = size
    x["post.t2.bed.original.glrlm_RunLengthNonUniformity"] = 40 * size**2 + 0.01 * rng.random(80)
    x["response.log_bed_ml"] = np.log(size)
    model = fit(x, y, groups, QUICK, endpoint="pCR", seed=1)
    assert model.preparation.shadows == ("post.t2.bed.original.glrlm_RunLengthNonUniformity",)
    assert "post.t2.bed.original.glrlm_RunLengthNonUniformity" not in model.selected
    everything = QUICK.model_copy(update={"max_volume_correlation": 1.0})
    assert fit(x, y, groups, everything, endpoint="pCR", seed=1).preparation.shadows == ()


def test_gaps_that_tell_are_used_when_asked_for() -> None:
    x, y, groups = make_table(n=120, effect=0.0)
    rng = np.random.default_rng(4)
    gone = (y == "residual").to_numpy() & (rng.random(120) < 0.8)
    x.loc[gone, x.columns[:3]] = np.nan
    settings = QUICK.model_copy(update={"missing_indicators": True, "max_missing": 0.5})
    with_marks = cross_validate(x, y, groups, settings, seed=1)
    event = (y.loc[with_marks.p.index] == "residual").to_numpy()
    p = with_marks.p["residual"].to_numpy()
    assert p[event].mean() > p[~event].mean() + 0.3
    model = fit(x, y, groups, settings, endpoint="pCR", seed=1)
    (mark,) = model.preparation.gaps
    assert mark == f"missing.{min(x.columns[:3])}"
    assert model.preparation.gaps[mark] == tuple(sorted(x.columns[:3]))
    assert mark in model.selected
