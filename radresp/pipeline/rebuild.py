"""Pages and figures made again from records, without computing anything anew.

For a folder whose pages were lost, or made by an earlier version, or are wanted elsewhere. Only
JSON records are read; pictures of a case stay those its page or folder holds.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from radresp import io, report
from radresp.errors import InputError, OutputError
from radresp.pipeline.qc_pages import FOLDER, save_qc_index
from radresp.pipeline.train import REPORT, TITLE

SEAL = "SHA256SUMS"
"""In a model folder: what stands there is counted, and a page rewritten would break it."""
PAGE_OF_CASE, PICTURES = "report.html", "viewer-data"


def rebuild_pages(folder: Path, output: Path | None = None) -> list[Path]:
    """Make the pages of a folder again.

    Parameters
    ----------
    folder : Path
        Written by ``train``, ``train-cnn``, ``evaluate``, ``score`` or ``prepare``.
    output : Path, optional
        Where to; in place when not given.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    InputError
        ``MISSING_INPUT`` when no record of a finished run lies there.
    OutputError
        ``MODEL_SEALED`` for a model folder without ``output``; ``OUTPUT_EXISTS`` for a prepared
        cohort with one, as its pictures stay where they are.
    """
    for name, rebuild in _KINDS.items():
        if io.is_there(folder / name):
            return rebuild(folder, output)
    raise InputError(
        "MISSING_INPUT",
        "no record of a finished run",
        expected=f"one of {', '.join(_KINDS)}",
        action="give the folder that train, evaluate, score or prepare wrote",
        file=folder,
    )


def _evaluation(folder: Path, output: Path | None) -> list[Path]:
    """The page of an evaluation with its figures, methods text and checklist."""
    if output is None and io.is_there(folder / SEAL):
        raise OutputError(
            "MODEL_SEALED",
            "a model folder, whose files are sealed by their digests",
            expected="pages beside it",
            action="name another folder with -o",
            file=folder,
        )
    found = io.read_json(folder / "evaluation.json")
    if not isinstance(found, dict):
        raise _damaged(folder / "evaluation.json")
    beside = {"title": TITLE, "facts": {}, "plan": {}} | (io.read_json(folder / REPORT) or {})
    made, to = report.evaluation_files(found, **beside), output or folder
    for name, data in made.items():
        io.write_bytes(to / name, data)
    return [to / name for name in made]


def _score(folder: Path, output: Path | None) -> list[Path]:
    """The page of a case; its pictures are those of the page that is there."""
    score = io.read_json(folder / "score.json")
    if not isinstance(score, dict):
        raise _damaged(folder / "score.json")
    page = (output or folder) / PAGE_OF_CASE
    pictures = io.read_embedded(folder / PAGE_OF_CASE, PICTURES)
    io.write_text(page, report.case_page(score, pictures))
    return [page]


def _prepared(folder: Path, output: Path | None) -> list[Path]:
    """The index of a prepared cohort; pictures stay as they are."""
    if output is not None:
        raise OutputError(
            "OUTPUT_EXISTS",
            f"the pictures of a prepared cohort lie in its folder {FOLDER}",
            expected="the index beside them",
            action="leave out -o",
            file=folder,
        )
    return [save_qc_index(folder)]


_KINDS: dict[str, Callable[[Path, Path | None], list[Path]]] = {
    "evaluation.json": _evaluation,
    "score.json": _score,
    "status.jsonl": _prepared,
}


def _damaged(path: Path) -> InputError:
    return InputError(
        "FILE_UNREADABLE",
        "not whole JSON",
        expected="the record as it was written",
        action="run the command that wrote it again",
        file=path,
    )
