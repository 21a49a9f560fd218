"""Scores of another kind of model, such as a network, judged and stacked like any other source.

A network is trained elsewhere, on folds given in advance. For an honest stack each fold needs two
things of it: scores of the fold's cases by a network that met none of them, and scores of all other
cases by networks that met neither the case nor the fold. With K folds that is one network for every
fold and for every pair of folds left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from radresp.classify.calibration import fit_platt
from radresp.classify.conformal import OUTCOMES, Mondrian
from radresp.classify.cross_validation import PSEUDO, OutOfFold, Part
from radresp.classify.fusion import shared_out
from radresp.classify.settings import ClassifierSettings
from radresp.classify.table import RESIDUAL, Floats
from radresp.classify.training import doubted_line
from radresp.core import Step
from radresp.errors import PlanError


@dataclass(frozen=True, eq=False)
class FoldScores:
    """Scores by case id.

    Parameters
    ----------
    folds : Series of int
        Fold of each case, from 0.
    inner : DataFrame of shape (cases, folds)
        Log-odds of residual tumour of each case by a model that met neither it nor any case of the
        column's fold; NaN for the fold's own cases.
    outer : Series
        Log-odds of each case by a model that met no case of its fold.
    classes : DataFrame of shape (cases, classes)
        Probabilities of the classes by that model; rows sum to 1.

    Raises
    ------
    PlanError
        ``TABLE_MISMATCH`` when cases, folds or gaps do not fit together.
    """

    folds: pd.Series
    inner: pd.DataFrame
    outer: pd.Series
    classes: pd.DataFrame

    def __post_init__(self) -> None:
        numbers = sorted(self.folds.unique())
        same = all(
            part.index.equals(self.folds.index) for part in (self.inner, self.outer, self.classes)
        )
        own = self.folds.to_numpy()[:, None] == np.arange(self.inner.shape[1])
        fits = same and numbers == list(range(self.inner.shape[1]))
        if not fits or not (self.inner.isna().to_numpy() == own).all() or self.outer.isna().any():
            raise PlanError(
                "TABLE_MISMATCH",
                "scores, folds and cases do not fit together",
                expected="for every fold a score of every other case",
                action="run `radresp train-cnn` again",
            )

    def of(self, cases: pd.Index) -> FoldScores:
        """The scores of some cases, in their order.

        Raises
        ------
        PlanError
            ``TABLE_MISMATCH`` when a case has none, or a fold is left empty.
        """
        lacking = cases.difference(self.folds.index)
        if len(lacking):
            raise PlanError(
                "TABLE_MISMATCH",
                f"{len(lacking)} cases have no score of the network, first {lacking[0]}",
                expected="the cases the network was trained on",
                action="run `radresp train-cnn` on the same cohort and outcomes",
            )
        return FoldScores(
            self.folds.loc[cases],
            self.inner.loc[cases],
            self.outer.loc[cases],
            self.classes.loc[cases],
        )


def judge_scores(
    scores: FoldScores, y: pd.Series, doubted: pd.Series, settings: ClassifierSettings
) -> OutOfFold:
    """Calibrated out-of-fold probabilities from scores, as for a classifier of the room.

    Parameters
    ----------
    scores : FoldScores
        Of all cases of ``y``.
    y, doubted : Series
        Outcome, and whether a reader called the case less than complete, by case id.
    settings : ClassifierSettings
        Holds the fewest patients a class may have.
    """
    found = scores.of(pd.Index(sorted(y.index)))
    index = found.folds.index
    event = (y.loc[index] == RESIDUAL).to_numpy().astype(np.int64)
    doubt = doubted.loc[index].to_numpy(bool)
    names = sorted(found.classes.columns)
    p = found.classes[names].to_numpy().copy()
    fit, pseudo = np.full((event.size, 2), np.nan), np.full(event.size, np.nan)
    parts = []
    for fold in range(found.inner.shape[1]):
        test = found.folds.to_numpy() == fold
        part, fitted, of_doubted = _fold(found, fold, test, event, doubt, settings)
        parts.append(part)
        fit[test], pseudo[test] = fitted, of_doubted
        odds = 1 / (1 + np.exp(-part.outer))
        p[test] = shared_out(p[test], names.index(RESIDUAL), odds)

    def frame(values: NDArray[np.generic], columns: list[str]) -> pd.DataFrame:
        return pd.DataFrame(values, index=index, columns=columns)

    whole = frame(p, names)
    return OutOfFold(
        whole,
        (whole,),
        frame(found.folds.to_numpy()[:, None], ["repeat_1"]),
        (frame(fit, list(OUTCOMES)),),
        frame(np.zeros((event.size, 1), dtype=bool), ["repeat_1"]),
        pd.Series(pseudo, index=index, name=PSEUDO),
        (),
        tuple(parts),
        Step("classify", "fold_scores", {"folds": int(found.inner.shape[1])}),
    )


def _fold(
    scores: FoldScores,
    fold: int,
    test: NDArray[np.bool_],
    event: NDArray[np.int64],
    doubt: NDArray[np.bool_],
    settings: ClassifierSettings,
) -> tuple[Part, Floats, Floats]:
    """One fold calibrated by the others: log-odds, conformal p-values, doubted probabilities."""
    inner = scores.inner.iloc[:, fold].to_numpy()[~test][None]
    raw = scores.outer.to_numpy()[test]
    line = fit_platt(inner, event[~test])
    log_odds = line.log_odds(raw)
    fit = Mondrian.of(line.log_odds(inner), event[~test]).p_values(log_odds)
    of_doubted = doubted_line(inner, event[~test], doubt[~test], settings)
    pseudo = np.full(raw.size, np.nan)
    if of_doubted is not None:
        pseudo = np.where(doubt[test], 1 - of_doubted.probability(raw), np.nan)
    return Part(0, test, line.log_odds(inner), log_odds), fit, pseudo
