"""What every command does alike: its source, and a fault of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import radresp


@pytest.mark.parametrize("words", [(), ("table.csv", "-i", "table.csv")])
def test_a_source_is_given_once(words: tuple[str, ...]) -> None:
    shown = radresp("bins", *words, "--json")
    assert (shown.code, shown.json["error"]["code"]) == (2, "USAGE")
    assert shown.json["error"]["found"].endswith("twice" if words else "not at all")


def test_a_fault_of_radresp_is_called_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Path) -> None:
        raise ZeroDivisionError("a text of unknown origin")

    monkeypatch.setattr("radresp.pipeline.describe_series", fail)
    shown = radresp("series", tmp_path, "--json")
    assert (shown.code, shown.json["error"]["code"]) == (70, "BUG")
    assert "ZeroDivisionError at test_common.py" in shown.json["error"]["found"]
    assert "origin" not in shown.out + shown.err
