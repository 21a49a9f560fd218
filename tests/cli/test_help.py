from __future__ import annotations

import subprocess
import sys

import pytest

from radresp.notice import INTENDED_USE

COMMANDS = [
    "demo", "series", "index", "check", "register", "features", "prepare", "extract", "train",
    "score", "report", "phantom", "methods",
]  # fmt: skip
HEAVY = ["SimpleITK", "sklearn", "pandas", "pydicom", "nibabel", "radiomics", "matplotlib"]


def radresp(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from radresp.cli import main; main()", *words],
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_lists_every_command_and_says_research_only() -> None:
    shown = radresp("--help")
    assert shown.returncode == 0
    assert all(command in shown.stdout for command in COMMANDS)
    assert INTENDED_USE.split(".")[0] in shown.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    shown = radresp(command, "--help")
    assert shown.returncode == 0
    assert "--json" in shown.stdout


def test_help_loads_no_heavy_library() -> None:
    code = (
        "import sys, radresp, radresp.cli\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_an_unknown_option_is_a_usage_error() -> None:
    assert radresp("score", "--colour").returncode == 2


def test_version_is_one_parsable_line() -> None:
    assert radresp("--version").stdout.split()[0] == "radresp"
