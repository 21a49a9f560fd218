"""``radresp prepare``: regions, transforms and pictures of every case."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from radresp import pipeline
from radresp.cli.batch import (
    TIME_LIMIT_S,
    Force,
    MemoryLimit,
    Part,
    Scheduler,
    TimeLimit,
    Update,
    Workers,
    WorkFolder,
    batch_of,
    engine_of,
    run_batch,
)
from radresp.cli.common import (
    DataRoot,
    DebugFlag,
    InputAlias,
    JsonFlag,
    OutputFolder,
    PlanFile,
    Progress,
    ProgressChoice,
    one_of,
    required,
    running,
)


def prepare_command(
    cohort: Annotated[
        Path | None, typer.Argument(help="Cohort table (CSV) or the folder of one case.")
    ] = None,
    input_path: InputAlias = None,
    root: DataRoot = None,
    output: OutputFolder = None,
    plan: PlanFile = None,
    workers: Workers = None,
    scheduler: Scheduler = None,
    time_limit: TimeLimit = TIME_LIMIT_S,
    memory_limit: MemoryLimit = None,
    part: Part = None,
    force: Force = False,
    update: Update = False,
    work_dir: WorkFolder = None,
    progress: ProgressChoice = Progress.AUTO,
    as_json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Register the visits and place the regions; write masks, transforms and pictures."""
    with running("prepare", as_json=as_json, output=output, debug=debug) as run:
        source, folder = one_of(cohort, input_path, "COHORT"), required(output)
        cases = pipeline.open_cases(source, root=root)
        engine = engine_of(len(cases.cases), workers, scheduler, time_limit, memory_limit)
        batch = batch_of(engine, force, update, part, work_dir, progress)
        run_batch(run, pipeline.prepare_cohort, source, cases, folder, plan, batch, progress)
