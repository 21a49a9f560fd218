"""``radresp series``: what is in a DICOM folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from radresp import pipeline
from radresp.cli.common import DebugFlag, InputAlias, JsonFlag, as_table, one_of, running

COLUMNS = [
    "number",
    "folder",
    "kind",
    "slices",
    "b_values",
    "matrix",
    "spacing_mm",
    "vendor",
    "tesla",
]


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
        run.say(as_table([series["row"] for series in found], COLUMNS))
        for series in found:
            for problem in series["problems"]:
                run.say(f"series {series['number']}: {problem['code']}: {problem['found']}")
