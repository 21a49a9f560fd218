"""From a feature table and outcomes to a model folder with an honest evaluation."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from scipy.special import expit

from radresp import classify, evaluate, io, report
from radresp.core.notebook import card
from radresp.errors import PlanError
from radresp.notice import INTENDED_USE
from radresp.pipeline.baselines import baselines, fused_figures, plain_settings
from radresp.pipeline.evidence import by_site, confounding, describe_all
from radresp.pipeline.leaks import leak_guard
from radresp.pipeline.learning_table import TrainingTable
from radresp.pipeline.model_card import figure_lines, model_card
from radresp.pipeline.plan import Plan

CLASSIFIER_PREFIX = "classifier_"
"""Marks the classifier's own members in the model folder."""
CNN_PREFIX = "cnn_"
"""Marks those of the network."""

REPORT = "report.json"
"""What the page of an evaluation says beyond ``evaluation.json``."""
TITLE = "How good is this model?"

Stage = Callable[[str, int], Callable[[int, int], None]]
"""Opens a progress line: its name and total give a function of (done, all)."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A model with the evidence for it."""

    model: classify.Model | classify.Fused
    out_of_fold: classify.OutOfFold
    evaluation: Mapping[str, Any]

    @property
    def imaging(self) -> classify.Model:
        """The model of the images."""
        return imaging_of(self.model)

    def lines(self) -> list[str]:
        """The evidence for a terminal."""
        found = self.evaluation
        counts = ", ".join(f"{n} {name}" for name, n in found["class_counts"].items())
        return [
            f"{found['cases']} cases ({counts}), endpoint {found['endpoint']}",
            "complete response, by repeated patient-grouped nested cross-validation:",
            *figure_lines(found),
        ]

    def _repr_html_(self) -> str:
        title, *lines = self.lines()
        return card(
            title, {}, notice=INTENDED_USE, lines=(line.removeprefix("- ") for line in lines)
        )


def imaging_of(model: classify.Model | classify.Fused) -> classify.Model:
    """The model of the images, alone or within a fused one."""
    return model if isinstance(model, classify.Model) else model.imaging


def train_model(
    table: TrainingTable, plan: Plan, *, fuse: bool = False, stage: Stage | None = None
) -> Trained:
    """Evaluate honestly by nested cross-validation, then fit the final model on everything.

    Parameters
    ----------
    table : TrainingTable
        From :func:`radresp.pipeline.learning_table.join_outcomes`.
    plan : Plan
        Its classifier, evaluation, decision and seed are used.
    fuse : bool
        Keep the model of images, clinical values and network together; else it is only compared.
    stage : callable, optional
        Opens a progress line for each stage.

    Raises
    ------
    PlanError
        ``USAGE`` when a fused model is wanted of images alone.
    ModelError
        ``LEAK_CANARY`` when shuffled outcomes could be predicted.
    """
    if fuse and table.clinical is None and table.cnn is None:
        raise PlanError(
            "USAGE",
            "--fuse with nothing to fuse: no clinical values and no network",
            expected="--clinical TABLE or --cnn FOLDER",
        )
    settings: Any = plan.classifier.settings
    open_stage = stage or (lambda _name, _total: lambda _done, _whole: None)
    found = classify.cross_validate(
        table.x,
        table.y,
        table.groups,
        settings,
        seed=plan.seed,
        sites=table.sites,
        doubted=table.doubted,
        progress=open_stage("nested cross-validation", 0),
    )
    guard = leak_guard(table, found, settings, plan, open_stage)
    parts = _sources(table, found, settings, plan)
    chosen = parts["fused"] if fuse else found
    evaluation = describe_all(table, chosen, plan.evaluation, plan.decision, plan.seed)
    evaluation["leave_one_site_out"] = by_site(
        table,
        settings,
        plan.evaluation,
        plan.decision,
        plan.seed,
        open_stage("leaving sites out", 0) if table.sites is not None else None,
    )
    evaluation["baselines"] = baselines(
        table, chosen.p_ccr, parts.get("clinical"), settings, plan.evaluation, plan.seed
    )
    if "fused" in parts:
        evaluation["fusion"] = fused_figures(table, parts, plan.evaluation, plan.seed)
    evaluation["leak_guard"] = guard
    model = _fitted(table, settings, plan, fuse)
    evaluation["flow"] = table.flow
    evaluation["feature_selection"] = _selection(table, found, imaging_of(model))
    notes = (
        *table.notes,
        *confounding(table),
        *found.step.notes,
        *imaging_of(model).step.notes,
    )
    evaluation["notes"] = [note.record() for note in dict.fromkeys(notes)]
    return Trained(model, chosen, evaluation)


def _selection(
    table: TrainingTable, found: classify.OutOfFold, model: classify.Model
) -> dict[str, Any]:
    """How often the models of the folds chose each feature, and how well it repeats if known."""
    chosen = [fold["selected"] for fold in found.chosen]
    counted = evaluate.selection_frequency(chosen, table.x.shape[1], model.selected)
    for row in counted["features"]:
        if row["name"] in table.repeatability:
            row["icc"] = table.repeatability[row["name"]]
    return counted


def _sources(
    table: TrainingTable, imaging: classify.OutOfFold, settings: Any, plan: Plan
) -> dict[str, classify.OutOfFold]:
    """Out-of-fold predictions of images, of other sources and of all together, on the same folds.

    Where a network is among them its folds are everybody's, in one repeat.
    """
    if table.clinical is None and table.cnn is None:
        return {}
    known: dict[str, Any] = {"seed": plan.seed, "doubted": table.doubted}
    parts = {"imaging": imaging}
    if table.cnn is not None:
        known["folds"] = table.cnn.of(table.x.index.sort_values()).folds
        parts["imaging"] = classify.cross_validate(
            table.x, table.y, table.groups, settings, sites=table.sites, **known
        )
        parts["cnn"] = classify.judge_scores(table.cnn, table.y, table.doubted, settings)
    if table.clinical is not None:
        plain = plain_settings(settings)
        parts["clinical"] = classify.cross_validate(
            table.clinical, table.y, table.groups, plain, **known
        )
    residual = (~table.complete).astype(int)
    parts["fused"] = classify.fuse_out_of_fold(parts, residual, table.doubted, settings)
    return parts


def _fitted(
    table: TrainingTable, settings: Any, plan: Plan, fuse: bool
) -> classify.Model | classify.Fused:
    """The final model, learned from every case."""
    common: dict[str, Any] = {
        "endpoint": table.endpoint,
        "seed": plan.seed,
        "doubted": table.doubted,
    }
    imaging = classify.fit(table.x, table.y, table.groups, settings, sites=table.sites, **common)
    if not fuse:
        return imaging
    models = {"imaging": imaging}
    if table.clinical is not None:
        plain = plain_settings(settings)
        models["clinical"] = classify.fit(table.clinical, table.y, table.groups, plain, **common)
    scores = {} if table.cnn is None else {"cnn": table.cnn.outer}
    residual = (~table.complete).astype(int)
    return classify.fuse_models(models, residual, table.doubted, settings, scores)


def save_model(
    trained: Trained,
    plan: Plan,
    folder: Path,
    *,
    protocol: Mapping[str, Any] | None = None,
    training_data: str = "not stated",
    stability: bool = False,
    network: Mapping[str, bytes] | None = None,
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
    stability : bool
        Whether features that do not hold still were left out beforehand.
    network : mapping of str to bytes, optional
        The final network, for a model that asks it.

    Returns
    -------
    str
        SHA-256 of the whole folder.
    """
    dumped = classify.dump(trained.model)
    members = {CLASSIFIER_PREFIX + name: data for name, data in dumped.items()}
    if "cnn" in getattr(trained.model, "lines", {}):
        members |= {CNN_PREFIX + name: data for name, data in (network or {}).items()}
    facts = model_facts(trained, plan, training_data, stability)
    members["plan.yaml"] = io.dump_mapping(plan.record()).encode()
    members["evaluation.json"] = json_bytes(trained.evaluation)
    members |= report_files(trained.evaluation, TITLE, facts, plan)
    members["out_of_fold.csv"] = _predictions(trained.out_of_fold).encode()
    members["protocol.json"] = json_bytes(protocol or {"cases": {}, "acquisition": {}})
    members["README.md"] = model_card(trained.evaluation, facts).encode()
    manifest = {
        "intended_use": INTENDED_USE,
        "endpoint": trained.imaging.endpoint,
        "classes": list(trained.imaging.classes),
        "positive_class": "residual",
        "training_data": training_data,
        "cases": int(trained.evaluation["cases"]),
        "sources": sources_of(trained.model),
        "conformal": facts["conformal"],
        "plan_sha256": plan.sha256(),
        "extraction_sha256": plan.extraction_sha256,
        "versions": io.versions(),
    }
    return io.save_model(folder, members, manifest, overwrite=overwrite)


def report_files(
    evaluation: Mapping[str, Any], title: str, facts: Mapping[str, Any], plan: Plan
) -> dict[str, bytes]:
    """The page with its figures, methods text and checklist, and what they were made from.

    Parameters
    ----------
    evaluation : mapping
        The content of ``evaluation.json``.
    title : str
        Heading of the page.
    facts : mapping
        From :func:`model_facts`; may be empty.
    plan : Plan
        Of the model.

    Returns
    -------
    dict of str to bytes
        By file name; ``report.json`` holds all that ``evaluation.json`` does not.
    """
    beside: dict[str, Any] = {"title": title, "facts": dict(facts), "plan": plan.record()}
    return {REPORT: json_bytes(beside), **report.evaluation_files(evaluation, **beside)}


def sources_of(model: classify.Model | classify.Fused) -> list[str]:
    """What a model asks: its images, clinical values, a network."""
    return ["imaging"] if isinstance(model, classify.Model) else sorted(model.stack.sources)


def model_facts(
    trained: Trained, plan: Plan, training_data: str, stability: bool
) -> dict[str, Any]:
    """What a card and a checklist say of the model itself."""
    imaging = trained.imaging
    combat = imaging.preparation.combat
    conformal, rules = trained.model.conformal, plan.decision
    complete, residual = conformal.cases
    highest, lowest = conformal.thresholds(rules.missed_complete, rules.missed_residual)
    return {
        "method": imaging.method,
        "classes": list(imaging.classes),
        "hyperparameters": imaging.settings.model_dump(mode="json")
        | imaging.hyperparameters["residual"],
        "features": list(imaging.selected),
        "plan_sha256": plan.sha256(),
        "extraction_sha256": plan.extraction_sha256,
        "training_data": training_data,
        "versions": io.versions(),
        "conformal": {
            "missed_residual": rules.missed_residual,
            "missed_complete": rules.missed_complete,
            "complete_cases": complete,
            "residual_cases": residual,
            # p_ccr from which on residual tumour, and below which a complete response, is ruled out
            "residual_ruled_out_above": None if lowest is None else float(expit(-lowest)),
            "complete_ruled_out_below": None if highest is None else float(expit(-highest)),
        },
        "sites": len(trained.evaluation["subgroups"].get("site", [])) or None,
        "clinical": "clinical" in sources_of(trained.model),
        "stability_filter": stability,
        "harmonised": combat is not None and bool(combat.sites),
    }


def _predictions(found: classify.OutOfFold) -> str:
    """Out-of-fold probabilities, and how each case fits, as CSV."""
    fit = sum(found.fit[1:], found.fit[0]) / len(found.fit)
    frame = pd.concat(
        [
            found.p,
            fit.add_prefix("fit_"),
            found.outside.mean(axis=1).rename("outside_share"),
            found.pseudo,
        ],
        axis=1,
    )
    return str(frame.to_csv(index_label="case_id"))


def json_bytes(value: Any) -> bytes:
    """JSON as it is kept in a model folder."""
    return (json.dumps(value, indent=2, allow_nan=False) + "\n").encode()
