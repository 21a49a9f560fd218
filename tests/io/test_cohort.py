"""Cohort tables and case folders: every fault found, at its line, before any work."""

from __future__ import annotations

import os
import unicodedata
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from radresp.core import NoteKind, RegionKey, Roi, Sequence, Timepoint
from radresp.errors import CohortError, InputError, PlanError
from radresp.io import text_table
from radresp.io.case_folder import find_case
from radresp.io.case_roles import IMAGES, MASKS
from radresp.io.clinical_columns import CLINICAL
from radresp.io.cohort import load_cohort

PRE, POST, T2, DWI, ADC = Timepoint.PRE, Timepoint.POST, Sequence.T2, Sequence.DWI, Sequence.ADC


def table(folder: Path, text: str | bytes, name: str = "cohort.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refusal(folder: Path, text: str | bytes) -> PlanError:
    with pytest.raises(PlanError) as caught:
        load_cohort(table(folder, text))
    assert int(caught.value.exit_code) == 2
    return caught.value


def test_a_table_becomes_addresses(tmp_path: Path) -> None:
    text = (
        "case_id,patient_id,pre_t2,post_dwi,pre_tumour,post_adc_bed,post_normal_wall,age_years,"
        "pre_date,x_note\n"
        "001,p1,a/t2.nii.gz,b/dwi,a/tumour.nii.gz,b/bed.nii.gz,b/wall.nii.gz,63.5,2024-02-29,-1\n"
        "1e5,,a/t2.nii.gz,,,,,NA,,\n"
        "NA,p1,,b/dwi,,,,,,\n"
    )
    cohort = load_cohort(table(tmp_path, text))
    first, second, third = cohort.cases
    assert [case.case_id for case in cohort.cases] == ["001", "1e5", "NA"]
    assert [case.patient_key for case in cohort.cases] == ["p1", "1e5", "p1"]
    assert cohort.root == first.root == tmp_path.resolve()
    assert first.images == {
        (PRE, T2): cohort.root / "a/t2.nii.gz",
        (POST, DWI): cohort.root / "b/dwi",
    }
    assert first.masks == {
        RegionKey(PRE, T2, Roi.TUMOUR): cohort.root / "a/tumour.nii.gz",
        RegionKey(POST, ADC, Roi.BED): cohort.root / "b/bed.nii.gz",
        RegionKey(POST, T2, Roi.NORMAL_WALL): cohort.root / "b/wall.nii.gz",
    }
    assert first.clinical == {"age_years": "63.5", "pre_date": "2024-02-29", "x_note": "-1"}
    assert second.clinical["age_years"] == "NA"
    assert list(third.images) == [(POST, DWI)]
    assert cohort.notes == ()


def test_every_sequence_and_outline_has_its_column() -> None:
    assert len(IMAGES) == 6
    assert len(MASKS) == 2 * 4 * len(Roi)
    assert MASKS["post_bed"] == MASKS["post_t2_bed"] == RegionKey(POST, T2, Roi.BED)
    assert not {*IMAGES, *MASKS} & set(CLINICAL)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_byte_order_mark_line_ends_and_quotes_are_welcome(
    tmp_path: Path, end: str, start: bytes
) -> None:
    text = end.join(['case_id,"pre_t2"', '"a","my, folder/""t2"".nii"', "", ",", ""])
    cohort = load_cohort(table(tmp_path, start + text.encode()))
    assert cohort.cases[0].images[(PRE, T2)] == cohort.root / 'my, folder/"t2".nii'
    assert len(cohort.cases) == 1


@pytest.mark.parametrize("text", ["", "\n\n", "case_id,pre_t2\n", "case_id,pre_t2\n,\n"])
def test_an_empty_table_has_no_cases(tmp_path: Path, text: str) -> None:
    with pytest.raises(CohortError) as caught:
        load_cohort(table(tmp_path, text))
    assert caught.value.code == "NO_CASES"
    assert int(caught.value.exit_code) == 5


@pytest.mark.parametrize(
    "case_id",
    [
        "../../etc/x",
        "/abs",
        "C:\\x",
        "~root",
        "a b",
        ".hidden",
        "-rf",
        "a/b",
        "a" * 65,
        "ä",
        "a\u202eb",
        "=1+1",
        "<script>",
        " a",
        "a\n",
    ],
)
def test_case_ids_that_could_not_name_a_folder_are_refused(tmp_path: Path, case_id: str) -> None:
    error = refusal(tmp_path, f'case_id,pre_t2\nok,x.nii\n"{case_id}",x.nii\n')
    assert error.code == "CASE_ID"
    assert "line 3" in error.found
    assert [path.name for path in tmp_path.iterdir()] == ["cohort.csv"]


@pytest.mark.parametrize("second", ["a-1", "A-1"])
def test_case_ids_that_collide_are_refused_with_both_lines(tmp_path: Path, second: str) -> None:
    error = refusal(tmp_path, f"case_id,pre_t2\na-1,x\nb,x\n{second},x\n")
    assert error.code == "CASE_DUPLICATE"
    assert "lines 2 and 4" in error.found


def test_patient_ids_that_may_be_one_person_are_refused(tmp_path: Path) -> None:
    composed, split = "José", unicodedata.normalize("NFD", "josé")
    assert composed != split
    text = f"case_id,patient_id,pre_t2\na,{composed},x\nb,{composed},x\nc,{split},x\n"
    error = refusal(tmp_path, text)
    assert error.code == "PATIENT_DUPLICATE"
    assert "lines 2 and 4" in error.found


@pytest.mark.parametrize("cell", ["../secret.nii", "a/../../secret.nii", "/etc/passwd", "link/x"])
def test_paths_that_leave_the_data_root_are_refused(tmp_path: Path, cell: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(tmp_path)
    error = refusal(root, f"case_id,pre_t2\na,{cell}\n")
    assert error.code == "PATH_OUTSIDE_ROOT"
    assert "line 2, column 'pre_t2'" in error.found


def test_links_inside_the_root_and_loops_are_no_fault_of_the_table(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "inside").symlink_to(tmp_path / "real")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    missing = "x/" * 3000 + "t2.nii"
    text = f"case_id,pre_t2,post_t2\na,inside/t2.nii,loop\nb,{missing},{tmp_path}/real/t2.nii\n"
    cohort = load_cohort(table(tmp_path, text))
    assert cohort.cases[0].images[(PRE, T2)] == cohort.root / "inside/t2.nii"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pre_t2\nx\n", "no column 'case_id'"),
        ("Case ID,pre_t2\na,x\n", "did you mean 'Case ID'"),
        ("case_id,pre_t2,age_yeers\na,x,3\n", "line 1, column 3: unknown column 'age_yeers' (did"),
        ("case_id,pre_t2,pre_tumor\na,x,y\n", "(did you mean 'pre_tumour'?)"),
        ("case_id,pre_t2,outcome\na,x,residual\n", "unknown column 'outcome'"),
        ("case_id,age_years\na,3\n", "no image column"),
        ("case_id,pre_t2,pre_t2\na,x,y\n", "columns 2 and 3 are both called 'pre_t2'"),
        ("case_id,pre_t2,pre_bed,pre_t2_bed\na,x,y,z\n", "'pre_bed' and 'pre_t2_bed' mean the"),
        ("case_id,pre_t2,\na,x,\n", "column 3 has no name"),
        ("case_id;pre_t2\na;x\n", "separated by semicolons"),
        ("case_id\tpre_t2\na\tx\n", "separated by tabs"),
        ("case_id,pre_t2,age_years\na,x,3\nb,x\n", "line 3: 2 cells, nothing from column 'age_"),
        ("case_id,pre_t2,age_years\na,x,63,5\n", "line 2: 4 cells, cell 4 has no column"),
        ('case_id,pre_t2,age_years\na,x,"63,5"\n', "line 2, column 'age_years': '63,5'"),
        ("case_id,pre_t2,age_years\na,x,old\n", "line 2, column 'age_years': 'old'"),
        ("case_id,pre_t2,pre_date\na,x,29/02/2024\n", "line 2, column 'pre_date'"),
        ('case_id,pre_t2\na,"x\n', "line 2: unexpected end of data"),
        ('case_id,pre_t2\na,"x"y\n', "line 2: "),
        ('case_id,pre_t2\n"a","x\ny"\nb,"x"y\n', "line 4: "),
        (b"case_id,pre_t2\na,x\0y\n", "line 2, byte 4: a NUL byte"),
        (b"case_id,pre_t2\na,x\nb,caf\xe9\n", "line 3, byte 6: not UTF-8 (byte 0xe9)"),
        ("case_id,pre_t2\na,x\n".encode("utf-16"), "UTF-16"),
    ],
)
def test_faults_of_the_table_are_named_with_their_place(
    tmp_path: Path, text: str | bytes, said: str
) -> None:
    error = refusal(tmp_path, text)
    assert error.code == "CSV_FORMAT"
    assert said in error.found
    assert error.file == str(tmp_path / "cohort.csv")


def test_a_decimal_comma_comes_with_advice(tmp_path: Path) -> None:
    quoted = refusal(tmp_path, 'case_id,pre_t2,cea_pre_ng_per_ml\na,x,"4,5"\n')
    loose = refusal(tmp_path, "case_id,pre_t2,cea_pre_ng_per_ml\na,x,4,5\n")
    assert "decimals with a point" in quoted.action
    assert "decimals with a point" in loose.action


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("age_years", "300"),
        ("age_years", "-1"),
        ("cea_pre_ng_per_ml", "-0.1"),
        ("post_date", (date.today() + timedelta(days=1)).isoformat()),
        ("pre_date", "1900-01-01"),
        ("pre_date", "2023-02-29"),
        ("mrTRG", "6"),
        ("reference", "cured"),
        ("cT", "5"),
        ("sex", "x"),
        ("months_followup", "999"),
    ],
)
def test_impossible_values_are_refused_with_the_range(
    tmp_path: Path, column: str, cell: str
) -> None:
    error = refusal(tmp_path, f"case_id,pre_t2,{column}\na,x,\nb,x,{cell}\n")
    assert error.code == "CLINICAL_RANGE"
    assert f"line 3, column '{column}'" in error.found
    assert error.expected


@pytest.mark.parametrize("name", sorted(CLINICAL))
def test_every_clinical_column_takes_an_empty_cell_and_its_own_values(name: str) -> None:
    column = CLINICAL[name]
    assert column.fault("") is None
    assert column.fault("NA") is None
    assert column.axis in ("covariate", "reader", "reference")
    good = column.words or ("2024-01-31",) if column.is_date else column.words or ("1",)
    assert [column.fault(text) for text in good] == [None] * len(good)


def test_today_is_not_the_future(tmp_path: Path) -> None:
    text = f"case_id,pre_t2,post_date\na,x,{date.today().isoformat()}\n"
    assert load_cohort(table(tmp_path, text)).cases


def test_ids_that_look_like_a_person_are_warned_of_but_not_repeated(tmp_path: Path) -> None:
    ids = ["12345678", "s-2024-01-31", "Ada-Lovelace", "case-7", "31.12.1999", "CRC-0012345"]
    text = "case_id,pre_t2\n" + "".join(f"{i},x\n" for i in ids)
    notes = load_cohort(table(tmp_path, text)).notes
    assert {note.code for note in notes} == {"CASE_ID_LOOKS_LIKE_PHI"}
    assert {note.kind for note in notes} == {NoteKind.WARNING}
    said = [note.text for note in notes]
    assert "hospital number" in said[0]
    assert "line 2;" in said[0]
    assert "line 3, 6;" in said[1]
    assert "line 4;" in said[2]
    assert not any(i in " ".join(said) for i in ids)


def test_size_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refusal(tmp_path, f"case_id,pre_t2\na,{'x' * 9_000}\n").code == "CSV_TOO_LARGE"
    assert refusal(tmp_path, f"case_id,pre_t2\na,{'x' * 200_000}\n").code == "CSV_TOO_LARGE"
    rows = "".join(f"c{n},x\n" for n in range(text_table.MAX_ROWS + 1))
    assert refusal(tmp_path, f"case_id,pre_t2\n{rows}").code == "CSV_TOO_LARGE"
    monkeypatch.setattr(text_table, "MAX_BYTES", 2**20)
    assert refusal(tmp_path, "case_id,pre_t2\n" + "a,x\n" * 2**19).code == "CSV_TOO_LARGE"


def test_a_pipe_a_folder_a_device_and_nothing_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, code in (
        (tmp_path / "pipe", "NOT_A_FILE"),
        (tmp_path, "NOT_A_FILE"),
        (Path("/dev/zero"), "NOT_A_FILE"),
        (tmp_path / "none.csv", "MISSING_FILE"),
    ):
        with pytest.raises(PlanError) as caught:
            load_cohort(path)
        assert caught.value.code == code


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=200), head=st.booleans())
def test_any_bytes_are_read_or_refused_never_worse(tmp_path: Path, data: bytes, head: bool) -> None:
    path = table(tmp_path, (b"case_id,pre_t2,age_years\n" if head else b"") + data)
    try:
        cohort = load_cohort(path)
    except (PlanError, CohortError):
        return
    assert cohort.cases
    assert all(case.root == tmp_path.resolve() for case in cohort.cases)


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return path


def test_a_case_folder_is_found_by_its_layout(tmp_path: Path) -> None:
    case = tmp_path / "case-1"
    touch(case / "pre" / "t2.nii.gz")
    touch(case / "pre" / "dwi.nii")
    touch(case / "pre" / "dwi.bval")
    touch(case / "pre" / "tumour.nii.gz")
    touch(case / "pre" / "other_scan.nii.gz")
    touch(case / "post" / "t2" / "0001.dcm")
    touch(case / "post" / "adc_bed.nii")
    touch(case / "notes.txt")
    files = find_case(case)
    assert files.case_id == files.patient_key == "case-1"
    assert files.root == case.resolve()
    assert files.images == {
        (PRE, T2): files.root / "pre/t2.nii.gz",
        (PRE, DWI): files.root / "pre/dwi.nii",
        (POST, T2): files.root / "post/t2",
    }
    assert files.masks == {
        RegionKey(PRE, T2, Roi.TUMOUR): files.root / "pre/tumour.nii.gz",
        RegionKey(POST, ADC, Roi.BED): files.root / "post/adc_bed.nii",
    }


def test_an_empty_case_folder_is_refused_with_the_expected_layout(tmp_path: Path) -> None:
    (tmp_path / "case-1" / "pre").mkdir(parents=True)
    with pytest.raises(InputError, match=r"pre/tumour\.nii\.gz") as caught:
        find_case(tmp_path / "case-1")
    assert caught.value.code == "MISSING_INPUT"
    with pytest.raises(PlanError) as missing:
        find_case(tmp_path / "case-2")
    assert missing.value.code == "MISSING_FILE"


def test_two_files_for_one_thing_are_refused(tmp_path: Path) -> None:
    touch(tmp_path / "c" / "pre" / "t2.nii.gz")
    touch(tmp_path / "c" / "pre" / "t2.nii")
    with pytest.raises(InputError) as caught:
        find_case(tmp_path / "c")
    assert caught.value.code == "AMBIGUOUS_INPUT"
    touch(tmp_path / "d" / "pre" / "t2.nii.gz")
    touch(tmp_path / "d" / "pre" / "tumour.nii.gz")
    touch(tmp_path / "d" / "pre" / "t2_tumour.nii.gz")
    with pytest.raises(InputError) as caught:
        find_case(tmp_path / "d")
    assert caught.value.code == "AMBIGUOUS_INPUT"


@pytest.mark.parametrize(("name", "meant"), [("tumor", "tumour"), ("T2", "t2"), ("Bed", "bed")])
def test_a_misspelt_name_is_not_passed_over_in_silence(
    tmp_path: Path, name: str, meant: str
) -> None:
    touch(tmp_path / "c" / "pre" / "t2.nii.gz")
    touch(tmp_path / "c" / "post" / f"{name}.nii.gz")
    with pytest.raises(InputError, match=f"did you mean '{meant}'") as caught:
        find_case(tmp_path / "c")
    assert caught.value.code == "UNKNOWN_NAME"


def test_a_case_folder_holds_its_own_files(tmp_path: Path) -> None:
    outside = touch(tmp_path / "other" / "t2.nii.gz")
    (tmp_path / "c" / "pre").mkdir(parents=True)
    (tmp_path / "c" / "pre" / "t2.nii.gz").symlink_to(outside)
    with pytest.raises(PlanError) as caught:
        find_case(tmp_path / "c")
    assert caught.value.code == "PATH_OUTSIDE_ROOT"
    touch(tmp_path / "a b" / "pre" / "t2.nii.gz")
    with pytest.raises(PlanError) as caught:
        find_case(tmp_path / "a b")
    assert caught.value.code == "CASE_ID"


def test_a_data_root_of_its_own_holds_the_paths_of_a_table_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "table").mkdir()
    (tmp_path / "data").mkdir()
    table = tmp_path / "table/cohort.csv"
    table.write_text("case_id,pre_t2\na,one/t2.nii.gz\n")
    cohort = load_cohort(table, tmp_path / "data")
    assert cohort.root == (tmp_path / "data").resolve()
    assert cohort.cases[0].images[(PRE, T2)] == cohort.root / "one/t2.nii.gz"
    table.write_text("case_id,pre_t2\na,../table/t2.nii.gz\n")
    with pytest.raises(PlanError) as caught:
        load_cohort(table, tmp_path / "data")
    assert caught.value.code == "PATH_OUTSIDE_ROOT"


def test_links_of_a_case_folder_may_lead_into_the_data_root(tmp_path: Path) -> None:
    case = tmp_path / "cases/p1/pre"
    case.mkdir(parents=True)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/t2.nii.gz").write_bytes(b"")
    (case / "t2.nii.gz").symlink_to(tmp_path / "data/t2.nii.gz")
    with pytest.raises(PlanError) as caught:
        find_case(case.parent)
    assert caught.value.code == "PATH_OUTSIDE_ROOT"
    files = find_case(case.parent, tmp_path / "data")
    assert (files.case_id, files.root) == ("p1", (tmp_path / "data").resolve())


@pytest.mark.parametrize(
    ("cell", "path", "choice"),
    [
        ("a/seg.dcm#3", "a/seg.dcm", "3"),
        ("a/rs.dcm#GTV node", "a/rs.dcm", "GTV node"),
        ("a/rs.dcm # /^GTV#1/", "a/rs.dcm", "/^GTV#1/"),
        ("p.nii.gz#>=0.5", "p.nii.gz", ">=0.5"),
        ("seg.dcm#tumour>=0.5", "seg.dcm", "tumour>=0.5"),
        ("m.nii.gz#1+2", "m.nii.gz", "1+2"),
        ("m.nii.gz", "m.nii.gz", None),
    ],
)
def test_a_mask_cell_names_one_outline_of_a_file(tmp_path, cell, path, choice) -> None:
    (case,) = load_cohort(table(tmp_path, f'case_id,pre_t2,pre_tumour\na,t2,"{cell}"\n')).cases
    key = RegionKey(PRE, T2, Roi.TUMOUR)
    assert case.masks == {key: case.root / path}
    assert case.choices == ({key: choice} if choice else {})


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("m.nii#", "MASK_CHOICE"),
        ("m.nii#/(/", "MASK_CHOICE"),
        ("m.nii#1>=2", "MASK_CHOICE"),
        ("#3", "CSV_FORMAT"),
        ("none", "CSV_FORMAT"),
        ("N/A", "CSV_FORMAT"),
        ("NA", "CSV_FORMAT"),
        ("Empty", "CSV_FORMAT"),
        ("empty", "CSV_FORMAT"),
        ("here#2.nii", "CSV_FORMAT"),
    ],
)
def test_an_unclear_mask_cell_is_refused_at_its_place(tmp_path, cell, code) -> None:
    (tmp_path / "here#2.nii").touch()
    error = refusal(tmp_path, f"case_id,pre_t2,pre_tumour\na,t2,{cell}\n")
    assert error.code == code
    assert "line 2, column 'pre_tumour'" in error.found


def test_no_visible_residual_is_a_state_the_table_says(tmp_path) -> None:
    text = "case_id,post_t2,post_residual,post_adc_residual\na,t2,empty,empty\nb,t2,,m.nii\n"
    said, drawn = load_cohort(table(tmp_path, text)).cases
    residuals = {RegionKey(POST, T2, Roi.RESIDUAL), RegionKey(POST, ADC, Roi.RESIDUAL)}
    assert said.empty == residuals
    assert said.masks == {}
    assert (drawn.empty, set(drawn.masks)) == (set(), {RegionKey(POST, ADC, Roi.RESIDUAL)})
    for column in ("post_tumour", "pre_residual"):
        error = refusal(tmp_path, f"case_id,post_t2,{column}\na,t2,empty\n")
        assert "only bed and residual after treatment" in error.expected
    (no_bed,) = load_cohort(table(tmp_path, "case_id,post_t2,post_bed\na,t2,empty\n")).cases
    assert no_bed.empty == {RegionKey(POST, T2, Roi.BED)}


def test_a_hash_is_part_of_an_image_path(tmp_path) -> None:
    (case,) = load_cohort(table(tmp_path, "case_id,pre_t2\na,t#2.nii\n")).cases
    assert case.images[PRE, T2].name == "t#2.nii"
