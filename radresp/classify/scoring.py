"""Scoring by whatever model there is: of the images, or of images and clinical values together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.special import expit, ndtri

from radresp.classify.calibration import Platt
from radresp.classify.fusion import CLINICAL, IMAGING, Fused, shared_out
from radresp.classify.model import Model
from radresp.classify.prediction import Contribution, Prediction, predict_all
from radresp.classify.table import RESIDUAL
from radresp.core import Note, NoteKind


def predict(
    model: Model | Fused,
    x: pd.DataFrame,
    *,
    clinical: pd.DataFrame | None = None,
    scores: Mapping[str, pd.Series] | None = None,
    sites: pd.Series | None = None,
) -> tuple[Prediction, ...]:
    """Score cases by a model.

    Parameters
    ----------
    model : Model or Fused
        The model.
    x : DataFrame of shape (cases, columns)
        Features of the images; see :func:`radresp.classify.prediction.predict_all`.
    clinical : DataFrame of shape (cases, columns), optional
        Clinical values of the same cases, for a fused model. A case without enough of them is
        scored by its images alone, with a warning.
    scores : mapping of str to Series, optional
        Scores of residual tumour by the sources of a fused model that are of another kind, by case
        id; NaN, and a warning, as with clinical values.
    sites : Series of str, optional
        Hospital of each case id, for a harmonised model.

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
    if isinstance(model, Model):
        return predict_all(model, x, sites=sites)
    parts = {IMAGING: predict_all(model.imaging, x, sites=sites)}
    if CLINICAL in model.models:
        wanted = model.models[CLINICAL].columns
        rows = pd.DataFrame(index=x.index, columns=list(wanted), dtype=float)
        if clinical is not None:
            rows = clinical.reindex(x.index)
        parts[CLINICAL] = predict_all(model.models[CLINICAL], rows)
    for name, line in model.lines.items():
        given = (scores or {}).get(name, pd.Series(dtype=float)).reindex(x.index)
        parts[name] = tuple(
            _of_score(name, str(case), line, score) for case, score in given.items()
        )
    return tuple(
        _fused(model, dict(zip(parts, case, strict=True)))
        for case in zip(*parts.values(), strict=True)
    )


def _of_score(name: str, case: str, line: Platt, score: float) -> Prediction:
    """A source that gives nothing but a score, as an answer without reasons of its own."""
    if not np.isfinite(score):
        note = Note(NoteKind.ABSTAIN, "MISSING_SCORE", f"no score of the {name}")
        return Prediction(case, {}, None, (note,), ())
    log_odds = float(line.log_odds(np.array(score)))
    classes = {"complete": float(expit(-log_odds)), RESIDUAL: float(expit(log_odds))}
    around = (classes["complete"], classes["complete"])
    return Prediction(case, classes, around, (), (), log_odds=log_odds)


def _fused(model: Fused, parts: Mapping[str, Prediction]) -> Prediction:
    """One case's answers as one."""
    imaging = parts[IMAGING]
    if not imaging.classes:
        return imaging
    lacking = [name for name, part in parts.items() if not part.classes]
    if lacking:
        alone = tuple(_alone(name, parts[name]) for name in lacking)
        return replace(imaging, warnings=(*imaging.warnings, *alone))
    given = {name: np.array([one.log_odds]) for name, one in parts.items()}
    log_odds = float(model.stack.log_odds(given)[0])
    p = np.array([list(imaging.classes.values())])
    place = list(imaging.classes).index(RESIDUAL)
    shared = shared_out(p, place, np.array([expit(log_odds)]))[0]
    pseudo = None
    if model.doubted is not None:
        pseudo = 1 - float(model.doubted.probability(np.array(log_odds)))
    return replace(
        imaging,
        classes=dict(zip(imaging.classes, shared.tolist(), strict=True)),
        interval=_interval(model, parts, log_odds),
        notes=tuple(note for part in parts.values() for note in part.notes),
        contributions=_contributions(model, parts),
        filled=tuple(name for part in parts.values() for name in part.filled),
        fit=model.conformal.named(log_odds),
        p_pseudo_residual=pseudo,
        log_odds=log_odds,
        members=np.array([]),
    )


def _alone(name: str, part: Prediction) -> Note:
    return Note(
        NoteKind.WARNING,
        f"{name.upper()}_MISSING",
        "; ".join(note.found for note in part.notes),
        f"what the {name} part of the model uses",
        "the case was scored by the features of its images alone",
    )


def _interval(
    model: Fused, parts: Mapping[str, Prediction], log_odds: float
) -> tuple[float, float] | None:
    """Interval of p_ccr from members that saw the same draws of patients.

    A source that gives a score alone has no members; its own spread is not in the interval.
    """
    if any(part.interval is None for part in parts.values()):
        return None
    weights = dict(zip(model.stack.sources, model.stack.weights, strict=True))
    members = [weights[name] * part.members for name, part in parts.items() if part.members.size]
    if len({values.size for values in members}) == 1:
        spread = float(np.sum(members, axis=0).std(ddof=1))
    else:  # some members cannot judge the case, so the draws no longer match: spreads add up
        spread = sum(float(values.std(ddof=1)) for values in members)
    half = float(ndtri(0.5 + model.imaging.settings.interval_level / 2)) * spread
    return float(expit(-log_odds - half)), float(expit(-log_odds + half))


def _contributions(model: Fused, parts: Mapping[str, Prediction]) -> tuple[Contribution, ...]:
    weights = dict(zip(model.stack.sources, model.stack.weights, strict=True))
    found = [
        one._replace(contribution=weights[name] * one.contribution)
        for name, part in parts.items()
        for one in part.contributions
    ]
    found.sort(key=lambda one: -abs(one.contribution))
    return tuple(found[: model.imaging.settings.top_contributions])
