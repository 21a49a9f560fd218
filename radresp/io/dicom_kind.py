"""What a series shows, decided by its headers, not by its name.

Rules in order: an ADC map says so in ImageType (GE: in a derived series' description); a
calculated b-value image was derived from several b-values; diffusion has a b-value above 0; a
localizer says so, looks in several directions or has too few slices; a T2 is a spin echo with long
echo and repetition times.
"""

from __future__ import annotations

from collections.abc import Sequence as Ordered

import numpy as np

from radresp.io.dicom_nouns import Kind
from radresp.io.dicom_slice import Header

MIN_SLICES = 4
T2_ECHO_TIME_MS = 60.0
T2_REPETITION_TIME_MS = 1000.0
SCOUT_COSINE = 0.7
"""Slices that look in directions more than 45 degrees apart are scouts, not a stack."""

DIFFUSION_TYPES = frozenset(("DIFFUSION", "TRACEW", "TRACE", "CALC_BVALUE"))
_MAPS = frozenset(("FA", "EADC", "TENSOR", "PHASE", "P", "R", "I", "REAL", "IMAGINARY"))


def kind_of(headers: Ordered[Header]) -> Kind:
    """The kind of a series.

    Parameters
    ----------
    headers : sequence of Header
        All headers of one series; at least one.
    """
    types = {word for header in headers for word in header.image_type}
    if any(header.modality != "MR" for header in headers):
        return Kind.OTHER
    if "LOCALIZER" in types or looks_around(headers):
        return Kind.LOCALIZER
    if "ADC" in types or all(header.named_adc for header in headers):
        return Kind.ADC
    if types & _MAPS:
        return Kind.OTHER
    if _is_diffusion(headers, types):
        computed = any(header.computed for header in headers)
        return Kind.CALCULATED_B if computed and len(b_values(headers)) == 1 else Kind.DWI
    if 0 < position_count(headers) < MIN_SLICES:
        return Kind.LOCALIZER
    return Kind.T2 if all(map(_is_t2, headers)) else Kind.OTHER


def looks_around(headers: Ordered[Header]) -> bool:
    """Whether slices of one series look in directions far from each other, as scouts do."""
    placed = [header.placement for header in headers if header.placement is not None]
    if not placed:
        return False
    normals = np.cross([place.row for place in placed], [place.column for place in placed])
    lengths = np.linalg.norm(normals, axis=1)
    if not np.all(lengths > 0):
        return False
    return bool(np.abs(normals @ normals[0] / (lengths * lengths[0])).min() < SCOUT_COSINE)


def b_values(headers: Ordered[Header]) -> dict[float, int]:
    """Number of slices of every b-value, by rising b-value."""
    found = sorted(h.b_s_per_mm2 for h in headers if h.b_s_per_mm2 is not None)
    return {b: found.count(b) for b in dict.fromkeys(found)}


def position_count(headers: Ordered[Header]) -> int:
    """Number of different slice positions, to 0.01 mm."""
    places = (header.placement for header in headers)
    return len({tuple(round(v, 2) for v in place.position) for place in places if place})


def describe_kind(kind: Kind, headers: Ordered[Header]) -> str:
    """The attributes a kind was decided by, in words.

    Examples
    --------
    >>> describe_kind(Kind.OTHER, ())
    'other (no attributes)'
    """
    attributes = headers[0].attributes if headers else {}
    parts = [
        f"{words} {value:g} ms" if isinstance(value, float) else f"{words} {value}"
        for words, value in ((words, attributes.get(name)) for name, words in _DECISIVE.items())
        if value is not None
    ]
    if found := b_values(headers):
        parts.append("b-values " + ", ".join(f"{b:g}" for b in found))
    return f"{kind} ({'; '.join(parts) or 'no attributes'})"


_DECISIVE = {
    "image_type": "image type",
    "scanning_sequence": "scanning sequence",
    "echo_time_ms": "echo time",
    "repetition_time_ms": "repetition time",
}


def _is_diffusion(headers: Ordered[Header], types: set[str]) -> bool:
    if {"DERIVED", "SECONDARY"} <= types:  # post-processed; not an acquired signal
        return False
    if types & DIFFUSION_TYPES or any((header.b_s_per_mm2 or 0) > 0 for header in headers):
        return True
    echo_planar = "EP" in str(headers[0].attributes.get("scanning_sequence", "")).split("\\")
    return echo_planar and position_count(headers) < len(headers)


def _is_t2(header: Header) -> bool:
    sequence = str(header.attributes.get("scanning_sequence", "")).split("\\")
    echo, repetition = (
        float(header.attributes.get(name, 0.0)) for name in ("echo_time_ms", "repetition_time_ms")
    )
    spin_echo = "SE" in sequence and "EP" not in sequence
    return spin_echo and echo >= T2_ECHO_TIME_MS and repetition >= T2_REPETITION_TIME_MS
