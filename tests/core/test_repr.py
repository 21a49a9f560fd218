"""The notebook face of the nouns: true, escaped, self-contained, at home on light and dark."""

from __future__ import annotations

import math
import re
from html.parser import HTMLParser

import pytest
import SimpleITK as sitk

from radresp.core import (
    Alignment,
    Decision,
    FeatureRow,
    Note,
    NoteKind,
    Quality,
    Score,
    Step,
    Verdict,
)
from radresp.notice import INTENDED_USE

NASTY = "<script>alert(1)</script>\"'&"
VOID = {"line", "path", "circle"}


class Page(HTMLParser):
    """Tags that open and close, and the text between them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.said: list[str] = []
        self.feed(html)
        assert self.open == []

    @property
    def text(self) -> str:
        return "\n".join(self.said)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.said.append(data)


def warned(text: str) -> Step:
    return Step("masks", "clean", notes=(Note(NoteKind.WARNING, "MASK_PIECES", text),))


def some_score(name: str, *, abstains: bool = False) -> Score:
    return Score(
        case_id=name,
        endpoint=name,
        decision=Decision.ABSTAIN if abstains else Decision.INDETERMINATE,
        classes={} if abstains else {"complete": 0.3, "residual": 0.7},
        interval=None if abstains else (0.1, 0.45),
        reasons=(f"OUTSIDE: {name}",),
        model_id=name,
        trail=(warned(name),),
    )


def some_row(name: str) -> FeatureRow:
    return FeatureRow(name, {name: 1.5, "b": math.nan}, {"b": name})


def some_alignment(name: str) -> Alignment:
    quality = Quality(Verdict.DOUBTFUL, {name: 1.25}, (name,))
    return Alignment(name, name, sitk.Euler3DTransform(), quality, Step("registration", name))


MAKERS = [some_score, some_row, some_alignment]


@pytest.mark.parametrize("make", MAKERS)
def test_markup_in_a_name_stays_text(make: type) -> None:
    html = make(NASTY)._repr_html_()
    page = Page(html)
    assert "script" not in page.tags
    assert NASTY in page.text
    assert "alert(1)" not in re.sub(r"&lt;script&gt;alert\(1\)", "", html)


@pytest.mark.parametrize("make", MAKERS)
def test_it_is_small_needs_nothing_and_brings_no_colour(make: type) -> None:
    html = make("c1")._repr_html_()
    assert len(html) < 4000
    assert not re.search(r"https?:|src=|href=|<style|class=|url\(", html)
    assert set(re.findall(r"(?:color|background|fill|stroke):([^;\"]+)", html)) <= {
        "inherit",
        "transparent",
        "currentColor",
    }


def test_a_score_says_what_it_may_be_used_for_first_and_then_its_numbers() -> None:
    text = Page(some_score("c1")._repr_html_()).text
    assert text.startswith(INTENDED_USE)
    assert "case c1: indeterminate" in text
    assert "0.30, interval 0.10 to 0.45" in text
    assert "OUTSIDE: c1" in text
    assert "warning MASK_PIECES: c1" in text


def test_an_abstention_shows_reasons_and_no_number() -> None:
    page = Page(some_score("c1", abstains=True)._repr_html_())
    assert "abstain" in page.text
    assert "p(" not in page.text
    assert "svg" not in page.tags


def test_a_wide_row_shows_a_few_of_its_values_and_counts_the_reasons() -> None:
    values = {f"f{n}": float(n) for n in range(500)} | {f"g{n}": math.nan for n in range(7)}
    row = FeatureRow("c1", values, {f"g{n}": "no ADC" for n in range(7)})
    html = row._repr_html_()
    assert len(html) < 8000
    text = Page(html).text
    assert "7 absent: no ADC" in text
    assert "the first 20 of 500" in text
