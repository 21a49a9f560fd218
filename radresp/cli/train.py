"""``radresp train``: a feature table and outcomes to a model folder."""

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
    one_of,
    required,
    running,
)
from radresp.errors import PlanError


def train_command(
    table: Annotated[
        Path | None, typer.Argument(help="features.parquet, features.csv or any feature table.")
    ] = None,
    input_path: InputAlias = None,
    outcomes: Annotated[
        Path | None,
        typer.Option("--outcomes", help="CSV of outcomes; else the outcome column of TABLE."),
    ] = None,
    output: OutputFolder = None,
    plan: PlanFile = None,
    id_column: Annotated[str, typer.Option("--id-column", help="Column of case ids.")] = "case_id",
    outcome_column: Annotated[
        str, typer.Option("--outcome-column", help="Column of outcomes.")
    ] = "outcome",
    outcome_map: Annotated[
        list[str] | None,
        typer.Option(
            "--map", help="What an outcome means, e.g. --map 1=residual --map 0=complete."
        ),
    ] = None,
    drop: Annotated[
        list[str] | None, typer.Option("--drop", help="A column that is no feature; repeatable.")
    ] = None,
    stability: Annotated[
        Path | None,
        typer.Option("--stability", help="stability.csv; features that do not hold still go."),
    ] = None,
    minimum_icc: Annotated[
        float,
        typer.Option(
            "--minimum-icc", min=-1.0, max=1.0, help="Lowest lower end of ICC(1,1) to keep."
        ),
    ] = 0.75,
    clinical: Annotated[
        Path | None,
        typer.Option(
            "--clinical",
            help="Table of covariates, site, scanner and reader calls, such as cohort.csv.",
        ),
    ] = None,
    fuse: Annotated[
        bool,
        typer.Option("--fuse", help="Keep the model of all sources together."),
    ] = False,
    cnn: Annotated[
        Path | None,
        typer.Option("--cnn", help="Folder of train-cnn, compared with the features."),
    ] = None,
    control: Annotated[
        Path | None,
        typer.Option("--control", help="Features of the same cases with their voxels shuffled."),
    ] = None,
    endpoint: Annotated[
        str | None,
        typer.Option(
            "--endpoint", help="pCR, sustained_cCR_24m or complete_response (both, said so)."
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", "--force", help="Replace an existing model folder.")
    ] = False,
    progress: ProgressChoice = Progress.AUTO,
    as_json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Evaluate by nested cross-validation and write the final model folder."""
    with running("train", as_json=as_json, output=output, debug=debug) as run:
        run.notice()
        folder = required(output)
        joined = pipeline.training_table(
            one_of(table, input_path, "TABLE"),
            outcomes,
            plan,
            id_column,
            outcome_column,
            meanings(outcome_map or []),
            tuple(drop or ()),
            stability,
            minimum_icc,
            clinical,
            control,
            endpoint,
            cnn,
        )
        run.plan_sha256, run.seed = joined.plan.sha256(), joined.plan.seed
        with Ticker(progress) as ticker:
            trained = pipeline.train_model(joined.table, joined.plan, fuse=fuse, stage=ticker.stage)
        sha256 = pipeline.save_model(
            trained,
            joined.plan,
            folder,
            protocol=joined.protocol,
            training_data=joined.training_data,
            stability=stability is not None,
            network=joined.network,
            overwrite=overwrite,
        )
        run.result = {"model_sha256": sha256, "evaluation": trained.evaluation}
        for line in trained.lines():
            run.say(line)
        run.say(f"model written to {folder}")


def meanings(words: list[str]) -> dict[str, str] | None:
    """Words such as ``["1=residual", "0=complete"]`` as a mapping; None when nothing was said."""
    pairs = [word.partition("=") for word in words]
    wrong = [word for word, (_, equals, _) in zip(words, pairs, strict=True) if not equals]
    if wrong:
        raise PlanError("USAGE", f"--map {wrong[0]}", expected="VALUE=CLASS")
    return {value: meaning for value, _, meaning in pairs} or None
