"""The one writer: every file radresp leaves behind is either the old one or the new one, whole.

A file is written beside its target under a temporary name, flushed to the device and renamed, so
a kill, a full disk or a power cut never leaves half a file under the final name. All other code
writes through this module; a test over the syntax tree of the package holds it to that. It is
longer than its neighbours because every call that changes the disk stands in this one file.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from radresp.errors import OutputError, RadrespError

LOCK_NAME = ".radresp.lock"
_GLANCE_S = 0.05
"""Somebody who only looks whether a folder is locked holds it for less than this."""
_HOST = hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]
_LEFTOVER = re.compile(
    r"\.(?P<name>.+)\.(?P<host>[0-9a-f]{8})-(?P<pid>[0-9]+)\.(?P<kind>tmp|old)(\.[A-Za-z0-9]+){0,2}"
)
_CODES = {
    errno.ENOSPC: "DISK_FULL",
    errno.EDQUOT: "DISK_FULL",
    errno.EROFS: "OUTPUT_READONLY",
    errno.EACCES: "OUTPUT_READONLY",
    errno.EPERM: "OUTPUT_READONLY",
    errno.ELOOP: "OUT_SYMLINK",
    errno.ENAMETOOLONG: "PATH_TOO_LONG",
    errno.EEXIST: "OUTPUT_EXISTS",
    errno.ENOTDIR: "OUTPUT_EXISTS",
    errno.EISDIR: "OUTPUT_EXISTS",
}
_ACTIONS = {
    "DISK_FULL": "free space or choose another output folder; finished files are intact",
    "OUTPUT_READONLY": "choose an output folder you may write to",
    "OUT_SYMLINK": "give the real path; radresp never writes through a symbolic link",
    "PATH_TOO_LONG": "choose a shorter name or folder",
    "OUTPUT_EXISTS": "choose another output name",
    "WRITE_FAILED": "check the device and run again; finished files are intact",
}


def write_bytes(path: Path, data: bytes, *, private: bool = False) -> None:
    """Write a file whole or not at all.

    Parameters
    ----------
    path : Path
        Target; missing parent folders are made.
    data : bytes
        Its content.
    private : bool, optional
        Readable by its owner alone, whatever the umask says.

    Raises
    ------
    OutputError
        ``DISK_FULL`` (with the bytes needed), ``OUTPUT_READONLY``, ``OUT_SYMLINK``,
        ``OUTPUT_EXISTS`` when a folder stands in the way, ``PATH_TOO_LONG`` or ``WRITE_FAILED``.
    """
    with _naming(path, needed=len(data)), _replacing(path) as temp:
        if private:
            temp.chmod(0o600)
        temp.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write text as UTF-8, whole or not at all; errors as `write_bytes`."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, obj: Any) -> None:
    """Write JSON: two spaces, keys in the order given, UTF-8, a final newline, no NaN.

    Parameters
    ----------
    path : Path
        Target.
    obj : JSON-ready object
        What to write.

    Raises
    ------
    OutputError
        As `write_bytes`.
    ValueError
        For a NaN or infinite number, which JSON cannot hold.
    """
    write_bytes(path, json_bytes(obj, indent=2))


def json_bytes(obj: Any, *, indent: int | None = None) -> bytes:
    """JSON as UTF-8 bytes with a final newline; refuses NaN.

    A file name that is not valid UTF-8 is written as JSON escapes and reads back unchanged.
    """
    text = json.dumps(obj, indent=indent, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode("utf-8", "backslashreplace")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a library a temporary path to write; on success it becomes ``path``, else it is gone.

    Parameters
    ----------
    path : Path
        Target; missing parent folders are made.

    Yields
    ------
    Path
        Temporary path in the same folder with the same suffix, so that libraries that choose the
        format by suffix work. The body should do nothing but write it.

    Raises
    ------
    OutputError
        As `write_bytes`; also for an ``OSError`` of the body.
    """
    with _naming(path), _replacing(path) as temp:
        yield temp


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """Build a whole folder aside; on success it takes the place of ``folder``.

    Parameters
    ----------
    folder : Path
        Target. What stands there is set aside, and removed once the new folder is in place. A
        kill between the two renames leaves the old folder aside; the next `replacing_folder` of
        that name, or `sweep`, puts it back.

    Yields
    ------
    Path
        The folder to fill.

    Raises
    ------
    OutputError
        As `write_bytes`.
    """
    folder = Path.cwd() / folder
    with _naming(folder):
        _refuse_links(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        _settle_all(folder.parent.iterdir(), name=folder.name)
        aside, old = _beside(folder, "tmp"), _beside(folder, "old")
        try:
            aside.mkdir()
            yield aside
            for parent, _, _ in os.walk(aside):
                _sync(Path(parent))
            if folder.exists():
                folder.rename(old)
            aside.rename(folder)
            _sync(folder.parent)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            if old.exists() and not folder.exists():
                old.rename(folder)
            raise
        shutil.rmtree(old, ignore_errors=True)


def append_line(path: Path, line: bytes) -> None:
    """Append one whole line in a single write and flush it to the device.

    Parameters
    ----------
    path : Path
        A text log; made when missing.
    line : bytes
        The line, without line breaks inside; the newline is added.

    Raises
    ------
    OutputError
        As `write_bytes`. After a failed or cut write the log is as long as before.

    Notes
    -----
    A last line without newline is the trace of a kill during an earlier write; it is cut off
    first. Writers in several processes wait for each other.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
    data = line + b"\n"
    with _naming(path, needed=len(data)):
        path.parent.mkdir(parents=True, exist_ok=True)
        log = os.open(path, flags, 0o666)
        try:
            fcntl.flock(log, fcntl.LOCK_EX)
            end = _end_of_last_line(log)
            os.ftruncate(log, end)
            try:
                if os.write(log, data) != len(data):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(log)
            except OSError:
                os.ftruncate(log, end)
                raise
        finally:
            os.close(log)


def check_writable(folder: Path) -> None:
    """Make a folder and prove, before any work, that files can be written in it.

    Raises
    ------
    OutputError
        ``OUT_SYMLINK``, ``OUTPUT_READONLY``, ``DISK_FULL``, or ``OUTPUT_EXISTS`` when a file
        stands at its place.
    """
    with _naming(folder):
        if folder.is_symlink():
            raise OSError(errno.ELOOP, "symbolic link")
        folder.mkdir(parents=True, exist_ok=True)
        probe = _beside(folder / "probe", "tmp")
        try:
            _create(probe)
        finally:
            probe.unlink(missing_ok=True)


@contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """A hidden folder in an output folder for what lives as long as a run; `sweep` knows it.

    Raises
    ------
    OutputError
        As `write_bytes`.
    """
    place = _beside(folder / "scratch", "tmp")
    with _naming(place):
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def sweep(folder: Path) -> tuple[str, ...]:
    """Clear what killed runs left below a folder: temporary files and folders of dead processes.

    Call it while holding the folder's lock. A folder that was set aside while being replaced is
    put back when its successor never arrived.

    Returns
    -------
    tuple of str
        What was cleared, relative to the folder, sorted.
    """
    with _naming(folder):
        found = [
            Path(parent, name)
            for parent, folders, files in os.walk(folder)
            for name in (*folders, *files)
        ]
        cleared = _settle_all(found)
    return tuple(sorted(path.relative_to(folder).as_posix() for path in cleared))


@contextmanager
def lock(folder: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold a folder for this process; the operating system frees it should the process die.

    Parameters
    ----------
    folder : Path
        Made when it is not there.
    shared : bool, default False
        Hold it beside others that share it, and against those that want it for themselves.

    Raises
    ------
    OutputError
        ``LOCKED`` with process id, host and start of the holder; otherwise as `write_bytes`.
    """
    path = folder / LOCK_NAME
    with _naming(path):
        folder.mkdir(parents=True, exist_ok=True)
        held = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        _held.add(held)
    try:
        with _naming(path):
            _take(held, folder, shared)
        yield
        if not shared:
            with suppress(OSError):  # only what the card says of a holder that is gone
                os.ftruncate(held, 0)
    finally:
        _held.discard(held)
        os.close(held)


_held: set[int] = set()


def _drop_inherited_locks() -> None:
    """Close the parent's lock files in a forked worker, lest it keep them locked after a kill."""
    for held in _held:
        os.close(held)
    _held.clear()


os.register_at_fork(after_in_child=_drop_inherited_locks)


def lock_holder(folder: Path) -> dict[str, Any] | None:
    """Who holds a folder: ``pid``, ``host`` and ``start``; nothing known is an empty one.

    Returns
    -------
    dict or None
        None when nobody does.
    """
    try:
        handle = os.open(folder / LOCK_NAME, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return _card(handle)
    finally:
        os.close(handle)
    return None


def _take(held: int, folder: Path, shared: bool) -> None:
    kind = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB
    try:
        try:
            fcntl.flock(held, kind)
        except BlockingIOError:
            time.sleep(_GLANCE_S)
            fcntl.flock(held, kind)
    except BlockingIOError as error:
        raise OutputError(
            "LOCKED",
            f"another run is writing here: {_holder(held)}",
            expected="one run at a time for an output folder",
            action="wait until it ends or choose another output folder",
            file=folder,
        ) from error
    start = datetime.now(UTC).isoformat(timespec="seconds")
    card = json_bytes({"pid": os.getpid(), "host": socket.gethostname(), "start": start})
    os.ftruncate(held, 0)
    os.pwrite(held, card, 0)


def _holder(held: int) -> str:
    card = _card(held)
    if not card:
        return "a process that has only just begun"
    return f"process {card['pid']} on {card['host']} since {card['start']}"


def _card(held: int) -> dict[str, Any]:
    """What the holder wrote into its lock; empty while it has not, or left it half written."""
    with suppress(ValueError):
        card = json.loads(os.pread(held, 4096, 0))
        if isinstance(card, dict) and {"pid", "host", "start"} <= set(card):
            return card
    return {}


@contextmanager
def _naming(path: Path, needed: int | None = None) -> Iterator[None]:
    """Turn an ``OSError`` into the error contract, naming the path."""
    try:
        yield
    except RadrespError:
        raise
    except OSError as error:
        code = _CODES.get(error.errno or 0, "WRITE_FAILED")
        size = "" if needed is None else f" ({needed} bytes)"
        raise OutputError(
            code,
            f"{path.name or path}{size} cannot be written: {error.strerror or 'no reason given'}",
            action=_ACTIONS[code],
            file=path,
        ) from error


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    _refuse_links(path)
    if path.is_dir():
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
    path.parent.mkdir(parents=True, exist_ok=True)
    temp = _beside(path, "tmp")
    try:
        _create(temp)
        yield temp
        _sync(temp)
        temp.replace(path)
        _sync(path.parent)
    except BaseException:
        with suppress(OSError):
            temp.unlink(missing_ok=True)
        raise


def _beside(path: Path, kind: str) -> Path:
    suffixes = path.suffixes[-2:] if path.suffix == ".gz" else [path.suffix]
    return path.with_name(f".{path.name}.{_HOST}-{os.getpid()}.{kind}{''.join(suffixes)}")


def _refuse_links(path: Path) -> None:
    if path.is_symlink() or path.parent.is_symlink():
        raise OSError(errno.ELOOP, "symbolic link")


def _create(temp: Path) -> None:
    temp.unlink(missing_ok=True)
    os.close(os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666))


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _end_of_last_line(log: int, block: int = 65_536) -> int:
    """Offset just after the last newline of an open file; 0 when it has none."""
    end = os.fstat(log).st_size
    while end > 0:
        start = max(0, end - block)
        newline = os.pread(log, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0


def _settle_all(paths: Iterator[Path] | list[Path], name: str | None = None) -> list[Path]:
    """Clear or put back the leftovers of dead processes among some paths."""
    settled = []
    for path in paths:
        match = _LEFTOVER.fullmatch(path.name)
        if match is None or match["name"] != (name or match["name"]):
            continue
        # Whoever holds the folder's lock knows that no other machine writes here.
        alive = match["host"] == _HOST and _alive(int(match["pid"]))
        if os.path.lexists(path) and not alive:
            _settle(path, path.with_name(match["name"]), match["kind"])
            settled.append(path)
    return settled


def _settle(path: Path, target: Path, kind: str) -> None:
    if kind == "old" and not target.exists():
        path.rename(target)
    elif path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
