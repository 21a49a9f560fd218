"""A headless browser that opens a page as a reader does: from a file, with nothing else to reach.

Skipped, with the reason, where the packages or a browser of the system are not there; no browser is
ever downloaded. ``RADRESP_BROWSER`` names another one.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
GRAVE = frozenset({"serious", "critical"})


@dataclass
class Opened:
    """A page as it was opened.

    Parameters
    ----------
    page : playwright.sync_api.Page
        To click, type and look.
    console : list of str
        Errors and warnings of the console, and of scripts that failed.
    requests : list of str
        Addresses the page asked for beside its own file; none of them was let through.
    """

    page: Any
    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def findings(self) -> list[str]:
        """What axe-core finds serious or critical, one line each."""
        source = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
        self.page.evaluate(source)
        found = self.page.evaluate("axe.run().then(found => found.violations)")
        return [
            f"{rule['id']} ({rule['impact']}): {node['html'][:160]} {node['failureSummary'][:240]}"
            for rule in found
            if rule["impact"] in GRAVE
            for node in rule["nodes"]
        ]

    @property
    def overflow(self) -> int:
        """By how many pixels the page is wider than its window."""
        size = "document.documentElement"
        return int(self.page.evaluate(f"{size}.scrollWidth - {size}.clientWidth"))


PageOf = Callable[..., Opened]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """The system's Chromium, for one module: its event loop must not outlive these tests."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed (extra `test`)"
    )
    pytest.importorskip("axe_playwright_python", reason="axe-core is not installed (extra `test`)")
    asked = os.environ.get("RADRESP_BROWSER")
    path = asked or next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is installed")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=path, headless=True, args=list(FLAGS))
        yield opened
        opened.close()


@pytest.fixture
def page_of(browser: Any, tmp_path: Path) -> Iterator[PageOf]:
    """Open HTML: ``page_of(html, width=1280, theme="light")``; closed after the test.

    ``theme`` is "light" or "dark"; other words go to ``browser.new_context``, for example
    ``java_script_enabled=False``.
    """
    contexts = []

    def open_page(
        html: str, *, width: int = 1280, height: int = 900, theme: str = "light", **more: Any
    ) -> Opened:
        file = tmp_path / f"page-{len(contexts)}.html"
        file.write_text(html, encoding="utf-8")
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=theme, **more
        )
        contexts.append(context)
        opened = Opened(context.new_page())

        def keep_or_stop(route: Any) -> None:
            address = route.request.url
            if address == file.as_uri():
                route.continue_()
                return
            opened.requests.append(address)
            route.abort()

        context.route("**/*", keep_or_stop)
        opened.page.on("console", lambda said: _note(opened, said.type, said.text))
        opened.page.on("pageerror", lambda error: _note(opened, "error", str(error)))
        opened.page.goto(file.as_uri())
        return opened

    yield open_page
    for context in contexts:
        context.close()


def _note(opened: Opened, kind: str, text: str) -> None:
    if kind in ("error", "warning"):
        opened.console.append(f"{kind}: {text}")
