"""The rows of the fault catalogue on tables, paths and identifiers (C), through `radresp check`.

Each row builds its fault beside a sound case and shows code, severity, words and exit code. A fault
that would stop every other command (RR in the catalogue) ends with 2, and the other cases are
checked all the same.
"""

from __future__ import annotations

import csv
import os
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from builders_cohort import check, make_images, told
from commands import radresp, tree

HEAD = "case_id,pre_t2\n"
SOUND = "ok,good.nii\n"


class Row(NamedTuple):
    """A fault of a table: code, exit code, the table, words of the finding."""

    code: str
    exit: int
    table: str | bytes
    words: str = ""
    severity: str = "refused"
    more: tuple[str, ...] = ()
    files: dict[str, str] = {}  # noqa: RUF012


ACCENT = unicodedata.normalize("NFD", "José")
OUTCOMES = ("--outcomes", "outcomes.csv")
DUPLICATE = "case_id,patient_id,pre_t2\nok,p,good.nii\nb,q,same.nii\n"

ROWS = {
    "C01 parent": Row("CASE_ID", 2, f"{HEAD}{SOUND}../../etc/x,good.nii\n", "'../../etc/x'"),
    "C01 absolute": Row("CASE_ID", 2, f"{HEAD}{SOUND}/etc/x,good.nii\n", "line 3"),
    "C01 drive": Row("CASE_ID", 2, f"{HEAD}{SOUND}C:\\x,good.nii\n", "line 3"),
    "C01 home": Row("CASE_ID", 2, f"{HEAD}{SOUND}~root,good.nii\n", "line 3"),
    "C02 parent": Row("PATH_OUTSIDE_ROOT", 2, f"{HEAD}{SOUND}b,../x.nii\n", "leads to"),
    "C02 link": Row("PATH_OUTSIDE_ROOT", 2, f"{HEAD}{SOUND}b,outside/x.nii\n", "line 3, column"),
    "C05": Row("CASE_DUPLICATE", 2, f"{HEAD}{SOUND}b,good2.nii\nok,good2.nii\n", "lines 2 and 4"),
    "C05 Unicode": Row(
        "PATIENT_DUPLICATE",
        2,
        f"case_id,patient_id,pre_t2\nok,José,good.nii\nb,{ACCENT},good2.nii\n",
        "lines 2 and 3",
    ),
    "C07 scoring": Row(
        "PATIENT_DUPLICATE", 0, DUPLICATE, "the same image as in case ok", "warning"
    ),
    "C07 training": Row(
        "PATIENT_DUPLICATE",
        2,
        DUPLICATE,
        "the same image",
        more=OUTCOMES,
        files={"outcomes.csv": "case_id,outcome\nok,residual\nb,residual\n"},
    ),
    "C08": Row("MISSING_INPUT", 4, f"{HEAD}{SOUND}b,\n", "no pre t2 image"),
    "C08 file": Row("MISSING_FILE", 4, f"{HEAD}{SOUND}b,absent.nii\n", "no such file"),
    "C09 missing column": Row("CSV_FORMAT", 2, "case,pre_t2\nok,good.nii\n", "no column 'case_id'"),
    "C09 unknown column": Row(
        "CSV_FORMAT", 2, "case_id,pre_t2,age_yers\nok,good.nii,3\n", "did you mean 'age_years'"
    ),
    "C09 double column": Row("CSV_FORMAT", 2, "case_id,pre_t2,pre_t2\nok,a,b\n", "columns 2 and 3"),
    "C09 semicolon": Row("CSV_FORMAT", 2, "case_id;pre_t2\nok;good.nii\n", "semicolons"),
    "C09 decimal comma": Row(
        "CSV_FORMAT", 2, 'case_id,pre_t2,age_years\nok,good.nii,"63,5"\n', "'63,5'"
    ),
    "C09 NUL": Row("CSV_FORMAT", 2, b"case_id,pre_t2\nok,good\0.nii\n", "a NUL byte"),
    "C09 long row": Row("CSV_FORMAT", 2, f"{HEAD}ok,good.nii,3\n", "cell 3 has no column"),
    "C09 short row": Row("CSV_FORMAT", 2, f"{HEAD}{SOUND}b\n", "nothing from column 'pre_t2' on"),
    "C10": Row("NO_CASES", 5, HEAD, "no rows"),
    "C11": Row(
        "LABEL_UNKNOWN",
        2,
        HEAD + SOUND,
        "'ccr'",
        more=OUTCOMES,
        files={"outcomes.csv": "case_id,outcome\nok,ccr\n"},
    ),
    "C11 blank": Row(
        "LABEL_SPELLING",
        0,
        HEAD + SOUND,
        "",
        "fix",
        more=OUTCOMES,
        files={"outcomes.csv": "case_id,outcome\nok,Residual \n"},
    ),
    "C12": Row(
        "UNLABELLED",
        0,
        f"{HEAD}{SOUND}b,good2.nii\n",
        "",
        "info",
        more=OUTCOMES,
        files={"outcomes.csv": "case_id,outcome\nok,residual\nb,\n"},
    ),
    "C13": Row(
        "LABEL_CONFLICT",
        2,
        "case_id,patient_id,pre_t2\nok,p,good.nii\nb,p,good2.nii\n",
        "that of case ok of the same patient",
        more=OUTCOMES,
        files={"outcomes.csv": "case_id,outcome\nok,residual\nb,complete\n"},
    ),
    "C13 reference": Row(
        "LABEL_CONFLICT",
        2,
        "case_id,pre_t2,reference,months_to_regrowth\nok,good.nii,regrowth,9\n",
        "the outcome is complete, the cohort table's reference regrowth",
        more=OUTCOMES,
        files={"outcomes.csv": "case_id,outcome\nok,complete\n"},
    ),
    "C14 unknown": Row(
        "CSV_FORMAT", 2, "case_id,pre_t2,age_years\nok,good.nii,unknown\n", "'unknown'"
    ),
    "C14 999": Row("CLINICAL_RANGE", 2, "case_id,pre_t2,age_years\nok,good.nii,999\n", "'999'"),
    "C15 age": Row("CLINICAL_RANGE", 2, "case_id,pre_t2,age_years\nok,good.nii,300\n", "'300'"),
    "C15 CEA": Row(
        "CLINICAL_RANGE", 2, "case_id,pre_t2,cea_pre_ng_per_ml\nok,good.nii,-1\n", "column 'cea_pre"
    ),
    "C15 future": Row(
        "CLINICAL_RANGE", 2, "case_id,pre_t2,pre_date\nok,good.nii,2999-01-01\n", "'2999-01-01'"
    ),
    "C17": Row("PATH_TOO_LONG", 4, f"{HEAD}{SOUND}b,{'x' * 300}.nii\n", "longer than"),
    "C18": Row("CASE_DUPLICATE", 2, f"{HEAD}{SOUND}OK,good2.nii\n", "'ok' and 'OK'"),
    "C19": Row("CSV_TOO_LARGE", 2, f"{HEAD}ok,{'x' * 9000}\n", "more than 8192 characters"),
    "C21 pipe": Row("NOT_A_FILE", 4, f"{HEAD}{SOUND}b,pipe\n", "a pipe"),
    "C22": Row("NOT_A_FILE", 4, f"{HEAD}{SOUND}b,loop\n", "a loop of symbolic links"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    home = make_images(tmp_path / "data", "good.nii", "good2.nii")
    (home / "same.nii").write_bytes((home / "good.nii").read_bytes())
    (home / "outside").symlink_to(tmp_path)
    (home / "loop").symlink_to(home / "loop")
    os.mkfifo(home / "pipe")
    return home


@pytest.mark.parametrize("name", ROWS)
def test_each_row_of_the_catalogue(folder: Path, name: str) -> None:
    row = ROWS[name]
    for file, text in row.files.items():
        (folder / file).write_text(text)
    before = sorted(path.name for path in folder.iterdir())
    more = [folder / word if word.endswith(".csv") else word for word in row.more]
    shown = check(folder, row.table, *more)
    found = [f for f in told(shown) if (f["code"], f["severity"]) == (row.code, row.severity)]
    assert found, told(shown)
    assert shown.code == row.exit
    assert row.words in found[0]["found"]
    if row.severity == "refused":
        assert found[0]["expected"] or found[0]["action"]
    assert sorted({*before, "cohort.csv"}) == sorted(path.name for path in folder.iterdir())


def test_c21_a_device_is_refused_at_once(folder: Path) -> None:
    shown = check(folder, f"{HEAD}a,dev/zero\n", "--root", "/")
    assert (shown.code, told(shown)[0]["code"]) == (5, "NOT_A_FILE")


def test_every_fault_of_a_table_is_told_at_once_and_the_rest_is_checked(folder: Path) -> None:
    text = "case_id,pre_t2,age_years\na b,good.nii,3\nc,../x,300\nd,absent.nii,\nok,good.nii,\n"
    shown = check(folder, text)
    refused = [(f["case_id"], f["code"]) for f in told(shown) if f["severity"] == "refused"]
    assert shown.code == 2
    assert refused == [
        ("", "CASE_ID"),
        ("c", "PATH_OUTSIDE_ROOT"),
        ("c", "CLINICAL_RANGE"),
        ("d", "MISSING_FILE"),
    ]


def test_c03_a_link_is_never_written_through(folder: Path, tmp_path: Path) -> None:
    target = (folder / "good.nii").read_bytes()
    (folder / "findings.csv").symlink_to(folder / "good.nii")
    (tmp_path / "out").symlink_to(folder)
    shown = check(folder, HEAD + SOUND, "--csv", folder / "findings.csv")
    assert (shown.code, shown.json["error"]["code"]) == (6, "OUT_SYMLINK")
    shown = radresp("extract", folder / "cohort.csv", "-o", tmp_path / "out", "--json")
    assert (shown.code, shown.json["error"]["code"]) in ((6, "OUT_SYMLINK"), (2, "OUTPUT_IS_INPUT"))
    assert (folder / "good.nii").read_bytes() == target


def test_c04_results_never_replace_what_they_are_about(folder: Path) -> None:
    shown = check(folder, HEAD + SOUND, "--csv", folder / "cohort.csv")
    assert (shown.code, shown.json["error"]["code"]) == (2, "OUTPUT_IS_INPUT")
    shown = radresp("extract", folder / "cohort.csv", "-o", folder, "--json")
    assert (shown.code, shown.json["error"]["code"]) == (2, "OUTPUT_IS_INPUT")
    assert (folder / "cohort.csv").read_text() == HEAD + SOUND


def test_c06_ids_are_text_and_stay_what_they_are(folder: Path) -> None:
    shown = check(folder, f"{HEAD}001,good.nii\n1e5,good2.nii\nNA,\n")
    assert (shown.code, shown.json["refused"]) == (4, ["NA"])
    names = {f["case_id"] for f in told(shown)} - {""}
    assert names <= {"001", "1e5", "NA"}


def test_c09_a_byte_order_mark_is_welcome(folder: Path) -> None:
    assert check(folder, f"\ufeff{HEAD}{SOUND}".encode()).code == 0


CELLS: dict[str, Callable[[str], bool]] = {
    "=cmd.nii": lambda cell: cell == "'=cmd.nii",
    "+1.nii": lambda cell: cell == "'+1.nii",
    "@x.nii": lambda cell: cell == "'@x.nii",
    "plain.nii": lambda cell: cell == "plain.nii",
}


def test_c16_no_cell_of_the_findings_starts_a_formula(folder: Path, tmp_path: Path) -> None:
    rows = "".join(f"c{n},{name}\n" for n, name in enumerate(CELLS))
    table = tmp_path / "findings.csv"
    shown = check(folder, HEAD + rows, "--csv", table)
    assert shown.code == 5
    with table.open(newline="") as file:
        cells = [row["file"] for row in csv.DictReader(file)]
    assert {f["file"] for f in told(shown)} == set(CELLS)
    assert all(any(fits(cell) for fits in CELLS.values()) for cell in cells)


def test_c17_names_in_any_script_with_blanks_and_quotes_work(folder: Path) -> None:
    names = ["größe é.nii", "名前.nii", 'a b\'s "q".nii', "line\nbreak.nii", "x" * 251 + ".nii"]
    make_images(folder, *names)
    quoted = [f'"{name.replace(chr(34), chr(34) * 2)}"' for name in names]
    table = HEAD + "".join(f"c{n},{name}\n" for n, name in enumerate(quoted))
    assert check(folder, table).code == 0


def test_c20_nothing_is_written_beside_the_inputs(folder: Path, tmp_path: Path) -> None:
    (folder / "pipe").unlink()
    (folder / "loop").unlink()
    (folder / "outside").unlink()
    check(folder, HEAD + SOUND)
    before = tree(folder)
    assert check(folder, None, "--csv", tmp_path / "findings.csv").code == 0
    radresp("index", folder, "-o", tmp_path / "x/cohort.csv", "--json")
    radresp("series", folder, "--json")
    assert tree(folder) == before


def test_two_images_in_one_role_of_a_visit_are_refused(folder: Path) -> None:
    shown = check(folder, "case_id,pre_t2,pre_adc\nok,good.nii,same.nii\nb,good2.nii,\n")
    found = [f for f in told(shown) if f["code"] == "ROLE_MISMATCH"]
    assert (shown.code, found[0]["case_id"]) == (4, "ok")
    assert "the same images" in found[0]["found"]


def test_outcomes_of_other_cases_are_told(folder: Path) -> None:
    (folder / "outcomes.csv").write_text("case_id,outcome\nok,residual\nx,residual\n")
    shown = check(folder, f"{HEAD}{SOUND}b,good2.nii\n", "--outcomes", folder / "outcomes.csv")
    codes = {f["code"]: f["severity"] for f in told(shown)}
    assert (codes["OUTCOME_UNKNOWN_CASE"], codes["UNLABELLED"]) == ("warning", "info")
    assert shown.code == 0
    (folder / "outcomes.csv").write_text("case_id,outcome\nx,residual\n")
    shown = check(folder, None, "--outcomes", folder / "outcomes.csv")
    assert shown.code == 2


def test_the_table_of_findings_is_for_people_too(folder: Path, tmp_path: Path) -> None:
    (folder / "cohort.csv").write_text(f"{HEAD}{SOUND}b,absent.nii\n")
    shown = radresp("check", folder / "cohort.csv", "--plan", folder / "plan.yaml")
    assert shown.code == 4
    assert "MISSING_FILE" in shown.out
    assert "2 cases checked, 1 would be refused (1 refused" in shown.out
