"""What is gained by answering only where one is sure: risk against coverage.

Source: Geifman & El-Yaniv, NeurIPS 2017 (risk-coverage curve); Geifman, Uziel & El-Yaniv, ICLR 2019
(AURC: the risk of the k surest cases, averaged over k = 1 to n). Cases are accepted in order of
falling confidence. Where confidence ties, the order is chance: every figure is the expectation
over all orders of the tied cases, so a confidence that is the same for all gains nothing. The AUC
weighs tied cases by their chance to be among the accepted. Use it to show whether abstention is
worth what it costs; a confidence tuned on the same cases looks better than it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import digamma

from radresp.errors import InputError
from radresp.evaluate.auc import auc
from radresp.evaluate.entries import entry, number, too_few
from radresp.evaluate.intervals import bootstrap_values, percentile_interval, wilson_interval
from radresp.evaluate.pairs import Floats, Pairs, check_probabilities, check_scores, ratio
from radresp.evaluate.utility import check_share

COVERAGES = tuple(k / 10 for k in range(1, 11))


def risk_coverage(
    y: ArrayLike,
    p: ArrayLike,
    confidence: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    seed: int,
    repeats: int = 500,
    coverages: Sequence[float] = COVERAGES,
    threshold: float = 0.5,
    minimum: int = 1,
    level: float = 0.95,
) -> dict[str, Any]:
    """Share of wrong calls, Brier score and AUC among the surest cases.

    Parameters
    ----------
    y : array-like of shape (n,)
        1 where the event happened, 0 where not.
    p : array-like of shape (n,)
        Probability of the event, in [0, 1].
    confidence : array-like of shape (n,)
        Any finite number; higher means surer.
    groups : array-like of shape (n,), optional
        Patient of each case.
    seed : int
        Makes the bootstrap intervals repeatable.
    repeats : int
        Bootstrap draws for the AURC.
    coverages : sequence of float
        Shares of cases to accept, each in (0, 1]; rounded up to whole cases.
    threshold : float
        The event is called at or above it, in [0, 1].
    minimum : int
        Expected events, and non-events, among the accepted that an AUC asks for, 1 or more.
    level : float
        Confidence level, in (0, 1).

    Returns
    -------
    dict
        JSON-ready. ``aurc`` and ``gain`` (``random_risk`` - AURC) with intervals; ``random_risk``,
        the risk at every coverage, and the AURC, of accepting cases at random; ``best_aurc``, of
        a confidence that puts every wrong call last; ``tied``, the cases that share their
        confidence with another. Each of ``rows`` has ``coverage``, ``n`` accepted, expected
        ``events`` and ``wrong`` calls, ``risk`` with Wilson ends ``low`` and ``high``, ``brier``,
        ``auc`` and the ``reason`` where there is none.

    Raises
    ------
    InputError
        ``SCORE_INVALID`` or ``LABEL_UNKNOWN`` for unusable numbers.

    Examples
    --------
    >>> found = risk_coverage([1, 0, 1, 0], [0.9, 0.2, 0.4, 0.6], [4, 3, 2, 1], seed=1,
    ...                       coverages=(0.5, 1.0))
    >>> [row["risk"] for row in found["rows"]], found["random_risk"]
    ([0.0, 0.5], 0.5)
    """
    pairs = check_probabilities(y, p)
    sure = check_scores(y, confidence).p
    check_share("threshold", threshold)
    if not all(0 < coverage <= 1 for coverage in coverages):
        raise InputError("SCORE_INVALID", f"coverages {list(coverages)}", expected="in (0, 1]")
    n = pairs.y.size
    wrong = ((pairs.p >= threshold) != (pairs.y == 1)).astype(float)
    counts = {"n": int(n), "events": int(pairs.y.sum())}
    values = bootstrap_values(_area, wrong, sure, groups, seed=seed, repeats=repeats)
    areas = _area(wrong, sure, np.ones(n)) if n else np.full(2, np.nan)
    ends = [percentile_interval(row, level) for row in np.broadcast_to(values, (2, repeats))]
    aurc, gain = (
        entry(float(area), end, counts, "patient bootstrap", "aurc")
        for area, end in zip(areas, ends, strict=True)
    )
    return {
        **counts,
        "threshold": threshold,
        "level": level,
        "aurc": aurc,
        "gain": gain,
        "random_risk": number(wrong.mean()) if n else None,
        "best_aurc": number(_area(wrong, -wrong, np.ones(n))[0]) if n else None,
        "tied": int(sum(size for size in np.unique(sure, return_counts=True)[1] if size > 1)),
        "rows": _rows(pairs, wrong, sure, coverages if n else (), minimum, level),
    }


def _rows(
    pairs: Pairs,
    wrong: Floats,
    sure: Floats,
    coverages: Sequence[float],
    minimum: int,
    level: float,
) -> list[dict[str, Any]]:
    rows = []
    for coverage in coverages:
        accepted = max(1, int(np.ceil(coverage * sure.size - 1e-9)))
        chance = _chance(sure, accepted)
        errors, events = float(chance @ wrong), float(chance @ pairs.y)
        low, high = wilson_interval(min(errors, accepted), accepted, level)
        area, reason = _auc_of(pairs, chance, accepted, events, minimum)
        rows.append(
            {
                "coverage": float(coverage),
                "n": accepted,
                "events": events,
                "wrong": errors,
                "risk": errors / accepted,
                "low": low,
                "high": high,
                "brier": float(chance @ (pairs.p - pairs.y) ** 2) / accepted,
                "auc": number(area),
                "reason": reason,
            }
        )
    return rows


def _chance(sure: Floats, accepted: int) -> Floats:
    """Chance of each case to be among so many surest, ties in random order; sums to accepted."""
    last = np.sort(sure)[::-1][accepted - 1]
    above, tied = sure > last, sure == last
    return above + tied * ((accepted - above.sum()) / tied.sum())


def _auc_of(
    pairs: Pairs, chance: Floats, accepted: int, events: float, minimum: int
) -> tuple[float, str]:
    if min(events, accepted - events) < max(minimum, 1) - 1e-9:
        counts = {"n": accepted, "events": int(events + 1e-9)}
        return np.nan, too_few(counts, max(minimum, 1), "an AUC")
    return auc(pairs.y, pairs.p, chance), ""


def _area(wrong: ArrayLike, sure: ArrayLike, weights: ArrayLike) -> Floats:
    """AURC, and how far it lies below the overall risk, shape (2, ...).

    The j-th of T tied cases with e errors, after A cases with E errors, is expected to bring the
    risk to (E + e j / T) / (A + j); the sum over j has harmonic numbers, which are digammas.
    """
    wrong, sure, w = np.asarray(wrong), np.asarray(sure), np.asarray(weights)
    order = np.argsort(-sure, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(sure[order]) < 0])
    tied = np.add.reduceat(w[..., order], starts, axis=-1)
    errors = np.add.reduceat((w * wrong)[..., order], starts, axis=-1)
    before = tied.cumsum(axis=-1) - tied
    wrong_before = errors.cumsum(axis=-1) - errors
    harmonic = digamma(before + tied + 1) - digamma(before + 1)
    rate = np.nan_to_num(ratio(errors, tied))
    area = (wrong_before * harmonic + rate * (tied - before * harmonic)).sum(axis=-1)
    total = w.sum(axis=-1)
    return np.array([area / total, (errors.sum(axis=-1) - area) / total])
