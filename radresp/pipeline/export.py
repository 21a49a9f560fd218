"""Hand the network of a model on: as ONNX for programs without torch, as a MONAI bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from radresp import cnn, io
from radresp.errors import ModelError, PlanError
from radresp.notice import INTENDED_USE
from radresp.pipeline.score import ScoringModel, open_model


def export_network(
    model: Path,
    folder: Path,
    *,
    onnx: bool = True,
    bundle: bool = True,
    licence: Path | None = None,
    authors: str,
) -> dict[str, Any]:
    """Write the network of a model folder in other formats.

    Parameters
    ----------
    model : Path
        Model folder, or a folder of ``train-cnn``'s model, that asks a network.
    folder : Path
        Gets ``network.onnx``, checked against the network, and ``bundle/``.
    onnx, bundle : bool
        Which of them.
    licence : Path, optional
        Text of the licence the network is handed on under; without it the bundle says that none is
        stated.
    authors : str
        Whose it is.

    Returns
    -------
    dict
        What was written, and how far the ONNX graph is from the network.

    Raises
    ------
    ModelError
        ``NO_NETWORK`` when the model asks none; ``EXTRA_MISSING``, ``MODEL_SELF_TEST``.
    """
    scoring = open_model(model)
    network = scoring.network
    if network is None or scoring.plan.cnn is None:
        raise ModelError(
            "NO_NETWORK",
            "the model asks no network",
            expected="a model trained with --cnn and --fuse",
            file=model,
        )
    found: dict[str, Any] = {"files": []}
    if onnx:
        data = cnn.export_onnx(network.net, scoring.plan.cnn)
        found["onnx_difference"] = cnn.check_onnx(data, network.net, _example(scoring.plan.cnn))
        io.write_bytes(folder / "network.onnx", data)
        found["files"].append("network.onnx")
    if bundle:
        facts = _facts(scoring, licence, authors)
        members = cnn.bundle_members(network.net, scoring.plan.cnn, network.card.classes, facts)
        for name, content in members.items():
            io.write_bytes(folder / "bundle" / name, content)
        found["files"] += [f"bundle/{name}" for name in members]
    return found


def _example(settings: cnn.Cnn) -> cnn.Inputs:
    """A made-up case to compare answers on; no patient's."""
    rng = np.random.default_rng(0)
    images = rng.normal(size=(2, 4, *settings.patch.size[::-1])).astype(np.float32)
    images[:, 3] = images[:, 3] > 1
    return cnn.Inputs(images, np.ones((2, 4), np.float32))


def _facts(scoring: ScoringModel, licence: Path | None, authors: str) -> cnn.BundleFacts:
    text = "The authors have stated no licence; ask them before use.\n"
    if licence is not None:
        if not licence.is_file():
            raise PlanError("MISSING_FILE", "no licence file", expected="a text", file=licence)
        text = licence.read_text(encoding="utf-8")
    return cnn.BundleFacts(
        license_text=text,
        authors=authors,
        copyright=authors,
        description=f"Siamese 3-D CNN on rectal MRI before and after treatment. {INTENDED_USE}",
        data_source=str(scoring.manifest["training_data"]),
    )
