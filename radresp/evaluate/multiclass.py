"""Figures of a classifier of several outcomes: log-loss, and each outcome against the rest.

Source: the log-loss is the mean negative log-likelihood (Good 1952). For radresp the comparison
that matters is complete response against residual tumour; the kinds of complete response are
reported beside it, never mixed into it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from radresp.errors import InputError
from radresp.evaluate.auc import auc, auc_bootstrap
from radresp.evaluate.calibration import NEAREST
from radresp.evaluate.entries import entry, number, withheld
from radresp.evaluate.pairs import Floats
from radresp.evaluate.summary import Describe, describe


def multiclass_log_loss(index: ArrayLike, p: ArrayLike) -> float:
    """Mean negative log-probability of the true class, in nats.

    Parameters
    ----------
    index : array-like of shape (n,)
        Column of the true class of each case.
    p : array-like of shape (n, classes)
        Probabilities, each row summing to 1.

    Raises
    ------
    InputError
        ``SCORE_INVALID`` when rows do not sum to 1 or leave [0, 1].
    """
    table, column = np.asarray(p, float), np.asarray(index, int)
    valid = table.ndim == 2 and column.shape == table.shape[:1] and table.size > 0
    if not valid or not _rows_are_probabilities(table):
        raise InputError(
            "SCORE_INVALID", "the class table is not one of probabilities", expected="rows sum to 1"
        )
    true = np.clip(table[np.arange(column.size), column], NEAREST, 1.0)
    return float(-np.log(true).mean())


def describe_classes(
    labels: Sequence[str],
    p: ArrayLike,
    classes: Sequence[str],
    groups: ArrayLike | None = None,
    *,
    residual: str = "residual",
    seed: int,
    repeats: int = 2000,
    settings: Describe | None = None,
) -> dict[str, Any]:
    """Figures of a classifier of two or three outcomes.

    Parameters
    ----------
    labels : sequence of str, length n
        True class of each case.
    p : array-like of shape (n, classes)
        Probabilities, rows summing to 1.
    classes : sequence of str
        Names of the columns.
    groups : array-like of shape (n,), optional
        Patient of each case.
    residual : str
        The class that is not a complete response.
    seed, repeats, settings
        As in :func:`describe`.

    Returns
    -------
    dict
        ``complete_versus_residual`` holds :func:`describe` of the event "anything but residual";
        ``log_loss`` is over all classes; ``one_versus_rest`` gives each class's AUC with its
        bootstrap interval.

    Raises
    ------
    InputError
        ``LABEL_UNKNOWN`` for a label that is no column, ``SCORE_INVALID`` for unusable numbers.
    """
    table, names = np.asarray(p, float), list(classes)
    unknown = sorted(set(labels) - set(names)) or ({residual} - set(names))
    if unknown:
        raise InputError(
            "LABEL_UNKNOWN", f"no column for {min(unknown)}", expected=", ".join(names)
        )
    index = np.array([names.index(label) for label in labels], dtype=int)
    loss = multiclass_log_loss(index, table)
    chosen = settings or Describe()
    k = names.index(residual)
    event = (index != k).astype(float)
    # 1 - p may leave [0, 1] by rounding when p came from a renormalised row.
    complete = np.clip(1.0 - table[:, k], 0.0, 1.0)
    return {
        "n": len(index),
        "counts": {name: int((index == i).sum()) for i, name in enumerate(names)},
        "log_loss": number(loss),
        "complete_versus_residual": describe(
            event, complete, groups, seed=seed, repeats=repeats, settings=settings
        ),
        "one_versus_rest": {
            name: _class_auc(index == i, table[:, i], groups, seed, repeats, chosen)
            for i, name in enumerate(names)
        },
    }


def _class_auc(
    event: np.ndarray,
    p: Floats,
    groups: ArrayLike | None,
    seed: int,
    repeats: int,
    chosen: Describe,
) -> dict[str, Any]:
    ends = auc_bootstrap(event, p, groups, seed=seed, repeats=repeats, level=chosen.level)
    counts = {"n": int(event.size), "events": int(event.sum())}
    figure = entry(auc(event, p), ends, counts, "patient bootstrap", "auc")
    return withheld(figure, counts, chosen.minimum_events, "an AUC")


def _rows_are_probabilities(table: Floats) -> bool:
    finite = bool(np.isfinite(table).all())
    inside = finite and bool(((table >= 0) & (table <= 1)).all())
    return inside and bool(np.allclose(table.sum(axis=1), 1.0, atol=1e-6))
