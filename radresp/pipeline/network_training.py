"""Train the CNN: patches, a network for every fold and pair of folds, and one of all cases.

Everything is kept as it is made, so that a stopped run goes on where it was: patches by the hashes
of what they came from, networks by their own checkpoints, scores once a network is done.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from radresp import classify, cnn, io, report
from radresp.core import CaseFiles, NoteKind
from radresp.errors import CohortError, PlanError, ResourceError
from radresp.pipeline.cnn_folds import ALL, Duty, Scored, duties, fold_scores
from radresp.pipeline.cnn_store import save_cnn
from radresp.pipeline.cohort import counted
from radresp.pipeline.evidence import describe_all
from radresp.pipeline.learning_table import TrainingTable, join_outcomes
from radresp.pipeline.model_card import figure_lines
from radresp.pipeline.patches import SECTIONS, cut_cohort, load_inputs, patch_path
from radresp.pipeline.plan import Plan
from radresp.pipeline.results import CohortResult
from radresp.pipeline.train import Stage, json_bytes

PATCHES = "patches.json"
_GLANCE_S = 0.5


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
        ]


def train_cnn(
    cases: tuple[CaseFiles, ...],
    outcomes: io.Outcomes,
    plan: Plan,
    folder: Path,
    *,
    clinical: io.ClinicalTable | None = None,
    device: str = "auto",
    workers: int = 1,
    force: bool = False,
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
    workers : int
        Processes that cut patches.
    force : bool
        Redo what is there.
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
    cut = _cut(cases, plan, folder, workers, force, stage) if first else None
    usable = await_patches(folder, plan) if cut is None else [r.case_id for r in cut.finished]
    table = join_outcomes(pd.DataFrame(index=usable), outcomes, clinical)
    folds = classify.draw_folds(table.y, table.groups, plan.cnn.folds, seed=plan.seed)
    encoder = encoder_weights(plan.cnn, len(set(table.y)))
    run = _Run(table, folds, plan, plan.cnn, folder, where, force, stage, encoder)
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
    found = _evaluation(table, scores, plan, networks[ALL]["parameters"])
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
    workers: int,
    force: bool,
    stage: Stage,
) -> CohortResult:
    watch = counted(stage("patches", len(cases)), len(cases))
    cut = cut_cohort(cases, plan, folder, workers=workers, force=force, watch=watch)
    if not cut.finished:
        raise CohortError("NO_CASES", "no case has a patch", expected="at least one")
    known = {
        "plan_sha256": plan.sha256(*SECTIONS),
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
    end = time.monotonic() + 3600 * hours
    while time.monotonic() < end:
        found = io.read_json(folder / PATCHES)
        if isinstance(found, dict) and found.get("plan_sha256") == plan.sha256(*SECTIONS):
            return [str(case) for case in found["cases"]]
        time.sleep(_GLANCE_S)
    raise ResourceError(
        "PATCHES_LATE",
        f"no patches of the first process after {hours:g} hours",
        expected=f"{PATCHES} in the output folder, which all processes share",
        action="look at the first process; give every process the same output folder",
        file=folder,
    )


def encoder_weights(settings: cnn.Cnn, classes: int) -> Mapping[str, Any] | None:
    """Weights of a trained encoder to start from; None where the plan names none.

    Parameters
    ----------
    settings : Cnn
        With ``encoder_weights``, a safetensors file, or None.
    classes : int
        Number of outcomes.

    Raises
    ------
    PlanError
        ``ENCODER_WEIGHTS`` when the file is not there or does not fit the network.
    """
    if settings.encoder_weights is None:
        return None
    path = Path(settings.encoder_weights)
    if not path.is_file():
        raise PlanError(
            "ENCODER_WEIGHTS",
            f"cnn.encoder_weights: no file {path.name}",
            expected="a safetensors file",
            file=path,
        )
    net = cnn.SiameseNet(settings, classes)
    cnn.load_encoder(net, path.read_bytes())
    found: Mapping[str, Any] = net.encoder.state_dict()
    return found


def is_first_process() -> bool:
    """Whether this is the process that writes, of those that train together; else the only one."""
    return int(os.environ.get("RANK", "0")) == 0


@dataclass
class _Run:
    """One training: the cases, their folds, and where networks are kept."""

    table: TrainingTable
    folds: pd.Series
    plan: Plan
    settings: cnn.Cnn
    folder: Path
    device: cnn.Device
    force: bool
    stage: Callable[[str, int], Callable[[int, int], None]]
    encoder: Mapping[str, Any] | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """Sorted outcome names."""
        return tuple(sorted(set(self.table.y)))

    def samples(self, cases: pd.Index) -> tuple[cnn.Sample, ...]:
        """What the network learns from."""
        names = self.classes
        return tuple(
            cnn.Sample(
                case_id=str(case),
                patient=str(self.table.groups[case]),
                inputs=load_inputs(str(case), self.folder),
                label=names.index(self.table.y[str(case)]),
                fraction=None,
            )
            for case in cases
        )

    def place(self, name: str) -> Path:
        """Folder of one network."""
        return self.folder / "networks" / name

    def network(self, duty: Duty, *, write: bool = True) -> dict[str, Any]:
        """Train one network, or keep it, and score what it has not met."""
        place = self.place(duty.name)
        done = None if self.force else io.read_json(place / "done.json")
        if isinstance(done, dict) and done.get("key") == self.key:
            return dict(done["record"])
        out = self.folds.isin(duty.left_out)
        fitted = cnn.fit_network(
            self.samples(self.folds.index[~out]),
            self.settings,
            classes=len(self.classes),
            seed=self.plan.seed,
            device=self.device,
            folder=cnn.Folder(place / "checkpoint", io.write_bytes),
            resume=not self.force,
            encoder=self.encoder,
            progress=self.stage(f"network {duty.name}", self.settings.epochs),
        )
        if not write:
            return {}
        net = fitted.network()
        for name, data in cnn.dump_network(net, self.settings, self.classes).items():
            io.write_bytes(place / name, data)
        if duty.left_out:
            self._score(net, self.folds.index[out], place)
        record = {
            "device": fitted.device,
            "best_epoch": fitted.best_epoch,
            "epochs": len(fitted.history),
            "seconds": fitted.seconds,
            "parameters": sum(int(p.numel()) for p in net.parameters()),
            "history": list(fitted.history),
            "notes": [note.record() for note in fitted.notes if note.kind is not NoteKind.INFO],
        }
        io.write_json(place / "done.json", {"key": self.key, "record": record})
        return record

    def _score(self, net: cnn.SiameseNet, cases: pd.Index, place: Path) -> None:
        inputs = [load_inputs(str(case), self.folder) for case in cases]
        log_odds = cnn.class_log_odds(net, inputs)
        arrays = {
            "cases": np.array(cases.tolist()),
            "residual": cnn.residual_score(log_odds, self.classes),
            "classes": cnn.probabilities(log_odds),
        }
        io.save_arrays(place / "scores.npz", arrays)

    def said(self, name: str) -> Scored:
        """The scores a network left, read back."""
        found = io.load_arrays(self.place(name) / "scores.npz")
        if found is None:
            raise CohortError(
                "PATCH",
                f"the scores of network {name} are missing or damaged",
                action="run the command again with --force",
            )
        return Scored(tuple(found["cases"].tolist()), found["residual"], found["classes"])

    def members(self) -> dict[str, bytes]:
        """The final network as bytes."""
        place = self.place(ALL)
        return {
            path.name: path.read_bytes()
            for path in sorted(place.iterdir())
            if path.suffix in {".safetensors", ".json"} and path.name != "done.json"
        }

    @cached_property
    def key(self) -> str:
        """What a finished network depends on: plan, and patch, fold and label of every case."""
        parts = [self.plan.sha256(*SECTIONS, "seed")]
        for case, fold in self.folds.items():
            patch = io.sha256_of(patch_path(str(case), self.folder))
            parts.append(f"{case}:{fold}:{self.table.y[str(case)]}:{patch}")
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _evaluation(
    table: TrainingTable, scores: classify.FoldScores, plan: Plan, parameters: int
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
    evaluation["notes"] = [note.record() for note in table.notes]
    return evaluation
