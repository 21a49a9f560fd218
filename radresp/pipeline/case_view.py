"""What there is to look at of a case: its images with their outlines, and maps to lay over them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import SimpleITK as sitk

from radresp import report
from radresp.core import (
    ChangeMap,
    Mask,
    Prepared,
    Roi,
    Sequence,
    Timepoint,
    Unit,
    Volume,
    resample_mask,
)
from radresp.pipeline.align import from_later_t2

ORDER = (Sequence.T2, Sequence.DWI, Sequence.ADC)
NAMES = {Sequence.T2: "T2", Sequence.DWI: "High b", Sequence.ADC: "ADC"}
WHEN = {Timepoint.PRE: "before", Timepoint.POST: "after"}
DRAWN = (Roi.TUMOUR, Roi.BED, Roi.RESIDUAL, Roi.LUMEN, Roi.NORMAL_WALL, Roi.MUSCLE)
"""Outlines that are shown; those of tissue to compare with are faint."""

_ABOUT = {
    "adc": "orange where ADC rose, blue where it fell",
    "t2": "orange where T2 became brighter, blue where it became darker",
}
_STEP = {"adc": "10⁻⁶ mm²/s", "t2": "ln(after / before)"}


def view_case(prepared: Prepared, maps: tuple[report.Map, ...] = ()) -> report.CaseView:
    """Everything of a prepared case that a page can show.

    Parameters
    ----------
    prepared : Prepared
        The case.
    maps : tuple of radresp.report.Map
        More to lay over the later T2, such as what a network looked at.

    Returns
    -------
    radresp.report.CaseView
        The later T2 first; nothing but reasons where the case has no image.
    """
    pictures, absent = [], dict(_no_change(prepared))
    for visit in reversed(Timepoint):
        for sequence in ORDER:
            found = _picture(prepared, visit, sequence)
            if found is None:
                absent[_title(visit, sequence)] = "the case has no such image, or no outline on it"
            else:
                pictures.append(found)
    return report.CaseView(tuple(pictures), (*_change_maps(prepared), *maps), absent)


def _title(visit: Timepoint, sequence: Sequence, b_s_per_mm2: float | None = None) -> str:
    name = NAMES[sequence] if b_s_per_mm2 is None else f"b {b_s_per_mm2:g}"
    return f"{name} {WHEN[visit]}"


def _picture(prepared: Prepared, visit: Timepoint, sequence: Sequence) -> report.Picture | None:
    """One image, as acquired where the plan measures the whole case, else as it is measured."""
    regions = [*prepared.scene.regions.items(), *prepared.regions.items()]
    found = {key.roi: region for key, region in reversed(regions) if key[:2] == (visit, sequence)}
    if not found:
        return None
    volume = next(iter(reversed(found.values()))).volume
    outlines = {str(roi): _on(found[roi].mask, volume) for roi in DRAWN if roi in found}
    route = from_later_t2(prepared, visit, sequence)
    return report.Picture(
        f"{visit}.{sequence}",
        _title(visit, sequence, volume.b_s_per_mm2),
        volume,
        outlines,
        None if isinstance(route, str) else route,
    )


def _on(mask: Mask, volume: Volume) -> Mask:
    return mask if mask.grid.same_as(volume.grid) else resample_mask(mask, volume.grid)


def _change_maps(prepared: Prepared) -> Iterator[report.Map]:
    for name, change in prepared.maps.items():
        route = from_later_t2(prepared, Timepoint.POST, Sequence(name))
        yield report.Map(
            f"change.{name}",
            f"Change of {NAMES[Sequence(name)]}",
            _ABOUT[name],
            _inside(change),
            route if isinstance(route, sitk.Transform) else None,
            _STEP[name],
        )


def _inside(change: ChangeMap) -> Volume:
    """The change within its region, 0 elsewhere."""
    values = change.volume.array
    known = change.mask.array & np.isfinite(values)
    if change.volume.background is not None:
        known &= sitk.GetArrayViewFromImage(change.volume.background) == 0
    return Volume.from_array(
        np.where(known, values, 0.0), change.volume.grid, Sequence.T2, Unit.RATIO
    )


def _no_change(prepared: Prepared) -> Iterator[tuple[str, str]]:
    for name, why in prepared.unmapped.items():
        yield f"Change of {NAMES[Sequence(name)]}", why
