"""Intervals: Wilson for a proportion, the patient bootstrap for everything else.

Source: Wilson 1927 (score interval, closed form); Efron & Tibshirani 1993 (percentile bootstrap).
Patients, not images, are drawn, because two visits of one patient are not two pieces of evidence.
Use the bootstrap for pooled cross-validated predictions, where DeLong's assumption of one fixed
score does not hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from radresp.errors import InputError
from radresp.evaluate.pairs import Floats

# Takes outcomes (n,), predictions (n,) and weights (repeats, n); returns (repeats,).
Metric = Callable[..., Any]
MOST_UNDEFINED = 0.1
_CELLS_AT_ONCE = 2_000_000


def wilson_interval(successes: float, total: float, level: float = 0.95) -> tuple[float, float]:
    """Wilson score interval of a proportion.

    Parameters
    ----------
    successes, total : float
        Counts, 0 <= successes <= total; an expected count may be fractional.
    level : float
        Confidence level, in (0, 1).

    Returns
    -------
    tuple of float
        Low and high end, in [0, 1]; NaN twice when total is 0.

    Raises
    ------
    InputError
        ``SCORE_INVALID`` for impossible counts.

    Examples
    --------
    >>> [round(end, 4) for end in wilson_interval(8, 10)]
    [0.4902, 0.9433]
    """
    if not 0 <= successes <= total:
        raise InputError("SCORE_INVALID", f"{successes} of {total}", expected="0 <= part <= whole")
    if total == 0:
        return (np.nan, np.nan)
    z, share = z_value(level), successes / total
    centre = share + z * z / (2 * total)
    half = z * np.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    low, high = ((centre + sign * half) / (1 + z * z / total) for sign in (-1, 1))
    # At the borders the closed form is exactly 0 or 1; rounding must not say otherwise.
    return (
        0.0 if successes == 0 else float(max(low, 0.0)),
        1.0 if successes == total else float(min(high, 1.0)),
    )


def z_value(level: float) -> float:
    """Two-sided normal quantile of a confidence level in (0, 1).

    Raises
    ------
    InputError
        ``SCORE_INVALID`` for a level outside (0, 1).
    """
    if not 0 < level < 1:
        raise InputError("SCORE_INVALID", f"confidence level {level}", expected="between 0 and 1")
    return float(ndtri(0.5 + level / 2))


def bootstrap_weights(
    groups: ArrayLike, repeats: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """How often each case counts when whole patients are drawn with replacement.

    Parameters
    ----------
    groups : array-like of shape (n,)
        Patient of each case.
    repeats : int
        Number of draws.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    ndarray of shape (repeats, n)
        Weights; the cases of a patient share theirs.
    """
    patients, of_case = np.unique(np.asarray(groups), return_inverse=True)
    share = np.full(patients.size, 1 / patients.size)
    return rng.multinomial(patients.size, share, size=repeats)[:, of_case].astype(float)


def bootstrap_values(
    metric: Metric,
    y: ArrayLike,
    p: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    seed: int,
    repeats: int = 2000,
) -> Floats:
    """A metric on bootstrap draws of patients, shape (..., repeats); NaN where undefined.

    One patient alone gives NaN: drawing the same patient again says nothing about others.
    A metric may return several rows of values at once, as the calibration line does. The same
    seed draws the same patients for every metric, so differences of metrics are paired.
    """
    size = np.asarray(y).size
    patients = np.arange(size) if groups is None else np.asarray(groups)
    if patients.shape != (size,):
        raise InputError(
            "SCORE_INVALID", f"{patients.size} patients for {size} cases", expected="one each"
        )
    if size == 0:
        return np.full(repeats, np.nan)
    rng = np.random.default_rng(seed)
    block = max(1, _CELLS_AT_ONCE // size)
    sizes = [min(block, repeats - start) for start in range(0, repeats, block)]
    draws = [metric(y, p, bootstrap_weights(patients, k, rng)) for k in sizes]
    values = np.concatenate(draws, axis=-1)
    return values if np.unique(patients).size > 1 else np.full_like(values, np.nan)


def together(metrics: Iterable[Metric]) -> Metric:
    """One metric that gives the rows of several, so that its draws are made once."""
    chosen = tuple(metrics)

    def rows(y: ArrayLike, p: ArrayLike, weights: ArrayLike) -> Floats:
        return np.concatenate([np.atleast_2d(metric(y, p, weights)) for metric in chosen])

    return rows


def percentile_interval(values: Floats, level: float = 0.95) -> tuple[float, float]:
    """Percentile interval of bootstrap values; NaN when over a tenth of them are undefined."""
    z_value(level)
    defined = values[np.isfinite(values)]
    if defined.size < (1 - MOST_UNDEFINED) * values.size or defined.size == 0:
        return (np.nan, np.nan)
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return (float(low), float(high))


def bootstrap_interval(
    metric: Metric,
    y: ArrayLike,
    p: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    seed: int,
    repeats: int = 2000,
    level: float = 0.95,
) -> tuple[float, float]:
    """Percentile interval of a metric over patients drawn with replacement.

    Parameters
    ----------
    metric : callable
        Takes outcomes (n,), predictions (n,) and weights (repeats, n); returns (repeats,).
    y, p : array-like of shape (n,)
        Outcomes 0 or 1 and predictions.
    groups : array-like of shape (n,), optional
        Patient of each case; every case its own by default.
    seed : int
        Makes the interval repeatable.
    repeats : int
        Number of draws.
    level : float
        Confidence level, in (0, 1).

    Returns
    -------
    tuple of float
        Low and high end; NaN twice when more than a tenth of the draws are undefined.
    """
    return percentile_interval(
        bootstrap_values(metric, y, p, groups, seed=seed, repeats=repeats), level
    )
