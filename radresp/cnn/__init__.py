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
    from radresp.cnn.network import SiameseNet
    from radresp.cnn.predict import class_log_odds, probabilities, residual_score

_LATER = {
    "SiameseNet": "network",
    "class_log_odds": "predict",
    "probabilities": "predict",
    "residual_score": "predict",
}

__all__ = [
    "Augment",
    "Cnn",
    "Inputs",
    "PatchSettings",
    "SiameseNet",
    "class_log_odds",
    "inputs_of",
    "missing",
    "probabilities",
    "require",
    "residual_score",
]


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
