"""How a network learned: loss and AUC of every epoch, the kept one marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from radresp.report.drawing import BLUE, DARK, GREEN, RED, svg

_HALF = 0.5


def learning_curve(history: Sequence[Mapping[str, Any]], best_epoch: int) -> bytes:
    """The learning curve of one network as SVG.

    Parameters
    ----------
    history : sequence of mapping
        For each epoch ``epoch``, ``train_loss``, ``validation_loss`` and ``validation_auc``; the
        last two None where there are no cases held back.
    best_epoch : int
        The epoch whose weights were kept.
    """
    drawn = Figure(figsize=(6.4, 4.6), layout="constrained")
    above, below = drawn.subplots(2, 1, sharex=True)
    for axes, name, label, colour, style in (
        (above, "train_loss", "training", RED, "--"),
        (above, "validation_loss", "held back", BLUE, "-"),
        (below, "validation_auc", "held back", GREEN, "-"),
    ):
        known = [(row["epoch"], row[name]) for row in history if row[name] is not None]
        if known:
            axes.plot(*zip(*known, strict=True), color=colour, linestyle=style, label=label)
    below.axhline(_HALF, color=DARK, linestyle=":", linewidth=1, label="chance")
    for axes in (above, below):
        axes.axvline(best_epoch, color=DARK, linewidth=0.8, alpha=0.6, label="kept")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8)
    above.set(ylabel="loss")
    below.set(xlabel="epoch", ylabel="AUC", ylim=(0, 1))
    return svg(drawn)
