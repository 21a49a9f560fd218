"""radresp: MRI before and after rectal-cancer treatment to a complete-response probability.

The front door. Names load on first use, so that ``import radresp`` costs almost nothing.

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

__all__ = [
    "check_cohort",
    "extract_case",
    "extract_cohort",
    "feature_names",
    "load_case",
    "load_plan",
    "open_cases",
    "open_model",
    "prepare_case",
    "register_files",
    "score_case",
    "train_model",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("radresp.pipeline"), name)
