"""What `radresp index` is asked, and the empty row of its table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from radresp import io
from radresp.core import Sequence, Timepoint
from radresp.pipeline.index_rules import IndexRules

COMPLETE = "ok"
"""Column ``x_index`` of a row nobody has to complete."""
IMAGE_COLUMNS = tuple(f"{t}_{s}" for t in Timepoint for s in Sequence)
Cells = dict[str, str]


@dataclass(frozen=True, slots=True)
class IndexRequest:
    """What to index and how.

    Parameters
    ----------
    root : Path
        Searched, resolved.
    base : Path
        What the paths of the table are relative to.
    rules : IndexRules
        What is taken.
    key : bytes
        Of the project.
    treatment : mapping of str to (date, date)
        By case id.
    by_folder : bool
        Whether the first folder below the root, not the header, says who a series is of.
    sessions : mapping of Timepoint to str
        BIDS sessions.
    """

    root: Path
    base: Path
    rules: IndexRules
    key: bytes
    treatment: Mapping[str, io.TreatmentDates] = field(default_factory=dict)
    by_folder: bool = False
    sessions: Mapping[Timepoint, str] = field(default_factory=lambda: io.SESSIONS)


def empty_cells() -> Cells:
    """A row without anything, all columns in their order."""
    names = [name for column in IMAGE_COLUMNS for name in (column, f"{column}_series")]
    return dict.fromkeys([*names, "x_weeks_between", "x_index"], "")
