"""How many patients a prediction model needs, before anyone looks at its figures.

Source: Riley et al., Stat Med 2019;38:1276, for a yes-or-no outcome: little shrinkage (i), little
optimism in the apparent fit (ii), a precise overall risk (iii). The Cox-Snell R squared that an AUC
stands for, at a prevalence, assumes a linear predictor that is normal with equal spread in both
outcomes (Riley et al., Stat Med 2021;40:859). Parameters are all candidates looked at, not those
kept; for strong models the criteria ask for too little (at an AUC of 0.85, half as
many again).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log, sqrt

import numpy as np
from scipy.special import expit, ndtri

SHRINKAGE, OPTIMISM, RISK_ERROR = 0.9, 0.05, 0.05
_NODES = 80


@dataclass(frozen=True, slots=True)
class SampleSize:
    """What each criterion asks for.

    Parameters
    ----------
    shrinkage, optimism, risk : int
        Patients by criterion (i), (ii) and (iii).
    events_per_parameter : float
        At the largest of them.
    """

    shrinkage: int
    optimism: int
    risk: int
    events_per_parameter: float

    @property
    def patients(self) -> int:
        """The largest of the three."""
        return max(self.shrinkage, self.optimism, self.risk)


def riley(parameters: int, prevalence: float, r_squared: float) -> SampleSize:
    """Patients needed to develop a model.

    Parameters
    ----------
    parameters : int
        Candidate parameters, 1 or more.
    prevalence : float
        Share of events, in (0, 1).
    r_squared : float
        Expected Cox-Snell R squared, above 0 and below its largest value at that prevalence.

    Raises
    ------
    ValueError
        For values out of range.

    Examples
    --------
    >>> found = riley(24, 0.174, 0.288)
    >>> found.shrinkage, found.optimism, found.risk, round(found.events_per_parameter, 2)
    (623, 662, 221, 4.8)
    """
    if parameters < 1 or not 0 < prevalence < 1:
        raise ValueError("one parameter or more, and a prevalence between 0 and 1")
    most = 1 - (prevalence**prevalence * (1 - prevalence) ** (1 - prevalence)) ** 2
    if not 0 < r_squared < most:
        raise ValueError(f"R squared {r_squared}; expected above 0 and below {most:.3f}")
    needed = r_squared / (r_squared + OPTIMISM * most)
    shrinkage, optimism = (
        ceil(parameters / ((kept - 1) * log(1 - r_squared / kept))) for kept in (SHRINKAGE, needed)
    )
    by_risk = ceil((1.96 / RISK_ERROR) ** 2 * prevalence * (1 - prevalence))
    patients = max(shrinkage, optimism, by_risk)
    return SampleSize(shrinkage, optimism, by_risk, patients * prevalence / parameters)


def cox_snell_of_auc(auc: float, prevalence: float) -> float:
    """Cox-Snell R squared of a model with an AUC at a prevalence.

    Parameters
    ----------
    auc : float
        In (0.5, 1).
    prevalence : float
        Share of events, in (0, 1).

    Raises
    ------
    ValueError
        For values out of range.

    Examples
    --------
    >>> round(cox_snell_of_auc(0.8, 0.342), 2)
    0.24
    """
    if not 0.5 < auc < 1 or not 0 < prevalence < 1:
        raise ValueError("an AUC between 0.5 and 1, and a prevalence between 0 and 1")
    # Two normal distributions `apart` standard deviations; their log odds are linear in x.
    apart = sqrt(2) * float(ndtri(auc))
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    weights = weights / weights.sum()
    base = log(prevalence / (1 - prevalence)) - apart**2 / 2
    events = float(weights @ np.log(expit(base + apart * (nodes + apart))))
    others = float(weights @ np.log(expit(-base - apart * nodes)))
    fitted = prevalence * events + (1 - prevalence) * others
    empty = prevalence * log(prevalence) + (1 - prevalence) * log(1 - prevalence)
    return 1 - float(np.exp(2 * (empty - fitted)))
