"""``radresp report``: pages and figures made again from the records of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from radresp import pipeline
from radresp.cli.common import DebugFlag, InputAlias, JsonFlag, OutputFolder, one_of, running


def report_command(
    folder: Annotated[
        Path | None,
        typer.Argument(help="Folder of train, train-cnn, evaluate, score or prepare."),
    ] = None,
    input_path: InputAlias = None,
    output: OutputFolder = None,
    as_json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Make the pages of a finished run again from its records; nothing is computed."""
    with running("report", as_json=as_json, debug=debug) as run:
        run.notice()
        source = one_of(folder, input_path, "FOLDER")
        written = pipeline.rebuild_pages(source, output)
        run.result = {"written": [path.as_posix() for path in written]}
        run.say(f"{len(written)} files written, first {written[0]}")
