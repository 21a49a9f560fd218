"""``radresp check``: every problem of every case, before any work."""

from __future__ import annotations

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

COLUMNS = ["severity", "code", "case_id", "role", "found", "expected", "action"]


def check_command(
    cohort: Annotated[
        Path | None, typer.Argument(help="Cohort table (CSV) or the folder of one case.")
    ] = None,
    input_path: InputAlias = None,
    root: DataRoot = None,
    plan: PlanFile = None,
    progress: ProgressChoice = Progress.AUTO,
    as_json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """List every problem of every case of a cohort."""
    with running("check", as_json=as_json, debug=debug) as run:
        cases = pipeline.open_cases(one_of(cohort, input_path, "COHORT"), root=root)
        whole = len(cases.cases)
        with Ticker(progress) as ticker:
            tick = ticker.stage("checking", whole)
            result = pipeline.check_cohort(cases, pipeline.load_plan(plan), progress=tick)
        run.exit_code = result.exit_code
        findings = [finding.record() for finding in result.findings]
        run.result = {"cases": whole, "refused": list(result.refused), "findings": findings}
        run.say(as_table(findings, COLUMNS))
        run.say(f"{whole} cases checked, {len(result.refused)} would be refused")
