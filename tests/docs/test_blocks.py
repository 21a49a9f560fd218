"""What stands in code blocks of README and docs runs, or at least names what there is."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer
from typer.testing import CliRunner

from radresp import pipeline
from radresp.cli import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(ROOT.glob("*.md")) + sorted((ROOT / "docs").rglob("*.md"))
COMMANDS: Any = typer.main.get_command(app)
LANGUAGES = {"python", "py", "bash", "console", "sh", "yaml", "text", "{toctree}", "{eval-rst}"}
"""Run: ``python``, ``bash``, ``yaml``. Only read: ``py``, ``console``, ``sh``, ``text``."""

QUOTED = "`radresp pseudonymise`"
"""Of the fault catalogue: a command that was left out."""


class Block(NamedTuple):
    """One fenced block of one page."""

    page: str
    language: str
    text: str


BLOCKS = [
    Block(page.relative_to(ROOT).as_posix(), language, text)
    for page in PAGES
    for language, text in re.findall(
        r"^```(\S*)\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE
    )
]


def of(*languages: str) -> list[Block]:
    return [block for block in BLOCKS if block.language in languages]


def commands(block: Block) -> list[str]:
    """Lines that call radresp, without prompts, comments and variables."""
    lines = block.text.replace("\\\n", " ").splitlines()
    found = [line.removeprefix("$ ") for line in lines]
    return [line for line in found if line.startswith("radresp ")]


def check_command(line: str) -> None:
    """Refuse a command or option that radresp does not have."""
    words = shlex.split(line, comments=True)[1:]
    command, options = COMMANDS, {"--version", "--help"}
    while words and not words[0].startswith("-") and hasattr(command, "commands"):
        assert words[0] in command.commands, f"no such command: {line}"
        command = command.commands[words.pop(0)]
        options = {name for p in command.params for name in (*p.opts, *p.secondary_opts)}
    for word in words:
        if re.match(r"--?[a-z]", word):
            assert word.split("=")[0] in options | {"-h", "--help"}, f"no such option: {line}"


def test_every_block_says_what_it_is() -> None:
    assert {block.language for block in BLOCKS} <= LANGUAGES


def test_every_command_that_is_shown_exists_with_its_options() -> None:
    lines = [line for block in of("bash", "console", "sh") for line in commands(block)]
    assert len(lines) > 30
    for line in lines:
        check_command(line)


@pytest.mark.parametrize("line", ["radresp scroe CASE", "radresp score CASE --modle m -o x"])
def test_a_wrong_command_or_option_would_be_seen(line: str) -> None:
    with pytest.raises(AssertionError, match="no such"):
        check_command(line)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_commands_and_scripts_that_a_sentence_names_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8").replace(QUOTED, "")
    for name in re.findall(r"`radresp ([a-z][a-z-]*)", text):
        assert name in COMMANDS.commands, name
    for path in re.findall(r"(?<![\w/])(scripts/[\w/]+\.\w+|configs/\w+\.yaml)", text):
        assert (ROOT / path).is_file(), path


@pytest.mark.parametrize("block", of("py", "python"), ids=lambda b: b.page)
def test_python_can_be_read_and_the_front_door_has_its_names(block: Block) -> None:
    import radresp

    for node in ast.walk(ast.parse(block.text)):
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "radresp":
            assert node.attr in radresp.__all__


@pytest.mark.parametrize("page", sorted({block.page for block in of("python")}))
def test_python_runs(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    names: dict[str, Any] = {"__name__": "example"}
    for block in of("python"):
        if block.page == page:
            exec(compile(block.text, page, "exec"), names)  # noqa: S102 - our own pages
    row = names.get("row")
    assert row is None or row.values


@pytest.mark.parametrize("block", of("bash"), ids=lambda b: b.page)
def test_commands_run(block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    lines = commands(block)
    assert len(lines) == len(block.text.splitlines())
    for line in lines:
        shown = CliRunner().invoke(app, shlex.split(line)[1:])
        assert shown.exit_code == 0, line


@pytest.mark.parametrize("block", of("yaml"), ids=lambda b: b.page)
def test_plans_are_plans(block: Block, tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(block.text, encoding="utf-8")
    assert pipeline.feature_names(pipeline.load_plan(path))
