"""Read radresp's own JSON files back."""

from __future__ import annotations

import json
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
