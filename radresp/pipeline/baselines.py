"""What a model must be shown against: plain alternatives, judged on the same cases.

Source: clinical.md 4.2, rule 5. Each is a small model of few columns, evaluated like the model
itself; one that needs a column nobody has is named with the reason, not left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from radresp import classify, evaluate
from radresp.errors import CohortError, PlanError
from radresp.pipeline.evaluation_rules import EvaluationRules
from radresp.pipeline.learning_table import CALLS, TrainingTable

VOLUME = ("post.t2.bed.volumetry.volume_ml", "post.t2.bed.original.shape_MeshVolume")
MEAN_ADC = ("post.adc.bed.original.firstorder_Mean",)
RADIOLOGIST = "response."


def baselines(
    table: TrainingTable,
    p_ccr: pd.Series,
    clinical: classify.OutOfFold | None,
    settings: Any,
    rules: EvaluationRules,
    seed: int,
) -> dict[str, Any]:
    """Figures of every baseline, and the model's difference to it on the same cases.

    Parameters
    ----------
    table : TrainingTable
        The cases.
    p_ccr : Series
        The model's out-of-fold probability of a complete response.
    clinical : OutOfFold, optional
        Of the clinical model, where there is one.
    settings : ClassifierSettings
        Of the model; its folds are used.
    rules : EvaluationRules
        Bootstrap draws and fewest events.
    seed : int
        The model's.

    Returns
    -------
    dict
        For each name ``{"n", "auc", "brier", "difference"}`` or ``{"reason"}``.
    """
    plain = plain_settings(settings)
    prevalence = pd.Series(float(table.complete.mean()), index=table.x.index)
    found: dict[str, Any] = {"prevalence": _compared(table, p_ccr, prevalence, rules, seed)}
    for name, frame in _frames(table).items():
        found[name] = _judged(table, p_ccr, frame, plain, rules, seed)
    if clinical is None:
        found["clinical only"] = {"reason": "no clinical table was given (--clinical)"}
    else:
        found["clinical only"] = _compared(table, p_ccr, clinical.p_ccr, rules, seed)
    return found


def plain_settings(settings: Any) -> classify.Auto:
    """Settings of a small model evaluated on the folds of another."""
    shared = {
        name: getattr(settings, name)
        for name in ("outer_folds", "repeats", "inner_folds", "min_per_class", "allow_few")
    }
    return classify.Auto(
        **shared,
        inner_repeats=1,
        ensemble=settings.ensemble,
        max_missing=0.5,
        max_missing_weight=0.5,
        max_volume_correlation=1.0,
    )


def _frames(table: TrainingTable) -> dict[str, pd.DataFrame]:
    """The columns of each baseline; empty where there are none."""
    calls = table.strata.get("reader_call")
    read = pd.DataFrame(index=table.x.index)
    if calls is not None:
        read = pd.DataFrame({"reader_call": calls.map(CALLS)})
    return {
        "volume only": table.x[[c for c in VOLUME if c in table.x][:1]],
        "mean ADC only": table.x[[c for c in MEAN_ADC if c in table.x]],
        "radiologist features": table.x[[c for c in table.x if str(c).startswith(RADIOLOGIST)]],
        "reader call": read,
    }


def _judged(
    table: TrainingTable,
    p_ccr: pd.Series,
    frame: pd.DataFrame,
    settings: classify.Auto,
    rules: EvaluationRules,
    seed: int,
) -> dict[str, Any]:
    """A small model of a few columns on the cases that have any of them."""
    if frame.shape[1] == 0:
        return {"reason": "no such column in the tables"}
    rows = frame.notna().any(axis=1)
    if not rows.any():
        return {"reason": "no case has a value"}
    try:
        found = classify.cross_validate(
            frame[rows], _two(table)[rows], table.groups[rows], settings, seed=seed
        )
    except (CohortError, PlanError) as error:
        return {"reason": error.message}
    return _compared(table, p_ccr, found.p_ccr, rules, seed)


def _two(table: TrainingTable) -> pd.Series:
    return table.y.where(table.y == "residual", "complete")


def _compared(
    table: TrainingTable, model: pd.Series, other: pd.Series, rules: EvaluationRules, seed: int
) -> dict[str, Any]:
    """The other's figures, and how much better the model is on its cases."""
    other = other.sort_index()
    cases = other.index
    y, groups = table.complete.loc[cases].to_numpy(), table.groups.loc[cases].to_numpy()
    p = other.to_numpy()
    lead = evaluate.compare(
        y, model.loc[cases].to_numpy(), p, groups, seed=seed, repeats=rules.bootstrap
    )
    return {
        "n": len(cases),
        **own_figures(y, p, groups, rules, seed),
        "difference": ends_of(lead["auc"]),
        "brier_difference": ends_of(lead["brier"]),
    }


def own_figures(
    y: np.ndarray, p: np.ndarray, groups: np.ndarray, rules: EvaluationRules, seed: int
) -> dict[str, Any]:
    """AUC with its interval, and Brier score."""
    low, high = evaluate.auc_bootstrap(y, p, groups, seed=seed, repeats=rules.bootstrap)
    auc = {"value": evaluate.auc(y, p), "low": low, "high": high}
    found = {"auc": auc, "brier": {"value": evaluate.brier(y, p)}}
    return {
        name: {key: float(v) if np.isfinite(v) else None for key, v in figure.items()}
        for name, figure in found.items()
    }


def ends_of(difference: Mapping[str, Any]) -> dict[str, Any]:
    """A difference and its interval, without the rest of its record."""
    return {name: difference[name] for name in ("value", "low", "high", "reason")}


def fused_figures(
    table: TrainingTable,
    parts: Mapping[str, classify.OutOfFold],
    rules: EvaluationRules,
    seed: int,
) -> dict[str, Any]:
    """Every source alone and all together, with their paired differences."""
    cases = table.x.index.sort_values()
    y, groups = table.complete.loc[cases].to_numpy(), table.groups.loc[cases].to_numpy()
    p = {name: one.p_ccr.loc[cases].to_numpy() for name, one in parts.items()}
    found = {name: own_figures(y, of, groups, rules, seed) for name, of in p.items()}
    differences = {}
    pairs = [("fused", name) for name in p if name != "fused"]
    pairs += [("imaging", name) for name in p if name not in ("imaging", "fused")]
    for one, other in pairs:
        lead = evaluate.compare(y, p[one], p[other], groups, seed=seed, repeats=rules.bootstrap)
        differences[f"{one} - {other}"] = {
            name: ends_of(lead[name]) for name in ("auc", "brier", "log_loss")
        }
    return {**found, "differences": differences, "n": int(np.size(y))}
