"""Pages and pictures made from nouns. Returns text and bytes; writing them is io's job.

Loaded on first use: matplotlib and jinja2 take most of a second that a batch without pages saves.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from radresp.report.page import case_page
    from radresp.report.pictures import alignment_png, contour_png

__all__ = ["alignment_png", "case_page", "contour_png"]


def __getattr__(name: str) -> Any:
    rooms = {"alignment_png": "pictures", "case_page": "page", "contour_png": "pictures"}
    if name not in rooms:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{rooms[name]}"), name)
