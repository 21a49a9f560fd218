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
    first: Annotated[int, typer.Option("--first", min=0, help="Index of the first one.")] = 0,
    preset: Annotated[
        str, typer.Option("--preset", help="Kind of cohort: balanced, opra or torch.")
    ] = "balanced",
    scanner: Annotated[
        list[str] | None,
        typer.Option("--scanner", help="Scanner drawn from, repeatable; by default all vendors'."),
    ] = None,
    dicom: Annotated[
        bool, typer.Option("--dicom", help="DICOM as each vendor writes it, instead of NIfTI.")
    ] = False,
    fast: Annotated[
        bool, typer.Option("--fast", help="Coarser voxels and a tighter field of view.")
    ] = False,
    coarseness: Annotated[
        float | None,
        typer.Option("--coarseness", min=1, max=4, help="Factor on the voxel edges; 1.8 if fast."),
    ] = None,
    workers: Workers = 1,
    progress: ProgressChoice = Progress.AUTO,
    as_json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Write synthetic patients, a cohort table, outcomes and the truth."""
    with running("phantom", as_json=as_json, output=output, debug=debug) as run:
        run.seed = seed
        settings = pipeline.phantom_settings(
            preset, scanner, fast=fast, coarseness=coarseness, dicom=dicom
        )
        with Ticker(progress) as ticker:
            table = pipeline.make_phantom_cohort(
                required(output),
                cases,
                seed,
                first=first,
                settings=settings,
                dicom=dicom,
                workers=workers,
                progress=ticker.stage("synthetic patients", cases),
            )
        truth = table.with_name("truth") / "truth.csv"
        run.outputs = [table, table.with_name("outcomes.csv"), truth]
        run.result = {"cases": cases, "seed": seed, "preset": preset, "cohort": str(table)}
        run.say(f"{cases} synthetic patients: {table}")
