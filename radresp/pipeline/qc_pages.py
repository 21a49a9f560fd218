"""Pictures to judge prepared cases by: one strip a case, and the page to flick through them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from radresp import io, report
from radresp.core import VISITS, Prepared, Region, Roi, Sequence, Timepoint

FOLDER = "qc"
"""Beside the folders of the cases."""
_FIRST = (Roi.BED, Roi.TUMOUR)


def save_strip(prepared: Prepared, folder: Path) -> Path:
    """Write the picture of a case; returns its path.

    Parameters
    ----------
    prepared : Prepared
        The case.
    folder : Path
        Of the cohort.
    """
    path = folder / FOLDER / f"{prepared.case_id}.png"
    entry = report.entry_of(prepared.case_id, prepared.qc())
    regions = sorted(prepared.regions.values(), key=_order)
    io.write_bytes(path, report.strip_png(entry, _fit(prepared), regions))
    return path


def _order(region: Region) -> tuple[bool, int, int]:
    """Outlines of disease first, by visit and sequence."""
    key = region.key
    visit, sequence = list(Timepoint).index(key.timepoint), list(Sequence).index(key.sequence)
    return key.roi not in _FIRST, visit, sequence


def _fit(prepared: Prepared) -> report.Fit | None:
    """The alignment of the visits with an outline of each; None where one has no region."""
    found = prepared.alignments.get(VISITS)
    if found is None:
        return None
    fixed, moving = (_of(prepared, name) for name in (found.fixed, found.moving))
    if fixed is None or moving is None:
        return None
    return report.Fit(fixed.volume, moving.volume, found.transform, fixed.mask, moving.mask)


def _of(prepared: Prepared, name: str) -> Region | None:
    """A region of one image, of disease where there is one."""
    regions = sorted(prepared.regions.values(), key=_order)
    return next((r for r in regions if f"{r.key.timepoint}.{r.key.sequence}" == name), None)


def save_qc_index(folder: Path) -> Path:
    """Write ``qc/index.html`` from the records of a folder of ``prepare``; returns its path.

    Parameters
    ----------
    folder : Path
        With ``status.jsonl`` and a ``qc.json`` a case.
    """
    entries = []
    for case, status in _last(folder).items():
        name = f"{case}.png"
        there = io.is_there(folder / FOLDER / name)
        quality = io.read_json(folder / case / "qc.json")
        entries.append(report.entry_of(case, quality, status, name if there else ""))
    path = folder / FOLDER / "index.html"
    io.write_text(path, report.qc_index(entries, "Prepared cases"))
    return path


def _last(folder: Path) -> dict[str, Mapping[str, Any]]:
    """How each case ended; one that was kept has the warnings of the run that made it."""
    found: dict[str, Mapping[str, Any]] = {}
    for record in io.StatusLog(folder / "status.jsonl").read():
        case = str(record.get("case"))
        if record.get("code") != "KEPT" or case not in found:
            found[case] = record
    return found
