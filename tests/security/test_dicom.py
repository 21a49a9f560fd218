"""DICOM files made to do harm, through the reader process: read as they are, or refused soon.

Beside the rows of the catalogue (tests/io/test_dicom_fault_rows.py): structures that ask a parser
to run, to look far beyond the file or to fill memory, and pictures that claim to be far larger
inside than the header around them says.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import builders_dicom as make
import builders_enhanced as enhanced
import numpy as np
import pytest
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    MediaStorageDirectoryStorage,
    RLELossless,
    generate_uid,
)
from security.harm import READ, outcome

from radresp.io.dicom_describe import describe_folder
from radresp.io.dicom_guard import Limits, Reader, read_series
from radresp.io.dicom_wire import receive_series

SOP_CLASS = b"\x08\x00\x16\x00UI"
UNDEFINED = b"\xff\xff\xff\xff"
SEQUENCE = b"\x08\x00\x15\x11SQ\0\0"
ITEM, ITEM_END, END = (
    b"\xfe\xff\x00\xe0",
    b"\xfe\xff\x0d\xe0" + bytes(4),
    b"\xfe\xff\xdd\xe0" + bytes(4),
)
EMPTY = ITEM + bytes(4)
Maker = Callable[[Path], object]


def nested(levels: int) -> bytes:
    """Sequences in each other, every length said."""
    inner = b""
    for _ in range(levels):
        item = ITEM + struct.pack("<L", len(inner)) + inner
        inner = SEQUENCE + struct.pack("<L", len(item)) + item
    return inner


def spliced(extra: bytes) -> Maker:
    """A sound series with bytes put before the SOP class of one file."""

    def build(folder: Path) -> None:
        make.write_series(folder, make.make_series())
        path = make.file_of(folder, 2)
        content = path.read_bytes()
        place = content.index(SOP_CLASS)
        path.write_bytes(content[:place] + extra + content[place:])

    return build


def compressed(syntax: str, picture: bytes, size: int | None = None) -> Maker:
    """A series whose pixels are these, in the header of its usual size or another."""

    def build(folder: Path) -> None:
        datasets = make.make_series()
        for dataset in datasets:
            dataset.file_meta.TransferSyntaxUID = syntax
            dataset.PixelData = encapsulate([picture])
            dataset["PixelData"].VR = "OB"
            dataset["PixelData"].is_undefined_length = True
            if size is not None:
                dataset.Rows = dataset.Columns = size
        make.write_series(folder, datasets)

    return build


def jpeg(start: int, side: int) -> bytes:
    """A JPEG of zeros that claims to be so large; ``start`` tells the kind."""
    frame = b"\x00\x0b\x10" + struct.pack(">HH", side, side) + b"\x01\x01\x11\x00"
    table = b"\xff\xc4\x00\x15\x00\x00\x01" + bytes(15)
    scan = b"\xff\xda\x00\x08\x01\x01\x00\x01\x00\x00"
    return b"\xff\xd8\xff" + bytes([start]) + frame + table + scan + bytes(100) + b"\xff\xd9"


def jpeg_2000(side: int) -> bytes:
    size = struct.pack(">HIIIIIIIIH", 0, side, side, 0, 0, side, side, 0, 0, 1) + b"\x0f\x01\x01"
    coding = b"\xff\x52\x00\x0c\x00\x00\x00\x01\x00\x00\x04\x04\x00\x01\xff\x5c\x00\x04\x40\x40"
    tile = b"\xff\x90\x00\x0a\x00\x00\x00\x00\x00\x0e\x00\x01\xff\x93"
    head = b"\xff\x4f\xff\x51" + struct.pack(">H", len(size) + 2) + size
    return head + coding + tile + bytes(50) + b"\xff\xd9"


def run_length(*offsets: int) -> bytes:
    return struct.pack("<16L", *offsets, *[0] * (16 - len(offsets))) + b"\x81\x00" * 200


def framed(frames: int, times: int = 1) -> Maker:
    """Classic slices that say to hold several frames."""

    def build(folder: Path) -> None:
        datasets = make.make_series()
        for dataset in datasets:
            dataset.NumberOfFrames = frames
            dataset.PixelData = dataset.PixelData * times
        make.write_series(folder, datasets)

    return build


def many_frames(folder: Path) -> None:
    dataset = enhanced.t2(4)
    dataset.NumberOfFrames = 60_000
    enhanced.write(folder, dataset)


def crowded(folder: Path) -> None:
    """Every private block reserved for every vendor at once."""
    datasets = make.make_series("dwi")
    for dataset in datasets:
        for element in range(0x10, 0x100):
            dataset.add_new((0x0019, element), "LO", "SIEMENS MR HEADER")
            dataset.add_new((0x0043, element), "LO", "GEMS_PARM_01")
            dataset.add_new((0x2005, element), "LO", "Philips MR Imaging DD 005")
    make.write_series(folder, datasets)


def siemens_header(folder: Path) -> None:
    """A private header that counts two thousand million elements."""
    content = b"SV10\x04\x03\x02\x01" + struct.pack("<LL", 0x7FFFFFFF, 77) + b"\xff" * 1000
    datasets = make.make_series("dwi")
    for dataset in datasets:
        block = dataset.private_block(0x29, "SIEMENS CSA HEADER", create=True)
        for element in (0x10, 0x20):
            block.add_new(element, "OB", content)
    make.write_series(folder, datasets)


INCOMPLETE, CORRUPT, LARGE = "DCM_INCOMPLETE", "DCM_CORRUPT", "IMG_TOO_LARGE"
CRAFTED: dict[str, tuple[Maker, str]] = {
    "a sequence without an end": (spliced(SEQUENCE + UNDEFINED + ITEM + UNDEFINED), INCOMPLETE),
    "20,000 without an end": (
        spliced((SEQUENCE + UNDEFINED + ITEM + UNDEFINED) * 20_000), "DCM_NESTING",
    ),
    "3,000 whose lengths are said": (spliced(nested(3_000)), READ),
    "200,000 empty items": (spliced(SEQUENCE + UNDEFINED + EMPTY * 200_000 + END), READ),
    "5,000 wide and deep": (
        spliced(
            SEQUENCE + UNDEFINED
            + (ITEM + UNDEFINED + SEQUENCE + UNDEFINED + EMPTY * 10 + END + ITEM_END) * 5_000 + END
        ),
        READ,
    ),
    "ends of nothing": (spliced(END * 20_000), READ),
    "the end of an item outside one": (spliced(ITEM_END), INCOMPLETE),
    "bytes without an end": (
        spliced(b"\x08\x00\x15\x11OB\0\0" + UNDEFINED + bytes(100)), INCOMPLETE,
    ),
    "unknown without an end": (
        spliced(b"\x09\x00\x15\x11UN\0\0" + UNDEFINED + ITEM + UNDEFINED), INCOMPLETE,
    ),
    "a sequence of 4 GB": (spliced(SEQUENCE + b"\xfe\xff\xff\xff"), CORRUPT),
    "unknown of 4 GB": (spliced(b"\x09\x00\x15\x11UN\0\0\xfe\xff\xff\xffx"), CORRUPT),
    "another syntax further down": (
        spliced(b"\x02\x00\x10\x00UI\x14\x001.2.840.10008.1.2.1\0"), READ,
    ),
    "a huge JPEG": (compressed(JPEGBaseline8Bit, jpeg(0xC0, 65_535)), CORRUPT),
    "a huge JPEG-LS": (compressed(JPEGLSLossless, jpeg(0xF7, 65_535)), CORRUPT),
    "a huge JPEG 2000": (compressed(JPEG2000Lossless, jpeg_2000(60_000)), CORRUPT),
    "the largest JPEG 2000": (compressed(JPEG2000Lossless, jpeg_2000(2**31 - 1)), CORRUPT),
    "a huge JPEG 2000 that says so": (
        compressed(JPEG2000Lossless, jpeg_2000(11_000), 11_000), LARGE,
    ),
    "a huge run": (compressed(RLELossless, run_length(2, 64, 264), 11_000), LARGE),
    "runs beyond the file": (compressed(RLELossless, run_length(*[2**32 - 1] * 16)), CORRUPT),
    "frames of nothing": (many_frames, INCOMPLETE),
    "a slice of two frames": (framed(2, 2), INCOMPLETE),
    "a slice of all frames": (framed(99_999_999), INCOMPLETE),
    "a crowd of vendors": (crowded, READ),
    "a private header without an end": (siemens_header, READ),
}  # fmt: skip


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader(Limits(seconds=30))


@pytest.mark.parametrize("name", CRAFTED)
def test_crafted_files_are_read_or_refused_soon(tmp_path: Path, reader: Reader, name: str) -> None:
    """Never by the end of the reader: a crash, its memory or its time."""
    build, code = CRAFTED[name]
    build(tmp_path / "series")
    read = outcome(lambda path: reader.ask("series", path, receive_series), tmp_path / "series")
    if "JPEG" in name and read == "DCM_CODEC":
        pytest.skip("no decoder is installed (radresp[codecs])")
    assert read == code
    assert outcome(describe_folder, tmp_path) == READ
    if code == READ:
        (volume,) = read_series(tmp_path / "series").volumes[-1:]
        assert np.isfinite(volume.array).all()


def test_what_is_read_past_a_trick_is_what_was_there(tmp_path: Path) -> None:
    make.write_series(tmp_path / "plain", make.make_series())
    plain = read_series(tmp_path / "plain").volumes[0]
    for number, (build, code) in enumerate(CRAFTED.values()):
        if code == READ and build not in (crowded, siemens_header):
            build(tmp_path / str(number))
            found = read_series(tmp_path / str(number)).volumes[0]
            assert np.array_equal(found.array, plain.array)
            assert found.grid == plain.grid


@pytest.mark.filterwarnings("ignore:Invalid value for VR CS")
@pytest.mark.parametrize(
    "climbs", [("..", "secret", "IM002"), ("..\\SECRET\\IM002",), ("/etc/passwd",)]
)
def test_a_dicomdir_that_leaves_its_folder_is_not_followed(
    tmp_path: Path, climbs: tuple[str, ...]
) -> None:
    folder = make.write_series(tmp_path / "t2", make.make_series())
    make.write_series(tmp_path / "secret", make.make_series("dwi"))
    record = Dataset()
    record.DirectoryRecordType, record.OffsetOfTheNextDirectoryRecord = "IMAGE", 0
    record.ReferencedFileID = list(climbs)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    index = FileDataset(str(folder / "DICOMDIR"), {}, file_meta=meta, preamble=bytes(128))
    index.DirectoryRecordSequence = Sequence([record])
    for name in ("DICOMDIR", "index.dcm"):
        index.save_as(folder / name, enforce_file_format=True)
    series = describe_folder(folder)
    assert {summary.kind for summary in series} <= {"t2", "other"}
    (folder / "index.dcm").unlink()
    assert read_series(folder).volumes[0].grid.size[2] == make.SLICES
