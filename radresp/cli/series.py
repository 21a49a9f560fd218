"""``radresp series``: what is in a DICOM folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from radresp import pipeline
from radresp.cli.common import DebugFlag, InputAlias, JsonFlag, as_table, one_of, running

COLUMNS = ["number", "folder", "kind", "slices", "b-values", "matrix", "voxel mm", "scanner"]


def series_command(
    folder: Annotated[Path | None, typer.Argument(help="Folder with DICOM files.")] = None,
    input_folder: InputAlias = None,
    as_json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """List the series of a DICOM folder: kind, b-values, grid and problems."""
    with running("series", as_json=as_json, debug=debug) as run:
        found = pipeline.describe_series(one_of(folder, input_folder, "FOLDER"))
        run.result = {"series": found}
        run.say(as_table([_row(series) for series in found], COLUMNS))
        for series in found:
            for problem in series["problems"]:
                run.say(f"series {series['number']}: {problem['code']}: {problem['found']}")


def _row(series: dict[str, Any]) -> dict[str, Any]:
    edges = [*(series["spacing_mm"] or []), series["slice_spacing_mm"]]
    scanner = [series.get("manufacturer", ""), series.get("field_strength_t", "")]
    return {
        **series,
        "b-values": " ".join(f"{b}({n})" for b, n in series["b_values"].items()),
        "matrix": "x".join(map(str, series["matrix"] or [])),
        "voxel mm": "x".join(f"{edge:.3g}" for edge in edges if edge is not None),
        "scanner": " ".join(f"{part:g} T" if isinstance(part, float) else part for part in scanner),
    }
