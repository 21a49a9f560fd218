"""Pages and pictures made from nouns. Returns text and bytes; writing them is io's job.

Loaded on first use: matplotlib and jinja2 take most of a second that a batch without pages saves.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from radresp.report.checklist import checklist_rows, checklist_table, vouched_weight
    from radresp.report.evaluation import evaluation_page
    from radresp.report.page import case_page
    from radresp.report.pictures import alignment_png, contour_png, overlay_png
    from radresp.report.training import learning_curve

__all__ = [
    "alignment_png",
    "case_page",
    "checklist_rows",
    "checklist_table",
    "contour_png",
    "evaluation_page",
    "learning_curve",
    "overlay_png",
    "vouched_weight",
]

_ROOMS = {
    "alignment_png": "pictures",
    "case_page": "page",
    "checklist_rows": "checklist",
    "checklist_table": "checklist",
    "contour_png": "pictures",
    "evaluation_page": "evaluation",
    "learning_curve": "training",
    "overlay_png": "pictures",
    "vouched_weight": "checklist",
}


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)
