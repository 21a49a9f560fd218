"""``radresp evaluate``: a finished model on cases it never met."""

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
    Progress,
    ProgressChoice,
    Ticker,
    one_of,
    required,
    running,
)
from radresp.cli.train import meanings


def evaluate_command(
    model: Annotated[Path, typer.Argument(help="Model folder.")],
    table: Annotated[
        Path | None,
        typer.Argument(help="Cohort table, folder of `extract`, or any feature table."),
    ] = None,
    input_path: InputAlias = None,
    root: DataRoot = None,
    outcomes: Annotated[
        Path | None,
        typer.Option("--outcomes", help="CSV of outcomes; else the outcome column of TABLE."),
    ] = None,
    output: OutputFolder = None,
    clinical: Annotated[
        Path | None,
        typer.Option("--clinical", help="Table of covariates, site, scanner and reader calls."),
    ] = None,
    endpoint: Annotated[
        str | None, typer.Option("--endpoint", help="Which references count; see train.")
    ] = None,
    id_column: Annotated[str, typer.Option("--id-column", help="Column of case ids.")] = "case_id",
    outcome_column: Annotated[
        str, typer.Option("--outcome-column", help="Column of outcomes.")
    ] = "outcome",
    outcome_map: Annotated[
        list[str] | None,
        typer.Option("--map", help="What an outcome means, e.g. --map 1=residual."),
    ] = None,
    drop: Annotated[
        list[str] | None, typer.Option("--drop", help="A column that is no feature; repeatable.")
    ] = None,
    minimum_events: Annotated[
        int,
        typer.Option("--minimum-events", min=1, help="Fewest cases of either outcome for an AUC."),
    ] = 10,
    workers: Workers = None,
    scheduler: Scheduler = None,
    time_limit: TimeLimit = TIME_LIMIT_S,
    memory_limit: MemoryLimit = None,
    progress: ProgressChoice = Progress.AUTO,
    as_json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Judge a model on other cases: external validation. Every look is counted."""
    with running("evaluate", as_json=as_json, output=output, debug=debug) as run:
        run.notice()
        folder = required(output)
        source = one_of(table, input_path, "TABLE")
        with Ticker(progress) as ticker:
            judged, scoring = pipeline.evaluate_model(
                model,
                source,
                folder,
                pipeline.HeldOut(
                    outcomes=outcomes,
                    clinical=clinical,
                    endpoint=endpoint,
                    id_column=id_column,
                    outcome_column=outcome_column,
                    outcome_map=meanings(outcome_map or []),
                    drop=tuple(drop or ()),
                    root=root,
                ),
                minimum_events=minimum_events,
                batch=pipeline.Batch(engine_of(2, workers, scheduler, time_limit, memory_limit)),
                stage=ticker.stage,
            )
        run.plan_sha256, run.seed = scoring.plan.sha256(), scoring.plan.seed
        run.model_id = scoring.model_id
        run.outputs = pipeline.save_judged(judged, folder)
        run.result = {"model": scoring.model_id, "evaluation": judged.evaluation}
        for line in judged.lines():
            run.say(line)
        run.say(f"report: {folder / 'evaluation.html'}")
