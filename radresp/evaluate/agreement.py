"""Agreement: how much of what a number shows is the case, and not who drew or when.

Intraclass correlations of Shrout and Fleiss, Psychol Bull 1979;86:420, with the intervals of McGraw
and Wong, Psychol Methods 1996;1:30. Which form: ICC(1,1) where the repeats of a case have no order
(perturbations); ICC(2,1) where the same readers, a sample of all readers, judged every case and
their bias counts; ICC(3,1) where a constant bias between them does not matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Array = NDArray[np.float64]
FORMS = ("icc_1_1", "icc_2_1", "icc_3_1")


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement of repeated measurements, one entry a feature.

    Parameters
    ----------
    icc : dict of str to numpy.ndarray
        By form (``FORMS``), shape (3, features): estimate, and both ends of its interval. NaN
        where fewer than two cases are complete or nothing differs.
    cases : numpy.ndarray
        Cases without a missing repeat, shape (features,).
    within_sd : numpy.ndarray
        Standard deviation of the repeats of one case, pooled over cases, in the feature's unit.
    between_sd : numpy.ndarray
        Standard deviation of the cases' means, in the feature's unit.
    """

    icc: dict[str, Array]
    cases: NDArray[np.int64]
    within_sd: Array
    between_sd: Array


def agreement(ratings: NDArray[Any], level: float = 0.95) -> Agreement:
    """Intraclass correlations of many features at once.

    Parameters
    ----------
    ratings : numpy.ndarray
        Shape (cases, repeats, features). A case with a NaN counts for no estimate of that feature.
    level : float, default 0.95
        Of the intervals, 0 to 1.

    Returns
    -------
    Agreement

    Raises
    ------
    ValueError
        For another number of axes, or fewer than two repeats.

    Examples
    --------
    >>> scores = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9],
    ...                    [6, 2, 4, 7]], dtype=float)
    >>> {form: round(float(v[0, 0]), 4) for form, v in agreement(scores[:, :, None]).icc.items()}
    {'icc_1_1': 0.1657, 'icc_2_1': 0.2898, 'icc_3_1': 0.7148}
    """
    values = np.asarray(ratings, dtype=np.float64)
    if values.ndim != 3 or values.shape[1] < 2:
        raise ValueError(f"{values.shape} ratings; expected (cases, 2 or more repeats, features)")
    complete: NDArray[np.bool_] = np.all(np.isfinite(values), axis=1)
    n, k = complete.sum(axis=0), values.shape[1]
    with np.errstate(all="ignore"):
        squares = _mean_squares(np.where(complete[:, None, :], values, np.nan), n)
        icc = {
            "icc_1_1": _one_way(squares, n, k, level),
            "icc_2_1": _two_way_random(squares, n, k, level),
            "icc_3_1": _two_way_mixed(squares, n, k, level),
        }
        rows, within = squares[0], squares[1]
    icc = {
        form: np.where(np.isfinite(v).all(axis=0) & (n > 1), v, np.nan) for form, v in icc.items()
    }
    return Agreement(icc, n.astype(np.int64), np.sqrt(within), np.sqrt(rows / k))


def _mean_squares(values: Array, n: NDArray[Any]) -> tuple[Array, Array, Array, Array]:
    """Mean squares between cases, within cases, between repeats, and of the error."""
    k = values.shape[1]
    grand = np.nansum(values, axis=(0, 1)) / (n * k)
    of_case = values.mean(axis=1)
    of_repeat = np.nansum(values, axis=0) / n
    rows = k * np.nansum((of_case - grand) ** 2, axis=0)
    within = np.nansum((values - of_case[:, None, :]) ** 2, axis=(0, 1))
    columns = n * np.sum((of_repeat - grand) ** 2, axis=0)
    # Zero but for rounding is zero: repeats that agree exactly are no error.
    error = np.maximum(within - columns, 0.0)
    return rows / (n - 1), within / (n * (k - 1)), columns / (k - 1), error / ((n - 1) * (k - 1))


def _one_way(squares: tuple[Array, ...], n: Any, k: int, level: float) -> Array:
    rows, within, _, _ = squares
    tail = (1 + level) / 2
    ratio = rows / within
    low = ratio / stats.f.ppf(tail, n - 1, n * (k - 1))
    high = ratio * stats.f.ppf(tail, n * (k - 1), n - 1)
    found = np.array([(r - 1) / (r + k - 1) for r in (ratio, low, high)])
    return np.where((within == 0) & (rows > 0), 1.0, found)


def _two_way_mixed(squares: tuple[Array, ...], n: Any, k: int, level: float) -> Array:
    rows, _, _, error = squares
    tail, df = (1 + level) / 2, (n - 1) * (k - 1)
    ratio = rows / error
    low = ratio / stats.f.ppf(tail, n - 1, df)
    high = ratio * stats.f.ppf(tail, df, n - 1)
    found = np.array([(r - 1) / (r + k - 1) for r in (ratio, low, high)])
    return np.where((error == 0) & (rows > 0), 1.0, found)


def _two_way_random(squares: tuple[Array, ...], n: Any, k: int, level: float) -> Array:
    rows, _, columns, error = squares
    icc = (rows - error) / (rows + (k - 1) * error + k * (columns - error) / n)
    tail = (1 + level) / 2
    a = k * icc / (n * (1 - icc))
    b = 1 + k * icc * (n - 1) / (n * (1 - icc))
    terms = (a * columns) ** 2 / (k - 1) + (b * error) ** 2 / ((n - 1) * (k - 1))
    df = (a * columns + b * error) ** 2 / terms
    f_low, f_high = stats.f.ppf(tail, n - 1, df), stats.f.ppf(tail, df, n - 1)
    spread = k * columns + (k * n - k - n) * error
    low = n * (rows - f_low * error) / (f_low * spread + n * rows)
    high = n * (f_high * rows - error) / (spread + n * f_high * rows)
    exact = (rows > 0) & (columns <= 0) & (error == 0)
    return np.where(exact, 1.0, np.array([icc, low, high]))
