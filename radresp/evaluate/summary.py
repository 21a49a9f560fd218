"""Everything a reviewer asks about one set of probabilities, in one JSON-ready dictionary.

Source: TRIPOD+AI (BMJ 2024;385:e078378) asks for discrimination, calibration and utility together
with their uncertainty. Every figure carries its interval, its number of cases and events, and,
where it does not exist, ``null`` and the reason. Intervals are patient-bootstrap percentiles
unless the entry's ``method`` says otherwise.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field

from radresp.core import Settings
from radresp.evaluate import calibration as cal
from radresp.evaluate import utility
from radresp.evaluate.auc import auc, auc_interval, average_precision
from radresp.evaluate.calibration_curve import calibration_curve
from radresp.evaluate.entries import entry, number, proportion, withheld
from radresp.evaluate.intervals import Metric, bootstrap_values, percentile_interval, together
from radresp.evaluate.pairs import Floats, check_probabilities


class Describe(Settings):
    """What :func:`describe` reports."""

    level: float = Field(0.95, gt=0.5, lt=1, description="Confidence level of all intervals.")
    bins: int = Field(10, ge=2, le=50, description="Quantile bins of the calibration table.")
    thresholds: tuple[Annotated[float, Field(ge=0, le=1)], ...] = Field(
        (0.5, 0.6, 0.7, 0.8, 0.9),
        max_length=50,
        description="Probabilities at which sensitivity and the like are given, each in [0, 1].",
    )
    curve: tuple[Annotated[float, Field(ge=0, lt=1)], ...] = Field(
        tuple(round(0.05 * k, 2) for k in range(1, 20)),
        max_length=200,
        description="Thresholds of the decision curve, each in [0, 1).",
    )
    specificity: float = Field(
        0.9, ge=0, le=1, description="Specificity at which sensitivity is given."
    )
    sensitivity: float = Field(
        0.95, ge=0, le=1, description="Sensitivity at which specificity is given."
    )
    calibration_points: int = Field(
        50, ge=2, le=500, description="Points of the smooth calibration curve."
    )
    minimum_events: int = Field(
        0,
        ge=0,
        description="Events, and non-events, below which figures of discrimination are withheld.",
    )


def describe(
    y: ArrayLike,
    p: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    seed: int,
    repeats: int = 2000,
    settings: Describe | None = None,
) -> dict[str, Any]:
    """Discrimination, calibration and utility of a probability, with intervals.

    Parameters
    ----------
    y : array-like of shape (n,)
        1 where the event happened, 0 where not.
    p : array-like of shape (n,)
        Probability of the event, in [0, 1].
    groups : array-like of shape (n,), optional
        Patient of each case; whole patients are drawn by the bootstrap.
    seed : int
        Makes the bootstrap repeatable.
    repeats : int
        Number of bootstrap draws.
    settings : Describe, optional
        Levels, bins and thresholds.

    Returns
    -------
    dict
        JSON-ready. Each figure is ``{"value", "low", "high", "n", "events", "method", "reason"}``;
        value and ends are None where they do not exist or are withheld, and ``reason`` says why.
        ``calibration_curve`` holds ``points`` (``predicted``, ``observed``, ``low``, ``high``;
        none where there is no curve), ``ici``, ``e50``, ``e90`` and ``ici_by_chance``.

    Raises
    ------
    InputError
        ``SCORE_INVALID`` or ``LABEL_UNKNOWN`` for unusable numbers. One class alone is no error.

    Examples
    --------
    >>> figures = describe([1, 1, 0, 0, 0], [0.9, 0.4, 0.6, 0.2, 0.1], seed=1, repeats=50)
    >>> round(figures["auc"]["value"], 3), figures["auc"]["events"]
    (0.833, 2)
    """
    chosen = settings or Describe()
    pairs = check_probabilities(y, p)
    patients = np.arange(pairs.y.size) if groups is None else np.asarray(groups)
    counts = {"n": int(pairs.y.size), "events": int(pairs.y.sum())}
    result: dict[str, Any] = {
        **counts,
        "patients": int(np.unique(patients).size),
        "prevalence": number(pairs.y.mean()) if pairs.y.size else None,
        "level": chosen.level,
        "repeats": repeats,
        "seed": seed,
    }
    for name, (value, values) in _figures(
        pairs.y, pairs.p, patients, seed, repeats, chosen
    ).items():
        ends = percentile_interval(values, chosen.level)
        result[name] = entry(value, ends, counts, "patient bootstrap", name)
    result["ece"] = _widened(result["ece"])
    value = auc(pairs.y, pairs.p)
    ends = auc_interval(pairs.y, pairs.p, chosen.level)
    result["auc_delong"] = entry(value, ends, counts, "DeLong, logit scale", "auc")
    result["calibration_curve"] = _curve(pairs.y, pairs.p, patients, seed, repeats, chosen)
    result |= _tables(pairs.y, pairs.p, chosen)
    return result | {
        name: withheld(result[name], counts, chosen.minimum_events, what)
        for name, what in _DISCRIMINATION.items()
    }


def _figures(
    y: Floats, p: Floats, patients: np.ndarray, seed: int, repeats: int, chosen: Describe
) -> dict[str, tuple[float, Floats]]:
    """Each figure's value and its bootstrap values."""
    if y.size == 0:
        return dict.fromkeys([*_METRICS, *_LINE, "ece"], (np.nan, np.array([])))
    metrics: dict[str, Metric] = _METRICS | {"ece": partial(cal.ece, bins=chosen.bins)}
    metric = together([*metrics.values(), _line])
    values = bootstrap_values(metric, y, p, patients, seed=seed, repeats=repeats)
    found = [*(float(metric(y, p)) for metric in metrics.values()), *_line(y, p)]
    return dict(zip((*metrics, *_LINE), zip(found, values, strict=True), strict=True))


def _line(y: ArrayLike, p: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    return np.array(cal.calibration_line(y, p, weights))


_LINE = ("calibration_slope", "calibration_intercept")
_METRICS: dict[str, Metric] = {
    "auc": auc,
    "average_precision": average_precision,
    "brier": cal.brier,
    "scaled_brier": cal.scaled_brier,
    "log_loss": cal.log_loss,
    "calibration_in_the_large": cal.calibration_in_the_large,
    "observed_expected": cal.observed_expected,
}


def _widened(entry: dict[str, Any]) -> dict[str, Any]:
    """The ECE's entry with ends that hold its value: resampling adds to its upward bias."""
    if None in (entry["value"], entry["low"]):
        return entry
    ends = {
        "low": min(entry["low"], entry["value"]),
        "high": max(entry["high"], entry["value"]),
        "method": "patient bootstrap, widened to hold the value",
    }
    return entry | ends | {"reason": "" if entry["n"] >= _ECE_CASES else _ECE_BIAS}


_ECE_CASES = 200
_ECE_BIAS = f"biased upwards below about {_ECE_CASES} cases; read it with its bins"


_DISCRIMINATION = {
    "auc": "an AUC",
    "auc_delong": "an AUC",
    "average_precision": "average precision",
    "sensitivity_at_specificity": "a sensitivity at a chosen specificity",
    "specificity_at_sensitivity": "a specificity at a chosen sensitivity",
}


def _curve(
    y: Floats, p: Floats, patients: np.ndarray, seed: int, repeats: int, chosen: Describe
) -> dict[str, Any]:
    curve = calibration_curve(
        y,
        p,
        patients,
        seed=seed,
        repeats=repeats,
        points=chosen.calibration_points,
        level=chosen.level,
    )
    rows = [{k: number(v) for k, v in point._asdict().items()} for point in curve.points]
    return {
        "points": rows,
        **{name: number(getattr(curve, name)) for name in ("ici", "e50", "e90", "ici_by_chance")},
        "n": int(y.size),
        "events": int(y.sum()),
        "repeats": curve.draws,
        "method": "local linear, tricube, nearest 75 %; pointwise patient bootstrap",
        "reason": curve.reason,
    }


def _tables(y: Floats, p: Floats, chosen: Describe) -> dict[str, Any]:
    return {
        "sensitivity_at_specificity": {
            "specificity": chosen.specificity,
            **proportion(
                utility.sensitivity_at_specificity(y, p, chosen.specificity, chosen.level)
            ),
        },
        "specificity_at_sensitivity": {
            "sensitivity": chosen.sensitivity,
            **proportion(
                utility.specificity_at_sensitivity(y, p, chosen.sensitivity, chosen.level)
            ),
        },
        "thresholds": [
            {
                "threshold": at.threshold,
                **{name: proportion(getattr(at, name)) for name in at._fields[1:]},
            }
            for at in (utility.at_threshold(y, p, t, chosen.level) for t in chosen.thresholds)
        ],
        "decision_curve": [
            {name: number(value) for name, value in point._asdict().items()}
            for point in utility.decision_curve(y, p, chosen.curve)
        ],
        "calibration_bins": [
            {name: number(value) for name, value in row._asdict().items()}
            for row in cal.calibration_bins(y, p, chosen.bins, chosen.level)
        ],
    }
