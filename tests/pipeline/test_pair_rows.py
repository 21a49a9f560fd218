"""The rows of the fault catalogue on two visits (D30, D31, D34), through `radresp check`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import builders_dicom as make
import pytest
from builders_cohort import told
from builders_study import series
from commands import Shown, radresp

PLAN = 'regions: ["pre.t2.tumour", "post.t2.bed"]\n'


def check(folder: Path, pre: dict[str, Any], post: dict[str, Any], cells: str = "") -> Shown:
    """A case of two T2 visits, each with attributes of its own, and a sound case beside it."""
    for name, days, values in (
        ("pre", 0, pre),
        ("post", 84, post),
        ("ok1", 0, {}),
        ("ok2", 84, {}),
    ):
        patient = "22" if name.startswith("ok") else "11"
        edit = make.setting(**values)
        make.write_series(folder / name, series("t2", patient, days, 1, edit))
    columns, _, mine = cells.partition("=")
    rows = [f"case_id,pre_t2,post_t2,{columns}", f"bad,pre,post,{mine}"]
    rows.append("sound,ok1,ok2," + "," * mine.count(","))
    table = "\n".join(row.rstrip(",") if not columns else row for row in rows)
    (folder / "cohort.csv").write_text(f"{table}\n")
    (folder / "plan.yaml").write_text(PLAN)
    shown = radresp(
        "check", folder / "cohort.csv", "--plan", folder / "plan.yaml", "--json",
        "--progress", "none",
    )  # fmt: skip
    assert "2024" not in shown.out
    return shown


def codes(shown: Shown) -> dict[str, str]:
    return {f["code"]: f["severity"] for f in told(shown) if f["case_id"] == "bad"}


@pytest.mark.parametrize(
    "other", [{"PatientID": "12"}, {"PatientSex": "M"}, {"PatientBirthDate": "19520203"}]
)
def test_d30_visits_of_two_patients(tmp_path: Path, other: dict[str, Any]) -> None:
    shown = check(tmp_path, {}, other)
    assert (shown.code, shown.json["refused"]) == (4, ["bad"])
    assert codes(shown)["PAIR_PATIENT_MISMATCH"] == "refused"


def test_d31_visits_in_the_wrong_order(tmp_path: Path) -> None:
    shown = check(tmp_path, {"AcquisitionDate": "20240601", "StudyDate": "20240601"}, {})
    assert (shown.code, codes(shown)["PAIR_ORDER"]) == (4, "refused")


def test_d31_dates_in_the_table_win(tmp_path: Path) -> None:
    shown = check(tmp_path, {}, {}, "pre_date,post_date=2023-05-01,2023-04-01")
    assert (shown.code, codes(shown)["PAIR_ORDER"]) == (4, "refused")
    (found,) = [f for f in told(shown) if f["code"] == "PAIR_ORDER"]
    assert found["found"] == "the post visit lies 30 days before the pre visit"


def test_visits_too_close_are_warned_of(tmp_path: Path) -> None:
    near = {"AcquisitionDate": "20240105", "StudyDate": "20240105"}
    shown = check(tmp_path, {}, near)
    assert (shown.code, codes(shown)["PAIR_INTERVAL"]) == (0, "warning")


def test_d34_another_position_is_a_warning(tmp_path: Path) -> None:
    shown = check(tmp_path, {}, {"PatientPosition": "FFP"})
    assert (shown.code, codes(shown)["POSITION_CHANGED"]) == (0, "warning")


def test_c07_one_patient_under_two_ids_is_seen_in_the_headers(tmp_path: Path) -> None:
    shown = check(tmp_path, {"PatientID": "22"}, {"PatientID": "22"})
    (found,) = [f for f in told(shown) if f["code"] == "PATIENT_DUPLICATE"]
    assert (shown.code, found["severity"], found["case_id"]) == (0, "warning", "sound")
    assert "the same patient in the headers as in case bad" in found["found"]


def test_a_coarse_t2_beside_a_fine_dwi_is_suspected(tmp_path: Path) -> None:
    for name, kind, pixel in (("a", "t2", 3.0), ("b", "adc", 1.0)):
        edit = make.setting(PixelSpacing=[pixel, pixel])
        make.write_series(tmp_path / name, series(kind, "1", 0, 1, edit))
    (tmp_path / "cohort.csv").write_text("case_id,pre_t2,pre_adc\nbad,a,b\n")
    (tmp_path / "plan.yaml").write_text('regions: ["pre.adc.tumour"]\n')
    shown = radresp("check", tmp_path / "cohort.csv", "--plan", tmp_path / "plan.yaml", "--json")
    assert codes(shown).get("ROLE_SUSPECT") == "warning", told(shown)
