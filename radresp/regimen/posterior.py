"""A rate with its interval, from the counts of one trial or of several.

One trial: Jeffreys' prior, Beta(0.5, 0.5) (Brown, Cai and DasGupta, Stat Sci 2001). Several: the
log odds of trials are normal around a typical one; Jeffreys' prior on the typical rate, and a
half-normal prior of scale 0.5 on the standard deviation between trials, as Friede et al., Res Synth
Methods 2017;8:79 advise for few trials; integrated on a grid. The rate of one more trial, or of a
new hospital, has a wider interval than the typical rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import expit, logit, ndtr

_MEANS, _SPREADS, _NODES, _RATES = 149, 40, 15, 200
_SPREAD_SCALE = 0.5
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Counted:
    """Events among patients.

    Raises
    ------
    ValueError
        Unless 0 <= events <= patients and patients >= 1.
    """

    events: int
    patients: int

    def __post_init__(self) -> None:
        if not 0 <= self.events <= self.patients or self.patients < 1:
            raise ValueError(f"{self.events} of {self.patients}")


@dataclass(frozen=True, slots=True, eq=False)
class Posterior:
    """What is believed of a rate.

    Parameters
    ----------
    mean, low, high : float
        Of the rate (one trial) or of the typical rate of such trials; the interval is equal-tailed.
    new_low, new_high : float
        Interval of the rate of one more trial; ``low`` and ``high`` where there is only one trial.
    trials, events, patients : int
        What it rests on.
    level : float
        Of the intervals.
    quantiles : numpy.ndarray
        Of the rate of one more trial, evenly spaced, to carry its uncertainty on.
    """

    mean: float
    low: float
    high: float
    new_low: float
    new_high: float
    trials: int
    events: int
    patients: int
    level: float
    quantiles: Array


def posterior(counts: Sequence[Counted], *, level: float = 0.95) -> Posterior:
    """What counts say of a rate.

    Parameters
    ----------
    counts : sequence of Counted
        One a trial arm.
    level : float, default 0.95
        Of the intervals, in (0, 1).

    Raises
    ------
    ValueError
        Without counts, or for an impossible level.

    Examples
    --------
    >>> found = posterior([Counted(25, 73)])
    >>> [round(x, 3) for x in (found.mean, found.low, found.high)]
    [0.345, 0.241, 0.456]
    """
    if not counts or not 0 < level < 1:
        raise ValueError("one count or more, and a level between 0 and 1")
    tails = ((1 - level) / 2, (1 + level) / 2)
    steps = (np.arange(_RATES) + 0.5) / _RATES
    events, patients = (np.array([getattr(c, n) for c in counts]) for n in ("events", "patients"))
    totals = (len(counts), int(events.sum()), int(patients.sum()), level)
    if len(counts) == 1:
        beta = stats.beta(events[0] + 0.5, patients[0] - events[0] + 0.5)
        low, high = (float(x) for x in beta.ppf(tails))
        return Posterior(float(beta.mean()), low, high, low, high, *totals, beta.ppf(steps))
    typical, spreads, weight = _grid(events, patients)
    mean, (low, high) = _summary(typical, weight.sum(axis=1), tails)
    rates = _predicted(typical, spreads, weight, np.concatenate([steps, tails]))
    new_low, new_high = (float(x) for x in rates[-2:])
    return Posterior(mean, low, high, new_low, new_high, *totals, rates[:-2])


def _grid(events: NDArray[np.int64], patients: NDArray[np.int64]) -> tuple[Array, Array, Array]:
    """Typical rates, standard deviations of log odds, and the posterior weight of each pair."""
    # Even steps in the priors' own distribution functions: then the prior is flat on the grid.
    typical = stats.beta.ppf((np.arange(_MEANS) + 0.5) / _MEANS, 0.5, 0.5)
    spreads = stats.halfnorm.ppf((np.arange(_SPREADS) + 0.5) / _SPREADS, scale=_SPREAD_SCALE)
    nodes, shares = np.polynomial.hermite_e.hermegauss(_NODES)
    rates = expit(logit(typical)[:, None, None] + spreads[:, None] * nodes)
    log = np.zeros((_MEANS, _SPREADS))
    for k, n in zip(events, patients, strict=True):
        log += np.log(stats.binom.pmf(k, n, rates) @ shares + 1e-300)
    weight = np.exp(log - log.max())
    return typical, spreads, weight / weight.sum()


def _summary(
    values: Array, weight: Array, tails: tuple[float, float]
) -> tuple[float, tuple[float, float]]:
    cumulative = np.cumsum(weight) - weight / 2
    low, high = (float(x) for x in np.interp(tails, cumulative, values))
    return float(weight @ values), (low, high)


def _predicted(typical: Array, spreads: Array, weight: Array, shares: Array) -> Array:
    """Quantiles of the rate of one more trial."""
    edges = (np.arange(2 * _RATES) + 0.5) / (2 * _RATES)
    away = (logit(edges)[:, None, None] - logit(typical)[:, None]) / spreads
    below = np.einsum("eij,ij->e", ndtr(away), weight)
    # No rate lies below 0 or above 1: a quantile may lie before the first edge or after the last.
    return np.interp(shares, [0.0, *below, 1.0], [0.0, *edges, 1.0])
