"""What a folder holds, and whose and when: told without naming anyone."""

from __future__ import annotations

import dataclasses
import json
import os
from datetime import date, datetime
from pathlib import Path

import builders_dicom as make
import numpy as np
import pytest
from builders import shared_data
from hypothesis import given
from hypothesis import strategies as st

from radresp.errors import InputError
from radresp.io import dicom_dataset, dicom_pixels, dwi_repeats
from radresp.io.dicom_describe import describe_folder
from radresp.io.dicom_facts import read_visit_facts
from radresp.io.dicom_geometry import check_same_plane
from radresp.io.dicom_guard import is_dicom
from radresp.io.dicom_header import read_headers
from radresp.io.dicom_kind import describe_kind, kind_of
from radresp.io.dicom_nouns import Kind


def headers_of(tmp_path, datasets):
    folder = make.write_series(tmp_path / "series", datasets)
    return [header for path in sorted(folder.iterdir()) for header in read_headers(path)]


def test_every_series_of_a_study_is_described_in_order_of_acquisition(tmp_path):
    for kind in ("adc", "dwi", "t2"):
        make.write_series(tmp_path / f"s_{kind}", make.make_series(kind))
    summaries = describe_folder(tmp_path)
    assert [(s.number, s.kind, s.folder) for s in summaries] == [
        (1, Kind.T2, "s_t2"),
        (2, Kind.DWI, "s_dwi"),
        (3, Kind.ADC, "s_adc"),
    ]
    dwi = summaries[1]
    assert dict(dwi.b_values) == {50: 6, 400: 6, 800: 6}
    assert (dwi.slices, dwi.images, dwi.matrix) == (6, 18, (12, 14))
    assert dwi.spacing_mm == (1.25, 1.5)
    assert dwi.slice_spacing_mm == pytest.approx(3.0, abs=1e-5)
    assert dwi.attributes["echo_time_ms"] == 63.0
    assert all(summary.problems == () and summary.days == 0 for summary in summaries)


def test_days_count_from_the_first_study(tmp_path):
    for name, day in (("a", "20210405"), ("b", "20210619")):
        datasets = make.setting(StudyDate=day, AcquisitionDate=day)(make.make_series())
        make.write_series(tmp_path / name, datasets)
    assert [summary.days for summary in describe_folder(tmp_path)] == [0, 75]


@pytest.mark.parametrize("name", make.FAULTS)
def test_problems_are_told_where_the_reader_would_refuse(tmp_path, name):
    fault = make.FAULTS[name]
    fault.write(tmp_path / "study" / "series")
    summaries = describe_folder(tmp_path)
    told = {note.code for summary in summaries for note in summary.problems}
    # Only what needs the pixels, or several series in one folder, is not a fault of a header.
    needs_pixels = {"bits outside", "wrapped numbers", "constant"}
    if name in needs_pixels | {"two series"}:
        assert told == set()
    elif name in {"nested sequences", "long element", "header only"}:
        assert told == {fault.code, "DCM_GAP"}  # the slice is missing from its series
    else:
        assert told == {fault.code}
    text = json.dumps([summary.record() for summary in summaries])
    assert make.CANARY not in text
    assert "2021" not in text
    assert str(tmp_path) not in text


def test_files_that_are_not_dicom_are_no_series(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    assert describe_folder(tmp_path) == ()
    with pytest.raises(InputError) as caught:
        describe_folder(tmp_path / "notes.txt")
    assert caught.value.code == "NOT_A_FOLDER"


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, Kind.T2),
        ({"EchoTime": 11}, Kind.OTHER),
        ({"RepetitionTime": 600}, Kind.OTHER),
        ({"ScanningSequence": ["EP", "SE"]}, Kind.OTHER),
        ({"ImageType": ["DERIVED", "PRIMARY", "ADC"]}, Kind.ADC),
        ({"ImageType": ["DERIVED", "PRIMARY", "DIFFUSION", "FA"]}, Kind.OTHER),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "P", "ND"]}, Kind.OTHER),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, Kind.LOCALIZER),
        ({"DiffusionBValue": 0.0}, Kind.T2),
        ({"DiffusionBValue": 800.0}, Kind.DWI),
        ({"DiffusionBValue": 800.0, "ImageType": ["DERIVED", "SECONDARY", "MPR"]}, Kind.T2),
        (
            {
                "DiffusionBValue": 1400.0,
                "ImageType": ["DERIVED", "PRIMARY", "DIFFUSION", "CALC_BVALUE"],
            },
            Kind.CALCULATED_B,
        ),
        (
            {
                "SeriesDescription": "Apparent Diffusion Coefficient (mm2/s)",
                "ImageType": ["DERIVED", "SECONDARY", "PROCESSED"],
            },
            Kind.ADC,
        ),
        ({"SeriesDescription": "t2 for ADCOCK"}, Kind.T2),
        ({"Modality": "CT"}, Kind.OTHER),
    ],
)
def test_kind_is_decided_by_attributes(tmp_path, changes, kind):
    headers = headers_of(tmp_path, make.setting(**changes)(make.make_series()))
    assert kind_of(headers) is kind


def test_kind_is_explained_with_the_attributes_it_rests_on(tmp_path):
    headers = headers_of(tmp_path, make.make_series("dwi", b_values=(50, 800)))
    assert describe_kind(Kind.DWI, headers) == (
        "dwi (image type DERIVED\\PRIMARY\\DIFFUSION\\TRACEW\\DIS2D; scanning sequence EP; "
        "echo time 63 ms; repetition time 2700 ms; b-values 50, 800)"
    )


def test_a_file_without_dicom_is_no_header(tmp_path):
    (tmp_path / "a.dcm").write_bytes(b"nothing of the kind")
    assert read_headers(tmp_path / "a.dcm") == ()


def test_a_header_that_cannot_be_parsed_is_corrupt(tmp_path, monkeypatch):
    def stop(*_):
        raise EOFError

    monkeypatch.setattr("radresp.io.dicom_header._headers", stop)
    (file, *_) = make.write_series(tmp_path / "series", make.make_series()).iterdir()
    with pytest.raises(InputError) as caught:
        read_headers(file)
    assert (caught.value.code, caught.value.file) == ("DCM_CORRUPT", str(file))


def test_pixels_of_another_number_than_declared_are_corrupt(tmp_path, monkeypatch):
    datasets = make.compressed_as("1.2.840.10008.1.2.5")(make.make_series())
    monkeypatch.setattr(dicom_pixels, "_decode_compressed", lambda _: np.zeros(7, np.uint16))
    with pytest.raises(InputError) as caught:
        dicom_pixels.read_pixels(headers_of(tmp_path, datasets)[0])
    assert caught.value.code == "DCM_CORRUPT"


def test_a_plane_needs_to_know_how_many_pixels(tmp_path):
    headers = headers_of(tmp_path, make.make_series())
    with pytest.raises(InputError) as caught:
        check_same_plane([dataclasses.replace(header, layout=None) for header in headers])
    assert caught.value.code == "DCM_INCOMPLETE"


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    path = tmp_path / "large.dcm"
    path.touch()
    os.truncate(path, dicom_dataset.MAX_BYTES + 1)
    with pytest.raises(InputError) as caught:
        dicom_dataset.read_dataset(path)
    assert caught.value.code == "IMG_TOO_LARGE"


def test_a_file_that_cannot_be_opened_is_not_said_to_be_no_dicom(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError(5, "Input/output error")

    (file, *_) = make.write_series(tmp_path / "series", make.make_series()).iterdir()
    monkeypatch.setattr(Path, "open", fail)
    with pytest.raises(InputError) as caught:
        is_dicom(file)
    assert caught.value.code == "FILE_UNREADABLE"


def test_malformed_values_count_as_absent(tmp_path):
    datasets = make.make_series()
    for dataset in datasets:
        dataset.add_new(0x00180081, "LO", "a hundred")  # EchoTime as text
        dataset.add_new(0x00180087, "LO", "1.5\\3")
        dataset.AcquisitionDate = dataset.StudyDate = ""
    header = headers_of(tmp_path, datasets)[0]
    assert "echo_time_ms" not in header.attributes
    assert "field_strength_t" not in header.attributes
    assert header.acquired is None
    assert header.study_date is None


def test_visit_facts_compare_patients_without_telling_them(tmp_path):
    same = make.write_series(tmp_path / "pre", make.make_series())
    other = make.write_series(
        tmp_path / "post", make.setting(PatientBirthDate="19600101")(make.make_series("dwi"))
    )
    facts = read_visit_facts(same)
    assert facts.patient == read_visit_facts(same).patient
    assert facts.patient != read_visit_facts(other).patient
    assert make.CANARY not in repr(facts)
    assert facts.acquired == datetime(2021, 4, 5, 10, 30, 0)
    assert facts.study_date == date(2021, 4, 5)
    assert facts.body_part == "RECTUM"


def test_visit_facts_fall_back_and_say_what_is_missing(tmp_path):
    changes = {"AcquisitionDate": None, "BodyPartExamined": "MR X RECTUM", "PatientID": ""}
    datasets = make.setting(**changes, PatientBirthDate="")(make.make_series())
    facts = read_visit_facts(make.write_series(tmp_path / "pre", datasets))
    assert facts.acquired == datetime(2021, 4, 5, 10, 15, 0)  # the study's
    assert (facts.patient, facts.body_part) == (None, None)
    assert [note.found for note in facts.notes] == ["the headers tell no patient id"]


def test_visit_facts_of_several_patients_are_refused(tmp_path):
    folder = make.FAULTS["two patients"].write(tmp_path / "series")
    with pytest.raises(InputError) as caught:
        read_visit_facts(folder)
    assert caught.value.code == "DCM_MIXED_PATIENT"


def test_other_files_hold_no_facts(tmp_path):
    path = tmp_path / "image.nii"
    path.write_bytes(b"\0" * 400)
    facts = read_visit_facts(path)
    assert (facts.patient, facts.acquired, facts.study_date, facts.body_part) == (None,) * 4
    with pytest.raises(InputError) as caught:
        read_visit_facts(tmp_path / "absent.nii")
    assert caught.value.code == "MISSING_FILE"


@given(st.lists(st.floats(1, 1e4, width=32), min_size=1, max_size=5))
def test_means_of_repeats_lie_between_their_extremes(values):
    arrays = [np.full((1, 1, 1), value, np.float32) for value in values]
    some = [tuple(np.eye(3)[index % 3]) for index in range(len(values))]
    for directions in (some, [None] * len(values)):
        mean = dwi_repeats.combine(arrays, directions).item()
        assert min(values) * (1 - 1e-5) <= mean <= max(values) * (1 + 1e-5)


def test_opposite_gradients_are_one_direction():
    arrays = [np.full((1, 1, 1), value, np.float32) for value in (2, 8)]
    assert dwi_repeats.combine(arrays, [(1, 0, 0), (-1, 0, 0)]).item() == 5
    assert dwi_repeats.combine(arrays, [(1, 0, 0), (0, 0, 1)]).item() == 4


def test_real_study_is_recognised():
    summaries = describe_folder(shared_data("prostatex_0001", "dicom"))
    found = {summary.folder: summary for summary in summaries}
    assert {name: str(summary.kind) for name, summary in found.items()} == {
        "t2_tra": "t2",
        "t2_tra_repeat": "t2",
        "dwi_b50_400_800": "dwi",
        "dwi_calc_b": "calculated_b",
        "adc": "adc",
    }
    assert dict(found["dwi_b50_400_800"].b_values) == {50: 19, 400: 19, 800: 19}
    assert found["t2_tra"].matrix == (384, 384)
    assert found["t2_tra"].slice_spacing_mm == 3.0
    assert all(summary.problems == () for summary in summaries)


def test_real_ge_adc_is_recognised():
    (summary,) = describe_folder(shared_data("qin_prostate_ge_adc", "dicom_adc"))
    assert (summary.kind, summary.slices, summary.problems) == (Kind.ADC, 20, ())


def test_real_repeat_belongs_to_the_same_patient_minutes_later():
    one, two = (
        read_visit_facts(shared_data("prostatex_0001", "dicom", name))
        for name in ("t2_tra", "t2_tra_repeat")
    )
    assert one.patient == two.patient
    assert 500 < (two.acquired - one.acquired).total_seconds() < 560
    ge = read_visit_facts(shared_data("qin_prostate_ge_adc", "dicom_adc"))
    assert ge.patient != one.patient
