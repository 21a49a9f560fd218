"""What the commands that take a cohort share: where cases are worked on, and how it is told."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from radresp import pipeline
from radresp.cli.common import Progress, Run, Ticker

Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=0,
        max=256,
        envvar="RADRESP_WORKERS",
        help="Worker processes, one thread each; 0 works in this process, without limits. By "
        "default 1, or 0 for a single case.",
    ),
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        "--scheduler",
        help="Address of a running dask scheduler (tcp://HOST:PORT or tls://HOST:PORT) instead of "
        "own workers.",
    ),
]
TimeLimit = Annotated[
    float, typer.Option("--time-limit", min=1.0, help="Longest time for one case, seconds.")
]
MemoryLimit = Annotated[
    float | None,
    typer.Option(
        "--memory-limit",
        min=0.1,
        help="Most memory of one worker, GB; by default an equal share of this machine's.",
    ),
]
Part = Annotated[
    str | None,
    typer.Option(
        "--part",
        help="K/N: only the K-th of N parts of the cohort, beside the other parts if you like; "
        "without it afterwards to make the tables.",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Redo finished cases and kept registrations.")]
Update = Annotated[
    bool,
    typer.Option(
        "--update", help="Take over a changed plan: what depends on it is redone, the rest kept."
    ),
]
WorkFolder = Annotated[
    Path | None,
    typer.Option(
        "--work-dir",
        help="Where registrations are kept, to share them between commands; by default in OUTPUT.",
    ),
]
TIME_LIMIT_S = 1800.0
_LOOPBACK = re.compile(r"tcp://(127\.|localhost[:/]|\[::1\])")


def engine_of(
    cases: int,
    workers: int | None,
    scheduler: str | None,
    time_limit: float,
    memory_limit: float | None,
) -> Any:
    """The engine asked for; one case needs no process of its own."""
    if scheduler and scheduler.startswith("tcp://") and not _LOOPBACK.match(scheduler):
        typer.echo("tcp:// has no lock: only for a network nobody else is on", err=True)
    processes = int(cases > 1) if workers is None else workers
    return pipeline.Engine(processes, scheduler, time_limit, memory_limit)


def batch_of(
    engine: Any, force: bool, update: bool, part: str | None, work: Path | None, progress: Progress
) -> Any:
    """The batch asked for, which tells what concerns its user."""
    quiet = progress is Progress.NONE
    chosen = (1, 1) if part is None else pipeline.parse_part(part)
    return pipeline.Batch(engine, force, update, chosen, work, None if quiet else _hear)


def _hear(event: Mapping[str, Any]) -> None:
    if event["event"] == "dashboard":
        typer.echo(f"dashboard: {event['address']}", err=True)
    elif event["event"] == "worker_lost":
        typer.echo(f"{event['case']}: its worker was lost ({event['code']}); again", err=True)
    elif event["event"] == "workers_replaced":
        typer.echo("workers are missing; all are started again", err=True)


def run_batch(
    run: Run,
    work: Any,
    source: Path,
    cases: Any,
    folder: Path,
    plan: Path | None,
    batch: Any,
    progress: Progress,
) -> Any:
    """Take a cohort through a batch with progress, and print how it ended."""
    chosen = pipeline.load_plan(plan)
    run.plan_sha256, run.root = chosen.sha256(), cases.root
    run.inputs = [source] if source.is_file() else []
    with Ticker(progress) as ticker:
        watch = ticker.cases(len(batch.share(cases.cases)))
        result = work(cases.cases, chosen, folder, batch, watch=watch)
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
