"""``radresp index``: from a folder of anything to a cohort table."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from radresp import pipeline
from radresp.cli.common import (
    DebugFlag,
    InputAlias,
    JsonFlag,
    Progress,
    ProgressChoice,
    Run,
    Ticker,
    Workers,
    as_table,
    one_of,
    running,
)
from radresp.errors import PlanError

LOG_COLUMNS = [
    "case_id",
    "visit",
    "weeks",
    "folder",
    "series",
    "kind",
    "taken_as",
    "rule",
    "reason",
]


class Patients(StrEnum):
    """What says whose a series is."""

    HEADER = "header"
    FOLDER = "folder"


def index_command(
    root: Annotated[
        Path | None, typer.Argument(help="Folder with DICOM studies, BIDS subjects or cases.")
    ] = None,
    input_path: InputAlias = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Cohort table to write (CSV).")
    ] = None,
    rules: Annotated[
        Path | None, typer.Option("--rules", help="Rules that differ from configs/index.yaml.")
    ] = None,
    treatment: Annotated[
        Path | None,
        typer.Option(
            "--treatment",
            help="CSV: patient_id or case_id, treatment_start, treatment_end (YYYY-MM-DD).",
        ),
    ] = None,
    patients: Annotated[
        Patients, typer.Option("--patients", help="Whose a series is: by header or first folder.")
    ] = Patients.HEADER,
    pre: Annotated[str, typer.Option("--pre", help="BIDS session before treatment.")] = "pre",
    post: Annotated[str, typer.Option("--post", help="BIDS session after it.")] = "post",
    work_dir: Annotated[
        Path | None,
        typer.Option("--work-dir", help="Key, cache and run record; .radresp beside the table."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show every series and write nothing.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an edited table.")] = False,
    workers: Workers = 2,
    progress: ProgressChoice = Progress.AUTO,
    as_json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Find the visits and series of every patient; say why anything was left out."""
    folder = None if output is None else work_dir or output.parent / pipeline.WORK_FOLDER
    record = None if dry_run else folder
    with running("index", as_json=as_json, output=record, debug=debug) as run:
        if output is None and not dry_run:
            raise PlanError("USAGE", "no output", expected="-o TABLE.csv, or --dry-run")
        with Ticker(progress) as ticker:
            done = pipeline.run_index(
                one_of(root, input_path, "ROOT"),
                output,
                rules=rules,
                treatment=treatment,
                by_folder=patients is Patients.FOLDER,
                sessions=(pre, post),
                work=folder,
                dry_run=dry_run,
                force=force,
                workers=workers,
                progress=ticker.stage("folders"),
            )
        run.root, run.outputs = done.base, list(done.written)
        run.exit_code = done.index.exit_code
        run.result = done.record()
        _show(run, done, dry_run)


def _show(run: Run, done: Any, dry_run: bool) -> None:
    index = done.index
    if dry_run:
        run.say(as_table(list(index.log), LOG_COLUMNS))
    waiting = [row for row in index.rows if row["case_id"] in index.open]
    if waiting:
        run.say(as_table(waiting, ["case_id", "x_index"]))
    left = Counter(entry["rule"] for entry in index.log if not entry["taken_as"])
    if left:
        counts = ", ".join(f"{rule} {count}" for rule, count in left.most_common(12))
        run.say(f"series left out, by rule: {counts}")
    run.say(
        f"{len(index.rows)} cases, {len(index.open)} for a person to complete; "
        f"{index.files} files looked at, {index.kept_folders} folders remembered"
    )
    if done.needs_root:
        run.say("the table lies outside the data: give later commands the data's folder as --root")
