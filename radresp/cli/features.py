"""``radresp features``: named features of one image inside one mask."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from radresp import pipeline
from radresp.cli.common import (
    DebugFlag,
    JsonFlag,
    OutputFolder,
    PlanFile,
    Progress,
    ProgressChoice,
    Ticker,
    required,
    running,
)


def features_command(
    image: Annotated[Path, typer.Argument(help="NIfTI file or DICOM folder.")],
    mask: Annotated[Path, typer.Argument(help="Mask on the image's grid (NIfTI).")],
    region: Annotated[
        str, typer.Option("--region", help="What they are: VISIT.SEQUENCE.ROI.")
    ] = "post.t2.bed",
    plan: PlanFile = None,
    params: Annotated[
        Path | None,
        typer.Option(
            "--params", help="pyradiomics parameter file, in place of the plan's families."
        ),
    ] = None,
    ibsi: Annotated[
        bool, typer.Option("--ibsi", help="The family ibsi, in place of the plan's families.")
    ] = False,
    maps: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            help="Write a map of this feature (glcm_Contrast) around every voxel to -o instead; "
            "repeatable.",
        ),
    ] = None,
    kernel: Annotated[
        int, typer.Option("--kernel", min=1, max=7, help="Radius of a map's neighbourhood, voxels.")
    ] = 1,
    output: OutputFolder = None,
    progress: ProgressChoice = Progress.AUTO,
    as_json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Compute the features of IMAGE inside MASK and print them as JSON."""
    with running("features", as_json=as_json, output=output, debug=debug) as run:
        key, chosen = pipeline.parse_region(region), pipeline.load_plan(plan)
        if maps:
            folder = required(output)
            with Ticker(progress) as ticker:
                watch = ticker.stage("voxels")
                run.outputs = pipeline.map_image(
                    image, mask, key, maps, chosen, folder,
                    kernel_radius_voxels=kernel, watch=watch,
                )  # fmt: skip
            run.result = {"maps": [path.name for path in run.outputs]}
            run.say("\n".join(str(path) for path in run.outputs))
            return
        if params is not None:
            asked = pipeline.read_pyradiomics(params)
            chosen = pipeline.with_family(chosen, key.sequence, "pyradiomics", asked)
        elif ibsi:
            chosen = pipeline.with_family(chosen, key.sequence, "ibsi")
        row = pipeline.image_features(image, mask, key, chosen)
        values = {name: None if value != value else value for name, value in row.values.items()}
        run.result = {
            "features": values,
            "absent": dict(row.absent),
            "trail": [step.record() for step in row.trail],
        }
        run.say(json.dumps(values, indent=2))
