"""The page of an evaluation and the index of prepared cases, opened as a reader does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from radresp import report
from radresp.notice import INTENDED_USE
from radresp.report import Entry

FIGURE = {"value": 0.7418, "low": 0.6127, "high": 0.8541, "reason": ""}
EVALUATION: dict[str, Any] = {
    "intended_use": INTENDED_USE,
    "endpoint": "pCR",
    "cases": 40,
    "patients": 40,
    "class_counts": {"complete": 12, "residual": 28},
    "complete_response": {"n": 40, "events": 12, "level": 0.95, "auc": FIGURE},
    "roc": [
        {"false_positive_rate": x, "true_positive_rate": y} for x, y in ((0, 0), (0.2, 0.6), (1, 1))
    ],
    "subgroups": {"site": [{"value": "<b>north</b>", "n": 20, "auc": FIGURE}]},
    "flow": {
        "steps": [{"name": "cases analysed", "n": 40, "patients": 40, "left_out": []}],
        "refused": [{"case": "<script>alert(1)</script>", "code": "DCM_CORRUPT"}],
    },
    "leak_guard": {"permutations": 2, "aucs": [0.5, 0.48], "bound": 0.62, "passed": True},
}


@pytest.fixture(scope="module")
def html() -> str:
    return report.evaluation_page(EVALUATION, title="How good?")


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_an_evaluation_is_quiet_whole_and_readable(
    page_of: Any, html: str, width: int, theme: str
) -> None:
    opened = page_of(html, width=width, theme=theme)
    assert opened.overflow <= 0
    assert opened.findings() == []
    opened.page.click("#copy")
    assert opened.page.inner_text("#copied") in ("copied", "selected")
    assert (opened.console, opened.requests) == ([], [])


def test_numbers_shown_are_those_of_the_record(page_of: Any, html: str) -> None:
    record = json.loads(json.dumps(EVALUATION))
    shown = page_of(html).page.inner_text("body")
    auc = record["complete_response"]["auc"]
    assert f"AUC {auc['value']:.3f} ({auc['low']:.3f} to {auc['high']:.3f})" in shown
    assert f"{record['cases']} cases of {record['patients']} patients" in shown
    assert "<script>alert(1)</script>" in shown


def test_figures_take_the_colours_of_the_theme(page_of: Any, html: str) -> None:
    ask = "getComputedStyle(document.querySelector('svg.figure text')).fill"
    light, dark = (page_of(html, theme=theme).page.evaluate(ask) for theme in ("light", "dark"))
    assert light != dark


@pytest.fixture
def flicked(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """The index of five cases with their pictures beside it."""
    from PIL import Image

    verdicts = ("good", "failed", "good", "doubtful", "refused")
    entries = []
    for k, verdict in enumerate(verdicts):
        name = "" if verdict == "refused" else f"p {k}#.png"
        entries.append(Entry(f"p {k}#", verdict, (f"line of p{k}",), name))
        if name:
            Image.new("RGB", (1160, 769), (20 * k, 30, 40)).save(tmp_path / name)
    (tmp_path / "index.html").write_text(report.qc_index(entries, "Prepared cases"))
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield context, (tmp_path / "index.html").as_uri()
    context.close()


def visible(page: Any) -> list[str]:
    return [one.get_attribute("data-case") for one in page.locator(".case:visible").all()]


def test_arrow_keys_flick_the_worst_first(flicked: Any) -> None:
    context, address = flicked
    page, asked, said = context.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.goto(address)
    assert visible(page) == ["p 4#"]
    page.keyboard.press("ArrowRight")
    assert visible(page) == ["p 1#"]
    assert page.inner_text("#said") == "p 1#, failed, 2 of 5"
    page.wait_for_function("document.querySelector('.case:not([hidden]) img').naturalWidth > 0")
    page.keyboard.press("End")
    assert visible(page) == ["p 2#"]
    page.keyboard.press("ArrowRight")
    assert visible(page) == ["p 2#"]
    page.reload()
    assert visible(page) == ["p 2#"]
    assert said == []
    assert all(one.startswith("file:") for one in asked)


def test_filters_and_search_choose(flicked: Any) -> None:
    context, address = flicked
    page = context.new_page()
    page.goto(address)
    page.click("button[data-verdict=good]")
    assert visible(page) == ["p 0#"]
    assert page.inner_text("#place") == "1 of 2"
    page.fill("#find", "2#")
    assert visible(page) == ["p 2#"]
    page.fill("#find", "nobody")
    assert visible(page) == []
    page.fill("#find", "")
    page.click("button[data-verdict='']")
    page.click("#list")
    assert len(visible(page)) == 5


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_index_is_quiet_and_readable(page_of: Any, width: int, theme: str) -> None:
    entries = [Entry("p1", "failed", ("a line",)), Entry("p2", "good", (), "")]
    entries += [Entry("p3", "doubtful", ()), Entry("p4", "refused", ("DCM_CORRUPT: no pixels",))]
    opened = page_of(report.qc_index(entries, "Prepared cases"), width=width, theme=theme)
    opened.page.click("#list")
    assert opened.overflow <= 0
    assert opened.findings() == []
    assert (opened.console, opened.requests) == ([], [])


def test_without_scripts_every_case_is_there(page_of: Any) -> None:
    entries = [Entry("p1", "failed", ()), Entry("p2", "good", ())]
    html = report.qc_index(entries, "Prepared cases")
    opened = page_of(html, java_script_enabled=False)
    assert visible(opened.page) == ["p1", "p2"]
