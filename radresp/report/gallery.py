"""Every figure of an evaluation with its caption and its data; without data, why there is none.

The order is that of the page. A figure's data are the entries of ``evaluation.json`` it was drawn
from, so that anyone can draw it again.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any

from matplotlib.figure import Figure

from radresp.report import figures, figures_cohort
from radresp.report.drawing import DARK, GREEN, RED
from radresp.report.figures import ForestRow
from radresp.report.figures_cohort import MOST_FEATURES
from radresp.report.wording import (
    ABSENT,
    dig,
    estimate,
    figure,
    number,
    parts,
    reason_of,
    rows_of,
    share,
    words,
)

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Plot:
    """One figure.

    Parameters
    ----------
    name : str
        Of its files and of its place on the page.
    title, caption : str
        What it is and what it shows, in words that stand without it.
    rows : sequence of mapping
        Its data, one row a point; none where there is nothing to draw.
    draw : callable
        Gives the figure; only called where there are rows.
    reason : str
        Why there are no rows.
    wide : bool
        Whether it takes the whole width of a page.
    """

    name: str
    title: str
    caption: str
    rows: Rows
    draw: Callable[[], Figure]
    reason: str = ABSENT
    wide: bool = False

    def csv(self) -> str:
        """The data as CSV."""
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        text = StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        return text.getvalue()


def plots(evaluation: Mapping[str, Any]) -> dict[str, Plot]:
    """The figures by name, those without data too."""
    makers = (
        _flow, _roc, _calibration, _forest, _decision, _coverage, _reader, _groups, _selection,
        _leaks,
    )  # fmt: skip
    return {plot.name: plot for plot in (maker(evaluation) for maker in makers)}


def _counts(evaluation: Mapping[str, Any]) -> str:
    found = evaluation.get("complete_response")
    n, events = dig(found, "n"), dig(found, "events")
    cases = f"n = {evaluation['cases'] if n is None else n}"
    return cases if events is None else f"{cases} ({events} complete responses)"


def _flow(evaluation: Mapping[str, Any]) -> Plot:
    found, counts = evaluation.get("flow"), evaluation["class_counts"]
    steps = rows_of(dig(found, "steps"))
    said = "; ".join(f"{step['name']}: {step['n']}" for step in steps)
    rows = [
        {"step": step["name"], "n": step["n"], "left_out": gone.get("reason"), "cases": gone["n"]}
        for step in steps
        for gone in (step["left_out"] or [{"reason": "", "n": 0}])
    ]
    rows += [{"step": f"outcome: {name}", "n": n} for name, n in counts.items()]
    return Plot(
        "flow",
        "Flow of cases",
        f"{said}. Each case is counted once, at the first place it was lost.",
        rows if steps else (),
        lambda: figures_cohort.flow_figure(steps, counts),
        reason_of(found),
        wide=True,
    )


def _roc(evaluation: Mapping[str, Any]) -> Plot:
    points, band = rows_of(evaluation.get("roc")), evaluation.get("roc_band")
    auc = dig(evaluation, "complete_response", "auc")
    around = rows_of(dig(band, "points"))
    level = dig(band, "level")
    said = (
        f"The band holds {100 * level:g} % of the sensitivities at each specificity, by "
        f"{dig(band, 'method')}."
        if around and level is not None
        else f"No band: {reason_of(band)}."
    )
    return Plot(
        "roc",
        "ROC curve",
        f"AUC {figure(auc)}. {said}",
        [{"part": "curve", **point} for point in points]
        + [{"part": "band", **point} for point in around if points],
        lambda: figures.roc_figure(points, around, _counts(evaluation)),
        dig(evaluation, "roc", "reason") or estimate(auc).reason,
    )


def _calibration(evaluation: Mapping[str, Any]) -> Plot:
    found = evaluation.get("complete_response")
    bins, curve = rows_of(dig(found, "calibration_bins")), dig(found, "calibration_curve")
    points = [p for p in rows_of(dig(curve, "points")) if p.get("observed") is not None]
    caption = (
        f"Slope {figure(dig(found, 'calibration_slope'))}, "
        f"in the large {figure(dig(found, 'calibration_in_the_large'))}."
    )
    if not points:
        caption += f" No smoothed curve: {reason_of(curve)}."
    return Plot(
        "calibration",
        "Calibration",
        caption,
        [{"part": "bin", **row} for row in bins]
        + [{"part": "smoothed", **point} for point in points if bins],
        lambda: figures.calibration_figure(bins, points, _counts(evaluation)),
        reason_of(found),
    )


def _decision(evaluation: Mapping[str, Any]) -> Plot:
    found = evaluation.get("complete_response")
    points = [
        p
        for p in rows_of(dig(found, "decision_curve"))
        if None not in (p.get("model"), p.get("treat_all"))
    ]
    return Plot(
        "decision_curve",
        "Decision curve",
        "To treat is to keep the organ where a complete response is called; at a threshold of 0.8 "
        "one cancer left behind weighs as much as four organs kept.",
        points,
        lambda: figures.decision_figure(points, _counts(evaluation)),
        reason_of(found),
    )


def _coverage(evaluation: Mapping[str, Any]) -> Plot:
    found = dig(evaluation, "decisions", "risk_coverage")
    rows = rows_of(dig(found, "points") or dig(found, "rows"))
    points = [p for p in rows if p.get("risk") is not None]
    chance = dig(found, "random_risk")
    return Plot(
        "risk_coverage",
        "Risk and coverage",
        f"Area under the curve {figure(dig(found, 'aurc'))}; at random {figure(chance)}.",
        points,
        lambda: figures.coverage_figure(points, chance, _counts(evaluation)),
        reason_of(found if found is not None else evaluation.get("decisions")),
    )


def _forest(evaluation: Mapping[str, Any]) -> Plot:
    return _aucs(
        evaluation,
        "baselines",
        "AUC of the model, its parts and simple baselines",
        "Where there is no AUC the table says why.",
        baseline_rows(evaluation),
    )


def _groups(evaluation: Mapping[str, Any]) -> Plot:
    return _aucs(
        evaluation,
        "subgroups",
        "AUC by subgroup",
        "Groups whose AUC is withheld are in the tables, with the reason. Differences between "
        "groups this small are mostly chance.",
        subgroup_rows(evaluation),
    )


def _aucs(
    evaluation: Mapping[str, Any],
    name: str,
    title: str,
    caption: str,
    rows: Sequence[ForestRow],
) -> Plot:
    """A forest; nothing to draw where the model stands alone."""
    found = dig(evaluation, "complete_response")
    alone = len(rows) < 2 and reason_of(evaluation.get(name))
    data = [
        {"name": row.label, "n": row.n, "auc": auc.value, "low": auc.low, "high": auc.high}
        for row in rows
        for auc in (row.figure,)
    ]
    return Plot(
        name,
        title,
        caption,
        () if alone else data,
        lambda: figures.forest_figure(rows, dig(found, "level")),
        alone or estimate(dig(found, "auc")).reason,
        wide=True,
    )


def _model_row(evaluation: Mapping[str, Any]) -> ForestRow:
    whole = evaluation.get("complete_response")
    return ForestRow("model", dig(whole, "n"), estimate(dig(whole, "auc")), DARK)


def _known(rows: Iterable[ForestRow]) -> list[ForestRow]:
    """The rows that have an AUC; none without the first, which the others are held to."""
    first, *others = rows
    if first.figure.value is None:
        return []
    return [first, *(row for row in others if row.figure.value is not None)]


def baseline_rows(evaluation: Mapping[str, Any]) -> list[ForestRow]:
    """AUCs of the model, of each site left out, of its sources and of simple baselines."""
    left_out = dig(evaluation, "leave_one_site_out", "complete_response")
    rows = [
        _model_row(evaluation),
        ForestRow("each site left out", dig(left_out, "n"), estimate(dig(left_out, "auc"))),
    ]
    for name, entry in parts(evaluation.get("fusion")).items():
        if name != "differences":
            rows.append(ForestRow(name, dig(entry, "n"), estimate(dig(entry, "auc"))))
    for name, entry in parts(evaluation.get("baselines")).items():
        auc = entry.get("auc") if isinstance(entry, Mapping) else entry
        rows.append(ForestRow(name, dig(entry, "n"), estimate(auc), RED))
    return _known(rows)


def subgroup_rows(evaluation: Mapping[str, Any]) -> list[ForestRow]:
    """AUCs of the model in all cases and in every group of them."""
    rows = [_model_row(evaluation)]
    for name, entries in parts(evaluation.get("subgroups")).items():
        for entry in rows_of(entries):
            label = f"{words(name)}: {entry.get('value')}"
            rows.append(ForestRow(label, entry.get("n"), estimate(entry.get("auc")), GREEN))
    return _known(rows)


def _reader(evaluation: Mapping[str, Any]) -> Plot:
    found = evaluation.get("reader")
    rows = rows_of(dig(found, "rows"))
    caption = (
        "Complete responses read as less (pseudo-residuals) that the model releases: "
        f"{share(dig(found, 'pseudo_residual_released'))}. Residual tumours read as complete that "
        f"it catches: {share(dig(found, 'missed_residual_caught'))}. Residual tumours it releases, "
        f"of all that were read: {share(dig(found, 'residual_released'))}."
    )
    return Plot(
        "reader",
        "Reader, truth and model",
        caption if rows else "",
        [
            {name: row.get(name) for name in ("call", "truth", "what", "n")} | row["words"]
            for row in rows
        ],
        lambda: figures_cohort.reader_figure(rows),
        reason_of(found),
        wide=True,
    )


def _selection(evaluation: Mapping[str, Any]) -> Plot:
    found = evaluation.get("feature_selection")
    rows, models = rows_of(dig(found, "features")), dig(found, "models")
    most = figures_cohort.keeps_most(rows, models)
    shown = sum(row["models"] == models for row in rows) if most else len(rows[:MOST_FEATURES])
    first = f"{shown} features were chosen by every model," if most else f"The {shown} most chosen"
    caption = (
        f"{first} of {len(rows)} that any model chose. Stability of the choice "
        f"{figure(dig(found, 'stability'))} (1: always the same; 0: as if at random)."
    )
    return Plot(
        "feature_selection",
        "Which features were chosen",
        caption if rows else "",
        [_selected(row) for row in rows],
        lambda: figures_cohort.selection_figure(rows, models or 0),
        reason_of(found),
        wide=True,
    )


def _selected(row: Mapping[str, Any]) -> dict[str, Any]:
    icc = row.get("icc") or {}
    ends = {f"icc_1_1_{end}": icc.get(end) for end in ("value", "low", "high")}
    return {name: row[name] for name in ("name", "models", "share", "final")} | ends


def _leaks(evaluation: Mapping[str, Any]) -> Plot:
    found = evaluation.get("leak_guard")
    aucs: Sequence[float] = [auc for auc in dig(found, "aucs") or () if auc is not None]
    bound = dig(found, "bound")
    auc = estimate(dig(evaluation, "complete_response", "auc"))
    passed = dig(found, "passed")
    verdict = "" if passed is None else f"The guard {'passed' if passed else 'FAILED'}: "
    return Plot(
        "leak_guard",
        "Leak guard",
        f"{verdict}outcomes shuffled over patients and put through the same evaluation; a mean AUC "
        f"above {number(bound)} would show that outcomes leak.",
        [{"what": f"shuffle {k}", "auc": value} for k, value in enumerate(aucs, start=1)]
        + ([{"what": "model", "auc": auc.value}] if aucs else []),
        lambda: figures_cohort.leak_figure(aucs, bound, auc),
        reason_of(found),
    )
