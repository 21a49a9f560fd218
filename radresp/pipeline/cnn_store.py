"""The folder of a trained CNN: its scores out of fold, its final network, and what it was made of.

``cnn.json`` names everything; ``scores.npz`` holds the out-of-fold scores; ``network/`` the members
of the final network, which travel into the model folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from radresp import classify, io
from radresp.errors import ModelError
from radresp.pipeline.patches import SECTIONS
from radresp.pipeline.plan import Plan, parse_plan

FORMAT = 1
RECORD, SCORES, NETWORK = "cnn.json", "scores.npz", "network"


@dataclass(frozen=True, slots=True)
class TrainedCnn:
    """A trained CNN as a source of a stack.

    Parameters
    ----------
    scores : FoldScores
        Out-of-fold scores of the training cases.
    members : mapping of str to bytes
        The final network.
    plan : Plan
        How patches were cut and the network trained.
    record : mapping
        ``cnn.json``: devices, epochs, seconds, notes of every network.
    """

    scores: classify.FoldScores
    members: Mapping[str, bytes]
    plan: Plan
    record: Mapping[str, Any]


def save_cnn(
    folder: Path,
    scores: classify.FoldScores,
    members: Mapping[str, bytes],
    plan: Plan,
    record: Mapping[str, Any],
) -> None:
    """Write scores, network and record; the record last, so that it names only what is there."""
    for name, data in members.items():
        io.write_bytes(folder / NETWORK / name, data)
    arrays = {
        "cases": np.array(scores.folds.index.tolist()),
        "folds": scores.folds.to_numpy(dtype=np.int64),
        "inner": scores.inner.to_numpy(dtype=float),
        "outer": scores.outer.to_numpy(dtype=float),
        "classes": scores.classes.to_numpy(dtype=float),
        "names": np.array(list(scores.classes.columns)),
    }
    io.save_arrays(folder / SCORES, arrays)
    body = {
        "format": FORMAT,
        "plan_sha256": plan.sha256(*SECTIONS),
        "scores_sha256": io.sha256_of(folder / SCORES),
        "network": {name: hashlib.sha256(data).hexdigest() for name, data in members.items()},
        **record,
    }
    io.write_json(folder / RECORD, body)


def load_cnn(folder: Path) -> TrainedCnn:
    """A folder written by :func:`save_cnn`, checked against its hashes.

    Raises
    ------
    ModelError
        ``MODEL_FORMAT`` when it is no such folder or not finished; ``MODEL_HASH`` when something in
        it was changed.
    """
    record = io.read_json(folder / RECORD)
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise ModelError(
            "MODEL_FORMAT",
            f"{folder.name} holds no finished CNN",
            expected=f"a folder written by `radresp train-cnn`, with {RECORD}",
            action="run `radresp train-cnn` to its end; it goes on where it stopped",
            file=folder,
        )
    members = {
        name: _checked(folder / NETWORK / name, of) for name, of in record["network"].items()
    }
    _checked(folder / SCORES, record["scores_sha256"])
    arrays = io.load_arrays(folder / SCORES)
    plan = parse_plan(io.load_mapping(folder / "plan.yaml"))
    if arrays is None or plan.sha256(*SECTIONS) != record["plan_sha256"]:
        raise ModelError(
            "MODEL_FORMAT",
            f"the plan or the scores in {folder.name} are not those of the network",
            expected="the folder as it was written",
            action="run `radresp train-cnn` again",
            file=folder,
        )
    return TrainedCnn(_scores(arrays), members, plan, record)


def _scores(arrays: Mapping[str, Any]) -> classify.FoldScores:
    index = pd.Index(arrays["cases"].tolist(), name="case_id")
    return classify.FoldScores(
        pd.Series(arrays["folds"], index=index),
        pd.DataFrame(arrays["inner"], index=index),
        pd.Series(arrays["outer"], index=index),
        pd.DataFrame(arrays["classes"], index=index, columns=arrays["names"].tolist()),
    )


def _checked(path: Path, sha256: str) -> bytes:
    try:
        data = path.read_bytes()
    except OSError:
        data = b""
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise ModelError(
            "MODEL_HASH",
            f"{path.name} has SHA-256 {found}",
            expected=sha256,
            action="run `radresp train-cnn` again",
            file=path,
        )
    return data
