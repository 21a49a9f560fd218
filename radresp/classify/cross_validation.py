"""The honest evaluation: every number about a case comes from a model that never met its patient.

Source: nested cross-validation (Varma & Simon 2006), repeated, with whole patients in one fold; or
one fold a hospital, which asks how a model fares where it has not been trained. Everything is
learned inside the fold: harmonisation, choice of columns, filling of gaps, scale, hyper-parameters,
calibration, conformal scores and the extent of the training cases.

Longer than most: what is kept of an evaluation is described where it is made.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from radresp.classify.conformal import OUTCOMES
from radresp.classify.fold_record import fewer_folds, merged, record_of, summary
from radresp.classify.prediction import may_fill
from radresp.classify.preparation import Preparation
from radresp.classify.settings import ClassifierSettings
from radresp.classify.support import Support
from radresp.classify.table import RESIDUAL, Floats, TrainingTable
from radresp.classify.training import Heads, train_heads
from radresp.classify.tuning import Method, patient_folds, possible_folds, seed_of
from radresp.core import Step
from radresp.errors import CohortError

Progress = Callable[[int, int], None]
PSEUDO = "p_pseudo_residual_given_non_ccr"
"""Probability of a complete response, given that a reader saw less than one."""


@dataclass(frozen=True, eq=False)
class Part:
    """One outer fold: what its model said of the cases it met, out of fold, and of the others.

    Parameters
    ----------
    repeat : int
        Which repeat.
    test : ndarray of bool, shape (cases,)
        The cases it had not met.
    inner : ndarray of shape (inner repeats, training cases)
        Log-odds of residual tumour of its training cases, each from an inner fold.
    outer : ndarray of shape (test cases,)
        Log-odds of the others.
    """

    repeat: int
    test: NDArray[np.bool_]
    inner: Floats
    outer: Floats


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """Probabilities of cases by models that never met their patients.

    Parameters
    ----------
    p : DataFrame of shape (cases, classes)
        Mean over the repeats; index = case id, sorted; rows sum to 1.
    per_repeat : tuple of DataFrame
        The same for each repeat alone.
    folds : DataFrame of shape (cases, repeats)
        Fold of each case in each repeat.
    fit : tuple of DataFrame
        Conformal p-values (``complete``, ``residual``) for each repeat.
    outside : DataFrame of bool, shape (cases, repeats)
        Whether scoring would abstain because the case is unlike the training cases or lacks a
        feature.
    pseudo : Series
        Probability of a complete response given that a reader called the case less than complete;
        NaN for others, and where too few such cases taught it.
    chosen : tuple of dict
        For each repeat and fold: hyper-parameters, calibration line, selected columns, columns
        constant only in that fold, numbers of cases.
    parts : tuple of Part
        What stacking needs.
    step : Step
        Method, settings, seconds and notes.
    """

    p: pd.DataFrame
    per_repeat: tuple[pd.DataFrame, ...]
    folds: pd.DataFrame
    fit: tuple[pd.DataFrame, ...]
    outside: pd.DataFrame
    pseudo: pd.Series
    chosen: tuple[dict[str, Any], ...]
    parts: tuple[Part, ...]
    step: Step

    @property
    def p_ccr(self) -> pd.Series:
        """Probability of a complete response, 1 - p(residual), by case id."""
        return (1.0 - self.p[RESIDUAL]).rename("p_ccr")


def cross_validate_table(
    name: str,
    method: Method,
    settings: ClassifierSettings,
    table: TrainingTable,
    *,
    seed: int,
    folds: pd.Series | None = None,
    progress: Progress | None = None,
) -> OutOfFold:
    """Out-of-fold probabilities of a checked table.

    Parameters
    ----------
    name : str
        The method's name, for the record.
    method, settings
        The classifier.
    table : TrainingTable
        The checked table.
    seed : int
        Makes folds, tuning and solver repeatable.
    folds : Series of int, optional
        Fold of each case id, drawn elsewhere; one repeat.
    progress : callable, optional
        Called with folds done and folds in all.
    """
    if folds is not None:
        given = folds.loc[list(table.ids)].to_numpy(dtype=np.int64)[None]
        return _out_of_fold(name, method, settings, table, given, seed, progress)
    number = possible_folds(settings.outer_folds, table.residual, table.groups)
    fold_of = np.array(
        [
            patient_folds(table.labels, table.groups, number, seed_of(seed, 0, repeat))
            for repeat in range(settings.repeats)
        ]
    )
    found = _out_of_fold(name, method, settings, table, fold_of, seed, progress)
    if number == settings.outer_folds:
        return found
    notes = (*found.step.notes, fewer_folds(number, settings))
    return replace(found, step=replace(found.step, notes=notes))


def leave_one_site_out_table(
    name: str,
    method: Method,
    settings: ClassifierSettings,
    table: TrainingTable,
    *,
    seed: int,
    progress: Progress | None = None,
) -> OutOfFold:
    """Probabilities of the cases of each site by a model of all other sites.

    Parameters are those of :func:`cross_validate_table`.

    Raises
    ------
    CohortError
        ``SITES`` when there are fewer than two sites, a case or patient belongs to none or two, or
        the others of a site are too few to learn from.
    """
    names, fold_of = np.unique(table.sites, return_inverse=True)
    if names.size < 2 or "" in names:
        found = f"{names.size} site" if "" not in names else "cases without a site"
        raise CohortError("SITES", found, expected="two sites or more, and one for every case")
    patients = pd.Series(table.sites).groupby(table.groups).nunique()
    if (patients > 1).any():
        raise CohortError("SITES", f"{(patients > 1).sum()} patients at two sites", expected="one")
    for place, site in enumerate(names):
        other = table.residual[fold_of != place]
        fewest = min(int(other.sum()), int((1 - other).sum()))
        if fewest < settings.min_per_class and not settings.allow_few:
            raise CohortError(
                "SITES",
                f"without {site} {fewest} cases of the rarer outcome are left",
                expected=f"at least {settings.min_per_class}",
            )
    return _out_of_fold(name, method, settings, table, fold_of[None], seed, progress)


def _out_of_fold(
    name: str,
    method: Method,
    settings: ClassifierSettings,
    table: TrainingTable,
    fold_of: NDArray[np.int64],
    seed: int,
    progress: Progress | None,
) -> OutOfFold:
    """Probabilities by folds that are drawn, ``fold_of`` of shape (repeats, cases)."""
    start = time.perf_counter()
    found = _Gathered(table, len(fold_of))
    notes = list(table.notes)
    places = [(repeat, fold) for repeat, row in enumerate(fold_of) for fold in np.unique(row)]
    for done, (repeat, fold) in enumerate(places, start=1):
        test = fold_of[repeat] == fold
        check_disjoint(table.groups[~test], table.groups[test])
        prepared = Preparation.of(table, ~test, settings).applied(table)
        heads = train_heads(
            method,
            settings,
            prepared,
            ~test,
            repeats=settings.inner_repeats,
            seed=seed_of(seed, 1, repeat, int(fold)),
        )
        found.add(prepared, heads, test, repeat, int(fold), settings)
        notes.extend(heads.notes)
        if progress is not None:
            progress(done, len(places))
    notes += summary(found.chosen)
    seconds = time.perf_counter() - start
    step = Step("classify", name, settings.model_dump(mode="json"), seconds, merged(notes))
    return found.out_of_fold(fold_of, step)


class _Gathered:
    """What the folds said so far, case by case and repeat by repeat."""

    def __init__(self, table: TrainingTable, repeats: int) -> None:
        shape = (repeats, len(table.ids))
        self.index = pd.Index(table.ids, name="case_id")
        self.classes = list(table.classes)
        self.doubted = table.doubted
        self.p = np.full((*shape, len(self.classes)), np.nan)
        self.fit = np.full((*shape, len(OUTCOMES)), np.nan)
        self.outside = np.zeros(shape, dtype=bool)
        self.pseudo = np.full(shape, np.nan)
        self.chosen: list[dict[str, Any]] = []
        self.parts: list[Part] = []

    def add(
        self,
        table: TrainingTable,
        heads: Heads,
        test: NDArray[np.bool_],
        repeat: int,
        fold: int,
        settings: ClassifierSettings,
    ) -> None:
        """Note what the heads of one fold say of its test cases."""
        x = table.x[test]
        margins = heads.margins(x)
        log_odds = heads.platt.log_odds(margins)
        self.p[repeat, test] = heads.probabilities(x)
        self.fit[repeat, test] = heads.conformal.p_values(log_odds)
        self.outside[repeat, test] = _outside(table, heads, ~test, x, settings)
        if heads.doubted is not None:
            complete = 1 - heads.doubted.probability(margins)
            self.pseudo[repeat, test] = np.where(self.doubted[test], complete, np.nan)
        self.parts.append(Part(repeat, test, heads.platt.log_odds(heads.scores), log_odds))
        self.chosen.append(record_of(table, heads, test, repeat, fold))

    def out_of_fold(self, fold_of: NDArray[np.int64], step: Step) -> OutOfFold:
        """Everything as frames."""
        names = [f"repeat_{k + 1}" for k in range(len(fold_of))]

        def frame(values: NDArray[Any], columns: list[str]) -> pd.DataFrame:
            return pd.DataFrame(values, index=self.index, columns=columns)

        return OutOfFold(
            frame(self.p.mean(axis=0), self.classes),
            tuple(frame(values, self.classes) for values in self.p),
            frame(fold_of.T, names),
            tuple(frame(values, list(OUTCOMES)) for values in self.fit),
            frame(self.outside.T, names),
            pd.Series(mean_known(self.pseudo), index=self.index, name=PSEUDO),
            tuple(self.chosen),
            tuple(self.parts),
            step,
        )


def mean_known(values: Floats) -> Floats:
    """Mean over the repeats that say anything of a case, shape (cases,); NaN where none does."""
    known = np.isfinite(values)
    total = np.where(known, values, 0.0).sum(axis=0)
    return np.asarray(np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nan))


def _outside(
    table: TrainingTable,
    heads: Heads,
    train: NDArray[np.bool_],
    x: Floats,
    settings: ClassifierSettings,
) -> NDArray[np.bool_]:
    """Which test cases scoring would abstain from, for what their features are."""
    selected = heads.selected()
    support = Support.of(table.x[train], table.columns, selected, settings)
    used = heads.residual["select"].get_support()
    unlike = [bool(support.check(row)) for row in x]
    lacking = [
        bool(np.isnan(row[selected]).any())
        and not may_fill(heads.residual["classify"], np.isnan(row[used]), settings)
        for row in x
    ]
    return np.asarray(np.array(unlike) | np.array(lacking))


def check_disjoint(train: NDArray[Any], test: NDArray[Any]) -> None:
    """Refuse a split that has a patient on both sides.

    Raises
    ------
    AssertionError
        If a patient is on both sides, which the folds make impossible.
    """
    if np.intersect1d(train, test).size:
        raise AssertionError("a patient stands in training and test fold")
