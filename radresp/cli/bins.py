"""``radresp bins``: widths of grey levels from a training table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from radresp import pipeline
from radresp.cli.common import DebugFlag, InputAlias, JsonFlag, one_of, running


def bins_command(
    table: Annotated[
        Path | None, typer.Argument(help="Feature table of the training cases (CSV or Parquet).")
    ] = None,
    input_path: InputAlias = None,
    as_json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Suggest a bin width for every sequence, as lines of a plan."""
    with running("bins", as_json=as_json, debug=debug) as run:
        found = pipeline.suggest_bins(one_of(table, input_path, "TABLE"))
        run.result = {
            "bins": [
                {
                    "sequence": bins.sequence,
                    "width": bins.width,
                    "regions": bins.regions,
                    "levels_p5_p50_p95": bins.levels,
                    "share_with_16_to_128_levels": bins.usual,
                }
                for bins in found
            ]
        }
        for bins in found:
            low, middle, high = bins.levels
            run.say(
                f"# {bins.sequence}: {bins.regions} regions have {low:.0f}, {middle:.0f}, "
                f"{high:.0f} levels (p5, p50, p95); {bins.usual:.0%} have 16 to 128"
            )
        run.say(pipeline.bins_plan(found))
