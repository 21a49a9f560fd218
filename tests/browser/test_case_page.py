"""The case page in a browser: it works by mouse, by keyboard and by ear, and asks for nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from builders_case import make_prepared, make_record

from radresp import report
from radresp.pipeline.case_view import view_case

DRAWN = "#viewer[data-ready]"
VIEWS = ("pre.t2", "pre.dwi", "pre.adc", "post.t2", "post.dwi", "post.adc")


@pytest.fixture(scope="module")
def html() -> str:
    prepared = make_prepared()
    return report.case_page(make_record(prepared), report.viewer_data(view_case(prepared)))


@pytest.fixture
def opened(page_of: Callable[..., Any], html: str) -> Any:
    found = page_of(html)
    found.page.wait_for_selector(DRAWN)
    return found


def pixels(page: Any, canvas: str) -> str:
    return str(page.evaluate(f"document.querySelector('{canvas}').toDataURL()"))


def all_views(page: Any) -> list[str]:
    return [pixels(page, f'canvas[data-view="{name}"]') for name in VIEWS]


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_opens_clean_and_keeps_nobody_out(
    page_of: Callable[..., Any], html: str, width: int, theme: str
) -> None:
    found = page_of(html, width=width, theme=theme)
    found.page.wait_for_selector(DRAWN)
    found.page.select_option("#map", index=1)
    assert found.findings() == []
    assert (found.console, found.requests, found.overflow) == ([], [], 0)


def test_the_slider_moves_all_views_together(opened: Any) -> None:
    page = opened.page
    before = all_views(page), pixels(page, "#overlay")
    page.locator("#slice").fill("2")
    after = all_views(page), pixels(page, "#overlay")
    assert all(a != b for a, b in zip(before[0], after[0], strict=True))
    assert before[1] != after[1]
    slices = dict(
        one.rsplit(":", 1) for one in page.get_attribute("#viewer", "data-slices").split()
    )
    assert set(slices.values()) == {"1"}
    assert "2 of" in page.inner_text("#where")
    assert "slice 2 of" in page.get_attribute('canvas[data-view="pre.t2"]', "aria-label")


def test_the_keyboard_does_all_the_mouse_does(opened: Any) -> None:
    page = opened.page
    page.focus("#slice")
    start = page.input_value("#slice")
    page.keyboard.press("ArrowUp")
    assert int(page.input_value("#slice")) == int(start) + 1
    page.keyboard.press("PageDown")
    assert int(page.input_value("#slice")) < int(start)
    page.keyboard.press("End")
    assert page.input_value("#slice") == page.get_attribute("#slice", "max")
    page.locator("#slice").fill(start)
    page.focus("#outlines")
    seen = pixels(page, 'canvas[data-view="post.t2"]')
    page.keyboard.press("m")
    assert page.get_attribute("#outlines", "aria-pressed") == "false"
    assert pixels(page, 'canvas[data-view="post.t2"]') != seen
    for key, mode in (("c", "checks"), ("b", "blend"), ("s", "swipe")):
        page.keyboard.press(key)
        assert page.get_attribute(f'[data-mode="{mode}"]', "aria-pressed") == "true"


def test_letters_typed_elsewhere_do_nothing(opened: Any) -> None:
    page = opened.page
    seen = all_views(page)
    page.keyboard.press("m")
    assert all_views(page) == seen


def test_every_switch_changes_the_overlay(opened: Any) -> None:
    page = opened.page
    shown = {pixels(page, "#overlay")}

    def changed() -> bool:
        before = len(shown)
        shown.add(pixels(page, "#overlay"))
        return len(shown) == before + 1

    page.click('[data-mode="checks"]')
    assert changed()
    page.click('[data-mode="blend"]')
    assert changed()
    page.click("#flicker")
    assert changed()
    page.click("#flicker")
    assert changed()
    page.select_option("#picture", "post.adc")
    assert changed()
    page.select_option("#map", "change.t2")
    assert changed()
    assert "orange where T2 became brighter" in page.inner_text("#legend")
    page.locator("#opacity").fill("20")
    assert changed()
    page.locator("#brightness").fill("160")
    assert changed()


def test_the_swipe_follows_the_pointer(opened: Any) -> None:
    page = opened.page
    overlay = page.locator("#overlay")
    seen = pixels(page, "#overlay")
    overlay.click(position={"x": overlay.bounding_box()["width"] * 0.2, "y": 20})
    assert page.input_value("#share") == "20"
    assert pixels(page, "#overlay") != seen


def test_the_wheel_moves_the_slice(opened: Any) -> None:
    page = opened.page
    page.locator('canvas[data-view="pre.adc"]').hover()
    start = int(page.input_value("#slice"))
    page.mouse.wheel(0, -120)
    page.wait_for_selector(f'#slice[aria-valuetext^="{start + 1} of"]')


def test_without_scripts_there_is_a_picture_and_every_figure(
    page_of: Callable[..., Any], html: str
) -> None:
    found = page_of(html, java_script_enabled=False)
    assert "0.73" in found.page.inner_text("main")
    picture = found.page.locator("noscript img")
    assert picture.count() == 1
    assert picture.bounding_box()["width"] > 300


def test_a_script_in_a_case_id_does_not_run(page_of: Callable[..., Any]) -> None:
    attack = "<script>document.title = 'taken'</script>"
    found = page_of(report.case_page(make_record(case_id=attack)))
    assert found.page.title() == f"radresp: {attack}"
    assert found.page.inner_text("h1") == f"Case {attack}"
    assert found.findings() == []
