"""Patterns of a treated bed, and the closed-form densities of what each may look like.

What: a *pattern* says which tissues a bed holds (scar only, scar with foci, mucin pools). Given
the pattern, the shares of the five appearances are Dirichlet, the shrinkage is a truncated
log-normal, T2 of foci and mucin is log-normal and their ADC normal.
Source: patterns after ``docs/reference/clinical.md`` 3.1 and 3.2; tissue values from
``tissue_mri.csv``. No paper gives the shares: every weight, chance and spread in this file is an
assumption, tuned so that the classes overlap as published radiology finds (clinical.md 2.2).
When: `radresp.phantom.response` draws from them, `radresp.phantom.oracle` evaluates them.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from radresp.phantom.presets import OUTCOMES
from radresp.phantom.tissue import tissue_table

Values = NDArray[np.float64]
APPEARANCES = ("scar", "oedema", "focus", "mucin", "wall")
"""What an image shows of a bed. Scar holds the microscopic part, focus is viable or granulation,
mucin is acellular or carcinoma."""
SHRINKAGE_RANGE = (0.12, 0.95)
SHRINKAGE_SD = 0.40  # of its logarithm
FOCUS_KINDS = ("", "granulation", "viable")
MUCIN_KINDS = ("", "mucin", "mucinous_carcinoma")
_FOCUS_T2_SD = 0.12
_MUCIN_T2_SD = 0.30
_IMMUNE_OEDEMA = 1.35  # factor on the weight of oedema under immunotherapy
_IMMUNE_GRANULATION = 0.12  # added chance of granulation in a complete response
_WEIGHT = {"": 0.0, "granulation": 1.5, "viable": 2.2, "mucin": 1.2, "mucinous_carcinoma": 3.0}
_MUCINOUS_POOLS = 2.4  # weight of acellular pools where the tumour was mucinous
_STRAY_POOLS = 0.06  # chance of acellular pools where it was not


class _Body(NamedTuple):
    """A kind of bed before foci and mucin: weights of scar, oedema and wall, shrinkage, signs."""

    outcome: str
    subtype: str
    scar: float
    oedema: float
    wall: float
    shrinkage: float  # median
    cells: tuple[float, float]  # Beta weights of the microscopic part of the scar
    split: float  # chance of a split scar where there is no focus
    split_beside_focus: float


_BODIES = (
    _Body("fibrosis", "fibrosis", 5.0, 1.7, 2.4, 0.27, (0, 0), 0.80, 0.15),
    _Body("inflammation", "inflammation", 2.8, 4.0, 2.0, 0.33, (0, 0), 0.65, 0.15),
    _Body("residual", "gross", 4.4, 2.4, 1.4, 0.48, (1.5, 6), 0.02, 0.02),
    _Body("residual", "microscopic", 5.2, 2.0, 1.8, 0.33, (2, 3), 0.15, 0.05),
    _Body("residual", "mucinous", 3.4, 1.8, 1.4, 0.50, (1, 8), 0.0, 0.0),
)
# Chance of a body given the outcome, without and with a mucinous tumour.
_BODY_CHANCE = {
    "fibrosis": (1.0, 1.0),
    "inflammation": (1.0, 1.0),
    "gross": (0.92, 0.15),
    "microscopic": (0.08, 0.08),
    "mucinous": (0.0, 0.77),
}
_FOCUS_CHANCE = {
    "fibrosis": ("granulation", 0.22),
    "inflammation": ("granulation", 0.30),
    "gross": ("viable", 1.0),
    "microscopic": ("granulation", 0.30),
    "mucinous": ("viable", 0.40),
}


class Patterns(NamedTuple):
    """Every pattern, as parallel arrays.

    ``chance`` is P(pattern given outcome, mucinous, immune), shape (3, 2, 2, patterns).
    """

    chance: Values
    weights: Values  # (patterns, 5) Dirichlet weights; 0 = absent
    shrinkage: Values  # median
    cells: Values  # (patterns, 2) Beta weights; 0 = no cells
    split: Values  # chance
    focus: NDArray[np.intp]  # index into the kinds of focus
    mucin: NDArray[np.intp]
    subtype: tuple[str, ...]


@cache
def patterns() -> Patterns:
    """Every pattern a bed can have, with its chance and its parameters."""
    rows = [
        (body, mucinous, immune, focus, mucin)
        for body in _BODIES
        for mucinous in (0, 1)
        for immune in (0, 1)
        for focus in dict.fromkeys(("", _FOCUS_CHANCE[body.subtype][0]))
        for mucin in MUCIN_KINDS
    ]
    rows = [row for row in rows if _chance(*row) > 0]
    chance = np.zeros((3, 2, 2, len(rows)))
    for k, row in enumerate(rows):
        chance[OUTCOMES.index(row[0].outcome), row[1], row[2], k] = _chance(*row)
    return Patterns(
        chance,
        np.array([_weights(*row) for row in rows]),
        np.array([row[0].shrinkage for row in rows]),
        np.array([row[0].cells for row in rows], np.float64),
        np.array([row[0].split_beside_focus if row[3] else row[0].split for row in rows]),
        np.array([FOCUS_KINDS.index(row[3]) for row in rows]),
        np.array([MUCIN_KINDS.index(row[4]) for row in rows]),
        tuple(row[0].subtype for row in rows),
    )


def _chance(body: _Body, mucinous: int, immune: int, focus: str, mucin: str) -> float:
    """P(pattern given outcome, mucinous tumour, immunotherapy)."""
    _, seen = _FOCUS_CHANCE[body.subtype]
    if immune and body.outcome != "residual":
        seen += _IMMUNE_GRANULATION
    if body.subtype == "mucinous":
        pools = {"mucinous_carcinoma": 1.0}
    else:
        # Mucin that lost its cells stays as pools.
        some = 1.0 if mucinous else _STRAY_POOLS
        pools = {"": 1 - some, "mucin": some}
    with_focus = seen if focus else 1 - seen
    return _BODY_CHANCE[body.subtype][mucinous] * with_focus * pools.get(mucin, 0.0)


def _weights(body: _Body, mucinous: int, immune: int, focus: str, mucin: str) -> list[float]:
    oedema = body.oedema * (_IMMUNE_OEDEMA if immune else 1)
    pools = _MUCINOUS_POOLS if mucinous and mucin == "mucin" else _WEIGHT[mucin]
    return [body.scar, oedema, _WEIGHT[focus], pools, body.wall]


class Spread(NamedTuple):
    """Mean of log T2 (relative), its SD, mean ADC and its SD by kind; the first kind is none."""

    log_t2: Values
    log_t2_sd: float
    adc: Values
    adc_sd: Values


@cache
def tissue_spread() -> tuple[Spread, Spread]:
    """How T2 and ADC of foci and of mucin are spread, by kind."""
    focus = ("granulation_tissue", "treated_residual_tumour")
    mucin = ("mucin_acellular_pool", "mucinous_carcinoma")
    return _spread(focus, focus[1], _FOCUS_T2_SD), _spread(mucin, mucin[0], _MUCIN_T2_SD)


def _spread(rows: tuple[str, str], like: str, sd: float) -> Spread:
    table, nan = tissue_table(), float("nan")
    log_t2 = [
        np.mean(
            [np.log(table[row][name] / table[like][name]) for name in ("T2_1p5T_ms", "T2_3T_ms")]
        )
        for row in rows
    ]
    adc = [[1000 * table[row][name] for row in rows] for name in ("ADC_1e-3_mm2_s", "ADC_sd")]
    return Spread(np.array([nan, *log_t2]), sd, np.array([nan, *adc[0]]), np.array([nan, *adc[1]]))


def shrinkage_bounds(median: Values) -> tuple[Values, Values]:
    """Normal quantile levels between which the log-shrinkage is drawn."""
    low, high = (ndtr((np.log(end) - np.log(median)) / SHRINKAGE_SD) for end in SHRINKAGE_RANGE)
    return low, high
