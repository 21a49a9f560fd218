"""DICOM read in another process, so that no file can cost more than its own case.

One reader process is started on first use and reused; it is replaced after a crash. The functions
here have the results of those in `dicom_series`, `dicom_describe`, `dicom_facts`,
`dicom_sources` and `dicom_outline`, which do the work there.
"""

from __future__ import annotations

import atexit
import os
import secrets
import signal
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TypeVar

from radresp.core import Grid
from radresp.errors import InputError, RadrespError
from radresp.io import dicom_wire as wire
from radresp.io.dicom_child import Child
from radresp.io.dicom_nouns import Series, SeriesSummary, Sources, VisitFacts
from radresp.io.input_file import check_file, is_folder
from radresp.io.mask_place import Outline

_Result = TypeVar("_Result")
_Reading = Callable[[IO[bytes], bytes], _Result]


@dataclass(frozen=True, slots=True)
class Limits:
    """What the reader process may take.

    Parameters
    ----------
    memory_bytes : int
        Address space, its libraries included.
    seconds : int
        For one file.
    """

    memory_bytes: int = 2 * 2**30
    seconds: int = 60


class Reader:
    """Whoever asks the reader process, which is started when it is needed.

    Parameters
    ----------
    limits : Limits, optional
        What it may take.
    key : bytes, optional
        What it hashes patients with; one of its own when not given.
    """

    def __init__(self, limits: Limits | None = None, key: bytes | None = None) -> None:
        self._limits = limits or Limits()
        self._key = (key or secrets.token_bytes(32)).hex()
        self._child: Child | None = None
        self._asking = threading.Lock()

    def ask(self, task: str, path: Path, reading: _Reading[_Result], **more: object) -> _Result:
        """Have a task done on a path and read its result.

        Parameters
        ----------
        task : str
            ``"series"``, ``"describe"``, ``"facts"``, ``"outline"``, ``"sources"`` or ``"survey"``.
        path : Path
            File or folder.
        reading : callable
            Makes the result of the answer's bytes and the stream they came from.
        **more : object
            What the task is told beside the path; JSON-ready.

        Raises
        ------
        InputError
            Whatever the task refuses; ``READER_CRASH``, ``READER_TIMEOUT`` or ``READER_MEMORY``
            when a file ended the reader or needed more than its limits.
        RadrespError
            ``READER_FAULT`` or ``READER_START``: a fault of radresp or of its installation.
        """
        with self._asking:
            child = self._running()
            try:
                child.tell({"task": task, "path": str(path), **more})
                child.wait(self._limits.seconds)
                return _answer(child.answers, reading)
            except RadrespError:
                raise
            except (EOFError, OSError, ValueError) as error:
                raise self._ending(error, child.file, self._stop()) from None
            except BaseException:  # an interrupted answer leaves the line inside a frame
                self._stop()
                raise

    def close(self) -> None:
        """End the process."""
        self._stop()

    def forget(self) -> None:
        """Let go of a process that belongs to the parent of this one."""
        if self._child is not None:
            self._child.forget()
        self._child = None
        self._asking = threading.Lock()

    def _running(self) -> Child:
        if self._child is None or not self._child.is_running():
            self._stop()
            self._child = Child({"key": self._key, **asdict(self._limits)})
        return self._child

    def _stop(self) -> int:
        """End the process, if there is one, and say how it ended."""
        child, self._child = self._child, None
        return 0 if child is None else child.end()

    def _ending(self, error: Exception, file: Path | None, status: int) -> RadrespError:
        """Why the process ended at a file."""
        if file is None:
            return RadrespError(
                "READER_START",
                f"the reader process ended with status {status} before it read anything",
                expected="a process that starts",
                action="check the installation (python -c 'import radresp.io')",
            )
        if status == -signal.SIGALRM or isinstance(error, TimeoutError):
            return InputError(
                "READER_TIMEOUT",
                f"reading took longer than {self._limits.seconds} s",
                expected="a file that is read in a second",
                action="look at the file, or copy it to a faster disk",
                file=file,
            )
        how = f"signal {-status}" if status < 0 else f"{type(error).__name__}, status {status}"
        return InputError(
            "READER_CRASH",
            f"reading ended the reader process by {how}",
            expected="a sound DICOM file",
            action="leave this file out; it may be damaged or made to do harm",
            file=file,
        )


def is_dicom(path: Path) -> bool:
    """Whether a path is a folder, taken to hold DICOM, or a DICOM file.

    Raises
    ------
    InputError
        The codes of `radresp.io.input_file.check_file`.
    """
    if is_folder(path):
        return True
    check_file(path)
    try:
        with path.open("rb") as handle:
            return handle.read(132)[128:] == b"DICM"
    except OSError:
        raise InputError("FILE_UNREADABLE", "reading failed", file=path) from None


def read_series(path: Path, choice: str | None = None) -> Series:
    """As `radresp.io.dicom_series.read_series`, in the reader process."""
    return _reader.ask("series", path, wire.receive_series, choice=choice)


def describe_folder(folder: Path) -> tuple[SeriesSummary, ...]:
    """As `radresp.io.dicom_describe.describe_folder`, in the reader process."""
    return _reader.ask("describe", folder, lambda _, told: wire.SUMMARIES.validate_json(told))


def read_visit_facts(path: Path, choice: str | None = None) -> VisitFacts:
    """As `radresp.io.dicom_facts.read_visit_facts`, in the reader process."""
    if not is_dicom(path):
        return VisitFacts()
    return _reader.ask("facts", path, lambda _, told: wire.FACTS.validate_json(told), choice=choice)


def read_sources(path: Path, choice: str | None = None, *, identity: bool = False) -> Sources:
    """As `radresp.io.dicom_sources.read_sources`, in the reader process."""
    return _reader.ask(
        "sources",
        path,
        lambda _, told: wire.SOURCES.validate_json(told),
        choice=choice,
        identity=identity,
    )


def read_outline(
    path: Path, choice: str | None, grid: Grid, *, resample: bool, image: Path | None
) -> Outline:
    """As `radresp.io.dicom_outline.read_dicom_outline`, in the reader process."""
    drawn_on = None if image is None else str(image)
    told = {"choice": choice, "grid": grid, "resample": resample, "image": drawn_on}
    return _reader.ask("outline", path, wire.receive_outline, **told)


def _answer(stream: IO[bytes], reading: _Reading[_Result]) -> _Result:
    """The result the reader tells."""
    letter, length = wire.receive_head(stream)
    if length > wire.MOST_JSON_BYTES:
        raise EOFError
    content = wire.receive(stream, length)
    if letter == wire.RESULT:
        return reading(stream, content)
    if letter == wire.REFUSAL:
        raise wire.refusal_of(content)
    raise RadrespError("READER_FAULT", f"{content.decode('ascii', 'replace')} in the reader")


_reader = Reader()
atexit.register(_reader.close)
os.register_at_fork(after_in_child=_reader.forget)
