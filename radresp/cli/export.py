"""``radresp export``: the network of a model as ONNX and as a MONAI bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from radresp import pipeline
from radresp.cli.common import DebugFlag, JsonFlag, OutputFolder, required, running


def export_command(
    model: Annotated[Path, typer.Argument(help="Model folder that asks a network.")],
    output: OutputFolder = None,
    onnx: Annotated[bool, typer.Option("--onnx/--no-onnx", help="Write network.onnx.")] = True,
    bundle: Annotated[
        bool, typer.Option("--bundle/--no-bundle", help="Write a MONAI bundle.")
    ] = True,
    licence: Annotated[
        Path | None, typer.Option("--licence", help="Licence the network is handed on under.")
    ] = None,
    authors: Annotated[
        str, typer.Option("--authors", help="Whose it is.")
    ] = "not stated by the model's authors",
    as_json: JsonFlag = False,
    debug: DebugFlag = False,
) -> None:
    """Hand the network of a model on, checked against the network itself."""
    with running("export", as_json=as_json, output=output, debug=debug) as run:
        run.notice()
        folder = required(output)
        run.result = pipeline.export_network(
            model, folder, onnx=onnx, bundle=bundle, licence=licence, authors=authors
        )
        run.outputs = [folder / name for name in run.result["files"]]
        if onnx:
            apart = run.result["onnx_difference"]
            run.say(f"network.onnx: largest difference of a probability {apart:.1e}")
        run.say(f"written to {folder}: {', '.join(run.result['files'])}")
