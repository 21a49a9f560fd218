"""Print docs/reference/cli.md: every command with its arguments and options.

    python scripts/cli_reference.py > docs/reference/cli.md

The page is read from the commands themselves; a test holds it to this output.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import typer
from reference_tables import code, table

from radresp.cli import app
from radresp.errors import ExitCode

HEADER = """\
# Commands

`radresp COMMAND --help` says the same on a terminal. `--json` prints one object on stdout and
nothing else; progress goes to stderr. A folder given with `-o` gets `run.json`: versions,
command, seed, plan hash, inputs and outputs with SHA-256, status, exit code. Nothing is sent
anywhere, and nothing is written outside `-o` and `--work-dir`.
Made by scripts/cli_reference.py from the commands.
"""
EXITS = {
    ExitCode.FINISHED: "all finished; an abstention is finished",
    ExitCode.USAGE: "a wrong option, plan or table; nothing was touched",
    ExitCode.CASE_REFUSED: "the one case was refused",
    ExitCode.SOME_REFUSED: "a batch finished, some cases refused: see `status.jsonl`",
    ExitCode.NONE_USABLE: "no case of a batch was usable",
    ExitCode.OUTPUT: "the output cannot be written, is locked, or holds something else",
    ExitCode.MODEL: "the model folder was refused",
    ExitCode.RESOURCE: "a limit was reached, or a device that was asked for is not there",
    ExitCode.ABSTAINED: "no probability was given, with `--fail-on-abstain`",
    ExitCode.BUG: "a fault of radresp",
    ExitCode.INTERRUPTED: "interrupted; the same command resumes",
    ExitCode.TERMINATED: "terminated; the same command resumes",
}


def page() -> str:
    """The whole page."""
    lines = [HEADER]
    for name, command in typer.main.get_command(app).commands.items():
        lines += _command(f"radresp {name}", command)
    lines += ["## Exit codes", ""]
    rows = [(str(int(c)), EXITS[c]) for c in ExitCode]
    return "\n".join([*lines, *table(("code", "what"), rows)]) + "\n"


def _command(name: str, command: Any) -> Iterator[str]:
    if hasattr(command, "commands"):
        for inner, below in command.commands.items():
            yield from _command(f"{name} {inner}", below)
        return
    context = typer.Context(command, info_name=name)
    usage = " ".join(command.collect_usage_pieces(context))
    yield from (f"## {name}", "", command.help or "", "", f"    {name} {usage}", "")
    rows = [_meaning(p, context) for p in command.params]
    yield from table(("argument or option", "meaning"), rows)
    yield ""


def _meaning(parameter: Any, context: typer.Context) -> tuple[str, str]:
    if parameter.param_type_name == "argument":
        return code(parameter.name.upper()), _plain(parameter.help or "")
    names, said = parameter.get_help_record(context)
    return code(names), _plain(said)


def _plain(text: str) -> str:
    """Text that Markdown leaves as it is."""
    return re.sub(r"([*<\[])", r"\\\1", text)


if __name__ == "__main__":
    print(page(), end="")
