"""The DICOM headers of a folder, with what was passed over and what could not be parsed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from radresp.errors import InputError
from radresp.io.dicom_header import read_headers
from radresp.io.dicom_slice import Header
from radresp.io.input_file import files_below, is_folder

Watcher = Callable[[Path], None]


def unwatched(path: Path) -> None:
    """Take no notice of a file about to be read."""


@dataclass(frozen=True, slots=True)
class Folder:
    """Everything found below a folder: headers, files that are not DICOM, files that are broken."""

    headers: tuple[Header, ...]
    skipped: tuple[Path, ...]
    broken: tuple[InputError, ...]


def read_folder(path: Path, watch: Watcher = unwatched) -> Folder:
    """Read the headers of all files below a folder, or of one file.

    Hidden files and DICOMDIR are left alone; what a DICOMDIR points to is never followed.

    Parameters
    ----------
    path : Path
        Folder, searched with its subfolders, or a DICOM file.
    watch : callable, optional
        Told of every file before it is read.

    Raises
    ------
    InputError
        ``MISSING_FILE`` when there is no such path.
    """
    files = files_below(path) if is_folder(path) else (path,)
    headers: list[Header] = []
    skipped, broken = [], []
    for file in files:
        if file.name.upper() == "DICOMDIR":
            continue
        watch(file)
        try:
            found = read_headers(file)
        except InputError as error:
            broken.append(error)
            continue
        headers += found
        if not found:
            skipped.append(file)
    return Folder(tuple(headers), tuple(skipped), tuple(broken))
