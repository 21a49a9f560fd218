"""``radresp demo``: the whole way on synthetic patients."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from radresp import pipeline
from radresp.cli.common import (
    DebugFlag,
    JsonFlag,
    PlanFile,
    Progress,
    ProgressChoice,
    Ticker,
    Workers,
    running,
)


def demo_command(
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder everything is written to.")
    ] = Path("demo_output"),
    cases: Annotated[int, typer.Option("--cases", min=30, help="Training patients.")] = 50,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the patients.")] = 21,
    plan: PlanFile = None,
    workers: Workers = 2,
    progress: ProgressChoice = Progress.AUTO,
    as_json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Make synthetic patients, train on them, and score one the model has not seen.

    Without a plan, the default one with rigid registration, which keeps it to minutes.
    """
    with running("demo", as_json=as_json, output=output, debug=debug) as run:
        run.notice()
        run.seed = seed
        chosen = pipeline.load_plan(plan) if plan else pipeline.demo_plan()
        run.plan_sha256 = chosen.sha256()
        with Ticker(progress) as ticker:
            made = pipeline.run_demo(
                output, chosen, cases=cases, seed=seed, workers=workers, stage=ticker.stage
            )
        run.outputs = [made.page, made.page.with_name("score.json")]
        run.result = made.describe()
        for line in made.lines():
            run.say(line)
