"""``radresp regimen``: rates of trial arms, and what a probability becomes at them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from radresp import pipeline
from radresp.cli.common import DebugFlag, JsonFlag, as_table, running
from radresp.errors import PlanError

app = typer.Typer(
    help="What trials found by regimen, and a probability at their prevalence.",
    no_args_is_help=True,
)

Endpoint = Annotated[
    str | None,
    typer.Option("--endpoint", help="pCR, cCR, CR (pCR or sustained cCR) or pseudo_residual."),
]
Radiotherapy = Annotated[str | None, typer.Option("--radiotherapy", help="LCRT, SCRT or none.")]
Immunotherapy = Annotated[str | None, typer.Option("--immunotherapy", help="A drug, any, or none.")]
SequenceOf = Annotated[
    str | None, typer.Option("--sequence", help="induction, concurrent or consolidation.")
]
Study = Annotated[str | None, typer.Option("--study", help="Name of one study.")]
Inferred = Annotated[
    bool,
    typer.Option("--inferred", help="Also counts that were worked out from a published rate."),
]


@app.command("list")
def list_command(
    endpoint: Endpoint = None,
    radiotherapy: Radiotherapy = None,
    immunotherapy: Immunotherapy = None,
    sequence: SequenceOf = None,
    study: Study = None,
    as_json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """List trial arms with their rates and counts."""
    with running("regimen list", as_json=as_json, debug=debug) as run:
        query = pipeline.Query(endpoint, radiotherapy, immunotherapy, sequence, study)
        rows = pipeline.list_arms(query)
        run.result = {"arms": rows}
        columns = ["study", "arm", "endpoint", "rate %", "counts", "source"]
        run.say(as_table([_row(row) for row in rows], columns))
        run.say("~ counts worked out from the rate, not printed by the authors")


@app.command("show")
def show_command(
    endpoint: Endpoint = None,
    radiotherapy: Radiotherapy = None,
    immunotherapy: Immunotherapy = None,
    sequence: SequenceOf = None,
    study: Study = None,
    inferred: Inferred = False,
    as_json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Show the rate that the counts of all arms that fit give, with its interval."""
    with running("regimen show", as_json=as_json, debug=debug) as run:
        query = pipeline.Query(endpoint, radiotherapy, immunotherapy, sequence, study, inferred)
        found = pipeline.show_rate(query)
        run.result = found
        for count in found["counts"]:
            mark = " (worked out from the rate)" if count["inferred"] else ""
            run.say(f"{count['name']}: {count['events']} of {count['patients']}{mark}")
        if found["without_counts"]:
            run.say(f"without usable counts: {', '.join(found['without_counts'])}")
        said = "rate" if found["single_trial"] else "typical rate"
        run.say(
            f"{found['endpoint']}: {said} {found['mean']:.3f}, {found['level']:.0%} credible "
            f"interval {found['low']:.3f} to {found['high']:.3f}"
        )
        if not found["single_trial"]:
            run.say(f"one more trial: {found['new_low']:.3f} to {found['new_high']:.3f}")


@app.command("shift")
def shift_command(
    p: Annotated[
        float | None, typer.Option("--p", help="Probability of a complete response, 0 to 1.")
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option("--table", help="Table of cases; their prevalence is found from all of them."),
    ] = None,
    column: Annotated[
        str, typer.Option("--column", help="Column of probabilities in --table.")
    ] = "p_ccr",
    prevalence: Annotated[
        float | None,
        typer.Option("--from", help="Share of complete responses the model was trained at."),
    ] = None,
    model_endpoint: Annotated[
        str | None, typer.Option("--model-endpoint", help="What the model calls complete.")
    ] = None,
    endpoint: Endpoint = None,
    radiotherapy: Radiotherapy = None,
    immunotherapy: Immunotherapy = None,
    sequence: SequenceOf = None,
    study: Study = None,
    inferred: Inferred = False,
    as_json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Carry a probability to a regimen's prevalence, or a table's to the one it shows itself."""
    with running("regimen shift", as_json=as_json, debug=debug) as run:
        run.notice()
        if prevalence is None or (p is None) == (table is None):
            raise PlanError("USAGE", "too little", expected="--from, and either --p or --table")
        if table is not None:
            found = pipeline.adapt_table(table, column, prevalence)
            run.result = found
            run.say(
                f"prevalence {found['prevalence_before']:.3f} -> {found['prevalence']:.3f} "
                f"(95 % interval {found['low']:.3f} to {found['high']:.3f})"
            )
            for case, value in found["p"].items():
                run.say(f"{case} {value:.3f}")
        elif p is not None:
            if model_endpoint is None:
                raise PlanError("USAGE", "no endpoint of the model", expected="--model-endpoint")
            query = pipeline.Query(endpoint, radiotherapy, immunotherapy, sequence, study, inferred)
            found = pipeline.shift_probability(p, prevalence, model_endpoint, query)
            run.result = found
            run.say(
                f"p {found['before']:.3f} at prevalence {found['prevalence_before']:.3f} -> "
                f"{found['after']:.3f} at {found['prevalence_after']:.3f} (interval "
                f"{found['low']:.3f} to {found['high']:.3f}), endpoint {found['endpoint']}"
            )
        run.say(found["assumption"])


def _row(row: dict[str, Any]) -> dict[str, Any]:
    known = row["events"] is not None and row["patients"] is not None
    mark = "~" if row.get("inferred") else ""
    return {
        "study": row["study"],
        "arm": row.get("arm", row.get("regimen")),
        "endpoint": row.get("endpoint", row.get("quantity")),
        "rate %": row["rate_percent"],
        "counts": f"{mark}{row['events']}/{row['patients']}" if known else "",
        "source": row["source"],
    }
