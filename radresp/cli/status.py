"""``radresp status``: where a batch stands."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from radresp import pipeline
from radresp.cli.common import DebugFlag, InputAlias, JsonFlag, duration, one_of, running


def status_command(
    folder: Annotated[
        Path | None, typer.Argument(help="Output folder of prepare, extract or stability.")
    ] = None,
    input_path: InputAlias = None,
    as_json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Show where a batch stands: done, refused, at work, and how long it will take."""
    with running("status", as_json=as_json, debug=debug) as run:
        found = pipeline.run_status(one_of(folder, input_path, "FOLDER"))
        run.result = found
        holder = found["running"]
        if holder is None:
            run.say("nothing is running here")
        else:
            run.say("running" + _holder(holder))
        for stage in found["stages"]:
            for line in _lines(stage):
                run.say(line)


def _holder(holder: Mapping[str, Any]) -> str:
    if not holder:
        return ""
    return f": process {holder['pid']} on {holder['host']} since {holder['start']}"


def _lines(stage: Mapping[str, Any]) -> list[str]:
    refused = sum(stage["refused"].values())
    counts = f"{stage['finished']} of {stage['cases']} cases finished, {refused} refused"
    lines = [f"{stage['stage']}: {counts}, {stage['open']} open; last event {stage['last_event']}"]
    lines += [f"  {count} {code}" for code, count in stage["refused"].items()]
    if stage["in_work"]:
        lines.append(f"  at work: {', '.join(stage['in_work'])}")
    if stage["seconds_a_case"]:
        took = stage["seconds_a_case"]
        lines.append(
            f"  a case took {took['median']:.1f} s (median), {took['p95']:.1f} s (95 %), "
            f"{took['max']:.1f} s (longest)"
        )
    if stage["seconds_left"]:
        lines.append(f"  about {duration(stage['seconds_left'])} left")
    return lines
