"""One picture a case to judge it by: how the visits fit, where the outlines lie, and the verdict.

Above, the image before treatment as it was aligned, with the edges of the one after treatment over
it and both outlines; below, every region on the slice where it is largest. Patient right is on the
left of the picture, anterior up. Meant to be flicked through, so every strip has the same places.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from textwrap import shorten
from typing import Any, NamedTuple

import numpy as np
import SimpleITK as sitk
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import ndimage

from radresp.core import Grid, Mask, Region, Volume, resample_mask, resample_volume
from radresp.report.planes import axial, axial_mask, extent_of
from radresp.report.qc_entry import Entry

COLUMNS, DPI = 4, 100
VERDICT_LOOKS = {
    "good": ("#14532d", "#bbf7d0", "GOOD"),
    "doubtful": ("#78350f", "#fde68a", "DOUBTFUL"),
    "failed": ("#7f1d1d", "#fecaca", "FAILED"),
    "not judged": ("#334155", "#e2e8f0", "NOT JUDGED"),
}
_GROUND, _INK, _FAINT = "#101418", "#f1f5f9", "#a8b3bf"
_OUTLINE, _CARRIED, _EDGE = "#ffb000", "#ff6ec7", "#4db8ff"
_MARGIN_MM, _LINES, _LETTERS = 25.0, 5, 150
_PANEL, _HEAD, _GAP = 2.9, 1.35, 0.27


@dataclass(frozen=True, slots=True)
class Fit:
    """Two images and the transform between them.

    Parameters
    ----------
    fixed, moving : Volume
        The images.
    transform : SimpleITK.Transform
        Maps fixed to moving LPS mm.
    fixed_mask, moving_mask : Mask, optional
        Outlines, each on its image's grid.
    """

    fixed: Volume
    moving: Volume
    transform: sitk.Transform
    fixed_mask: Mask | None = None
    moving_mask: Mask | None = None


def strip_png(entry: Entry, fit: Fit | None, regions: Sequence[Region]) -> bytes:
    """The picture of a case.

    Parameters
    ----------
    entry : Entry
        Name, verdict and numbers, written above.
    fit : Fit, optional
        How the visits were aligned; without it the reason is among the lines.
    regions : sequence of Region
        The first four are shown.

    Returns
    -------
    bytes
        PNG, the same for the same case; grey levels run from the 1st to the 99th percentile of what
        is shown.
    """
    width, height = COLUMNS * _PANEL, _HEAD + 2 * (_PANEL + _GAP)
    figure = Figure(figsize=(width, height), facecolor=_GROUND)
    FigureCanvasAgg(figure)
    _head(figure, entry, height)
    panels = [[_panel(figure, row, column, height) for column in range(COLUMNS)] for row in (0, 1)]
    if fit is None:
        panels[0][0].text(0.0, 0.5, "the visits were not aligned", color=_FAINT, fontsize=10)
    else:
        _draw_fit(panels[0], fit)
    for axes, region in zip(panels[1], regions, strict=False):
        _draw_region(axes, region)
    buffer = BytesIO()
    metadata = {"Software": None, "Title": f"{entry.case_id}: {entry.verdict}"}
    figure.savefig(buffer, format="png", dpi=DPI, metadata=metadata, facecolor=_GROUND)
    return buffer.getvalue()


def _head(figure: Figure, entry: Entry, height: float) -> None:
    """Name, verdict in a box, and what it rests on."""
    dark, light, word = VERDICT_LOOKS[entry.verdict]
    top = 1 - 0.28 / height
    box = {"facecolor": light, "edgecolor": "none", "boxstyle": "round,pad=0.35"}
    figure.text(0.012, top, word, color=dark, fontsize=12, weight="bold", va="center", bbox=box)
    figure.text(
        0.13, top, entry.case_id, color=_INK, fontsize=14, weight="bold", va="center",
        parse_math=False,
    )  # fmt: skip
    lines = [shorten(line, _LETTERS, placeholder=" …") for line in entry.lines]
    if len(lines) > _LINES:
        lines[_LINES - 1 :] = [f"and {len(lines) - _LINES + 1} lines more in qc.json"]
    for place, line in enumerate(lines):
        at = 1 - (0.53 + 0.165 * place) / height
        figure.text(0.012, at, line, color=_INK, fontsize=8.5, va="center", parse_math=False)
    figure.text(
        0.988, top, "research use only", color=_FAINT, fontsize=8.5, va="center", ha="right"
    )


def _panel(figure: Figure, row: int, column: int, height: float) -> Axes:
    bottom = height - _HEAD - (row + 1) * (_PANEL + _GAP) + _GAP * 0.1
    axes = figure.add_axes(
        ((column + 0.01) / COLUMNS, bottom / height, 0.98 / COLUMNS, 0.98 * _PANEL / height)
    )
    axes.set_facecolor(_GROUND)
    axes.set_axis_off()
    return axes


class _View(NamedTuple):
    """A square around outlines in the axial plane: its voxels, and where they lie in it, mm."""

    box: tuple[slice, slice]
    extent_mm: tuple[float, float, float, float]
    half_mm: float

    @classmethod
    def around(cls, where: Sequence[Mask], grid: Grid) -> _View:
        """The square of some outlines on one grid, of the whole image without any."""
        extent = extent_of(list(where), grid)
        half = extent.reach_mm(grid) + _MARGIN_MM
        spans, ends = [], []
        for axis in (0, 1):
            edge, middle = grid.spacing_mm[axis], float(extent.middle[axis])
            first = max(0, round(middle - half / edge))
            last = min(grid.size[axis], round(middle + half / edge) + 1)
            spans.append(slice(first, last))
            ends += [(first - 0.5 - middle) * edge, (last - 0.5 - middle) * edge]
        left, right, top, bottom = ends
        return cls((spans[1], spans[0]), (left, right, bottom, top), half)

    def show(self, axes: Axes, slice_: NDArray[np.float32], window: tuple[float, float]) -> None:
        """A slice, patient right on the left."""
        low, high = window
        axes.imshow(slice_[self.box], cmap="gray", vmin=low, vmax=high, extent=self.extent_mm)
        axes.set(xlim=(-self.half_mm, self.half_mm), ylim=(self.half_mm, -self.half_mm))

    def line(self, axes: Axes, inside: NDArray[np.bool_], **looks: Any) -> None:
        """The border of a part of a slice."""
        cut = inside[self.box]
        if cut.any() and min(cut.shape) > 1:
            values = cut.astype(float)
            axes.contour(values, levels=[0.5], extent=self.extent_mm, origin="upper", **looks)


def _draw_fit(panels: Sequence[Axes], fit: Fit) -> None:
    """The moved image on four slices, edges of the fixed one over it, both outlines."""
    grid = axial(fit.fixed).grid
    moved = resample_volume(fit.moving, fit.fixed.grid, fit.transform)
    below, above = axial(moved).array, axial(fit.fixed).array
    drawn = []
    if fit.fixed_mask is not None:
        drawn.append((axial_mask(fit.fixed_mask), _OUTLINE, "solid"))
    if fit.moving_mask is not None:
        carried = resample_mask(fit.moving_mask, fit.fixed.grid, fit.transform)
        drawn.append((axial_mask(carried), _CARRIED, "dashed"))
    where = [mask for mask, _, _ in drawn]
    view, levels = _View.around(where, grid), _levels(where, grid.size[2])
    window = _window(below[levels])
    for axes, k in zip(panels, levels, strict=True):
        view.show(axes, below[k], window)
        view.line(axes, _edges(above[k], view.box), colors=[_EDGE], linewidths=0.5)
        for mask, colour, style in drawn:
            looks = {"colors": [colour], "linestyles": [style], "linewidths": 1.3}
            view.line(axes, mask.array[k], **looks)
        _label(axes, f"before, moved onto after; slice {k + 1} of {grid.size[2]}")


def _draw_region(axes: Axes, region: Region) -> None:
    """A region on the slice where it is largest."""
    volume, mask = axial(region.volume), axial_mask(region.mask)
    view, k = _View.around([mask], volume.grid), int(mask.array.sum(axis=(1, 2)).argmax())
    view.show(axes, volume.array[k], _window(volume.array[k][view.box]))
    view.line(axes, mask.array[k], colors=[_OUTLINE], linewidths=1.3)
    _label(axes, f"{region.key}, {mask.volume_ml:.1f} ml; slice {k + 1} of {volume.grid.size[2]}")


def _label(axes: Axes, text: str) -> None:
    axes.set_title(text, fontsize=8.5, color=_FAINT, pad=3, parse_math=False)
    axes.text(0.02, 0.5, "R", transform=axes.transAxes, color=_INK, fontsize=9)


def _window(shown: NDArray[np.float32]) -> tuple[float, float]:
    """Grey levels of what is shown, from the 1st to the 99th percentile."""
    low, high = np.percentile(shown, (1, 99))
    return float(low), float(high)


def _levels(where: Sequence[Mask], slices: int) -> list[int]:
    """Four slices spread over the outlines, or over everything."""
    inside = [np.flatnonzero(mask.array.any(axis=(1, 2))) for mask in where]
    found = np.unique(np.concatenate(inside)) if inside else np.arange(slices)
    if not found.size:
        found = np.arange(slices)
    return [int(found[round(q * (found.size - 1))]) for q in (0.1, 0.37, 0.63, 0.9)]


def _edges(picture: NDArray[np.float32], box: tuple[slice, slice]) -> NDArray[np.bool_]:
    """The steepest tenth of what is shown, smoothed by one pixel; very bright fluid is cut off."""
    low, high = np.percentile(picture[box], (1, 90))
    steep = ndimage.gaussian_gradient_magnitude(np.clip(picture, low, high).astype(float), 1.0)
    return np.asarray(steep > np.percentile(steep[box], 90))
