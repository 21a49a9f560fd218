"""The same figures in each subgroup: regimen, scanner, kind of reference.

Source: TRIPOD+AI (BMJ 2024;385:e078378), items on heterogeneity and fairness. Subgroups are small:
read their intervals. No test of a difference is made here, since among many subgroups one differs
by chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from radresp.errors import InputError
from radresp.evaluate.auc import auc
from radresp.evaluate.calibration import brier, observed_expected
from radresp.evaluate.entries import entry, number, withheld
from radresp.evaluate.intervals import Metric, bootstrap_values, percentile_interval, together
from radresp.evaluate.pairs import Floats, check_probabilities

NOT_STATED = "not stated"
_METRICS: dict[str, Metric] = {"observed_expected": observed_expected, "brier": brier, "auc": auc}


def describe_groups(
    y: ArrayLike,
    p: ArrayLike,
    labels: Sequence[Any],
    groups: ArrayLike | None = None,
    *,
    seed: int,
    repeats: int = 500,
    minimum: int = 5,
    level: float = 0.95,
) -> list[dict[str, Any]]:
    """Calibration and discrimination of a probability in each subgroup.

    Parameters
    ----------
    y : array-like of shape (n,)
        1 where the event happened, 0 where not.
    p : array-like of shape (n,)
        Probability of the event, in [0, 1].
    labels : sequence of length n
        Subgroup of each case. None, NaN and blank text are "not stated".
    groups : array-like of shape (n,), optional
        Patient of each case.
    seed : int
        Makes the bootstrap repeatable; other subgroups do not move the figures of one.
    repeats : int
        Bootstrap draws of patients within the subgroup.
    minimum : int
        Events, and non-events, an AUC asks for.
    level : float
        Confidence level, in (0, 1).

    Returns
    -------
    list of dict
        JSON-ready; numbers in order, then text, "not stated" last. Each has ``value`` (text),
        ``n``, ``patients``, ``events``, ``prevalence``, ``mean_p``, and the figures
        ``observed_expected``, ``brier`` and ``auc`` with ``value``, ``low``, ``high``, ``reason``.

    Raises
    ------
    InputError
        ``SCORE_INVALID`` or ``LABEL_UNKNOWN`` for unusable numbers or unequal lengths.

    Examples
    --------
    >>> rows = describe_groups([1, 0, 1], [0.8, 0.3, 0.6], ["3", "1.5", None], seed=1, repeats=20)
    >>> [row["value"] for row in rows], rows[0]["auc"]["reason"]
    (['1.5', '3', 'not stated'], '0 events; an AUC asks for 5 of each')
    """
    pairs = check_probabilities(y, p)
    named = np.array([_text(label) for label in labels], dtype=object)
    patients = np.arange(pairs.y.size) if groups is None else np.asarray(groups)
    if named.shape != pairs.y.shape or patients.shape != pairs.y.shape:
        raise InputError(
            "SCORE_INVALID",
            f"{named.size} labels and {patients.size} patients for {pairs.y.size} cases",
            expected="one each",
        )
    rows = []
    for value in sorted(set(named), key=_order):
        inside = named == value
        figures = _figures(
            pairs.y[inside], pairs.p[inside], patients[inside], seed, repeats, minimum, level
        )
        rows.append({"value": value, **figures})
    return rows


def _figures(
    y: Floats,
    p: Floats,
    patients: np.ndarray,
    seed: int,
    repeats: int,
    minimum: int,
    level: float,
) -> dict[str, Any]:
    counts = {"n": int(y.size), "events": int(y.sum())}
    metric = together(_METRICS.values())
    values = bootstrap_values(metric, y, p, patients, seed=seed, repeats=repeats)
    found = {
        name: entry(
            float(metric(y, p)), percentile_interval(row, level), counts, "patient bootstrap", name
        )
        for (name, metric), row in zip(_METRICS.items(), values, strict=True)
    }
    found["auc"] = withheld(found["auc"], counts, minimum, "an AUC")
    return {
        **counts,
        "patients": int(np.unique(patients).size),
        "prevalence": number(y.mean()),
        "mean_p": number(p.mean()),
        **found,
    }


def _text(label: Any) -> str:
    missing = label is None or (isinstance(label, float) and np.isnan(label))
    return NOT_STATED if missing else str(label).strip() or NOT_STATED


def _order(value: str) -> tuple[int, float, str]:
    if value == NOT_STATED:
        return (2, 0.0, "")
    try:
        return (0, float(value), value)
    except ValueError:
        return (1, 0.0, value)
