"""One reader process: how it is started, spoken to and ended."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

from radresp.io import dicom_wire as wire

# The room's door would import tables, models and NIfTI too: twice the time and memory.
COMMAND = """
import sys, types, radresp
room = sys.modules["radresp.io"] = types.ModuleType("radresp.io")
room.__path__ = [radresp.__path__[0] + "/io"]
from radresp.io.dicom_worker import main
main()
"""
"""What the process runs."""

_SOCKET_BYTES = 2**20
_FAREWELL_SECONDS = 2.0


class Child:
    """A running reader process with a socket and a shared page.

    Parameters
    ----------
    settings : mapping of str to object
        Told first; JSON-ready.
    """

    def __init__(self, settings: dict[str, object]) -> None:
        page = _shared_page()
        ours, its = socket.socketpair()
        for end in (ours, its):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BYTES)
        try:
            self.slate = wire.Slate(page)
            self.process = subprocess.Popen(  # noqa: S603  # this interpreter, a fixed sentence
                [sys.executable, "-P", "-B", "-c", COMMAND, str(its.fileno()), str(page)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(its.fileno(), page),
                start_new_session=True,  # an interrupt from the terminal is the parent's to answer
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                    "OPENBLAS_NUM_THREADS": "1",
                    "OMP_NUM_THREADS": "1",
                },
            )
        finally:
            its.close()
            os.close(page)
        self._line = ours
        self.answers: IO[bytes] = ours.makefile("rb")
        self._requests: IO[bytes] = ours.makefile("wb")
        with contextlib.suppress(OSError):  # noticed when it is asked
            self.tell(settings)

    @property
    def file(self) -> Path | None:
        """The file it is at, or None when it never read one."""
        return self.slate.read()[1]

    def tell(self, request: dict[str, object]) -> None:
        """Send one request."""
        wire.send(self._requests, wire.RESULT, wire.json_bytes(request))
        self._requests.flush()

    def wait(self, seconds: float) -> None:
        """Wait for the first byte of an answer as long as the process gets on.

        It ends itself when a file takes too long; this is for one that no longer can.

        Raises
        ------
        TimeoutError
            When it stayed at one file for longer than ``seconds``.
        """
        before, answers = None, select.poll()
        answers.register(self._line, select.POLLIN)
        while not answers.poll(1000 * (seconds + _FAREWELL_SECONDS)):
            now = self.slate.read()[0]
            if now == before:
                self.process.kill()
                raise TimeoutError
            before = now

    def is_running(self) -> bool:
        """Whether the process is there."""
        return self.process.poll() is None

    def end(self) -> int:
        """End the process and say how it ended: minus the signal, or its status."""
        self._hang_up()
        try:
            return self.process.wait(_FAREWELL_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def forget(self) -> None:
        """Let go of a process that is the child of this one's parent."""
        self._hang_up()
        self.process.returncode = 0

    def _hang_up(self) -> None:
        for end in (self._requests, self.answers, self._line):
            with contextlib.suppress(OSError):
                end.close()


def _shared_page() -> int:
    """Memory without a name that a child process can open too."""
    if hasattr(os, "memfd_create"):
        page = os.memfd_create("radresp")
    else:  # not Linux
        with tempfile.TemporaryFile() as file:
            page = os.dup(file.fileno())
    os.ftruncate(page, wire.Slate.SIZE)
    return page
