"""Every DICOM row of the fault catalogue: the fault, its code, its words and the exit code.

Rows that need two visits (D30, D31) or a mask (the coverage part of D05) are shown by the tests of
`radresp check` and of the mask rules.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
from typing import NamedTuple

import builders_dicom as make
import builders_enhanced as enhanced
import numpy as np
import pydicom
import pytest
from commands import radresp

from radresp.core import NoteKind, Sequence
from radresp.io import load_volumes


class Row(NamedTuple):
    """A refused fault: what makes it, its code and words of its message."""

    name: str
    code: str
    words: tuple[str, ...]
    kind: str = "t2"


REFUSED = {
    "D02": Row("truncated pixels", "DCM_TRUNCATED", ("236 bytes", "336")),
    "D03": Row("header only", "DCM_INCOMPLETE", ("without a usable", "Rows")),
    "D04": Row("gap", "DCM_GAP", ("a gap of 6 mm", "between im", "every 3 mm")),
    "D05": Row("declared count", "DCM_COUNT", ("6 images", "7 by ImagesInAcquisition")),
    "D07": Row("duplicate position", "DCM_DUP_POSITION", (".dcm and im", "one slice position")),
    "D08": Row("two series", "DCM_MULTI_SERIES", ("#1 t2, 6 slices", "#2 dwi")),
    "D09": Row("no b-value", "DWI_BVALUE_MISSING", ("no b-value", "private"), "dwi"),
    "D11": Row("adc among trace", "DCM_MIXED_TYPES", ("1 ADC", "17 plain"), "dwi"),
    "D12": Row("shear", "DCM_SHEAR", (f"{make.SHEAR_DEGREES:.2f} degrees",)),
    "D13": Row("uneven spacing", "DCM_SPACING", ("2.8 to 3.2 mm, median 3 mm",)),
    "D14": Row("tilted slice", "DCM_ORIENTATION", ("orientations that differ",)),
    "D15": Row("other pixel spacing", "DCM_MATRIX", ("12 x 14 pixels of 2 x 2 mm",)),
    "D16": Row("no position", "DCM_NO_GEOMETRY", ("ImagePositionPatient", "cannot be guessed")),
    "D20 bits": Row("bits outside", "DCM_SIGN", ("outside the declared bits",)),
    "D20 wrap": Row("wrapped numbers", "DCM_SIGN", ("negative voxels", "may have wrapped")),
    "D21": Row("huge matrix", "IMG_TOO_LARGE", ("65535 x 65535 pixels declared",)),
    "D21 file": Row("matrix beyond file", "DCM_TRUNCATED", ("50000000",)),
    "D22": Row("long element", "DCM_CORRUPT", ("bytes beyond the end of the file",)),
    "D23": Row("nested sequences", "DCM_NESTING", ("nested more than 32 deep",)),
    "D24": Row("film", "DCM_CODEC", ("MPEG2", "radresp[codecs]")),
    "D26": Row("enhanced without groups", "DCM_INCOMPLETE", ("functional groups",)),
    "D27 ct": Row("ct", "DCM_MODALITY", ("modality CT",)),
    "D27 scout": Row("localizer", "DCM_MODALITY", ("a localizer",)),
    "D27 few": Row("three slices", "DCM_MODALITY", ("3 slice positions", "at least 4")),
    "D28": Row("burned in", "DCM_BURNED_IN", ("burned-in annotation",)),
    "D28 overlay": Row("overlay", "DCM_BURNED_IN", ("overlay",)),
    "D28 capture": Row("secondary capture", "DCM_BURNED_IN", ("secondary capture",)),
    "D29": Row("two patients", "DCM_MIXED_PATIENT", ("differ between files of one series",)),
    "mosaic": Row("mosaic", "DCM_MOSAIC", ("tiles of one picture", "without mosaic")),
}


@pytest.mark.parametrize("row", REFUSED)
def test_refused_rows(tmp_path, row):
    name, code, words, kind = REFUSED[row]
    folder = make.FAULTS[name].write(tmp_path / "series")
    shown = radresp(
        "features", folder, tmp_path / "mask.nii", "--region", f"post.{kind}.bed", "--json"
    )
    error = shown.json["error"]
    assert (shown.code, error["code"]) == (3, code)
    message = "; ".join((error["found"], error["expected"], error["action"]))
    assert [word for word in words if word not in message] == []
    for output in (shown.out, shown.err):
        assert make.CANARY not in output


def test_a_three_plane_scout_is_a_localizer_and_never_a_t2(tmp_path):
    """D27: three orientations of four slices each, all sound."""
    datasets = []
    for axes in ([1, 0, 0, 0, 1, 0], [0, 1, 0, 0, 0, -1], [1, 0, 0, 0, 0, -1]):
        part = make.make_series(slices=4)
        for dataset in part:
            dataset.ImageOrientationPatient = axes
        datasets += part
    for dataset in datasets:
        dataset.SeriesInstanceUID = datasets[0].SeriesInstanceUID
    folder = make.write_series(tmp_path / "scout", datasets)
    shown = radresp("features", folder, tmp_path / "m.nii", "--region", "post.t2.bed", "--json")
    assert (shown.code, shown.json["error"]["code"]) == (3, "DCM_MODALITY")
    (series,) = radresp("series", tmp_path, "--json").json["series"]
    assert series["kind"] == "localizer"


def t2(folder):
    """Notes by code, and the step, of a T2 that is accepted."""
    volumes, step = load_volumes(folder, Sequence.T2)
    return volumes[0], {note.code: note for note in step.notes}, step


def test_d01_other_files_are_named_and_skipped(tmp_path):
    folder = make.write_series(tmp_path / "t2", make.make_series())
    for name, content in (("empty.dcm", b""), ("text.dcm", b"hello"), ("a.pdf", b"%PDF-1.7")):
        (folder / name).write_bytes(content)
    _, step = load_volumes(folder, Sequence.T2)
    skipped = [note for note in step.notes if note.code == "DCM_NOT_DICOM"]
    assert sorted(note.file for note in skipped) == ["a.pdf", "empty.dcm", "text.dcm"]
    assert {note.kind for note in skipped} == {NoteKind.WARNING}
    shown = radresp("features", folder / "text.dcm", tmp_path / "m.nii", "--json")
    assert shown.code == 3


def test_d06_copies_are_dropped_and_recorded(tmp_path):
    folder = make.write_series(tmp_path / "t2", make.make_series())
    shutil.copy(folder / "im001.dcm", folder / "copy.dcm")
    volume, notes, _ = t2(folder)
    assert volume.grid.size[2] == make.SLICES
    assert notes["DCM_DUPLICATE"].kind is NoteKind.FIX


def test_d10_a_diffusion_role_without_b_values_is_refused(tmp_path):
    datasets = make.make_series("dwi", b_values=(800,))
    for dataset in datasets:
        dataset.remove_private_tags()
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
    folder = make.write_series(tmp_path / "dwi", datasets)
    shown = radresp("features", folder, tmp_path / "m.nii", "--region", "post.dwi.bed", "--json")
    assert (shown.code, shown.json["error"]["code"]) == (3, "DWI_BVALUE_MISSING")


def test_d13_small_unevenness_is_a_warning(tmp_path):
    datasets = make.moving(3, 0.003 * make.NORMAL)(make.make_series())
    _, notes, _ = t2(make.write_series(tmp_path / "t2", datasets))
    assert notes["DCM_SPACING"].kind is NoteKind.WARNING


def test_d17_positions_win_over_numbers(tmp_path):
    datasets = make.make_series()
    for dataset, number in zip(datasets, (3, 1, 2, 6, 5, 4), strict=True):
        dataset.InstanceNumber = number
    _, notes, _ = t2(make.write_series(tmp_path / "t2", datasets))
    assert notes["DCM_ORDER"].kind is NoteKind.FIX


def test_d18_each_slice_keeps_its_own_slope_with_fractions(tmp_path):
    datasets = make.make_series()
    for index, dataset in enumerate(datasets):
        dataset.RescaleSlope, dataset.RescaleIntercept = f"{1 + index / 10:.1f}", "0"
    volume, notes, step = t2(make.write_series(tmp_path / "t2", datasets))
    assert np.allclose(volume.array[4], make.picture(4) * 1.4, rtol=1e-6)
    assert "DCM_RESCALE" in notes
    assert step.settings["rescale_source"] == "displayed"


def test_d19_the_rule_of_the_values_is_recorded(tmp_path):
    dataset = enhanced.philips(enhanced.t2(), [2 + i / 5 for i in range(make.SLICES)])
    _, notes, step = t2(enhanced.write(tmp_path / "t2", dataset))
    assert step.settings["rescale_source"] == "precise"
    assert notes["SCALE_AMBIGUOUS"].kind is NoteKind.WARNING


def test_d23_four_hundred_levels_are_refused_too(tmp_path):
    folder = make.write_series(tmp_path / "t2", make.make_series())
    path = make.file_of(folder, 2)
    opening = b"\x08\x00\x15\x11SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    content = path.read_bytes()
    place = content.index(b"\x08\x00\x16\x00UI")
    path.write_bytes(content[:place] + opening * 400 + content[place:])
    shown = radresp("features", folder, tmp_path / "m.nii", "--json")
    assert (shown.code, shown.json["error"]["code"]) == (3, "DCM_NESTING")


def test_d25_a_dicomdir_is_never_followed(tmp_path):
    folder = make.write_series(tmp_path / "t2", make.make_series())
    outside = make.write_series(tmp_path / "secret", make.make_series("dwi"))
    content = (folder / "im000.dcm").read_bytes()
    (folder / "DICOMDIR").write_bytes(content + os.fsencode(outside))
    volume, _, _ = t2(folder)
    assert volume.grid.size[2] == make.SLICES


def test_d26_enhanced_objects_are_read_whole(tmp_path):
    volume, _, _ = t2(enhanced.write(tmp_path / "t2", enhanced.t2()))
    assert volume.grid.size[2] == make.SLICES


@pytest.mark.parametrize(("kind", "role"), [("dwi", "t2"), ("t2", "dwi"), ("adc", "t2")])
def test_d32_swapped_roles_are_refused_with_the_attributes(tmp_path, kind, role):
    folder = make.write_series(tmp_path / kind, make.make_series(kind))
    shown = radresp(
        "features", folder, tmp_path / "m.nii", "--region", f"post.{role}.bed", "--json"
    )
    error = shown.json["error"]
    assert (shown.code, error["code"]) == (3, "ROLE_MISMATCH")
    assert "echo time" in error["found"]


def test_d33_odd_encodings_are_read_and_never_printed(tmp_path):
    datasets = make.make_series()
    for dataset in datasets:
        dataset.SpecificCharacterSet = "ISO_IR 999"
        dataset.PatientName = "Zażółć^Gęślą"
        dataset.add_new(0x00180050, "DS", pydicom.valuerep.DSfloat(2.5))
    folder = make.write_series(tmp_path / "t2", datasets)
    for path in folder.iterdir():  # a number longer than the 16 characters of DS
        content = path.read_bytes()
        path.write_bytes(
            content.replace(
                b"\x18\x00\x50\x00DS\x04\x002.5 ",
                b"\x18\x00\x50\x00DS" + struct.pack("<H", 22) + b"2.50000000000000000000",
            )
        )
    _, _, step = t2(folder)
    assert step.settings["slice_thickness_mm"] == 2.5
    assert "Gęślą" not in json.dumps(step.record(), ensure_ascii=False)


def test_d33_an_unreadable_needed_value_is_refused(tmp_path):
    datasets = make.make_series()
    datasets[2].add_new(0x00281053, "LO", "not a number")
    folder = make.write_series(tmp_path / "t2", datasets)
    shown = radresp("features", folder, tmp_path / "m.nii", "--json")
    assert (shown.code, shown.json["error"]["code"]) == (3, "DCM_INCOMPLETE")
    assert "RescaleSlope" in shown.json["error"]["found"]


def test_d34_position_is_recorded_and_changes_no_geometry(tmp_path):
    grids = []
    for position in ("HFS", "FFP"):
        datasets = make.setting(PatientPosition=position)(make.make_series())
        volume, _, step = t2(make.write_series(tmp_path / position, datasets))
        assert step.settings["patient_position"] == position
        grids.append(volume.grid)
    assert grids[0] == grids[1]


@pytest.mark.parametrize("name", ["long element", "nested sequences", "huge matrix", "gap"])
def test_a_faulty_series_costs_no_other(tmp_path, name):
    make.FAULTS[name].write(tmp_path / "bad")
    make.write_series(tmp_path / "good", make.make_series("dwi"))
    shown = radresp("series", tmp_path, "--json")
    assert shown.code == 0
    kinds = {series["folder"]: series for series in shown.json["series"]}
    assert kinds["good"]["problems"] == []
    told = {note["code"] for series in shown.json["series"] for note in series["problems"]}
    assert make.FAULTS[name].code in told


def _later(dataset):
    dataset.StudyDate, dataset.AcquisitionDateTime = "20210801", "20210801100000"
    return dataset


def test_series_are_listed_with_all_that_may_be_told(tmp_path):
    make.write_series(tmp_path / "dwi", make.make_series("dwi"))
    enhanced.write(tmp_path / "e", _later(enhanced.t2()))
    shown = radresp("series", tmp_path, "--json")
    one, two = shown.json["series"]
    assert (one["kind"], one["b_values"]) == ("dwi", {"50": 6, "400": 6, "800": 6})
    assert (one["matrix"], one["spacing_mm"]) == ([12, 14], [1.25, 1.5])
    assert one["slice_spacing_mm"] == pytest.approx(3.0, abs=1e-5)
    assert (one["vendor"], one["field_strength_t"], one["days"]) == ("Siemens", 3.0, 0)
    assert (two["kind"], two["slices"], two["days"]) == ("t2", 6, 118)
    for word in (make.CANARY, "2021", "19510203"):
        assert word not in shown.out
