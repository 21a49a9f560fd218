"""``radresp prepare``: regions, transforms and pictures of every case."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from radresp import pipeline
from radresp.cli.common import (
    DebugFlag,
    InputAlias,
    JsonFlag,
    OutputFolder,
    PlanFile,
    Progress,
    ProgressChoice,
    Ticker,
    Workers,
    one_of,
    required,
    running,
)
from radresp.cli.extract import show_cohort


def prepare_command(
    cohort: Annotated[
        Path | None, typer.Argument(help="Cohort table (CSV) or the folder of one case.")
    ] = None,
    input_path: InputAlias = None,
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
        folder = required(output)
        cases = pipeline.open_cases(one_of(cohort, input_path, "COHORT"))
        chosen = pipeline.load_plan(plan)
        run.plan_sha256 = chosen.sha256()
        with Ticker(progress) as ticker:
            result = pipeline.prepare_cohort(
                cases.cases,
                chosen,
                folder,
                workers=workers,
                force=force,
                watch=ticker.cases(len(cases.cases)),
            )
        show_cohort(run, result, folder)
