"""The contracts of import-linter hold, and break when a floor or a library border is crossed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINT = "from importlinter.cli import lint_imports_command as lint; lint(['--no-cache'])"
LAYERS = "Stairs go down only; rooms of floor 2 do not import each other"

# Library, a room that must not use it, and a room that may.
BORDERS = {
    "sklearn": ("features", "classify"),
    "skops": ("evaluate", "classify"),
    "torch": ("classify", None),
    "monai": ("registration", None),
    "radiomics": ("pipeline", "features"),
    "pydicom": ("phantom", "io"),
    "highdicom": ("report", "io"),
    "nibabel": ("masks", "io"),
    "matplotlib": ("evaluate", "report"),
    "jinja2": ("cli", "report"),
    "dask": ("io", None),
    "typer": ("pipeline", "cli"),
    "rich": ("core", "cli"),
}


def contracts() -> dict[str, dict[str, object]]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return {entry["name"]: entry for entry in project["tool"]["importlinter"]["contracts"]}


def contract_about(library: str) -> str:
    found = [name for name, entry in contracts().items() if forbids(entry, library)]
    assert len(found) == 1, f"{library} needs exactly one contract, found {found}"
    return found[0]


def forbids(entry: dict[str, object], library: str) -> bool:
    modules = entry.get("forbidden_modules", [])
    return isinstance(modules, list) and library in modules


def copy_of_package(folder: Path) -> Path:
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "radresp", folder / "radresp", ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def lint(folder: Path) -> tuple[int, str]:
    """Run import-linter on the package of a folder; its exit code and what it says."""
    done = subprocess.run(
        [sys.executable, "-c", LINT],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stdout + done.stderr


def plant(folder: Path, room: str, *lines: str) -> None:
    (folder / "radresp" / room / "planted.py").write_text("\n".join(lines) + "\n")


def test_the_house_stands() -> None:
    code, said = lint(ROOT)
    assert code == 0, said
    assert f"{len(contracts())} kept, 0 broken" in said


@pytest.mark.parametrize(
    ("room", "line"),
    [
        ("masks", "from radresp import pipeline"),
        ("core", "def f():\n    from radresp.io import atomic"),
        ("features", "def f():\n    from radresp.masks import clean"),
        ("io", "from ..cli import app"),
    ],
)
def test_a_climbing_import_breaks_the_stairs(tmp_path: Path, room: str, line: str) -> None:
    plant(copy_of_package(tmp_path), room, line)
    code, said = lint(tmp_path)
    assert code == 1, said
    assert f"{LAYERS} BROKEN" in said
    assert f"radresp.{room}.planted" in said


def test_a_library_in_the_wrong_room_breaks_its_border(tmp_path: Path) -> None:
    copy_of_package(tmp_path)
    for room in {wrong for wrong, _ in BORDERS.values()}:
        libraries = [library for library, (wrong, _) in BORDERS.items() if wrong == room]
        plant(tmp_path, room, *(f"def f{n}():\n    import {x}" for n, x in enumerate(libraries)))
    code, said = lint(tmp_path)
    assert code == 1, said
    for library, (room, _) in BORDERS.items():
        assert f"{contract_about(library)} BROKEN" in said
        assert f"radresp.{room}.planted -> {library}" in said


def test_a_library_in_its_own_room_keeps_its_border(tmp_path: Path) -> None:
    copy_of_package(tmp_path)
    for room in {right for _, right in BORDERS.values() if right}:
        plant(
            tmp_path, room, *(f"import {x}" for x, (_, right) in BORDERS.items() if right == room)
        )
    code, said = lint(tmp_path)
    assert code == 0, said
