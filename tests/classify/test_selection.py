"""Columns are chosen by the fold's own numbers alone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import f_oneway
from sklearn.utils.estimator_checks import check_estimator

from radresp.classify import Auto, ElasticNet
from radresp.classify.selection import ColumnSelector, anova_f, fit_front
from radresp.errors import CohortError

RNG = np.random.default_rng(0)
LABELS = np.repeat([0, 1, 2], 20)


def test_f_is_that_of_scipy() -> None:
    x = RNG.normal(size=(60, 5)) + LABELS[:, None] * np.arange(5)
    expected = [f_oneway(*(x[k == LABELS, j] for k in range(3))).statistic for j in range(5)]
    assert anova_f(x, LABELS) == pytest.approx(expected)


def test_strong_columns_first_and_copies_once() -> None:
    x = RNG.normal(size=(60, 6))
    x[:, 2] += 2 * LABELS
    x[:, 4] = 3 * x[:, 2] + 0.01 * RNG.normal(size=60)
    x[:, 5] += LABELS
    kept = ColumnSelector(features=2).fit(x, LABELS).get_support()
    assert np.flatnonzero(kept).tolist() in ([2, 5], [4, 5])
    assert ColumnSelector(features=3, max_correlation=1).fit(x, LABELS).get_support()[[2, 4]].all()


def test_constant_and_gappy_columns_are_left_out() -> None:
    x = RNG.normal(size=(60, 4)) + LABELS[:, None]
    x[:, 0] = 7.0
    x[:7, 1] = np.nan
    x[:5, 2] = np.nan
    selector = ColumnSelector(features=4, max_correlation=1.0).fit(x, LABELS)
    assert selector.get_support().tolist() == [False, False, True, True]
    assert selector.constant_.tolist() == [True, False, False, False]
    x[:] = np.nan
    with pytest.raises(CohortError) as caught:
        ColumnSelector().fit(x, LABELS)
    assert caught.value.code == "NO_FEATURES"


def test_scale_of_a_column_does_not_matter() -> None:
    x = RNG.normal(size=(60, 8)) + 0.5 * LABELS[:, None]
    scaled = x * 10.0 ** np.arange(-6, 10, 2) + 100
    first = ColumnSelector(features=3).fit(x, LABELS).get_support()
    assert np.array_equal(first, ColumnSelector(features=3).fit(scaled, LABELS).get_support())


def test_front_fills_gaps_with_the_training_median_and_scales() -> None:
    x = RNG.normal(5, 2, size=(60, 1))
    steps, _ = fit_front(ElasticNet(), 1, "selected", x, LABELS, ("f",))
    gap = steps.transform(np.array([[np.nan]]))
    assert gap == pytest.approx(steps.transform(np.array([[np.median(x)]])))
    z = steps.transform(x)
    assert (z.mean(), z.std()) == (pytest.approx(0, abs=1e-12), pytest.approx(1))


def test_prespecified_columns_share_half_of_the_prior_variance() -> None:
    x = RNG.normal(size=(60, 12))
    names = ("response.a", "response.b", *(f"f{i}" for i in range(10)))
    steps, z = fit_front(Auto(), 0, "ranks", x, LABELS, names)
    variance = z.var(axis=0)
    assert variance[:2].sum() == pytest.approx(6)
    assert variance[2:].sum() == pytest.approx(6)
    assert steps.transform(x) == pytest.approx(z)
    _, plain = fit_front(Auto(prespecified_share=None), 0, "ranks", x, LABELS, names)
    assert plain.var(axis=0) == pytest.approx(np.ones(12))
    _, alone = fit_front(Auto(), 0, "ranks", x[:, :2], LABELS, names[:2])
    assert alone.var(axis=0) == pytest.approx(np.ones(2))


def test_the_selector_keeps_scikit_learns_promises() -> None:
    # The check below fits data of pure repeats, in which no column varies; refusing is right here.
    check_estimator(
        ColumnSelector(),
        expected_failed_checks={"check_fit2d_1sample": "one sample has no varying column"},
        on_skip=None,
    )
