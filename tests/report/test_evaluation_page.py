from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from radresp import report
from radresp.notice import INTENDED_USE
from radresp.report import drawing, figures
from radresp.report.evaluation import limits
from radresp.report.gallery import baseline_rows, plots, subgroup_rows
from radresp.report.wording import ABSENT, count, estimate, figure, number

NASTY = "<script>alert(1)</script> $x_$ & 'q'"
OPTIONAL = (
    "complete_response",
    "roc",
    "fold_variation",
    "leave_one_site_out",
    "subgroups",
    "decisions",
    "baselines",
    "fusion",
    "leak_guard",
    "sample_size",
    "external_validation",
    "feature_selection",
    "flow",
    "looks",
    "notes",
    "pseudo_residual",
    "reader",
    "roc_band",
)


class Cells(HTMLParser):
    """Text of the table cells of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.inside, self.found = False, []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.inside = tag == "td"
        if self.inside:
            self.found.append("")

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag != "td"

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.found[-1] += data


def leaves(entry: Any) -> Iterator[Any]:
    if isinstance(entry, Mapping):
        entry = list(entry.values())
    if isinstance(entry, list):
        for part in entry:
            yield from leaves(part)
    else:
        yield entry


def pictures(page: str) -> list[ET.Element]:
    found = re.findall(r'<svg class="figure".*?</svg>', page, re.DOTALL)
    return [ET.fromstring(drawn) for drawn in found]  # noqa: S314


def said(picture: ET.Element) -> str:
    return " ".join(
        "".join(text.itertext()) for text in picture.iter() if text.tag.endswith("text")
    )


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures are not drawn, for tests of the words around them."""
    monkeypatch.setattr(drawing, "forms", lambda draw: (b"<svg/>", b""))


@pytest.mark.usefixtures("undrawn")
def test_every_number_in_a_cell_stands_in_the_evaluation(whole: dict[str, Any]) -> None:
    numbers = [leaf for leaf in leaves(whole) if isinstance(leaf, (int, float))]
    allowed = {number(leaf, signed=signed) for leaf in numbers for signed in (False, True)}
    allowed |= {count(leaf) for leaf in numbers}
    words = re.compile(r"patient bootstrap.*|biased upwards.*|local linear.*")
    page = report.evaluation_page(whole, title="m").split('id="checklists"')[0]
    cells = [words.sub("", cell) for cell in Cells(page).found]
    shown = {text for cell in cells for text in re.findall(r"[+-]?\d+(?:\.\d+)?", cell)}
    assert len(shown) > 100
    assert shown - allowed <= {f"{t:g}" for t in (0.5, 0.6, 0.7, 0.8, 0.9)} | {"-1"}  # PD-1


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(
    "path",
    [
        ("complete_response", "auc", "low"),
        ("complete_response", "calibration_slope", "value"),
        ("complete_response", "specificity_at_sensitivity", "value"),
        ("complete_response", "calibration_curve", "e90"),
        ("fold_variation", "folds", "sd"),
        ("leave_one_site_out", "complete_response", "auc", "value"),
        ("baselines", "volume only", "difference", "high"),
        ("fusion", "differences", "fused - imaging", "auc", "value"),
        ("decisions", "risk_coverage", "aurc"),
        ("leak_guard", "control", "difference"),
        ("sample_size", "patients_needed"),
        ("reader", "residual_released", "high"),
        ("pseudo_residual", "figures", "auc", "value"),
        ("feature_selection", "stability", "value"),
    ],
)
def test_a_changed_number_is_a_changed_page(whole: dict[str, Any], path: tuple[str, ...]) -> None:
    place: Any = whole
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = 777 if isinstance(place[path[-1]], int) else 0.77777
    changed = report.evaluation_page(whole, title="m")
    assert re.search(r"\b777\b|0\.778", changed)


@pytest.mark.usefixtures("undrawn")
def test_the_page_says_what_it_is_of_and_its_limits(whole: dict[str, Any]) -> None:
    page = report.evaluation_page(whole, title="Model seven")
    for words in (
        INTENDED_USE,
        "Model seven",
        "60 cases of 58 patients",
        "External validation: none.",
        "9041 patients would be needed (Riley 2019); there were 58.",
        "Held-out data were looked at 3 times",
        "Warnings: 1",
        "Cases that failed: 1",
        "to learn from 412 features at the AUC found, 9041 patients would be needed",
        "too few events",
        "no read",
    ):
        assert words in page
    assert page.index(INTENDED_USE) < page.index("AUC")


def test_without_its_parts_a_page_gives_reasons_and_no_picture(least: dict[str, Any]) -> None:
    page = report.evaluation_page(least, title="m")
    assert page.count(ABSENT) >= 12
    assert "External validation: none stated." in page
    assert not pictures(page)
    assert not re.search(r"\d\.\d\d\d", page.split('id="checklists"')[0])


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("nothing", ["absent", "none", "reason"])
@pytest.mark.parametrize("name", OPTIONAL)
def test_any_part_may_be_missing(whole: dict[str, Any], name: str, nothing: str) -> None:
    if nothing == "absent":
        del whole[name]
    else:
        whole[name] = None
    if nothing == "reason" and name not in ("roc", "notes", "looks", "external_validation"):
        whole[name] = {"reason": "no column of that name"}
    page = report.evaluation_page(whole, title="m")
    if isinstance(whole.get(name), dict):
        assert "no column of that name" in page


@pytest.mark.usefixtures("undrawn")
@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_figure_may_be_missing(whole: dict[str, Any], data: st.DataObject) -> None:
    """Take some figures away; page and pictures stand, and the page never says None or nan."""

    def thinned(entry: Any) -> Any:
        if isinstance(entry, dict) and "value" in entry and "low" in entry:
            kept = data.draw(st.sampled_from(("all", "all", "value", "none", "null")))
            if kept == "null":
                return None
            gone = {"all": (), "value": ("low", "high"), "none": ("value", "low", "high")}[kept]
            return entry | dict.fromkeys(gone)
        if isinstance(entry, dict):
            return {name: thinned(part) for name, part in entry.items()}
        return entry

    less = thinned(whole)
    for name in ("baselines", "subgroups", "leak_guard"):  # those drawn from such figures
        if plots(less)[name].rows:
            plots(less)[name].draw()
    page = report.evaluation_page(less, title="m")
    assert not re.search(r"\b(None|nan)\b", page.replace("None:", ""))


def test_h05_text_from_outside_is_escaped(whole: dict[str, Any]) -> None:
    whole["subgroups"]["scanner"][0]["value"] = NASTY
    whole["subgroups"][NASTY] = whole["subgroups"]["regimen"]
    whole["baselines"][NASTY] = whole["baselines"]["volume only"]
    whole["notes"][0]["found"] = NASTY
    whole["endpoint"] = whole["external_validation"] = NASTY
    for name in ("roc", "decisions", "reader", "feature_selection", "leak_guard"):
        del whole[name]  # drawing is slow
    whole["complete_response"] = {"n": 60, "auc": whole["complete_response"]["auc"]}
    page = report.evaluation_page(whole, title=NASTY)
    assert "<script>alert" not in page
    assert page.count("<script>") == 1
    assert page.count("&lt;script&gt;") >= 6
    drawn = pictures(page)
    assert sum("alert(1)" in said(picture) for picture in drawn) >= 2
    assert not [node for one in drawn for node in one.iter() if node.tag.endswith("script")]


def test_nothing_is_loaded_from_elsewhere_and_the_page_is_small(files: dict[str, bytes]) -> None:
    page = files["evaluation.html"].decode()
    assert set(re.findall(r'(?:src|href)="(\w+:|#)', page)) == {"data:", "#"}
    assert "http" not in re.sub(r'"data:[^"]+"', "", page)
    assert len(page) < 5_000_000


def test_the_same_evaluation_gives_the_same_page(
    whole: dict[str, Any], least: dict[str, Any]
) -> None:
    less = least | {name: whole[name] for name in ("roc", "roc_band", "flow")}
    assert report.evaluation_page(less, title="m") == report.evaluation_page(less, title="m")


def test_every_picture_with_axes_and_n(files: dict[str, bytes]) -> None:
    found = [said(p) for p in pictures(files["evaluation.html"].decode())]
    for text, axis, n in zip(
        found,
        (
            "left out", "sensitivity", "observed share", "AUC", "net benefit", "coverage",
            "read as nCR", "AUC", "3 models", "3 shuffles",
        ),
        ("67", "60", "60", "60", "60", "60", "29", "60", "post.a", "model"),
        strict=True,
    ):  # fmt: skip
        assert axis in text
        assert n in text


def test_a_figure_draws_what_it_is_given(whole: dict[str, Any]) -> None:
    found = whole["complete_response"]
    _, model = figures.roc_figure(whole["roc"], [], "n = 60").axes[0].lines
    assert model.get_xydata().tolist() == [list(point.values()) for point in whole["roc"]]
    points = found["decision_curve"]
    everybody, _, model = figures.decision_figure(points, "n = 60").axes[0].lines
    assert everybody.get_ydata().tolist() == [point["treat_all"] for point in points]
    assert model.get_ydata().tolist() == [point["model"] for point in points]


def test_the_histogram_counts_every_case(whole: dict[str, Any]) -> None:
    bins = whole["complete_response"]["calibration_bins"]
    below = figures.calibration_figure(bins, [], "n = 60").axes[1]
    cases = [10 * bar.get_height() * bar.get_width() for bar in below.patches]
    assert cases == pytest.approx([row["n"] for row in bins])


def test_the_forest_holds_every_auc_there_is(whole: dict[str, Any]) -> None:
    rows = baseline_rows(whole)
    assert [row.label for row in rows] == [
        "model",
        "each site left out",
        "imaging",
        "clinical",
        "fused",
        "volume only",
    ]
    rows = subgroup_rows(whole)
    assert [row.label for row in rows] == ["model", "regimen: TNT", "scanner: 3 T"]
    assert rows[1].n == 31
    assert rows[1].figure.value == 0.7813


def test_a_baseline_may_be_its_auc_alone(least: dict[str, Any]) -> None:
    page = report.evaluation_page(least | {"baselines": {"volume only": 0.6123}}, title="m")
    assert "0.612" in page


@pytest.mark.usefixtures("undrawn")
def test_every_distance_without_a_curve_says_why(whole: dict[str, Any]) -> None:
    whole["complete_response"]["calibration_curve"] = {"points": [], "reason": "fewer than 20"}
    page = report.evaluation_page(whole, title="m")
    assert page.count("<td>fewer than 20</td>") + page.count('"short">fewer than 20</td>') == 4


@pytest.mark.usefixtures("undrawn")
def test_an_attribute_without_groups_says_why(whole: dict[str, Any]) -> None:
    whole["subgroups"]["sex"] = {"reason": "no column sex"}
    assert "None: no column sex." in report.evaluation_page(whole, title="m")


@pytest.mark.usefixtures("undrawn")
def test_rates_of_each_truth_and_their_table_are_shown(whole: dict[str, Any]) -> None:
    """The form ``evaluate.decision_rates`` returns."""
    whole["decisions"]["rates"] |= {
        "n": 60,
        "share": {"abstain": share_of(3, 61)},
        "counts": {"residual": {"abstain": 41, "complete_response": 43}},
    }
    cells = Cells(report.evaluation_page(whole, title="m")).found
    assert {"61", "41", "43"} <= set(cells)


def share_of(part: int, whole: int) -> dict[str, Any]:
    return {"value": part / whole, "low": 0.01, "high": 0.2, "part": part, "whole": whole}


def test_a_failed_leak_guard_and_a_ranking_like_chance_come_first(whole: dict[str, Any]) -> None:
    quiet = limits(whole)
    whole["leak_guard"]["passed"] = False
    whole["complete_response"]["auc"]["low"] = 0.4321
    loud = limits(whole)
    assert len(loud) == len(quiet) + 2
    assert any("leak guard failed" in text for text in loud)
    assert any("0.432" in text for text in loud)


@given(st.floats(-1e6, 1e6), st.floats(0, 1), st.floats(0, 1))
def test_a_figure_reads_back_as_its_number(value: float, low: float, high: float) -> None:
    text = figure({"value": value, "low": low, "high": high})
    back = [float(part) for part in re.findall(r"-?\d+\.\d+", text)]
    assert back == pytest.approx([value, low, high], abs=0.00051)


@pytest.mark.parametrize("entry", [None, {}, {"value": None}, {"value": None, "reason": None}])
def test_a_figure_that_does_not_exist_has_a_reason(entry: Any) -> None:
    assert estimate(entry).reason == ABSENT
    assert figure(entry) == f"none: {ABSENT}"
