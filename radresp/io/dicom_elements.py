"""The data elements of a DICOM file: where each value lies, found without converting one.

pydicom builds an object for every element; a reader that needs forty of a hundred and twenty, in
files it does not trust, is served better by places in a mapped file. Nothing is allocated by a
declared length, undefined-length sequences are walked to a fixed depth, and pixels are never
touched. Encodings: implicit and explicit little endian, explicit big endian (PS3.5 section 7).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from mmap import mmap
from struct import Struct

from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian

from radresp.errors import InputError

MAX_DEPTH = 32
"""Sequences inside each other; real objects have fewer than ten."""

PIXEL_TAGS = {0x7FE00008: "float", 0x7FE00009: "double", 0x7FE00010: "integer"}
UNDEFINED = 0xFFFFFFFF

_LONG = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR"))
_LONG |= frozenset((b"UT", b"UV"))
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_TRANSFER_SYNTAX = 0x00020010

Buffer = bytes | mmap
Place = tuple[bytes, int, int]
"""Value representation (empty when implicit), first byte, and length; `UNDEFINED` is a length."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """Byte order, and whether value representations are written out."""

    explicit: bool
    order: str
    tag: Struct
    short: Struct
    long: Struct

    @classmethod
    def of(cls, explicit: bool, order: str) -> Encoding:
        """The encoding of a byte order, ``"<"`` or ``">"``."""
        return cls(explicit, order, *(Struct(order + form) for form in ("HH2sH", "H", "I")))


_EXPLICIT, _IMPLICIT = Encoding.of(True, "<"), Encoding.of(False, "<")


@dataclass(frozen=True, slots=True)
class Elements:
    """Elements of one data set, item or frame.

    Parameters
    ----------
    buffer : bytes or mmap
        The whole file.
    encoding : Encoding
        Of the data set.
    layers : tuple of dict
        Places by tag. A frame of a multi-frame object has several layers, the nearest first: its
        own functional groups, the shared ones, the data set.
    syntax : str
        Transfer syntax UID; empty when the file tells none.
    overshoot : int
        Bytes by which an element reaches beyond the end of the file.
    """

    buffer: Buffer
    encoding: Encoding
    layers: tuple[dict[int, Place], ...]
    syntax: str = ""
    overshoot: int = 0

    def place(self, tag: int) -> Place | None:
        """Where the value of a tag lies, or None."""
        for layer in self.layers:
            if tag in layer:
                return layer[tag]
        return None

    def private(self, creator: str, group: int, element: int) -> Place | None:
        """Where a private value lies, in the block its creator reserved in its own layer.

        A layer without any reservation is read as if the first block were the creator's, since
        anonymisers drop the reservations first.
        """
        wanted = creator.encode("ascii")
        for layer in self.layers:
            reserved = False
            for block in range(0x10, 0x20):
                owner = layer.get(group << 16 | block)
                if owner is None:
                    continue
                reserved = True
                if self.content(owner).strip(b" \0") == wanted:
                    found = layer.get(group << 16 | block << 8 | element)
                    if found is not None:
                        return found
            if not reserved and (found := layer.get(group << 16 | 0x1000 | element)) is not None:
                return found
        return None

    def content(self, place: Place) -> bytes:
        """The bytes of a value; none for one of undefined length."""
        _, start, length = place
        return b"" if length == UNDEFINED else bytes(self.buffer[start : start + length])

    def items(self, tag: int) -> tuple[Elements, ...]:
        """The items of a sequence; none when it is absent or not a sequence."""
        place = self.place(tag)
        return () if place is None else self.items_at(place)

    def items_at(self, place: Place) -> tuple[Elements, ...]:
        """The items of the sequence at a place."""
        kind, start, length = place
        encoding = _IMPLICIT if kind == b"UN" else self.encoding
        end = len(self.buffer) if length == UNDEFINED else min(start + length, len(self.buffer))
        found = []
        for first, last in _items(self.buffer, start, end, encoding, 0):
            layer, _, _ = _scan(self.buffer, first, last, encoding, 0)
            found.append(Elements(self.buffer, encoding, (layer,), self.syntax))
        return tuple(found)

    def under(self, *nearer: dict[int, Place]) -> Elements:
        """The same elements with nearer layers before them."""
        return Elements(
            self.buffer, self.encoding, (*nearer, *self.layers), self.syntax, self.overshoot
        )


def parse(buffer: Buffer) -> Elements | None:
    """Find the elements of a DICOM file up to its pixels.

    Parameters
    ----------
    buffer : bytes or mmap
        The whole file, or a mapping of it.

    Returns
    -------
    Elements or None
        None when the file does not have the preamble and prefix of PS3.10.

    Raises
    ------
    InputError
        ``DCM_NESTING`` for sequences nested deeper than `MAX_DEPTH`; ``DCM_CODEC`` for a deflated
        data set, which would have to be inflated before anything can be checked.
    """
    if len(buffer) < 132 or bytes(buffer[128:132]) != b"DICM":
        return None
    meta, start, beyond = _scan(buffer, 132, len(buffer), _EXPLICIT, 0, group=2)
    head = Elements(buffer, _EXPLICIT, (meta,))
    stated = meta.get(_TRANSFER_SYNTAX)
    syntax = "" if stated is None else head.content(stated).strip(b" \0").decode("ascii", "replace")
    if syntax == DeflatedExplicitVRLittleEndian:
        raise InputError(
            "DCM_CODEC",
            "a deflated data set",
            expected="an uncompressed header",
            action="convert it (dcmconv +te)",
        )
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    letters = bytes(buffer[start + 4 : start + 6])
    encoding = Encoding.of(letters.isalpha() and letters.isupper(), order)
    layer, _, more = _scan(buffer, start, len(buffer), encoding, 0)
    return Elements(buffer, encoding, (layer,), syntax, max(beyond, more))


def _scan(
    buffer: Buffer, at: int, end: int, encoding: Encoding, depth: int, group: int | None = None
) -> tuple[dict[int, Place], int, int]:
    """Places of the elements from a position on, where they end, and bytes beyond the buffer.

    Ends at an item delimiter, at pixels, and before another group when one is asked for.
    """
    if depth > MAX_DEPTH:
        raise InputError(
            "DCM_NESTING",
            f"sequences nested more than {MAX_DEPTH} deep",
            expected="a few levels",
            action="export the file again",
        )
    places: dict[int, Place] = {}
    size = len(buffer)
    while at + 8 <= end:
        tag, kind, start, length = _element(buffer, at, encoding)
        if group is not None and tag >> 16 != group:
            break
        if tag == _ITEM_END:
            return places, start, 0
        places[tag] = (kind, start, length)
        if tag in PIXEL_TAGS:
            return places, start, 0
        if length == UNDEFINED:
            inner = _IMPLICIT if kind == b"UN" else encoding
            at = _after_sequence(buffer, start, end, inner, depth + 1)
            continue
        at = start + length
        if at > size:
            del places[tag]
            return places, size, at - size
    return places, at, 0


def _element(buffer: Buffer, at: int, encoding: Encoding) -> tuple[int, bytes, int, int]:
    """Tag, value representation, first byte and length of the element at a position."""
    high, low, kind, length = encoding.tag.unpack_from(buffer, at)
    tag = high << 16 | low
    # Delimiters, and elements of a careless writer, have no representation.
    if not encoding.explicit or high == 0xFFFE or not b"AA" <= kind <= b"ZZ":
        return tag, b"", at + 8, encoding.long.unpack_from(buffer, at + 4)[0]
    if kind not in _LONG:
        return tag, kind, at + 8, length
    if at + 12 > len(buffer):
        return tag, kind, at + 12, 0
    return tag, kind, at + 12, encoding.long.unpack_from(buffer, at + 8)[0]


def _items(
    buffer: Buffer, at: int, end: int, encoding: Encoding, depth: int
) -> Iterator[tuple[int, int]]:
    """First and last byte of every item of a sequence."""
    while at + 8 <= end:
        high, low = encoding.tag.unpack_from(buffer, at)[:2]
        length = encoding.long.unpack_from(buffer, at + 4)[0]
        if high << 16 | low != _ITEM:
            return
        start = at + 8
        at = start + length
        if length == UNDEFINED:
            _, at, _ = _scan(buffer, start, end, encoding, depth)
        yield start, min(at, end)


def _after_sequence(buffer: Buffer, at: int, end: int, encoding: Encoding, depth: int) -> int:
    """The position behind a sequence of undefined length, whose first item is at a position."""
    for _, last in _items(buffer, at, end, encoding, depth):
        at = last
    if at + 8 > end:
        return end
    high, low = encoding.tag.unpack_from(buffer, at)[:2]
    return at + 8 if high << 16 | low == _SEQUENCE_END else at
