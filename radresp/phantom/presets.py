"""Cohort presets: who is in the cohort, how they were treated, how well the team read them.

What: the shares of outcomes, the mix of regimens, the reader's error rates and the missingness of
a synthetic cohort, each value with what it rests on.
Source: ``presets.csv`` and ``regimens.csv`` (shipped with the package) say for every value whether
it is published (and where) or an assumption.
When: dealing outcomes and regimens; everything else asks the preset.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

OUTCOMES = ("fibrosis", "inflammation", "residual")
"""What the treated bed holds; the first two are complete responses."""
_MIX = "mix:"
_COUNTS = frozenset(OUTCOMES)


@dataclass(frozen=True, slots=True)
class Regimen:
    """A treatment arm.

    Parameters
    ----------
    name : str
        The word of the ``regimen`` column.
    radiotherapy : str
        ``LCRT`` (long course with chemotherapy) or ``SCRT`` (short course).
    immunotherapy : bool
        Whether a PD-1 or PD-L1 antibody is given before the second visit.
    sequence : str
        Where the systemic treatment stands relative to radiotherapy.
    complete : float
        P(complete response given the regimen).
    inflamed : float
        Share of complete responses that look inflamed rather than fibrotic.
    basis : str
        What the numbers rest on.
    """

    name: str
    radiotherapy: str
    immunotherapy: bool
    sequence: str
    complete: float
    inflamed: float
    basis: str

    def chance(self, outcome: str) -> float:
        """P(outcome given the regimen)."""
        shares = (1 - self.inflamed, self.inflamed)
        complete = {
            name: self.complete * share for name, share in zip(OUTCOMES[:2], shares, strict=True)
        }
        return complete.get(outcome, 1 - self.complete)


class Basis(NamedTuple):
    """What a value rests on: ``published`` or ``assumption``, and the source in words."""

    kind: str
    source: str


@dataclass(frozen=True, slots=True)
class CohortPreset:
    """A kind of cohort. Shares are 0 to 1; the numbers are in ``presets.csv``.

    Parameters
    ----------
    name : str
        Its name.
    fibrosis, inflammation, residual : int
        Patients with that outcome in every block.
    mix : tuple of (str, float)
        Regimens and their shares.
    non_ccr_if_complete, non_ccr_if_residual : float
        P(read as nCR or iCR given the truth).
    ncr_share : float
        Share of nCR among calls of nCR or iCR.
    mucinous_share : float
        Share of mucinous tumours, alike in every outcome.
    unmatured_share : float
        Share of watch-and-wait patients followed for less than 24 months.
    late_regrowth_share : float
        Share of regrowths later than 24 months.
    lost_share : float
        Share of watch-and-wait patients who died or were lost.
    not_assessed_share : float
        Share of patients without a reader call.
    missing_blood, missing_ctdna, missing_reading, missing_staging : float
        Shares of empty cells by kind of column.
    basis : mapping of str to Basis
        What each value rests on, by field.
    """

    name: str
    fibrosis: int
    inflammation: int
    residual: int
    mix: tuple[tuple[str, float], ...]
    non_ccr_if_complete: float
    non_ccr_if_residual: float
    ncr_share: float
    mucinous_share: float
    unmatured_share: float
    late_regrowth_share: float
    lost_share: float
    not_assessed_share: float
    missing_blood: float
    missing_ctdna: float
    missing_reading: float
    missing_staging: float
    basis: Mapping[str, Basis] = field(compare=False, repr=False, default_factory=dict)

    @property
    def block(self) -> tuple[str, ...]:
        """The outcomes of one block, unshuffled."""
        counts = (self.fibrosis, self.inflammation, self.residual)
        return tuple(
            name for name, count in zip(OUTCOMES, counts, strict=True) for _ in range(count)
        )

    @property
    def shares(self) -> NDArray[np.float64]:
        """Shares of the outcomes, in the order of `OUTCOMES`."""
        counts = np.array([self.fibrosis, self.inflammation, self.residual], np.float64)
        shares: NDArray[np.float64] = counts / counts.sum()
        return shares

    @property
    def pseudo_residual_share(self) -> float:
        """P(complete given a call of nCR or iCR), by Bayes.

        Examples
        --------
        >>> round(preset("torch").pseudo_residual_share, 3)
        0.339
        """
        residual = float(self.shares[-1])
        benign = (1 - residual) * self.non_ccr_if_complete
        return benign / (benign + residual * self.non_ccr_if_residual)


@cache
def regimens() -> dict[str, Regimen]:
    """Every regimen by name."""
    return {
        row["regimen"]: Regimen(
            row["regimen"],
            row["radiotherapy"],
            row["immunotherapy"] == "1",
            row["sequence"],
            float(row["complete"]),
            float(row["inflamed"]),
            row["basis"],
        )
        for row in _rows("regimens.csv")
    }


@cache
def presets() -> dict[str, CohortPreset]:
    """Every preset by name: ``balanced``, ``opra`` and ``torch``."""
    rows = _rows("presets.csv")
    return {name: _preset(name, rows) for name in dict.fromkeys(row["preset"] for row in rows)}


def preset(name: str) -> CohortPreset:
    """The preset with a name."""
    return presets()[name]


@cache
def regimen_given_outcome(of: CohortPreset) -> NDArray[np.float64]:
    """P(regimen given outcome), shape (3, number of regimens in the mix); rows sum to 1.

    By Bayes from the mix and P(outcome given regimen). The preset's own shares of outcomes stand,
    as in a study that chose its cases by outcome.
    """
    joint = np.array(
        [
            [share * regimens()[name].chance(outcome) for name, share in of.mix]
            for outcome in OUTCOMES
        ]
    )
    given: NDArray[np.float64] = joint / joint.sum(axis=1, keepdims=True)
    return given


def draw_regimen(rng: np.random.Generator, outcome: str, of: CohortPreset) -> Regimen:
    """A regimen for a patient with an outcome."""
    chances = regimen_given_outcome(of)[OUTCOMES.index(outcome)]
    place = int(np.searchsorted(np.cumsum(chances), rng.random()))
    return regimens()[of.mix[min(place, len(of.mix) - 1)][0]]


def _rows(name: str) -> list[dict[str, str]]:
    text = resources.files("radresp.phantom").joinpath(name).read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


def _preset(name: str, rows: list[dict[str, str]]) -> CohortPreset:
    mine = {row["field"]: row for row in rows if row["preset"] == name}
    values = {key: float(Fraction(row["value"])) for key, row in mine.items()}
    counts: dict[str, Any] = {key: int(values[key]) for key in OUTCOMES}
    mix = tuple((key[len(_MIX) :], v) for key, v in values.items() if key.startswith(_MIX))
    others: dict[str, Any] = {
        k: v for k, v in values.items() if k not in _COUNTS and not k.startswith(_MIX)
    }
    basis = {key: Basis(row["kind"], row["source"]) for key, row in mine.items()}
    return CohortPreset(name=name, mix=mix, basis=basis, **counts, **others)
