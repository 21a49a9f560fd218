"""Listings show names as text, whoever chose them."""

from __future__ import annotations

from pathlib import Path

import pytest

from radresp.cli.common import Run, as_table


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("[/x]", "[/x]"),
        ("[bold]p1[/bold]", "[bold]p1[/bold]"),
        ("[link=https://example.org]p1[/link]", "[link=https://example.org]p1[/link]"),
        ("a\x1b[2Jb", "a\\x1b[2Jb"),
        ("one\ntwo", "one\\ntwo"),
        ("a\u202eb", "a\\u202eb"),
    ],
)
def test_a_name_is_shown_and_never_obeyed(name: str, shown: str) -> None:
    lines = as_table([{"folder": name, "kind": "t2"}], ["folder", "kind"]).splitlines()
    assert lines[1].split(" t2")[0].strip() == shown
    assert len(lines) == 2


def test_an_output_nobody_may_look_at_is_no_second_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", refuse)
    run = Run("extract", as_json=True, output=tmp_path / "closed/out")
    run.end()
    assert run.exit_code == 0
