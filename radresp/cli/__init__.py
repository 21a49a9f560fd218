"""Floor 4: the commands. Each file parses, calls the pipeline and prints."""

from __future__ import annotations

import typer

from radresp import __version__
from radresp.cli import (
    bins,
    caches,
    check,
    demo,
    evaluate,
    export,
    extract,
    features,
    index,
    methods,
    phantom,
    prepare,
    regimen,
    register,
    report,
    score,
    series,
    stability,
    status,
    train,
    train_cnn,
)
from radresp.notice import INTENDED_USE

app = typer.Typer(
    name="radresp",
    help=f"MRI before and after rectal-cancer treatment to a complete-response probability.\n\n"
    f"{INTENDED_USE}",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in (
    demo,
    series,
    index,
    check,
    register,
    features,
    prepare,
    extract,
    bins,
    stability,
    train,
    train_cnn,
    evaluate,
    score,
    export,
    report,
    status,
    phantom,
    methods,
):
    name = module.__name__.rsplit(".", 1)[-1]
    app.command(name.replace("_", "-"))(getattr(module, f"{name}_command"))
app.add_typer(regimen.app, name="regimen")


def _version(show: bool) -> None:
    if show:
        typer.echo(f"radresp {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version."
    ),
) -> None:
    del version


def main() -> None:
    """Run the command line."""
    caches.place_caches()
    app()
