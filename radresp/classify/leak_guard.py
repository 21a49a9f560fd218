"""The label-permutation canary: shuffled outcomes through the same evaluation must find nothing.

Source: permutation test of a whole pipeline (Ojala & Garriga 2010); clinical.md 4.2, rule 3, where
choosing 10 of 500 noise features outside the folds gave an AUC of 0.89. Outcomes are shuffled over
patients. Whatever AUC is left above chance was carried from test to training cases by the code or
by the table, and no figure of such a run may be believed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from radresp.classify.cross_validation import cross_validate_table
from radresp.classify.method import Method
from radresp.classify.settings import ClassifierSettings
from radresp.classify.table import RESIDUAL, Floats, TrainingTable
from radresp.classify.tuning import seed_of
from radresp.errors import ModelError

# Cross-validated AUCs of shuffled outcomes vary a third more than the plain standard error says
# (0.10 against 0.077 with 60 patients): 4.5 of it are 3.4 of theirs.
_DEVIATIONS = 4.5


@dataclass(frozen=True, slots=True)
class Canary:
    """What shuffled outcomes gave.

    Parameters
    ----------
    aucs : tuple of float
        AUC of each shuffle.
    bound : float
        Largest mean that chance explains: 4.5 standard errors above one half.
    """

    aucs: tuple[float, ...]
    bound: float

    @property
    def mean(self) -> float:
        """Mean AUC."""
        return float(np.mean(self.aucs))


def permuted_canary(
    name: str,
    method: Method,
    settings: ClassifierSettings,
    table: TrainingTable,
    *,
    seed: int,
    permutations: int,
) -> Canary:
    """Evaluate shuffled outcomes; one repeat of the outer and of the inner folds each.

    Parameters
    ----------
    name, method, settings, table
        As in :func:`radresp.classify.cross_validation.cross_validate_table`.
    seed : int
        Makes the shuffles repeatable.
    permutations : int
        How many, 1 or more.

    Raises
    ------
    ModelError
        ``LEAK_CANARY`` when the mean AUC exceeds the bound.
    """
    once = settings.model_copy(update={"repeats": 1, "inner_repeats": 1})
    aucs = []
    for number in range(permutations):
        shuffled = _shuffled(table, seed_of(seed, 9, number))
        found = cross_validate_table(name, method, once, shuffled, seed=seed_of(seed, 10, number))
        aucs.append(_auc(found.p[RESIDUAL].to_numpy(), shuffled.residual))
    canary = Canary(tuple(aucs), 0.5 + _DEVIATIONS * _standard_error(table) / permutations**0.5)
    if canary.mean > canary.bound:
        raise ModelError(
            "LEAK_CANARY",
            f"shuffled outcomes were predicted with an AUC of {canary.mean:.2f}",
            expected=f"at most {canary.bound:.2f}: nothing can be known of them",
            action="something carries outcomes from test to training cases; no figure of this run "
            "can be believed. Look for one patient under several ids and for columns made with the "
            "outcome",
        )
    return canary


def _shuffled(table: TrainingTable, seed: int) -> TrainingTable:
    """The table with the outcomes of its patients dealt anew."""
    _, first, of_case = np.unique(table.groups, return_index=True, return_inverse=True)
    dealt = np.random.default_rng(seed).permutation(table.labels[first])
    nobody = np.zeros(len(table.ids), dtype=bool)
    return replace(table, labels=dealt[of_case], doubted=nobody, notes=())


def _standard_error(table: TrainingTable) -> float:
    """Of the AUC where nothing is known (Mann & Whitney 1947), over patients."""
    patients, first = np.unique(table.groups, return_index=True)
    events = int(table.residual[first].sum())
    others = patients.size - events
    return float(np.sqrt((events + others + 1) / (12 * events * others)))


def _auc(p: Floats, event: NDArray[Any]) -> float:
    events, others = int(event.sum()), int((1 - event).sum())
    rank = rankdata(p)[event == 1].sum()
    return float((rank - events * (events + 1) / 2) / (events * others))
