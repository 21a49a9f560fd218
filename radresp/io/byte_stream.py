"""Bytes of a plain or gzip-compressed file, in order, never more than asked for.

Common readers return a half-read file as good. Here a compressed stream counts only when every
member's checksum and length were verified at its end, and decompression stops at the number of
bytes the caller expects, so a bomb costs nothing.
"""

from __future__ import annotations

import zlib
from typing import BinaryIO, Protocol

GZIP_MAGIC = b"\x1f\x8b"
_CHUNK = 2**20


class StreamFaultError(Exception):
    """A compressed stream that is damaged, or (``cut``) breaks off before its end mark."""

    def __init__(self, *, cut: bool) -> None:
        super().__init__("cut" if cut else "damaged")
        self.cut = cut


class ByteStream(Protocol):
    """Uncompressed bytes, in order."""

    compressed: bool

    def read(self, count: int) -> bytearray:
        """Up to ``count`` further bytes; fewer only at the end."""


class PlainStream:
    """An uncompressed file."""

    compressed = False

    def __init__(self, handle: BinaryIO) -> None:
        self._handle = handle

    def read(self, count: int) -> bytearray:
        """Up to ``count`` further bytes; fewer only at the end."""
        return bytearray(self._handle.read(count))


class GzipStream:
    """A gzip file of one or more members, each verified at its end by checksum and length."""

    compressed = True

    def __init__(self, handle: BinaryIO) -> None:
        self._handle = handle
        self._codec = zlib.decompressobj(wbits=31)
        self._waiting = b""

    def read(self, count: int) -> bytearray:
        """Up to ``count`` further bytes; fewer only at the end.

        Raises
        ------
        StreamFaultError
            When the stream is damaged or breaks off.
        """
        content = bytearray()
        while len(content) < count:
            if self._codec.eof and not self._next_member():
                break
            content += self._some(count - len(content))
        return content

    def _some(self, limit: int) -> bytes:
        waiting = self._waiting or self._handle.read(_CHUNK)
        try:
            found = self._codec.decompress(waiting, limit)
        except zlib.error:
            raise StreamFaultError(cut=False) from None
        self._waiting = self._codec.unused_data or self._codec.unconsumed_tail
        if not waiting and not found and not self._codec.eof:
            raise StreamFaultError(cut=True)
        return found

    def _next_member(self) -> bool:
        # Zeros after the last member are padding and are allowed, as in gzip itself.
        while not (waiting := self._waiting.lstrip(b"\0")):
            self._waiting = self._handle.read(_CHUNK)
            if not self._waiting:
                return False
        self._waiting = waiting
        self._codec = zlib.decompressobj(wbits=31)
        return True
