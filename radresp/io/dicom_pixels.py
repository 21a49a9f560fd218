"""The pixels of one DICOM slice, decoded strictly and rescaled to float32.

The declared size is compared with the file before anything is allocated. Uncompressed pixels are
read from their place in the file and decoded here, exactly as the header says; compressed ones by
pydicom where a decoder is installed.
"""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian

from radresp.errors import InputError
from radresp.io.dicom_scaling import Line
from radresp.io.dicom_slice import Header, PixelLayout
from radresp.io.dicom_values import UNREADABLE, quiet
from radresp.io.image_checks import MAX_VOXELS

_READ_TROUBLES = (OSError, EOFError, MemoryError, RuntimeError, *UNREADABLE)
_STORED = Line()
_DECODERS = ("pydicom", "pyjpegls", "pylibjpeg", "gdcm", "pillow")
"""pydicom's plug-ins, the strictest first."""

_FLOATS = {"float": "f4", "double": "f8"}
_BITS = {"integer": (8, 16, 32), "float": (32,), "double": (64,)}


def check_layout(header: Header) -> PixelLayout:
    """Make sure a slice's declared pixels can be decoded, before reading them.

    Parameters
    ----------
    header : Header
        Header of the slice.

    Returns
    -------
    PixelLayout
        The layout, now trusted.

    Raises
    ------
    InputError
        ``DCM_INCOMPLETE`` naming missing attributes, ``DCM_CODEC`` for a transfer syntax nothing
        here decodes, ``DCM_PIXELS`` for colour or odd bit depths, ``IMG_TOO_LARGE``, or
        ``DCM_TRUNCATED`` when the file is smaller than its pixels.
    """
    layout = header.layout
    if header.missing or layout is None or not layout.syntax:
        raise _incomplete(header, ", ".join(header.missing) or "TransferSyntaxUID")
    if not layout.number:
        raise _incomplete(header, "PixelData")
    if not 1 <= layout.rows * layout.columns <= MAX_VOXELS:
        raise InputError(
            "IMG_TOO_LARGE",
            f"{layout.columns} x {layout.rows} pixels declared",
            expected=f"1 to {MAX_VOXELS}",
            file=header.path,
        )
    _check_depth(layout, header)
    if not is_native(layout.syntax):
        _check_codec(layout.syntax, header)
    elif layout.available < layout.bytes:
        raise _truncated(header, layout)
    return layout


def read_pixels(header: Header, line: Line = _STORED) -> tuple[NDArray[np.float32], int]:
    """Read one slice.

    Parameters
    ----------
    header : Header
        Header of the slice.
    line : Line, optional
        Rescaling of the stored numbers.

    Returns
    -------
    ndarray of float32, int
        Values after rescaling, ordered (y, x), and the number of pixels whose stored number lies
        outside the declared bits.

    Raises
    ------
    InputError
        The codes of `check_layout`, and ``DCM_TRUNCATED``, ``DCM_CORRUPT``, ``INPUT_CHANGED``.
    """
    layout = check_layout(header)
    outside = 0
    stored: NDArray[np.generic]
    if not is_native(layout.syntax):
        stored = _decode_compressed(header)
    elif layout.number in _FLOATS:
        stored = np.frombuffer(_native_bytes(header), _dtype(layout))
    else:
        stored, outside = _decode_integers(_native_bytes(header), layout)
    if stored.size != layout.rows * layout.columns:
        raise InputError("DCM_CORRUPT", "pixels of another size than declared", file=header.path)
    stored = stored.reshape(layout.rows, layout.columns)
    with np.errstate(over="ignore", invalid="ignore"):  # infinities are refused with the stack
        if line == _STORED:
            return stored.astype(np.float32), outside
        return (stored.astype(np.float64) * line.slope + line.intercept).astype(np.float32), outside


def pixel_digest(header: Header) -> str:
    """SHA-256 of the stored pixels, to tell copies from other pictures."""
    layout = check_layout(header)
    content = (
        _native_bytes(header)
        if is_native(layout.syntax)
        else np.ascontiguousarray(_decode_compressed(header)).tobytes()
    )
    return hashlib.sha256(content).hexdigest()


def forget_decoded() -> None:
    """Let go of the frames of the last compressed file."""
    _decode_file.cache_clear()


@lru_cache(maxsize=64)
def is_native(syntax: str) -> bool:
    """Whether a transfer syntax stores pixels as they are."""
    with quiet():
        uid = UID(syntax)
        return (
            uid.is_transfer_syntax
            and not uid.is_private
            and not uid.is_encapsulated
            and uid != DeflatedExplicitVRLittleEndian
        )


def _check_depth(layout: PixelLayout, header: Header) -> None:
    fits = 1 <= layout.bits_stored <= layout.bits_allocated
    if layout.samples == 1 and layout.bits_allocated in _BITS[layout.number] and fits:
        return
    raise InputError(
        "DCM_PIXELS",
        f"{layout.samples} samples a pixel, {layout.bits_stored} of {layout.bits_allocated} bits",
        expected="one sample of 8, 16 or 32 bits",
        file=header.path,
    )


@lru_cache(maxsize=64)
def _codec(syntax: str) -> tuple[str, str]:
    """Name of a compressed transfer syntax, and of the installed decoder for it, or nothing.

    One decoder, not the first that makes something of it: some decode damage without a word.
    """
    with quiet():
        uid = UID(syntax)
        if not uid.is_transfer_syntax or uid.is_private:
            return "unknown", ""
        try:
            available = get_decoder(uid).available_plugins
        except NotImplementedError:
            available = ()
    return uid.name, next((name for name in _DECODERS if name in available), "")


def _check_codec(syntax: str, header: Header) -> None:
    name, decoder = _codec(syntax)
    if not decoder:
        raise InputError(
            "DCM_CODEC",
            f"transfer syntax {name}, which nothing here decodes",
            expected="uncompressed pixels or an installed decoder",
            action="install the decoders (pip install 'radresp[codecs]'), or decompress the "
            "series (gdcmconv --raw, dcmdjpeg)",
            file=header.path,
        )


def _dtype(layout: PixelLayout) -> np.dtype[np.generic]:
    order = ">" if layout.syntax == ExplicitVRBigEndian else "<"
    form = _FLOATS.get(layout.number) or f"u{layout.bits_allocated // 8}"
    return np.dtype(order + form)


def _native_bytes(header: Header) -> bytes:
    """The bytes of one slice, from a file that has not changed since its header was read."""
    layout = check_layout(header)
    try:
        with header.path.open("rb", buffering=0) as handle:
            before = os.fstat(handle.fileno())
            content = os.pread(handle.fileno(), layout.bytes, layout.start)
            after = os.fstat(handle.fileno())
    except OSError as error:
        raise _unreadable(header.path, error) from None
    _check_unchanged(header, before, after)
    if len(content) < layout.bytes:
        raise _truncated(header, layout)
    return content


def _check_unchanged(header: Header, *states: os.stat_result) -> None:
    if {(state.st_size, state.st_mtime_ns) for state in states} != {header.stamp}:
        raise InputError(
            "INPUT_CHANGED",
            "the file changed while it was read",
            expected="a file at rest",
            action="wait until copying has ended, then start again",
            file=header.path,
        )


def _decode_integers(content: bytes, layout: PixelLayout) -> tuple[NDArray[np.generic], int]:
    """Stored numbers as the header says, and how many have bits where there should be none."""
    stored = np.frombuffer(content, _dtype(layout))
    sign = 1 << (layout.bits_stored - 1)
    if layout.signed:
        plain: NDArray[np.generic] = stored.view(stored.dtype.str.replace("u", "i"))
        regular = bool(plain.min() >= -sign and plain.max() < sign)
    else:
        plain, regular = stored, bool(stored.max() < 2 * sign)
    if regular:
        return plain, 0
    wide = stored.astype(np.int64)
    used = wide & (2 * sign - 1)
    value = (used ^ sign) - sign if layout.signed else used
    # Unused high bits are zero, or copies of the sign; anything else is not what was measured.
    extended = value & ((1 << layout.bits_allocated) - 1)
    return value, int(np.count_nonzero((wide != used) & (wide != extended)))


def _decode_compressed(header: Header) -> NDArray[np.generic]:
    syntax = check_layout(header).syntax
    frames = _decode_file(header.path, header.stamp, _codec(syntax)[1])
    _check_unchanged(header, header.path.stat())
    index = header.frame or 0
    if index >= len(frames):
        raise InputError("DCM_CORRUPT", "fewer compressed frames than declared", file=header.path)
    return frames[index]


@lru_cache(maxsize=1)
def _decode_file(
    path: Path, stamp: tuple[int, int], decoder: str
) -> tuple[NDArray[np.generic], ...]:
    """All frames of a compressed file; kept for the next frame of the same file."""
    del stamp  # part of the key: another state of the file is another file
    try:
        with quiet():
            return tuple(pydicom.pixels.iter_pixels(path, raw=True, decoding_plugin=decoder))
    except _READ_TROUBLES as error:
        raise _unreadable(path, error) from None


def _incomplete(header: Header, names: str) -> InputError:
    return InputError(
        "DCM_INCOMPLETE",
        f"without a usable {names}",
        expected="a complete header",
        action="copy or export the file again",
        file=header.path,
    )


def _truncated(header: Header, layout: PixelLayout) -> InputError:
    where = "" if header.frame is None else f" for frame {header.frame + 1}"
    return InputError(
        "DCM_TRUNCATED",
        f"{layout.available} bytes of pixels{where}",
        expected=f"{layout.bytes}",
        action="copy or export the file again",
        file=header.path,
    )


def _unreadable(path: Path, error: Exception) -> InputError:
    code = "DCM_NESTING" if isinstance(error, RecursionError) else "DCM_CORRUPT"
    return InputError(
        code,
        f"pixels that cannot be read ({type(error).__name__})",
        action="copy or export the file again",
        file=path,
    )
