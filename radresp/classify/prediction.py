"""Scoring: probabilities with an interval, what drove them, and whether they may be trusted.

A case is looked up by column name, never by position. A missing value is never filled: without a
feature the model looks at there is no probability, only a reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pandas as pd

from radresp.classify.ensemble import interval_of
from radresp.classify.head import Head
from radresp.classify.model import Model
from radresp.classify.table import RESIDUAL, Floats, listed
from radresp.core import Note, NoteKind
from radresp.errors import ModelError


class Contribution(NamedTuple):
    """How far one feature moved a case's log-odds of residual tumour.

    ``contribution`` is coefficient x standardised value x calibration slope, or, where the model is
    no weighted sum, the change against the feature's training median; positive is towards residual
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
    """

    case_id: str
    classes: Mapping[str, float]
    interval: tuple[float, float] | None
    notes: tuple[Note, ...]
    contributions: tuple[Contribution, ...]
    filled: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", MappingProxyType(dict(self.classes)))

    @property
    def p_ccr(self) -> float | None:
        """Probability of a complete response, 1 - p(residual); None without probabilities."""
        return 1.0 - self.classes[RESIDUAL] if self.classes else None

    @property
    def outside(self) -> tuple[str, ...]:
        """Why the case lies outside what the model knows, in words; empty when it does not."""
        return tuple(note.text for note in self.notes)


def predict(model: Model, x: pd.DataFrame) -> tuple[Prediction, ...]:
    """Score cases by a model.

    Parameters
    ----------
    model : Model
        The model.
    x : DataFrame of shape (cases, columns)
        Index = case id. Every column of the model by name, in any order; others are ignored.

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
    values = _values(model, x)
    return tuple(
        _predict_case(model, str(case), row) for case, row in zip(x.index, values, strict=True)
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


def _predict_case(model: Model, case: str, row: Floats) -> Prediction:
    needed = row[model.places(model.selected)]
    lacking = [
        name for name, value in zip(model.selected, needed, strict=True) if not np.isfinite(value)
    ]
    if lacking and not _may_fill(model, needed):
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
    members = row[model.places(model.ensemble.columns)]
    log_odds = float(model.log_odds(row[None])[0])
    interval = interval_of(model.ensemble, members, log_odds, model.settings.interval_level)
    if interval is None:
        notes += (_unsure(model),)
    classes = dict(zip(model.classes, p.tolist(), strict=True))
    found = _contributions(model, row)
    return Prediction(case, classes, interval, notes, found, tuple(lacking))


def _unsure(model: Model) -> Note:
    return Note(
        NoteKind.ABSTAIN,
        "MISSING_FEATURE",
        "too many features are missing to give an interval",
        f"values for most of {len(model.ensemble.columns)} features",
    )


def _may_fill(model: Model, needed: Floats) -> bool:
    """Whether what is missing carries little enough of the model's weight."""
    if not model.fills_gaps:
        return False
    weights = np.abs(model.residual.classifier.coef_[0])
    missing = ~np.isfinite(needed[[model.selected.index(c) for c in model.residual.columns]])
    total = float(weights.sum())
    return total == 0 or float(weights[missing].sum()) <= model.settings.max_missing_weight * total


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
    without = np.tile(values, (values.size + 1, 1))
    medians = [model.quantiles[name][2] for name in head.columns]
    without[np.arange(values.size), np.arange(values.size)] = medians
    scores = head.scores(without, 2)
    margin = scores[:, 1] - scores[:, 0]
    return np.asarray(margin[-1] - margin[:-1])
