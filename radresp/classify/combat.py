"""ComBat: take the mark of the site off every feature, by what the training cases show.

Source: Johnson, Li & Rabinovic 2007 (parametric empirical Bayes), on MR features Fortin 2018. Each
feature is ``alpha + gamma_site + delta_site x noise``; gamma and delta are shrunk to what they are
over all features of the site, so that a site of ten patients does not set its own scale. The
outcome is never told: where its share differs by site that would be leakage (Nieto 2024,
arXiv 2410.19643), and without it true differences in share are partly removed as well.

A site that was not among the training cases, or had fewer than ``FEWEST`` there, cannot be
harmonised: its values stay as they are, and the caller is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from radresp.classify.table import Floats

FEWEST = 3
_ROUNDS, _SETTLED = 100, 1e-6


@dataclass(frozen=True, eq=False)
class Combat:
    """What each site adds to and multiplies every feature with.

    Parameters
    ----------
    sites : tuple of str
        The sites that were learned, sorted.
    centre, spread : ndarray of shape (columns,)
        Mean over sites, and pooled SD within them.
    shift, scale : ndarray of shape (sites, columns)
        Additive part in pooled SDs, and multiplicative part.

    Examples
    --------
    >>> x = np.array([[1.0], [2.0], [3.0], [11.0], [12.0], [13.0]])
    >>> found = Combat.of(x, np.array(["a", "a", "a", "b", "b", "b"]))
    >>> found.transform(x, np.array(["a", "a", "a", "b", "b", "b"])).ravel().round(1).tolist()
    [6.0, 7.0, 8.0, 6.0, 7.0, 8.0]
    >>> found.transform(x[:1], np.array(["c"])).tolist()
    [[1.0]]
    """

    sites: tuple[str, ...]
    centre: Floats
    spread: Floats
    shift: Floats
    scale: Floats

    @classmethod
    def of(cls, x: Floats, sites: NDArray[Any]) -> Self:
        """Learn from training cases.

        Parameters
        ----------
        x : ndarray of shape (cases, columns)
            Features; NaN where missing.
        sites : ndarray of shape (cases,)
            Site of each case; empty where not known.
        """
        names, counts = np.unique(sites[sites != ""], return_counts=True)
        kept = tuple(str(name) for name in names[counts >= FEWEST])
        rows = [x[sites == name] for name in kept]
        if len(kept) < 2:
            blank = np.zeros((0, x.shape[1]))
            return cls((), np.zeros(x.shape[1]), np.ones(x.shape[1]), blank, blank)
        means = np.array([_mean(part) for part in rows])
        weights = np.array([[np.isfinite(c).sum() for c in part.T] for part in rows], dtype=float)
        centre = _weighted(means, weights)
        squares = [
            np.nansum((part - mean) ** 2, axis=0) for part, mean in zip(rows, means, strict=True)
        ]
        freedom = np.maximum(weights.sum(axis=0) - len(kept), 1)
        spread = np.sqrt(np.sum(squares, axis=0) / freedom)
        spread = np.where(spread > 0, spread, 1.0)
        found = [_shrunk((part - centre) / spread) for part in rows]
        shift, scale = (np.array(values) for values in zip(*found, strict=True))
        return cls(kept, centre, spread, shift, scale)

    def knows(self, sites: NDArray[Any]) -> NDArray[np.bool_]:
        """Which cases come from a site that was learned, shape (cases,)."""
        return np.isin(sites, self.sites)

    def transform(self, x: Floats, sites: NDArray[Any]) -> Floats:
        """Harmonised values of x, shape (cases, columns); those of other sites as they are."""
        result = x.copy()
        for place, name in enumerate(self.sites):
            rows = sites == name
            z = (x[rows] - self.centre) / self.spread
            result[rows] = (z - self.shift[place]) / self.scale[place] * self.spread + self.centre
        return result

    def record(self) -> dict[str, Any]:
        """JSON-ready."""
        arrays = ("centre", "spread", "shift", "scale")
        return {"sites": list(self.sites), **{n: getattr(self, n).tolist() for n in arrays}}

    @classmethod
    def restored(cls, record: Mapping[str, Any]) -> Self:
        """The inverse of :meth:`record`.

        Raises
        ------
        ValueError
            When shapes do not fit or a number is not finite.
        """
        sites = tuple(str(name) for name in record["sites"])
        centre, spread = (np.array(record[n], dtype=float) for n in ("centre", "spread"))
        shape = (len(sites), centre.size)
        shift, scale = (np.array(record[n], dtype=float).reshape(shape) for n in ("shift", "scale"))
        if spread.shape != centre.shape:
            raise ValueError("centre and spread do not fit")
        if not all(np.isfinite(a).all() for a in (centre, spread, shift, scale)):
            raise ValueError("a number is not finite")
        return cls(sites, centre, spread, shift, scale)


def _shrunk(z: Floats) -> tuple[Floats, Floats]:
    """Shift and scale of one site's standardised values, drawn to those of its other columns."""
    n = np.maximum(np.isfinite(z).sum(axis=0), 1)
    own_shift = _mean(z)
    own_variance = _mean((z - own_shift) ** 2) * n / np.maximum(n - 1, 1)
    usable = (np.isfinite(z).sum(axis=0) > 1) & (own_variance > 0)
    if usable.sum() < 2:
        return own_shift, np.where(usable, np.sqrt(own_variance), 1.0)
    prior_mean, prior_variance = own_shift[usable].mean(), own_shift[usable].var(ddof=1)
    mean, spread = own_variance[usable].mean(), own_variance[usable].var(ddof=1)
    # Inverse gamma with that mean and variance; with no spread it is a point, a very large shape.
    shape = 2 + mean**2 / max(spread, 1e-12)
    rate = mean * (shape - 1)
    shift, variance = own_shift, np.where(usable, own_variance, 1.0)
    for _ in range(_ROUNDS):
        before = np.concatenate([shift, variance])
        precision = n * prior_variance + variance
        shift = (n * prior_variance * own_shift + variance * prior_mean) / np.maximum(
            precision, 1e-12
        )
        squares = np.nansum((z - shift) ** 2, axis=0)
        variance = (rate + squares / 2) / (n / 2 + shape - 1)
        if np.abs(np.concatenate([shift, variance]) - before).max() < _SETTLED:
            break
    return np.where(usable, shift, 0.0), np.where(usable, np.sqrt(variance), 1.0)


def _mean(x: Floats) -> Floats:
    """Mean of each column without its gaps; 0 for a column of gaps."""
    there = np.isfinite(x)
    return np.asarray(np.where(there, x, 0.0).sum(axis=0) / np.maximum(there.sum(axis=0), 1))


def _weighted(values: Floats, weights: Floats) -> Floats:
    return np.asarray((values * weights).sum(axis=0) / np.maximum(weights.sum(axis=0), 1))
