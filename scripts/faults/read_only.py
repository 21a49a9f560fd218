"""Run a command as a stranger with nothing to write to but its output, and say what it left.

    sudo python scripts/faults/read_only.py --out /tmp/demo -- radresp demo -o /tmp/demo/demo

The command runs as uid 65534 without groups, rights or network, with a home that cannot be written
and the packages and sources of somebody else. Only ``--out`` is its own; temporary files go to
``tmp`` in it. Afterwards every file is listed that this user made anywhere else: there must be
none. Exits as the command does, or with 1 where it left something.

Root is needed to become somebody else. Folders closed to others that the interpreter or the
sources lie in (often root's own home) are covered in a mount namespace by an empty folder that
shows only those, so that nothing need be copied and no permission is changed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from offline import raise_loopback

STRANGER = 65534
ROOT = Path(__file__).resolve().parents[2]
NEEDED = (Path(sys.base_prefix).resolve(), Path(sys.prefix).resolve(), ROOT)
"""What the command runs from."""
LOOKED_AT = ("/tmp", "/var/tmp", "/dev/shm", "/run", "/home", "/root", "/opt", "/srv")  # noqa: S108
INSIDE = "--inside"
_OPEN_TO_OTHERS = 0o005


def closed_folders() -> list[Path]:
    """The outermost folders above what is needed that others may not enter."""
    found: list[Path] = []
    for path in NEEDED:
        for parent in [*reversed(path.parents), path]:
            shut = parent.stat().st_mode & _OPEN_TO_OTHERS != _OPEN_TO_OTHERS
            if shut and parent not in found:
                found.append(parent)
                break
    return found


def cover(folder: Path) -> None:
    """Cover a closed folder by one that shows what is needed of it alone, for reading."""
    inside = [path for path in NEEDED if path.is_relative_to(folder)]
    kept = {path: os.open(path, os.O_RDONLY | os.O_DIRECTORY) for path in inside}
    mount("-t", "tmpfs", "-o", "mode=755,size=1m", "tmpfs", str(folder))
    for path, handle in kept.items():
        path.mkdir(parents=True, exist_ok=True)
        mount("--no-canonicalize", "--bind", f"/proc/{os.getpid()}/fd/{handle}", str(path))
        os.close(handle)
    mount("-o", "remount,ro", str(folder))


def mount(*words: str) -> None:
    """Mount, or end with what mount says."""
    subprocess.run(["mount", *words], check=True)  # noqa: S607


def stranger(out: Path) -> tuple[list[str], dict[str, str]]:
    """The words before a command that make it a stranger's, and its environment."""
    words = ["setpriv", f"--reuid={STRANGER}", f"--regid={STRANGER}", "--clear-groups"]
    path = os.pathsep.join([str(Path(sys.prefix) / "bin"), "/usr/local/bin", "/usr/bin", "/bin"])
    kept = {name: os.environ[name] for name in ("LANG", "OMP_NUM_THREADS") if name in os.environ}
    own = {"HOME": "/nonexistent/home", "PATH": path, "TMPDIR": str(out / "tmp")}
    return [*words, "--no-new-privs"], {**kept, **own}


def find(*words: str) -> list[str]:
    """What `find` finds; folders it may not look into are left out."""
    found = subprocess.run(["find", *words], capture_output=True, check=False)  # noqa: S607
    return sorted(set(os.fsdecode(found.stdout).splitlines()))


def left_behind(out: Path, since: float) -> list[str]:
    """Every file the stranger made since a time, but for those in its own folder."""
    places = [place for place in (*LOOKED_AT, *map(str, NEEDED)) if Path(place).exists()]
    own = ["-path", str(out), "-prune", "-o"]
    return find(*places, *own, "-newerct", f"@{since}", "-uid", str(STRANGER), "-print")


def writable_by_all() -> list[str]:
    """A file of what is needed that anybody may write; with one, the run would show nothing."""
    return find(*map(str, NEEDED), "-perm", "-002", "!", "-type", "l", "-print", "-quit")


def inside(out: Path, command: list[str]) -> None:
    """In the namespaces: cover what is closed, then become the stranger and run the command."""
    raise_loopback()
    for folder in closed_folders():
        cover(folder)
    words, environment = stranger(out)
    os.chdir("/")
    os.execvpe(words[0], [*words, *command], environment)  # noqa: S606  # the user's words


def main(arguments: list[str]) -> int:
    """Run the command and tell what it left; the exit code."""
    if arguments[:1] == [INSIDE]:
        inside(Path(arguments[1]), arguments[2:])
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--out", type=Path, required=True, help="the only folder it may write to")
    parser.add_argument("command", nargs="+", help="the command, after --")
    given = parser.parse_args(arguments)
    if os.geteuid() != 0:
        parser.error("only root can become somebody else")
    for path in writable_by_all():
        parser.error(f"anybody may write {path}")
    out = given.out.resolve()
    for folder in (out, out / "tmp"):
        folder.mkdir(parents=True, exist_ok=True)
        os.chown(folder, STRANGER, STRANGER)
    since = time.time()
    here = ["unshare", "--mount", "--net", sys.executable, str(Path(__file__).resolve()), INSIDE]
    ended = subprocess.run([*here, str(out), *given.command], check=False).returncode
    left = left_behind(out, since)
    for path in left:
        print(f"left behind: {path}")
    print(f"exit {ended}; {len(left)} files outside {out}")
    return ended or int(bool(left))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
