"""Figures of an evaluation: ROC, calibration, net benefit, risk against coverage, forest of AUCs.

Source: TRIPOD+AI item 23a asks for plots beside the numbers. Every line has a colour and a style of
its own. Figures are drawn from the entries of an evaluation and nothing is computed but places on
the page.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from radresp.report.drawing import BLUE, GREY, RED, blank
from radresp.report.wording import Estimate, figure

_SIZE = (4.8, 4.4)
_SHARE = (-0.02, 1.02)
_NARROWEST = 0.02
_LONGEST, _START = 60, 20


class ForestRow(NamedTuple):
    """One line of a forest: what, how many cases, the figure, and the colour of its kind."""

    label: str
    n: int | None
    figure: Estimate
    colour: str = BLUE


def roc_figure(
    points: Sequence[Mapping[str, float]], band: Sequence[Mapping[str, float]], counts: str
) -> Figure:
    """The ROC curve with its band and the line of chance.

    Parameters
    ----------
    points : sequence of mapping
        ``false_positive_rate`` and ``true_positive_rate``, each in [0, 1], in order.
    band : sequence of mapping
        ``false_positive_rate``, ``low`` and ``high``; may be empty.
    counts : str
        Cases behind it, for the title.
    """
    drawn, axes = _single(f"ROC curve, {counts}")
    axes.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1, label="chance")
    if band:
        _draw_band(axes, band, "false_positive_rate")
    axes.plot(
        [point["false_positive_rate"] for point in points],
        [point["true_positive_rate"] for point in points],
        color=BLUE,
        linewidth=1.8,
        label="model",
    )
    axes.set(xlabel="1 - specificity", ylabel="sensitivity", xlim=_SHARE, ylim=_SHARE)
    axes.set_aspect("equal")
    axes.legend(loc="lower right", frameon=False)
    return drawn


def calibration_figure(
    bins: Sequence[Mapping[str, Any]], curve: Sequence[Mapping[str, Any]], counts: str
) -> Figure:
    """Observed against predicted: bins with Wilson bars, flexible curve with its band, histogram.

    Parameters
    ----------
    bins : sequence of mapping
        Rows of ``calibration_bins``.
    curve : sequence of mapping
        Points of ``calibration_curve``; may be empty.
    counts : str
        Cases behind it, for the title.
    """
    drawn = blank((4.8, 5.2))
    above, below = drawn.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    above.set_title(f"Calibration, {counts}", fontsize=10)
    above.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1, label="ideal")
    if curve:
        _draw_band(above, curve, "predicted")
        at, observed = [p["predicted"] for p in curve], [p["observed"] for p in curve]
        above.plot(at, observed, color=BLUE, linewidth=1.8, label="smoothed")
    _draw_bins(above, bins)
    above.set(ylabel="observed share", xlim=_SHARE, ylim=_SHARE)
    above.legend(loc="upper left", frameon=False)
    edges = _edges(bins)
    widths = [max(high - low, _NARROWEST) for low, high in edges]
    heights = [row["n"] / width / 10 for row, width in zip(bins, widths, strict=True)]
    below.bar([low for low, _ in edges], heights, widths, align="edge", color=GREY, alpha=0.6)
    below.set(xlabel="predicted p(complete response)", ylabel="cases\nper 0.1")
    for axes in (above, below):
        plain(axes)
    return drawn


def _draw_band(axes: Axes, points: Sequence[Mapping[str, Any]], along: str) -> None:
    """The interval of a curve, where its points have both ends."""
    banded = [point for point in points if None not in (point.get("low"), point.get("high"))]
    axes.fill_between(
        [point[along] for point in banded],
        [point["low"] for point in banded],
        [point["high"] for point in banded],
        color=BLUE,
        alpha=0.15,
        linewidth=0,
    )


def _draw_bins(axes: Axes, bins: Sequence[Mapping[str, Any]]) -> None:
    at = [row["predicted"] for row in bins]
    observed = [row["observed"] for row in bins]
    below = [max(row["observed"] - row["observed_low"], 0.0) for row in bins]
    above = [max(row["observed_high"] - row["observed"], 0.0) for row in bins]
    axes.errorbar(
        at,
        observed,
        yerr=[below, above],
        fmt="o",
        color=RED,
        markersize=4,
        linewidth=1,
        label="bins (Wilson)",
    )


def _edges(bins: Sequence[Mapping[str, Any]]) -> list[tuple[float, float]]:
    """Borders of quantile bins, halfway between the last case of one and the first of the next."""
    inner = [(a["high"] + b["low"]) / 2 for a, b in pairwise(bins)]
    borders = [bins[0]["low"], *inner, bins[-1]["high"]]
    return list(pairwise(borders))


def decision_figure(points: Sequence[Mapping[str, float]], counts: str) -> Figure:
    """Net benefit of the model, of treating all as complete responders, and of treating none.

    Parameters
    ----------
    points : sequence of mapping
        ``threshold``, ``model`` and ``treat_all``.
    counts : str
        Cases behind it, for the title.
    """
    drawn, axes = _single(f"Decision curve, {counts}")
    at = [point["threshold"] for point in points]
    model = [point["model"] for point in points]
    everybody = [point["treat_all"] for point in points]
    axes.plot(at, everybody, color=RED, linestyle="--", linewidth=1.2, label="treat all")
    axes.axhline(0.0, color=GREY, linestyle=":", linewidth=1, label="treat none")
    axes.plot(at, model, color=BLUE, linewidth=1.8, label="model")
    top = max([*model, *everybody, 0.05])
    axes.set(
        xlabel="threshold of p(complete response)",
        ylabel="net benefit per case",
        xlim=_SHARE,
        # Treating all falls without end towards a threshold of 1 and would flatten the rest.
        ylim=(max(min([*model, 0.0]), -0.5 * top) - 0.1 * top, 1.1 * top),
    )
    axes.legend(loc="upper right", frameon=False)
    return drawn


def coverage_figure(
    points: Sequence[Mapping[str, Any]], random_risk: float | None, counts: str
) -> Figure:
    """Errors among the cases kept, against the share of cases kept.

    Parameters
    ----------
    points : sequence of mapping
        ``coverage`` and ``risk``, each in [0, 1], and perhaps the ends ``low`` and ``high``.
    random_risk : float, optional
        The risk where cases are set aside at random.
    counts : str
        Cases behind it, for the title.
    """
    drawn, axes = _single(f"Risk and coverage, {counts}")
    known = sorted(points, key=lambda point: point["coverage"])
    at, risk = [p["coverage"] for p in known], [p["risk"] for p in known]
    axes.plot(at, risk, color=BLUE, linewidth=1.8, label="surest cases first")
    _draw_band(axes, known, "coverage")
    ends = [p["high"] for p in known if p.get("high") is not None]
    if random_risk is not None:
        axes.axhline(random_risk, color=GREY, linestyle=":", linewidth=1, label="at random")
    axes.set(
        xlabel="share of cases answered (coverage)",
        ylabel="risk among the cases answered",
        xlim=_SHARE,
        ylim=(0.0, min(1.2 * max([*risk, *ends, random_risk or 0.0, 0.05]), 1.02)),
    )
    axes.legend(loc="upper left", frameon=False)
    return drawn


def forest_figure(rows: Sequence[ForestRow], level: float | None) -> Figure:
    """AUCs below each other with their intervals; the first row is what the others are held to.

    Parameters
    ----------
    rows : sequence of ForestRow
        At least one; each has a value.
    level : float, optional
        Confidence level of the intervals, in (0, 1), for the title.
    """
    drawn = blank((9.4, 0.9 + 0.27 * len(rows)))
    axes = drawn.subplots()
    axes.axvline(0.5, color=GREY, linestyle=":", linewidth=1)
    axes.axvline(
        rows[0].figure.value or math.nan, color=BLUE, linestyle="--", linewidth=0.8, alpha=0.6
    )
    left = 0.4
    for place, row in enumerate(rows):
        low, high = row.figure.low, row.figure.high
        value = row.figure.value if row.figure.value is not None else math.nan
        fill = row.colour if row.figure.has_interval else "white"
        axes.plot([value], [place], "o", color=row.colour, markersize=5, markerfacecolor=fill)
        if low is not None and high is not None:
            axes.plot([low, high], [place, place], color=row.colour, linewidth=1.4)
        left = min(left, value if low is None else low)
        text = figure(row.figure._asdict() | {"reason": ""})
        beside = axes.get_yaxis_transform()
        axes.text(1.02, place, text, transform=beside, va="center", fontsize=8, parse_math=False)
    axes.set(xlim=(max(left - 0.03, 0.0), 1.0), ylim=(len(rows) - 0.4, -0.6))
    label_rows(axes, [_label(row) for row in rows])
    ends = "no intervals" if level is None else f"{100 * level:g} % intervals"
    axes.set_xlabel(f"AUC ({ends}; hollow: none; dotted: chance; dashed: the model)")
    plain(axes)
    return drawn


def _label(row: ForestRow) -> str:
    return shortened(row.label) + ("" if row.n is None else f" (n = {row.n})")


def shortened(name: str) -> str:
    """A name that leaves room for a figure beside it: its start and its end."""
    return name if len(name) <= _LONGEST else f"{name[:_START]}…{name[_START + 1 - _LONGEST :]}"


def label_rows(axes: Axes, names: Sequence[str]) -> None:
    """Names beside the rows of a figure, as they are: a dollar in one is no formula."""
    axes.set_yticks(range(len(names)), list(names))
    for label in axes.get_yticklabels():
        label.set_parse_math(False)
    axes.tick_params(axis="y", length=0)


def _single(title: str) -> tuple[Figure, Axes]:
    drawn = blank(_SIZE)
    axes = drawn.subplots()
    axes.set_title(title, fontsize=10)
    plain(axes)
    return drawn, axes


def plain(axes: Axes) -> None:
    """Axes without a box around them, in the sizes of a page."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    axes.xaxis.label.set_fontsize(9)
    axes.yaxis.label.set_fontsize(9)
