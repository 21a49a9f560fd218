"""The case page: its figures are those of score.json, and nothing from outside becomes markup."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from hashlib import sha256
from typing import Any

import pytest
from builders_case import make_prepared, make_record, shown_figures, wrong_figures

from radresp import report
from radresp.core import Verdict
from radresp.pipeline.case_view import view_case
from radresp.report.case_quality import Light, lights
from radresp.report.case_words import plain_name

ATTACK = "</script><script>alert(1)</script>"


@pytest.fixture(scope="module")
def viewer() -> dict[str, Any]:
    return report.viewer_data(view_case(make_prepared()))


def light(title: str, record: dict[str, Any]) -> Light:
    return next(one for one in lights(record) if one.title == title)


def test_every_figure_is_the_one_in_the_record(viewer: dict[str, Any]) -> None:
    record = make_record()
    stored = json.loads(json.dumps(record))
    page = report.case_page(record, viewer)
    assert list(wrong_figures(page, stored)) == []
    shown = {said["data-at"] for said, _ in shown_figures(page)}
    assert len(shown) > 40
    for at in ("/p_ccr", "/interval/0", "/prevalence_shift/after", "/classes/residual"):
        assert at in shown
    for at in ("/support/distance", "/drivers/1/contribution", "/tissue_ml/post/scar"):
        assert at in shown
    assert list(wrong_figures(page, stored | {"p_ccr": 0.9}))


def test_text_from_outside_stays_text_also_within_the_viewers_data(
    viewer: dict[str, Any],
) -> None:
    """Fault H05."""
    views = [{**viewer["views"][0], "title": ATTACK}, *viewer["views"][1:]]
    note = {"code": "X", "severity": "warning", "found": ATTACK, "expected": "", "action": ATTACK}
    record = make_record(
        case_id=ATTACK, endpoint=ATTACK, reader_call=ATTACK, warnings=[note], reasons=[ATTACK]
    )
    page = report.case_page(record, {**viewer, "views": views, "absent": {ATTACK: ATTACK}})
    scripts = re.findall(r"<script", page)
    assert len(scripts) == 2  # the viewer's data and its script
    assert "alert(1)</script>" not in page
    block = re.search(r'id="viewer-data">(.*?)</script>', page, re.DOTALL)
    assert block
    assert json.loads(block[1])["views"][0]["title"] == ATTACK


def test_the_page_may_run_and_show_only_what_it_holds(viewer: dict[str, Any]) -> None:
    page = report.case_page(make_record(), viewer)
    policy = re.search(r'Content-Security-Policy" content="(.*?)"', page)
    assert policy
    assert "default-src &#39;none&#39;" in policy[1]
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    script = re.search(r"<script>(.*?)</script>", page, re.DOTALL)
    assert style
    assert script
    for text in (style[1], script[1]):
        assert b64encode(sha256(text.encode()).digest()).decode() in policy[1].replace("&#43;", "+")
    assert not re.search(r'\sstyle="|\son\w+="', page)
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")


def test_the_same_content_gives_the_same_page(viewer: dict[str, Any]) -> None:
    assert report.case_page(make_record(), viewer) == report.case_page(make_record(), viewer)


def test_an_abstention_shows_no_probability_and_stops_the_light() -> None:
    reason = "OUTSIDE_TRAINING: the case lies 9.1 from the training cases; at most 5.2"
    record = make_record(
        p_ccr=None, interval=None, classes={}, decision="abstain", reasons=[reason],
        prevalence_shift=None,
    )  # fmt: skip
    page = report.case_page(record)
    assert "/p_ccr" not in {said["data-at"] for said, _ in shown_figures(page)}
    assert light("Like the training cases", record).level == "stop"
    assert "The case lies 9.1 from the training cases" in page


@pytest.mark.parametrize(
    ("verdict", "level", "word"),
    [
        (Verdict.GOOD, "good", "good"),
        (Verdict.DOUBTFUL, "look", "look at it"),
        (Verdict.FAILED, "stop", "stop"),
    ],
)
def test_the_light_of_the_registration_is_its_verdict(
    verdict: Verdict, level: str, word: str
) -> None:
    shown = light("Registration", make_record(make_prepared(verdict=verdict)))
    assert (shown.level, shown.word) == (level, word)
    assert bool(shown.reasons) == (level != "good")


@pytest.mark.parametrize(
    ("code", "title"),
    [
        ("ADC_NOISE", "ADC"),
        ("MASK_TOO_SMALL", "Outlines"),
        ("REG_FALLBACK", "Registration"),
        ("FEATURE_FILLED", "Like the training cases"),
        ("SYNTHETIC_MODEL", "Model and images"),
    ],
)
def test_a_warning_turns_one_light(code: str, title: str) -> None:
    note = {"code": code, "severity": "warning", "found": "odd", "expected": "", "action": "look"}
    before, after = lights(make_record()), lights(make_record(warnings=[note]))
    changed = [b.title for a, b in zip(before, after, strict=True) if a != b]
    assert changed == [title]
    assert "odd; look" in light(title, make_record(warnings=[note])).reasons


def test_what_was_not_done_is_said_in_its_place() -> None:
    record = make_record(measurements=[], tissue_ml={}, drivers=[], support={}, qc={})
    page = report.case_page(record)
    for said in ("No picture could be shown", "Not measured", "No feature was used"):
        assert said in page
    assert light("Like the training cases", record).word == "not there"


def test_a_name_nobody_knows_is_shown_as_it_is() -> None:
    for name in ("cnn.p_residual", "my.own", "age"):
        assert plain_name(name) == name
    assert plain_name("habitat.pre_scar_ml") == "Scar ml, before treatment"


def test_what_the_network_makes_of_the_bed_is_said_where_it_knows() -> None:
    said = {"residual_log_odds": -1.0, "residual_fraction": 0.123}
    record = make_record(network=said)
    page = report.case_page(record)
    assert list(wrong_figures(page, record)) == []
    assert "/network/residual_fraction" in {one["data-at"] for one, _ in shown_figures(page)}
    for nothing in (None, said | {"residual_fraction": None}):
        assert "By the network" not in report.case_page(make_record(network=nothing))
