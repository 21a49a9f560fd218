"""`radresp index`: which visits and series are found, which are left out, and why."""

from __future__ import annotations

import csv
import json
from datetime import timedelta
from pathlib import Path

import builders_dicom as make
import numpy as np
import pytest
from builders_masks import save_nifti
from builders_study import FIRST, PLAIN, series, write_patient, write_study
from commands import Shown, radresp

from radresp.core import Grid
from radresp.errors import InputError
from radresp.io import load_cohort
from radresp.io.survey_walk import walk


def index(root: Path, *more: str | Path, table: Path | None = None) -> Shown:
    table = table or root.parent / "cohort.csv"
    return radresp("index", root, "-o", table, "--json", "--progress", "none", *more)


def only(shown: Shown) -> dict[str, str]:
    (row,) = shown.json["rows"]
    return row


def log(root: Path) -> list[dict[str, str]]:
    with (root.parent / "index_log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "data"


def test_a_plain_patient_becomes_a_row_that_can_be_read(root: Path) -> None:
    write_patient(root / "p1")
    shown = index(root)
    row = only(shown)
    assert (shown.code, row["x_index"], row["x_weeks_between"]) == (0, "ok", "12")
    assert (row["pre_t2"], row["post_adc"]) == ("data/p1/v1/s1", "data/p1/v2/s3")
    assert row["pre_t2_series"] == ""
    cohort = load_cohort(root.parent / "cohort.csv")
    assert [len(case.images) for case in cohort.cases] == [6]
    assert cohort.notes == ()
    assert {(e["visit"], e["taken_as"]) for e in log(root)} == {
        (visit, role) for visit in ("pre", "post") for role in ("t2", "dwi", "adc")
    }


def test_names_are_pseudonyms_that_stay_and_depend_on_the_key(root: Path) -> None:
    write_patient(root / "p1")
    first = only(index(root))["case_id"]
    assert first.startswith("rr-")
    assert len(first) == 19
    assert only(index(root))["case_id"] == first
    other = index(root, "--work-dir", root.parent / "w", table=root.parent / "b.csv")
    assert only(other)["case_id"] != first
    key = root.parent / ".radresp/pseudonym.key"
    assert key.stat().st_mode & 0o077 == 0
    assert (root.parent / ".radresp/index_cache.json").stat().st_mode & 0o077 == 0
    key.write_text("damaged")
    refused = index(root)
    assert (refused.code, refused.json["error"]["code"]) == (2, "KEY_FILE")


def test_a_flat_study_is_chosen_by_number_and_read(root: Path) -> None:
    write_study(root / "a", "1", 0, flat=True)
    write_study(root / "b", "1", 90, flat=True)
    row = only(index(root))
    assert (row["post_dwi"], row["post_dwi_series"]) == ("data/b", "2/3")
    shown = radresp("check", root.parent / "cohort.csv", "--json")
    codes = {f["code"] for f in shown.json["findings"] if f["severity"] == "refused"}
    assert codes <= {"MISSING_INPUT"}, codes


SAGITTAL = make.setting(ImageOrientationPatient=[0, 1, 0, 0, 0, -1])
FINE = make.setting(PixelSpacing=[0.6, 0.6])


def sagittal(datasets: list) -> list:
    for place, dataset in enumerate(SAGITTAL(datasets)):
        dataset.ImagePositionPatient = [3.0 * place, 0, 0]
    return datasets


def without_b(datasets: list) -> list:
    for dataset in datasets:
        dataset.remove_private_tags()
    return datasets


LEFT_OUT = {
    "sagittal": ("t2", sagittal, "t2.tilt_degrees", "tilt_degrees is 90, at most 45 expected"),
    "stir": ("t2", make.setting(ScanningSequence=["SE", "IR"]), "t2.scanning_sequence", "SE IR"),
    "coarse": ("t2", make.setting(PixelSpacing=[2.0, 2.0]), "t2.in_plane_mm", "2, at most 1.5"),
    "short": ("t2", lambda d: d[:6], "t2.slices", "slices is 6, at least 10 expected"),
    "gap": ("t2", lambda d: d[:4] + d[5:], "t2.problem", "problem is DCM_GAP"),
    "t1": ("t2", make.setting(EchoTime=10), "kind", "kind is other"),
    "fat": ("t2", make.setting(SeriesDescription="T2 SPAIR"), "t2.words", "fat_saturated"),
    "one b": ("dwi", lambda d: d[:12], "dwi.b_count", "b_count is 1, at least 2"),
    "no b": ("dwi", without_b, "dwi.problem", "problem is DWI_BVALUE_MISSING"),
    "scout": ("t2", make.setting(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER", "M"]), "kind", ""),
    "text": ("t2", make.setting(BurnedInAnnotation="YES"), "t2.problem", "DCM_BURNED_IN"),
}


def test_the_rule_that_left_a_series_out_is_named(root: Path) -> None:
    write_patient(root / "p1")
    for number, (name, (kind, edit, _, _)) in enumerate(LEFT_OUT.items(), start=4):
        make.write_series(root / "p1/v1" / name, series(kind, "4711", 0, number, edit))
    row = only(index(root))
    assert (row["x_index"], row["pre_t2"]) == ("ok", "data/p1/v1/s1")
    told = {Path(entry["folder"]).name: entry for entry in log(root)}
    for name, (_, _, rule, words) in LEFT_OUT.items():
        assert (told[name]["rule"], told[name]["taken_as"]) == (rule, ""), name
        assert words in told[name]["reason"], name


def test_ties_are_broken_in_order_and_told(root: Path) -> None:
    kinds = (("t2", make.setting()), ("t2", FINE), ("t2", FINE), *PLAIN[1:])
    write_study(root / "v1", "1", 0, kinds)
    write_study(root / "v2", "1", 90)
    row = only(index(root))
    assert row["pre_t2"] == "data/v1/s3"
    reasons = {e["folder"]: (e["rule"], e["reason"]) for e in log(root)}
    rule, reason = reasons["v1/s1"]
    assert (rule, "0.6 is better" in reason) == ("t2.prefer.in_plane_mm", True)
    assert reasons["v1/s2"][0] == "t2.prefer.order"
    assert "best of 3" in reasons["v1/s3"][1]


def test_without_a_last_tie_break_a_person_chooses(root: Path, tmp_path: Path) -> None:
    write_study(root / "v1", "1", 0, (PLAIN[0], *PLAIN))
    write_study(root / "v2", "1", 90)
    rules = tmp_path / "rules.yaml"
    rules.write_text("t2:\n  prefer: [{attribute: in_plane_mm, order: lowest}]\n")
    shown = index(root, "--rules", rules)
    row = only(shown)
    assert (shown.code, row["pre_t2"], row["post_t2"]) == (5, "", "data/v2/s1")
    assert "pre_t2: 2 series are equally good: v1/s1, v1/s2" in row["x_index"]


def write_days(root: Path, *days: int, patient: str = "1") -> None:
    for day in days:
        write_study(root / f"d{day}", patient, day, PLAIN[:1])


VISITS = {
    (0, 84): ("d0", "d84"),
    (0, 40, 84): ("d0", "d84"),
    (0, 1, 85): ("d1", "d85"),
    (0,): "INDEX_ONE_STUDY",
    (0, 10): "INDEX_INTERVAL",
    (0, 800): "INDEX_INTERVAL",
    (0, 40, 84, 120): "INDEX_MANY_STUDIES",
}


def by_folder(root: Path) -> dict[str, set[str]]:
    """Rules and visits by patient folder; a case id tells nobody who it is."""
    found: dict[str, set[str]] = {}
    for entry in log(root):
        said = f"{entry['visit']} {entry['folder'].split('/')[1]}" if entry["visit"] else ""
        found.setdefault(entry["folder"].split("/")[0], set()).add(said or entry["rule"])
    return found


def test_visits_by_study_date_alone(root: Path) -> None:
    for place, days in enumerate(VISITS):
        write_days(root / f"p{place}", *days, patient=f"{place}")
    index(root)
    told = by_folder(root)
    for place, (days, expected) in enumerate(VISITS.items()):
        if isinstance(expected, str):
            assert told[f"p{place}"] == {expected}, days
        else:
            pre, post = expected
            assert {f"pre {pre}", f"post {post}"} <= told[f"p{place}"], days


TREATED = [
    (45, 100, ("d40", "d120"), ""),
    (None, 100, ("d0", "d120"), ""),
    (45, None, None, "INDEX_INTERVAL"),
    (45, 900, ("d40", None), "INDEX_VISIT_MISSING"),
]


def test_treatment_dates_decide(root: Path, tmp_path: Path) -> None:
    lines = ["patient_id,treatment_start,treatment_end"]
    for place, (start, end, _, _) in enumerate(TREATED):
        write_days(root / f"p{place}", 0, 40, 120, 800, patient=f"{place}")
        dates = ["" if d is None else str(FIRST + timedelta(days=d)) for d in (start, end)]
        lines.append(",".join([f"{place}", *dates]))
    table = tmp_path / "treatment.csv"
    table.write_text("\n".join(lines))
    rows = index(root, "--treatment", table).json["rows"]
    told = by_folder(root)
    for place, (_, _, pair, code) in enumerate(TREATED):
        seen = {word for word in told[f"p{place}"] if word.startswith("p")}
        wanted = zip(("pre", "post"), pair or (), strict=False)
        assert seen == {f"{visit} {day}" for visit, day in wanted if day}
        assert code in told[f"p{place}"] or not code
    assert sum(bool(row["post_t2"]) for row in rows) == 2


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("patient_id,treatment_start\n1,03/04/2024\n", "CSV_FORMAT", "line 2, column 'treatment_s"),
        ("patient_id,treatment_start,treatment_end\n1,2024-03-01,2024-02-01\n", "CLINICAL_RANGE",
         "ends before it starts"),
        ("patient_id,x\n1,1\n", "CSV_FORMAT", "no date column"),
        ("patient_id,treatment_start\n1,\n1,\n", "CASE_DUPLICATE", "lines 2 and 3"),
        ("who,treatment_start\n1,\n", "CSV_FORMAT", "no column 'case_id'"),
    ],
)  # fmt: skip
def test_a_faulty_treatment_table_stops_before_work(
    root: Path, tmp_path, text, code, words
) -> None:
    write_days(root, 0)
    table = tmp_path / "treatment.csv"
    table.write_text(text)
    shown = index(root, "--treatment", table)
    assert (shown.code, shown.json["error"]["code"]) == (2, code)
    assert words in shown.json["error"]["found"]
    assert not (root.parent / "cohort.csv").exists()


def test_one_id_with_two_birth_dates_is_for_a_person(root: Path) -> None:
    write_study(root / "a", "1", 0)
    kinds = [(kind, make.setting(PatientBirthDate="19990101")) for kind, _ in PLAIN]
    write_study(root / "b", "1", 90, kinds)
    assert only(index(root))["x_index"].startswith("INDEX_PATIENT")


def test_folders_can_say_who_a_series_is_of(root: Path) -> None:
    for name in ("p1", "p2"):
        write_patient(root / name, "ANONYMOUS")
    assert len(index(root).json["rows"]) == 1
    shown = index(root, "--patients", "folder", "--force")
    assert (shown.code, len(shown.json["rows"])) == (0, 2)
    assert {row["pre_t2"] for row in shown.json["rows"]} == {"data/p1/v1/s1", "data/p2/v1/s1"}


def test_a_copy_is_taken_once(root: Path) -> None:
    write_patient(root / "p1")
    for path in sorted((root / "p1/v1/s1").iterdir()):
        (root / "p1/w").mkdir(exist_ok=True)
        (root / "p1/w" / path.name).write_bytes(path.read_bytes())
    assert only(index(root))["pre_t2"] == "data/p1/v1/s1"
    (entry,) = [e for e in log(root) if e["folder"] == "p1/w"]
    assert (entry["rule"], entry["reason"]) == ("place", "a copy of the series in p1/v1/s1")


def test_a_series_in_parts_is_put_together(root: Path) -> None:
    write_patient(root / "p1")
    home = root / "p1/v1/s1"
    for number, path in enumerate(sorted(home.iterdir())):
        (home / f"part{number % 2}").mkdir(exist_ok=True)
        path.rename(home / f"part{number % 2}" / path.name)
    row = only(index(root))
    assert (row["pre_t2"], row["pre_t2_series"]) == ("data/p1/v1/s1", "")


def test_a_series_above_other_patients_cannot_be_named(root: Path) -> None:
    write_patient(root / "p1", "1")
    make.write_series(root, series("t2", "2", 0, 1))
    shown = index(root)
    assert sorted(row["x_index"][:14] for row in shown.json["rows"]) == ["INDEX_NO_STUDY", "ok"]
    (entry,) = [e for e in log(root) if e["folder"] == "."]
    assert "folders of other patients" in entry["reason"]


def test_damage_costs_its_own_folder(root: Path) -> None:
    write_patient(root / "p1")
    make.FAULTS["nested sequences"].write(root / "bad")
    (root / "note.doc").write_bytes(b"hello")
    shown = index(root)
    assert [row["x_index"] for row in shown.json["rows"]][-1:] == ["ok"] or shown.code == 4
    assert "DCM_NESTING" in {e["rule"] for e in log(root)}


def test_the_cache_remembers_folders_and_forgets_changed_ones(root: Path) -> None:
    write_patient(root / "p1")
    assert index(root).json["kept_folders"] == 0
    again = index(root)
    assert again.json["kept_folders"] == 6
    write_study(root / "p1/v1", "4711", 0, (("t2", FINE), *PLAIN[1:]))
    changed = index(root, "--force")
    assert 0 < changed.json["kept_folders"] < 6
    cache = root.parent / ".radresp/index_cache.json"
    for damage in (b"[]", cache.read_bytes()[:-9]):
        cache.write_bytes(damage)
        assert index(root).json["rows"] == changed.json["rows"]


def test_an_edited_table_is_not_replaced_unasked(root: Path) -> None:
    write_patient(root / "p1")
    index(root)
    table = root.parent / "cohort.csv"
    table.write_text(table.read_text().replace(",ok", ",checked"))
    shown = index(root)
    assert (shown.code, shown.json["error"]["code"]) == (6, "OUTPUT_EXISTS")
    assert "checked" in table.read_text()
    assert index(root, "--force").code == 0


def test_a_dry_run_writes_nothing_and_shows_every_series(root: Path) -> None:
    write_patient(root / "p1")
    shown = radresp("index", root, "--dry-run", "--progress", "none")
    assert shown.code == 0
    assert shown.out.count("p1/v1/") == 3
    assert sorted(p.name for p in root.parent.iterdir()) == ["data"]
    assert radresp("index", root).code == 2


def test_a_table_elsewhere_is_relative_to_the_data(root: Path, tmp_path: Path) -> None:
    write_patient(root / "p1")
    elsewhere = tmp_path / "x/y/cohort.csv"
    shown = index(root, table=elsewhere)
    assert (only(shown)["pre_t2"], shown.json["needs_root"]) == ("p1/v1/s1", True)
    assert load_cohort(elsewhere, root).cases[0].root == root.resolve()


def test_nothing_to_find_is_no_case(root: Path) -> None:
    root.mkdir()
    shown = index(root)
    assert (shown.code, shown.json["error"]["code"]) == (5, "NO_CASES")
    assert index(root / "absent").code == 2
    (root / "file").touch()
    with pytest.raises(InputError) as caught:
        walk(root / "file")
    assert caught.value.code == "NOT_A_FOLDER"


GRID = Grid((40, 36, 12), (3.0, 3.0, 4.0), (-60.0, -50.0, -20.0))


def test_case_folders_and_bids_subjects_are_rows_too(root: Path) -> None:
    values = np.random.default_rng(0).normal(300, 20, GRID.size[::-1]).astype(np.float32)
    for place in (
        "case-1/pre/t2.nii", "case-1/post/t2.nii", "case-1/pre/tumour.nii",
        "sub-01/ses-a/anat/sub-01_ses-a_T2w.nii", "sub-01/ses-b/anat/sub-01_ses-b_T2w.nii",
        "19510203/pre/t2.nii", "deep/er/case-1/pre/t2.nii",
    ):  # fmt: skip
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        save_nifti(root / place, values, GRID)
    shown = index(root, "--pre", "a", "--post", "b")
    rows = {row["case_id"]: row for row in shown.json["rows"]}
    assert shown.code == 4
    assert rows["case-1"]["x_index"] == rows["sub-01"]["x_index"] == "ok"
    assert rows["case-1"]["pre_tumour"] == "data/case-1/pre/tumour.nii"
    hidden = [name for name in rows if name.startswith("rr-")]
    assert len(hidden) == 2
    assert {rows[name]["x_index"] for name in hidden} == {"post_t2: no file"}
    load_cohort(root.parent / "cohort.csv")


def test_json_holds_the_files_content(root: Path) -> None:
    write_patient(root / "p1")
    shown = index(root)
    assert shown.json["log"] == log(root)
    record = json.loads((root.parent / ".radresp/run.json").read_text())
    assert [entry["path"] for entry in record["outputs"]]
