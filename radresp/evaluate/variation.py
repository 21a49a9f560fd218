"""How much the AUC of a cross-validation depends on how the folds fell.

Source: Bengio & Grandvalet, J Mach Learn Res 2004;5:1089: no unbiased estimate of the variance of a
cross-validation exists, since the folds share their training cases. The spread over repeats is that
of the split alone, the spread over folds mostly that of few test cases; neither is a standard
error. Give them beside the bootstrap interval, not in its place.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from radresp.errors import InputError
from radresp.evaluate.auc import auc
from radresp.evaluate.entries import number
from radresp.evaluate.pairs import Floats, check_scores


def fold_variation(
    y: ArrayLike, p_per_repeat: Sequence[ArrayLike], folds_per_repeat: Sequence[ArrayLike]
) -> dict[str, Any]:
    """AUC of each repeat and of each fold of a repeated cross-validation.

    Parameters
    ----------
    y : array-like of shape (n,)
        1 where the event happened, 0 where not.
    p_per_repeat : sequence of array-like, shape (repeats, n)
        Out-of-fold predictions of each repeat.
    folds_per_repeat : sequence of array-like, shape (repeats, n)
        Name or number of the fold in which each case was predicted.

    Returns
    -------
    dict
        JSON-ready. ``repeats`` and ``folds`` each hold ``n``, the number of AUCs, their ``mean``,
        ``sd``, ``min``, ``max`` and the ``reason`` where there is none. ``repeats`` also has their
        ``values``; ``folds`` has ``left_out``, the folds with one class only, and ``reason``.

    Raises
    ------
    InputError
        ``SCORE_INVALID`` or ``LABEL_UNKNOWN`` for unusable numbers or unequal shapes.

    Examples
    --------
    >>> found = fold_variation([1, 0, 1, 0], [[0.9, 0.1, 0.4, 0.6]], [[0, 0, 1, 1]])
    >>> found["folds"]["mean"], found["folds"]["n"]
    (0.5, 2)
    """
    if len(p_per_repeat) != len(folds_per_repeat):
        raise InputError(
            "SCORE_INVALID",
            f"{len(p_per_repeat)} repeats of predictions and {len(folds_per_repeat)} of folds",
            expected="as many",
        )
    whole, parts = [], []
    for p, folds in zip(p_per_repeat, folds_per_repeat, strict=True):
        pairs, fold = check_scores(y, p), np.asarray(folds)
        if fold.shape != pairs.y.shape:
            raise InputError("SCORE_INVALID", "folds do not fit", expected="one fold a case")
        whole.append(auc(pairs.y, pairs.p))
        parts += [(pairs.y[fold == k], pairs.p[fold == k]) for k in np.unique(fold)]
    repeats = _spread(whole)
    repeats["reason"] = "" if repeats["n"] else "no repeat holds both classes"
    repeats["values"] = [number(value) for value in whole]
    return {"repeats": repeats, "folds": _of_folds(parts)}


def _of_folds(parts: list[tuple[Floats, Floats]]) -> dict[str, Any]:
    without_event = sum(1 for y, _ in parts if not y.any())
    without_other = sum(1 for y, _ in parts if y.all())
    left_out = without_event + without_other
    reason = ""
    if left_out:
        reason = (
            f"{left_out} of {len(parts)} folds have no AUC: {without_event} without an event, "
            f"{without_other} without a non-event"
        )
    return {**_spread(auc(*part) for part in parts), "left_out": left_out, "reason": reason}


def _spread(values: Iterable[float]) -> dict[str, Any]:
    found = np.array([value for value in values if np.isfinite(value)])
    n = int(found.size)
    return {
        "n": n,
        "mean": number(found.mean()) if n else None,
        "sd": number(found.std(ddof=1)) if n > 1 else None,
        "min": number(found.min()) if n else None,
        "max": number(found.max()) if n else None,
    }
