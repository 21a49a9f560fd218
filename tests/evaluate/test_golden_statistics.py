"""Hand-checked values, read from a data file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from radresp.evaluate import (
    brier,
    compare_auc,
    delong,
    net_benefit,
    treat_all,
    wilson_interval,
)

GOLDEN: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "golden" / "statistics.json").read_text()
)


def measured() -> dict[str, float]:
    y, a, b = GOLDEN["y"], GOLDEN["a"], GOLDEN["b"]
    areas, covariance = delong(y, [a, b])
    comparison = compare_auc(y, a, b)
    low, high = wilson_interval(8, 10)
    return {
        "auc_a": areas[0],
        "auc_b": areas[1],
        "variance_a": covariance[0, 0],
        "variance_b": covariance[1, 1],
        "covariance": covariance[0, 1],
        "z": comparison.z,
        "p_value": comparison.p_value,
        "brier_a": brier(y, a),
        "net_benefit_a_20": net_benefit(y, a, 0.2),
        "treat_all_20": treat_all(y, 0.2),
        "net_benefit_a_50": net_benefit(y, a, 0.5),
        "treat_all_50": treat_all(y, 0.5),
        "wilson_low_8_of_10": low,
        "wilson_high_8_of_10": high,
    }


@pytest.mark.parametrize("anchor", GOLDEN["values"], ids=lambda anchor: anchor["name"])
def test_anchor(anchor: dict[str, Any]) -> None:
    assert measured()[anchor["name"]] == pytest.approx(anchor["value"], abs=anchor["tolerance"])
