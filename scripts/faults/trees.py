"""Trees of results: are the files of a run whole, and are they those of an undisturbed run."""

from __future__ import annotations

import gzip
import io
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

INFORMATIVE = {".radresp.lock", "run.json", "status.jsonl", "events.jsonl"}
"""Files that hold times, hosts or the history of runs; held to rules of content alone."""
TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}-[0-9]+\.(tmp|old)(\.[A-Za-z0-9]+){0,2}")

Tree = dict[str, bytes]


def tree_of(folder: Path) -> Tree:
    """Every file below a folder with its bytes."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def is_temporary(name: str) -> bool:
    """Whether a file, or a folder it lies in, bears the name of something half written."""
    return any(TEMPORARY.fullmatch(part) for part in name.split("/"))


def unreadable(tree: Tree) -> list[str]:
    """Files of a tree that do not parse as what their names say."""
    return [name for name, data in tree.items() if not _parses(name, data)]


def _parses(name: str, data: bytes) -> bool:
    try:
        _parse(name, data)
    except (ValueError, OSError, EOFError, KeyError, AssertionError):
        return False
    return True


def _parse(name: str, data: bytes) -> None:
    if name == ".radresp.lock":
        return
    suffix = name.rsplit(".", 1)[-1]
    if suffix == "json":
        json.loads(data)
    elif suffix == "jsonl":
        for line in data.split(b"\n")[:-1]:
            json.loads(line)
    elif suffix == "gz":
        gzip.decompress(data)
    elif suffix == "parquet":
        pq.read_table(io.BytesIO(data))
    elif suffix == "png" and not data.endswith(b"IEND\xaeB`\x82"):
        raise ValueError("no end of picture")
    elif suffix in ("csv", "yaml", "tfm") and not data.endswith(b"\n"):
        raise ValueError("no end of line")
    elif suffix == "html" and not data.rstrip().endswith(b"</html>"):
        raise ValueError("no end of page")


def wrong_finals(folder: Path, whole: Tree) -> list[str]:
    """Files under final names that are not, byte for byte, those of the undisturbed run.

    Parameters
    ----------
    folder : Path
        What a disturbed run left.
    whole : Tree
        What an undisturbed one leaves.
    """
    finals = {n: data for n, data in tree_of(folder).items() if not is_temporary(n)}
    held = {name: data for name, data in finals.items() if name not in INFORMATIVE}
    other = [name for name, data in held.items() if whole.get(name) != data]
    return other + unreadable({n: data for n, data in finals.items() if n in INFORMATIVE})


def differences(folder: Path, whole: Tree) -> list[str]:
    """In what a finished run differs from the undisturbed one; nothing when all is well."""
    tree = tree_of(folder)
    told = [f"{name}: wrong" for name in wrong_finals(folder, whole)]
    told += [f"{name}: lost" for name in whole if name not in tree and name not in INFORMATIVE]
    told += [f"{name}: left behind" for name in tree if is_temporary(name)]
    twice = [case for case, times in worked_on(folder).items() if times > 1]
    return told + [f"{case}: finished more than once" for case in twice]


def status_of(folder: Path) -> list[dict[str, Any]]:
    """The whole lines of the status log."""
    path = folder / "status.jsonl"
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [json.loads(line) for line in lines]


def worked_on(folder: Path) -> Counter[str]:
    """How often each case was worked on to its end, by the status log."""
    return Counter(line["case"] for line in status_of(folder) if line["code"] == "OK")
