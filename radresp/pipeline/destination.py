"""Where results may go: somewhere writable that is not where the inputs lie."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from radresp import io
from radresp.errors import PlanError


def check_output(folder: Path, roots: Iterable[Path]) -> None:
    """Refuse an output folder before any work when nothing may or can be written there.

    Parameters
    ----------
    folder : Path
        Where results are to go; made when it is not there.
    roots : iterable of Path
        Data roots of the inputs.

    Raises
    ------
    PlanError
        ``OUTPUT_IS_INPUT`` when results would land among the inputs.
    OutputError
        When the folder cannot be written.
    """
    if folder.resolve() in {root.resolve() for root in roots}:
        raise PlanError(
            "OUTPUT_IS_INPUT",
            "the output folder is the folder the inputs lie in",
            expected="a folder of its own",
            action="choose another folder with -o",
        )
    io.check_writable(folder)
