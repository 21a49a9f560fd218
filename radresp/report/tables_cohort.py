"""Tables of a cohort: failed cases, the flow, reader against model, chosen features.

As in :mod:`radresp.report.tables`, nothing is computed here, and what is missing says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from radresp.report.figures_cohort import (
    MOST_FEATURES,
    WORD_COLOURS,
    chosen_by,
    keeps_most,
)
from radresp.report.tables import Table, cell
from radresp.report.wording import count, dig, figure, interval, number, reason_of, rows_of, words


def refused_table(evaluation: Mapping[str, Any]) -> Table:
    """The cases that failed, each with its code and what to do."""
    names = ("case", "code", "found", "expected", "action")
    found = evaluation.get("flow")
    rows = [tuple(str(row.get(name) or "") for name in names) for row in _refused(found)]
    known = bool(rows_of(dig(found, "steps")))
    absent = "no case was refused" if known else reason_of(found)
    return Table("Cases that failed", names, tuple(rows), absent=absent)


def _refused(flow: Any) -> list[Mapping[str, Any]]:
    return rows_of(dig(flow, "refused"))


def flow_table(evaluation: Mapping[str, Any]) -> Table:
    """Every step to the cases analysed, and why cases were left out on the way."""
    found, rows = evaluation.get("flow"), []
    for step in rows_of(dig(found, "steps")):
        rows.append((step["name"], number(step["n"])))
        rows += [(f"left out: {row['reason']}", number(row["n"])) for row in step["left_out"]]
    if rows:
        rows += [(f"outcome: {name}", number(n)) for name, n in evaluation["class_counts"].items()]
    return Table("Flow in numbers", ("step", "cases"), tuple(rows), absent=reason_of(found))


def reader_tables(evaluation: Mapping[str, Any]) -> list[Table]:
    """Cases by reading, truth and the model's word, and the shares that matter."""
    found = evaluation.get("reader")
    said = [words(word) for word in WORD_COLOURS]
    columns = ("reader's call", "truth", "which makes", "cases", *said)
    rows = [
        (
            str(row["call"]),
            str(row["truth"]),
            words(str(row.get("what") or "")),
            number(row["n"]),
            *(count(row["words"].get(word)) for word in WORD_COLOURS),
        )
        for row in rows_of(dig(found, "rows"))
    ]
    note = "Numbers of cases; the model's words are means over the repeats of cross-validation."
    first = Table(
        "Reader's call, truth and the model's word", columns, tuple(rows), note, reason_of(found)
    )
    return [first, _share_table(found), _pseudo_table(evaluation)] if rows else [first]


_SHARES = {
    "pseudo_residual_released": "pseudo-residuals the model calls complete (organs to gain)",
    "missed_residual_caught": "residual tumours read as cCR that the model calls residual",
    "residual_released": "residual tumours, read in any way, that the model calls complete",
}


def _share_table(found: Any) -> Table:
    rows = [
        (
            said,
            number(dig(found, name, "value")),
            interval(dig(found, name)),
            count(dig(found, name, "part")),
            count(dig(found, name, "whole")),
            str(dig(found, name, "reason") or ""),
        )
        for name, said in _SHARES.items()
    ]
    columns = ("what", "share", "interval", "cases", "of", "why not")
    return Table("What the model adds to the reader", columns, tuple(rows))


def _pseudo_table(evaluation: Mapping[str, Any]) -> Table:
    """How well the model tells a pseudo-residual from a residual, of those read as less."""
    found = evaluation.get("pseudo_residual")
    rows = [
        ("cases read as nCR or iCR", number(dig(found, "read"))),
        ("of them complete responses", number(dig(found, "pseudo_residual"))),
    ]
    figures = dig(found, "figures")
    named = {"auc": "AUC among them", "brier": "Brier score", "observed_expected": "O/E"}
    rows += [(said, figure(dig(figures, name))) for name, said in named.items() if figures]
    if not figures:
        rows.append(("AUC among them", f"none: {reason_of(found)}"))
    return Table("Pseudo-residual or residual, of those read as less", ("what", ""), tuple(rows))


def selection_table(evaluation: Mapping[str, Any]) -> Table:
    """How often each feature was chosen, and how well it repeats where that was measured."""
    found = evaluation.get("feature_selection")
    features, models = rows_of(dig(found, "features")), dig(found, "models")
    rows: list[tuple[str, ...]]
    if keeps_most(features, models):
        rows = [(f"{k} of {models} models", count(n)) for k, n in chosen_by(features).items()]
        columns: tuple[str, ...] = ("chosen by", "features")
    else:
        rows = [_feature_row(row) for row in features[:MOST_FEATURES]]
        columns = ("feature", "models", "share", "in the final model", "ICC(1,1)")
    note = (
        f"{count(models)} models, each choosing from {count(dig(found, 'candidates'))} features and"
        f" taking {count(dig(found, 'per_model'))} on average. Stability of the choice (Nogueira "
        f"2018): {figure(dig(found, 'stability'))}. All features are in the CSV of the figure."
    )
    return Table("Chosen features", columns, tuple(rows), note if rows else "", reason_of(found))


def _feature_row(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        str(row["name"]),
        number(row["models"]),
        number(row["share"]),
        number(bool(row["final"])),
        cell(row.get("icc")),
    )
