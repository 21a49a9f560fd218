"""Tables of an evaluation: every figure with its interval, its cases, or the reason it is missing.

Nothing is computed here; a cell holds what the evaluation holds. A part that was not computed
becomes a table without rows that says why.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from radresp.report.wording import (
    ABSENT,
    dig,
    estimate,
    figure,
    interval,
    number,
    parts,
    reason_of,
    rows_of,
    share,
)

Row = tuple[str, ...]

_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")

HEADLINE = {
    "auc": "AUC",
    "auc_delong": "AUC, DeLong's interval",
    "average_precision": "average precision",
    "brier": "Brier score",
    "scaled_brier": "scaled Brier score (0 useless, 1 perfect)",
    "log_loss": "log-loss",
    "calibration_slope": "calibration slope (ideal 1)",
    "calibration_intercept": "calibration intercept (ideal 0)",
    "calibration_in_the_large": "calibration in the large (ideal 0)",
    "observed_expected": "observed / expected (ideal 1)",
    "ece": "expected calibration error",
}
CURVE = {
    "ici": "ICI: mean distance of the smoothed curve from the ideal",
    "ici_by_chance": "ICI of a perfect model of this size",
    "e50": "E50: median distance",
    "e90": "E90: 90th percentile",
}
OPERATING = {
    "sensitivity_at_specificity": ("sensitivity", "specificity"),
    "specificity_at_sensitivity": ("specificity", "sensitivity"),
}


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under names; the first cell of a row is what the row is about.

    Parameters
    ----------
    title : str
        Heading.
    columns : tuple of str
        Names of the columns.
    rows : tuple of tuple of str
        One cell a column.
    note : str
        What a reader must know, under the heading.
    absent : str
        Why there are no rows.
    """

    title: str
    columns: Row
    rows: tuple[Row, ...] = ()
    note: str = ""
    absent: str = ABSENT

    def is_number(self, place: int) -> bool:
        """Whether every cell of a column is a number or the dash for none."""
        cells = {row[place] for row in self.rows} - {number(None)}
        return bool(cells) and all(_NUMBER.fullmatch(cell) for cell in cells)


def headline_table(evaluation: Mapping[str, Any]) -> Table:
    """Discrimination, calibration and overall figures."""
    found = evaluation.get("complete_response")
    level = dig(found, "level")
    ends = "interval" if level is None else f"{100 * level:g} % interval"
    title, columns = "Figures", ("figure", "value", ends, "n", "events", "how, or why not")
    if not isinstance(found, Mapping) or "auc" not in found:
        return Table(title, columns, absent=reason_of(found))
    rows = [_figure_row(said, found.get(name)) for name, said in HEADLINE.items()]
    curve = found.get("calibration_curve")
    rows += [_curve_row(said, curve, name) for name, said in CURVE.items()]
    for name, (asked, held) in OPERATING.items():
        at = dig(found, name, held)
        where = asked if at is None else f"{asked} at {held} {at:g}"
        rows.append(_figure_row(where, found.get(name)))
    return Table(title, columns, tuple(rows))


def _figure_row(said: str, entry: Any) -> Row:
    found = estimate(entry)
    whole = dig(entry, "whole")
    counts = "" if whole is None else f"{number(dig(entry, 'part'))} of {whole}"
    how = (str(dig(entry, "method") or ""), counts, found.reason)
    return (
        said,
        number(found.value),
        interval(entry),
        number(dig(entry, "n")),
        number(dig(entry, "events")),
        "; ".join(text for text in how if text),
    )


def _curve_row(said: str, curve: Any, name: str) -> Row:
    """A distance from the smoothed curve; the first tells of the curve for all of them."""
    told = name == "ici" or dig(curve, name) is None
    kept = ("n", "events", "method", "reason") if told else ("n", "events")
    return _figure_row(said, {"value": dig(curve, name), **{k: dig(curve, k) for k in kept}})


def threshold_table(evaluation: Mapping[str, Any]) -> Table:
    """Sensitivity and the like at each threshold of p(complete response)."""
    found = rows_of(dig(evaluation, "complete_response", "thresholds"))
    names = ("sensitivity", "specificity", "ppv", "npv")
    rows = [(f"{row['threshold']:g}", *(share(row.get(name)) for name in names)) for row in found]
    note = (
        "A case at or above the threshold counts as called a complete response; Wilson intervals."
    )
    columns = ("threshold", "sensitivity", "specificity", "PPV", "NPV")
    return Table("At thresholds", columns, tuple(rows), note)


def baseline_table(evaluation: Mapping[str, Any]) -> Table:
    """What simpler predictors reach, and how far the model is from them."""
    found = evaluation.get("baselines")
    columns = ("baseline", "n", "AUC", "Brier score", "model's AUC minus the baseline's", "why not")
    rows = [
        (name, number(dig(entry, "n")), *_compared(entry)) for name, entry in parts(found).items()
    ]
    note = "Differences are paired: the same cases, drawn together."
    return Table("Simple baselines", columns, tuple(rows), note, reason_of(found))


def _compared(entry: Any) -> Row:
    """AUC, Brier score, the model's AUC minus this one, and why one of them is missing."""
    auc = entry.get("auc") if isinstance(entry, Mapping) else entry
    found = (auc, dig(entry, "brier"), difference_in(entry))
    why = str(dig(entry, "reason") or "")
    names = ("AUC", "Brier score", "difference")
    missing = [n for n, part in zip(names, found, strict=True) if estimate(part).value is None]
    return (
        cell(found[0]),
        cell(found[1]),
        cell(found[2], signed=True),
        why or (f"{', '.join(missing)} {ABSENT}" if missing else ""),
    )


def difference_in(entry: Any) -> Any:
    """The paired difference of AUC in a baseline's entry, alone or beside other figures."""
    found = dig(entry, "difference")
    return found.get("auc") if isinstance(found, Mapping) and "auc" in found else found


def cell(entry: Any, *, signed: bool = False) -> str:
    """A figure, or a dash where the row says why there is none."""
    return number(None) if estimate(entry).value is None else figure(entry, signed=signed)


def fusion_table(evaluation: Mapping[str, Any]) -> Table:
    """Each source alone, all together, and the paired differences."""
    found = evaluation.get("fusion")
    title, columns = "Images, clinical values, network", ("model", "AUC", "Brier score")
    rows = [
        (name, figure(_auc_of(entry)), cell(dig(entry, "brier")))
        for name, entry in parts(found).items()
        if name != "differences" and isinstance(entry, Mapping)
    ]
    rows += [
        (name, cell(dig(entry, "auc"), signed=True), cell(dig(entry, "brier"), signed=True))
        for name, entry in parts(dig(found, "differences")).items()
    ]
    note = "Differences are paired, signed, and come last."
    return Table(title, columns, tuple(rows), note, reason_of(found))


def _auc_of(entry: Any) -> Any:
    """The AUC of a part of the evaluation, or its reason for having none."""
    return dig(entry, "auc") or {"value": None, "reason": dig(entry, "reason")}
