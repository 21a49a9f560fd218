"""Which networks are trained for an honest stack, and what their scores come to.

For K folds: one network without each fold, one without each pair of folds, and one of all cases.
The first judge cases they never met; the pairs give every other case a score that met neither it
nor the fold that is judged; the last scores new cases.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from radresp import classify

ALL = "all"


class Duty(NamedTuple):
    """One network to train.

    Parameters
    ----------
    name : str
        Of its folder: ``all``, ``without_0``, ``without_0_1``.
    left_out : tuple of int
        Folds it must not meet; it scores their cases.
    """

    name: str
    left_out: tuple[int, ...]


class Scored(NamedTuple):
    """What one network said of the cases it had not met.

    Parameters
    ----------
    cases : tuple of str
        Their ids.
    residual : ndarray of shape (cases,)
        Log-odds of residual tumour.
    classes : ndarray of shape (cases, classes)
        Probabilities.
    fraction : ndarray of shape (cases,)
        Share of the bed that is tumour, 0-1.
    """

    cases: tuple[str, ...]
    residual: NDArray[np.float64]
    classes: NDArray[np.float64]
    fraction: NDArray[np.float64]


def duties(folds: int) -> Iterator[Duty]:
    """Every network of a study with a number of folds, the final one last.

    Examples
    --------
    >>> [duty.name for duty in duties(2)]
    ['without_0', 'without_1', 'without_0_1', 'all']
    """
    for number in (1, 2):
        for left_out in combinations(range(folds), number):
            yield Duty("without_" + "_".join(map(str, left_out)), left_out)
    yield Duty(ALL, ())


def fold_scores(
    folds: pd.Series, said: Mapping[tuple[int, ...], Scored], classes: tuple[str, ...]
) -> classify.FoldScores:
    """Everything the networks said, fold by fold.

    Parameters
    ----------
    folds : Series of int
        Fold of each case id.
    said : mapping of tuple of int to Scored
        What the network without these folds said.
    classes : tuple of str
        Names of the classes.
    """
    number = int(folds.max()) + 1
    inner = pd.DataFrame(np.nan, index=folds.index, columns=range(number))
    outer = pd.Series(np.nan, index=folds.index)
    shares = pd.DataFrame(np.nan, index=folds.index, columns=list(classes))
    for left_out, found in said.items():
        cases = pd.Index(found.cases)
        residual = pd.Series(found.residual, index=cases)
        if len(left_out) == 1:
            outer.loc[cases] = residual
            shares.loc[cases] = found.classes
            continue
        for fold, other in (left_out, left_out[::-1]):
            of = cases[folds.loc[cases] == other]
            inner.loc[of, fold] = residual.loc[of]
    return classify.FoldScores(folds, inner, outer, shares)


def fold_fractions(said: Mapping[tuple[int, ...], Scored]) -> pd.Series:
    """Residual fraction of each case by the network that met no case of its fold.

    Parameters
    ----------
    said : mapping of tuple of int to Scored
        What the network without these folds said.
    """
    parts = [
        pd.Series(found.fraction, index=found.cases)
        for left_out, found in said.items()
        if len(left_out) == 1
    ]
    return pd.concat(parts)
