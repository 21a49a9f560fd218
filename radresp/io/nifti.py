"""Strict reader of NIfTI files (.nii and .nii.gz).

The header is checked first, then the size of what it declares, then every byte: a plain file must
be exactly as long as its header says, a compressed one is read to its end with its checksum and
length verified. Decompression stops at the declared size, so a bomb costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from radresp.core import Grid, Note, NoteKind
from radresp.errors import InputError
from radresp.io.byte_stream import (
    GZIP_MAGIC,
    ByteStream,
    GzipStream,
    PlainStream,
    StreamFaultError,
)
from radresp.io.image_checks import MAX_VOXELS, check_spacing, field_of_view_notes
from radresp.io.input_file import check_file, check_unchanged
from radresp.io.nifti_header import LONGEST_HEADER, NiftiHeader, parse_header

_LARGEST_DEFLATE_RATIO = 1032
_SUSPECT_RATIO, _SUSPECT_BYTES = 200, 2**30


@dataclass(frozen=True, slots=True)
class NiftiFile:
    """The volumes of one file.

    Parameters
    ----------
    arrays : tuple of ndarray of float32
        One array ordered (z, y, x) a volume, scaled by slope and intercept. May hold NaN.
    grid : Grid
        Where their voxels lie, LPS mm.
    scaling : str
        ``"none"`` or ``"scl_slope"``.
    notes : tuple of Note
        What was mended or looked odd.
    """

    arrays: tuple[NDArray[np.float32], ...]
    grid: Grid
    scaling: str
    notes: tuple[Note, ...]


def read_nifti(path: Path, *, max_voxels: int = MAX_VOXELS) -> NiftiFile:
    """Read a NIfTI-1 or NIfTI-2 file completely, or refuse it.

    Parameters
    ----------
    path : Path
        A ``.nii`` or ``.nii.gz`` file; what it is decides, not its name.
    max_voxels : int, optional
        Largest number of voxels of one volume.

    Returns
    -------
    NiftiFile
        All volumes with their grid.

    Raises
    ------
    InputError
        ``MISSING_FILE``, ``NOT_A_FILE``, ``NII_TRUNCATED``, ``NII_GZIP_CRC``, ``NII_LENGTH``,
        ``NII_OFFSET``, ``IMG_TOO_LARGE``, ``IMG_SPACING``, ``INPUT_CHANGED`` and the codes of
        `radresp.io.nifti_header.parse_header`.
    """
    before = check_file(path)
    try:
        with path.open("rb") as handle:
            stream, notes = _stream(handle, before.st_size, path)
            header, content = _header_and_data(stream, before.st_size, path, max_voxels)
    except StreamFaultError as fault:
        raise _damaged(path, cut=fault.cut) from None
    except (OSError, MemoryError) as error:
        raise InputError(
            "FILE_UNREADABLE", f"reading failed ({type(error).__name__})", file=path
        ) from None
    check_unchanged(path, before)
    check_spacing(header.grid, path)
    notes += header.notes + field_of_view_notes(header.grid, path)
    notes += _extension_notes(header, content, path)
    scaling = "scl_slope" if header.scaled else "none"
    return NiftiFile(_volumes(header, content), header.grid, scaling, notes)


def _stream(handle: BinaryIO, size: int, path: Path) -> tuple[ByteStream, tuple[Note, ...]]:
    magic = handle.read(2)
    handle.seek(0)
    compressed = magic == GZIP_MAGIC
    stream: ByteStream = GzipStream(handle) if compressed else PlainStream(handle)
    named_so = path.name.lower().endswith(".gz")
    if compressed == named_so or size == 0:
        return stream, ()
    found = "compressed" if compressed else "not compressed"
    note = Note(
        NoteKind.FIX,
        "NII_NOT_GZIP",
        f"the file is {found} although its name says otherwise; read as it is",
        file=path.name,
    )
    return stream, (note,)


def _header_and_data(
    stream: ByteStream, size: int, path: Path, max_voxels: int
) -> tuple[NiftiHeader, bytearray]:
    """The checked header and the whole uncompressed file."""
    content = stream.read(LONGEST_HEADER)
    header = parse_header(bytes(content), path, max_voxels)
    total = header.offset + header.data_bytes
    _check_size(total, size, stream.compressed, path)
    if len(content) < total:
        content += stream.read(total - len(content))
    if len(content) < header.offset:
        raise InputError(
            "NII_OFFSET", f"voxels from byte {header.offset}, beyond the end", file=path
        )
    if len(content) < total:
        raise _truncated(len(content), total, path)
    if len(content) > total or stream.read(1):
        raise InputError(
            "NII_LENGTH",
            f"more bytes than the {total} the header declares",
            expected="exactly as many",
            action="export the image again; header and voxels do not belong together",
            file=path,
        )
    return header, content


def _check_size(total: int, size: int, compressed: bool, path: Path) -> None:
    """Refuse before decompression what the file cannot or should not hold."""
    if compressed and total > _SUSPECT_BYTES and total > _SUSPECT_RATIO * size:
        raise InputError(
            "IMG_TOO_LARGE",
            f"{size} compressed bytes declare {total}",
            expected=f"at most {_SUSPECT_RATIO}-fold above {_SUSPECT_BYTES} bytes",
            file=path,
        )
    most = size * _LARGEST_DEFLATE_RATIO if compressed else size
    if total > most and not compressed:
        raise _truncated(size, total, path)
    if total > most:
        raise InputError(
            "NII_TRUNCATED",
            f"{size} compressed bytes",
            expected=f"enough for the {total} bytes the header declares",
            action="copy the file again",
            file=path,
        )


def _damaged(path: Path, *, cut: bool) -> InputError:
    if cut:
        return InputError(
            "NII_TRUNCATED",
            "the compressed stream breaks off",
            expected="its end mark and checksum",
            action="copy the file again",
            file=path,
        )
    return InputError(
        "NII_GZIP_CRC",
        "compressed data that do not match their checksum or length",
        expected="an undamaged gzip file",
        action="copy the file again",
        file=path,
    )


def _truncated(found: int, expected: int, path: Path) -> InputError:
    return InputError(
        "NII_TRUNCATED",
        f"{found} bytes",
        expected=f"{expected} by its header",
        action="copy the file again",
        file=path,
    )


def _volumes(header: NiftiHeader, content: bytearray) -> tuple[NDArray[np.float32], ...]:
    count = header.data_bytes // header.dtype.itemsize
    stored = np.frombuffer(content, header.dtype, count, header.offset)
    stored = stored.reshape((header.volumes, *header.grid.size[::-1]))
    arrays = []
    # An overflow ends as infinity, which the check for finite values refuses.
    with np.errstate(all="ignore"):
        for volume in stored:
            values = (
                volume * np.float64(header.slope) + header.intercept if header.scaled else volume
            )
            arrays.append(np.ascontiguousarray(values, dtype=np.float32))
    return tuple(arrays)


def _extension_notes(header: NiftiHeader, content: bytearray, path: Path) -> tuple[Note, ...]:
    """How many header extensions were left behind; they may name the patient."""
    place = header.length + 4
    if not content[header.length] or place >= header.offset:
        return ()
    count = 0
    while place + 8 <= header.offset:
        size = int.from_bytes(content[place : place + 4], header.byte_order)
        if size < 8:
            break
        place, count = place + size, count + 1
    note = Note(
        NoteKind.INFO,
        "NII_EXTENSION",
        f"{count} header extensions were not read",
        file=path.name,
    )
    return (note,)
