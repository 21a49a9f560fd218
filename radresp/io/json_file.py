"""Read radresp's own JSON files back."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any


def read_json(path: Path) -> Any:
    """Content of a JSON file, or None when there is none or it is not whole JSON.

    For records that can be made again: whoever reads one checks its digests and recomputes what
    does not fit, so a damaged file is the same as a missing one.
    """
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None


def read_embedded(path: Path, name: str) -> Any:
    """JSON that a page written by radresp holds in a script block, or None where there is none.

    Parameters
    ----------
    path : Path
        The page.
    name : str
        The id of the block.
    """
    try:
        page = path.read_text("utf-8")
    except (OSError, ValueError):
        return None
    block = re.search(
        rf'<script type="application/json" id="{re.escape(name)}">(.*?)</script>', page
    )
    return None if block is None else json.loads(block[1])
