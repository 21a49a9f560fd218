"""What is registered: every method of every room with its settings."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from radresp import classify, cnn, features, intensity, masks, registration
from radresp.core import Settings
from radresp.pipeline.decide import DecisionRules
from radresp.pipeline.evaluation_rules import EvaluationRules


def describe_methods() -> dict[str, dict[str, Any]]:
    """Rooms, their methods, and each method's settings with default and description."""
    single: Mapping[str, Mapping[str, type[Settings]]] = {
        "adc": {"fit_adc": intensity.FitAdc},
        "diffusion_models": {"ivim": intensity.FitIvim, "kurtosis": intensity.FitKurtosis},
        "image_findings": {"muscle": intensity.FindMuscle, "gas": intensity.FindGas},
        "bias_field": {"correct_bias": intensity.CorrectBias},
        "change_maps": {"change": intensity.ChangeRules},
        "masks": {"clean": masks.Clean, "rules": masks.MaskRules, "place_bed": masks.PlaceBed},
        "decision": {"decide": DecisionRules},
        "evaluation": {"evidence": EvaluationRules},
        "cnn": {"network": cnn.Cnn, "patch": cnn.PatchSettings, "augment": cnn.Augment},
    }
    registries: dict[str, Mapping[str, Any]] = {
        "t2": intensity.METHODS,
        "registration": registration.METHODS,
        "families": features.FAMILIES,
        "changes": features.CHANGES,
        "measures": features.MEASURES,
        "classifier": classify.METHODS,
    }
    rooms = {room: {n: _describe(s) for n, s in found.items()} for room, found in single.items()}
    for room, registry in registries.items():
        rooms[room] = {name: _describe(method.settings) for name, method in registry.items()}
    return dict(sorted(rooms.items()))


def _describe(settings: type[Settings]) -> dict[str, Any]:
    module = sys.modules[settings.__module__].__doc__ or ""
    fields = settings.model_fields.items()
    return {
        "summary": module.strip().splitlines()[0],
        "settings": [
            {
                "name": name,
                "default": _plain(field.get_default(call_default_factory=True)),
                "description": field.description or "",
            }
            for name, field in fields
        ],
    }


def _plain(default: Any) -> Any:
    """A default as a machine reads it."""
    return default.model_dump(mode="json") if isinstance(default, Settings) else default
