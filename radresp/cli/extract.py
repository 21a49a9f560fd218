"""``radresp extract``: a cohort to a table of features."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

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
    root: DataRoot = None,
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
        cases = pipeline.open_cases(one_of(cohort, input_path, "COHORT"), root=root)
        folder = required(output)
        result = run_batch(
            run, pipeline.extract_cohort, cases, folder, plan, workers, force, progress
        )
        tables = [folder / f for f in ("features.parquet", "features.csv", "columns.csv")]
        run.outputs = tables if result.finished else []


def run_batch(
    run: Run,
    engine: Any,
    cases: Any,
    folder: Path,
    plan: Path | None,
    workers: int,
    force: bool,
    progress: Progress,
) -> Any:
    """Take a cohort through a batch engine with progress, and print how it ended."""
    chosen = pipeline.load_plan(plan)
    run.plan_sha256, run.root = chosen.sha256(), cases.root
    with Ticker(progress) as ticker:
        watch = ticker.cases(len(cases.cases))
        result = engine(cases.cases, chosen, folder, workers=workers, force=force, watch=watch)
    run.exit_code = result.exit_code
    run.result = result.describe()
    for refused in result.refused:
        typer.echo(refused.refusal.line(), err=True)
    counts = result.describe()
    run.say(
        f"{counts['finished']} of {counts['cases']} cases finished ({counts['kept']} kept from "
        f"before), {len(counts['refused'])} refused; written to {folder}"
    )
    return result
