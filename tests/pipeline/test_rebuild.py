"""Pages made again from records: the same bytes, and nothing but the records is needed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from commands import radresp, tree

from radresp import io
from radresp.errors import InputError, OutputError
from radresp.notice import INTENDED_USE
from radresp.pipeline import parse_plan, rebuild_pages
from radresp.pipeline.train import report_files

EVALUATION: dict[str, Any] = {
    "intended_use": INTENDED_USE,
    "endpoint": "pCR",
    "cases": 40,
    "patients": 40,
    "class_counts": {"complete": 12, "residual": 28},
    "leak_guard": {"permutations": 2, "aucs": [0.5, 0.48], "bound": 0.62, "passed": True},
}
FACTS = {"method": "elastic_net", "versions": {"radresp": "9.8.7"}}


@pytest.fixture
def judged(tmp_path: Path) -> Path:
    folder = tmp_path / "judged"
    io.write_json(folder / "evaluation.json", EVALUATION)
    for name, data in report_files(EVALUATION, "Elsewhere?", FACTS, parse_plan(None)).items():
        io.write_bytes(folder / name, data)
    return folder


def test_lost_pages_come_back_as_they_were(judged: Path) -> None:
    before = tree(judged)
    for name in before:
        if name not in ("evaluation.json", "report.json"):
            (judged / name).unlink()
    rebuild_pages(judged)
    assert tree(judged) == before


def test_a_page_follows_its_record(judged: Path) -> None:
    io.write_json(judged / "evaluation.json", EVALUATION | {"endpoint": "sustained_cCR_24m"})
    rebuild_pages(judged)
    assert "sustained_cCR_24m" in (judged / "evaluation.html").read_text()


def test_pages_go_elsewhere_on_request_and_the_folder_stays(judged: Path, tmp_path: Path) -> None:
    before = tree(judged)
    shown = radresp("report", judged, "-o", tmp_path / "new", "--json")
    assert shown.code == 0
    assert len(shown.json["written"]) == len(list((tmp_path / "new").rglob("*.*")))
    assert tree(judged) == before
    made = tree(tmp_path / "new")
    assert made.items() <= before.items()
    assert "figures/leak_guard.png" in made


def test_a_model_folder_is_not_touched(judged: Path, tmp_path: Path) -> None:
    (judged / "SHA256SUMS").write_text("sealed")
    before = tree(judged)
    with pytest.raises(OutputError, match="sealed") as error:
        rebuild_pages(judged)
    assert error.value.code == "MODEL_SEALED"
    rebuild_pages(judged, tmp_path / "pages")
    assert tree(judged) == before


def test_an_evaluation_of_an_earlier_version_has_a_page(tmp_path: Path) -> None:
    io.write_json(tmp_path / "evaluation.json", EVALUATION)
    rebuild_pages(tmp_path)
    assert "40 cases of 40 patients" in (tmp_path / "evaluation.html").read_text()


def test_prepared_cases_get_their_index_again(tmp_path: Path) -> None:
    lines = [
        {"case": "p1", "stage": "prepare", "severity": "finished", "code": "OK", "warnings": [
            {"code": "ADC_NOISE", "found": "30 % of the bed"}]},
        {"case": "p2", "stage": "prepare", "severity": "error", "code": "MASK_TOO_SMALL",
         "found": "12 voxels"},
        {"case": "p1", "stage": "prepare", "severity": "finished", "code": "KEPT"},
    ]  # fmt: skip
    (tmp_path / "status.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    io.write_json(tmp_path / "p1/qc.json", {"alignments": {"b<-a": {"verdict": "failed"}}})
    (tmp_path / "qc").mkdir()
    (tmp_path / "qc/p1.png").write_bytes(b"")
    assert rebuild_pages(tmp_path) == [tmp_path / "qc/index.html"]
    page = (tmp_path / "qc/index.html").read_text()
    assert page.index("MASK_TOO_SMALL: 12 voxels") < page.index("b from a: failed")
    assert "ADC_NOISE" in page
    assert 'src="p1.png"' in page
    assert "p2.png" not in page
    with pytest.raises(OutputError):
        rebuild_pages(tmp_path, tmp_path / "elsewhere")


def test_pictures_of_a_case_are_those_its_page_holds(tmp_path: Path) -> None:
    held = {"views": [], "absent": {"T2": "</script> & <b>"}}
    text = json.dumps(held).replace("<", "\\u003c")
    page = f'<script type="application/json" id="viewer-data">{text}</script>'
    (tmp_path / "report.html").write_text(page)
    assert io.read_embedded(tmp_path / "report.html", "viewer-data") == held
    assert io.read_embedded(tmp_path / "report.html", "other") is None
    assert io.read_embedded(tmp_path / "none.html", "viewer-data") is None


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no record"):
        rebuild_pages(tmp_path)
    (tmp_path / "evaluation.json").write_text("{")
    with pytest.raises(InputError, match="not whole JSON"):
        rebuild_pages(tmp_path)
    assert radresp("report", tmp_path).code == 3
