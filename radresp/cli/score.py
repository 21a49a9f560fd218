"""``radresp score``: one case to a probability with its reasons."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from radresp import pipeline
from radresp.cli.common import (
    DataRoot,
    DebugFlag,
    InputAlias,
    JsonFlag,
    OutputFolder,
    one_of,
    required,
    running,
)
from radresp.errors import ExitCode


class DicomIdentity(StrEnum):
    """What DICOM results say of whose they are."""

    PSEUDONYM = "pseudonym"
    KEEP = "keep"


def score_command(
    case: Annotated[
        Path | None, typer.Argument(help="Folder of one case, or a cohort table.")
    ] = None,
    input_path: InputAlias = None,
    root: DataRoot = None,
    model: Annotated[Path, typer.Option("--model", help="Model folder.")] = Path("model"),
    case_id: Annotated[
        str | None, typer.Option("--case", help="Which case, when the table holds several.")
    ] = None,
    output: OutputFolder = None,
    explain: Annotated[
        str | None,
        typer.Option(
            "--explain",
            help="Trace the network's answer back: integrated_gradients, grad_cam or occlusion.",
        ),
    ] = None,
    prevalence: Annotated[
        float | None,
        typer.Option(
            "--prevalence",
            min=0.001,
            max=0.999,
            help="Share of complete responses where the case comes from, as `regimen show` gives "
            "it: the probability there is said as well.",
        ),
    ] = None,
    dicom: Annotated[
        bool,
        typer.Option(
            "--dicom",
            help="Write outlines, change of ADC and a structured report as DICOM too.",
        ),
    ] = False,
    dicom_identity: Annotated[
        DicomIdentity,
        typer.Option(
            "--dicom-identity",
            help="pseudonym: DICOM results name the case id alone. keep: they copy patient and "
            "study of the images, and stand in that study.",
        ),
    ] = DicomIdentity.PSEUDONYM,
    fail_on_abstain: Annotated[
        bool, typer.Option("--fail-on-abstain", help="Exit with 9 when no probability is given.")
    ] = False,
    as_json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Score one case: score.json and report.html."""
    with running("score", as_json=as_json, output=output, debug=debug) as run:
        run.notice()
        folder = required(output)
        files = pipeline.open_case(one_of(case, input_path, "CASE"), case_id, root).cases[0]
        scoring = pipeline.open_model(model)
        run.plan_sha256 = scoring.plan.sha256()
        keeps = dicom_identity is DicomIdentity.KEEP
        sources = pipeline.find_sources(files, scoring.plan, keep_identity=keeps) if dicom else None
        scored = pipeline.score_case(files, scoring)
        explained = None if explain is None else pipeline.explain_score(scored, scoring, explain)
        run.result = pipeline.score_record(
            scored, scoring, prevalence=prevalence, explained=explained
        )
        page = pipeline.save_score(run.result, scored, folder, explained)
        run.root, run.inputs = files.root, list(scored.inputs)
        run.model_id = scoring.model_id
        run.outputs = [page, folder / "score.json"]
        run.outputs += pipeline.save_residual_map(scored.network, folder)
        if explained is not None:
            run.outputs += pipeline.save_explained(explained, folder)
        if sources is not None:
            run.outputs += pipeline.save_dicom(scored, sources, folder / "dicom")
        for line in scored.lines():
            run.say(line)
        if shifted := run.result["prevalence_shift"]:
            run.say(
                f"p(cCR) {shifted['after']:.2f} ({shifted['low']:.2f} to {shifted['high']:.2f}) at "
                f"prevalence {shifted['prevalence_after']:g}; {shifted['assumption']}"
            )
        run.say(f"report: {page}")
        if fail_on_abstain and scored.score.p_ccr is None:
            run.exit_code = ExitCode.ABSTAINED
