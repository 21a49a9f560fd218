"""How far each feature moves a score, shared out fairly, for models that are no weighted sum.

Source: Shapley values against a baseline (Sundararajan & Najmi 2020), estimated along random orders
and their reverses (Mitchell 2022). Along each order features go one by one from the baseline to the
case, and each is given the change it makes; so the parts add up to the whole exactly. The library
`shap` would bring a compiler (numba) for these few lines.
When: for the features named beside a score. Weighted sums have exact parts without it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from radresp.classify.table import Floats

ORDERS = 16


def shapley(
    score: Callable[[Floats], Floats],
    values: Floats,
    baseline: Floats,
    *,
    orders: int = ORDERS,
    seed: int = 0,
) -> Floats:
    """Shares of a score, shape (features,); they add up to that of the case less the baseline's.

    Parameters
    ----------
    score : callable
        Rows of features, shape (n, features), to n numbers.
    values, baseline : ndarray of shape (features,)
        The case, and what it is compared with.
    orders : int
        Random orders; each is also gone the other way round.
    seed : int
        Of the orders.

    Examples
    --------
    >>> found = shapley(lambda x: x[:, 0] * x[:, 1], np.array([2.0, 3.0]), np.zeros(2))
    >>> found.tolist()
    [3.0, 3.0]
    """
    count = values.size
    random = np.random.default_rng(seed)
    drawn = np.array([random.permutation(count) for _ in range(orders)]).reshape(orders, count)
    ways = np.concatenate([drawn, drawn[:, ::-1]])
    # Step k of a way holds the case's values of its first k features.
    place = np.argsort(ways, axis=1)
    taken = place[:, None, :] < np.arange(count + 1)[None, :, None]
    rows = np.where(taken, values, baseline).reshape(-1, count)
    steps = np.diff(np.asarray(score(rows)).reshape(len(ways), count + 1), axis=1)
    return np.asarray(np.take_along_axis(steps, place, axis=1).mean(axis=0))
