"""How well a share is predicted: its order, and how far off it is.

Source: Spearman's rank correlation with percentile intervals by resampling cases. The mean error
stands beside that of one fixed share for all (the median of the truth), which takes no images.
When: judging a predicted residual fraction against pathology.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from radresp.evaluate.intervals import percentile_interval

Floats = NDArray[np.float64]
_LEAST = 10
_DRAWS = 1000


def describe_fraction(
    truth: ArrayLike, predicted: ArrayLike, *, level: float = 0.95, seed: int = 0
) -> dict[str, Any] | None:
    """Figures of a predicted share; None for fewer than 10 cases with a truth, or one truth alone.

    Parameters
    ----------
    truth : array-like of shape (cases,)
        0-1; NaN where not known, which leaves the case out.
    predicted : array-like of shape (cases,)
        0-1.
    level : float
        Of the intervals, 0-1.
    seed : int
        Of the resampling.

    Returns
    -------
    dict or None
        ``cases``; ``rank`` (Spearman, -1 to 1) and ``rank_present``, the same among cases with a
        truth above 0 (None for fewer than 10); ``mean_absolute_error`` and ``without_images``, that
        of the median truth for all; each of the first three with ``..._interval``.

    Examples
    --------
    >>> truth = [0, 0, 0, 0, 0, 0.1, 0.2, 0.3, 0.4, 0.5]
    >>> found = describe_fraction(truth, [share / 2 for share in truth])
    >>> found["rank"], found["mean_absolute_error"], found["without_images"]
    (1.0, 0.075, 0.15)
    """
    y, p = np.asarray(truth, dtype=float), np.asarray(predicted, dtype=float)
    known = np.isfinite(y)
    y, p = y[known], p[known]
    if len(y) < _LEAST or np.ptp(y) == 0:
        return None
    some = y > 0
    found: dict[str, Any] = {"cases": len(y)}
    for name, (one, other) in {"rank": (y, p), "rank_present": (y[some], p[some])}.items():
        enough = len(one) >= _LEAST and np.ptp(one) > 0
        found[name] = float(_rank(one[None], other[None])[0]) if enough else None
        found[f"{name}_interval"] = None
        if enough:
            rows = _draws(len(one), seed)
            found[f"{name}_interval"] = list(
                percentile_interval(_rank(one[rows], other[rows]), level)
            )
    errors = np.abs(y - p)
    means = errors[_draws(len(y), seed)].mean(axis=1)
    found["mean_absolute_error"] = round(float(errors.mean()), 12)
    found["mean_absolute_error_interval"] = list(percentile_interval(means, level))
    found["without_images"] = round(float(np.abs(y - np.median(y)).mean()), 12)
    return found


def _draws(count: int, seed: int) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(0, count, (_DRAWS, count))


def _rank(one: Floats, other: Floats) -> Floats:
    """Spearman's correlation of each row; 0 where either does not vary: nothing is put in order."""
    first, second = (rankdata(values, axis=1) for values in (one, other))
    first, second = (ranks - ranks.mean(axis=1, keepdims=True) for ranks in (first, second))
    size = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    return np.divide((first * second).sum(axis=1), size, out=np.zeros(len(size)), where=size > 0)
