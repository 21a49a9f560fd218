"""Runs of radresp: forked from a process that has everything imported, or in a new one.

A fork starts in milliseconds where a fresh interpreter spends seconds on imports, so that a
thousand crashes are affordable. A forked run may be armed with a fault: the shim (``shim.c``),
preloaded into this process, then counts every call that changes something below a folder and
kills the run, or fails the call, at the k-th.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

SHIM = Path(__file__).with_name("shim.c")
KILL, TORN = -1, -2
"""Faults beside errno: killed before the call, killed after half of a write."""
MAIN = "from radresp.cli import main; main()"


@dataclass(frozen=True)
class Fault:
    """What happens at the k-th call that changes something below a folder; what 0 only counts."""

    folder: Path
    k: int = 0
    what: int = 0
    log: Path | None = None


@dataclass(frozen=True)
class Ended:
    """A run that ended: exit code (negative: the signal), seconds, what it said."""

    code: int
    seconds: float
    said: str

    @property
    def error(self) -> str:
        """The code of the error it stopped with, or nothing."""
        found = re.search(r"^ERROR ([A-Z0-9_]+)", self.said, flags=re.MULTILINE)
        return found[1] if found else ""


def words(command: str, cohort: Path, output: Path, plan: Path, *more: str) -> list[str]:
    """A command line for a cohort, in this process unless more says otherwise."""
    workers = [] if "--workers" in more else ["--workers", "0"]
    here = [command, str(cohort), "-o", str(output), "--plan", str(plan), "--progress", "none"]
    return [*here, *workers, *more]


def preload(folder: Path) -> None:
    """Build the shim and start this script again with it, unless that has been done.

    Raises
    ------
    SystemExit
        With 77 when there is no C compiler.
    """
    if os.environ.get("RADRESP_SHIM"):
        return
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        print("skipped: no C compiler to build the shim with", file=sys.stderr)
        raise SystemExit(77)
    folder.mkdir(parents=True, exist_ok=True)
    library = folder / "shim.so"
    build = [compiler, "-O1", "-shared", "-fPIC", "-o", str(library), str(SHIM), "-ldl"]
    subprocess.run(build, check=True)
    changed = {"LD_PRELOAD": str(library.resolve()), "RADRESP_SHIM": "1"}
    os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | changed)  # noqa: S606


def call(arguments: Sequence[str]) -> int:
    """Run a command in this process."""
    from radresp.cli import app

    sys.argv = ["radresp", *arguments]
    try:
        app(list(arguments))
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def warm(arguments: Sequence[str]) -> None:
    """Run a command in this process and say nothing, so that forks find everything imported."""
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        call(arguments)


def begin(arguments: Sequence[str], said: Path, fault: Fault | None = None, at: float = 0.0) -> int:
    """Start a run as a fork, in a session of its own; gives its process id.

    Parameters
    ----------
    arguments : sequence of str
        Words of the command.
    said : Path
        Gets what it says.
    fault : Fault, optional
        What it is armed with.
    at : float, optional
        Time it waits for, by ``time.monotonic``.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        stand_alone(said)
        if fault is not None:
            arm(fault)
        time.sleep(max(0.0, at - time.monotonic()))
        code = call(arguments)
        sys.stdout.flush()
    finally:
        os._exit(code)


def stand_alone(said: Path) -> None:
    """Take a fork out of its parent's session, and what it says to a file."""
    os.setsid()
    out = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(out, 1)
    os.dup2(out, 2)


def arm(fault: Fault) -> None:
    """Arm the shim in this process."""
    log = b"" if fault.log is None else os.fsencode(fault.log)
    folder = os.fsencode(fault.folder.absolute())
    ctypes.CDLL(None).faults_arm(folder, ctypes.c_long(fault.k), fault.what, log)


def end(pid: int, said: Path, since: float) -> Ended:
    """Wait for a forked run."""
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return Ended(code, time.monotonic() - since, said.read_text(errors="replace"))


def forked(arguments: Sequence[str], said: Path, fault: Fault | None = None) -> Ended:
    """A run from start to end as a fork."""
    since = time.monotonic()
    return end(begin(arguments, said, fault), said, since)


def fresh(
    arguments: Sequence[str], said: Path, before: Sequence[str] = (), **more: str
) -> subprocess.Popen[bytes]:
    """Start a run in a new interpreter and session.

    Parameters
    ----------
    arguments : sequence of str
        Words of the command.
    said : Path
        Gets what it says.
    before : sequence of str
        What the interpreter is started by, such as ``strace``.
    **more : str
        Environment variables.
    """
    environment = {k: v for k, v in os.environ.items() if k not in ("LD_PRELOAD", "RADRESP_SHIM")}
    with said.open("wb") as out:
        return subprocess.Popen(
            [*before, sys.executable, "-c", MAIN, *arguments],
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=environment | more,
        )


def finished(arguments: Sequence[str], said: Path, **more: str) -> Ended:
    """A run from start to end in a new interpreter."""
    since = time.monotonic()
    code = fresh(arguments, said, **more).wait()
    return Ended(code, time.monotonic() - since, said.read_text(errors="replace"))
