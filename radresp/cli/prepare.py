"""``radresp prepare``: regions, transforms and pictures of every case."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from radresp import pipeline
from radresp.cli.common import (
    DataRoot,
    DebugFlag,
    InputAlias,
    JsonFlag,
    OutputFolder,
    PlanFile,
    Progress,
    ProgressChoice,
    Workers,
    one_of,
    required,
    running,
)
from radresp.cli.extract import run_batch


def prepare_command(
    cohort: Annotated[
        Path | None, typer.Argument(help="Cohort table (CSV) or the folder of one case.")
    ] = None,
    input_path: InputAlias = None,
    root: DataRoot = None,
    output: OutputFolder = None,
    plan: PlanFile = None,
    workers: Workers = 1,
    force: Annotated[bool, typer.Option("--force", help="Redo finished cases.")] = False,
    progress: ProgressChoice = Progress.AUTO,
    as_json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Register the visits and place the regions; write masks, transforms and pictures."""
    with running("prepare", as_json=as_json, output=output, debug=debug) as run:
        cases = pipeline.open_cases(one_of(cohort, input_path, "COHORT"), root=root)
        folder = required(output)
        run_batch(run, pipeline.prepare_cohort, cases, folder, plan, workers, force, progress)
