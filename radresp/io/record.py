"""The run record: ``run.json`` says what was run, with which versions, from which bytes to which.

The only output that holds times. It holds no absolute path, user name or host name: paths are
relative to the data root or the output folder, and paths typed on the command line are shortened.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, Self

from radresp import __version__
from radresp.errors import InputError, relative_name
from radresp.io import atomic
from radresp.io.soup import soup
from radresp.notice import INTENDED_USE

RUN_RECORD = "run.json"
_LIBRARIES = (
    "numpy",
    "scipy",
    "SimpleITK",
    "pyradiomics-bhklab",
    "nibabel",
    "pydicom",
    "highdicom",
    "scikit-learn",
    "skops",
    "pandas",
    "pyarrow",
    "pydantic",
    "torch",
    "monai",
)
_ADDRESS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://\S*")


@dataclass(slots=True)
class RunRecord:
    """A record that grows while a command runs; unlike the nouns it is meant to be added to.

    Parameters
    ----------
    command : tuple of str
        Words of the command line, without places.
    root : Path
        Data root; input paths are shown relative to it.
    folder : Path
        Output folder; output paths are shown relative to it and ``run.json`` is written there.
    seed : int, optional
        Random seed.
    plan_sha256 : str, optional
        Digest of the plan.
    model_id : str, optional
        Digest of the model.
    device : str
        Where it was computed.
    inputs, outputs : dict of str to str
        Relative path to SHA-256.

    Examples
    --------
    >>> record = RunRecord.start(["score", "/data/p1"], root=Path("/data"), folder=Path("out"))
    >>> record.command
    ('score', 'p1')
    """

    command: tuple[str, ...]
    root: Path
    folder: Path
    seed: int | None = None
    plan_sha256: str | None = None
    model_id: str | None = None
    device: str = "cpu"
    inputs: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    _clock: float = field(default_factory=time.monotonic)

    @classmethod
    def start(
        cls,
        command: Sequence[str],
        *,
        root: Path,
        folder: Path,
        seed: int | None = None,
        plan_sha256: str | None = None,
    ) -> Self:
        """Begin a record.

        Parameters
        ----------
        command : sequence of str
            The command line as typed.
        root, folder : Path
            Data root and output folder.
        seed : int, optional
            Random seed.
        plan_sha256 : str, optional
            Digest of the plan.
        """
        root, folder = _absolute(root), _absolute(folder)
        words = tuple(without_places(word, root, folder) for word in command)
        return cls(words, root, folder, seed, plan_sha256)

    def add_input(self, path: Path, sha256: str | None = None) -> None:
        """Record an input file or folder; the digest is computed unless given."""
        name = relative_name(_absolute(path), self.root)
        self.inputs[name] = sha256 or sha256_of(path)

    def add_output(self, path: Path, sha256: str | None = None) -> None:
        """Record an output file or folder; the digest is computed unless given."""
        name = relative_name(_absolute(path), self.folder)
        self.outputs[name] = sha256 or sha256_of(path)

    def record(self, exit_code: int, status: str) -> dict[str, Any]:
        """The record as a JSON-ready dictionary."""
        return {
            "intended_use": INTENDED_USE,
            "radresp_version": __version__,
            "command": list(self.command),
            "seed": self.seed,
            "plan_sha256": self.plan_sha256,
            "model_id": self.model_id,
            "device": self.device,
            "versions": versions(),
            "soup": list(soup()),
            "started": self.started.isoformat(timespec="seconds"),
            "runtime_seconds": round(time.monotonic() - self._clock, 3),
            "inputs": _listed(self.inputs),
            "outputs": _listed(self.outputs),
            "status": status,
            "exit_code": int(exit_code),
        }

    def finish(self, exit_code: int, status: str) -> Path:
        """Write ``run.json`` into the output folder and return its path.

        Parameters
        ----------
        exit_code : int
            What the command tells the shell.
        status : str
            The same in a word, for example ``"finished"``.

        Raises
        ------
        OutputError
            When it cannot be written.
        """
        path = self.folder / RUN_RECORD
        atomic.write_json(path, self.record(exit_code, status))
        return path


def versions() -> dict[str, str]:
    """Versions of radresp, Python, the platform and every library that decides on a number.

    Returns
    -------
    dict of str to str
        By distribution name; libraries that are not installed are left out. Nothing is imported.
    """
    return dict(_versions())


@cache
def _versions() -> dict[str, str]:
    """Read once: a process has one installation, and every case of a cohort asks."""
    found = {
        "radresp": __version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
    }
    for distribution in _LIBRARIES:
        with suppress(metadata.PackageNotFoundError):
            found[distribution] = metadata.version(distribution)
    return found


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, or of a folder.

    Parameters
    ----------
    path : Path
        A file, or a folder: then the digest is over the sorted relative names and the digests of
        all regular files below it. Linked folders are not entered.

    Returns
    -------
    str
        64 hexadecimal digits.

    Raises
    ------
    InputError
        ``MISSING_FILE`` or ``NOT_A_FILE`` (a pipe or device; it is not waited on).
    """
    path = Path(path)
    if not path.is_dir():
        return _file_digest(path)
    files = sorted(
        (found.relative_to(path).as_posix(), found)
        for parent, _, names in os.walk(path)
        for found in (Path(parent, name) for name in names)
    )
    whole = hashlib.sha256()
    for name, file in files:
        whole.update(os.fsencode(name) + b"\0" + _file_digest(file).encode("ascii") + b"\n")
    return whole.hexdigest()


def without_places(word: str, *roots: Path) -> str:
    """A command-line word without absolute paths, user names or host names.

    Parameters
    ----------
    word : str
        One word, also of the form ``--option=value``.
    *roots : Path
        Absolute folders; a path below one of them is shown relative to it, another absolute path,
        or one that climbs with ``..``, by its last part alone.

    Examples
    --------
    >>> without_places("--model=/home/someone/model", Path("/data"))
    '--model=model'
    >>> without_places("tcp://node-7:8786")
    'tcp://...'
    """
    option, equals, value = word.partition("=")
    if equals and "/" not in option:
        return f"{option}={without_places(value, *roots)}"
    address = _ADDRESS.fullmatch(word)
    if address:
        return f"{address['scheme']}://..."
    path = Path(word)
    if not path.is_absolute():
        hidden = ".." in path.parts or word.startswith("~")
        return path.name if hidden else word
    for root in roots:
        if path.is_relative_to(root) and path != root:
            return path.relative_to(root).as_posix()
    return path.name


def _absolute(path: Path) -> Path:
    return Path(os.path.normpath(Path.cwd() / path))


def _listed(digests: dict[str, str]) -> list[dict[str, str]]:
    return [{"path": name, "sha256": digests[name]} for name in sorted(digests)]


def _file_digest(path: Path) -> str:
    if not path.exists():
        raise InputError("MISSING_FILE", "there is no such file", expected="a file", file=path)
    if not path.is_file():
        raise InputError("NOT_A_FILE", "a pipe or device", expected="a file", file=path)
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        found = f"the file cannot be read: {error.strerror}"
        raise InputError("MISSING_FILE", found, expected="a readable file", file=path) from error
