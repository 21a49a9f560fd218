"""The optional 3-D CNN: what it sees, the network, training, prediction, explanation, export.

The only room that imports torch, MONAI and lightning, and only on first use: settings and inputs
are at hand where none of them is installed. ``require`` refuses with how to add them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from radresp.cnn.inputs import Inputs, inputs_of
from radresp.cnn.installed import missing, require
from radresp.cnn.settings import Augment, Cnn, PatchSettings

if TYPE_CHECKING:
    from radresp.cnn.bundle import BundleFacts, bundle_members
    from radresp.cnn.checkpoint import Folder
    from radresp.cnn.device import Device, choose_device, launch_of
    from radresp.cnn.explain import Explanation, as_volume, masked
    from radresp.cnn.fast import fast_for_cpu
    from radresp.cnn.network import SiameseNet
    from radresp.cnn.onnx_export import check_onnx, export_onnx
    from radresp.cnn.predict import (
        Said,
        ask_network,
        map_residual,
        probabilities,
        residual_score,
    )
    from radresp.cnn.samples import Sample
    from radresp.cnn.training import Fitted, fit_network
    from radresp.cnn.weights import (
        NetworkCard,
        dump_network,
        load_encoder,
        network_card,
        restore_network,
    )

_LATER = {
    "BundleFacts": "bundle",
    "Device": "device",
    "Explanation": "explain",
    "Fitted": "training",
    "Folder": "checkpoint",
    "NetworkCard": "weights",
    "Said": "predict",
    "Sample": "samples",
    "SiameseNet": "network",
    "as_volume": "explain",
    "ask_network": "predict",
    "bundle_members": "bundle",
    "check_onnx": "onnx_export",
    "choose_device": "device",
    "dump_network": "weights",
    "export_onnx": "onnx_export",
    "fast_for_cpu": "fast",
    "fit_network": "training",
    "launch_of": "device",
    "load_encoder": "weights",
    "map_residual": "predict",
    "masked": "explain",
    "network_card": "weights",
    "probabilities": "predict",
    "residual_score": "predict",
    "restore_network": "weights",
}

__all__ = [
    "Augment",
    "BundleFacts",
    "Cnn",
    "Device",
    "Explanation",
    "Fitted",
    "Folder",
    "Inputs",
    "NetworkCard",
    "PatchSettings",
    "Said",
    "Sample",
    "SiameseNet",
    "as_volume",
    "ask_network",
    "bundle_members",
    "check_onnx",
    "choose_device",
    "dump_network",
    "export_onnx",
    "fast_for_cpu",
    "fit_network",
    "inputs_of",
    "launch_of",
    "load_encoder",
    "map_residual",
    "masked",
    "missing",
    "network_card",
    "probabilities",
    "require",
    "residual_score",
    "restore_network",
]


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
