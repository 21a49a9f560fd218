"""What stands beside an evaluation's page: figures with their data, methods text, checklist."""

from __future__ import annotations

import csv
import re
from io import BytesIO, StringIO
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from builders_report import FACTS, PLAN
from PIL import Image

from radresp import report
from radresp.report import drawing
from radresp.report.evaluation import address
from radresp.report.gallery import plots
from radresp.report.manuscript import methods_text
from radresp.report.references import WORKS, Citations


def rows_of(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(data.decode())))


def test_each_figure_is_there_in_three_forms(files: dict[str, bytes]) -> None:
    names = {name.split("/")[1].split(".")[0] for name in files if name.startswith("figures/")}
    assert names == {
        "baselines", "calibration", "decision_curve", "feature_selection", "flow", "leak_guard",
        "reader", "risk_coverage", "roc", "subgroups",
    }  # fmt: skip
    for name in names:
        root = ET.fromstring(files[f"figures/{name}.svg"])  # noqa: S314
        with Image.open(BytesIO(files[f"figures/{name}.png"])) as picture:
            picture.load()
            assert picture.width >= 600
        assert root.tag.endswith("svg")
        assert rows_of(files[f"figures/{name}.csv"])


def test_the_data_of_a_figure_are_those_of_the_evaluation(
    files: dict[str, bytes], whole: dict[str, Any]
) -> None:
    rows = rows_of(files["figures/roc.csv"])
    curve = [row for row in rows if row["part"] == "curve"]
    assert [float(row["true_positive_rate"]) for row in curve] == [
        point["true_positive_rate"] for point in whole["roc"]
    ]
    band = [float(row["low"]) for row in rows if row["part"] == "band"]
    assert band == [point["low"] for point in whole["roc_band"]["points"]]
    groups = {row["name"]: row for row in rows_of(files["figures/subgroups.csv"])}
    assert float(groups["regimen: TNT"]["auc"]) == 0.7813
    flow = rows_of(files["figures/flow.csv"])
    assert sum(int(row["cases"] or 0) for row in flow) == 7


def test_what_the_page_saves_are_the_files_beside_it(files: dict[str, bytes]) -> None:
    page = files["evaluation.html"].decode()
    saved = dict(re.findall(r'<a download="([^"]+)" href="(data:[^"]+)"', page))
    beside = {name.split("/")[-1]: data for name, data in files.items() if "html" not in name}
    assert saved.keys() == beside.keys()
    for name, data in beside.items():
        assert saved[name] == address(name.split(".")[1], data)


def test_pictures_in_the_page_have_words_and_the_colours_of_the_page(
    files: dict[str, bytes],
) -> None:
    page = files["evaluation.html"].decode()
    drawn = re.findall(r'<svg class="figure".*?</svg>', page, re.DOTALL)
    assert len(drawn) == 10
    for picture in drawn:
        assert re.search(r"<title id=.*?>\w.*?</title><desc id=.*?>\w.*?</desc>", picture)
        assert not re.search(r"(?:fill|stroke): #", picture)
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    named = re.findall(r'aria-labelledby="([^"]+)"|(?<=url\(#)([^)]+)|href="#([^"]+)"', page)
    wanted = {one for found in named for text in found for one in text.split()}
    assert wanted <= set(ids)


def test_colours_of_a_drawing_are_the_pages_own() -> None:
    drawn = drawing.blank((2, 2))
    drawn.subplots().plot([0, 1], [0, 1], color=drawing.BLUE)
    text = drawing.inline(drawing.svg(drawn), "one", "a <b>", 'says "c" \\1')
    assert "var(--fig-blue)" in text
    assert "a &lt;b&gt;" in text
    assert "says &quot;c&quot; \\1" in text


def test_failed_cases_come_before_any_figure(files: dict[str, bytes]) -> None:
    page = files["evaluation.html"].decode()
    assert page.index("DCM_CORRUPT") < page.index('<svg class="figure"')


def test_the_checklist_holds_every_item(files: dict[str, bytes]) -> None:
    rows = rows_of(files["checklist.csv"])
    assert len(rows) == 140
    assert {row["guideline"] for row in rows} == {"TRIPOD+AI", "CLEAR", "METRICS"}


def test_a_figure_without_data_has_a_reason_and_no_file(least: dict[str, Any]) -> None:
    found = plots(least)
    assert not [plot.name for plot in found.values() if plot.rows or not plot.reason]
    assert set(report.evaluation_files(least, title="m")) == {
        "evaluation.html", "methods.md", "checklist.csv"
    }  # fmt: skip


def test_the_methods_text_says_what_was_done(whole: dict[str, Any]) -> None:
    text = methods_text(whole, FACTS, PLAN)
    for said in (
        "CC0 1.0",
        "Of 67 cases 7 were left out (refused: MASK_TOO_SMALL, n = 2",
        "60 cases of 58 patients",
        "from b-values of 100 s/mm2 on",
        "matching landmarks",
        "phase-encoding axis",
        "the bed on ADC after treatment",
        "24 grey levels",
        "bins of 50",
        "elastic-net logistic regression",
        "3 repeats of 5 outer folds",
        "ComBat",
        "9041 patients would be needed",
        "radresp 9.8.7, SimpleITK 2.5.7; Python 3.11.7",
        "shuffled over patients (3 times)",
    ):
        assert said in text
    assert not re.search(r"\b(None|nan)\b", text)


@pytest.mark.parametrize("facts", [{}, FACTS])
@pytest.mark.parametrize("plan", [{}, PLAN])
@pytest.mark.parametrize("kind", ["least", "whole"])
def test_citations_are_numbered_as_they_come_and_all_listed(
    kind: str, facts: dict[str, Any], plan: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    text = methods_text(request.getfixturevalue(kind), facts, plan)
    body, listed = text.split("## References")
    cited = [int(n) for group in re.findall(r"\[([\d,]+)\]", body) for n in group.split(",")]
    first = list(dict.fromkeys(cited))
    assert first == list(range(1, len(first) + 1))
    assert re.findall(r"^(\d+)\. ", listed, re.MULTILINE) == [str(n) for n in first]


def test_only_what_was_used_is_cited(whole: dict[str, Any]) -> None:
    plain = methods_text(whole, FACTS | {"harmonised": False}, PLAN | {"bias_field": None})
    assert "ComBat" not in plain
    assert WORKS["combat"] not in plain
    assert WORKS["n4"] not in plain


def test_an_external_validation_says_that_the_model_was_unchanged(whole: dict[str, Any]) -> None:
    whole["external_validation"] = "this evaluation"
    assert "applied unchanged" in methods_text(whole, FACTS, PLAN)


def test_a_work_keeps_its_number() -> None:
    cite = Citations()
    assert [cite("n4"), cite("auc", "n4"), cite("auc")] == ["[1]", "[2,1]", "[2]"]
    assert len(cite.listed()) == 2
