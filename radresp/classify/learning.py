"""The room's verbs: measure honestly, learn the final model, bring one back from bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pandas as pd

from radresp.classify import METHODS
from radresp.classify.cross_validation import OutOfFold, cross_validate_table
from radresp.classify.method import Method
from radresp.classify.model import Model, fit_table
from radresp.classify.settings import ClassifierSettings
from radresp.classify.store import restore_model
from radresp.classify.table import check_table
from radresp.errors import PlanError


def fit(
    x: pd.DataFrame,
    y: pd.Series,
    groups: pd.Series,
    settings: ClassifierSettings,
    *,
    endpoint: str,
    seed: int,
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
    table = check_table(x, y, groups, settings)
    return fit_table(name, method, settings, table, endpoint=endpoint, seed=seed)


def cross_validate(
    x: pd.DataFrame,
    y: pd.Series,
    groups: pd.Series,
    settings: ClassifierSettings,
    *,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> OutOfFold:
    """Measure honestly: repeated, patient-grouped, nested cross-validation.

    Parameters
    ----------
    x, y, groups, settings, seed
        As in :func:`fit`.
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
    table = check_table(x, y, groups, settings)
    return cross_validate_table(name, method, settings, table, seed=seed, progress=progress)


def restore(members: Mapping[str, bytes]) -> Model:
    """A model from the members :func:`dump` gave.

    Raises
    ------
    ModelError
        See :func:`radresp.classify.store.restore_model`.
    """
    return restore_model(members, {name: method.settings for name, method in METHODS.items()})


def _method_of(settings: ClassifierSettings) -> tuple[str, Method]:
    for name, method in METHODS.items():
        if type(settings) is method.settings:
            return name, method
    raise PlanError(
        "CONFIG_KEY",
        f"no classifier has settings of type {type(settings).__name__}",
        expected=", ".join(METHODS),
    )
