"""Series written in each vendor's dialect, read back by four readers that know nothing of ours."""

from __future__ import annotations

import itertools
from datetime import datetime
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
from builders import ORIENTATIONS, make_grid, make_volume
from builders_dicom_out import (
    B_VALUES,
    CLASSIC,
    DIALECTS,
    SIZE,
    make_grid_of,
    make_settings,
    make_study,
    make_volumes,
)
from highdicom.spatial import get_volume_positions
from hypothesis import given, settings
from hypothesis import strategies as st
from readers_dicom_out import (
    assert_same_place,
    by_place,
    convert,
    on_our_grid,
    pictures_of,
    private,
)

from radresp.core import Grid, Sequence
from radresp.errors import GeometryError, InputError, PlanError
from radresp.io import (
    DicomSeries,
    describe_folder,
    load_volumes,
    read_visit_facts,
    save_dicom_series,
)

KINDS = ("t2", "dwi")
BOTH = list(itertools.product(DIALECTS, KINDS))
FLOAT32 = 3e-7  # two units in the last place of a float32


def write(folder: Path, dialect: str, kind: str, **changes: object) -> tuple[Path, ...]:
    return save_dicom_series(
        make_volumes(dialect, kind),
        folder,
        make_study(dialect),
        make_settings(dialect, kind, **changes),
    )


# 1. pydicom, element by element


@pytest.mark.parametrize(("dialect", "kind"), BOTH)
def test_pydicom_finds_every_slice_with_its_b_value_place_and_exact_values(tmp_path, dialect, kind):
    volumes = make_volumes(dialect, kind)
    found = by_place(write(tmp_path / "series", dialect, kind), volumes[0].grid)
    assert len(found) == len(volumes) * SIZE[2]
    for volume in volumes:
        for z, expected in enumerate(volume.array):
            got = found[volume.b_s_per_mm2, z].astype(np.float32)
            np.testing.assert_allclose(got, expected, rtol=FLOAT32)
            if "philips" not in dialect:
                np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("orientation", [*ORIENTATIONS, "left-handed"])
def test_any_orientation_and_a_descending_stack_are_placed_as_the_grid_says(tmp_path, orientation):
    grid = make_grid(SIZE, (0.6, 0.7, 3.3), (-21.75, 14.2, -133.125))
    if orientation == "left-handed":
        grid = Grid(grid.size, grid.spacing_mm, grid.origin_mm, (1, 0, 0, 0, 1, 0, 0, 0, -1))
    else:
        grid = make_grid(SIZE, grid.spacing_mm, grid.origin_mm, orientation)
    volume = make_volumes("ge", "t2", grid)[0]
    paths = save_dicom_series([volume], tmp_path / "s", make_study("ge"), make_settings("ge", "t2"))
    found = by_place(paths, grid)
    np.testing.assert_array_equal([found[None, z] for z in range(SIZE[2])], volume.array)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_images_are_numbered_in_the_vendors_order(tmp_path, dialect):
    paths = write(tmp_path / "s", dialect, "dwi")
    order = [b for path in paths for b, *_ in pictures_of(path)]
    numbers = [pydicom.dcmread(path).InstanceNumber for path in paths]
    assert numbers == list(range(1, len(paths) + 1))
    if "philips" in dialect:  # slice by slice
        assert order == list(B_VALUES) * SIZE[2]
    else:  # volume by volume
        assert order == [b for b in B_VALUES for _ in range(SIZE[2])]
    files = {"siemens_xa": len(B_VALUES), "philips_enhanced": 1}
    assert len(paths) == files.get(dialect, len(B_VALUES) * SIZE[2])


def test_the_vendors_own_elements_hold_what_readers_look_for(tmp_path):
    def last(dialect: str) -> pydicom.Dataset:
        return pydicom.dcmread(write(tmp_path / dialect, dialect, "dwi")[-1])

    siemens = last("siemens")
    assert siemens.SequenceName == "*ep_b800t"
    assert siemens.ImageType[:4] == ["DERIVED", "PRIMARY", "DIFFUSION", "TRACEW"]
    assert private(siemens, 0x0019, "SIEMENS MR HEADER", 0x0C) == 800
    bandwidth = private(siemens, 0x0019, "SIEMENS MR HEADER", 0x28)
    assert bandwidth == pytest.approx(1000 / (0.35 * SIZE[1]))
    assert "DiffusionBValue" not in siemens
    ge = last("ge")
    assert list(private(ge, 0x0043, "GEMS_PARM_01", 0x39)) == [1_000_000_800, 8, 0, 0]
    assert private(ge, 0x0043, "GEMS_PARM_01", 0x30) == 15
    assert private(ge, 0x0021, "GEMS_RELA_01", 0x4F) == SIZE[2]
    assert (ge.BitsStored, ge.PixelRepresentation) == (16, 1)
    assert "DiffusionBValue" not in ge
    uih = last("uih")
    assert private(uih, 0x0065, "Image Private Header", 0x09) == 800.0
    assert "DiffusionBValue" not in uih
    philips = last("philips")
    assert private(philips, 0x2001, "Philips Imaging DD 001", 0x03) == 800.0
    assert philips["DiffusionBValue"].value == 800.0
    assert private(philips, 0x2001, "Philips Imaging DD 001", 0x0A) == SIZE[2]
    xa = last("siemens_xa")
    assert not [e for e in xa.iterall() if e.tag.is_private]


def test_ge_adds_its_offset_only_when_there_are_several_b_values(tmp_path):
    one = [v for v in make_volumes("ge", "dwi") if v.b_s_per_mm2 in (0, 800)]
    paths = save_dicom_series(one, tmp_path / "s", make_study("ge"), make_settings("ge", "dwi"))
    stored = {private(pydicom.dcmread(p), 0x0043, "GEMS_PARM_01", 0x39)[0] for p in paths}
    assert stored == {0, 800}


@pytest.mark.parametrize("dialect", ["siemens_xa", "philips_enhanced"])
def test_dimension_indices_count_what_the_file_holds(tmp_path, dialect):
    for path in write(tmp_path / "s", dialect, "dwi"):
        dataset = pydicom.dcmread(path)
        labels = [d.DimensionDescriptionLabel for d in dataset.DimensionIndexSequence]
        assert labels == ["Stack ID", "In-Stack Position Number", "Diffusion b-value"]
        frames = dataset.PerFrameFunctionalGroupsSequence
        index = [tuple(f.FrameContentSequence[0].DimensionIndexValues) for f in frames]
        assert len(set(index)) == len(index) == dataset.NumberOfFrames
        present = {f.MRDiffusionSequence[0].DiffusionBValue for f in frames}
        ranks = {b: n for n, b in enumerate(sorted(present), start=1)}
        for values, frame in zip(index, frames, strict=True):
            content = frame.FrameContentSequence[0]
            rank = ranks[frame.MRDiffusionSequence[0].DiffusionBValue]
            assert values == (1, content.InStackPositionNumber, rank)


# 2. highdicom


@pytest.mark.parametrize("dialect", CLASSIC)
def test_highdicom_puts_a_classic_series_where_the_volume_is(tmp_path, dialect):
    volume = make_volumes(dialect, "t2")[0]
    paths = write(tmp_path / "s", dialect, "t2")
    read = highdicom.get_volume_from_series([pydicom.dcmread(path) for path in paths])
    assert_same_place(read, volume.grid)


@pytest.mark.parametrize("dialect", ["siemens_xa", "philips_enhanced"])
def test_highdicom_reads_enhanced_geometry_and_real_world_values(tmp_path, dialect):
    volume = make_volumes(dialect, "t2")[0]
    (path,) = write(tmp_path / "s", dialect, "t2")
    mapped = dialect == "philips_enhanced"  # Siemens XA has the modality transformation only
    read = highdicom.imread(path).get_volume(
        dtype=np.float64, apply_real_world_transform=mapped, apply_modality_transform=not mapped
    )
    values = assert_same_place(read, volume.grid)
    np.testing.assert_allclose(values, volume.array, rtol=FLOAT32)


def test_highdicom_finds_regular_slices_in_both_enhanced_diffusion_forms(tmp_path):
    for dialect in ("siemens_xa", "philips_enhanced"):
        grid = make_grid_of("dwi")
        for path in write(tmp_path / dialect, dialect, "dwi"):
            image = highdicom.imread(path)
            frames = image.PerFrameFunctionalGroupsSequence
            places = {tuple(f.PlanePositionSequence[0].ImagePositionPatient) for f in frames}
            axes = frames[0].PlaneOrientationSequence[0].ImageOrientationPatient
            spacing, _ = get_volume_positions(sorted(places), axes, sort=True)
            assert spacing == pytest.approx(grid.spacing_mm[2])
            assert len(places) == grid.size[2]


# 3. our own reader


@pytest.mark.parametrize(("dialect", "kind"), BOTH)
def test_our_reader_gives_the_volumes_back(tmp_path, dialect, kind):
    volumes = make_volumes(dialect, kind)
    sequence = Sequence.T2 if kind == "t2" else Sequence.DWI
    write(tmp_path / "s", dialect, kind)
    loaded, step = load_volumes(tmp_path / "s", sequence)
    assert [v.b_s_per_mm2 for v in loaded] == [v.b_s_per_mm2 for v in volumes]
    for ours, written in zip(loaded, volumes, strict=True):
        assert ours.grid.same_as(written.grid, tol_mm=1e-5)
        np.testing.assert_allclose(ours.array, written.array, rtol=FLOAT32)
    assert step.settings["manufacturer"] == make_study(dialect).manufacturer
    assert step.settings["echo_time_ms"] == make_settings(dialect, kind).te_ms
    facts = read_visit_facts(tmp_path / "s")
    assert facts.body_part == "PELVIS"
    assert facts.study_date == make_study(dialect).when.date()


def test_one_visit_is_one_patient_and_series_come_in_order_of_time(tmp_path):
    for kind in ("dwi", "t2"):
        write(tmp_path / kind, "siemens", kind)
    summaries = describe_folder(tmp_path)
    assert [str(s.kind) for s in summaries] == ["t2", "dwi"]
    assert not [p for s in summaries for p in s.problems if p.code != "DCM_ORDER"]
    assert read_visit_facts(tmp_path / "t2").patient == read_visit_facts(tmp_path / "dwi").patient


# 4. dcm2niix


@pytest.mark.parametrize(("dialect", "kind"), BOTH)
def test_dcm2niix_agrees_on_b_values_geometry_and_voxels(tmp_path, dialect, kind):
    volumes = make_volumes(dialect, kind)
    grid = volumes[0].grid
    write(tmp_path / "s", dialect, kind)
    image, b_values = convert(tmp_path / "s", tmp_path / "nifti")
    expected_b = [v.b_s_per_mm2 for v in volumes] if kind == "dwi" else []
    if (dialect, kind) == ("philips_enhanced", "dwi"):
        # Knowingly: dcm2niix marks frames whose DiffusionDirectionality is ISOTROPIC, which
        # averages over directions are, with b = 2000 in Philips enhanced files.
        expected_b = [0.0, 2000.0, 2000.0]
    assert b_values == expected_b
    values = on_our_grid(image, grid)
    for number, volume in enumerate(volumes):
        # Philips: its "precise value" (SV RS + RI) / (RS SS), dcm2niix's default (-p y).
        np.testing.assert_allclose(values[number], volume.array, rtol=1e-6)
        if "philips" not in dialect:
            np.testing.assert_array_equal(values[number], volume.array)


# Promises of the writer


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_same_visit_is_the_same_bytes_and_another_seed_other_uids(tmp_path, dialect):
    def contents(folder: Path) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}

    write(tmp_path / "one", dialect, "dwi")
    write(tmp_path / "two", dialect, "dwi")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    save_dicom_series(
        make_volumes(dialect, "dwi"),
        tmp_path / "three",
        make_study(dialect, seed="phantom-0007/post"),
        make_settings(dialect, "dwi"),
    )
    assert not uids_of(tmp_path / "one") & uids_of(tmp_path / "three")


def uids_of(folder: Path) -> set[str]:
    found = set()
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        for element in dataset.iterall():
            if element.VR == "UI" and str(element.value).startswith("2.25."):
                assert pydicom.uid.UID(element.value).is_valid
                found.add(str(element.value))
        assert dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
    return found


IDENTIFYING = """
PatientBirthDate PatientWeight PatientSize OtherPatientIDs EthnicGroup PatientComments
PatientAddress PatientTelephoneNumbers InstitutionName InstitutionAddress StationName
InstitutionalDepartmentName OperatorsName PerformingPhysicianName ReferringPhysicianName
PhysiciansOfRecord RequestingPhysician AccessionNumber StudyDescription AdmissionID
RequestAttributesSequence RequestedProcedureDescription PerformedProcedureStepDescription
AcquisitionComments DeviceUID
"""


@pytest.mark.parametrize(("dialect", "kind"), BOTH)
def test_nothing_names_a_person_or_a_place_and_the_header_says_synthetic(tmp_path, dialect, kind):
    study, series = make_study(dialect), make_settings(dialect, kind)
    given = {study.patient_id, f"{study.patient_id}^", series.description, study.model}
    given |= {study.software, study.manufacturer}
    for path in write(tmp_path / "s", dialect, kind)[:2]:
        dataset = pydicom.dcmread(path)
        assert dataset.SyntheticData == dataset.QualityControlSubject == "YES"
        assert dataset.BurnedInAnnotation == "NO"
        assert "ynthetic" in dataset.ImageComments
        for element in dataset.iterall():
            if element.keyword in IDENTIFYING.split():
                assert not element.value, element
            if element.VR in FREE_TEXT and not element.tag.is_private_creator:
                free = str(element.value)
                assert not free or free in given or free in CONSTANTS, element
        assert dataset.get("DeviceSerialNumber", "SYNTHETIC") == "SYNTHETIC"


FREE_TEXT = ("PN", "LO", "SH", "ST", "LT", "UT", "UC")
CONSTANTS = {
    *("tse2d1_25", "*tse2d1_25", "ep", "*ep_b0", "*ep_b50t", "*ep_b800t"),
    *("normalized", "US", "value", "value as measured", "no units", "UCUM"),
    *("Pelvis", "816092008", "SCT", "1", "1H", "Body", "BODY", "+LPH", "A->P", "R->L"),
    *("Stack ID", "In-Stack Position Number", "Diffusion b-value", "16p*20s", "20p*16s"),
    *("SYNTHETIC", "Synthetic digital phantom; no patient was imaged. Research use only."),
}


def test_dates_run_over_midnight_and_no_clock_is_read(tmp_path):
    paths = write(tmp_path / "s", "siemens", "dwi")
    first, last = pydicom.dcmread(paths[0]), pydicom.dcmread(paths[-1])
    start = datetime(2024, 3, 2, 0, 2, 10)
    assert (first.AcquisitionDate, first.AcquisitionTime) == ("20240302", "000210.000000")
    assert first.StudyDate == "20240301"
    gap = datetime.strptime(last.AcquisitionTime, "%H%M%S.%f") - datetime(1900, 1, 1)
    assert gap.total_seconds() == pytest.approx((start.minute * 60 + start.second) + 2 * 5.2 * 4)


def test_numbers_above_twelve_bits_take_sixteen(tmp_path):
    volume = make_volume(make_grid_of("t2"))
    tall = volume.with_array(np.rint(volume.array) * 100)
    paths = save_dicom_series(
        [tall], tmp_path / "s", make_study("siemens"), make_settings("siemens", "t2")
    )
    dataset = pydicom.dcmread(paths[2])
    assert (dataset.BitsStored, dataset.HighBit) == (16, 15)
    np.testing.assert_array_equal(dataset.pixel_array, tall.array[2])


@settings(max_examples=25, deadline=None)
@given(
    slope=st.floats(0.01, 50),
    intercept=st.sampled_from([0.0, -12.5, 37.25]),
    scale=st.none() | st.floats(1e-4, 10),
)
def test_any_philips_scaling_is_lossless(tmp_path_factory, slope, intercept, scale):
    folder = tmp_path_factory.mktemp("scaled") / "s"
    rule = DicomSeries(**{**as_dict("philips"), "slope": slope, "intercept": intercept})
    rule = DicomSeries(**{**as_dict(rule), "scale_slope": scale})
    grid = make_grid_of("t2")
    stored = np.random.default_rng(3).integers(0, 4096, grid.size[::-1])
    divisor = 1.0 if scale is None else slope * float(np.float32(scale))
    volume = make_volume(grid).with_array((stored * slope + intercept) / divisor)
    paths = save_dicom_series([volume], folder, make_study("philips"), rule)
    read = np.stack([pydicom.dcmread(path).pixel_array for path in paths])
    np.testing.assert_array_equal(read, stored)


def as_dict(source: str | DicomSeries) -> dict[str, object]:
    series = make_settings(source, "t2") if isinstance(source, str) else source
    return {name: getattr(series, name) for name in series.__dataclass_fields__}


def test_a_folder_is_replaced_whole(tmp_path):
    write(tmp_path / "s", "siemens", "dwi")
    paths = write(tmp_path / "s", "siemens", "t2")
    assert sorted((tmp_path / "s").iterdir()) == sorted(paths)


@pytest.mark.parametrize(
    ("code", "error", "change"),
    [
        ("DCM_RESCALE", InputError, lambda v: [v[0].with_array(v[0].array + 0.3)]),
        ("DWI_OVERFLOW", InputError, lambda v: [v[0].with_array(v[0].array * 1000)]),
        ("DWI_OVERFLOW", InputError, lambda v: [v[0].with_array(v[0].array - 9000)]),
        ("USAGE", PlanError, lambda v: []),
        ("USAGE", PlanError, lambda v: v * 2),
        ("USAGE", PlanError, lambda v: [make_volume(sequence=Sequence.ADC)]),
        (
            "GRID",
            GeometryError,
            lambda v: [
                make_volume(make_grid(), Sequence.DWI, 0, 0.0),
                make_volume(make_grid(orientation="ras"), Sequence.DWI, 0, 800.0),
            ],
        ),
    ],
)
def test_what_cannot_be_stored_without_loss_is_refused_and_nothing_is_written(
    tmp_path, code, error, change
):
    volumes = change(make_volumes("ge", "t2"))
    with pytest.raises(error) as caught:
        save_dicom_series(volumes, tmp_path / "s", make_study("ge"), make_settings("ge", "t2"))
    assert caught.value.code == code
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    "make",
    [
        lambda: make_study("toshiba"),
        lambda: make_study("ge", patient_id="Jane Doe"),
        lambda: make_study("ge", sex="X"),
        lambda: make_study("ge", age_years=-1),
        lambda: make_settings("ge", "t2", number=0),
        lambda: make_settings("ge", "t2", phase_axis="y"),
        lambda: make_settings("ge", "t2", sequence_name="a long name"),
        lambda: make_settings("philips", "t2", slope=0.0),
    ],
)
def test_settings_outside_the_rules_are_refused(make):
    with pytest.raises(PlanError) as caught:
        make()
    assert caught.value.code == "USAGE"


def test_vendors_without_rescaling_refuse_one(tmp_path):
    with pytest.raises(PlanError) as caught:
        write(tmp_path / "s", "siemens", "t2", slope=2.0)
    assert caught.value.code == "USAGE"
