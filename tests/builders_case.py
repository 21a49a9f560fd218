"""A case as it is scored: prepared in memory with both visits, and the record of a score."""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from html.parser import HTMLParser
from typing import Any

import numpy as np
import SimpleITK as sitk
from builders import make_grid, make_mask, make_volume

from radresp.core import (
    VISITS,
    Alignment,
    ChangeMap,
    FeatureRow,
    Grid,
    Mask,
    Prepared,
    Quality,
    Region,
    RegionKey,
    Roi,
    Scene,
    Sequence,
    Step,
    Timepoint,
    Unit,
    Verdict,
    Volume,
    resample_mask,
)
from radresp.features import MEASURES, Response
from radresp.notice import INTENDED_USE
from radresp.pipeline.measurements import every_measure, measure, tissues
from radresp.pipeline.plan import parse_plan
from radresp.report.case_figures import look_up, written

SLICE_MM = 3.0
CORE = {Timepoint.PRE: Roi.TUMOUR, Timepoint.POST: Roi.BED}


def make_prepared(
    *,
    orientation: str = "lps",
    shift_mm: float = 2 * SLICE_MM,
    verdict: Verdict = Verdict.GOOD,
) -> Prepared:
    """Two visits; the earlier lies ``shift_mm`` higher along the slices, as its alignment says."""
    fine = make_grid((64, 60, 16), (1.0, 1.0, SLICE_MM), orientation=orientation)
    axis = fine.axes[:, 2]
    regions: dict[RegionKey, Region] = {}
    averaged: dict[Timepoint, Volume] = {}
    for visit in Timepoint:
        moved = axis * (shift_mm if visit is Timepoint.PRE else 0.0)
        t2 = _moved(fine, moved)
        adc = _moved(_coarse(fine), moved)
        averaged[visit] = make_volume(adc)
        for sequence, grid in ((Sequence.T2, t2), (Sequence.DWI, adc), (Sequence.ADC, adc)):
            b = 1000.0 if sequence is Sequence.DWI else None
            volume = make_volume(grid, sequence, b_s_per_mm2=b)
            for roi, radius in ((CORE[visit], 0.2), (Roi.MUSCLE, 0.1)):
                centre = (0.5, 0.5, 0.5) if roi is not Roi.MUSCLE else (0.2, 0.2, 0.5)
                mask = resample_mask(make_mask(t2, roi, centre, radius), grid)
                key = RegionKey(visit, sequence, roi)
                regions[key] = Region(key, volume, mask)
    way = sitk.TranslationTransform(3, (axis * shift_mm).tolist())
    reasons = () if verdict is Verdict.GOOD else ("the pictures do not match",)
    quality = Quality(verdict, {"shift_mm": shift_mm, "rotation_deg": 0.0}, reasons)
    alignment = Alignment("post.t2", "pre.t2", way, quality, Step("registration", "rigid_mi"))
    bed = regions[RegionKey(Timepoint.POST, Sequence.T2, Roi.BED)].mask
    usable = verdict is Verdict.GOOD
    return Prepared(
        "c1",
        {key: region for key, region in regions.items() if key.roi is CORE[key.timepoint]},
        {},
        {VISITS: alignment},
        maps={"t2": _change(bed)} if usable else {},
        unmapped={"adc": "no ADC of both visits"},
        scene=Scene(regions, {}, t2_on_adc=averaged),
        trail=(Step("pipeline", "check_pair", {"days_between_visits": 112}),),
    )


def make_record(prepared: Prepared | None = None, **changes: Any) -> dict[str, Any]:
    """The content of ``score.json`` with every part, of a case the model is not sure about."""
    return (_record(prepared) if prepared else deepcopy(_plain_record())) | changes


@cache
def _plain_record() -> dict[str, Any]:
    return _record(make_prepared())


def _record(prepared: Prepared) -> dict[str, Any]:
    plan = parse_plan({})
    found = measure_row(prepared)
    return {
        "intended_use": INTENDED_USE,
        "case_id": "c1",
        "endpoint": "pCR",
        "p_ccr": 0.7312,
        "interval": [0.5234, 0.8712],
        "interval_level": 0.95,
        "prevalence": 0.42,
        "prevalence_shift": {
            "before": 0.7312,
            "after": 0.5519,
            "low": 0.3127,
            "high": 0.7421,
            "prevalence_before": 0.42,
            "prevalence_after": 0.25,
            "endpoint": "pCR",
            "assumption": "assumes that only the frequency differs",
        },
        "classes": {"complete": 0.7312, "residual": 0.2688},
        "p_pseudo_residual_given_non_ccr": 0.6214,
        "reader_call": "nCR",
        "fit": {"complete": 0.6, "residual": 0.08},
        "ruled_out_up_to": {"complete": 0.1, "residual": 0.05},
        "decision": "indeterminate",
        "reasons": ["FITS_BOTH: neither outcome can be ruled out"],
        "drivers": [
            {
                "name": name,
                "value": value,
                "contribution": moved,
                "training_median": 9.1,
                "training_low": 4.2,
                "training_high": 15.3,
            }
            for name, value, moved in (
                ("response.wall_thickness_max_mm", 6.23, -0.8123),
                ("post.adc.bed.original.firstorder_10Percentile", 16.5, 0.6032),
            )
        ],
        "measurements": measure(
            every_measure(prepared, found, plan),
            plan,
            {"response.bed_ml": (2.1, 3.0, 5.0, 8.0, 12.2)},
        ),
        "tissue_ml": tissues(every_measure(prepared, found, plan)),
        "support": {"distance": 3.12, "farthest": 5.21, "outside": 0.012, "most_outside": 0.05},
        "days_between_visits": 112,
        "qc": prepared.qc(),
        "model": {"id": "m", "sha256": "0" * 64, "training_data": "real", "cases": 50},
        "versions": {"radresp": "0"},
        "fixes": [],
        "warnings": [],
        "trail": [{"room": "io", "method": "load", "seconds": 0.123, "notes": []}],
    }


def measure_row(prepared: Prepared) -> FeatureRow:
    """The measures of a case as its row of features."""
    found = MEASURES["response"].extract(prepared, Response())
    named = {f"response.{name}": value for name, value in found.values.items()}
    return FeatureRow(
        prepared.case_id, named, {f"response.{name}": why for name, why in found.absent.items()}
    )


class _Shown(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[dict[str, Any], str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "data":
            self.found.append((dict(attrs), ""))

    def handle_data(self, data: str) -> None:
        if self.found and not self.found[-1][1]:
            self.found[-1] = (self.found[-1][0], data)


def shown_figures(page: str) -> list[tuple[dict[str, Any], str]]:
    """Every figure of a page that says where it stands in the record, and its text."""
    parser = _Shown()
    parser.feed(re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL))
    return parser.found


def wrong_figures(page: str, record: dict[str, Any]) -> Iterator[str]:
    """Figures of a page that are not what stands in the record."""
    for said, text in shown_figures(page):
        value = look_up(record, said["data-at"])
        scale = float(said["data-scale"])
        if value != float(said["value"]) or text != written(value, said["data-spec"], scale):
            yield f"{said['data-at']}: {text} for {value}"


def _coarse(fine: Grid) -> Grid:
    x, y, z = fine.size
    return Grid((x // 2, y // 2, z), (2.0, 2.0, SLICE_MM), fine.origin_mm, fine.direction)


def _moved(grid: Grid, by_mm: np.ndarray) -> Grid:
    x, y, z = np.asarray(grid.origin_mm) + by_mm
    return Grid(grid.size, grid.spacing_mm, (float(x), float(y), float(z)), grid.direction)


def _change(bed: Mask) -> ChangeMap:
    values = np.where(bed.array, np.linspace(-0.5, 0.5, bed.array.shape[2]), 0.0)
    volume = Volume.from_array(values, bed.grid, Sequence.T2, Unit.RATIO)
    return ChangeMap(volume, bed, {"noise": 0.1})
