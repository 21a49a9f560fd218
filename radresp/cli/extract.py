"""``radresp extract``: a cohort to a table of features."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

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
    Run,
    Ticker,
    Workers,
    one_of,
    required,
    running,
)


def extract_command(
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
    """Compute the features of every case; run again to resume."""
    with running("extract", as_json=as_json, output=output, debug=debug) as run:
        folder = required(output)
        cases = pipeline.open_cases(one_of(cohort, input_path, "COHORT"))
        chosen = pipeline.load_plan(plan)
        run.plan_sha256 = chosen.sha256()
        with Ticker(progress) as ticker:
            result = pipeline.extract_cohort(
                cases.cases,
                chosen,
                folder,
                workers=workers,
                force=force,
                watch=ticker.cases(len(cases.cases)),
            )
        tables = [folder / "features.parquet", folder / "features.csv"]
        run.outputs = tables if result.finished else []
        show_cohort(run, result, folder)


def show_cohort(run: Run, result: Any, folder: Path) -> None:
    """Print how a cohort ended."""
    run.exit_code = result.exit_code
    run.result = result.describe()
    for refused in result.refused:
        typer.echo(refused.refusal.line(), err=True)
    counts = result.describe()
    run.say(
        f"{counts['finished']} of {counts['cases']} cases finished ({counts['kept']} kept from "
        f"before), {len(counts['refused'])} refused; written to {folder}"
    )
