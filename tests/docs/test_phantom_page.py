"""The page about the digital pelvis: its lists are the package's, its measurements stand."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from radresp.phantom import presets, protocols, tissue_table

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/reference/phantom.md").read_text(encoding="utf-8")
MARK = "<!-- Below: lists read from the package. -->"


@pytest.fixture
def lists(monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    monkeypatch.syspath_prepend(ROOT / "scripts")
    return importlib.import_module("phantom_report_parts.lists").lists


def test_the_lists_are_those_of_the_package(lists: Callable[[], str]) -> None:
    assert PAGE.count(MARK) == 1
    found = PAGE.split(MARK)[1].strip()
    assert found == lists(), "run: python scripts/phantom_report.py --lists -o docs/reference"


def test_the_lists_hold_every_scanner_preset_and_tissue(lists: Callable[[], str]) -> None:
    text = lists()
    for name in (*protocols(), *presets(), *tissue_table()):
        assert f"| {name} |" in text
    for module in ("patterns", "response", "reader", "reference", "clinical", "epi"):
        assert f"| {module} |" in text.split("## Assumptions in the source")[1]


def test_every_tissue_and_preset_was_measured() -> None:
    measured = PAGE.split(MARK)[0]
    for tissue in set(tissue_table()) - {"lumen_gas"}:
        assert len(re.findall(rf"^\| {tissue} \|", measured, flags=re.MULTILINE)) == 2
    for preset in presets():
        assert f"| {preset} |" in measured.split("## The ceiling")[1]


def test_the_picture_sheet_is_there_and_small() -> None:
    (name,) = re.findall(r"!\[[^]]*\]\(([^)]+)\)", PAGE)
    sheet = ROOT / "docs/reference" / name
    assert 50_000 < sheet.stat().st_size < 600_000
