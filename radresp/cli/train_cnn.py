"""``radresp train-cnn``: a cohort and outcomes to a 3-D CNN, judged out of fold."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from radresp import pipeline
from radresp.cli.batch import (
    TIME_LIMIT_S,
    MemoryLimit,
    Scheduler,
    TimeLimit,
    Workers,
    engine_of,
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
    Ticker,
    one_of,
    required,
    running,
)


def train_cnn_command(
    cohort: Annotated[Path | None, typer.Argument(help="Cohort table (CSV).")] = None,
    input_path: InputAlias = None,
    root: DataRoot = None,
    outcomes: Annotated[
        Path | None, typer.Option("--outcomes", help="CSV of outcomes; else those of the cohort.")
    ] = None,
    output: OutputFolder = None,
    plan: PlanFile = None,
    endpoint: Annotated[
        str | None, typer.Option("--endpoint", help="Which references count; see train.")
    ] = None,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")] = "auto",
    workers: Workers = None,
    scheduler: Scheduler = None,
    time_limit: TimeLimit = TIME_LIMIT_S,
    memory_limit: MemoryLimit = None,
    force: Annotated[
        bool, typer.Option("--force", help="Redo patches and networks that are there.")
    ] = False,
    progress: ProgressChoice = Progress.AUTO,
    as_json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Train the 3-D CNN; resumable, on CUDA where there is any."""
    first = pipeline.is_first_process()  # of several started by torchrun, one speaks and writes
    shown = output if first else None
    with running("train-cnn", as_json=as_json, output=shown, debug=debug) as run:
        run.notice()
        folder = required(output)
        path = one_of(cohort, input_path, "COHORT")
        cases = pipeline.open_cases(path, root=root)
        chosen = pipeline.load_cnn_plan(plan)
        run.plan_sha256, run.seed, run.root = chosen.sha256(), chosen.seed, cases.root
        engine = engine_of(len(cases.cases), workers, scheduler, time_limit, memory_limit)
        with Ticker(progress) as ticker:
            trained = pipeline.train_cnn(
                cases.cases,
                pipeline.load_outcomes(outcomes or path, endpoint=endpoint),
                chosen,
                folder,
                clinical=pipeline.load_clinical(path),
                device=device,
                batch=pipeline.Batch(engine, force),
                stage=ticker.stage,
            )
        if trained is None:
            return
        run.device = trained.record["networks"]["all"]["device"]
        run.outputs = [folder / name for name in ("cnn.json", "scores.npz", "evaluation.html")]
        run.exit_code = trained.cut.exit_code
        run.result = {"evaluation": trained.evaluation, "cnn": trained.record}
        for refused in trained.cut.refused:
            if refused.refusal is not None:
                typer.echo(refused.refusal.line(), err=True)
        for line in trained.lines():
            run.say(line)
        run.say(f"network written to {folder}; stack it with `radresp train --cnn {folder}`")
