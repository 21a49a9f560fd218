"""Conformal p-values: what is promised for each outcome apart, and how it is kept."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logit

from radresp.classify.conformal import Mondrian


def simulated(rng: np.random.Generator, n: int, prevalence: float) -> tuple[np.ndarray, np.ndarray]:
    event = (rng.random(n) < prevalence).astype(int)
    return rng.normal(size=n) + 1.2 * event, event


def brute(known: np.ndarray, event: np.ndarray, score: float) -> tuple[float, float]:
    """The definition, counted one by one."""
    complete = [s >= score for s in known[event == 0]]
    residual = [s <= score for s in known[event == 1]]
    return (sum(complete) + 1) / (len(complete) + 1), (sum(residual) + 1) / (len(residual) + 1)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(4, 60))
def test_p_values_are_counted_shares(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    event = np.arange(n) % 2
    known = np.round(rng.normal(size=n), 1)  # with ties
    found = Mondrian.of(known[None], event)
    for score in (-1.0, 0.0, known[0], 2.5):
        assert found.p_values(np.array([score]))[0] == pytest.approx(brute(known, event, score))


def test_repeats_count_once() -> None:
    rng = np.random.default_rng(0)
    known, event = simulated(rng, 40, 0.4)
    once, thrice = Mondrian.of(known[None], event), Mondrian.of(np.stack([known] * 3), event)
    new = rng.normal(size=20)
    assert thrice.p_values(new) == pytest.approx(once.p_values(new))
    assert thrice.cases == once.cases == (int((1 - event).sum()), int(event.sum()))


@pytest.mark.parametrize("level", [0.05, 0.1, 0.2])
def test_each_outcome_is_covered_even_the_rare_one(level: float) -> None:
    """120 calibration cases at a prevalence of 0.2, as in clinical.md 4.4 (0.904 and 0.920)."""
    rng = np.random.default_rng(1)
    kept: list[list[bool]] = [[], []]
    for _ in range(400):
        known = Mondrian.of(*(v if i else v[None] for i, v in enumerate(simulated(rng, 120, 0.2))))
        score, event = simulated(rng, 200, 0.2)
        p = known.p_values(score)
        for side in (0, 1):
            kept[side] += (p[event == side, side] > level).tolist()
    for side in (0, 1):
        assert np.mean(kept[side]) >= 1 - level - 0.01
        assert np.mean(kept[side]) <= 1 - level + 0.04


def test_an_outcome_with_too_few_cases_is_never_ruled_out() -> None:
    known = Mondrian.of(np.linspace(-3, 3, 30)[None], (np.arange(30) >= 12).astype(int))
    assert known.cases == (12, 18)
    p = known.p_values(np.array([-99.0, 99.0]))
    assert p[0, 1] == pytest.approx(1 / 19)
    assert p[0, 1] > 0.05
    assert p[1, 0] == pytest.approx(1 / 13)


def test_kept_whole_in_a_record_and_refused_when_damaged() -> None:
    known = Mondrian.of(logit(np.linspace(0.05, 0.95, 20))[None], np.arange(20) % 2)
    again = Mondrian.restored(known.record())
    assert (again.complete == known.complete).all()
    assert again.named(0.3) == known.named(0.3)
    for bad in ({"repeats": 0}, {"complete": []}, {"residual": [2.0, 1.0]}, {"residual": [None]}):
        with pytest.raises((ValueError, TypeError)):
            Mondrian.restored(known.record() | bad)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(6, 80), st.sampled_from([0.05, 0.1, 0.2, 0.35]))
def test_thresholds_say_the_same_as_p_values(seed: int, n: int, level: float) -> None:
    rng = np.random.default_rng(seed)
    event = np.arange(n) % 2
    found = Mondrian.of(rng.normal(size=(2, n)) + event, event)
    highest, lowest = found.thresholds(level, level)
    for score in np.concatenate([found.complete, found.residual, [-99.0, 99.0]]):
        p = found.p_values(np.array([score]))[0]
        assert (p[0] <= level + 1e-9) == (highest is not None and score > highest)
        assert (p[1] <= level + 1e-9) == (lowest is not None and score < lowest)
