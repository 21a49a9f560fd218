"""The fault scripts notice what they are there to notice."""

from __future__ import annotations

import ast
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts/faults"
WHOLE = {
    "features.csv": b"case_id,x\na,1\nb,2\n",
    "cases/extract/a.json": b"{}\n",
    "cases/extract/b.json": b"{}\n",
    "status.jsonl": b'{"case": "a", "code": "OK"}\n{"case": "b", "code": "OK"}\n',
}


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    monkeypatch.syspath_prepend(SCRIPTS)
    return import_module


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What an undisturbed run left."""
    for name, data in WHOLE.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    return tmp_path


def test_a_tree_like_the_undisturbed_one_has_no_difference(
    script: Callable[[str], ModuleType], folder: Path
) -> None:
    assert script("trees").differences(folder, WHOLE) == []


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("features.csv", b"case_id,x\na,1\nb,", "features.csv: wrong"),
        ("cases/extract/a.json", None, "cases/extract/a.json: lost"),
        ("crash.json", b"{}\n", "crash.json: wrong"),
        ("cases/.a.json.0123abcd-77.tmp.json", b"", "cases/.a.json.0123abcd-77.tmp.json: left"),
        (".c.0123abcd-77.tmp/x.png", b"", ".c.0123abcd-77.tmp/x.png: left"),
        ("status.jsonl", WHOLE["status.jsonl"] * 2, "a: finished more than once"),
        ("status.jsonl", b'{"case": "a"\n', "status.jsonl: wrong"),
        ("run.json", b"{", "run.json: wrong"),
    ],
)
def test_whatever_a_disturbed_run_left_wrong_is_told(
    script: Callable[[str], ModuleType], folder: Path, name: str, data: bytes | None, told: str
) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink() if data is None else path.write_bytes(data)
    trees = script("trees")
    if name == "status.jsonl" and "wrong" in told:
        assert trees.wrong_finals(folder, WHOLE) == ["status.jsonl"]
    else:
        assert any(line.startswith(told) for line in trees.differences(folder, WHOLE))


def test_a_process_that_grows_is_told_from_one_that_does_not(
    script: Callable[[str], ModuleType],
) -> None:
    watch = script("watching").Watch.__new__(script("watching").Watch)
    watch.names = {1: "worker", 2: "worker", 3: "helper"}
    done = np.arange(200)
    watch.samples = {
        1: [(int(n), 300 + 0.02 * n, 9, 5) for n in done],
        2: [(int(n), 300.0, 9 + int(n) // 50, 5 + int(n > 150)) for n in done],
        3: [(150, 10.0, 3, 1)],
    }
    grows, leaks = watch.figures(200)
    assert grows["mb_per_100_cases"] == pytest.approx(2.0)
    assert grows["open_files"] == [9, 9]
    assert grows["connections"] == [5, 5]
    assert leaks["mb_per_100_cases"] == pytest.approx(0.0, abs=1e-6)
    assert leaks["open_files"] == [10, 12]
    assert leaks["connections"] == [5, 6]


SOURCE = """
from radresp.errors import InputError
def check(n):
    if n < 0:
        raise InputError("NEGATIVE", "less than nothing")
    if n > 9:
        raise _too_many(n)
    return Note(WARNING, "ODD", "odd") if n % 2 else None
def _too_many(n):
    return InputError("TOO_MANY", str(n))
"""


def test_every_check_of_a_module_can_be_switched_off_alone(
    script: Callable[[str], ModuleType],
) -> None:
    switches = script("switches")
    tree = ast.parse(SOURCE)
    rewriter = switches._Rewriter("m.py", switches._helpers(tree), 0)
    code = compile(ast.fix_missing_locations(rewriter.visit(tree)), "m.py", "exec")
    assert [(site.number, site.codes, site.kind) for site in rewriter.sites] == [
        (0, ("NEGATIVE",), "raise"),
        (1, ("TOO_MANY",), "raise"),
        (2, ("ODD",), "named"),
    ]

    def told(off: int, n: int) -> str:
        switch = SimpleNamespace(
            on=lambda number: number != off,
            code=lambda number, name: "CHECK_OFF" if number == off else name,
        )
        names = {"_switch": switch, "Note": lambda kind, name, found: name, "WARNING": 1}
        exec(code, names)  # noqa: S102  # the module above
        try:
            return names["check"](n) or "fine"  # type: ignore[operator]
        except ValueError as error:
            return str(getattr(error, "code", "?"))

    assert [told(-1, n) for n in (-2, 12, 3)] == ["NEGATIVE", "TOO_MANY", "ODD"]
    assert [told(0, n) for n in (-2, 12, 3)] == ["fine", "TOO_MANY", "ODD"]
    assert [told(1, n) for n in (-2, 12, 3)] == ["NEGATIVE", "fine", "ODD"]
    assert [told(2, n) for n in (-2, 12, 3)] == ["NEGATIVE", "TOO_MANY", "CHECK_OFF"]


def test_every_way_to_spoil_a_file_has_a_code_radresp_knows(
    script: Callable[[str], ModuleType],
) -> None:
    page = (SCRIPTS.parents[1] / "docs/reference/faults.md").read_text(encoding="utf-8")
    assert all(f"| `{fault.code}` |" in page for fault in script("spoil").FAULTS.values())
