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
    """JSON in a script block of a page of radresp; None where there is none, or half of one.

    Parameters
    ----------
    path : Path
        The page.
    name : str
        The id of the block.
    """
    start = rf'<script type="application/json" id="{re.escape(name)}">'
    try:
        block = re.search(rf"{start}(.*?)</script>", path.read_text("utf-8"))
        return None if block is None else json.loads(block[1])
    except (OSError, ValueError, RecursionError):
        return None
