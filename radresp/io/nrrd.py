"""Strict reader of NRRD masks (.nrrd and Slicer's .seg.nrrd) with attached data.

Format: http://teem.sourceforge.net/nrrd/format.html. The header says how many bytes must follow;
exactly that many are accepted, and a gzip stream is verified to its end. Free text of the header
is not kept, except the names of Slicer's segments, which are needed to choose one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from radresp.core import Grid, Note
from radresp.errors import InputError
from radresp.io.byte_stream import ByteStream, GzipStream, PlainStream, StreamFaultError
from radresp.io.image_checks import MAX_VOXELS, check_spacing
from radresp.io.input_file import check_file, check_unchanged
from radresp.io.nrrd_header import NrrdHeader, Segment, parse_nrrd_header

LONGEST_HEADER = 2**20
MAX_BYTES = 2**30
"""Largest uncompressed size: label maps compress a thousandfold, so no ratio tells a bomb."""

NRRD_MAGIC = b"NRRD000"
_LINE = re.compile(r"([^:]*)(:=|:)(.*)")


@dataclass(frozen=True, slots=True)
class NrrdFile:
    """The layers of one file.

    Parameters
    ----------
    arrays : tuple of ndarray
        One array ordered (z, y, x) a layer, in the stored type. May hold NaN.
    grid : Grid
        Where their voxels lie, LPS mm.
    segments : tuple of Segment
        Slicer's segments: name, label and layer; empty for a plain file.
    notes : tuple of Note
        What was mended or looked odd.
    """

    arrays: tuple[NDArray[np.generic], ...]
    grid: Grid
    segments: tuple[Segment, ...]
    notes: tuple[Note, ...]


def read_nrrd(path: Path, *, max_voxels: int = MAX_VOXELS) -> NrrdFile:
    """Read an NRRD file completely, or refuse it.

    Parameters
    ----------
    path : Path
        A ``.nrrd`` or ``.seg.nrrd`` file with its data attached.
    max_voxels : int, optional
        Largest number of voxels of one layer.

    Returns
    -------
    NrrdFile
        All layers with their grid.

    Raises
    ------
    InputError
        ``NRRD_TRUNCATED``, ``NRRD_GZIP_CRC``, ``NRRD_LENGTH``, ``IMG_TOO_LARGE``, ``IMG_SPACING``,
        ``FILE_UNREADABLE``, ``INPUT_CHANGED`` and the codes of
        `radresp.io.input_file.check_file` and `radresp.io.nrrd_header.parse_nrrd_header`.
    """
    before = check_file(path)
    try:
        with path.open("rb") as handle:
            header = parse_nrrd_header(_fields(handle, path), path)
            _check_size(header, before.st_size, path, max_voxels)
            content = _data(handle, header, path)
    except StreamFaultError as fault:
        raise _broken_stream(path, cut=fault.cut) from None
    except (OSError, MemoryError) as error:
        raise InputError(
            "FILE_UNREADABLE", f"reading failed ({type(error).__name__})", file=path
        ) from None
    check_unchanged(path, before)
    check_spacing(header.grid, path)
    return NrrdFile(_layers(header, content), header.grid, header.segments, header.notes)


def _fields(handle: BinaryIO, path: Path) -> Mapping[str, str]:
    """The lines of the header up to the empty one; ``key:=value`` keeps its ``:=`` in the key."""
    block = handle.read(LONGEST_HEADER)
    ends = [at + len(mark) for mark in (b"\n\n", b"\r\n\r\n") if (at := block.find(mark)) >= 0]
    if not block.startswith(NRRD_MAGIC) or not ends:
        raise InputError(
            "NRRD_HEADER",
            "an NRRD header that does not end" if ends == [] else "no NRRD header",
            expected=f"lines of text and an empty one within {LONGEST_HEADER} bytes",
            action="copy or export the file again",
            file=path,
        )
    handle.seek(min(ends))
    fields: dict[str, str] = {}
    for line in block[: min(ends)].decode("utf-8", "replace").splitlines()[1:]:
        if not line or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line)
        key, mark, value = found.groups() if found else ("", "", "")
        name = f"{key}:=" if mark == ":=" else key.strip().lower()
        if not found or name in fields:
            raise InputError(
                "NRRD_HEADER",
                "a header field that stands twice" if found else "a header line without a field",
                expected="one 'field: value' a line",
                file=path,
            )
        fields[name] = value.strip()
    return fields


def _check_size(header: NrrdHeader, size: int, path: Path, max_voxels: int) -> None:
    voxels = math.prod(header.grid.size)
    if voxels > max_voxels or header.data_bytes > MAX_BYTES:
        raise InputError(
            "IMG_TOO_LARGE",
            f"the header declares {voxels} voxels in {header.layers} layers",
            expected=f"at most {max_voxels} a layer and {MAX_BYTES} bytes",
            file=path,
        )
    if header.encoding == "raw" and header.data_bytes > size:
        raise _truncated(size, header.data_bytes, path)


def _data(handle: BinaryIO, header: NrrdHeader, path: Path) -> bytearray:
    stream: ByteStream = GzipStream(handle) if header.encoding == "gzip" else PlainStream(handle)
    content = stream.read(header.data_bytes)
    if len(content) < header.data_bytes:
        raise _truncated(len(content), header.data_bytes, path)
    if stream.read(1):
        raise InputError(
            "NRRD_LENGTH",
            f"more bytes than the {header.data_bytes} the header declares",
            expected="exactly as many",
            action="export the mask again; header and voxels do not belong together",
            file=path,
        )
    return content


def _layers(header: NrrdHeader, content: bytearray) -> tuple[NDArray[np.generic], ...]:
    stored = np.frombuffer(content, header.dtype)
    if header.layers == 1:
        return (stored.reshape(header.grid.size[::-1]),)
    # The list axis runs fastest: the layers of one voxel stand beside each other.
    together = stored.reshape((*header.grid.size[::-1], header.layers))
    return tuple(np.ascontiguousarray(together[..., n]) for n in range(header.layers))


def _broken_stream(path: Path, *, cut: bool) -> InputError:
    if cut:
        return InputError(
            "NRRD_TRUNCATED",
            "the compressed stream breaks off",
            expected="its end mark and checksum",
            action="copy the file again",
            file=path,
        )
    return InputError(
        "NRRD_GZIP_CRC",
        "compressed data that do not match their checksum or length",
        expected="undamaged gzip data",
        action="copy the file again",
        file=path,
    )


def _truncated(found: int, expected: int, path: Path) -> InputError:
    return InputError(
        "NRRD_TRUNCATED",
        f"{found} bytes",
        expected=f"{expected} by its header",
        action="copy the file again",
        file=path,
    )
