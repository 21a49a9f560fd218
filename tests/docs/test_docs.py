"""The documents say what the code does: pages made from it are up to date, examples run."""

from __future__ import annotations

import importlib.util
import re
import runpy
import shlex
from pathlib import Path
from types import ModuleType

import pytest
from typer.testing import CliRunner

from radresp import pipeline
from radresp.cli import app
from radresp.notice import INTENDED_USE

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted(path for path in ROOT.glob("*.md")) + sorted((ROOT / "docs").rglob("*.md"))


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_default_yaml_is_the_default_plan_with_every_key() -> None:
    path = ROOT / "configs/default.yaml"
    assert path.read_text(encoding="utf-8") == script("default_plan").default_plan_text()
    assert pipeline.load_plan(path) == pipeline.load_plan(None)


def test_the_index_rules_are_those_an_installation_has() -> None:
    path = ROOT / "configs/index.yaml"
    packaged = ROOT / "radresp/pipeline/index.yaml"
    assert path.read_text(encoding="utf-8") == packaged.read_text(encoding="utf-8")
    assert pipeline.load_rules(path) == pipeline.load_rules(None)


PLANS = sorted(set((ROOT / "configs").glob("*.yaml")) - {ROOT / "configs/index.yaml"})


@pytest.mark.parametrize("path", PLANS, ids=lambda p: p.name)
def test_every_config_is_a_plan(path: Path) -> None:
    assert pipeline.feature_names(pipeline.load_plan(path))


def test_the_fault_page_lists_every_code() -> None:
    page = (ROOT / "docs/reference/faults.md").read_text(encoding="utf-8")
    assert page == script("fault_codes").page()


def test_every_row_of_the_fault_catalogue_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "scripts")
    page = (ROOT / "docs/reference/fault-tests.md").read_text(encoding="utf-8")
    assert page == script("fault_tests").page()


def test_the_readme_begins_with_the_intended_use() -> None:
    assert INTENDED_USE in README.split("\n\n")[1]


def test_python_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    examples = blocks("python")
    assert examples
    for number, block in enumerate(examples):
        example = tmp_path / f"example_{number}.py"
        example.write_text(block)
        assert runpy.run_path(str(example))["row"].values


def test_command_examples_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    lines = [line for block in blocks("bash") for line in block.splitlines() if line]
    assert lines
    for line in lines:
        program, *words = shlex.split(line)
        assert program == "radresp"
        assert CliRunner().invoke(app, words).exit_code == 0, line


def test_every_command_in_a_console_example_exists() -> None:
    lines = re.findall(r"^\$ radresp (\S+)", "\n".join(blocks("console")), flags=re.MULTILINE)
    known = {command.name for command in app.registered_commands}
    assert set(lines) <= known


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (page.parent / target).exists(), f"{page.name}: {target}"
