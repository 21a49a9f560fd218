"""Pictures for people: slices with outlines, in radiological convention."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import SimpleITK as sitk
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import ndimage

from radresp.core import Grid, Mask, Volume, resample_mask, resample_volume
from radresp.report.planes import axial, axial_mask

COLUMNS = 3


def contour_png(volume: Volume, mask: Mask | None, title: str) -> bytes:
    """Three axial slices through a region with its outline, as PNG.

    Parameters
    ----------
    volume : Volume
        The image.
    mask : Mask, optional
        The outline, on the same grid; without it the middle slices of the image are shown.
    title : str
        Written above.

    Returns
    -------
    bytes
        PNG; patient right is on the left of the picture, anterior up. Grey levels run from the
        1st to the 99th percentile of the shown slices.
    """
    volume = axial(volume)
    picture = volume.array
    outline = np.zeros(picture.shape, bool) if mask is None else axial_mask(mask).array
    slices = _slices(outline)
    box = _box(outline, volume.grid)
    low, high = np.percentile(picture[slices], (1, 99))
    figure, panels = _panels(title)
    aspect = volume.grid.spacing_mm[1] / volume.grid.spacing_mm[0]
    for axes, k in zip(panels, slices, strict=True):
        axes.imshow(picture[k][box], cmap="gray", vmin=low, vmax=high, aspect=aspect)
        if outline[k].any():
            axes.contour(outline[k][box], levels=[0.5], colors=["#ffb000"], linewidths=1.2)
        _label(axes, k, len(picture))
    return _png(figure)


def alignment_png(
    fixed: Volume,
    moving: Volume,
    transform: sitk.Transform,
    title: str,
    *,
    fixed_mask: Mask | None = None,
    moving_mask: Mask | None = None,
) -> bytes:
    """Three axial slices of the moving image as it was aligned, with edges of the fixed one.

    Parameters
    ----------
    fixed, moving : Volume
        The images.
    transform : SimpleITK.Transform
        Maps fixed to moving LPS mm.
    title : str
        Written above.
    fixed_mask, moving_mask : Mask, optional
        Outlines, each on its image's grid; the fixed one is drawn solid, the moving one, carried
        over, dashed.

    Returns
    -------
    bytes
        PNG; patient right is on the left of the picture, anterior up. Where the fit is right, the
        blue edges of the fixed image lie on the borders of the picture beneath.
    """
    carried = None if moving_mask is None else resample_mask(moving_mask, fixed.grid, transform)
    moved = resample_volume(moving, fixed.grid, transform)
    below, above = axial(moved), axial(fixed)
    outlines = [_drawn(mask, below) for mask in (fixed_mask, carried)]
    where = outlines[0] if outlines[0].any() else outlines[1]
    slices, box = _slices(where), _box(where, below.grid)
    figure, panels = _panels(title)
    low, high = np.percentile(below.array[slices], (1, 99))
    aspect = below.grid.spacing_mm[1] / below.grid.spacing_mm[0]
    for axes, k in zip(panels, slices, strict=True):
        axes.imshow(below.array[k][box], cmap="gray", vmin=low, vmax=high, aspect=aspect)
        axes.contour(_edges(above.array[k])[box], levels=[0.5], colors=["#4db8ff"], linewidths=0.6)
        for outline, style in zip(outlines, ("solid", "dashed"), strict=True):
            if outline[k].any():
                axes.contour(outline[k][box], levels=[0.5], colors=["#ffb000"], linestyles=[style])
        _label(axes, k, len(below.array))
    return _png(figure)


def _drawn(mask: Mask | None, like: Volume) -> NDArray[np.bool_]:
    return np.zeros(like.grid.size[::-1], bool) if mask is None else axial_mask(mask).array


def _edges(picture: NDArray[np.float32]) -> NDArray[np.float64]:
    """1 on the steepest tenth of a slice smoothed by one pixel, 0 elsewhere."""
    steep = ndimage.gaussian_gradient_magnitude(picture.astype(float), 1.0)
    return (steep > np.percentile(steep, 90)).astype(float)


def _panels(title: str) -> tuple[Figure, Any]:
    figure = Figure(figsize=(3.1 * COLUMNS, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=10)
    return figure, figure.subplots(1, COLUMNS)


def _label(axes: Any, k: int, slices: int) -> None:
    axes.set_title(f"slice {k + 1} of {slices}", fontsize=8)
    axes.set_axis_off()
    axes.text(0.02, 0.5, "R", transform=axes.transAxes, color="#ffb000", fontsize=9)


def _png(figure: Figure) -> bytes:
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=90)
    return buffer.getvalue()


def _slices(outline: NDArray[np.bool_]) -> list[int]:
    """The lower quarter, middle and upper quarter of the outline along z."""
    levels = np.flatnonzero(outline.any(axis=(1, 2)))
    if not levels.size:
        levels = np.arange(len(outline))
    return [int(levels[round(q * (levels.size - 1))]) for q in (0.25, 0.5, 0.75)]


def _box(outline: NDArray[np.bool_], grid: Grid, margin_mm: float = 40.0) -> tuple[slice, slice]:
    """Rows and columns around the outline with a margin; everything when it is empty."""
    spans = []
    for axis, spacing in ((1, grid.spacing_mm[1]), (2, grid.spacing_mm[0])):
        hit = np.flatnonzero(outline.any(axis=tuple({0, 1, 2} - {axis})))
        if not hit.size:
            spans.append(slice(None))
            continue
        pad = int(margin_mm / spacing)
        spans.append(slice(max(0, hit[0] - pad), hit[-1] + pad + 1))
    return spans[0], spans[1]
