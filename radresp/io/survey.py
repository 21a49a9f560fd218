"""Every series and every case folder below a root, from headers alone.

Folders are walked here; their files are parsed in two reader processes under the limits of
`radresp.io.dicom_guard`, one folder a request, so that a file that crashes its reader costs itself
and no other. What a folder holds is remembered by the names, sizes and times of its files.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue

from pydantic import TypeAdapter

from radresp.errors import InputError, relative_name
from radresp.io.dicom_guard import Reader
from radresp.io.dicom_survey import Damaged, FolderSurvey, SeriesFacts
from radresp.io.survey_cache import SurveyCache
from radresp.io.survey_walk import Unit, united, walk

SURVEY = TypeAdapter(FolderSurvey)
FOLDERS_WORTH_A_READER = 100
MOST_CRASHES = 5
"""Files of one folder that may end a reader before the folder is given up."""

Ticker = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class FoundSeries:
    """One series and where it lies.

    Parameters
    ----------
    folder : str
        Smallest folder that holds all its files, relative to the root.
    total : int
        Series in that folder; more than one when it has to be chosen by number.
    group : str
        First folder below the root on the way to it; empty for files in the root itself.
    facts : SeriesFacts
        What it is.
    copy_of : str
        Folder of an identical series found before; empty for the first.
    shared : bool
        The folder lies above folders of other patients, so that a number cannot choose in it.
    """

    folder: str
    total: int
    group: str
    facts: SeriesFacts
    copy_of: str = ""
    shared: bool = False

    @property
    def choice(self) -> str:
        """What a series column of the cohort table has to say; empty when the folder is enough."""
        return f"{self.facts.number}/{self.total}" if self.total > 1 else ""


@dataclass(frozen=True, slots=True)
class Survey:
    """Everything found below a root.

    Parameters
    ----------
    series : tuple of FoundSeries
        DICOM series, by folder and order of acquisition.
    damaged : tuple of Damaged
        DICOM files that cannot be parsed, by their path relative to the root.
    cases : tuple of Path
        Folders laid out as cases: plain or BIDS.
    files, other_files : int
        Files looked at, and those of them that are not DICOM.
    kept : int
        Folders remembered from before.
    """

    series: tuple[FoundSeries, ...]
    damaged: tuple[Damaged, ...]
    cases: tuple[Path, ...]
    files: int
    other_files: int
    kept: int


def find_series(
    root: Path,
    key: bytes,
    patterns: Mapping[str, str],
    *,
    cache: Path | None = None,
    workers: int = 2,
    progress: Ticker | None = None,
) -> Survey:
    """Find every DICOM series and every case folder below a root.

    Parameters
    ----------
    root : Path
        Searched with its subfolders; hidden entries, links to folders and links that leave the
        root are left alone.
    key : bytes
        Patients, series and objects are hashed under it.
    patterns : mapping of str to str
        Regular expressions tried on descriptions, by name.
    cache : Path, optional
        File to remember folders in, and to remember them from.
    workers : int, optional
        Reader processes.
    progress : callable, optional
        Called with (folders done, all).

    Raises
    ------
    InputError
        ``MISSING_FILE`` or ``NOT_A_FOLDER``.
    OutputError
        When the cache cannot be written.
    """
    tree = walk(root)
    memory = SurveyCache(cache, key, patterns)
    with _reading(key, workers) as readers:
        found = _survey_all(tree.units, root, memory, readers, patterns, workers, progress)
        joined, shared = united(found)
        more = _survey_all(joined, root, memory, readers, patterns, workers, None)
        wholes = {unit.folder for unit in joined}
        found = {
            unit: told
            for unit, told in found.items()
            if not wholes & {unit.folder, *unit.folder.parents}
        } | more
    memory.save()
    order = sorted(found, key=lambda unit: unit.folder)
    damaged = [
        Damaged(relative_name(unit.folder / one.name, root), one.code, one.found)
        for unit in order
        for one in found[unit].damaged
    ]
    return Survey(
        tuple(_marked(found, order, shared, root)),
        tuple(damaged),
        tree.cases,
        sum(len(unit.names) for unit in order),
        sum(found[unit].other_files for unit in order),
        memory.kept,
    )


def _marked(
    found: Mapping[Unit, FolderSurvey],
    order: list[Unit],
    shared: set[tuple[Path, str]],
    root: Path,
) -> Iterator[FoundSeries]:
    """The series with their places; what was seen before in another folder is a copy."""
    first: dict[tuple[str, str], str] = {}
    for unit in order:
        folder = relative_name(unit.folder, root)
        group = unit.folder.relative_to(root).parts[:1]
        told = found[unit].series
        for facts in told:
            original = first.setdefault((facts.uid, facts.content), folder)
            yield FoundSeries(
                folder,
                len(told),
                "".join(group),
                facts,
                "" if original == folder else original,
                (unit.folder, facts.uid) in shared,
            )


@contextmanager
def _reading(key: bytes, workers: int) -> Iterator[SimpleQueue[Reader]]:
    """Reader processes to be taken from a queue and put back."""
    readers = [Reader(key=key) for _ in range(workers)]
    queue: SimpleQueue[Reader] = SimpleQueue()
    for reader in readers:
        queue.put(reader)
    try:
        yield queue
    finally:
        for reader in readers:
            reader.close()


def _survey_all(
    units: tuple[Unit, ...],
    root: Path,
    memory: SurveyCache,
    readers: SimpleQueue[Reader],
    patterns: Mapping[str, str],
    workers: int,
    progress: Ticker | None,
) -> dict[Unit, FolderSurvey]:
    found: dict[Unit, FolderSurvey] = {}
    todo = []
    for unit in units:
        kept = memory.recall(relative_name(unit.folder, root), unit.stamp)
        if kept is None:
            todo.append(unit)
        else:
            found[unit] = kept

    def ask(unit: Unit) -> FolderSurvey:
        reader = readers.get()
        try:
            return _ask(reader, unit, patterns)
        finally:
            readers.put(reader)

    # A reader takes a second to start: a few folders are read sooner by one.
    pool = ThreadPoolExecutor(min(workers, 1 + len(todo) // FOLDERS_WORTH_A_READER))
    try:
        waiting = {pool.submit(ask, unit): unit for unit in todo}
        for future in as_completed(waiting):
            unit = waiting[future]
            found[unit] = future.result()
            memory.keep(relative_name(unit.folder, root), unit.stamp, found[unit])
            if progress is not None:
                progress(len(found), len(units))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return found


def _ask(reader: Reader, unit: Unit, patterns: Mapping[str, str]) -> FolderSurvey:
    """Survey one folder; a file that ends the reader is left out of the next try."""
    names, lost = list(unit.names), list[Damaged]()
    while names and len(lost) < MOST_CRASHES:
        try:
            told = reader.ask(
                "survey",
                unit.folder,
                lambda _, content: SURVEY.validate_json(content),
                names=names,
                patterns=dict(patterns),
            )
        except InputError as error:
            name = "" if error.file is None else os.path.relpath(error.file, unit.folder)
            lost.append(Damaged(name, error.code, error.found))
            if name not in names:
                break
            names.remove(name)
        else:
            return _with_lost(told, lost)
    return FolderSurvey((), tuple(lost), 0)


def _with_lost(told: FolderSurvey, lost: list[Damaged]) -> FolderSurvey:
    """The survey of a folder in which some files ended the reader: none of its series is sound."""
    if not lost:
        return told
    series = tuple(
        replace(facts, facts={**facts.facts, "problem": lost[0].code}) for facts in told.series
    )
    return FolderSurvey(series, told.damaged + tuple(lost), told.other_files)
