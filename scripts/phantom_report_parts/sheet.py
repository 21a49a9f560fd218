"""The picture sheet: a patient of each class before and after treatment, as a reader sees them."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from radresp.core import Mask, RegionKey, Roi, Sequence, Timepoint, VolumeKey, resample_mask
from radresp.intensity import fit_adc
from radresp.io import write_bytes
from radresp.phantom import PhantomPatient, PhantomSettings, draw_patient, make_patient

SEED = 11
SCANNER = "siemens_3t_xa"
SUBTYPES = {
    "fibrosis": "fibrosis",
    "inflammation": "inflammation",
    "gross": "residual, gross",
    "microscopic": "residual, microscopic",
    "mucinous": "residual, mucinous",
}
_BED_ML = (4.0, 20.0)
HALF_MM = 36.0
_INCH = 2.05
_DPI = 165
ADC_TOP = 3000.0
T2_TOP = 6.5  # muscles


class Panel(NamedTuple):
    """One slice to show: pixels, their extent (mm, as matplotlib has it), outline, window."""

    title: str
    pixels: NDArray[np.float32]
    extent: tuple[float, float, float, float]
    outline: NDArray[np.bool_]
    top: float
    centre: tuple[float, float]


def settings() -> PhantomSettings:
    """Full size, one vendor's scanner."""
    return PhantomSettings(scanners=(SCANNER,), other_scanner=0.0)


def chosen() -> dict[str, int]:
    """The first patient of each subtype with a bed of a usual size; mucin only where it belongs."""
    found: dict[str, int] = {}
    for index in count():
        drawn = draw_patient(index, SEED, settings())
        fits = _BED_ML[0] < drawn.bed_ml < _BED_ML[1]
        if fits and drawn.response.mucinous == (drawn.response.subtype == "mucinous"):
            found.setdefault(drawn.response.subtype, index)
        if len(found) == len(SUBTYPES):
            break
    return {name: found[name] for name in SUBTYPES}


def write_sheet(path: Path) -> dict[str, int]:
    """Draw the sheet; return which patient stands for which subtype."""
    patients = chosen()
    rows = len(patients) + 1
    figure = Figure((6 * _INCH, (rows + 0.15) * _INCH), dpi=_DPI, facecolor="black")
    axes = figure.subplots(rows, 6, gridspec_kw={"wspace": 0.02, "hspace": 0.03})
    figure.subplots_adjust(left=0.025, right=0.998, top=0.975, bottom=0.003)
    for number, (subtype, index) in enumerate(patients.items()):
        row = axes[number]
        patient = make_patient(index, SEED, settings())
        panels = list(_panels(patient))
        for axis, panel in zip(row, panels, strict=True):
            _show(axis, panel, HALF_MM)
        row[0].set_ylabel(SUBTYPES[subtype], color="white", fontsize=8)
        if number == 0:
            for axis, panel in zip(row, panels, strict=True):
                axis.set_title(panel.title, color="white", fontsize=8, pad=3)
        if subtype == "gross":
            for axis, panel in zip(axes[-1], panels, strict=True):
                _show(axis, panel, None)
            axes[-1][0].set_ylabel("residual, gross: whole field", color="white", fontsize=8)
    drawn = BytesIO()
    look = {"quality": 82, "method": 6}
    figure.savefig(drawn, format=path.suffix[1:], facecolor="black", pil_kwargs=look)
    write_bytes(path, drawn.getvalue())
    return patients


def _panels(patient: PhantomPatient) -> Iterator[Panel]:
    """T2, highest b and ADC of both visits at the slice with the largest lesion."""
    case = patient.case
    for visit in Timepoint:
        roi = Roi.TUMOUR if visit is Timepoint.PRE else Roi.BED
        lesion = case.masks[RegionKey(visit, Sequence.T2, roi)]
        muscle = case.masks[RegionKey(visit, Sequence.T2, Roi.MUSCLE)]
        t2 = case.volumes[VolumeKey(visit, Sequence.T2)]
        dwi = tuple(
            volume
            for key, volume in case.volumes.items()
            if key.timepoint is visit and key.sequence is Sequence.DWI
        )
        fit = fit_adc(dwi)
        high = max(dwi, key=lambda volume: volume.b_s_per_mm2 or 0.0)
        on_dwi = resample_mask(lesion, high.grid)
        # The same place on both: the DWI slice that holds the middle of the lesion's T2 slice.
        k = int(lesion.array.sum(axis=(1, 2)).argmax())
        j = _slice_at(lesion, k, on_dwi)
        bright = float(np.quantile(high.array[j][on_dwi.array.any(axis=0)], 0.99)) * 1.25
        top = T2_TOP * float(np.median(t2.values_in(muscle)))
        b = f"b {high.b_s_per_mm2:g}"
        yield _panel(f"{visit} T2", t2.array, lesion, k, top)
        yield _panel(f"{visit} {b}", high.array, on_dwi, j, bright)
        yield _panel(f"{visit} ADC", fit.adc.array, on_dwi, j, ADC_TOP)


def _slice_at(lesion: Mask, k: int, on_dwi: Mask) -> int:
    rows, columns = np.nonzero(lesion.array[k])
    place = lesion.grid.to_mm((float(columns.mean()), float(rows.mean()), float(k)))
    grid = on_dwi.grid
    z = (place[2] - grid.origin_mm[2]) / grid.spacing_mm[2]
    return int(np.clip(round(z), 0, grid.size[2] - 1))


def _panel(title: str, pixels: NDArray[np.float32], mask: Mask, k: int, top: float) -> Panel:
    (nx, ny, _), (dx, dy, _) = mask.grid.size, mask.grid.spacing_mm
    shown = mask.array[k]
    rows, columns = np.nonzero(shown if shown.any() else mask.array.any(axis=0))
    centre = (float(columns.mean()) * dx, float(rows.mean()) * dy)
    extent = (-0.5 * dx, (nx - 0.5) * dx, (ny - 0.5) * dy, -0.5 * dy)
    return Panel(title, pixels[k], extent, shown, top, centre)


def _show(axis: Axes, panel: Panel, half_mm: float | None) -> None:
    axis.imshow(
        panel.pixels, cmap="gray", vmin=0, vmax=panel.top, extent=panel.extent,
        interpolation="bicubic",
    )  # fmt: skip
    if panel.outline.any():
        left, right, bottom, above = panel.extent
        x, y = (
            np.linspace(first, last, 2 * n + 1)[1::2]
            for first, last, n in zip(
                (left, above), (right, bottom), panel.outline.shape[::-1], strict=True
            )
        )
        width = 0.5 if half_mm else 0.3
        axis.contour(x, y, panel.outline, [0.5], colors="#ffcc33", linewidths=width)
    if half_mm:
        x0, y0 = panel.centre
        axis.set_xlim(x0 - half_mm, x0 + half_mm)
        axis.set_ylim(y0 + half_mm, y0 - half_mm)
    axis.set_xticks([])
    axis.set_yticks([])
    axis.set_facecolor("black")
    for side in axis.spines.values():
        side.set_visible(False)
