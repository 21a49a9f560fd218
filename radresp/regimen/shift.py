"""From the prevalence a model was trained at to another: by a formula, said aloud.

Source: Elkan, IJCAI 2001 for the formula; Saerens, Latinne and Decaestecker, Neural Comput
2002;14:21 for a prevalence that is not known. Both hold only if a complete response looks the same
in both populations and only its frequency differs. Between chemoradiotherapy and immunotherapy that
is doubtful: inflammation changes the look of what remains. Hence the assumption travels with every
figure, and the interval holds the uncertainty of the new prevalence but not of the assumption.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from radresp.errors import InputError, PlanError
from radresp.regimen.posterior import Posterior

ASSUMPTION = (
    "assumes that a complete response and a residual tumour look the same under both regimens and "
    "only their frequency differs"
)
_HALVINGS = 40
_DRAWS = 500
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Shifted:
    """A probability before and after a shift.

    Parameters
    ----------
    before, after : float
        Of a complete response.
    low, high : float
        Interval of ``after`` over the uncertainty of the new prevalence.
    prevalence_before, prevalence_after : float
        Shares of complete responses.
    endpoint : str
        Of both.
    assumption : str
        What has to hold.
    """

    before: float
    after: float
    low: float
    high: float
    prevalence_before: float
    prevalence_after: float
    endpoint: str
    assumption: str = ASSUMPTION


@dataclass(frozen=True, slots=True, eq=False)
class Adapted:
    """The prevalence of unlabelled cases, and their probabilities at it.

    Parameters
    ----------
    prevalence, low, high : float
        Share of complete responses with its 95 % bootstrap interval over cases.
    p : numpy.ndarray
        Probabilities at that prevalence, in the order given.
    assumption : str
        What has to hold.
    """

    prevalence: float
    low: float
    high: float
    p: Array
    assumption: str = ASSUMPTION


def shift_prevalence(p: ArrayLike, before: float, after: ArrayLike) -> Array:
    """A probability at another prevalence.

    Parameters
    ----------
    p : array_like
        Calibrated probabilities at prevalence ``before``, 0 to 1.
    before : float
        In (0, 1).
    after : array_like
        In (0, 1); broadcast against ``p``.

    Raises
    ------
    InputError
        ``SCORE_INVALID`` for a probability or prevalence out of range.

    Examples
    --------
    >>> round(float(shift_prevalence(0.5, 0.10, 0.342)), 4)
    0.8239
    """
    values, new = np.asarray(p, dtype=np.float64), np.asarray(after, dtype=np.float64)
    if not (((values >= 0) & (values <= 1)).all() and 0 < before < 1):
        raise InputError("SCORE_INVALID", "a probability out of range", expected="0 to 1")
    if not ((new > 0) & (new < 1)).all():
        raise InputError("SCORE_INVALID", f"prevalence {new}", expected="between 0 and 1")
    event, other = new / before * values, (1 - new) / (1 - before) * (1 - values)
    return np.asarray(event / (event + other))


def shift(
    p: float, before: float, rate: Posterior, *, endpoint: str, rate_endpoint: str
) -> Shifted:
    """Carry one probability to the prevalence of a regimen.

    Parameters
    ----------
    p : float
        Calibrated probability of a complete response.
    before : float
        Share of complete responses the model was trained at.
    rate : Posterior
        What is believed of the regimen's share.
    endpoint, rate_endpoint : str
        What "complete response" means for the model and for the rate.

    Raises
    ------
    PlanError
        ``ENDPOINT_MIXED`` unless both are the same.
    """
    if endpoint != rate_endpoint:
        raise PlanError(
            "ENDPOINT_MIXED",
            f"the model's endpoint is {endpoint}, the rate's {rate_endpoint}",
            expected="one endpoint: a pathological and a clinical complete response differ",
            action="choose arms with the model's endpoint",
        )
    after = float(shift_prevalence(p, before, rate.mean))
    spread = shift_prevalence(p, before, rate.quantiles)
    low, high = (
        float(x) for x in np.quantile(spread, ((1 - rate.level) / 2, (1 + rate.level) / 2))
    )
    return Shifted(p, after, min(low, after), max(high, after), before, rate.mean, endpoint)


def estimate_prevalence(p: ArrayLike, before: float, *, seed: int = 0) -> Adapted:
    """Find the prevalence of unlabelled cases from a model's probabilities, as EM does.

    Parameters
    ----------
    p : array_like
        Calibrated probabilities of all cases, 0 to 1, at prevalence ``before``.
    before : float
        Share of complete responses the model was trained at, in (0, 1).
    seed : int, default 0
        Of the bootstrap.

    Raises
    ------
    InputError
        ``SCORE_INVALID`` for values out of range, ``NO_CASES`` without cases.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = rng.random(4000) < 0.6
    >>> odds = np.exp(rng.normal(np.where(y, 1, -1), np.sqrt(2)))  # calibrated at one half
    >>> bool(abs(estimate_prevalence(odds / (1 + odds), 0.5).prevalence - 0.6) < 0.03)
    True
    """
    values = np.asarray(p, dtype=np.float64).ravel()
    if not values.size:
        raise InputError("NO_CASES", "no probability to estimate a prevalence from")
    shift_prevalence(values, before, 0.5)  # refuses what is out of range
    found = float(_settled(values[None], before)[0])
    rng = np.random.default_rng(seed)
    drawn = values[rng.integers(values.size, size=(_DRAWS, values.size))]
    low, high = (float(x) for x in np.quantile(_settled(drawn, before), (0.025, 0.975)))
    inside = min(max(found, 1e-9), 1 - 1e-9)
    return Adapted(found, low, high, shift_prevalence(values, before, inside))


def _settled(p: Array, before: float) -> Array:
    """Prevalences of rows of cases at which each equals its mean probability.

    EM climbs the likelihood of the prevalence, which has one peak; its slope falls all the way, so
    halving finds where EM would end.
    """
    event, other = p / before, (1 - p) / (1 - before)
    low, high = np.zeros(len(p)), np.ones(len(p))
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        at = middle[:, None]
        slope = ((event - other) / np.maximum(at * event + (1 - at) * other, 1e-300)).sum(axis=1)
        low, high = np.where(slope > 0, middle, low), np.where(slope > 0, high, middle)
    return (low + high) / 2
