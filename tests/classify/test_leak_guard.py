"""The canary sings only when something leaks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from builders_tables import QUICK, make_table

from radresp.classify import METHODS, permute
from radresp.classify import cross_validation as outer
from radresp.errors import ExitCode, ModelError

FEW = {"outer_folds": 3, "inner_folds": 3, "repeats": 1, "inner_repeats": 1, "ensemble": 10}


@pytest.mark.parametrize("name", ["auto", "elastic_net", "mrmr"])
def test_honest_methods_find_nothing_in_shuffled_outcomes(name: str) -> None:
    x, y, groups = make_table(n=60, p=60, effect=3.0)
    settings = METHODS[name].settings(**FEW)
    found = permute(x, y, groups, settings, seed=3, permutations=3)
    assert len(set(found.aucs)) == 3
    assert found.mean < found.bound < 0.71
    assert found.mean == pytest.approx(0.5, abs=0.15)


def test_the_strength_of_the_real_signal_does_not_matter() -> None:
    x, y, groups = make_table(n=60, effect=20.0)
    assert permute(x, y, groups, QUICK, seed=1, permutations=2).mean < 0.65


def test_visits_of_a_patient_are_dealt_together() -> None:
    x, y, groups = make_table(n=30, visits=3)
    assert permute(x, y, groups, QUICK, seed=1, permutations=2).mean < 0.72


def test_a_planted_leak_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Learning from the test cases as well, the commonest of all mistakes, is caught."""
    rng = np.random.default_rng(0)
    x, y, groups = make_table(n=60, p=10)
    noise = pd.DataFrame(rng.normal(size=(60, 400)), x.index, [f"n{i:03d}" for i in range(400)])
    honest = outer.train_heads

    def leaky(method, settings, table, rows, **how):
        return honest(method, settings, table, np.ones_like(rows), **how)

    monkeypatch.setattr(outer, "train_heads", leaky)
    with pytest.raises(ModelError) as caught:
        permute(noise, y, groups, QUICK, seed=1, permutations=3)
    assert caught.value.code == "LEAK_CANARY"
    assert caught.value.exit_code is ExitCode.MODEL
    assert "shuffled outcomes" in caught.value.message


def test_choosing_features_outside_the_folds_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    _, y, groups = make_table(n=60, p=10)
    noise = pd.DataFrame(rng.normal(size=(60, 600)), y.index, [f"n{i:03d}" for i in range(600)])
    original = outer.Preparation.applied

    def applied(self, table):
        t = original(self, table)
        event = t.residual == 1
        apart = np.abs(t.x[event].mean(axis=0) - t.x[~event].mean(axis=0))
        x = t.x.copy()
        x[:, np.argsort(-apart)[8:]] = np.nan
        return outer.replace(t, x=x)

    monkeypatch.setattr(outer.Preparation, "applied", applied)
    with pytest.raises(ModelError, match="shuffled outcomes"):
        permute(noise, y, groups, QUICK, seed=1, permutations=3)
