"""The frame of the fault scripts: arguments, promises, and the result as JSON and exit code."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MOST_TOLD = 20


def arguments(description: str | None) -> argparse.ArgumentParser:
    """A parser with what every script takes."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--output", type=Path, required=True, help="work folder; emptied")
    parser.add_argument("--json", action="store_true", help="print one JSON object alone")
    parser.add_argument("--seed", type=int, default=7, help="seed of everything random")
    return parser


@dataclass
class Report:
    """What a script measured and which promises were broken; grows while it runs."""

    as_json: bool
    figures: dict[str, Any] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def promise(self, kept: bool, what: str) -> bool:
        """Note a promise that was not kept; gives whether it was."""
        if not kept:
            self.broken.append(what)
            print(f"BROKEN {what}", file=sys.stderr, flush=True)
        return kept

    def tell(self, text: str) -> None:
        """Progress, on stderr."""
        print(text, file=sys.stderr, flush=True)

    def end(self) -> int:
        """Print the result; 0 when every promise was kept, else 1."""
        seconds = round(time.monotonic() - self.started, 1)
        figures = {"seconds": seconds, **self.figures, "broken": len(self.broken)}
        if self.as_json:
            print(json.dumps(figures | {"promises_broken": self.broken[:MOST_TOLD]}))
        else:
            print("\n".join(f"{name}: {value}" for name, value in figures.items()))
        return int(bool(self.broken))


def emptied(folder: Path) -> Path:
    """A folder with nothing in it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def skip_unless_root(what: str) -> None:
    """End with 77 where the script may not do what it has to."""
    if os.geteuid() != 0:
        print(f"skipped: {what} needs the rights of root", file=sys.stderr)
        raise SystemExit(77)
