"""What reader and parent say to each other: JSON and plain numbers, never pickled objects.

A frame is one letter, a length and that many bytes. The reader answers a request with one of ``R``
(the result as JSON), ``E`` (a refusal) or ``X`` (a fault of radresp); an ``R`` of a series is
followed by one ``A`` (float32 values) a volume, that of an outline by one ``A`` of bits. The file
being read stands on a shared page, which costs nothing to write and survives a crash.
The parent believes nothing: JSON is validated into the room's own types and lengths are checked
before memory is taken, so that a reader some file has taken over can tell wrong values, as the file
itself could, but run nothing.
"""

from __future__ import annotations

import json
import math
import mmap
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import date
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from radresp.core import Grid, Note
from radresp.errors import GeometryError, InputError, RadrespError
from radresp.io.dicom_nouns import Kind, Series, SeriesSummary, SeriesVolume, Sources, VisitFacts
from radresp.io.image_checks import MAX_VOXELS
from radresp.io.mask_place import Outline

RESULT, ARRAY, REFUSAL, FAULT = b"R", b"A", b"E", b"X"
MOST_JSON_BYTES = 2**26
_HEAD = struct.Struct("<cQ")
_SLATE = struct.Struct("<II")
_REFUSALS = {kind.__name__: kind for kind in (InputError, GeometryError)}


@dataclass(frozen=True, slots=True)
class VolumeHead:
    """A volume of a series without its values."""

    grid: Grid
    b_s_per_mm2: float | None
    image_count: int
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class SeriesHead:
    """A series without its values."""

    kind: Kind
    description: str
    volumes: tuple[VolumeHead, ...]
    attributes: dict[str, str | float]
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class OutlineHead:
    """An outline without its voxels."""

    grid: Grid
    notes: tuple[Note, ...]
    record: dict[str, str | int | float]


SERIES = TypeAdapter(SeriesHead)
OUTLINE = TypeAdapter(OutlineHead)
SUMMARIES = TypeAdapter(tuple[SeriesSummary, ...])
FACTS = TypeAdapter(VisitFacts)
SOURCES = TypeAdapter(Sources)


class Slate:
    """One shared page on which the reader writes which file it is at.

    Parameters
    ----------
    descriptor : int
        Of a file of at least `SIZE` bytes that both processes have open.
    """

    SIZE = 8192

    def __init__(self, descriptor: int) -> None:
        self._page = mmap.mmap(descriptor, self.SIZE)

    def write(self, path: Path) -> None:
        """Note the file about to be read."""
        name = os.fsencode(path)[: self.SIZE - _SLATE.size]
        count = (_SLATE.unpack_from(self._page)[0] + 1) % 2**32
        self._page[: _SLATE.size + len(name)] = _SLATE.pack(count, len(name)) + name

    def read(self) -> tuple[int, Path | None]:
        """How many files were noted, and the last of them."""
        count, length = _SLATE.unpack_from(self._page)
        name = self._page[_SLATE.size : min(_SLATE.size + length, self.SIZE)]
        return count, Path(os.fsdecode(name)) if name else None


def send(stream: IO[bytes], letter: bytes, content: bytes | memoryview) -> None:
    """Write one frame."""
    stream.write(_HEAD.pack(letter, len(content)))
    stream.write(content)


def receive_head(stream: IO[bytes]) -> tuple[bytes, int]:
    """Letter and length of the next frame.

    Raises
    ------
    EOFError
        When the other side is gone.
    """
    return _HEAD.unpack(receive(stream, _HEAD.size))


def receive(stream: IO[bytes], length: int) -> bytes:
    """Exactly so many bytes.

    Raises
    ------
    EOFError
        When the other side is gone.
    """
    found = stream.read(length)
    if len(found) < length:
        raise EOFError
    return found


def receive_array(stream: IO[bytes], grid: Grid) -> NDArray[np.float32]:
    """The values of one volume, ordered (z, y, x).

    Raises
    ------
    EOFError
        When the other side is gone, or tells another number of values.
    """
    count = math.prod(grid.size)
    if count > MAX_VOXELS or receive_head(stream) != (ARRAY, 4 * count):
        raise EOFError
    array = np.empty(grid.size[::-1], np.float32)
    view = memoryview(array.reshape(-1).view(np.uint8).data)
    while len(view):
        taken = stream.readinto(view)  # type: ignore[attr-defined]
        if not taken:
            raise EOFError
        view = view[taken:]
    return array


def send_series(stream: IO[bytes], series: Series) -> None:
    """Write a series: its head, then every volume's values."""
    heads = tuple(VolumeHead(v.grid, v.b_s_per_mm2, v.image_count, v.notes) for v in series.volumes)
    head = SeriesHead(series.kind, series.description, heads, dict(series.attributes), series.notes)
    send(stream, RESULT, json_bytes(head))
    for volume in series.volumes:
        values = np.ascontiguousarray(volume.array, np.float32).reshape(-1)
        send(stream, ARRAY, values.view(np.uint8).data)


def receive_series(stream: IO[bytes], content: bytes) -> Series:
    """The series whose head was received, with the values that follow."""
    head = SERIES.validate_json(content)
    volumes = tuple(
        SeriesVolume(receive_array(stream, v.grid), v.grid, v.b_s_per_mm2, v.image_count, v.notes)
        for v in head.volumes
    )
    return Series(head.kind, head.description, volumes, head.attributes, head.notes)


def send_outline(stream: IO[bytes], outline: Outline) -> None:
    """Write an outline: its head, then its voxels, eight to a byte."""
    head = OutlineHead(outline.grid, outline.notes, dict(outline.record))
    send(stream, RESULT, json_bytes(head))
    send(stream, ARRAY, np.packbits(outline.inside).data)


def receive_outline(stream: IO[bytes], content: bytes) -> Outline:
    """The outline whose head was received, with the voxels that follow.

    Raises
    ------
    EOFError
        When the other side is gone, or tells another number of voxels.
    """
    head = OUTLINE.validate_json(content)
    count = math.prod(head.grid.size)
    if count > MAX_VOXELS or receive_head(stream) != (ARRAY, -(-count // 8)):
        raise EOFError
    bits = np.unpackbits(np.frombuffer(receive(stream, -(-count // 8)), np.uint8), count=count)
    return Outline(
        bits.astype(bool).reshape(head.grid.size[::-1]), head.grid, head.notes, head.record
    )


def refusal_json(error: RadrespError) -> bytes:
    """A refusal as JSON."""
    kind = type(error).__name__ if type(error).__name__ in _REFUSALS else "InputError"
    return json_bytes({"kind": kind, "code": error.code, "found": error.found, **error.fields()})


def refusal_of(content: bytes) -> InputError:
    """The refusal a reader told."""
    told = TypeAdapter(dict[str, str | None]).validate_json(content)
    kind = _REFUSALS.get(str(told.pop("kind")), InputError)
    return kind(str(told.pop("code")), str(told.pop("found")), **told)  # type: ignore[arg-type]


def json_bytes(value: object) -> bytes:
    """Dataclasses, mappings, sequences, dates and plain values as JSON."""
    return json.dumps(_plain(value)).encode()


def _plain(value: object) -> Any:
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, date) else value
