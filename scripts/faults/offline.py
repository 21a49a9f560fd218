"""Run a command where there is no network but loopback: the default suite, if none is given.

    python scripts/faults/offline.py
    python scripts/faults/offline.py radresp demo -o demo_output

The command runs in a network namespace of its own (Linux, `unshare`), as the same user, with ``lo``
up and nothing else: what listens on loopback works, what reaches further fails at once. Exits as
the command does; 77 where the machine allows no namespace, which no suite may take for passed.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path

NOT_HERE = 77
"""Exit code of a machine without namespaces, as test harnesses have it for "skipped"."""
SUITE = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile", "tests"]
INSIDE = "--inside"
_SET_FLAGS, _UP = 0x8914, 1  # SIOCSIFFLAGS and IFF_UP of <linux/if.h>


def namespace() -> list[str]:
    """The words before a command that gives it a network of its own."""
    words = ["unshare", "--net"]
    return words if os.geteuid() == 0 else [*words, "--user", "--map-current-user", "--keep-caps"]


def is_allowed() -> bool:
    """Whether this machine lets this user have a network namespace."""
    try:
        tried = subprocess.run([*namespace(), "true"], capture_output=True, check=False)
    except FileNotFoundError:
        return False
    return tried.returncode == 0


def raise_loopback() -> None:
    """Bring ``lo`` up, as `ip link set lo up` does where there is iproute2."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        fcntl.ioctl(line, _SET_FLAGS, struct.pack("16sh22x", b"lo", _UP))


def main(words: list[str]) -> int:
    """Run a command, or the suite, and give its exit code."""
    if words[:1] == [INSIDE]:
        raise_loopback()
        os.execvp(words[1], words[1:])  # noqa: S606  # the words the user gave
    if not is_allowed():
        sys.stderr.write("offline: this machine allows no network namespace (unshare --net)\n")
        return NOT_HERE
    command = words or SUITE
    here = [*namespace(), sys.executable, str(Path(__file__).resolve()), INSIDE]
    return subprocess.run([*here, *command], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
