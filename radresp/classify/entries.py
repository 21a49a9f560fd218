"""The entries of a zip archive in a model, looked at before any of them is inflated.

What: an archive may swell to a thousand times its size, hold links, names that climb and more than
was asked for. Names, kinds and sizes are judged by the archive's own list; an entry is then
inflated no further than that list says, and an array must be as long as its header says. What has
passed is packed again without compression, so that nobody after this module inflates anything.

Source: PKWARE APPNOTE; fault catalogue P03. When to use: on every archive read from a model folder.
"""

from __future__ import annotations

import io
import math
import re
import stat
import zipfile
from collections.abc import Mapping

import numpy as np

from radresp.errors import ModelError

AGAIN = "copy the model folder again from where it was made"
SCHEMA = "schema.json"
MOST_BYTES = 2**30
"""What an archive may hold, all entries together."""
SWELL = 100
"""Bytes an archive may hold for each of its own, beside the first MiB; forests reach 10."""
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.]*")
_LOCKED = 1
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def refusal(
    found: str, file: str, expected: str = "a member written by radresp", action: str = AGAIN
) -> ModelError:
    """A member that is not as radresp writes it."""
    return ModelError("MODEL_FORMAT", found, expected=expected, action=action, file=file)


class Archive:
    """An archive whose list of entries was judged; each is inflated when asked for.

    Parameters
    ----------
    data : bytes
        The archive.
    file : str
        Name of the member, for messages.

    Raises
    ------
    ModelError
        ``MODEL_FORMAT`` naming the entry that is a link, has a name that is no plain file name,
        stands twice, or is too large.
    zipfile.BadZipFile
        For anything that is no archive.

    Examples
    --------
    >>> archive = Archive(pack({"schema.json": b"{}"}), "residual.skops")
    >>> archive.read("schema.json")
    b'{}'
    """

    def __init__(self, data: bytes, file: str) -> None:
        self._zip = zipfile.ZipFile(io.BytesIO(data))
        self._file = file
        entries = self._zip.infolist()
        seen: set[str] = set()
        for entry in entries:
            fault = "stands twice" if entry.filename in seen else _fault_of(entry)
            if fault:
                raise self._refusal(entry.orig_filename, fault)
            seen.add(entry.filename)
        limit = min(MOST_BYTES, 2**20 + SWELL * len(data))
        if sum(entry.file_size for entry in entries) > limit:
            largest = max(entries, key=lambda entry: entry.file_size)
            swells = f"would swell to {largest.file_size} bytes of an archive of {len(data)}"
            raise self._refusal(largest.filename, swells, f"at most {limit} bytes in all entries")

    def check(self, expected: set[str]) -> None:
        """Refuse an archive with other entries than these.

        Raises
        ------
        ModelError
            ``MODEL_FORMAT`` naming the first entry that is missing, else the first too many.
        """
        there = set(self._zip.namelist())
        for names, fault in ((expected - there, "is missing"), (there - expected, "is not used")):
            if names:
                raise self._refusal(min(names), fault)

    def read(self, name: str) -> bytes:
        """Inflate one entry, no further than the archive's list says.

        Raises
        ------
        ModelError
            ``MODEL_FORMAT`` when there is no such entry or it is shorter.
        """
        if name not in self._zip.namelist():
            raise self._refusal(name, "is missing")
        size = self._zip.getinfo(name).file_size
        with self._zip.open(name=name) as entry:
            content = entry.read(size)
        if len(content) != size:
            raise self._refusal(name, f"holds {len(content)} of {size} bytes")
        return content

    def packed(self) -> bytes:
        """The archive again, its entries not compressed; all but the schema are whole arrays.

        Raises
        ------
        ModelError
            ``MODEL_FORMAT`` naming an entry that is no array of numbers, or not as long as it says.
        """
        contents = {name: self.read(name) for name in self._zip.namelist()}
        for name, content in contents.items():
            if name != SCHEMA and not _is_whole_array(content):
                raise self._refusal(name, "is no array of numbers as long as its header says")
        return pack(contents)

    def _refusal(self, entry: str, fault: str, expected: str = "") -> ModelError:
        wanted = expected or "the plain entries radresp writes, all and no others"
        return refusal(f"its entry {entry!a} {fault}", self._file, wanted)


def pack(contents: Mapping[str, bytes]) -> bytes:
    """Entries as an archive without compression and clock times; equal entries, equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in contents.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


def _fault_of(entry: zipfile.ZipInfo) -> str:
    """What is wrong with an entry by the archive's list; empty when nothing is."""
    if not _NAME.fullmatch(entry.orig_filename):
        return "has a name that is no plain file name"
    if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):
        return "is a link, folder or device"
    known = entry.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    return "" if known and not entry.flag_bits & _LOCKED else "is encrypted or packed otherwise"


def _is_whole_array(content: bytes) -> bool:
    """Whether this is one ``.npy`` file of numbers; a false header could ask for terabytes."""
    file = io.BytesIO(content)
    try:
        shape, _, dtype = _HEADERS[np.lib.format.read_magic(file)](file)
    except (ValueError, KeyError, TypeError, SyntaxError, OverflowError):
        return False
    length = math.prod(shape) * dtype.itemsize
    return (
        min(shape, default=0) >= 0 and not dtype.hasobject and length == len(content) - file.tell()
    )
