"""Small synthetic visits as each vendor writes them: studies, series, volumes and masks."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import numpy as np
from builders import make_grid, make_volume

from radresp.core import Grid, Sequence, Volume
from radresp.io import DicomSeries, DicomStudy

DIALECTS = ("siemens", "siemens_xa", "ge", "philips", "philips_enhanced", "uih")
CLASSIC = ("siemens", "ge", "philips", "uih")
B_VALUES = (0.0, 50.0, 800.0)
SIZE = (20, 16, 6)

_SLOPE, _INTERCEPT, _SCALE_SLOPE = 2.385103785, 0.0, 0.0123


def make_grid_of(kind: str) -> Grid:
    """The grid of a T2 (oblique, with a gap) or of a DWI (axial)."""
    if kind == "t2":
        return make_grid(SIZE, (0.6, 0.7, 3.3), (-21.75, 14.2, -133.125), "oblique")
    return make_grid(SIZE, (1.9, 1.9, 4.5), (-60.5, -41.0, 7.25))


def make_study(dialect: str, **changes: object) -> DicomStudy:
    study = DicomStudy(
        dialect=dialect,
        model="Model 1",
        software="R1.2",
        field_strength_t=3.0,
        patient_id="phantom-0007",
        sex="F",
        age_years=61,
        when=datetime(2024, 3, 1, 23, 55, 30),
        seed="phantom-0007/pre",
    )
    return replace(study, **changes)


def make_settings(dialect: str, kind: str, **changes: object) -> DicomSeries:
    scaled = "philips" in dialect
    t2 = DicomSeries(
        number=3,
        description="t2_tse_tra",
        sequence_name="tse2d1_25",
        tr_ms=4500.0,
        te_ms=101.0,
        echo_train=25,
        thickness_mm=3.0,
        averages=2.0,
        flip_deg=150.0,
        phase_axis="ROW",
    )
    dwi = DicomSeries(
        number=5,
        description="dwi_tra_0_50_800",
        sequence_name="ep",
        tr_ms=5200.0,
        te_ms=70.0,
        echo_train=48,
        thickness_mm=4.0,
        averages=4.0,
        bandwidth_hz=1500.0,
        echo_spacing_ms=0.35,
        acceleration=2.0,
        start_s=400.0,
    )
    series = t2 if kind == "t2" else dwi
    if scaled:
        series = replace(series, slope=_SLOPE, intercept=_INTERCEPT, scale_slope=_SCALE_SLOPE)
    return replace(series, **changes)


def make_volumes(dialect: str, kind: str, grid: Grid | None = None) -> list[Volume]:
    """Volumes holding what a reader should see: whole numbers, over Philips' scale slope."""
    grid = grid or make_grid_of(kind)
    divisor = float(np.float32(_SCALE_SLOPE)) if "philips" in dialect else 1.0
    made = []
    for seed, b in enumerate(B_VALUES if kind == "dwi" else (None,)):
        volume = make_volume(grid, Sequence.T2 if b is None else Sequence.DWI, seed, b)
        made.append(volume.with_array(np.rint(volume.array.astype(float)) / divisor))
    return made
