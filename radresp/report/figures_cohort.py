"""Figures of a cohort: who is in it, reader against model, chosen features, and the leak guard.

Source: the flow diagram of STARD 2015 and TRIPOD+AI item 20a. As in
:mod:`radresp.report.figures`, nothing is computed but places on the page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from radresp.report.drawing import AMBER, BLUE, DARK, GREEN, GREY, RED, blank
from radresp.report.figures import label_rows, plain, shortened
from radresp.report.wording import Estimate

MOST_FEATURES = 25
WORD_COLOURS = {
    "complete_response": ("complete response", GREEN, ""),
    "residual": ("residual tumour", RED, "//"),
    "indeterminate": ("indeterminate", AMBER, ".."),
    "abstain": ("no answer", GREY, "xx"),
}
_LINE, _PAD, _GAP = 0.19, 0.1, 0.42
_MAIN, _SIDE = (0.1, 3.0), (3.75, 4.4)
_CHARACTERS = 52


def flow_figure(steps: Sequence[Mapping[str, Any]], counts: Mapping[str, int]) -> Figure:
    """The way from the cases named to the cases analysed, with who was left out and why.

    Parameters
    ----------
    steps : sequence of mapping
        ``name``, ``n``, perhaps ``patients``, and ``left_out`` (``reason``, ``n``) on the way to
        the next step.
    counts : mapping of str to int
        Analysed cases of each outcome.
    """
    main = [_main_lines(step) for step in steps]
    side = [_side_lines(step["left_out"]) for step in steps]
    between = [max(_GAP, _height(lines) + 0.2) if lines else _GAP for lines in side]
    total = sum(map(_height, main)) + sum(between[:-1]) + _GAP + _height(["", ""]) + 0.2
    drawn = blank((8.3, total), laid_out=False)
    axes = drawn.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set(xlim=(0.0, 8.3), ylim=(total, 0.0))
    axes.set_axis_off()
    top, middle = 0.1, _MAIN[0] + _MAIN[1] / 2
    for place, lines in enumerate(main):
        bottom = _box(axes, (_MAIN[0], top), _MAIN[1], lines, BLUE)
        if place == len(main) - 1:
            break
        top = bottom + between[place]
        _arrow(axes, (middle, bottom), (middle, top))
        if side[place]:
            level = (bottom + top) / 2
            _arrow(axes, (middle, level), (_SIDE[0], level))
            where = (_SIDE[0], level - _height(side[place]) / 2)
            _box(axes, where, _SIDE[1], side[place], GREY)
    _outcomes(axes, (middle, bottom), counts)
    return drawn


def _main_lines(step: Mapping[str, Any]) -> list[str]:
    patients = step.get("patients")
    of = "" if patients is None else f" of {patients} patients"
    return [str(step["name"]), f"n = {step['n']}{of}"]


def _side_lines(left_out: Sequence[Mapping[str, Any]]) -> list[str]:
    if not left_out:
        return []
    lines = [f"left out: {sum(row['n'] for row in left_out)}"]
    for row in left_out:
        lines += wrap(f"{row['reason']} (n = {row['n']})", _CHARACTERS, subsequent_indent="   ")
    return lines


def _outcomes(axes: Axes, start: tuple[float, float], counts: Mapping[str, int]) -> None:
    """A box for each outcome below the last one."""
    width, top = 8.25 / max(len(counts), 1), start[1] + _GAP
    fork, middles = start[1] + _GAP / 2, []
    for place, (name, n) in enumerate(counts.items()):
        left = _MAIN[0] + place * width
        middles.append(left + (width - 0.2) / 2)
        _arrow(axes, (middles[-1], fork), (middles[-1], top))
        colour = RED if name == "residual" else GREEN
        _box(axes, (left, top), width - 0.2, [name, f"n = {n}"], colour)
    ends = [start[0], *middles]
    axes.plot([start[0], start[0]], [start[1], fork], color=GREY, linewidth=1.1)
    axes.plot([min(ends), max(ends)], [fork, fork], color=GREY, linewidth=1.1)


def _height(lines: Sequence[str]) -> float:
    return len(lines) * _LINE + 2 * _PAD


def _box(
    axes: Axes, corner: tuple[float, float], width: float, lines: Sequence[str], colour: str
) -> float:
    """A box with lines of text; returns where it ends."""
    left, top = corner
    shape = FancyBboxPatch(
        (left, top), width, _height(lines), "round,pad=0,rounding_size=0.06",
        facecolor="white", edgecolor=colour, linewidth=1.2,
    )  # fmt: skip
    axes.add_patch(shape)
    for place, line in enumerate(lines):
        at = top + _PAD + (place + 0.75) * _LINE
        heavy = "bold" if place == 0 else "normal"
        axes.text(left + 0.12, at, line, fontsize=9, weight=heavy, parse_math=False)
    return top + _height(lines)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    line = FancyArrowPatch(
        start, end, arrowstyle="-|>", mutation_scale=9, color=GREY, linewidth=1.1,
        shrinkA=0, shrinkB=0,
    )  # fmt: skip
    axes.add_patch(line)


def reader_figure(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """What the model said of the cases of each reading and truth, as shares of them.

    Parameters
    ----------
    rows : sequence of mapping
        ``call``, ``truth``, ``what``, ``n`` (above 0) and ``words``, cases by word.
    """
    drawn = blank((9.4, 1.3 + 0.42 * len(rows)))
    axes = drawn.subplots()
    left = [0.0] * len(rows)
    for word, (said, colour, hatch) in WORD_COLOURS.items():
        widths = [row["words"].get(word, 0.0) / row["n"] for row in rows]
        places = range(len(rows))
        axes.barh(
            places, widths, left=left, height=0.66, label=said, color=colour, hatch=hatch,
            edgecolor="white", linewidth=0.8,
        )  # fmt: skip
        left = [a + b for a, b in zip(left, widths, strict=True)]
    label_rows(axes, [_reading(row) for row in rows])
    axes.set(xlim=(0.0, 1.0), ylim=(len(rows) - 0.5, -0.5), xlabel="share of these cases")
    drawn.legend(
        *axes.get_legend_handles_labels(), loc="outside upper center", ncols=4, frameon=False,
        fontsize=9, title="the model says", title_fontsize=9,
    )  # fmt: skip
    plain(axes)
    return drawn


def _reading(row: Mapping[str, Any]) -> str:
    read = row["call"] if row["call"] == "not assessed" else f"read as {row['call']}"
    return f"{read}, was {row['truth']} (n = {row['n']})"


def selection_figure(features: Sequence[Mapping[str, Any]], models: int) -> Figure:
    """How many of the models chose each feature, the most chosen first.

    Parameters
    ----------
    features : sequence of mapping
        ``name``, ``share`` (0 to 1), ``final``, and ``icc`` where it is known.
    models : int
        How many models there were.
    """
    if keeps_most(features, models):
        return _frequency_figure(features, models)
    shown = features[:MOST_FEATURES]
    drawn = blank((9.4, 1.3 + 0.24 * len(shown)))
    axes = drawn.subplots()
    for final, said, colour in ((True, "in the final model", BLUE), (False, "not in it", GREY)):
        rows = [(k, row["share"]) for k, row in enumerate(shown) if row["final"] is final]
        if rows:
            places, shares = zip(*rows, strict=True)
            axes.barh(places, shares, height=0.62, color=colour, label=said)
    known = [
        (row["icc"]["low"], k)
        for k, row in enumerate(shown)
        if row.get("icc") and row["icc"].get("low") is not None
    ]
    if known:
        said = "lower end of ICC(1,1)"
        axes.plot(*zip(*known, strict=True), "D", color=RED, markersize=4.5, label=said)
    label_rows(axes, [shortened(row["name"]) for row in shown])
    axes.set(
        xlim=(0.0, 1.02), ylim=(len(shown) - 0.4, -0.6),
        xlabel=f"share of {models} models that chose it",
    )  # fmt: skip
    handles = axes.get_legend_handles_labels()
    drawn.legend(*handles, loc="outside upper center", ncols=3, frameon=False, fontsize=9)
    plain(axes)
    return drawn


def keeps_most(features: Sequence[Mapping[str, Any]], models: int | None) -> bool:
    """Whether so many features are in every model that their names tell nothing."""
    return sum(row["models"] == models for row in features) > MOST_FEATURES


def chosen_by(features: Sequence[Mapping[str, Any]]) -> dict[int, int]:
    """Numbers of features by how many models chose them, from the most models down."""
    return dict(sorted(Counter(int(row["models"]) for row in features).items(), reverse=True))


def _frequency_figure(features: Sequence[Mapping[str, Any]], models: int) -> Figure:
    """How many features were chosen by how many models."""
    counts = chosen_by(features)
    drawn = blank((9.4, 3.0))
    axes = drawn.subplots()
    bars = axes.bar(list(counts), list(counts.values()), width=0.7, color=BLUE)
    axes.bar_label(bars, fontsize=8)
    axes.set(
        xlim=(-0.6, models + 0.6), xlabel=f"chosen by how many of the {models} models",
        ylabel="features",
    )  # fmt: skip
    plain(axes)
    return drawn


def leak_figure(shuffled: Sequence[float], bound: float | None, model: Estimate) -> Figure:
    """The AUCs of shuffled outcomes beside the model's own, and what chance may reach.

    Parameters
    ----------
    shuffled : sequence of float
        AUC of each shuffle.
    bound : float, optional
        The largest mean that chance explains.
    model : Estimate
        The model's AUC.
    """
    drawn = blank((4.8, 2.3))
    axes = drawn.subplots()
    axes.axvline(0.5, color=GREY, linestyle=":", linewidth=1, label="chance")
    if bound is not None:
        axes.axvline(bound, color=RED, linestyle="--", linewidth=1.2, label="most by chance (mean)")
    axes.plot(shuffled, [1] * len(shuffled), "o", color=DARK, markersize=5, markerfacecolor="white")
    if model.value is not None:
        axes.plot([model.value], [0], "o", color=BLUE, markersize=6)
        if model.low is not None and model.high is not None:
            axes.plot([model.low, model.high], [0, 0], color=BLUE, linewidth=1.4)
    label_rows(axes, ["model", f"{len(shuffled)} shuffles"])
    axes.set(xlim=(0.0, 1.0), ylim=(-0.6, 1.6), xlabel="AUC")
    axes.legend(loc="upper left", frameon=False, fontsize=7)
    plain(axes)
    return drawn
