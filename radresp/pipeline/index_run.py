"""The run of `radresp index`: options to a request, a request to files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radresp import io
from radresp.core import Timepoint
from radresp.errors import PlanError
from radresp.pipeline.index import Index, index_folder, save_index
from radresp.pipeline.index_request import IndexRequest
from radresp.pipeline.index_rules import load_rules

WORK_FOLDER = ".radresp"
CACHE_NAME = "index_cache.json"


@dataclass(frozen=True, slots=True)
class IndexRun:
    """An index with what became of it.

    Parameters
    ----------
    index : Index
        Rows and log.
    base : Path
        What the paths of the table are relative to.
    needs_root : bool
        Whether later commands need to be told the base.
    written : tuple of Path
        Files.
    """

    index: Index
    base: Path
    needs_root: bool
    written: tuple[Path, ...]

    def record(self) -> dict[str, Any]:
        """The index as a JSON-ready dictionary."""
        return {
            "cases": len(self.index.rows),
            "open": list(self.index.open),
            "files": self.index.files,
            "kept_folders": self.index.kept_folders,
            "needs_root": self.needs_root,
            "rows": list(self.index.rows),
            "log": list(self.index.log),
        }


def run_index(
    root: Path,
    table: Path | None,
    *,
    rules: Path | None = None,
    treatment: Path | None = None,
    by_folder: bool = False,
    sessions: tuple[str, str] = ("pre", "post"),
    work: Path | None = None,
    dry_run: bool = False,
    force: bool = False,
    workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> IndexRun:
    """Index a folder and write the cohort table.

    Parameters
    ----------
    root : Path
        Folder to search.
    table : Path or None
        Table to write; None only for a dry run.
    rules, treatment : Path, optional
        YAML rules, and CSV of treatment dates.
    by_folder : bool, optional
        The first folder below the root says whose a series is.
    sessions : tuple of str, optional
        BIDS sessions before and after treatment.
    work : Path, optional
        Folder of key and cache.
    dry_run : bool, optional
        Write nothing. Pseudonyms are those of the work folder's key when there is one.
    force : bool, optional
        Replace a table with other content.
    workers : int, optional
        Reader processes.
    progress : callable, optional
        Called with (folders done, all).

    Raises
    ------
    PlanError
        Faults of rules and treatment table, ``MISSING_FILE``, ``USAGE``.
    CohortError
        ``NO_CASES``.
    OutputError
        ``OUTPUT_EXISTS`` and all failures to write.
    """
    chosen = load_rules(rules)
    root = _real_folder(root)
    if not dry_run and work is not None and table is not None:
        _check_table(table)
        io.check_writable(work)
    key = io.load_key(work or root, keep=not dry_run and work is not None)
    home = None if table is None else table.parent.resolve()
    inside = home is not None and root.is_relative_to(home)
    request = IndexRequest(
        root=root,
        base=home if home is not None and inside else root,
        rules=chosen,
        key=key,
        treatment={} if treatment is None else io.load_treatment(treatment, key),
        by_folder=by_folder,
        sessions=dict(zip(Timepoint, sessions, strict=True)),
    )
    cache = None if work is None or dry_run else work / CACHE_NAME
    if dry_run or work is None or table is None:
        index = index_folder(request, workers=workers, progress=progress)
        return IndexRun(index, request.base, not inside, ())
    with io.lock(work):
        index = index_folder(request, cache=cache, workers=workers, progress=progress)
        written = save_index(index, table, force=force)
    return IndexRun(index, request.base, not inside, written)


def _real_folder(root: Path) -> Path:
    if not root.is_dir():
        raise PlanError("MISSING_FILE", "there is no such folder", expected="a folder", file=root)
    return root.resolve()


def _check_table(table: Path) -> None:
    if table.suffix.lower() != ".csv" or table.is_dir():
        raise PlanError("USAGE", "the output is not a .csv file", expected="-o TABLE.csv")
