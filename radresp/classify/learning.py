"""The room's verbs: measure honestly, learn the final model, bring one back from bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import ParamSpec, TypeVar

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from radresp.classify import METHODS
from radresp.classify.cross_validation import (
    OutOfFold,
    cross_validate_table,
    leave_one_site_out_table,
)
from radresp.classify.fusion import Fused
from radresp.classify.leak_guard import Canary, permuted_canary
from radresp.classify.method import Method
from radresp.classify.model import Model, fit_table
from radresp.classify.settings import ClassifierSettings
from radresp.classify.store import restore_any
from radresp.classify.table import RESIDUAL, check_table
from radresp.classify.tuning import patient_folds, possible_folds, seed_of
from radresp.errors import PlanError

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


def _on_one_thread(verb: Callable[Given, Answer]) -> Callable[Given, Answer]:
    """The verb with one thread for linear algebra.

    Tables are small: a second thread gains little, costs many times that where its core is busy,
    and may round differently.
    """

    @wraps(verb)
    def alone(*args: Given.args, **kwargs: Given.kwargs) -> Answer:
        with threadpool_limits(limits=1):
            return verb(*args, **kwargs)

    return alone


@_on_one_thread
def fit(
    x: pd.DataFrame,
    y: pd.Series,
    groups: pd.Series,
    settings: ClassifierSettings,
    *,
    endpoint: str,
    seed: int,
    sites: pd.Series | None = None,
    doubted: pd.Series | None = None,
) -> Model:
    """Learn the final model from all cases.

    Parameters
    ----------
    x : DataFrame of shape (cases, features)
        Index = case id, one number a cell, NaN where missing.
    y : Series
        Outcome by case id: {fibrosis, inflammation, residual} or {complete, residual}.
    groups : Series
        Patient by case id.
    settings : ClassifierSettings
        Settings of one of the ``METHODS``; its type says which.
    endpoint : str
        What "complete response" means in the outcomes, for example ``"pCR"``.
    seed : int
        Makes everything repeatable.
    sites : Series of str, optional
        Hospital by case id, for harmonisation.
    doubted : Series of bool, optional
        Whether a reader called the case less than complete; with enough of them the model also
        says what such a call means.

    Returns
    -------
    Model
        The fitted, calibrated model. Its notes stand in ``model.step``.

    Raises
    ------
    PlanError, CohortError
        See :func:`radresp.classify.table.check_table`.
    """
    name, method = _method_of(settings)
    table = check_table(x, y, groups, settings, sites=sites, doubted=doubted)
    return fit_table(name, method, settings, table, endpoint=endpoint, seed=seed)


@_on_one_thread
def cross_validate(
    x: pd.DataFrame,
    y: pd.Series,
    groups: pd.Series,
    settings: ClassifierSettings,
    *,
    seed: int,
    sites: pd.Series | None = None,
    doubted: pd.Series | None = None,
    folds: pd.Series | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> OutOfFold:
    """Measure honestly: repeated, patient-grouped, nested cross-validation.

    Parameters
    ----------
    x, y, groups, settings, seed, sites, doubted
        As in :func:`fit`.
    folds : Series of int, optional
        Fold of each case id, drawn elsewhere (:func:`draw_folds`); one repeat.
    progress : callable, optional
        Called with the number of folds done and the number of folds.

    Returns
    -------
    OutOfFold
        Calibrated probabilities of every case by models that never met its patient.

    Raises
    ------
    PlanError, CohortError
        See :func:`radresp.classify.table.check_table`.
    """
    name, method = _method_of(settings)
    table = check_table(x, y, groups, settings, sites=sites, doubted=doubted)
    return cross_validate_table(
        name, method, settings, table, seed=seed, folds=folds, progress=progress
    )


def draw_folds(y: pd.Series, groups: pd.Series, folds: int, *, seed: int) -> pd.Series:
    """Folds for a model trained elsewhere: patients undivided, outcomes spread evenly.

    Parameters
    ----------
    y, groups : Series
        Outcome and patient by case id.
    folds : int
        Number of folds; at most the patients of the rarer outcome.
    seed : int
        The same seed gives the folds of the first repeat of :func:`cross_validate`.

    Returns
    -------
    Series of int
        Fold of each case id, from 0, sorted by id.
    """
    index = y.sort_index().index
    classes = sorted(set(y))
    labels = np.array([classes.index(label) for label in y.loc[index]], dtype=np.int64)
    patients = groups.loc[index].to_numpy().astype(str)
    residual = (y.loc[index] == RESIDUAL).to_numpy().astype(np.int64)
    number = possible_folds(folds, residual, patients)
    return pd.Series(patient_folds(labels, patients, number, seed_of(seed, 0, 0)), index=index)


@_on_one_thread
def leave_one_site_out(
    x: pd.DataFrame,
    y: pd.Series,
    groups: pd.Series,
    settings: ClassifierSettings,
    *,
    seed: int,
    sites: pd.Series,
    progress: Callable[[int, int], None] | None = None,
) -> OutOfFold:
    """Measure how a model fares at a hospital it was not trained at: each is left out once.

    Parameters are those of :func:`cross_validate`. With harmonisation the values of the hospital
    left out stay as they are: nothing is learned from it.

    Raises
    ------
    PlanError, CohortError
        See :func:`radresp.classify.table.check_table`; ``SITES`` when there are not two or more,
        each with enough cases elsewhere.
    """
    name, method = _method_of(settings)
    table = check_table(x, y, groups, settings, sites=sites)
    return leave_one_site_out_table(name, method, settings, table, seed=seed, progress=progress)


@_on_one_thread
def permute(
    x: pd.DataFrame,
    y: pd.Series,
    groups: pd.Series,
    settings: ClassifierSettings,
    *,
    seed: int,
    permutations: int,
    sites: pd.Series | None = None,
) -> Canary:
    """Run the very same evaluation on shuffled outcomes, where only a leak can find anything.

    Parameters
    ----------
    x, y, groups, settings, seed, sites
        As in :func:`fit`.
    permutations : int
        How often; 1 or more.

    Raises
    ------
    ModelError
        ``LEAK_CANARY`` when the mean AUC is better than chance explains.
    """
    name, method = _method_of(settings)
    table = check_table(x, y, groups, settings, sites=sites)
    return permuted_canary(name, method, settings, table, seed=seed, permutations=permutations)


def restore(members: Mapping[str, bytes]) -> Model | Fused:
    """A model from the members :func:`dump` gave.

    Raises
    ------
    ModelError
        See :func:`radresp.classify.store.restore_any`.
    """
    return restore_any(members, {name: method.settings for name, method in METHODS.items()})


def _method_of(settings: ClassifierSettings) -> tuple[str, Method]:
    for name, method in METHODS.items():
        if type(settings) is method.settings:
            return name, method
    raise PlanError(
        "CONFIG_KEY",
        f"no classifier has settings of type {type(settings).__name__}",
        expected=", ".join(METHODS),
    )
