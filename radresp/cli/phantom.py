"""``radresp phantom``: a synthetic cohort with known truth."""

from __future__ import annotations

from typing import Annotated

import typer

from radresp import pipeline
from radresp.cli.common import (
    DebugFlag,
    JsonFlag,
    OutputFolder,
    Progress,
    ProgressChoice,
    Ticker,
    Workers,
    required,
    running,
)


def phantom_command(
    output: OutputFolder = None,
    cases: Annotated[int, typer.Option("--cases", min=1, help="How many patients.")] = 10,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of everything random.")] = 7,
    fast: Annotated[
        bool, typer.Option("--fast", help="Coarser voxels and a tighter field of view.")
    ] = False,
    workers: Workers = 1,
    progress: ProgressChoice = Progress.AUTO,
    as_json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Write synthetic patients (NIfTI), a cohort table, outcomes and the truth."""
    with running("phantom", as_json=as_json, output=output, debug=debug) as run:
        run.seed = seed
        with Ticker(progress) as ticker:
            table = pipeline.make_phantom_cohort(
                required(output),
                cases,
                seed,
                workers=workers,
                fast=fast,
                progress=ticker.stage("synthetic patients", cases),
            )
        run.outputs = [table, table.with_name("outcomes.csv"), table.with_name("truth.csv")]
        run.result = {"cases": cases, "seed": seed, "cohort": str(table)}
        run.say(f"{cases} synthetic patients: {table}")
