"""Finding elements in a file: the values pydicom finds, and damage costs nothing but time."""

from __future__ import annotations

import io
import struct
import time

import builders_dicom as make
import builders_enhanced as enhanced
import numpy as np
import pydicom
import pytest
from builders import shared_data
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

from radresp.errors import InputError
from radresp.io.dicom_elements import MAX_DEPTH, Elements, parse

NUMBERS = {"DS": float, "IS": int, "FD": float, "FL": float, "US": int, "UL": int, "SS": int}


def compare(mine: Elements, theirs: pydicom.Dataset) -> int:
    """Every element below pixel data: present in both, with the same bytes or number of items."""
    compared = 0
    for element in theirs.elements():
        if element.tag >= 0x7FE00008:
            continue
        place = mine.place(int(element.tag))
        assert place is not None, element.tag
        if getattr(element, "VR", None) == "SQ":
            items, others = mine.items(int(element.tag)), theirs[element.tag].value
            assert len(items) == len(others)
            compared += sum(compare(*pair) for pair in zip(items, others, strict=True))
        elif isinstance(element.value, bytes):
            assert mine.content(place) == element.value
        compared += 1
    return compared


def bytes_of(dataset, syntax=None) -> bytes:
    if syntax is not None:
        dataset.file_meta.TransferSyntaxUID = syntax
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


@pytest.mark.parametrize("syntax", [None, ImplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize("made", [lambda: make.make_series("dwi")[0], enhanced.dwi])
def test_made_files_hold_what_pydicom_finds(made, syntax):
    content = bytes_of(made(), syntax)
    elements = parse(content)
    assert compare(elements, pydicom.dcmread(io.BytesIO(content))) > 25
    assert elements.overshoot == 0


@pytest.mark.parametrize(
    "place",
    [
        "prostatex_0001/dicom/t2_tra",
        "prostatex_0001/dicom/adc",
        "qin_prostate_ge_adc/dicom_adc",
        "multivendor_dwi_small/ge/dicom",
        "multivendor_dwi_small/philips/dicom",
        "multivendor_dwi_small/philips_enhanced/dicom",
        "multivendor_dwi_small/siemens_classic/dicom",
        "sts_025_mr_rtstruct/dicom/mask",
        "dicom_seg_ct3slice/ct",
    ],
)
def test_real_files_hold_what_pydicom_finds(place):
    path = sorted(shared_data(*place.split("/")).iterdir())[0]
    assert compare(parse(path.read_bytes()), pydicom.dcmread(path)) > 40


def test_a_data_set_in_another_encoding_than_stated_is_still_read():
    content = bytes_of(make.make_series()[0], ImplicitVRLittleEndian)
    wrong = content.replace(b"1.2.840.10008.1.2\0", b"1.2.840.10008.1.2.", 1)
    elements = parse(wrong)
    assert elements.content(elements.place(0x00080060)).strip() == b"MR"


def test_other_files_are_no_dicom():
    for content in (b"", b"x" * 131, b"\0" * 4000, b"\0" * 128 + b"DIC"):
        assert parse(content) is None


OPENING = b"\x08\x00\x15\x11SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"


@pytest.mark.parametrize("depth", [MAX_DEPTH + 2, 400, 20_000, 500_000])
def test_nested_sequences_are_refused_at_a_fixed_depth(depth):
    content = bytes_of(make.make_series()[0])
    place = content.index(b"\x08\x00\x16\x00UI")
    start = time.perf_counter()
    with pytest.raises(InputError) as caught:
        parse(content[:place] + OPENING * depth + content[place:])
    assert caught.value.code == "DCM_NESTING"
    assert time.perf_counter() - start < 1


def test_usual_nesting_is_walked():
    content = bytes_of(make.make_series()[0])
    place = content.index(b"\x08\x00\x16\x00UI")
    closing = b"\xfe\xff\x0d\xe0\0\0\0\0" + b"\xfe\xff\xdd\xe0\0\0\0\0"
    elements = parse(content[:place] + OPENING * 12 + closing * 12 + content[place:])
    assert elements.content(elements.place(0x00080060)).strip() == b"MR"
    inner = elements
    for _ in range(12):
        (inner,) = inner.items(0x00081115)
    assert inner.items(0x00081115) == ()


def test_a_declared_length_allocates_nothing():
    content = bytes_of(make.make_series()[0])
    place = content.index(b"\x08\x00\x16\x00UI")
    huge = b"\x08\x00\x08\x00UN\0\0" + struct.pack("<I", 3_700_000_000)
    elements = parse(content[:place] + huge + content[place:])
    assert elements.overshoot > 3_600_000_000
    assert elements.place(0x00080060) is None


def test_random_damage_raises_refusals_only():
    original = bytes_of(enhanced.dwi(slices=4))
    rng = np.random.default_rng(17)
    for _ in range(400):
        content = bytearray(original)
        for place in rng.integers(132, len(content), rng.integers(1, 20)):
            content[place] = rng.integers(256)
        try:
            elements = parse(bytes(content[: rng.integers(140, len(content) + 1)]))
        except (InputError, struct.error):
            continue
        assert elements is not None
        for tag in list(elements.layers[0]):
            elements.items(tag)
