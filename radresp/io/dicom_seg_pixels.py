"""The pixels of chosen frames of a DICOM SEG; no other frame is decoded.

Binary segmentations hold one bit a pixel, packed without regard to frames. The declared size is
compared with the stored bytes before anything is allocated.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import FileDataset
from pydicom.pixels import iter_pixels
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from radresp.errors import InputError
from radresp.io.dicom_dataset import TROUBLES, text_of, whole_of
from radresp.io.dicom_values import quiet
from radresp.io.image_checks import MAX_VOXELS

MAX_FRAMES = 65_536
_NATIVE = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)


@dataclass(frozen=True, slots=True)
class Layout:
    """How frames are stored; ``bits`` is 1, 8 or 16 a pixel."""

    rows: int
    columns: int
    frames: int
    bits: int
    syntax: str

    @property
    def bytes(self) -> int:
        """Bytes of all frames, uncompressed."""
        return -(-self.rows * self.columns * self.frames * self.bits // 8)


def read_layout(dataset: FileDataset, path: Path) -> Layout:
    """The checked layout of a SEG's pixels.

    Raises
    ------
    InputError
        ``DCM_INCOMPLETE``, ``DCM_PIXELS``, ``DCM_CODEC``, ``IMG_TOO_LARGE``, ``DCM_TRUNCATED``.
    """
    names = ("Rows", "Columns", "NumberOfFrames", "BitsAllocated")
    found = {name: whole_of(dataset, name) or 0 for name in names}
    stored = dataset.get_item("PixelData") if "PixelData" in dataset else None
    missing = [name for name, value in found.items() if value < 1]
    if missing or stored is None or not isinstance(stored.value, bytes):
        names_missing = ", ".join(missing) or "PixelData"
        raise InputError(
            "DCM_INCOMPLETE",
            f"without a usable {names_missing}",
            expected="a complete segmentation",
            action="export it again",
            file=path,
        )
    syntax = text_of(dataset.file_meta, "TransferSyntaxUID")
    layout = Layout(
        rows=found["Rows"],
        columns=found["Columns"],
        frames=found["NumberOfFrames"],
        bits=found["BitsAllocated"],
        syntax=syntax,
    )
    if layout.bits not in (1, 8, 16) or (whole_of(dataset, "SamplesPerPixel") or 1) != 1:
        raise InputError(
            "DCM_PIXELS",
            f"{layout.bits} bits a pixel, or colour",
            expected="one sample of 1, 8 or 16 bits",
            file=path,
        )
    if layout.rows * layout.columns > MAX_VOXELS or layout.frames > MAX_FRAMES:
        raise InputError(
            "IMG_TOO_LARGE",
            f"{layout.frames} frames of {layout.columns} x {layout.rows} pixels",
            expected=f"at most {MAX_FRAMES} frames of {MAX_VOXELS} pixels",
            file=path,
        )
    _check_codec(layout, path)
    if syntax in _NATIVE and len(stored.value) < layout.bytes:
        raise InputError(
            "DCM_TRUNCATED",
            f"{len(stored.value)} bytes of pixels",
            expected=f"{layout.bytes}",
            action="copy or export the file again",
            file=path,
        )
    return layout


def read_pixels(
    dataset: FileDataset, layout: Layout, frames: Sequence[int], path: Path
) -> Iterator[NDArray[Any]]:
    """The stored numbers of frames, each ordered (y, x).

    Raises
    ------
    InputError
        ``DCM_CORRUPT`` when compressed frames cannot be decoded.
    """
    if layout.syntax in _NATIVE:
        yield from _native(dataset.get_item("PixelData").value, layout, frames)
        return
    try:
        with quiet():
            for found in iter_pixels(dataset, indices=list(frames)):
                yield found.reshape(layout.rows, layout.columns)
    except TROUBLES as error:
        raise InputError(
            "DCM_CORRUPT",
            f"frames that cannot be decoded ({type(error).__name__})",
            action="export the segmentation uncompressed",
            file=path,
        ) from None


def _native(content: bytes, layout: Layout, frames: Sequence[int]) -> Iterator[NDArray[Any]]:
    pixels = layout.rows * layout.columns
    if layout.bits > 1:
        dtype = np.dtype(f"<u{layout.bits // 8}")
        for frame in frames:
            found = np.frombuffer(content, dtype, pixels, frame * pixels * dtype.itemsize)
            yield found.reshape(layout.rows, layout.columns)
        return
    packed = np.frombuffer(content, np.uint8)
    for frame in frames:
        start, stop = frame * pixels, (frame + 1) * pixels
        bits = np.unpackbits(packed[start // 8 : -(-stop // 8)], bitorder="little")
        yield bits[start % 8 : start % 8 + pixels].reshape(layout.rows, layout.columns)


def _check_codec(layout: Layout, path: Path) -> None:
    if layout.syntax in _NATIVE:
        return
    try:
        with quiet():
            available = get_decoder(UID(layout.syntax)).is_available
    except (NotImplementedError, ValueError):
        available = False
    if not available:
        raise InputError(
            "DCM_CODEC",
            "a transfer syntax nothing here decodes",
            expected="uncompressed frames or an installed decoder",
            action="decompress the segmentation (gdcmconv --raw, dcmdjpeg)",
            file=path,
        )
