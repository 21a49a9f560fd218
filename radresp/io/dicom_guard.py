"""DICOM read in another process, so that no file can cost more than its own case.

One reader process is started on first use and reused; it is replaced after a crash. The functions
here have the results of those in `dicom_series`, `dicom_describe`, `dicom_facts` and
`dicom_outline`, which do the work there.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import secrets
import select
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TypeVar

from radresp.core import Grid
from radresp.errors import InputError, RadrespError
from radresp.io import dicom_wire as wire
from radresp.io.dicom_nouns import Series, SeriesSummary, VisitFacts
from radresp.io.input_file import check_file, is_folder
from radresp.io.mask_place import Outline

_Result = TypeVar("_Result")
_Reading = Callable[[IO[bytes], bytes], _Result]

# The room's door would import tables, models and NIfTI too: twice the time and memory.
_COMMAND = """
import sys, types, radresp
room = sys.modules["radresp.io"] = types.ModuleType("radresp.io")
room.__path__ = [radresp.__path__[0] + "/io"]
from radresp.io.dicom_worker import main
main()
"""
_PIPE_BYTES = 2**20
_FAREWELL_SECONDS = 2.0


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
    """One reader process and the pipes to it; started when it is first asked.

    Parameters
    ----------
    limits : Limits, optional
        What it may take.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._key = secrets.token_hex(32)
        self._process: subprocess.Popen[bytes] | None = None
        self._asking = threading.Lock()
        self._slate: wire.Slate | None = None

    def ask(self, task: str, path: Path, reading: _Reading[_Result], **more: object) -> _Result:
        """Have a task done on a path and read its result.

        Parameters
        ----------
        task : str
            ``"series"``, ``"describe"``, ``"facts"`` or ``"outline"``.
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
            process = self._started()
            try:
                _tell(process, {"task": task, "path": str(path), **more})
                self._wait(process)
                return _answer(process, reading)
            except RadrespError:
                raise
            except (EOFError, BrokenPipeError, TimeoutError, ValueError) as error:
                status = self._stop()
                raise self._ending(error, status) from None
            except BaseException:  # an interrupted answer leaves the pipe in the middle of a frame
                self._stop()
                raise

    def close(self) -> None:
        """End the process."""
        self._stop()

    def forget(self) -> None:
        """Let go of a process that belongs to the parent of this one."""
        if self._process is not None:
            for stream in (self._process.stdin, self._process.stdout):
                if stream is not None:
                    with contextlib.suppress(OSError):
                        os.close(stream.fileno())
            self._process.returncode = 0
        self._process = None
        self._asking = threading.Lock()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._stop()
            page = _shared_page()
            try:
                self._process = _start(page)
                self._slate = wire.Slate(page)
                settings = {"slate": page, "key": self._key, **asdict(self._limits)}
                with contextlib.suppress(BrokenPipeError):  # noticed when it is asked
                    _tell(self._process, settings)
            finally:
                os.close(page)
        return self._process

    def _stop(self) -> int:
        """End the process and say how it ended."""
        process, self._process = self._process, None
        if process is None:
            return 0
        with contextlib.suppress(OSError):
            process.stdin.close()  # type: ignore[union-attr]
        try:
            status = process.wait(_FAREWELL_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
        process.stdout.close()  # type: ignore[union-attr]
        return status

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        """Wait for the first byte of an answer as long as the reader gets on.

        It ends itself when a file takes too long; this is for one that no longer can.
        """
        patience, before = self._limits.seconds + _FAREWELL_SECONDS, None
        answers = [] if process.stdout is None else [process.stdout]
        while not select.select(answers, [], [], patience)[0]:
            now = None if self._slate is None else self._slate.read()[0]
            if now == before:
                process.kill()
                raise TimeoutError
            before = now

    def _ending(self, error: Exception, status: int) -> RadrespError:
        """Why the process ended."""
        file = None if self._slate is None else self._slate.read()[1]
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


def read_series(path: Path) -> Series:
    """As `radresp.io.dicom_series.read_series`, in the reader process."""
    return _reader.ask("series", path, wire.receive_series)


def describe_folder(folder: Path) -> tuple[SeriesSummary, ...]:
    """As `radresp.io.dicom_describe.describe_folder`, in the reader process."""
    return _reader.ask("describe", folder, lambda _, told: wire.SUMMARIES.validate_json(told))


def read_visit_facts(path: Path) -> VisitFacts:
    """As `radresp.io.dicom_facts.read_visit_facts`, in the reader process."""
    if not is_dicom(path):
        return VisitFacts()
    return _reader.ask("facts", path, lambda _, told: wire.FACTS.validate_json(told))


def read_outline(
    path: Path, choice: str | None, grid: Grid, *, resample: bool, image: Path | None
) -> Outline:
    """As `radresp.io.dicom_outline.read_dicom_outline`, in the reader process."""
    drawn_on = None if image is None else str(image)
    told = {"choice": choice, "grid": grid, "resample": resample, "image": drawn_on}
    return _reader.ask("outline", path, wire.receive_outline, **told)


def _start(page: int) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(  # noqa: S603  # this interpreter and a fixed sentence
        [sys.executable, "-P", "-B", "-c", _COMMAND],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        pass_fds=(page,),
        start_new_session=True,  # an interrupt from the terminal is the parent's to answer
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
        },
    )
    with contextlib.suppress(ImportError, AttributeError, OSError):
        from fcntl import F_SETPIPE_SZ, fcntl  # only Linux

        fcntl(process.stdout.fileno(), F_SETPIPE_SZ, _PIPE_BYTES)  # type: ignore[union-attr]
    return process


def _shared_page() -> int:
    """Memory without a name that a child process can open too."""
    if hasattr(os, "memfd_create"):
        page = os.memfd_create("radresp")
    else:  # not Linux
        with tempfile.TemporaryFile() as file:
            page = os.dup(file.fileno())
    os.ftruncate(page, wire.Slate.SIZE)
    return page


def _tell(process: subprocess.Popen[bytes], request: dict[str, object]) -> None:
    stream = process.stdin
    if stream is None:
        raise EOFError
    wire.send(stream, wire.RESULT, wire.to_json(request))
    stream.flush()


def _answer(process: subprocess.Popen[bytes], reading: _Reading[_Result]) -> _Result:
    """The result the reader tells."""
    stream = process.stdout
    if stream is None:
        raise EOFError
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
