"""Pages and pictures made from nouns. Returns text and bytes; writing them is io's job.

Loaded on first use: matplotlib and jinja2 take most of a second that a batch without pages saves.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from radresp.report.checklist import checklist_rows, checklist_table, vouched_weight
    from radresp.report.evaluation import evaluation_files, evaluation_page
    from radresp.report.page import case_page
    from radresp.report.pictures import alignment_png, contour_png
    from radresp.report.qc_browser import qc_index
    from radresp.report.qc_entry import Entry, entry_of
    from radresp.report.strip import Fit, strip_png
    from radresp.report.training import learning_curve
    from radresp.report.viewer import CaseView, Map, Picture, viewer_data

__all__ = [
    "CaseView",
    "Entry",
    "Fit",
    "Map",
    "Picture",
    "alignment_png",
    "case_page",
    "checklist_rows",
    "checklist_table",
    "contour_png",
    "entry_of",
    "evaluation_files",
    "evaluation_page",
    "learning_curve",
    "qc_index",
    "strip_png",
    "viewer_data",
    "vouched_weight",
]

_ROOMS = {
    "CaseView": "viewer",
    "Entry": "qc_entry",
    "Fit": "strip",
    "Map": "viewer",
    "Picture": "viewer",
    "alignment_png": "pictures",
    "case_page": "page",
    "checklist_rows": "checklist",
    "checklist_table": "checklist",
    "contour_png": "pictures",
    "entry_of": "qc_entry",
    "evaluation_files": "evaluation",
    "evaluation_page": "evaluation",
    "learning_curve": "training",
    "qc_index": "qc_browser",
    "strip_png": "strip",
    "viewer_data": "viewer",
    "vouched_weight": "checklist",
}


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)
