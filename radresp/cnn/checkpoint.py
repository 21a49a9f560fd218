"""Checkpoints that are whole or not used: packed with their hash, the newest whole one is read.

Lightning says what belongs into a checkpoint; this module makes bytes of it and a function given by
the caller puts them on disk, whole or not at all. Two names are used in turn, so that the one
before stays until the next is complete. Content is tensors and plain types: ``torch.load`` runs
with ``weights_only`` and only after the hash was found right.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import CheckpointIO

from radresp.core import Note, NoteKind
from radresp.errors import ModelError

MAGIC = b"radresp checkpoint 1\n"
NAMES = ("training-a.ckpt", "training-b.ckpt")
_HEAD = len(MAGIC) + 64 + 1


@dataclass(frozen=True, slots=True)
class Folder:
    """Where a training keeps its state.

    Parameters
    ----------
    path : Path
        The folder.
    writer : callable
        Of a path and bytes; writes them whole or not at all, as ``radresp.io.write_bytes``.
    """

    path: Path
    writer: Callable[[Path, bytes], None]

    def read(self, name: str) -> bytes | None:
        """Content of a file, or None where there is none."""
        place = self.path / name
        return place.read_bytes() if place.is_file() else None

    def write(self, name: str, data: bytes) -> None:
        """Write a file."""
        self.writer(self.path / name, data)


def pack(content: dict[str, Any]) -> bytes:
    """A checkpoint as bytes: a line that names it, its SHA-256, its content.

    Parameters
    ----------
    content : dict
        Tensors, numbers, text, and lists and dictionaries of them.

    Examples
    --------
    >>> unpack(pack({"epoch": 3}))
    {'epoch': 3}
    >>> unpack(pack({"epoch": 3})[:-1])
    Traceback (most recent call last):
    ...
    radresp.errors.ModelError: the checkpoint is damaged: its SHA-256 is another
    """
    buffer = BytesIO()
    torch.save(content, buffer)
    data = buffer.getvalue()
    return MAGIC + hashlib.sha256(data).hexdigest().encode() + b"\n" + data


def unpack(data: bytes) -> dict[str, Any]:
    """The content of a checkpoint, on the processor.

    Raises
    ------
    ModelError
        ``CHECKPOINT_DAMAGED`` when it is no checkpoint, or not whole.
    """
    head, body = data[:_HEAD], data[_HEAD:]
    if not head.startswith(MAGIC):
        raise ModelError("CHECKPOINT_DAMAGED", "the file is not a checkpoint of radresp")
    if head[len(MAGIC) : -1] != hashlib.sha256(body).hexdigest().encode():
        raise ModelError("CHECKPOINT_DAMAGED", "the checkpoint is damaged: its SHA-256 is another")
    try:
        content: dict[str, Any] = torch.load(BytesIO(body), map_location="cpu", weights_only=True)
    except Exception as error:  # its digest fits, so somebody made it so; torch has many words
        raise ModelError(
            "CHECKPOINT_DAMAGED", "the checkpoint holds what radresp never writes"
        ) from error
    return content


@dataclass
class Keeper(CheckpointIO):
    """Keeps the checkpoints of one training, in a folder where one is given.

    Parameters
    ----------
    folder : Folder, optional
        Without one, the last checkpoint is kept in memory alone.
    """

    folder: Folder | None = None
    latest: bytes | None = None
    notes: list[Note] = field(default_factory=list)
    _turn: int = 0

    def find(self) -> dict[str, Any] | None:
        """The newest whole checkpoint of the folder; damaged ones are noted."""
        found: list[tuple[int, int, bytes, dict[str, Any]]] = []
        for turn, name in enumerate(NAMES if self.folder is not None else ()):
            data = self.folder.read(name) if self.folder is not None else None
            if data is None:
                continue
            try:
                content = unpack(data)
            except ModelError as error:
                action = "the one before is used, or training begins anew"
                self.notes.append(
                    Note(NoteKind.FIX, error.code, error.found, action=action, file=name)
                )
                continue
            if content["epoch"] >= 0:
                found.append((int(content["epoch"]), turn, data, content))
        if not found:
            return None
        _, turn, self.latest, content = max(found, key=lambda one: one[0])
        self._turn = 1 - turn
        return content

    def clear(self) -> None:
        """Forget what the folder holds, so that a training begun anew is not taken for it."""
        for name in NAMES:
            if self.folder is not None and self.folder.read(name) is not None:
                self.folder.write(name, pack({"epoch": -1}))

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        """Keep a checkpoint in place of the one before the last."""
        del path, storage_options
        self.latest = pack(checkpoint)
        if self.folder is not None:
            self.folder.write(NAMES[self._turn], self.latest)
        self._turn = 1 - self._turn

    def load_checkpoint(
        self, path: Any, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """The last checkpoint."""
        del path, map_location, weights_only
        if self.latest is None:
            raise ModelError("CHECKPOINT_DAMAGED", "there is no checkpoint")
        return unpack(self.latest)

    def remove_checkpoint(self, path: Any) -> None:
        """Nothing: two are kept and the older is replaced."""
