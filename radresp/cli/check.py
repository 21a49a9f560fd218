"""``radresp check``: every problem of every case, before any work."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from radresp import pipeline
from radresp.cli.common import (
    DataRoot,
    DebugFlag,
    InputAlias,
    JsonFlag,
    PlanFile,
    Progress,
    ProgressChoice,
    Ticker,
    as_table,
    one_of,
    running,
)

COLUMNS = ["severity", "code", "case_id", "role", "file", "found", "expected", "action"]


def check_command(
    cohort: Annotated[
        Path | None, typer.Argument(help="Cohort table (CSV) or the folder of one case.")
    ] = None,
    input_path: InputAlias = None,
    root: DataRoot = None,
    plan: PlanFile = None,
    outcomes: Annotated[
        Path | None,
        typer.Option("--outcomes", help="Outcome table to hold against the cohort, for training."),
    ] = None,
    endpoint: Annotated[
        str | None, typer.Option("--endpoint", help="Which references count; see train.")
    ] = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Also write the findings to this table.")
    ] = None,
    progress: ProgressChoice = Progress.AUTO,
    as_json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """List every problem of every case of a cohort."""
    with running("check", as_json=as_json, debug=debug) as run:
        path = one_of(cohort, input_path, "COHORT")
        with Ticker(progress) as ticker:
            result = pipeline.check_table(
                path,
                pipeline.load_plan(plan),
                root=root,
                outcomes=outcomes,
                endpoint=endpoint,
                started=lambda whole: ticker.stage("checking", whole),
            )
        run.exit_code = result.exit_code
        findings = [finding.record() for finding in result.findings]
        whole, refused = len(result.cases), list(result.refused)
        run.result = {"cases": whole, "refused": refused, "findings": findings}
        if csv is not None:
            pipeline.save_findings(result.findings, csv, inputs=(path, outcomes))
        run.say(as_table(findings, COLUMNS))
        counts = Counter(finding["severity"] for finding in findings)
        told = ", ".join(f"{count} {severity}" for severity, count in sorted(counts.items()))
        run.say(f"{whole} cases checked, {len(refused)} would be refused ({told or 'no findings'})")
