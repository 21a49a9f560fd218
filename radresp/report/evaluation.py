"""The page of an evaluation: what a model can do, for whom, and how far to believe it.

Source: TRIPOD+AI (BMJ 2024;385:e078378): discrimination, calibration and utility together, with
intervals, subgroups and limits. What was not computed is said, with its reason, in its place.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from radresp.report import figures, tables, tables_limits
from radresp.report.page import render
from radresp.report.tables import Table
from radresp.report.wording import (
    ABSENT,
    dig,
    estimate,
    figure,
    number,
    parts,
    reason_of,
    rows_of,
    words,
)

WARNS = frozenset({"warning", "abstain"})


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure as base64 SVG with its words; without data, why there is none."""

    title: str
    caption: str
    data: str = ""
    reason: str = ABSENT
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with its figures and tables."""

    name: str
    title: str
    pictures: tuple[Picture, ...]
    tables: tuple[Table, ...]


def evaluation_page(evaluation: Mapping[str, Any], *, title: str) -> str:
    """One self-contained HTML page for a model's evaluation.

    Parameters
    ----------
    evaluation : mapping
        The content of ``evaluation.json``. ``intended_use``, ``endpoint``, ``cases``, ``patients``
        and ``class_counts`` must be there; any other part may be absent or None, and the page says
        so.
    title : str
        Heading, for example the name of the model or of the cohort it was tried on.

    Returns
    -------
    str
        HTML; every text is escaped, nothing is loaded from elsewhere. The same evaluation gives
        the same page.

    Examples
    --------
    >>> page = evaluation_page(
    ...     {
    ...         "intended_use": "Research use only.",
    ...         "endpoint": "pCR",
    ...         "cases": 40,
    ...         "patients": 40,
    ...         "class_counts": {"complete": 12, "residual": 28},
    ...     },
    ...     title="A model",
    ... )
    >>> "12 complete, 28 residual" in page, "not computed in this run" in page
    (True, True)
    """
    counts = ", ".join(f"{n} {name}" for name, n in evaluation["class_counts"].items())
    return render(
        "evaluation.html",
        title=title,
        evaluation=evaluation,
        counts=counts,
        auc=figure(dig(evaluation, "complete_response", "auc")),
        limits=limits(evaluation),
        sections=_sections(evaluation),
    )


def limits(evaluation: Mapping[str, Any]) -> list[str]:
    """What a reader must know before any figure.

    Returns
    -------
    list of str
        One sentence each; never empty, as a model is never beyond doubt.
    """
    external = str(evaluation.get("external_validation") or "none stated")
    said = [f"External validation: {external}."]
    if dig(evaluation, "leak_guard", "passed") is False:
        said.append("The leak guard failed: shuffled outcomes were predicted. Believe no figure.")
    needed, patients = dig(evaluation, "sample_size", "patients_needed"), evaluation["patients"]
    if needed is not None and needed > patients:
        said.append(
            f"{number(needed)} patients would be needed (Riley 2019); there were {patients}."
        )
    low = dig(evaluation, "complete_response", "auc", "low")
    if low is not None and low <= 0.5:
        said.append(f"The interval of the AUC starts at {number(low)}: no better than chance fits.")
    looks = evaluation.get("looks")
    if looks is not None and looks > 1:
        said.append(f"Held-out data were looked at {looks} times; the figures are optimistic.")
    noticed = [note for note in rows_of(evaluation.get("notes")) if note.get("severity") in WARNS]
    if noticed:
        said.append(f"Warnings: {len(noticed)}, listed under Notes.")
    return said


def _sections(evaluation: Mapping[str, Any]) -> list[Section]:
    groups = tables_limits.subgroup_tables(evaluation)
    return [
        Section(
            "figures",
            "How good it is",
            (_roc(evaluation), _calibration(evaluation)),
            (tables.headline_table(evaluation),),
        ),
        Section(
            "baselines",
            "Against simpler predictors",
            (_forest(evaluation),),
            (tables.baseline_table(evaluation), tables.fusion_table(evaluation)),
        ),
        Section(
            "use",
            "What would acting on it bring?",
            (_decision(evaluation), _coverage(evaluation)),
            (tables.threshold_table(evaluation), *tables_limits.decision_tables(evaluation)),
        ),
        Section("groups", "For whom?", (), (*groups, tables_limits.site_table(evaluation))),
        Section(
            "trust",
            "How far to believe it",
            (),
            (
                tables_limits.stability_table(evaluation),
                tables_limits.leak_table(evaluation),
                tables_limits.size_table(evaluation),
            ),
        ),
        Section("notes", "What was noticed", (), (tables_limits.note_table(evaluation),)),
    ]


def _counts(evaluation: Mapping[str, Any]) -> str:
    found = evaluation.get("complete_response")
    n, events = dig(found, "n"), dig(found, "events")
    cases = f"n = {evaluation['cases'] if n is None else n}"
    return cases if events is None else f"{cases} ({events} complete responses)"


def _picture(
    title: str, caption: str, draw: Callable[[], Figure] | None, reason: str, wide: bool = False
) -> Picture:
    if draw is None:
        return Picture(title, caption, reason=reason or ABSENT)
    data = b64encode(figures.svg(draw())).decode()
    return Picture(title, caption, data, wide=wide)


def _roc(evaluation: Mapping[str, Any]) -> Picture:
    points = rows_of(evaluation.get("roc"))
    auc = dig(evaluation, "complete_response", "auc")
    return _picture(
        "ROC curve",
        f"AUC {figure(auc)}.",
        (lambda: figures.roc_figure(points, _counts(evaluation))) if points else None,
        dig(evaluation, "roc", "reason") or estimate(auc).reason,
    )


def _calibration(evaluation: Mapping[str, Any]) -> Picture:
    found = evaluation.get("complete_response")
    bins, curve = rows_of(dig(found, "calibration_bins")), dig(found, "calibration_curve")
    points = [p for p in rows_of(dig(curve, "points")) if p.get("observed") is not None]
    caption = (
        f"Slope {figure(dig(found, 'calibration_slope'))}, "
        f"in the large {figure(dig(found, 'calibration_in_the_large'))}."
    )
    if not points:
        caption += f" No smoothed curve: {reason_of(curve)}."
    return _picture(
        "Calibration",
        caption,
        (lambda: figures.calibration_figure(bins, points, _counts(evaluation))) if bins else None,
        reason_of(found),
    )


def _decision(evaluation: Mapping[str, Any]) -> Picture:
    found = evaluation.get("complete_response")
    points = [
        p
        for p in rows_of(dig(found, "decision_curve"))
        if None not in (p.get("model"), p.get("treat_all"))
    ]
    return _picture(
        "Decision curve",
        "To treat is to keep the organ where a complete response is called; at a threshold of 0.8 "
        "one cancer left behind weighs as much as four organs kept.",
        (lambda: figures.decision_figure(points, _counts(evaluation))) if points else None,
        reason_of(found),
    )


def _coverage(evaluation: Mapping[str, Any]) -> Picture:
    found = dig(evaluation, "decisions", "risk_coverage")
    rows = rows_of(dig(found, "points") or dig(found, "rows"))
    points = [p for p in rows if p.get("risk") is not None]
    chance = dig(found, "random_risk")
    area = f"Area under the curve {figure(dig(found, 'aurc'))}; at random {figure(chance)}."
    return _picture(
        "Risk and coverage",
        area,
        (lambda: figures.coverage_figure(points, chance, _counts(evaluation))) if points else None,
        reason_of(found if found is not None else evaluation.get("decisions")),
    )


def _forest(evaluation: Mapping[str, Any]) -> Picture:
    rows = forest_rows(evaluation)
    level = dig(evaluation, "complete_response", "level")
    auc = dig(evaluation, "complete_response", "auc")
    return _picture(
        "AUC of the model, its parts, simple baselines and subgroups",
        "Groups whose AUC is withheld are in the tables, with the reason.",
        (lambda: figures.forest_figure(rows, level)) if rows else None,
        estimate(auc).reason,
        wide=True,
    )


def forest_rows(evaluation: Mapping[str, Any]) -> list[figures.ForestRow]:
    """Every AUC of the evaluation that exists, the model's first; empty without that one."""
    row = figures.ForestRow
    whole = evaluation.get("complete_response")
    rows = [row("model", dig(whole, "n"), estimate(dig(whole, "auc")), figures.DARK)]
    if rows[0].figure.value is None:
        return []
    left_out = dig(evaluation, "leave_one_site_out", "complete_response")
    rows.append(row("each site left out", dig(left_out, "n"), estimate(dig(left_out, "auc"))))
    for name, entry in parts(evaluation.get("fusion")).items():
        if name != "differences":
            rows.append(row(name, dig(entry, "n"), estimate(dig(entry, "auc"))))
    for name, entry in parts(evaluation.get("baselines")).items():
        auc = entry.get("auc") if isinstance(entry, Mapping) else entry
        rows.append(row(name, dig(entry, "n"), estimate(auc), figures.RED))
    for name, entries in parts(evaluation.get("subgroups")).items():
        for entry in rows_of(entries):
            label = f"{words(name)}: {entry.get('value')}"
            auc = estimate(entry.get("auc"))
            rows.append(row(label, entry.get("n"), auc, figures.GREEN))
    return [found for found in rows if found.figure.value is not None]
