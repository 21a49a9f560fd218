"""Train the CNN: patches, a network for every fold and pair of folds, and one of all cases.

Everything is kept as it is made, so that a stopped run goes on where it was: patches by the hashes
of what they came from, networks by their own checkpoints, scores once a network is done.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from radresp import classify, cnn, evaluate, io, report
from radresp.core import CaseFiles
from radresp.errors import CohortError, PlanError, ResourceError
from radresp.pipeline.batch import WHOLE, Batch, counted
from radresp.pipeline.cnn_folds import ALL, duties, fold_fractions, fold_scores
from radresp.pipeline.cnn_store import save_cnn
from radresp.pipeline.evidence import describe_all
from radresp.pipeline.learning_table import TrainingTable, join_outcomes
from radresp.pipeline.model_card import figure_lines
from radresp.pipeline.network_run import NetworkRun, encoder_weights
from radresp.pipeline.patches import SECTIONS, cut_cohort
from radresp.pipeline.plan import Plan
from radresp.pipeline.results import CohortResult
from radresp.pipeline.train import Stage, json_bytes

PATCHES = "patches.json"
_GLANCE_S = 0.5
_LAUNCH = ("TORCHELASTIC_RUN_ID", "TORCHELASTIC_RESTART_COUNT", "MASTER_PORT")
"""Variables of torchrun; the port is drawn anew for every launch."""


@dataclass(frozen=True, slots=True)
class CnnTraining:
    """A finished training.

    Parameters
    ----------
    cut : CohortResult
        How cutting the patches ended, case by case.
    evaluation : mapping
        What the network is worth alone, out of fold.
    record : mapping
        Device, epochs, seconds and notes of every network.
    """

    cut: CohortResult
    evaluation: Mapping[str, Any]
    record: Mapping[str, Any]

    def lines(self) -> list[str]:
        """The evidence for a terminal."""
        found = self.evaluation
        counts = ", ".join(f"{n} {name}" for name, n in found["class_counts"].items())
        networks = self.record["networks"]
        seconds = sum(one["seconds"] for one in networks.values())
        devices = ", ".join(sorted({one["device"] for one in networks.values()}))
        return [
            f"{found['cases']} cases ({counts}), endpoint {found['endpoint']}",
            f"{len(networks)} networks on {devices} in {seconds:.0f} s; the network alone:",
            *figure_lines(found),
            *_fraction_lines(found["residual_fraction"]),
        ]


def _fraction_lines(found: Mapping[str, Any] | None) -> list[str]:
    if found is None:
        return []
    low, high = found["rank_interval"]
    rank = f"rank correlation {found['rank']:.2f} ({low:.2f} to {high:.2f})"
    off = f"{found['mean_absolute_error']:.3f}, {found['without_images']:.3f} without images"
    return [f"residual fraction of {found['cases']} cases: {rank}, mean error {off}"]


def train_cnn(
    cases: tuple[CaseFiles, ...],
    outcomes: io.Outcomes,
    plan: Plan,
    folder: Path,
    *,
    clinical: io.ClinicalTable | None = None,
    device: str = "auto",
    batch: Batch = WHOLE,
    stage: Stage,
) -> CnnTraining | None:
    """Cut, train, score out of fold, and write the folder that ``train --cnn`` reads.

    Started as one of several processes (torchrun), only the first cuts, scores and writes; the
    others wait for its patches, join every training, and get None.

    Parameters
    ----------
    cases : tuple of CaseFiles
        The cohort.
    outcomes : Outcomes
        Their labels.
    plan : Plan
        With a section ``cnn``.
    folder : Path
        Output folder.
    clinical : ClinicalTable, optional
        For figures by subgroup.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    batch : Batch, optional
        Where patches are cut, and whether what is there is redone.
    stage : callable
        Opens a progress line.

    Raises
    ------
    PlanError
        ``CONFIG_VALUE`` when the plan has no section ``cnn``.
    ModelError
        ``EXTRA_MISSING`` where torch, MONAI, lightning or safetensors is not installed.
    ResourceError
        When the device asked for is not there, or a loss is not a number.
    CohortError
        ``NO_CASES`` when no labelled case has a patch.
    """
    if plan.cnn is None:
        raise PlanError("CONFIG_VALUE", "cnn: nothing", expected="a plan with a section cnn")
    cnn.require("train-cnn")
    where = cnn.choose_device(device)
    first = is_first_process()
    cut = _cut(cases, plan, folder, batch, stage) if first else None
    usable = await_patches(folder, plan) if cut is None else [r.case_id for r in cut.finished]
    table = join_outcomes(pd.DataFrame(index=usable), outcomes, clinical)
    folds = classify.draw_folds(table.y, table.groups, plan.cnn.folds, seed=plan.seed)
    encoder = encoder_weights(plan.cnn, len(set(table.y)))
    run = NetworkRun(table, folds, plan, plan.cnn, folder, where, batch.force, stage, encoder)
    wanted = list(duties(int(folds.max()) + 1))
    networks = {duty.name: run.network(duty, write=first) for duty in wanted}
    if cut is None:
        return None
    said = {duty.left_out: run.said(duty.name) for duty in wanted if duty.left_out}
    scores = fold_scores(folds, said, run.classes)
    record = {
        "classes": list(run.classes),
        "endpoint": table.endpoint,
        "networks": networks,
        "versions": io.versions(),
    }
    save_cnn(folder, scores, run.members(), plan, record)
    found = _evaluation(table, scores, fold_fractions(said), plan, networks[ALL]["parameters"])
    io.write_text(folder / "evaluation.json", json_bytes(found).decode())
    page = report.evaluation_page(found, title="How good is the network alone?")
    io.write_text(folder / "evaluation.html", page)
    last = networks[ALL]
    curve = report.learning_curve(last["history"], last["best_epoch"])
    io.write_bytes(folder / "learning_curve.svg", curve)
    return CnnTraining(cut, found, record)


def _cut(
    cases: tuple[CaseFiles, ...],
    plan: Plan,
    folder: Path,
    batch: Batch,
    stage: Stage,
) -> CohortResult:
    watch = counted(stage("patches", len(cases)), len(cases))
    cut = cut_cohort(cases, plan, folder, batch, watch=watch)
    if not cut.finished:
        raise CohortError("NO_CASES", "no case has a patch", expected="at least one")
    known = {
        "launch": launch_name(plan),
        "cases": [result.case_id for result in cut.finished],
    }
    io.write_json(folder / PATCHES, known)
    return cut


def await_patches(folder: Path, plan: Plan, *, hours: float = 24.0) -> list[str]:
    """The cases the first of several processes has cut, as soon as it has.

    Parameters
    ----------
    folder : Path
        Output folder.
    plan : Plan
        Must be the one the patches were cut by.
    hours : float
        How long to wait.

    Raises
    ------
    ResourceError
        ``PATCHES_LATE`` when they do not come.
    """
    end, name = time.monotonic() + 3600 * hours, launch_name(plan)
    while time.monotonic() < end:
        found = io.read_json(folder / PATCHES)
        if isinstance(found, dict) and found.get("launch") == name:
            return [str(case) for case in found["cases"]]
        time.sleep(_GLANCE_S)
    raise ResourceError(
        "PATCHES_LATE",
        f"no patches of the first process after {hours:g} hours",
        expected=f"{PATCHES} in the output folder, which all processes share",
        action="look at the first process; give every process the same output folder",
        file=folder,
    )


def is_first_process() -> bool:
    """Whether this is the process that writes, of those that train together; else the only one."""
    return int(os.environ.get("RANK", "0")) == 0


def launch_name(plan: Plan) -> str:
    """What processes started together share, and no earlier run in the same folder.

    Parameters
    ----------
    plan : Plan
        By which patches are cut.
    """
    own = [os.environ.get(name, "") for name in _LAUNCH]
    return "-".join([*own, plan.sha256(*SECTIONS)])


def _evaluation(
    table: TrainingTable,
    scores: classify.FoldScores,
    fractions: pd.Series,
    plan: Plan,
    parameters: int,
) -> dict[str, Any]:
    """What the network is worth alone."""
    settings: Any = plan.classifier.settings
    found = classify.judge_scores(scores, table.y, table.doubted, settings)
    alone = replace(table, x=scores.outer.to_frame("cnn.residual_log_odds"))
    evaluation = describe_all(alone, found, plan.evaluation, plan.decision, plan.seed)
    evaluation["sample_size"] = {
        "candidate_parameters": parameters,
        "auc": evaluation["sample_size"]["auc"],
        "patients_needed": None,
    }
    evaluation["residual_fraction"] = None
    if table.fractions is not None:
        predicted = fractions[table.fractions.index]
        evaluation["residual_fraction"] = evaluate.describe_fraction(
            table.fractions, predicted, seed=plan.seed
        )
    evaluation["notes"] = [note.record() for note in table.notes]
    return evaluation
