"""The pixels of one classic MR slice, decoded strictly and rescaled to float32.

The declared size is compared with the file before anything is allocated. Uncompressed pixels are
decoded here, exactly as the header says; compressed ones by pydicom where a decoder is installed.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian

from radresp.errors import InputError
from radresp.io.dicom_slice import Header, PixelLayout
from radresp.io.dicom_values import UNREADABLE, quiet
from radresp.io.image_checks import MAX_VOXELS

_READ_TROUBLES = (OSError, EOFError, MemoryError, RuntimeError, *UNREADABLE)


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
        names = ", ".join(header.missing) or "TransferSyntaxUID"
        raise InputError(
            "DCM_INCOMPLETE",
            f"without a usable {names}",
            expected="a complete header",
            action="copy or export the file again",
            file=header.path,
        )
    if not 1 <= layout.rows * layout.columns <= MAX_VOXELS:
        raise InputError(
            "IMG_TOO_LARGE",
            f"{layout.columns} x {layout.rows} pixels declared",
            expected=f"1 to {MAX_VOXELS}",
            file=header.path,
        )
    _check_depth(layout, header)
    _check_codec(layout, header)
    if _native(layout) and layout.bytes > header.stamp[0]:
        raise _truncated(header, header.stamp[0])
    return layout


def read_pixels(header: Header) -> tuple[NDArray[np.float32], int]:
    """Read one slice.

    Parameters
    ----------
    header : Header
        Header of the slice.

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
    dataset = _load(header)
    if _native(layout):
        stored, outside = _decode_native(dataset, layout, header)
    else:
        stored, outside = _decode_compressed(dataset, header), 0
    if stored.shape != (layout.rows, layout.columns):
        raise InputError("DCM_CORRUPT", "pixels of another size than declared", file=header.path)
    values = stored.astype(np.float64) * layout.slope + layout.intercept
    with np.errstate(over="ignore"):  # infinities are refused with the stack
        return values.astype(np.float32), outside


def pixel_digest(header: Header) -> str:
    """SHA-256 of the stored pixels, to tell copies from other pictures."""
    return hashlib.sha256(_pixel_bytes(_load(header), header)).hexdigest()


def _check_depth(layout: PixelLayout, header: Header) -> None:
    fits = 1 <= layout.bits_stored <= layout.bits_allocated
    if layout.samples == 1 and layout.bits_allocated in (8, 16, 32) and fits:
        return
    raise InputError(
        "DCM_PIXELS",
        f"{layout.samples} samples a pixel, {layout.bits_stored} of {layout.bits_allocated} bits",
        expected="one sample of 8, 16 or 32 bits",
        file=header.path,
    )


def _check_codec(layout: PixelLayout, header: Header) -> None:
    if _native(layout):
        return
    syntax = _syntax(layout)
    known = syntax.is_transfer_syntax and not syntax.is_private
    try:
        available = known and get_decoder(syntax).is_available
    except NotImplementedError:
        available = False
    if syntax == DeflatedExplicitVRLittleEndian or not available:
        raise InputError(
            "DCM_CODEC",
            f"transfer syntax {syntax.name if known else 'unknown'}, which nothing here decodes",
            expected="uncompressed pixels or an installed decoder",
            action="decompress the series (gdcmconv --raw, dcmdjpeg) or "
            "install pylibjpeg with pylibjpeg-libjpeg and pylibjpeg-openjpeg",
            file=header.path,
        )


def _syntax(layout: PixelLayout) -> UID:
    with quiet():
        return UID(layout.syntax)


def _native(layout: PixelLayout) -> bool:
    syntax = _syntax(layout)
    return (
        syntax.is_transfer_syntax
        and not syntax.is_private
        and not syntax.is_encapsulated
        and syntax != DeflatedExplicitVRLittleEndian
    )


def _load(header: Header) -> Dataset:
    try:
        before = header.path.stat()
        with quiet():
            dataset = pydicom.dcmread(header.path)
        after = header.path.stat()
    except _READ_TROUBLES as error:
        raise _unreadable(header, error) from None
    stamps = {(state.st_size, state.st_mtime_ns) for state in (before, after)}
    if stamps != {header.stamp}:
        raise InputError(
            "INPUT_CHANGED",
            "the file changed while it was read",
            expected="a file at rest",
            action="wait until copying has ended, then start again",
            file=header.path,
        )
    return dataset


def _pixel_bytes(dataset: Dataset, header: Header) -> bytes:
    element = dataset.get_item("PixelData") if "PixelData" in dataset else None
    if element is None or not isinstance(element.value, bytes):
        raise InputError(
            "DCM_INCOMPLETE",
            "without PixelData",
            expected="pixels",
            action="copy or export the file again",
            file=header.path,
        )
    return element.value


def _decode_native(
    dataset: Dataset, layout: PixelLayout, header: Header
) -> tuple[NDArray[np.int64], int]:
    content = _pixel_bytes(dataset, header)
    if len(content) < layout.bytes:
        raise _truncated(header, len(content))
    order = ">" if layout.syntax == ExplicitVRBigEndian else "<"
    dtype = np.dtype(f"{order}u{layout.bits_allocated // 8}")
    number = np.frombuffer(content, dtype, layout.rows * layout.columns).astype(np.int64)
    used = number & ((1 << layout.bits_stored) - 1)
    sign = 1 << (layout.bits_stored - 1)
    value = (used ^ sign) - sign if layout.signed else used
    # Unused high bits are zero, or copies of the sign; anything else is not what was measured.
    extended = value & ((1 << layout.bits_allocated) - 1)
    outside = int(np.count_nonzero((number != used) & (number != extended)))
    return value.reshape(layout.rows, layout.columns), outside


def _decode_compressed(dataset: Dataset, header: Header) -> NDArray[np.int64]:
    _pixel_bytes(dataset, header)
    try:
        with quiet():
            return dataset.pixel_array.astype(np.int64)
    except _READ_TROUBLES as error:
        raise _unreadable(header, error) from None


def _truncated(header: Header, found: int) -> InputError:
    needed = header.layout.bytes if header.layout else 0
    return InputError(
        "DCM_TRUNCATED",
        f"{found} bytes of pixels",
        expected=f"{needed}",
        action="copy or export the file again",
        file=header.path,
    )


def _unreadable(header: Header, error: Exception) -> InputError:
    code = "DCM_NESTING" if isinstance(error, RecursionError) else "DCM_CORRUPT"
    return InputError(
        code,
        f"pixels that cannot be read ({type(error).__name__})",
        action="copy or export the file again",
        file=header.path,
    )
