"""Intraclass correlations: the published table, what they mean, and what has none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radresp.evaluate import agreement

SHROUT_FLEISS = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float
)
"""Shrout and Fleiss 1979, table 2: six targets, four judges."""


def test_the_published_table_and_its_intervals() -> None:
    # Estimates: Shrout and Fleiss, table 4. Intervals: R package psych 2.4, ICC(), same data.
    found = agreement(SHROUT_FLEISS[:, :, None]).icc
    assert found["icc_1_1"][:, 0] == pytest.approx([0.165742, -0.1329, 0.7226], abs=1e-4)
    assert found["icc_2_1"][:, 0] == pytest.approx([0.289764, 0.0188, 0.7611], abs=1e-4)
    assert found["icc_3_1"][:, 0] == pytest.approx([0.714841, 0.3425, 0.9459], abs=1e-4)


def test_a_constant_bias_of_a_reader_is_disagreement_but_not_inconsistency() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 3, 40)
    noise = rng.normal(0, 0.1, (40, 2))
    found = agreement((truth[:, None] + noise + [0, 6])[:, :, None]).icc
    assert found["icc_3_1"][0, 0] > 0.99
    assert found["icc_2_1"][0, 0] < 0.5


def test_the_interval_of_pure_repeats_holds_its_level() -> None:
    # ICC 0.8: between-case variance 4, within 1; 20 cases, 5 repeats, 2,000 features.
    rng = np.random.default_rng(1)
    ratings = 2 * rng.standard_normal((20, 1, 2000)) + rng.standard_normal((20, 5, 2000))
    _, low, high = agreement(ratings).icc["icc_1_1"]
    covered = float(np.mean((low <= 0.8) & (high >= 0.8)))
    assert abs(covered - 0.95) < 3 * np.sqrt(0.95 * 0.05 / 2000)


def test_identical_repeats_agree_fully_and_a_constant_has_no_agreement() -> None:
    same = np.repeat(np.arange(5.0)[:, None, None], 3, axis=1)
    constant = np.ones((5, 3, 1))
    found = agreement(np.concatenate([same, constant], axis=2))
    for values in found.icc.values():
        assert values[:, 0] == pytest.approx([1, 1, 1])
        assert np.isnan(values[:, 1]).all()
    assert found.within_sd[0] == 0


def test_a_case_with_a_gap_counts_for_that_feature_alone() -> None:
    rng = np.random.default_rng(2)
    ratings = rng.normal(size=(8, 3, 2))
    ratings[3, 1, 0] = np.nan
    found = agreement(ratings)
    alone = agreement(np.delete(ratings, 3, axis=0))
    assert found.cases.tolist() == [7, 8]
    assert found.icc["icc_1_1"][:, 0] == pytest.approx(alone.icc["icc_1_1"][:, 0])


def test_one_case_has_no_agreement_but_a_spread() -> None:
    found = agreement(np.array([[[1.0], [2.0], [3.0]]]))
    assert np.isnan(found.icc["icc_1_1"]).all()
    assert found.within_sd == pytest.approx([1.0])


@pytest.mark.parametrize("shape", [(4, 3), (4, 1, 2)])
def test_what_is_not_repeated_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected"):
        agreement(np.zeros(shape))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 50), st.floats(-100, 100))
def test_unit_and_offset_do_not_matter(seed: int, scale: float, offset: float) -> None:
    ratings = np.random.default_rng(seed).normal(size=(6, 4, 3))
    before, after = agreement(ratings).icc, agreement(ratings * scale + offset).icc
    for form, values in before.items():
        assert after[form] == pytest.approx(values, abs=1e-6)
        assert (values[1] <= values[0] + 1e-12).all()
        assert (values[0] <= values[2] + 1e-12).all()
