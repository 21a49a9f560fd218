"""Shifts of prevalence: the published anchors, the way back, EM, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radresp.errors import InputError, PlanError
from radresp.regimen import Counted, estimate_prevalence, posterior, shift, shift_prevalence

SHARES = st.floats(0.02, 0.98)


@pytest.mark.parametrize(
    ("p", "before", "after", "expected"),
    [  # clinical.md 4.4 and 4.5
        (0.10, 0.10, 0.342, 0.342),
        (0.30, 0.10, 0.342, 0.667),
        (0.50, 0.10, 0.342, 0.824),
        (0.70, 0.10, 0.342, 0.916),
        (0.90, 0.10, 0.342, 0.977),
        (0.50, 0.342, 0.10, 0.176),
        (0.90, 0.342, 0.10, 0.658),
    ],
)
def test_published_anchors(p: float, before: float, after: float, expected: float) -> None:
    assert shift_prevalence(p, before, after) == pytest.approx(expected, abs=6e-4)


@given(SHARES, SHARES, SHARES)
def test_there_and_back_is_where_it_was_and_order_is_kept(p: float, a: float, b: float) -> None:
    there = float(shift_prevalence(p, a, b))
    assert shift_prevalence(there, b, a) == pytest.approx(p)
    assert (there >= p) == (b >= a) or there == pytest.approx(p)


def test_the_uncertainty_of_the_rate_travels_on() -> None:
    few, many = (posterior([Counted(k, n)]) for k, n in ((5, 15), (250, 750)))
    wide, narrow = (
        shift(0.5, 0.1, rate, endpoint="CR", rate_endpoint="CR") for rate in (few, many)
    )
    assert wide.high - wide.low > 3 * (narrow.high - narrow.low)
    assert wide.low < wide.after < wide.high
    assert "look the same" in wide.assumption


def test_endpoints_are_never_mixed() -> None:
    with pytest.raises(PlanError) as caught:
        shift(0.5, 0.1, posterior([Counted(5, 15)]), endpoint="pCR", rate_endpoint="cCR")
    assert caught.value.code == "ENDPOINT_MIXED"


def calibrated(prevalence: float, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Outcomes, and probabilities that are calibrated at one half."""
    rng = np.random.default_rng(seed)
    y = rng.random(n) < prevalence
    odds = np.exp(rng.normal(np.where(y, 1, -1), np.sqrt(2)))
    return y, odds / (1 + odds)


def test_em_finds_the_prevalence_and_its_interval_holds_it() -> None:
    held = 0
    for seed in range(20):
        _, p = calibrated(0.3, 100, seed)
        found = estimate_prevalence(p, 0.5, seed=seed)
        held += found.low <= 0.3 <= found.high
    assert held >= 16  # of 20 intervals of 95 %; fewer in 3 of 1,000 runs
    y, p = calibrated(0.8, 20_000, 1)
    found = estimate_prevalence(p, 0.5)
    assert found.prevalence == pytest.approx(0.8, abs=0.01)
    assert found.p.mean() == pytest.approx(y.mean(), abs=0.01)


@pytest.mark.parametrize(("p", "before"), [([1.2], 0.5), ([0.5], 0.0), ([np.nan], 0.5), ([], 0.5)])
def test_what_is_no_probability_is_refused(p: list[float], before: float) -> None:
    with pytest.raises(InputError):
        estimate_prevalence(p, before)
