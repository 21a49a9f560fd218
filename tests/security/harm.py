"""What all attacks share: the outcome of reading a file that was made to do harm."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from radresp.errors import RadrespError

READ = "read"


def outcome(load: Callable[[Path], object], path: Path) -> str:
    """``"read"``, or the code of the refusal, which is one printable line; nothing else leaves."""
    refused: RadrespError | None = None
    try:
        load(path)
    except RadrespError as error:
        refused = error
    if refused is None:
        return READ
    assert refused.line().isprintable()
    return refused.code
