"""radresp: MRI before and after rectal-cancer treatment to a complete-response probability.

The front door. Names load on first use, so that ``import radresp`` costs almost nothing; their
types stand in ``__init__.pyi``.

Examples
--------
>>> import radresp
>>> plan = radresp.load_plan(None)
>>> len(radresp.feature_names(plan)) > 400
True
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0.dev0"

_ROOMS = {
    "Batch": "pipeline",
    "Engine": "pipeline",
    "check_cohort": "pipeline",
    "extract": "pipeline.front",
    "extract_case": "pipeline",
    "extract_cohort": "pipeline",
    "feature_names": "pipeline",
    "load_case": "pipeline",
    "load_plan": "pipeline",
    "open_cases": "pipeline",
    "open_model": "pipeline",
    "prepare_case": "pipeline",
    "register_files": "pipeline",
    "score_case": "pipeline.front",
    "train_model": "pipeline",
}

__all__ = sorted(_ROOMS)


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
