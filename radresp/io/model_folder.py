"""Model folders: members, a manifest and the digests that hold them together. No pickle.

A model folder is plain files, a ``model.json`` that lists them, and ``SHA256SUMS`` in the format
of ``sha256sum -c`` over all of them. Beside them only ``run.json`` of the run that made the folder
and ``looks.jsonl`` may stand, one line for every time the model was judged on held-out cases.
Loading checks every digest before anything is parsed: a safe format is not an intact one (a single
flipped weight loads silently from skops and safetensors). The module is long because writing and
checking the same few rules are kept side by side.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radresp import __version__
from radresp.core.frozen import frozen
from radresp.errors import ModelError, OutputError, PlanError
from radresp.io import atomic
from radresp.io.record import RUN_RECORD

FORMAT = "radresp-model"
FORMAT_VERSION = 1
MANIFEST = "model.json"
SUMS = "SHA256SUMS"
LOOKS = "looks.jsonl"
BESIDE = {RUN_RECORD, LOOKS}
MAX_BYTES = 2**31
"""Largest model folder, all files together; it is held in memory."""
MAX_FILES = 1_000
_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_SUM_LINE = re.compile(r"(?P<digest>[0-9a-f]{64})  (?P<name>[A-Za-z0-9._/-]+)")


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A model as read from disk, checked.

    Parameters
    ----------
    members : mapping of str to bytes
        Content of every member by its name, for example ``"model.skops"``.
    manifest : mapping
        What the writer said about the model.
    sha256 : str
        Digest of the whole folder: of its ``SHA256SUMS``, which covers members and manifest.
    """

    members: Mapping[str, bytes]
    manifest: Mapping[str, Any]
    sha256: str

    def __post_init__(self) -> None:
        for name in ("members", "manifest"):
            object.__setattr__(self, name, frozen(getattr(self, name)))


def save_model(
    folder: Path,
    members: Mapping[str, bytes],
    manifest: Mapping[str, Any],
    *,
    overwrite: bool = False,
) -> str:
    """Write a model folder whole or not at all.

    Parameters
    ----------
    folder : Path
        Target; must not exist, or be empty, unless ``overwrite``.
    members : mapping of str to bytes
        At least one. Names may lie in sub-folders (``"cnn/model.pt"``).
    manifest : mapping
        JSON-ready description of the model.
    overwrite : bool, optional
        Replace a radresp model folder that stands there; never anything else.

    Returns
    -------
    str
        Digest of the whole folder, as `load_model` reports it.

    Raises
    ------
    OutputError
        ``OUTPUT_EXISTS``, or when it cannot be written.
    PlanError
        ``MODEL_MEMBER`` for a member name that could not be loaded again.
    """
    _check_names(members, folder)
    _check_free(folder, overwrite=overwrite)
    body = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "radresp_version": __version__,
        "members": {name: _card(members[name]) for name in sorted(members)},
        "manifest": dict(manifest),
    }
    files = {**members, MANIFEST: atomic.json_bytes(body, indent=2)}
    sums = _sums_text({name: _digest(data) for name, data in files.items()})
    with atomic.replacing_folder(folder) as aside:
        for name, data in files.items():
            atomic.write_bytes(aside / name, data)
        atomic.write_bytes(aside / SUMS, sums)
    return _digest(sums)


def load_model(folder: Path) -> ModelFolder:
    """Read a model folder, checking every byte before anything is parsed.

    Parameters
    ----------
    folder : Path
        A folder written by `save_model`.

    Returns
    -------
    ModelFolder
        Members in memory, exactly the bytes that were checked.

    Raises
    ------
    ModelError
        ``MODEL_FORMAT`` for anything that is not a radresp model folder (a pickle, a file),
        ``MODEL_MEMBER`` for a missing, extra, linked or oversized member, ``MODEL_HASH`` for a
        changed one, ``MODEL_NEWER`` for a folder written by a later radresp.
    """
    folder = Path(folder)
    if not folder.is_dir():
        found = "a file" if folder.exists() else "nothing"
        raise _not_a_model(folder, f"{found} stands here")
    names = set(_files_of(folder)) - BESIDE
    if SUMS not in names or MANIFEST not in names:
        raise _not_a_model(folder, f"the folder lacks {SUMS} or {MANIFEST}")
    sums = _read(folder, SUMS)
    listed = _listed(sums, folder)
    _check_same_names(names - {SUMS}, set(listed), folder)
    files: dict[str, bytes] = {}
    for name in sorted(listed):
        files[name] = _read(folder, name)
        _check_digest(name, _digest(files[name]), listed[name], folder)
    _check_digest(SUMS, _digest(sums), _digest(_sums_text(listed)), folder)
    body = _parsed(files.pop(MANIFEST), folder)
    if body.get("members") != {name: _card(data) for name, data in files.items()}:
        raise _not_a_model(folder, f"{MANIFEST} lists other members than there are")
    return ModelFolder(files, body["manifest"], _digest(sums))


def count_look(folder: Path, cases: Mapping[str, str]) -> int | None:
    """Note that a model was judged on held-out cases, and say how often it was on these.

    Parameters
    ----------
    folder : Path
        The model folder.
    cases : mapping of str to str
        Case id to outcome. Only their digest is kept, so that the same cases are known again
        however their features were made.

    Returns
    -------
    int or None
        Looks at these cases, this one included; None where the folder cannot be written.
    """
    digest = _digest(json.dumps(dict(cases), sort_keys=True).encode())
    line = json.dumps({"cases_sha256": digest, "cases": len(cases)})
    try:
        atomic.append_line(folder / LOOKS, line.encode())
    except OutputError:
        return None
    seen = _read(folder, LOOKS).decode("utf-8", "replace").splitlines()
    return sum(digest in row for row in seen)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _card(data: bytes) -> dict[str, str | int]:
    return {"sha256": _digest(data), "bytes": len(data)}


def _sums_text(digests: Mapping[str, str]) -> bytes:
    return "".join(f"{digests[name]}  {name}\n" for name in sorted(digests)).encode("ascii")


def _check_names(members: Mapping[str, bytes], folder: Path) -> None:
    folded = [name.casefold() for name in (*members, MANIFEST, SUMS, *BESIDE)]
    wrong = [name for name in members if not all(map(_PART.fullmatch, name.split("/")))]
    wrong += [name for name in members if folded.count(name.casefold()) > 1]
    size = sum(map(len, members.values()))
    if wrong or not 0 < len(members) <= MAX_FILES - 2 or size > MAX_BYTES:
        what = f"member {wrong[0]!r}" if wrong else f"{len(members)} members of {size} bytes"
        raise PlanError(
            "MODEL_MEMBER",
            what,
            expected=f"1 to {MAX_FILES - 2} members, {MAX_BYTES} bytes together, with distinct "
            f"plain names other than {MANIFEST}, {SUMS}, {' and '.join(sorted(BESIDE))}",
            file=folder,
        )


def _check_free(folder: Path, *, overwrite: bool) -> None:
    """Only nothing, an empty folder or (when asked to) a model folder may be replaced."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if overwrite and _holds_only_a_model(folder):
        return
    raise OutputError(
        "OUTPUT_EXISTS",
        "a model or other content stands here already",
        expected="a new folder",
        action="choose another folder"
        if overwrite
        else "choose another folder, or ask to overwrite a model folder",
        file=folder,
    )


def _holds_only_a_model(folder: Path) -> bool:
    try:
        names = set(_files_of(folder)) - BESIDE
        return SUMS in names and names - {SUMS} <= set(_listed(_read(folder, SUMS), folder))
    except ModelError:
        return False


def _files_of(folder: Path) -> dict[str, int]:
    """Bytes of every file below a folder by name; refuses links, devices and floods."""
    found: dict[str, int] = {}
    for parent, folders, files in os.walk(folder):
        for path in (Path(parent, name) for name in (*folders, *files)):
            name, status = path.relative_to(folder).as_posix(), path.lstat()
            if stat.S_ISREG(status.st_mode):
                found[name] = status.st_size
            elif not stat.S_ISDIR(status.st_mode):
                raise _bad_member(folder, name, "is a link, pipe or device")
        if len(found) > MAX_FILES or sum(found.values()) > MAX_BYTES:
            largest = max(found, key=lambda name: found[name])
            what = f"is the largest of more than {MAX_FILES} files or {MAX_BYTES} bytes"
            raise _bad_member(folder, largest, what)
    return found


def _read(folder: Path, name: str) -> bytes:
    try:
        handle = os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as file:
            # One byte more shows a file that grew; reading to a limit would reserve the limit.
            return file.read(os.fstat(handle).st_size + 1)
    except OSError as error:
        raise _bad_member(folder, name, f"cannot be read: {error.strerror}") from error


def _listed(sums: bytes, folder: Path) -> dict[str, str]:
    lines = sums.decode("ascii", "replace").split("\n")
    listed: dict[str, str] = {}
    for number, line in enumerate(lines[:-1] if lines[-1] == "" else lines, start=1):
        match = _SUM_LINE.fullmatch(line)
        if match is None or match["name"] in listed:
            raise ModelError(
                "MODEL_HASH",
                f"line {number} of {SUMS} is not a digest and a name",
                expected="the file as it was written",
                action="copy the model folder again from where it was made",
                file=folder / SUMS,
            )
        listed[match["name"]] = match["digest"]
    return listed


def _check_same_names(present: set[str], listed: set[str], folder: Path) -> None:
    if present - listed:
        raise _bad_member(folder, min(present - listed), f"is not listed in {SUMS}")
    if listed - present:
        raise _bad_member(folder, min(listed - present), "is missing")


def _check_digest(name: str, found: str, expected: str, folder: Path) -> None:
    if found != expected:
        raise ModelError(
            "MODEL_HASH",
            f"{name} has SHA-256 {found}",
            expected=expected,
            action="copy the model folder again from where it was made",
            file=folder / name,
        )


def _parsed(data: bytes, folder: Path) -> dict[str, Any]:
    try:
        body = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _not_a_model(folder, f"{MANIFEST} is not JSON") from error
    if not isinstance(body, dict) or body.get("format") != FORMAT:
        raise _not_a_model(folder, f"{MANIFEST} does not say it is a {FORMAT}")
    version = body.get("format_version")
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise ModelError(
            "MODEL_NEWER",
            f"model format {version}, written by radresp {body.get('radresp_version')}",
            expected=f"format {FORMAT_VERSION} or older (this is radresp {__version__})",
            action="update radresp",
            file=folder / MANIFEST,
        )
    if version != FORMAT_VERSION or not isinstance(body.get("manifest"), dict):
        raise _not_a_model(folder, f"{MANIFEST} has format version {version!r}")
    return body


def _not_a_model(folder: Path, found: str) -> ModelError:
    return ModelError(
        "MODEL_FORMAT",
        found,
        expected="a model folder written by radresp; pickle, joblib and .pt files are never opened",
        action="give the folder that `radresp train` wrote",
        file=folder,
    )


def _bad_member(folder: Path, name: str, what: str) -> ModelError:
    return ModelError(
        "MODEL_MEMBER",
        f"{name} {what}",
        expected=f"exactly the plain files listed in {SUMS}",
        action="copy the model folder again from where it was made",
        file=folder / name,
    )
