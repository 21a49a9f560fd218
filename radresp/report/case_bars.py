"""Bars of a case page: where lengths and places come from, for drawings without a script."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

_STRIP_ENDS = 0.2
"""Share of a strip on either side of the 5 and 95 % training quantiles."""


class Part(NamedTuple):
    """A stretch of a bar, its ends as per cent of the whole."""

    kind: str
    start: float
    width: float


class TissueBar(NamedTuple):
    """What a visit's outline is made of; without parts, why that is not known."""

    visit: str
    parts: tuple[Part, ...]
    absent: str


class Driver(NamedTuple):
    """One feature that moved the answer.

    Parameters
    ----------
    name : str
        Its column.
    towards : str
        Which outcome it speaks for.
    start, width : float
        Its bar, per cent; the middle is no effect, right is towards residual tumour.
    place, median : float
        Of the case's value and of the training median on a strip, per cent; the training 5 and
        95 % quantiles lie at 20 and 80.
    outside : bool
        Whether the value lies beyond them.
    """

    name: str
    towards: str
    start: float
    width: float
    place: float
    median: float
    outside: bool


def tissue_bars(tissue_ml: Mapping[str, Mapping[str, Any]]) -> list[TissueBar]:
    """The bars of both visits.

    Examples
    --------
    >>> tissue_bars({"post": {"scar": 3.0, "bright": 1.0}})[0].parts[1]
    Part(kind='bright', start=75.0, width=25.0)
    """
    bars = []
    for visit, found in tissue_ml.items():
        if "absent" in found:
            bars.append(TissueBar(visit, (), str(found["absent"])))
            continue
        whole = sum(found.values())
        parts, start = [], 0.0
        for kind, ml in found.items():
            width = round(100 * ml / whole, 2) if whole else 0.0
            parts.append(Part(kind, round(start, 2), width))
            start += width
        bars.append(TissueBar(visit, tuple(parts), "" if whole else "the outline is empty"))
    return bars


def drivers(score: Mapping[str, Any]) -> list[Driver]:
    """The features that drove a score, the strongest first."""
    rows = score.get("drivers") or []
    most = max((abs(row["contribution"]) for row in rows), default=0.0) or 1.0
    return [_driver(row, most) for row in rows]


def _driver(row: Mapping[str, Any], most: float) -> Driver:
    moved = row["contribution"]
    width = round(50 * abs(moved) / most, 2)
    low, high = row.get("training_low", math.nan), row.get("training_high", math.nan)

    def place(value: float) -> float:
        if not high > low:
            return 50.0
        share = _STRIP_ENDS + (1 - 2 * _STRIP_ENDS) * (value - low) / (high - low)
        return round(100 * min(max(share, 0.02), 0.98), 2)

    return Driver(
        row["name"],
        "residual tumour" if moved > 0 else "complete response",
        50.0 if moved > 0 else 50.0 - width,
        width,
        place(row["value"]),
        place(row["training_median"]),
        row["value"] < low or row["value"] > high,
    )
