"""Outlines, change of ADC and report as DICOM, read back by readers that know nothing of ours."""

from __future__ import annotations

import itertools
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
from builders import make_mask
from builders_dicom_results import (
    BED,
    POST,
    PRE,
    REASONS,
    TUMOUR,
    make_change,
    make_findings,
    make_results,
    write_visits,
)
from pydicom.sr._concepts_dict import concepts
from readers_dicom_out import assert_same_place, seg_arrays

from radresp.core import Decision, Grid, Roi, Sequence
from radresp.errors import GeometryError, InputError
from radresp.io import dicom_codes, load_mask, load_volumes, read_sources, save_dicom_results
from radresp.io.dicom_map_out import PADDING
from radresp.io.dicom_nouns import IDENTITY
from radresp.io.dicom_origin import short_text
from radresp.notice import INTENDED_USE

DIALECTS = ("siemens", "philips_enhanced")
NAMES = ["seg.pre.t2.dcm", "seg.post.adc.dcm", "map.post.adc.dcm", "report.dcm"]
BOTH = list(itertools.product(DIALECTS, (False, True)))
OF_TEMPLATE = {
    ("en-US", "RFC5646", "English (United States)"),  # a tag of the internet's, in no dictionary
    ("C2348792", "UMLS", "Time Point"),
    ("276214006", "SCT", "Finding category"),  # so in TID 1501; SNOMED CT has another wording
}
"""Codes that highdicom puts into every report of template 1500."""


@pytest.fixture(scope="module")
def visits(tmp_path_factory):
    """Folders of the images by role, of a classic and an enhanced dialect."""
    root = tmp_path_factory.mktemp("visits")
    return {dialect: write_visits(root / dialect, dialect) for dialect in DIALECTS}


@pytest.fixture(scope="module")
def written(visits, tmp_path_factory):
    """Data sets by name, of each dialect, pseudonymous and kept."""
    root = tmp_path_factory.mktemp("results")
    found = {}
    for dialect, keep in itertools.product(DIALECTS, (False, True)):
        results = make_results(visits[dialect], keep=keep)
        paths = save_dicom_results(results, root / dialect / str(keep))
        assert [path.name for path in paths] == NAMES
        found[dialect, keep] = results, {path.name: path for path in paths}
    return found


def read(written, dialect="siemens", keep=False):
    results, paths = written[dialect, keep]
    return results, {name: pydicom.dcmread(path) for name, path in paths.items()}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_our_reader_gets_every_outline_back(written, dialect):
    results, paths = written[dialect, False]
    for name, keys in (("seg.pre.t2.dcm", [TUMOUR]), ("seg.post.adc.dcm", [BED])):
        for key in keys:
            grid = results.sources[key[:2]].grid
            mask, _ = load_mask(paths[name], key.roi, grid, choice=str(key.roi))
            np.testing.assert_array_equal(mask.array, results.masks[key].array)
    grid = results.sources[POST, Sequence.ADC].grid
    found = seg_arrays(pydicom.dcmread(paths["seg.post.adc.dcm"]), grid)
    assert list(found) == ["bed", "lumen"]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_highdicom_reads_the_change_where_and_as_it_was(written, dialect):
    results, paths = written[dialect, False]
    made = highdicom.pm.ParametricMap.from_file(paths["map.post.adc.dcm"])
    grid = results.sources[POST, Sequence.ADC].grid
    cut = results.adc_change.volume
    shown = Grid((*grid.size[:2], 3), grid.spacing_mm, grid.to_mm((0.0, 0.0, 1.0)), grid.direction)
    array = assert_same_place(made.get_volume(), shown)
    expected = cut.array
    expected[0, 0, 0] = PADDING  # not measured
    np.testing.assert_array_equal(array[:, 3:11, 2:11], expected)
    assert (array == PADDING).sum() == array.size - cut.array.size + 1
    assert made.FloatPixelPaddingValue == PADDING
    mapping = made.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence[0]
    assert (mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept) == (1, 0)
    assert mapping.MeasurementUnitsCodeSequence[0].CodeValue == "um2/s"


def references(dataset) -> Iterator[tuple[str, str]]:
    """Class and UID of everything an object refers to, at any depth."""
    for element in dataset.iterall():
        if element.keyword == "ReferencedSOPInstanceUID":
            yield element.value


@pytest.mark.parametrize(("dialect", "keep"), BOTH)
def test_everything_refers_to_files_that_are_there(written, visits, dialect, keep):
    _, made = read(written, dialect, keep)
    files = {}
    for role, folder in visits[dialect].items():
        for path in folder.iterdir():
            found = pydicom.dcmread(path, stop_before_pixels=True)
            files[found.SOPInstanceUID] = role
    own = {dataset.SOPInstanceUID for dataset in made.values()}
    for name, dataset in made.items():
        named = set(references(dataset))
        assert named <= files.keys() | own
        roles = {files[uid] for uid in named & files.keys()}
        if name == "report.dcm":
            assert roles == set(visits[dialect])
            assert own - {dataset.SOPInstanceUID} <= named
        else:
            visit, kind = name.split(".")[1:3]
            assert roles == {(visit, kind)}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_each_frame_names_the_slice_it_lies_on(written, visits, dialect):
    _, made = read(written, dialect)
    places = {}
    for path in visits[dialect][POST, Sequence.ADC].iterdir():
        found = pydicom.dcmread(path)
        if "PerFrameFunctionalGroupsSequence" not in found:
            places[found.SOPInstanceUID, None] = found.ImagePositionPatient
            continue
        for number, groups in enumerate(found.PerFrameFunctionalGroupsSequence, start=1):
            place = groups.PlanePositionSequence[0].ImagePositionPatient
            places[found.SOPInstanceUID, number] = place
    for name in ("seg.post.adc.dcm", "map.post.adc.dcm"):
        for groups in made[name].PerFrameFunctionalGroupsSequence:
            source = groups.DerivationImageSequence[0].SourceImageSequence[0]
            number = source.get("ReferencedFrameNumber")
            place = places[source.ReferencedSOPInstanceUID, number]
            assert list(groups.PlanePositionSequence[0].ImagePositionPatient) == list(place)


def numbers(group) -> dict[str, float]:
    """Values of a group by meaning, and derivation where there is one."""
    found = {}
    for measurement in group.get_measurements():
        derived = measurement[0].get("ContentSequence", [])
        how = [item.ConceptCodeSequence[0].CodeMeaning for item in derived]
        found[" ".join([measurement.name.meaning, *how])] = measurement.value
    return found


def decision(group) -> highdicom.sr.CodedConcept:
    """The answer; highdicom counts finding and visit among the evaluations too."""
    name = highdicom.sr.CodedConcept(*dicom_codes.DECISION)
    (found,) = (item for item in group.get_qualitative_evaluations() if item.name == name)
    return found.value


def test_highdicom_finds_the_numbers_the_decision_and_the_segments(written):
    results, paths = written["siemens", False]
    report = highdicom.sr.srread(paths["report.dcm"]).content
    (case,) = report.get_image_measurement_groups()
    assert numbers(case) == {
        "Probability of complete response": 0.625,
        "Volume of treated bed": 4.25,
        "Share of voxels whose ADC rose by more than 300 um2/s": 0.5,
        "Largest wall thickness of bed": 7.125,
    }
    expected = dicom_codes.DECISIONS[Decision.INDETERMINATE]
    assert decision(case) == highdicom.sr.CodedConcept(*expected)
    groups = report.get_volumetric_roi_measurement_groups()
    assert [group.tracking_identifier for group in groups] == ["pre.t2.tumour", "post.adc.bed"]
    assert numbers(groups[1]) == {
        "Volume from Voxel Summation": 4.25,
        "Apparent Diffusion Coefficient Mean": 1234.5,
        "Apparent Diffusion Coefficient Standard Deviation": 0.3333333,
    }
    made = pydicom.dcmread(paths["seg.post.adc.dcm"])
    assert groups[1].tracking_uid == made.SegmentSequence[0].TrackingUID
    named = {"121191": [], "121233": []}
    for item in groups[1][0].ContentSequence:
        if item.ConceptNameCodeSequence[0].CodeValue in named:
            code = item.ConceptNameCodeSequence[0].CodeValue
            named[code].append(item.ReferencedSOPSequence[0])
    (segment,) = named["121191"]
    assert segment.ReferencedSOPInstanceUID == made.SOPInstanceUID
    assert segment.ReferencedSegmentNumber == 1
    assert len(named["121233"]) == results.masks[BED].array.any(axis=(1, 2)).sum()


def texts(dataset) -> list[tuple[str, str]]:
    return [
        (item.ConceptNameCodeSequence[0].CodeValue, item.TextValue)
        for item in walk(dataset)
        if item.get("ValueType") == "TEXT"
    ]


def walk(dataset) -> Iterator[pydicom.Dataset]:
    yield dataset
    for item in dataset.get("ContentSequence", []):
        yield from walk(item)


def test_the_report_says_what_it_is_for_before_any_number_and_why(written):
    _, made = read(written)
    report = made["report.dcm"]
    said = texts(report)
    assert [text for code, text in said if code == "reason"] == list(REASONS)
    assert ("endpoint", "pCR") in said
    kinds = [item.get("ValueType") for item in walk(report)]
    uses = [code for code, text in said if text == INTENDED_USE]
    assert uses == ["intended_use"]
    items = list(walk(report))
    (at,) = (n for n, item in enumerate(items) if item.get("TextValue") == INTENDED_USE)
    assert at < kinds.index("NUM")
    assert (report.VerificationFlag, report.PreliminaryFlag) == ("UNVERIFIED", "PRELIMINARY")
    assert all("research use only" in dataset.SeriesDescription for dataset in made.values())


def codes_of(dataset) -> Iterator[tuple[str, str, str]]:
    """Every code of an object, at any depth."""
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                if "CodeValue" in item or "LongCodeValue" in item:
                    yield item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning
                yield from codes_of(item)


def test_every_code_is_the_dictionarys_or_declared_as_our_own(written):
    ours = {tuple(code) for code in dicom_codes.private_codes()}
    ours.add(tuple(dicom_codes.measure("adc_rose_300").name))
    for name, dataset in read(written)[1].items():
        found = set(codes_of(dataset))
        assert found
        for value, scheme, meaning in found:
            if scheme == dicom_codes.SCHEME:
                assert (value, scheme, meaning) in ours
            elif (value, scheme, meaning) not in OF_TEMPLATE:
                known = concepts[scheme].values()
                meanings = {entry[value][0] for entry in known if value in entry}
                assert meaning in meanings, (name, value, scheme, meaning)
        schemes = {scheme for _, scheme, _ in found}
        if dicom_codes.SCHEME in schemes:
            declared = dataset.CodingSchemeIdentificationSequence
            assert declared[0].CodingSchemeDesignator == dicom_codes.SCHEME


def test_our_codes_fit_their_elements_and_differ():
    found = dicom_codes.private_codes()
    assert all(len(code.value) <= 16 and len(code.meaning) <= 64 for code in found)
    assert len({code.value for code in found}) == len({code.meaning for code in found})
    assert len({code.value for code in found}) == len(found)
    long = dicom_codes.measure("adc_stayed_1000")
    assert len(long.name.value) <= 16
    assert len(long.name.meaning) <= 64
    assert dicom_codes.measure("adc_stayed_1234.5678") is None
    assert dicom_codes.measure("something else") is None


def test_the_manual_lists_every_code_of_ours():
    page = Path(__file__).parents[2] / "docs/reference/dicom-out.md"
    told = page.read_text().split("<!-- codes:begin -->")[1].split("<!-- codes:end -->")[0]
    rows = [row.split(" | ")[:2] for row in told.splitlines() if row.startswith("| `")]
    listed = {(value.strip("| `"), meaning) for value, meaning in rows}
    assert listed == {(code.value, code.meaning) for code in dicom_codes.private_codes()}


def test_by_default_nothing_of_the_patient_or_the_visit_is_copied(written, visits):
    _, made = read(written)
    image = pydicom.dcmread(next(visits["siemens"][POST, Sequence.T2].iterdir()))
    for dataset in made.values():
        told = {keyword: str(dataset[keyword].value) for keyword in IDENTITY}
        assert told.pop("PatientName") == "case-7^"
        assert told.pop("PatientID") == "case-7"
        assert set(told.values()) <= {"", "None"}
        assert dataset.StudyInstanceUID != image.StudyInstanceUID
        assert dataset.PatientIdentityRemoved == "YES"
        days = {e.value for e in dataset.iterall() if e.VR in ("DA", "DT") and e.value}
        assert days <= {"19000101"}
        people = [e.keyword for e in dataset.iterall() if e.VR == "PN" and e.value]
        assert people == ["PatientName"]
    assert made["report.dcm"].StudyInstanceUID == made["map.post.adc.dcm"].StudyInstanceUID
    assert made["report.dcm"].StudyInstanceUID != made["seg.pre.t2.dcm"].StudyInstanceUID


def test_kept_identity_is_that_of_each_visits_images(written, visits):
    _, made = read(written, keep=True)
    for name, dataset in made.items():
        visit = PRE if "pre" in name else POST
        image = pydicom.dcmread(next(visits["siemens"][visit, Sequence.T2].iterdir()))
        for keyword in (*IDENTITY, "StudyInstanceUID"):
            assert str(dataset[keyword].value or "") == str(image[keyword].value or ""), keyword
        assert dataset.ContentDate == image.StudyDate
        assert "PatientIdentityRemoved" not in dataset
    assert made["seg.pre.t2.dcm"].ReferencedSeriesSequence[0].ReferencedInstanceSequence
    current = made["report.dcm"].CurrentRequestedProcedureEvidenceSequence
    assert [item.StudyInstanceUID for item in current] == [made["report.dcm"].StudyInstanceUID]


@pytest.mark.parametrize(
    "case_id", ["a" * 300, "Ünïcødé-病例", "<script>alert(1)</script>", "a\\b^c=d\n", " "]
)
def test_any_case_id_gives_valid_objects(visits, tmp_path, case_id):
    results = make_results(visits["siemens"], case_id)
    with pydicom.config.strict_reading():
        for path in save_dicom_results(results, tmp_path / "out"):
            dataset = pydicom.dcmread(path)
            assert dataset.PatientID == (short_text(case_id) or None or "")
            for element in dataset.iterall():  # decoded and checked when looked at
                assert element.VR != "LO" or len(str(element.value)) <= 64
    assert case_id[:8].strip() in short_text(case_id).replace("_", "\\")[:8] or case_id == " "


def test_the_same_results_are_the_same_bytes_and_others_have_other_uids(visits, tmp_path):
    def uids(name: str, case_id: str = "case-7", **changes: object) -> dict[str, str]:
        results = make_results(visits["siemens"], case_id, **changes)
        paths = save_dicom_results(results, tmp_path / name)
        return {path.name: pydicom.dcmread(path).SOPInstanceUID for path in paths}

    first = uids("one")
    assert uids("two") == first
    for name in NAMES:
        one, two = ((tmp_path / folder / name).read_bytes() for folder in ("one", "two"))
        assert one == two
    other = uids("one", reasons=("another",))  # takes the place of what stood there
    assert [name for name in NAMES if other[name] != first[name]] == ["report.dcm"]
    assert set(uids("three", "case-8").values()).isdisjoint(first.values())
    assert set(uids("four", keep=True).values()).isdisjoint(first.values())


def test_an_abstention_without_outlines_is_still_a_report(visits, tmp_path):
    whole = make_results(visits["siemens"])
    findings = make_findings(decision=Decision.ABSTAIN, case=(), regions={})
    results = type(whole)("case-7", whole.sources, {}, None, findings)
    (path,) = save_dicom_results(results, tmp_path / "out")
    (case,) = highdicom.sr.srread(path).content.get_image_measurement_groups()
    assert decision(case).value == "abstain"


def test_outlines_and_maps_of_another_grid_are_refused_and_nothing_is_written(visits, tmp_path):
    whole = make_results(visits["siemens"])
    grid = whole.sources[POST, Sequence.ADC].grid
    moved = Grid(grid.size, grid.spacing_mm, grid.to_mm((0.5, 0.0, 0.0)), grid.direction)
    shifted = whole.masks | {BED: make_mask(moved, Roi.BED)}
    role = {key: make_mask(moved, key.roi) for key in whole.masks if key[:2] == BED[:2]}
    for masks, change in (
        (shifted, None),
        (whole.masks | role, None),
        (whole.masks, make_change(moved)),
    ):
        results = type(whole)("case-7", whole.sources, masks, change, whole.findings)
        with pytest.raises(GeometryError) as caught:
            save_dicom_results(results, tmp_path / "out")
        assert caught.value.code == "MASK_GEOMETRY"
    assert not (tmp_path / "out").exists()


def test_sources_are_the_slices_that_were_measured(visits):
    for dialect in DIALECTS:
        folder = visits[dialect][POST, Sequence.ADC]
        found = read_sources(folder)
        (*_, volume), _ = load_volumes(folder, Sequence.DWI)
        assert found.grid.same_as(volume.grid)
        assert found.identity == {}
        for index, image in enumerate(found.images):
            np.testing.assert_allclose(image.position, volume.grid.to_mm((0, 0, float(index))))
        if dialect == "siemens":
            stored = {d.SOPInstanceUID: d for d in map(pydicom.dcmread, folder.iterdir())}
            for index, image in enumerate(found.images):
                pixels = stored[image.sop_uid].pixel_array.astype(float)
                np.testing.assert_allclose(pixels, volume.array[index])


@pytest.mark.parametrize(
    ("keyword", "value", "keep"),
    [("StudyInstanceUID", "", False), ("AccessionNumber", "1" * 17, True)],
)
def test_sources_no_object_can_refer_to_are_refused_by_name(visits, tmp_path, keyword, value, keep):
    shutil.copytree(visits["siemens"][PRE, Sequence.T2], tmp_path / "t2")
    with pydicom.config.disable_value_validation():
        for path in (tmp_path / "t2").iterdir():
            dataset = pydicom.dcmread(path)
            setattr(dataset, keyword, value)
            dataset.save_as(path)
    with pytest.raises(InputError) as caught:
        read_sources(tmp_path / "t2", identity=keep)
    assert caught.value.code == "DICOM_SOURCE"
    assert "11111" not in caught.value.found


ACCEPTED = (
    "Unrecognized defined term = <99RADRESP>",  # our own scheme, as declared
    "Unrecognized defined term = <QUANTITY>",  # in the standard since dicom3tools 2022
    "needed to build DICOMDIR",  # study date, time and id, which are left empty
)


@pytest.mark.parametrize(("dialect", "keep"), BOTH)
def test_dciodvfy_finds_no_fault(written, dialect, keep):
    tool = shutil.which("dciodvfy")
    if tool is None:
        pytest.skip("dciodvfy is not installed (Debian package dicom3tools)")
    for path in written[dialect, keep][1].values():
        done = subprocess.run(
            [tool, "-new", str(path)], capture_output=True, text=True, check=False
        )
        told = (done.stdout + done.stderr).splitlines()
        found = [line for line in told if line.startswith(("Error", "Warning"))]
        assert [line for line in found if not any(words in line for words in ACCEPTED)] == []
        assert done.returncode == 0
