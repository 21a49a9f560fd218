from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from radresp.evaluate import roc_band, roc_points


def cohort(n: int, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.4).astype(int)
    return y, np.round(rng.normal(size=n) + y, 1)


def band(y: Any, score: Any, groups: Any = None, **more: Any) -> np.ndarray:
    found = roc_band(y, score, groups, **{"seed": 1, "repeats": 200} | more)
    return np.array([list(point.values()) for point in found["points"]]).T


def test_the_curve_lies_in_its_band() -> None:
    y, score = cohort(200)
    at, low, high = band(y, score)
    curve = np.array([list(point.values()) for point in roc_points(y, score)]).T
    read = np.interp(at, *curve)
    assert np.all((low <= read + 0.05) & (read <= high + 0.05))
    assert np.all(np.diff(low) >= 0)
    assert np.all(np.diff(high) >= 0)


def test_more_patients_give_a_narrower_band() -> None:
    few, many = (np.subtract(*band(*cohort(n))[[2, 1]]).mean() for n in (60, 600))
    assert many < 0.6 * few


def test_the_same_patients_twice_are_no_more_patients() -> None:
    y, score = cohort(60)
    twice = band(np.tile(y, 2), np.tile(score, 2), np.tile(np.arange(60), 2))
    assert twice == pytest.approx(band(y, score, np.arange(60)))


def test_only_the_order_of_the_scores_counts() -> None:
    y, score = cohort(80)
    assert band(y, np.exp(score)) == pytest.approx(band(y, score))


@pytest.mark.parametrize(
    ("y", "groups", "why"),
    [([1, 1, 1], None, "one class"), ([0, 1, 1], ["a"] * 3, "one patient")],
)
def test_no_band_has_a_reason(y: list[int], groups: Any, why: str) -> None:
    found = roc_band(y, [0.1, 0.2, 0.3], groups, seed=1, repeats=50)
    assert found["points"] == []
    assert why in found["reason"]
