"""Arrays in one file: NumPy's ``.npz`` without pickle, written whole or not at all."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radresp.io import atomic

MAX_BYTES = 2**30
"""Largest file read back, unpacked."""


def save_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write named arrays.

    Parameters
    ----------
    path : Path
        A ``.npz`` file.
    arrays : mapping of str to ndarray
        Numbers, truth values or fixed text; no objects.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    content = BytesIO()
    np.savez_compressed(content, allow_pickle=False, **dict(arrays))
    atomic.write_bytes(path, content.getvalue())


def load_arrays(path: Path) -> dict[str, NDArray[Any]] | None:
    """Named arrays of a file, or None where there is none or it is not whole.

    For arrays that can be made again: a damaged file is the same as a missing one. Nothing is
    unpickled, and nothing that unpacks beyond ``MAX_BYTES`` is read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > MAX_BYTES:
                return None
        with np.load(path, allow_pickle=False) as found:
            return {name: found[name] for name in found.files}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError):
        return None
