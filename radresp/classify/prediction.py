"""Scoring: probabilities with an interval, what drove them, and whether they may be trusted.

A case is looked up by column name, never by position. A missing value is never filled: without a
feature the model looks at there is no probability, only a reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from radresp.classify.ensemble import interval_of
from radresp.classify.head import Head
from radresp.classify.model import Model
from radresp.classify.settings import ClassifierSettings
from radresp.classify.shapley import shapley
from radresp.classify.table import RESIDUAL, Floats, listed
from radresp.core import Note, NoteKind
from radresp.errors import ModelError


class Contribution(NamedTuple):
    """How far one feature moved a case's log-odds of residual tumour.

    ``contribution`` is coefficient x standardised value x calibration slope, or, where the model is
    no weighted sum, the Shapley value against the training medians; positive is towards residual
    tumour. The training values are the 5, 50 and 95 % quantiles.
    """

    name: str
    value: float
    contribution: float
    training_median: float
    training_low: float
    training_high: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """A model's answer for one case.

    Parameters
    ----------
    case_id : str
        The case.
    classes : mapping of str to float
        Probability of each class, summing to 1; empty when a needed feature is missing.
    interval : tuple of float or None
        Interval of ``p_ccr``; None when there is none.
    notes : tuple of Note
        Reasons to abstain, each with its code.
    contributions : tuple of Contribution
        The strongest first.
    filled : tuple of str
        Features the case lacks, whose training median stood in.
    fit : mapping of str to float
        Conformal p-value of each outcome (``complete``, ``residual``): the share of its training
        cases that fit it no better.
    p_pseudo_residual : float or None
        Probability of a complete response given that a reader called the case less than complete;
        None where too few such cases were among the training cases.
    warnings : tuple of Note
        What does not stop a probability but limits it.
    log_odds : float
        Log-odds of residual tumour.
    members : ndarray
        The same by the members of the ensemble able to judge the case.
    support : mapping of str to float
        Where the case lies among the training cases, and how far out it may; see
        :meth:`radresp.classify.support.Support.figures`. Empty where that was not looked at.
    """

    case_id: str
    classes: Mapping[str, float]
    interval: tuple[float, float] | None
    notes: tuple[Note, ...]
    contributions: tuple[Contribution, ...]
    filled: tuple[str, ...] = ()
    fit: Mapping[str, float] = field(default_factory=dict)
    p_pseudo_residual: float | None = None
    warnings: tuple[Note, ...] = ()
    log_odds: float = field(default=float("nan"), compare=False)
    members: Floats = field(default_factory=lambda: np.array([]), compare=False, repr=False)
    support: Mapping[str, float] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        for name in ("classes", "fit", "support"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    @property
    def p_ccr(self) -> float | None:
        """Probability of a complete response, 1 - p(residual); None without probabilities."""
        return 1.0 - self.classes[RESIDUAL] if self.classes else None

    @property
    def outside(self) -> tuple[str, ...]:
        """Why the case lies outside what the model knows, in words; empty when it does not."""
        return tuple(note.text for note in self.notes)


def predict_all(
    model: Model, x: pd.DataFrame, *, sites: pd.Series | None = None
) -> tuple[Prediction, ...]:
    """Score cases by one model.

    Parameters
    ----------
    model : Model
        The model.
    x : DataFrame of shape (cases, columns)
        Index = case id. Every column of the model by name, in any order; others are ignored.
    sites : Series of str, optional
        Hospital of each case id, for a harmonised model; one it was not trained on, or none, leaves
        the values as they are and warns.

    Returns
    -------
    tuple of Prediction
        One a row, in the rows' order.

    Raises
    ------
    ModelError
        ``FEATURE_SCHEMA`` when a column is missing, stands twice, or holds text;
        ``SCORE_INVALID`` when the model's numbers give no probability.
    """
    of = np.full(len(x), "") if sites is None else sites.reindex(x.index).fillna("").to_numpy(str)
    values = model.preparation.transform(_values(model, x), of)
    return tuple(
        predict_prepared(model, str(case), row, _site_notes(model, site))
        for case, row, site in zip(x.index, values, of, strict=True)
    )


def _site_notes(model: Model, site: str) -> tuple[Note, ...]:
    combat = model.preparation.combat
    if combat is None or combat.knows(np.array([site]))[0]:
        return ()
    return (
        Note(
            NoteKind.WARNING,
            "SITE_UNSEEN",
            f"the site {site or 'of the case is not stated and'} was not harmonised",
            f"one of {listed(combat.sites)}" if combat.sites else "a site",
            "its values were used as they are; expect less than the evaluation by site shows",
        ),
    )


def _values(model: Model, x: pd.DataFrame) -> Floats:
    missing = [name for name in model.columns if name not in x.columns]
    twice = [str(name) for name in x.columns[x.columns.duplicated()] if name in model.columns]
    if missing or twice:
        strange = sorted(set(map(str, x.columns)) - set(model.columns))
        unused = f"; not in the model: {listed(strange)}" if strange else ""
        found = f"missing columns: {listed(missing)}" if missing else f"twice: {listed(twice)}"
        raise ModelError(
            "FEATURE_SCHEMA",
            found + unused,
            expected=f"the model's {len(model.columns)} columns by name",
            action="extract features with the model's own plan",
        )
    table = x[list(model.columns)]
    text = [str(c) for c in table.columns if not pd.api.types.is_numeric_dtype(table[c])]
    if text:
        raise ModelError("FEATURE_SCHEMA", f"not numeric: {listed(text)}", expected="numbers")
    return table.to_numpy(dtype=float)


def predict_prepared(
    model: Model, case: str, row: Floats, warnings: tuple[Note, ...] = ()
) -> Prediction:
    """Score one case whose values, of shape (prepared columns,), went through the preparation."""
    needed = row[model.places(model.selected)]
    lacking = [
        name for name, value in zip(model.selected, needed, strict=True) if not np.isfinite(value)
    ]
    gaps = ~np.isfinite(row[model.places(model.residual.columns)])
    if lacking and not may_fill(model.residual.classifier, gaps, model.settings):
        note = Note(
            NoteKind.ABSTAIN,
            "MISSING_FEATURE",
            f"no value for {listed(lacking)}",
            "every feature the model looks at",
            "see the case's notes for why it could not be measured",
        )
        return Prediction(case, {}, None, (note,), ())
    p = model.probabilities(row[None])[0]
    if not (np.isfinite(p).all() and (p >= 0).all() and (p <= 1).all()):
        raise ModelError("SCORE_INVALID", f"the model gives {p.tolist()}", case=case)
    notes = model.support.check(row)
    members = model.ensemble.log_odds(row[model.places(model.ensemble.columns)])
    margin = model.margins(row[None])[0]
    log_odds = float(model.platt.log_odds(margin))
    level = model.settings.interval_level
    interval = interval_of(members, len(model.ensemble), log_odds, level)
    if interval is None:
        notes += (_unsure(model),)
    classes = dict(zip(model.classes, p.tolist(), strict=True))
    found = _contributions(model, row)
    pseudo = None if model.doubted is None else 1 - float(model.doubted.probability(margin))
    return Prediction(
        case,
        classes,
        interval,
        notes,
        found,
        tuple(lacking),
        model.conformal.named(log_odds),
        pseudo,
        warnings,
        log_odds,
        members,
        model.support.figures(row),
    )


def _unsure(model: Model) -> Note:
    return Note(
        NoteKind.ABSTAIN,
        "MISSING_FEATURE",
        "too many features are missing to give an interval",
        f"values for most of {len(model.ensemble.columns)} features",
    )


def may_fill(classifier: Any, missing: NDArray[np.bool_], settings: ClassifierSettings) -> bool:
    """Whether what is missing carries little enough of a classifier's weight.

    Parameters
    ----------
    classifier : object
        The fitted residual head.
    missing : ndarray of bool, shape (its columns,)
        What a case lacks.
    settings : ClassifierSettings
        Whether gaps may be filled at all, and the largest share.
    """
    if not settings.fills_gaps:
        return False
    weights = np.abs(classifier.coef_[0])
    total = float(weights.sum())
    return total == 0 or float(weights[missing].sum()) <= settings.max_missing_weight * total


def _contributions(model: Model, row: Floats) -> tuple[Contribution, ...]:
    head = model.residual
    values = row[model.places(head.columns)]
    parts = model.platt.slope * _moves(head, values, model)
    order = np.argsort(-np.abs(parts), kind="stable")[: model.settings.top_contributions]
    found = []
    for i in order:
        if not np.isfinite(values[i]):
            continue
        low, _, median, _, high = model.quantiles[head.columns[i]]
        found.append(
            Contribution(head.columns[i], float(values[i]), float(parts[i]), median, low, high)
        )
    return tuple(found)


def _moves(head: Head, values: Floats, model: Model) -> Floats:
    """How far each feature moves the score: weight times value, or against its training median."""
    if head.linear:
        return np.asarray(head.classifier.coef_[0] * head.standardised(values[None])[0])

    def margin(rows: Floats) -> Floats:
        scores = head.scores(rows, 2)
        return np.asarray(scores[:, 1] - scores[:, 0])

    return shapley(margin, values, np.array([model.quantiles[n][2] for n in head.columns]))
