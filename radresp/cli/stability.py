"""``radresp stability``: which features another measurement would change."""

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


def stability_command(
    cohort: Annotated[
        Path | None, typer.Argument(help="Cohort table (CSV) whose cases are perturbed.")
    ] = None,
    input_path: InputAlias = None,
    table: Annotated[
        list[Path] | None,
        typer.Option(
            "--table",
            help="Instead of a cohort: a feature table of one reader or one scan; give it twice or "
            "more, with the same cases.",
        ),
    ] = None,
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
    """Intraclass correlation of every feature under perturbation, or between readers or scans.

    Writes stability.csv, which train reads (--stability).
    """
    with running("stability", as_json=as_json, output=output, debug=debug) as run:
        folder = required(output)
        if table:
            compared, _ = pipeline.compare_tables(table, folder)
            run.result = {"cases": compared}
        else:
            source = one_of(cohort, input_path, "COHORT")
            cases = pipeline.open_cases(source, root=root)
            engine = engine_of(len(cases.cases), workers, scheduler, time_limit, memory_limit)
            batch = batch_of(engine, force, update, part, work_dir, progress)
            work = pipeline.measure_stability
            result = run_batch(run, work, source, cases, folder, plan, batch, progress)
            if not (result.finished and batch.is_whole):
                return
        run.outputs = [folder / "stability.csv"]
        summary = pipeline.summarise_stability(folder)
        run.result = {**run.result, **summary}
        run.say(
            f"lower end of ICC(1,1) at least 0.90: {summary['icc_low_at_least_0.90']}, 0.75: "
            f"{summary['icc_low_at_least_0.75']}, 0.50: {summary['icc_low_at_least_0.50']} of "
            f"{summary['features']} features; unknown: {summary['unknown']}"
        )
