"""Two probabilities for the same cases: whether one is better, or it is only these patients.

Source: Efron & Tibshirani 1993. Both are judged on the same bootstrap draws of patients, so that
what is hard for both falls out of the difference. Use it for pooled cross-validated predictions
and several cases a patient; for two fixed scores on unrelated patients, DeLong's test
(:func:`radresp.evaluate.compare_auc`) gives a p value. An interval that holds 0 is no proof that
the two are equal.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from radresp.evaluate.auc import auc
from radresp.evaluate.calibration import brier, log_loss
from radresp.evaluate.entries import entry, number
from radresp.evaluate.intervals import Metric, bootstrap_values, percentile_interval, together
from radresp.evaluate.pairs import check_probabilities

_METRICS: dict[str, Metric] = {"auc": auc, "brier": brier, "log_loss": log_loss}


def compare(
    y: ArrayLike,
    p_a: ArrayLike,
    p_b: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    seed: int,
    repeats: int = 2000,
    level: float = 0.95,
) -> dict[str, Any]:
    """Paired differences ``a - b`` of AUC, Brier score and log-loss.

    Parameters
    ----------
    y : array-like of shape (n,)
        1 where the event happened, 0 where not.
    p_a, p_b : array-like of shape (n,)
        Two probabilities of the event, in [0, 1]. Leave out cases that lack either.
    groups : array-like of shape (n,), optional
        Patient of each case.
    seed : int
        Makes the bootstrap repeatable.
    repeats : int
        Bootstrap draws of patients.
    level : float
        Confidence level, in (0, 1).

    Returns
    -------
    dict
        JSON-ready. ``auc`` (more is better), ``brier`` and ``log_loss`` (less is better) each hold
        ``a``, ``b``, the difference as ``value`` with percentile ends ``low`` and ``high``, and
        ``reason`` where something does not exist.

    Raises
    ------
    InputError
        ``SCORE_INVALID`` where a probability is missing or none, ``LABEL_UNKNOWN`` for an outcome
        other than 0 and 1.

    Examples
    --------
    >>> found = compare([1, 0, 1, 0], [0.9, 0.1, 0.8, 0.3], [0.5, 0.5, 0.5, 0.5], seed=1)
    >>> found["auc"]["a"], found["auc"]["b"], found["auc"]["value"]
    (1.0, 0.5, 0.5)
    """
    a, b = check_probabilities(y, p_a), check_probabilities(y, p_b)
    patients = np.arange(a.y.size) if groups is None else np.asarray(groups)
    counts = {"n": int(a.y.size), "events": int(a.y.sum())}
    metric = together(_METRICS.values())
    # The same seed draws the same patients for both.
    draws = [
        bootstrap_values(metric, a.y, p, patients, seed=seed, repeats=repeats) for p in (a.p, b.p)
    ]
    differences = np.broadcast_to(draws[0] - draws[1], (len(_METRICS), repeats))
    figures = {}
    for (name, one), values in zip(_METRICS.items(), differences, strict=True):
        of_a, of_b = float(one(a.y, a.p)), float(one(a.y, b.p))
        ends = percentile_interval(values, level)
        difference = entry(of_a - of_b, ends, counts, "paired patient bootstrap", name)
        figures[name] = {"a": number(of_a), "b": number(of_b), **difference}
    return {
        **counts,
        "patients": int(np.unique(patients).size),
        "level": level,
        "repeats": repeats,
        "seed": seed,
        **figures,
    }
