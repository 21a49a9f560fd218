"""The networks of one training: what each learns from, and what it says of cases it has not met.

A network is kept once it is done, under a key of everything it depends on, so that a stopped run
goes on with the next.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from radresp import cnn, io
from radresp.core import NoteKind
from radresp.errors import CohortError, PlanError
from radresp.pipeline.cnn_folds import ALL, Duty, Scored
from radresp.pipeline.learning_table import TrainingTable
from radresp.pipeline.patches import SECTIONS, load_inputs, patch_path
from radresp.pipeline.plan import Plan


@dataclass
class NetworkRun:
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
        names, known = self.classes, self.table.fractions
        return tuple(
            cnn.Sample(
                case_id=str(case),
                patient=str(self.table.groups[case]),
                inputs=load_inputs(str(case), self.folder),
                label=names.index(self.table.y[str(case)]),
                fraction=None if known is None or pd.isna(known[case]) else float(known[case]),
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
        knows = self.table.fractions is not None
        members = cnn.dump_network(net, self.settings, self.classes, knows_fraction=knows)
        for name, data in members.items():
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
        found = cnn.ask_network(net, inputs)
        arrays = {
            "cases": np.array(cases.tolist()),
            "residual": cnn.residual_score(found.log_odds, self.classes),
            "classes": cnn.probabilities(found.log_odds),
            "fraction": found.fraction,
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
        return Scored(
            tuple(found["cases"].tolist()), found["residual"], found["classes"], found["fraction"]
        )

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
        """What a finished network depends on: plan, and patch, fold and answer of every case."""
        parts = [self.plan.sha256(*SECTIONS, "seed")]
        for case, fold in self.folds.items():
            patch = io.sha256_of(patch_path(str(case), self.folder))
            known = self.table.fractions
            fraction = None if known is None else known[str(case)]
            parts.append(f"{case}:{fold}:{self.table.y[str(case)]}:{fraction}:{patch}")
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


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
