"""Rows of the fault catalogue on intensities (A) that take a whole case to show."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders import make_grid, make_mask, make_volume

from radresp.core import (
    Case,
    NoteKind,
    RegionKey,
    Roi,
    Sequence,
    Timepoint,
    Volume,
    VolumeKey,
    notes_of,
)
from radresp.pipeline import extract_case, parse_plan, prepare_case

GRID = make_grid((40, 36, 12))
PRE, POST = Timepoint
DWI_PLAN = parse_plan(
    {
        "regions": ["pre.adc.tumour"],
        "registration_dwi": {"method": "header"},
        "features": {"measures": {}},
    }
)
T2_PLAN = parse_plan(
    {
        "regions": ["pre.t2.tumour"],
        "features": {
            "t2": {"families": {"original": {"classes": ["firstorder", "glcm"]}}},
            "measures": {},
        },
    }
)
BOTH_PLAN = parse_plan(
    {
        "regions": ["pre.t2.tumour", "post.t2.bed"],
        "registration": {"method": "rigid_mi"},
        "features": {"measures": {}},
    }
)


def dwi_case(lost: float) -> Case:
    """Two b-values of tissue with air around it; a share of the tumour has no signal at b 0."""
    tumour = make_mask(GRID)
    body = make_mask(GRID, radius=0.48).array
    inside = np.flatnonzero(tumour.array)
    volumes = {VolumeKey(PRE, Sequence.T2): make_volume(GRID)}
    for b in (0.0, 800.0):
        rng = np.random.default_rng(int(b))
        signal = np.where(body, 900 * np.exp(-b * 1.1e-3), 0) + rng.rayleigh(4, body.shape)
        if b == 0:
            signal.flat[inside[: round(lost * inside.size)]] = 0
        volumes[VolumeKey(PRE, Sequence.DWI, b)] = Volume.from_array(
            signal, GRID, Sequence.DWI, b_s_per_mm2=b
        )
    return Case("c1", volumes, {RegionKey(PRE, Sequence.T2, Roi.TUMOUR): tumour})


@pytest.mark.parametrize(("lost", "codes"), [(0.0, []), (0.1, []), (0.4, ["ADC_NO_SIGNAL"])])
def test_a08_a_tumour_without_signal_at_b_0_makes_the_case_abstain(
    lost: float, codes: list[str]
) -> None:
    prepared = prepare_case(dwi_case(lost), DWI_PLAN)
    found = notes_of(prepared.trail, NoteKind.ABSTAIN)
    assert [note.code for note in found] == codes
    assert all(f"{lost:.0%} of pre.adc.tumour" in note.found for note in found)


def test_a09_another_scale_of_the_scanner_changes_no_feature() -> None:
    tumour = {RegionKey(PRE, Sequence.T2, Roi.TUMOUR): make_mask(GRID)}
    values = make_volume(GRID).array * make_mask(GRID, radius=0.48).array
    plain = Volume.from_array(values, GRID, Sequence.T2)
    case = Case("c1", {VolumeKey(PRE, Sequence.T2): plain}, tumour)
    jumped = replace(case, volumes={VolumeKey(PRE, Sequence.T2): plain.with_array(4096 * values)})
    rows = [extract_case(prepare_case(c, T2_PLAN), T2_PLAN) for c in (case, jumped)]
    assert list(rows[1].values.values()) == pytest.approx(list(rows[0].values.values()), rel=1e-4)


@pytest.mark.parametrize(
    ("scale", "codes"),
    [(1.0, []), (20.0, []), (4096.0, ["INTENSITY_JUMP"]), (1 / 4096, ["INTENSITY_JUMP"])],
)
def test_a09_the_ratio_of_brightness_is_noted_and_a_jump_warned_of(
    scale: float, codes: list[str]
) -> None:
    post = RegionKey(POST, Sequence.T2, Roi.BED)
    masks = {
        RegionKey(PRE, Sequence.T2, Roi.TUMOUR): make_mask(GRID),
        post: make_mask(GRID, Roi.BED),
    }
    values = make_volume(GRID).array * make_mask(GRID, radius=0.48).array
    volumes = {
        VolumeKey(visit, Sequence.T2): Volume.from_array(values * factor, GRID, Sequence.T2)
        for visit, factor in ((PRE, 1.0), (POST, scale))
    }
    trail = prepare_case(Case("c1", volumes, masks), BOTH_PLAN).trail
    (step,) = (step for step in trail if step.method == "compare_scales")
    assert step.settings["post_to_pre"] == pytest.approx(scale, rel=1e-3)
    assert [note.code for note in step.notes] == codes
