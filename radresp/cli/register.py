"""``radresp register``: align two images and judge the fit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from radresp import pipeline
from radresp.cli.common import DebugFlag, JsonFlag, OutputFolder, PlanFile, required, running
from radresp.errors import ExitCode


def register_command(
    fixed: Annotated[Path, typer.Argument(help="Image that stays (NIfTI or DICOM folder).")],
    moving: Annotated[Path, typer.Argument(help="Image that is moved.")],
    output: OutputFolder = None,
    method: Annotated[
        str | None,
        typer.Option("--method", help="See `radresp methods`; rigid_mi unless a plan says else."),
    ] = None,
    plan: PlanFile = None,
    fixed_mask: Annotated[
        Path | None, typer.Option("--fixed-mask", help="Look only near this mask.")
    ] = None,
    moving_mask: Annotated[
        Path | None, typer.Option("--moving-mask", help="Look only near this mask.")
    ] = None,
    margin_mm: Annotated[
        float | None, typer.Option("--margin-mm", min=0, help="How far around the masks to look.")
    ] = None,
    sequence: Annotated[
        str, typer.Option("--sequence", help="What both images show: t2, dwi or adc.")
    ] = "t2",
    jacobian: Annotated[
        bool, typer.Option("--jacobian", help="Write the map of local volume change too.")
    ] = False,
    as_json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Align MOVING with FIXED: transform, its inverse, moved image, quality verdict."""
    with running("register", as_json=as_json, output=output, debug=debug) as run:
        folder = required(output)
        registered = pipeline.register_files(
            fixed,
            moving,
            fixed_mask=fixed_mask,
            moving_mask=moving_mask,
            chosen=pipeline.registration_choice(plan, method, margin_mm),
            sequence=sequence,
        )
        run.outputs = list(pipeline.save_registered(registered, folder, jacobian=jacobian))
        run.inputs = [fixed, moving]
        run.plan_sha256 = pipeline.load_plan(plan).sha256() if plan else None
        run.result = pipeline.quality_record(registered)
        quality = registered.alignment.quality
        run.say(f"verdict: {quality.verdict}")
        for name, value in quality.numbers.items():
            run.say(f"  {name} {value:.4g}")
        for reason in quality.reasons:
            run.say(f"  {reason}")
        run.say(f"written to {folder}")
        if not registered.alignment.usable:
            run.exit_code = ExitCode.CASE_REFUSED
