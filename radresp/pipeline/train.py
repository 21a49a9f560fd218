"""From a feature table and outcomes to a model folder with an honest evaluation."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from radresp import classify, evaluate, io
from radresp.core import Note
from radresp.errors import CohortError
from radresp.notice import INTENDED_USE
from radresp.pipeline.plan import Plan

BASELINES = {
    "volume only": "post.t2.bed.volumetry.volume_ml",
    "mean ADC only": "post.adc.bed.original.firstorder_Mean",
}
"""Single numbers a model must be shown against (clinical.md 4.2, rule 5)."""

CLASSIFIER_PREFIX = "classifier_"
"""Marks the classifier's own members in the model folder."""


@dataclass(frozen=True, slots=True)
class TrainingTable:
    """Features and outcomes of the same cases.

    Parameters
    ----------
    x : DataFrame
        One row a case, named float columns.
    y : Series
        Class of each case.
    groups : Series
        Patient of each case.
    endpoint : str
        What "complete" means.
    notes : tuple of Note
        Who was left out and why.
    """

    x: pd.DataFrame
    y: pd.Series
    groups: pd.Series
    endpoint: str
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class Trained:
    """A model with the evidence for it."""

    model: classify.Model
    out_of_fold: classify.OutOfFold
    evaluation: Mapping[str, Any]

    def lines(self) -> list[str]:
        """The evidence for a terminal."""
        counts = ", ".join(f"{n} {name}" for name, n in self.evaluation["class_counts"].items())
        return [
            f"{self.evaluation['cases']} cases ({counts}), endpoint {self.evaluation['endpoint']}",
            "complete response, by repeated patient-grouped nested cross-validation:",
            *_figure_lines(self.evaluation["complete_response"]),
            *[f"- AUC of {n}: {auc:.3f}" for n, auc in self.evaluation["baselines"].items()],
        ]


def join_outcomes(features: pd.DataFrame, outcomes: io.Outcomes) -> TrainingTable:
    """Bring features and outcomes of the same cases together.

    Raises
    ------
    CohortError
        ``NO_CASES`` when no labelled case has features.
    """
    labelled = {case: label for case, label in outcomes.labels.items() if label is not None}
    kept = sorted(case for case in features.index if case in labelled)
    if not kept:
        raise CohortError(
            "NO_CASES",
            f"{len(features)} cases with features, {len(labelled)} with an outcome, none with both",
            expected="the same case ids in both tables",
            action="compare the id columns",
        )
    return TrainingTable(
        x=features.loc[kept],
        y=pd.Series([labelled[case] for case in kept], index=kept),
        groups=pd.Series([outcomes.patients.get(case, case) for case in kept], index=kept),
        endpoint=outcomes.endpoint,
        notes=outcomes.notes,
    )


def train_model(
    table: TrainingTable, plan: Plan, *, progress: Callable[[int, int], None] | None = None
) -> Trained:
    """Evaluate honestly by nested cross-validation, then fit the final model on everything.

    Parameters
    ----------
    table : TrainingTable
        From :func:`join_outcomes`.
    plan : Plan
        Its classifier and seed are used.
    progress : callable, optional
        Called with (folds done, folds in all).
    """
    settings: Any = plan.classifier.settings
    out_of_fold = classify.cross_validate(
        table.x, table.y, table.groups, settings, seed=plan.seed, progress=progress
    )
    model = classify.fit(
        table.x, table.y, table.groups, settings, endpoint=table.endpoint, seed=plan.seed
    )
    notes = (*table.notes, *out_of_fold.step.notes, *model.step.notes)
    return Trained(model, out_of_fold, _evaluate(table, out_of_fold, notes, plan))


def save_model(
    trained: Trained,
    plan: Plan,
    folder: Path,
    *,
    protocol: Mapping[str, Any] | None = None,
    training_data: str = "not stated",
    overwrite: bool = False,
) -> str:
    """Write the model folder: audited members, plan, evaluation and card, all hashed.

    Parameters
    ----------
    trained : Trained
        From :func:`train_model`.
    plan : Plan
        Saved inside and obeyed at scoring.
    folder : Path
        Must not hold another model unless ``overwrite``.
    protocol : mapping, optional
        ``acquisition.json`` of the extraction; without it protocols cannot be compared at scoring.
    training_data : str
        ``"synthetic"`` for phantom data; travels with every score.

    Returns
    -------
    str
        SHA-256 of the whole folder.
    """
    dumped = classify.dump(trained.model)
    members = {CLASSIFIER_PREFIX + name: data for name, data in dumped.items()}
    members["plan.yaml"] = io.dump_mapping(plan.record()).encode()
    members["evaluation.json"] = _json(trained.evaluation)
    members["out_of_fold.csv"] = trained.out_of_fold.p.to_csv(index_label="case_id").encode()
    members["protocol.json"] = _json(protocol or {"cases": {}, "acquisition": {}})
    members["README.md"] = model_card(trained, training_data).encode()
    manifest = {
        "intended_use": INTENDED_USE,
        "endpoint": trained.model.endpoint,
        "classes": list(trained.model.classes),
        "positive_class": "residual",
        "training_data": training_data,
        "cases": int(trained.evaluation["cases"]),
        "plan_sha256": plan.sha256(),
        "extraction_sha256": plan.extraction_sha256,
        "versions": io.versions(),
    }
    return io.save_model(folder, members, manifest, overwrite=overwrite)


def model_card(trained: Trained, training_data: str) -> str:
    """The model's card in Markdown, every number filled in."""
    lines = [
        "# radresp model",
        "",
        INTENDED_USE,
        "",
        f"- Endpoint: {trained.model.endpoint}",
        f"- Classes: {', '.join(trained.model.classes)}; p_ccr = 1 - p_residual",
        f"- Training data: {training_data}",
        f"- Cases: {trained.evaluation['cases']} from {trained.evaluation['patients']} patients; "
        + ", ".join(f"{n} {name}" for name, n in trained.evaluation["class_counts"].items()),
        "- External validation: none",
        "- Intervals are patient-bootstrap percentiles of pooled out-of-fold predictions. They",
        "  leave out the variation of training itself and are too narrow for small cohorts (a",
        "  nominal 95 % interval held the truth in 72-82 % of simulations with 60 patients).",
        "",
        *_size_lines(trained.evaluation),
        "",
        "## Performance by repeated, patient-grouped, nested cross-validation",
        "",
        *_figure_lines(trained.evaluation["complete_response"]),
        "",
        "## Single-number baselines (AUC, not cross-validated)",
        "",
        *[f"- {name}: {auc:.3f}" for name, auc in trained.evaluation["baselines"].items()],
    ]
    return "\n".join(lines) + "\n"


def _size_lines(evaluation: Mapping[str, Any]) -> list[str]:
    size = evaluation["sample_size"]
    looked = (
        f"- Sample size (Riley 2019): {size['candidate_parameters']} features were looked at in"
    )
    has = f"{looked} {evaluation['patients']} patients"
    if size["patients_needed"] is None:
        return [f"{has}; without a ranking better than chance no number would do."]
    return [f"{has}; at the AUC found, {size['patients_needed']} patients would be needed."]


SHOWN = {
    "auc": "AUC",
    "brier": "Brier score",
    "calibration_slope": "calibration slope",
    "calibration_intercept": "calibration intercept",
}


def _figure_lines(figures: Mapping[str, Any]) -> list[str]:
    lines = []
    for name, said in SHOWN.items():
        figure = figures[name]
        if figure["value"] is None:
            lines.append(f"- {said}: none ({figure['reason']})")
            continue
        ends = (figure["low"], figure["high"])
        around = "" if None in ends else f" ({ends[0]:.2f} to {ends[1]:.2f})"
        lines.append(f"- {said} {figure['value']:.2f}{around}")
    return lines


def _evaluate(
    table: TrainingTable, out_of_fold: classify.OutOfFold, notes: tuple[Note, ...], plan: Plan
) -> dict[str, Any]:
    complete = (table.y != "residual").to_numpy()
    p_ccr = out_of_fold.p_ccr.loc[table.x.index].to_numpy()
    figures = evaluate.describe(complete, p_ccr, table.groups.to_numpy(), seed=plan.seed)
    return {
        "intended_use": INTENDED_USE,
        "endpoint": table.endpoint,
        "cases": len(table.y),
        "patients": int(table.groups.nunique()),
        "class_counts": {str(k): int(v) for k, v in table.y.value_counts().sort_index().items()},
        "complete_response": figures,
        "sample_size": sample_size(table.x.shape[1], float(complete.mean()), figures),
        "baselines": _baselines(table.x, complete),
        "external_validation": "none",
        "notes": [note.record() for note in dict.fromkeys(notes)],
    }


def sample_size(
    parameters: int, prevalence: float, figures: Mapping[str, Any]
) -> dict[str, float | None]:
    """What Riley's criteria ask for at the AUC found; None where that is no better than chance."""
    auc = figures["auc"]["value"]
    needed = None
    if auc is not None and 0.5 < auc < 1 and 0 < prevalence < 1:
        r_squared = evaluate.cox_snell_of_auc(auc, prevalence)
        needed = evaluate.riley(parameters, prevalence, r_squared).patients
    return {"candidate_parameters": parameters, "auc": auc, "patients_needed": needed}


def _baselines(x: pd.DataFrame, complete: NDArray[np.bool_]) -> dict[str, float]:
    """AUC of single features where they are known, orientated so that 0.5 is the worst."""
    found = {}
    for name, column in BASELINES.items():
        known = x[column].notna().to_numpy() if column in x else np.zeros(len(x), bool)
        if known.any():
            auc = evaluate.auc(complete[known], x.loc[known, column].to_numpy())
            found[name] = max(auc, 1.0 - auc)
    return {name: auc for name, auc in found.items() if math.isfinite(auc)}


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, allow_nan=False) + "\n").encode()
