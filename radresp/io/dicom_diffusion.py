"""The b-values of a whole series: what is filled in, what is chosen, what contradicts.

The images of one b-value and several gradient directions become one trace-weighted image by their
geometric mean (`radresp.io.dwi_repeats`). Where the scanner stored its own trace among the
directions, that one image is used and the directions are left out, so that nothing counts twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from radresp.core import Note, NoteKind
from radresp.io.dicom_bvalue import SAME_B_S_PER_MM2, ZERO_IS_NOT_TOLD
from radresp.io.dicom_kind import Kind, b_values
from radresp.io.dicom_slice import Header

_ACQUIRED = (Kind.DWI,)


def assume_zero(headers: Sequence[Header]) -> tuple[tuple[Header, ...], tuple[Note, ...]]:
    """Fill in b 0 where a maker tells a b-value only when a gradient is on.

    Parameters
    ----------
    headers : sequence of Header
        Slices of one series.

    Returns
    -------
    tuple of Header, tuple of Note
        The slices, and a note when something was filled in.
    """
    told = any((header.b_s_per_mm2 or 0) > 0 for header in headers)
    maker = str(headers[0].attributes.get("manufacturer", "")).upper()
    silent = [header for header in headers if header.b_s_per_mm2 is None]
    if not silent or not told or not maker.startswith(ZERO_IS_NOT_TOLD):
        return tuple(headers), ()
    filled = tuple(
        replace(h, diffusion=replace(h.diffusion, b_s_per_mm2=0.0)) if h.b_s_per_mm2 is None else h
        for h in headers
    )
    found = f"{len(silent)} images tell no b-value; this maker leaves it out where it is 0"
    return filled, (Note(NoteKind.FIX, "DWI_BVALUE_ZERO", found, expected="a b-value"),)


def without_directions(group: Sequence[Header]) -> tuple[Sequence[Header], tuple[Note, ...]]:
    """Only the scanner's trace images of one b-value, where they stand beside single directions."""
    traces = [header for header in group if header.diffusion.isotropic]
    if not traces or len(traces) == len(group) or not group[0].b_s_per_mm2:
        return group, ()
    found = (
        f"b {group[0].b_s_per_mm2:g} is the scanner's own trace of {len(traces)} images; "
        f"{len(group) - len(traces)} images of single directions were left out"
    )
    return traces, (Note(NoteKind.INFO, "DWI_TRACE", found),)


def conflict_notes(headers: Sequence[Header], kind: Kind) -> tuple[Note, ...]:
    """Warnings where sources of one b-value disagree, each with both numbers.

    Parameters
    ----------
    headers : sequence of Header
        Slices of one series.
    kind : Kind
        What it shows; only acquired diffusion images have one b-value each.
    """
    if kind not in _ACQUIRED:
        return ()
    counts: Counter[str] = Counter()
    for header in headers:
        told = header.diffusion.told
        counts.update(
            f"b {told[0][1]:g} by {told[0][0]} but {b:g} by {source}"
            for source, b in told[1:]
            if abs(b - told[0][1]) > SAME_B_S_PER_MM2
        )
        counts.update(_against_sequence(header))
    found = [f"{words} in {count} images" for words, count in sorted(counts.items())]
    found += _against_description(headers)
    return tuple(
        Note(
            NoteKind.WARNING,
            "DWI_BVALUE_CONFLICT",
            words,
            expected="one b-value",
            action="check the protocol; the first one was used",
        )
        for words in found
    )


def _against_sequence(header: Header) -> list[str]:
    """A sequence name tells the b-value of its own slice."""
    named = dict(header.diffusion.named).get("SequenceName", ())
    b = header.b_s_per_mm2
    if b is None or len(named) != 1 or abs(named[0] - b) <= SAME_B_S_PER_MM2:
        return []
    return [f"b {b:g} by {_source(header)} but {named[0]:g} by SequenceName"]


def _against_description(headers: Sequence[Header]) -> list[str]:
    """A series description tells b-values of the series, often only the highest."""
    named = dict(headers[0].diffusion.named).get("SeriesDescription", ())
    told = list(b_values(headers))
    absent = [b for b in named if all(abs(b - own) > SAME_B_S_PER_MM2 for own in told)]
    if not told or not absent:
        return []
    words = ", ".join(f"{b:g}" for b in told)
    missing = ", ".join(f"{b:g}" for b in dict.fromkeys(absent))
    return [f"b {words} by {_source(headers[0])} but {missing} by SeriesDescription"]


def _source(header: Header) -> str:
    return header.diffusion.told[0][0] if header.diffusion.told else "the maker's rule"
