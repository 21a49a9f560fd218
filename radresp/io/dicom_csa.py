"""Siemens CSA headers: a table of named text values inside one private element.

Layout as published by nibabel (https://nipy.org/nibabel/dicom/siemens_csa.html): ``SV10``, a count
of tags, and for each tag an 84-byte head (name, value multiplicity, representation, number of
items) and items of padded text. The older layout without ``SV10`` (before 2006) is not read.
"""

from __future__ import annotations

import struct

_HEAD = struct.Struct("<64si4sii4x")
_ITEM = struct.Struct("<4i")
_MOST_TAGS = 1024
_MOST_ITEMS = 4096


def csa_numbers(content: bytes, name: str) -> tuple[float, ...] | None:
    """The numbers of one tag of a CSA header, or None when it is absent or unreadable.

    Parameters
    ----------
    content : bytes
        Value of (0029,xx10) or (0029,xx20).
    name : str
        Name of the tag, such as ``"B_value"``.
    """
    if content[:4] != b"SV10":
        return None
    at = 16
    try:
        count = struct.unpack_from("<I", content, 8)[0]
        for _ in range(min(count, _MOST_TAGS)):
            title, _, _, _, items = _HEAD.unpack_from(content, at)
            at += _HEAD.size
            values, at = _values(content, at, min(items, _MOST_ITEMS))
            if title.split(b"\0")[0] == name.encode("ascii"):
                return tuple(map(float, values)) or None
    except (struct.error, ValueError):
        return None
    return None


def _values(content: bytes, at: int, items: int) -> tuple[list[bytes], int]:
    """The texts of one tag that are not empty, and where the next tag starts."""
    found = []
    for _ in range(items):
        length = _ITEM.unpack_from(content, at)[1]
        at += _ITEM.size
        if not 0 <= length <= len(content) - at:
            raise ValueError(length)
        value = content[at : at + length].split(b"\0")[0].strip()
        found += [value] if value else []
        at += length + (-length) % 4
    return found, at
