"""What all commands share: options, progress, and the boundary where errors become exit codes."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from radresp.errors import ExitCode, OutputError, PlanError, RadrespError, printable
from radresp.notice import INTENDED_USE
from radresp.pipeline import interrupt

BAR_AFTER_SECONDS = 2.0
_SHORT_S = 10.0


class Progress(StrEnum):
    """How progress is shown, always on stderr."""

    AUTO = "auto"
    BAR = "bar"
    LINES = "lines"
    NONE = "none"


JsonFlag = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else.")
]
DebugFlag = Annotated[bool, typer.Option("--debug", help="Show tracebacks.")]
ProgressChoice = Annotated[
    Progress,
    typer.Option(
        "--progress",
        envvar="RADRESP_PROGRESS",
        help="auto: a bar on a terminal, else one plain line a finished case.",
    ),
]
OutputFolder = Annotated[
    Path | None, typer.Option("-o", "--output", help="Folder everything is written to.")
]
InputAlias = Annotated[
    Path | None, typer.Option("-i", "--input", help="Same as the positional argument.")
]
DataRoot = Annotated[
    Path | None,
    typer.Option(
        "--root",
        help="Folder no path or link may leave; by default that of the table or case.",
    ),
]
PlanFile = Annotated[
    Path | None, typer.Option("--plan", help="YAML plan; what it does not say keeps its default.")
]
Workers = Annotated[int, typer.Option("--workers", min=1, max=256, help="Processes.")]


def one_of(positional: Path | None, option: Path | None, name: str) -> Path:
    """The path given either by position or by ``-i``."""
    if (positional is None) == (option is None):
        raise PlanError(
            "USAGE",
            f"{name} is given {'not at all' if positional is None else 'twice'}",
            expected=f"{name} once, by position or with -i",
        )
    return positional or option  # type: ignore[return-value]


def required(output: Path | None) -> Path:
    """The output folder, which this command cannot do without."""
    if output is None:
        raise PlanError("USAGE", "no output folder", expected="-o FOLDER")
    return output


class Run:
    """One command from start to exit code.

    Parameters
    ----------
    command : str
        Its name.
    as_json : bool
        Print one JSON object instead of text.
    output : Path, optional
        Where ``run.json`` goes, once the command has made the folder.
    """

    def __init__(self, command: str, as_json: bool, output: Path | None) -> None:
        self.command = command
        self.as_json = as_json
        self.output = output
        self.exit_code = ExitCode.FINISHED
        self.result: dict[str, Any] = {}
        self.seed: int | None = None
        self.plan_sha256: str | None = None
        self.model_id: str | None = None
        self.device = "cpu"
        self.root = Path()
        self.inputs: list[Path] = []
        self.outputs: list[Path] = []
        self._started = datetime.now(UTC)
        self._clock = time.monotonic()

    def say(self, text: str = "") -> None:
        """Print a line of results, unless JSON was asked for."""
        if not self.as_json:
            typer.echo(text)

    def notice(self) -> None:
        """Print the research-use sentence."""
        self.say(INTENDED_USE)

    def end(self, error: RadrespError | None = None) -> None:
        """Print what is left to print and write the run record."""
        status = "failed" if error else "finished"
        if error is not None:
            self.exit_code = error.exit_code
            shown = error.located(root=self._root_of(error))
            self.result["error"] = shown.record()
            if not self.as_json:
                typer.echo(shown.line(), err=True)
        if self.as_json:
            head = {"intended_use": INTENDED_USE, "command": self.command, "status": status}
            body = {**head, "exit_code": int(self.exit_code), **self.result}
            typer.echo(json.dumps(body, allow_nan=False))
        if self.output is None or not os.path.isdir(self.output):  # noqa: PTH112  never raises
            return
        if error is not None and error.code == "LOCKED":
            return  # the folder is another run's
        # A run that failed must not pass itself off as the one that made what lies there.
        if error is None or not (self.output / "run.json").exists():
            told = () if error is None else (OutputError,)  # one trouble is told, not two
            with suppress(*told):
                self._write_record(self.output, status)

    def _root_of(self, error: RadrespError) -> Path:
        """What the error's file is shown relative to: the output folder or the data root."""
        output = (self.output or Path()).absolute()
        inside = error.file is not None and Path(error.file).is_relative_to(output)
        return output if inside else self.root.absolute()

    def _write_record(self, folder: Path, status: str) -> None:
        from radresp import io  # not at the top: help and usage errors should not pay for it

        record = io.RunRecord.start(
            ["radresp", *sys.argv[1:]],
            root=self.root,
            folder=folder,
            seed=self.seed,
            plan_sha256=self.plan_sha256,
        )
        record.started, record._clock = self._started, self._clock
        record.model_id, record.device = self.model_id, self.device
        for path in self.inputs:
            record.add_input(path)
        for path in self.outputs:
            record.add_output(path)
        record.finish(self.exit_code, status)


@contextmanager
def running(
    command: str, *, as_json: bool = False, output: Path | None = None, debug: bool = False
) -> Iterator[Run]:
    """The boundary of a command: every outcome leaves as a message and an exit code."""
    run = Run(command, as_json, output)
    interrupt.listen()
    try:
        yield run
        run.end()
    except RadrespError as error:
        if interrupt.requested():
            raise _interrupted() from None
        if debug:
            traceback.print_exc()
        run.end(error)
    except KeyboardInterrupt:
        raise _interrupted() from None
    except BrokenPipeError:
        # Whoever read our output has left; there is nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(ExitCode.FINISHED) from None
    except (typer.Exit, typer.Abort):
        raise
    except Exception as error:  # noqa: BLE001
        _report_bug(run, error, debug)
    raise typer.Exit(run.exit_code)


def _interrupted() -> typer.Exit:
    typer.echo("interrupted; run the same command again to resume", err=True)
    terminated = interrupt.requested() == signal.SIGTERM
    return typer.Exit(ExitCode.TERMINATED if terminated else ExitCode.INTERRUPTED)


def _report_bug(run: Run, error: Exception, debug: bool) -> None:
    """Say that this is our fault, without repeating an error text that may name a patient."""
    if debug:
        traceback.print_exc()
    places = [
        f"{Path(f.filename).name}:{f.lineno} {f.name}"
        for f in traceback.extract_tb(error.__traceback__)
    ]
    bug = RadrespError(
        "BUG",
        f"{type(error).__name__} at {places[-1] if places else 'unknown place'}",
        action="this is a fault of radresp; run again with --debug and report it",
    )
    if run.output is not None and run.output.is_dir():
        crash = {"error": type(error).__name__, "places": places, "command": run.command}
        from radresp import io

        io.write_json(run.output / "crash.json", crash)
    run.end(bug)


class Ticker:
    """Progress of a command, as bars or as lines."""

    def __init__(self, mode: Progress) -> None:
        self._mode = _resolve(mode)
        self._bars: Any = None

    def __enter__(self) -> Ticker:
        if self._mode is Progress.BAR:
            from rich.console import Console
            from rich.progress import Progress as Bars

            self._bars = Bars(console=Console(stderr=True), transient=True)
            self._bars.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._bars is not None:
            self._bars.stop()

    def stage(self, name: str, total: int = 0) -> Callable[[int, int], None]:
        """Open a stage; the returned function is called with (done, all)."""
        if self._bars is not None:
            task = self._bars.add_task(name, total=total or None)
            return lambda done, whole: self._bars.update(task, completed=done, total=whole)
        started = time.monotonic()

        def line(done: int, whole: int) -> None:
            if self._mode is Progress.LINES and _worth_a_line(done, whole):
                seconds = time.monotonic() - started
                left = _time_left(seconds, done, whole)
                typer.echo(f"[{done}/{whole}] {name} {seconds:.1f} s{left}", err=True)

        return line

    def cases(self, whole: int) -> Callable[[Any], None]:
        """Watch a cohort: a bar, or one plain line a finished case."""
        done, started = 0, time.monotonic()
        tick = self.stage("cases", whole) if self._bars is not None else None

        def watch(result: Any) -> None:
            nonlocal done
            done += 1
            if tick is not None:
                tick(done, whole)
            elif self._mode is Progress.LINES:
                word = result.refusal.code if result.refusal else "kept" if result.kept else "ok"
                left = _time_left(time.monotonic() - started, done, whole)
                typer.echo(f"[{done}/{whole}] {result.case_id} {word}{left}", err=True)

        return watch


def _resolve(mode: Progress) -> Progress:
    if mode is not Progress.AUTO:
        return mode
    dumb = os.environ.get("TERM") == "dumb" or any(os.environ.get(k) for k in ("CI", "NO_COLOR"))
    return Progress.BAR if sys.stderr.isatty() and not dumb else Progress.LINES


def _time_left(seconds: float, done: int, whole: int) -> str:
    """How long the rest takes if it goes on like this; nothing at the end or under ten seconds.

    Examples
    --------
    >>> _time_left(60.0, 2, 10)
    ', about 4 min left'
    >>> _time_left(3.0, 2, 10), _time_left(60.0, 10, 10)
    (', about 12 s left', '')
    """
    left = seconds / done * (whole - done) if done else 0.0
    if left < _SHORT_S:
        return ""
    return f", about {duration(left)} left"


def duration(seconds: float) -> str:
    """A time in the unit people think of it in.

    Examples
    --------
    >>> duration(90), duration(1800), duration(90_000)
    ('90 s', '30 min', '25 h')
    """
    if seconds < 2 * 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 3 * 3600 else f"{seconds / 3600:.0f} h"


def _worth_a_line(done: int, whole: int) -> bool:
    """Every tenth of the way: enough to see life, short enough for a log."""
    return done == whole or done % max(1, whole // 10) == 0


def as_table(rows: list[Mapping[str, Any]], columns: list[str]) -> str:
    """Rows as a table for a terminal."""
    from io import StringIO

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        # As text, not markup, and on one line: names come from whoever named them.
        table.add_row(*(Text(printable(str(row.get(column, "")))) for column in columns))
    width = None if sys.stdout.isatty() else 160
    console = Console(file=StringIO(), width=width, no_color=not sys.stdout.isatty())
    console.print(table)
    return console.file.getvalue().rstrip()  # type: ignore[attr-defined]
