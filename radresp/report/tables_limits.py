"""Tables of whom a model serves and how far to believe it: groups, decisions, guards, notes.

As in :mod:`radresp.report.tables`, nothing is computed here, and what is missing says why.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from radresp.report.tables import Row, Table, cell
from radresp.report.wording import (
    ABSENT,
    count,
    dig,
    estimate,
    figure,
    interval,
    number,
    parts,
    reason_of,
    rows_of,
    words,
)

_WORST_FIRST = ("abstain", "warning", "fix", "info")

GROUP_COLUMNS = (
    "group",
    "n",
    "patients",
    "events",
    "prevalence",
    "mean p",
    "observed / expected",
    "Brier score",
    "AUC",
)


def group_row(entry: Mapping[str, Any]) -> Row:
    """One subgroup."""
    return (
        str(entry.get("value")),
        *(number(entry.get(name)) for name in ("n", "patients", "events", "prevalence", "mean_p")),
        cell(entry.get("observed_expected")),
        cell(entry.get("brier")),
        figure(entry.get("auc")),
    )


def subgroup_tables(evaluation: Mapping[str, Any]) -> list[Table]:
    """One table for each attribute the cases were grouped by."""
    found = evaluation.get("subgroups")
    if not parts(found):
        return [Table("By subgroup", GROUP_COLUMNS, absent=reason_of(found))]
    return [
        Table(
            f"By {words(name)}",
            GROUP_COLUMNS,
            tuple(group_row(row) for row in rows_of(rows)),
            absent=reason_of(rows),
        )
        for name, rows in parts(found).items()
    ]


def site_table(evaluation: Mapping[str, Any]) -> Table:
    """Each site predicted by a model of the others."""
    found = evaluation.get("leave_one_site_out")
    rows = rows_of(dig(found, "sites"))
    pooled = dig(found, "complete_response", "auc")
    note = "" if pooled is None else f"All sites together: AUC {figure(pooled)}."
    return Table(
        "Leave one site out",
        GROUP_COLUMNS,
        tuple(group_row(row) for row in rows),
        note,
        reason_of(found),
    )


def decision_tables(evaluation: Mapping[str, Any]) -> list[Table]:
    """How often each decision was taken, and how often it was wrong."""
    found = evaluation.get("decisions")
    rates = dig(found, "rates") or {}
    levels = [
        f"{said} {number(dig(found, key))}"
        for key, said in _LEVELS.items()
        if dig(found, key) is not None
    ]
    note = f"Levels asked for: {', '.join(levels)}." if levels else ""
    rows = tuple(_rate_row(name, entry) for name, entry in _shares(rates))
    first = Table("Decisions", _RATES, rows, note, reason_of(found))
    counts = dig(rates, "counts")
    return [first] if not counts else [first, _count_table(counts)]


_RATES = ("rate", "value", "interval", "cases", "of", "why not")
_LEVELS = {
    "missed_residual_level": "missed residual tumour at most",
    "missed_complete_level": "missed complete response at most",
}


def _shares(rates: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every proportion, also those given for each decision or truth apart."""
    for name, entry in rates.items():
        if not isinstance(entry, Mapping):
            continue
        if "whole" in entry:
            yield name, entry
        for part, inner in entry.items():
            if isinstance(inner, Mapping) and "whole" in inner:
                yield f"{'of all cases' if name == 'share' else name}: {part}", inner


_SAID = {
    "missed_residual": "missed: residual tumours called complete response",
    "caught": "caught: residual tumours called residual",
    "released": "released: complete responders called complete response",
    "operated": "operated: complete responders called residual",
    "complete_response_right": "right among those called complete response",
    "residual_right": "right among those called residual",
}


def _rate_row(name: str, entry: Any) -> Row:
    found = estimate(entry)
    counts = (count(dig(entry, "part")), count(dig(entry, "whole")))
    why = "no such cases" if dig(entry, "whole") == 0 else found.reason
    said = _SAID.get(name, words(name))
    return (said, number(found.value), interval(entry), *counts, why)


def _count_table(counts: Mapping[str, Mapping[str, int]]) -> Table:
    said = list(dict.fromkeys(word for row in counts.values() for word in row))
    rows = [
        (words(truth), *(count(row.get(word)) for word in said)) for truth, row in counts.items()
    ]
    return Table("Decisions by truth, cases", ("truth", *map(words, said)), tuple(rows))


def stability_table(evaluation: Mapping[str, Any]) -> Table:
    """How much the AUC varies over repeats and folds of the cross-validation."""
    found = evaluation.get("fold_variation")
    columns = ("AUC over", "mean", "SD", "least", "most", "folds without both classes")
    rows = [
        (
            name,
            *(number(dig(found, name, key)) for key in ("mean", "sd", "min", "max")),
            number(_without_both(dig(found, name))),
        )
        for name in ("repeats", "folds")
        if dig(found, name) is not None
    ]
    return Table("Repeats and folds", columns, tuple(rows), absent=reason_of(found))


def _without_both(spread: Mapping[str, Any]) -> int | None:
    """Folds that hold one class only, under either of its names."""
    return spread.get("without_both_classes", spread.get("left_out"))


def leak_table(evaluation: Mapping[str, Any]) -> Table:
    """Shuffled outcomes through the same evaluation, and control regions."""
    found = evaluation.get("leak_guard")
    columns = ("check", "result")
    if not isinstance(found, Mapping) or "passed" not in found:
        return Table("Leak guard", columns, absent=reason_of(found))
    aucs = ", ".join(number(auc) for auc in found.get("aucs") or ()) or ABSENT
    rows = [
        ("passed", number(found["passed"])),
        ("shuffles of the outcomes", number(found.get("permutations"))),
        ("AUC of each shuffle", aucs),
        ("largest mean that chance explains", number(found.get("bound"))),
        ("AUC of control voxels", figure(dig(found, "control", "auc"))),
        ("model's AUC minus that", figure(dig(found, "control", "difference"), signed=True)),
    ]
    return Table("Leak guard", columns, tuple(rows))


def size_table(evaluation: Mapping[str, Any]) -> Table:
    """What the cohort is, what it would need to be, and how often its test part was looked at."""
    size = evaluation.get("sample_size")
    looks = evaluation.get("looks")
    rows = [
        ("patients", number(evaluation["patients"])),
        ("features that were looked at", number(dig(size, "candidate_parameters"))),
        ("AUC the calculation starts from", figure(dig(size, "auc"))),
        ("patients needed (Riley 2019)", _needed(size)),
        ("looks at held-out data", f"none recorded: {ABSENT}" if looks is None else number(looks)),
        ("external validation", str(evaluation.get("external_validation") or "none stated")),
    ]
    return Table("Size and looks", ("what", "how many"), tuple(rows))


def size_sentence(evaluation: Mapping[str, Any]) -> str:
    """What the size of the cohort means, in one sentence; empty where nobody calculated it."""
    size, patients = evaluation.get("sample_size"), evaluation["patients"]
    looked, needed = dig(size, "candidate_parameters"), dig(size, "patients_needed")
    if looked is None:
        return ""
    if needed is None:
        return (
            f"Sample size: {looked} features were looked at in {patients} patients; without a "
            "ranking better than chance no number of patients would do."
        )
    verdict = "enough" if needed <= patients else "too few for a model to be relied on"
    return (
        f"Sample size: to learn from {looked} features at the AUC found, {needed} patients would be"
        f" needed (Riley 2019); there were {patients}, {verdict}."
    )


def _needed(size: Any) -> str:
    if dig(size, "candidate_parameters") is None:
        return f"none: {reason_of(size)}"
    needed = dig(size, "patients_needed")
    return (
        "none: without a ranking better than chance no number would do"
        if needed is None
        else number(needed)
    )


def note_table(evaluation: Mapping[str, Any]) -> Table:
    """What was noticed on the way, the gravest first."""
    names = ("severity", "code", "found", "expected", "action", "file")
    rows = [
        tuple(str(note.get(name) or "") for name in names)
        for note in rows_of(evaluation.get("notes"))
    ]
    rows.sort(key=lambda row: _grave(row[0]))
    return Table("Notes", names, tuple(rows), absent="nothing was noticed")


def _grave(severity: str) -> int:
    order: Sequence[str] = _WORST_FIRST
    return order.index(severity) if severity in order else len(order)
