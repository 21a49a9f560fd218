"""Input files: what every reader asks of a path before, and after, it reads it."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from radresp.errors import InputError


def check_file(path: Path) -> os.stat_result:
    """Make sure a path is a regular file that can be opened without waiting.

    Parameters
    ----------
    path : Path
        Path to check; symbolic links are followed.

    Returns
    -------
    os.stat_result
        Its state now, for `check_unchanged` after the reading.

    Raises
    ------
    InputError
        ``MISSING_FILE``, ``NOT_A_FILE`` (folder, pipe, device, loop of links), ``PATH_TOO_LONG``
        or ``FILE_UNREADABLE``.
    """
    state = _state(path)
    if not stat.S_ISREG(state.st_mode):
        raise InputError(
            "NOT_A_FILE", f"a {_kind(state.st_mode)}", expected="a regular file", file=path
        )
    if not os.access(path, os.R_OK):
        raise InputError(
            "FILE_UNREADABLE",
            "a file that may not be read",
            action="check its permissions",
            file=path,
        )
    return state


def check_unchanged(path: Path, before: os.stat_result) -> None:
    """Make sure a file was not written to while it was read.

    Raises
    ------
    InputError
        ``INPUT_CHANGED`` when size or modification time differ from ``before``.
    """
    now = _state(path)
    if (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise InputError(
            "INPUT_CHANGED",
            "the file changed while it was read",
            expected="a file at rest",
            action="wait until copying has ended, then start again",
            file=path,
        )


def is_folder(path: Path) -> bool:
    """Whether a path is an existing folder.

    Raises
    ------
    InputError
        As `check_file`, for a path that does not exist or cannot be looked at.
    """
    return stat.S_ISDIR(_state(path).st_mode)


def is_there(path: Path) -> bool:
    """Whether something has this name; a name the system cannot even look up has nothing."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def files_below(folder: Path) -> tuple[Path, ...]:
    """All visible entries below a folder that are not folders, sorted; links are not walked."""
    found: list[Path] = []
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found.extend(Path(here, name) for name in names if not name.startswith("."))
    return tuple(sorted(found))


def _state(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except OSError as error:
        code, found = _TROUBLES.get(error.errno or 0, ("FILE_UNREADABLE", "an unreadable path"))
        raise InputError(code, found, expected="a readable file", file=path) from None
    except ValueError:  # a NUL character in the name
        raise InputError("MISSING_FILE", "a name no file can have") from None


_TROUBLES = {
    errno.ENOENT: ("MISSING_FILE", "no such file"),
    errno.ENOTDIR: ("MISSING_FILE", "no such file"),
    errno.ELOOP: ("NOT_A_FILE", "a loop of symbolic links"),
    errno.ENAMETOOLONG: ("PATH_TOO_LONG", "a path longer than the system allows"),
}


def _kind(mode: int) -> str:
    for test, name in (
        (stat.S_ISDIR, "folder"),
        (stat.S_ISFIFO, "pipe"),
        (stat.S_ISSOCK, "socket"),
    ):
        if test(mode):
            return name
    return "device"
