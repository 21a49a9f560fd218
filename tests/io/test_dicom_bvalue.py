"""b-values of every maker, from classic tags, text and CSA headers, and what contradicts them."""

from __future__ import annotations

import struct

import builders_dicom as make
import builders_enhanced as enhanced
import numpy as np
import pytest
from pydicom.uid import ImplicitVRLittleEndian

from radresp.core import NoteKind, Sequence
from radresp.errors import InputError
from radresp.io.dicom_bvalue import B_RULES, DIRECTION_RULES
from radresp.io.dicom_csa import csa_numbers
from radresp.io.dicom_nouns import Kind
from radresp.io.dicom_series import read_series
from radresp.io.images import load_volumes


def csa_header(**values: tuple[float, ...]) -> bytes:
    """A Siemens CSA header, version 2, holding these tags."""
    content = b"SV10\4\3\2\1" + struct.pack("<II", len(values), 77)
    for name, numbers in values.items():
        content += struct.pack("<64si4sii4x", name.encode(), len(numbers), b"FD", 4, 6)
        for index in range(6):
            text = f"{numbers[index]:.8f}".encode() + b"\0" if index < len(numbers) else b""
            content += struct.pack("<4i", len(text), len(text), 77, len(text))
            content += text + b"\0" * (-len(text) % 4)
    return content


def _siemens_csa(dataset, b, axis):
    dataset.Manufacturer = "SIEMENS"
    block = dataset.private_block(0x0029, "SIEMENS CSA HEADER", create=True)
    block.add_new(0x10, "OB", csa_header(B_value=(b,), DiffusionGradientDirection=axis))


def _siemens(dataset, b, axis):
    dataset.Manufacturer = "SIEMENS"
    block = dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    block.add_new(0x0C, "IS", str(int(b)))
    block.add_new(0x0E, "FD", list(axis))


def _siemens_unknown(dataset, b, axis):
    _siemens(dataset, b, axis)
    dataset[0x0019100C].VR = dataset[0x0019100E].VR = "UN"
    dataset[0x0019100C].value = f"{b:g} ".encode()
    dataset[0x0019100E].value = struct.pack("<3d", *axis)


def _ge(dataset, b, axis):
    dataset.Manufacturer = "GE MEDICAL SYSTEMS"
    block = dataset.private_block(0x0043, "GEMS_PARM_01", create=True)
    block.add_new(0x39, "IS", [1_000_000_000 + int(b), 8, 0, 0])
    other = dataset.private_block(0x0019, "GEMS_ACQU_01", create=True)
    for element, part in zip((0xBB, 0xBC, 0xBD), axis, strict=True):
        other.add_new(element, "DS", f"{part:.6g}")


def _ge_plain(dataset, b, axis):
    _ge(dataset, b, axis)
    dataset[0x00431039].value = [int(b), 8, 0, 0]


def _ge_text(dataset, b, axis):
    _ge(dataset, b, axis)
    dataset[0x00431039].VR = "LO"
    dataset[0x00431039].value = [f"{1_000_000_000 + int(b)}", "8", "0", "0"]


def _philips(dataset, b, axis):
    dataset.Manufacturer = "Philips Medical Systems"
    block = dataset.private_block(0x2001, "Philips Imaging DD 001", create=True)
    block.add_new(0x03, "FL", b)
    other = dataset.private_block(0x2005, "Philips MR Imaging DD 001", create=True)
    for element, part in zip((0xB0, 0xB1, 0xB2), axis, strict=True):
        other.add_new(element, "FL", part)


def _uih(dataset, b, axis):
    dataset.Manufacturer = "UIH"
    block = dataset.private_block(0x0065, "Image Private Header", create=True)
    block.add_new(0x09, "FD", float(b))
    block.add_new(0x37, "FD", list(axis))


def _canon(dataset, b, axis):
    dataset.Manufacturer = "CANON_MEC"
    if b:  # a Canon tells a b-value only where a gradient is on
        dataset.ImageComments = f"b={b:g}({axis[0]:.3f},{axis[1]:.3f},{axis[2]:.3f})"


def _toshiba(dataset, b, axis):
    dataset.Manufacturer = "TOSHIBA_MEC"
    if b:
        dataset.DiffusionBValue, dataset.DiffusionGradientOrientation = float(b), list(axis)


def _standard(dataset, b, axis):
    dataset.Manufacturer = "Someone Else"
    dataset.DiffusionBValue, dataset.DiffusionGradientOrientation = float(b), list(axis)


WRITERS = [_siemens, _siemens_csa, _siemens_unknown, _ge, _ge_plain, _ge_text, _philips, _uih]
WRITERS += [_canon, _toshiba, _standard]


def diffusion(write, b_values=(0, 1400), axes=3):
    """A series whose b-values and directions only one maker's way of writing tells."""
    made = []
    for b in b_values:
        for number in range(axes if b else 1):
            for dataset in make.make_series("dwi", b_values=(b,)):
                dataset.remove_private_tags()
                axis = tuple(np.eye(3)[number]) if b else (0.0, 0.0, 0.0)
                dataset.ImageType = ["ORIGINAL", "PRIMARY", "DIFFUSION", "NONE"]
                dataset.InstanceNumber = len(made) + 1
                write(dataset, b, axis)
                made.append(dataset)
    for dataset in made:
        dataset.SeriesInstanceUID = made[0].SeriesInstanceUID
    return made


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("implicit", [False, True])
def test_every_makers_b_values_and_directions(tmp_path, write, implicit):
    datasets = diffusion(write)
    for dataset in datasets if implicit else ():
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    series = read_series(make.write_series(tmp_path / "dwi", datasets))
    assert series.kind is Kind.DWI
    assert [volume.b_s_per_mm2 for volume in series.volumes] == [0, 1400]
    notes = [note.found for note in series.volumes[1].notes]
    assert "b 1400 is the geometric mean of 3 images" in notes
    assert not [note for note in series.notes if note.code == "DWI_BVALUE_CONFLICT"]


def test_the_table_covers_six_vendors_and_the_standard():
    makers = {rule.makers for rule in B_RULES}
    assert makers == {"", "SIEMENS", "GE", "PHILIPS", "UIH", "CANON|TOSHIBA"}
    assert {rule.makers for rule in DIRECTION_RULES} == makers


def test_another_makers_private_tag_is_not_read(tmp_path):
    datasets = diffusion(_philips)
    for dataset in datasets:
        dataset.Manufacturer = "UIH"
    with pytest.raises(InputError) as caught:
        read_series(make.write_series(tmp_path / "dwi", datasets))
    assert caught.value.code == "DWI_BVALUE_MISSING"


def test_toshibas_missing_zero_is_filled_in_and_said(tmp_path):
    series = read_series(make.write_series(tmp_path / "dwi", diffusion(_toshiba)))
    (note,) = [note for note in series.notes if note.code == "DWI_BVALUE_ZERO"]
    assert note.kind is NoteKind.FIX
    assert note.found.startswith("6 images tell no b-value")


def test_a_missing_b_value_of_another_maker_is_no_zero(tmp_path):
    datasets = diffusion(_standard)
    for dataset in datasets[: make.SLICES]:
        del dataset.DiffusionBValue
    with pytest.raises(InputError) as caught:
        read_series(make.write_series(tmp_path / "dwi", datasets))
    assert caught.value.code == "DWI_BVALUE_MISSING"


def conflicts(series):
    notes = [note for note in series.notes if note.code == "DWI_BVALUE_CONFLICT"]
    assert all(note.kind is NoteKind.WARNING for note in notes)
    return [note.found for note in notes]


def test_two_tags_that_disagree_are_told_with_both_numbers(tmp_path):
    datasets = diffusion(_siemens, axes=1)
    for dataset in datasets:
        dataset.DiffusionBValue = dataset[0x0019100C].value * 1.1
    series = read_series(make.write_series(tmp_path / "dwi", datasets))
    assert [volume.b_s_per_mm2 for volume in series.volumes] == [0, 1540]
    assert conflicts(series) == [
        "b 1540 by DiffusionBValue (0018,9087) but 1400 by Siemens (0019,100C) in 6 images"
    ]


def test_a_sequence_name_that_disagrees_is_told(tmp_path):
    datasets = diffusion(_siemens, axes=1)
    for dataset in datasets:
        dataset.SequenceName = "*ep_b800t"
    found = conflicts(read_series(make.write_series(tmp_path / "dwi", datasets)))
    assert "b 1400 by Siemens (0019,100C) but 800 by SequenceName in 6 images" in found


@pytest.mark.parametrize(
    ("description", "told"),
    [
        ("DWI b800 tra", ["b 0, 1400 by Siemens (0019,100C) but 800 by SeriesDescription"]),
        ("ep2d b0_800_1400", ["b 0, 1400 by Siemens (0019,100C) but 800 by SeriesDescription"]),
        ("DWI b=1400", []),
        ("DWI 0 1400", []),
        ("BLADE t2", []),
        (f"DWI b1400 {make.CANARY}", []),
    ],
)
def test_a_description_that_disagrees_is_told_without_its_words(tmp_path, description, told):
    datasets = diffusion(_siemens, axes=1)
    for dataset in datasets:
        dataset.SeriesDescription = description
    series = read_series(make.write_series(tmp_path / "dwi", datasets))
    assert conflicts(series) == told
    assert make.CANARY not in str(series.notes)


@pytest.mark.parametrize(
    "changes",
    [
        {"SequenceName": "*ep_b50_800"},
        {"ImageType": ["DERIVED", "PRIMARY", "DIFFUSION", "CALC_BVALUE"]},
        {"SeriesDescription": "computed DWI b1400"},
        {"SeriesDescription": "Synthetic b=1400"},
        {"SeriesDescription": "cDWI 1400"},
    ],
)
def test_calculated_images_are_recognised_and_never_fitted(tmp_path, changes):
    datasets = diffusion(_siemens, b_values=(1400,), axes=1)
    types = {"ImageType": ["DERIVED", "PRIMARY", "DIFFUSION", "TRACEW"]}
    folder = make.write_series(tmp_path / "dwi", make.setting(**(types | changes))(datasets))
    assert read_series(folder).kind is Kind.CALCULATED_B
    with pytest.raises(InputError) as caught:
        load_volumes(folder, Sequence.DWI)
    assert caught.value.code == "ROLE_MISMATCH"


def test_per_frame_b_values_need_no_number_where_there_is_no_gradient(tmp_path):
    dataset = enhanced.dwi((0, 800))
    for groups in dataset.PerFrameFunctionalGroupsSequence:
        diffusion_group = groups.MRDiffusionSequence[0]
        if diffusion_group.DiffusionDirectionality == "NONE":
            del diffusion_group.DiffusionBValue
    series = read_series(enhanced.write(tmp_path / "dwi", dataset))
    assert [volume.b_s_per_mm2 for volume in series.volumes] == [0, 800]


def test_csa_headers_are_read_by_name_and_damage_is_absence():
    header = csa_header(Other=(5.0,), B_value=(800.0,), DiffusionGradientDirection=(0.6, 0.8, 0))
    assert csa_numbers(header, "B_value") == (800.0,)
    assert csa_numbers(header, "DiffusionGradientDirection") == (0.6, 0.8, 0.0)
    assert csa_numbers(header, "Absent") is None
    assert csa_numbers(b"", "B_value") is None
    rng = np.random.default_rng(3)
    for _ in range(300):
        damaged = bytearray(header)
        damaged[rng.integers(len(header))] = rng.integers(256)
        found = csa_numbers(bytes(damaged[: rng.integers(len(header))]), "B_value")
        assert found is None or all(isinstance(value, float) for value in found)
