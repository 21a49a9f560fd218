"""Patches: both visits on one grid around the bed, and nothing made up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from radresp import phantom
from radresp.cnn import Cnn, PatchSettings, inputs_of
from radresp.core import PATCH_CHANNELS, Case, Patch, RegionKey, Roi, Sequence, Timepoint
from radresp.errors import InputError
from radresp.pipeline import parse_plan, prepare_case
from radresp.pipeline.prepare import prepare_patch

PLAN = parse_plan(
    {
        "registration": {"method": "rigid_mi"},
        "registration_dwi": {"method": "header"},
        "features": {"measures": {}},
        "cnn": {"patch": {"size": [32, 32, 12], "spacing_mm": [2.0, 2.0, 4.0]}},
    }
)


@pytest.fixture(scope="module")
def case() -> Case:
    return phantom.make_patient(3, 21, phantom.PhantomSettings.fast()).case


@pytest.fixture(scope="module")
def patch(case: Case) -> Patch:
    found = prepare_case(case, PLAN).patch
    assert found is not None
    return found


def test_a_plan_without_a_network_cuts_nothing(case: Case) -> None:
    plan = replace(PLAN, cnn=None)
    assert prepare_case(case, plan).patch is None


def test_the_short_way_gives_the_same_patch(case: Case, patch: Patch) -> None:
    found, trail = prepare_patch(case, PLAN)
    for name, values in patch.channels.items():
        assert np.array_equal(found.channels[name], values, equal_nan=True)
    assert {step.room for step in trail} >= {"registration", "intensity"}
    with pytest.raises(InputError, match="no section cnn"):
        prepare_patch(case, replace(PLAN, cnn=None))


def test_everything_lies_on_one_grid_centred_on_the_bed(case: Case, patch: Patch) -> None:
    assert patch.available == (True,) * 6
    assert patch.absent == {}
    assert patch.grid.size == (32, 32, 12)
    assert patch.grid.spacing_mm == (2.0, 2.0, 4.0)
    bed = patch.masks["bed"]
    middle = np.argwhere(bed).mean(axis=0)
    assert middle == pytest.approx((np.array(bed.shape) - 1) / 2, abs=0.6)
    drawn = case.masks[RegionKey(Timepoint.POST, Sequence.T2, Roi.BED)]
    assert bed.sum() * patch.grid.voxel_volume_ml == pytest.approx(drawn.volume_ml, rel=0.1)
    assert patch.grid.direction == drawn.grid.direction


def test_the_earlier_visit_is_carried_by_the_alignment(patch: Patch) -> None:
    """Tumour and bed overlap once the visits are aligned, and both T2 show the same pelvis."""
    bed, tumour = patch.masks["bed"], patch.masks["tumour"]
    assert (bed & tumour).sum() / min(bed.sum(), tumour.sum()) > 0.6
    around = ~(bed | tumour)
    post, pre = patch.channels["post.t2"][around], patch.channels["pre.t2"][around]
    both = np.isfinite(post) & np.isfinite(pre)
    assert np.corrcoef(post[both], pre[both])[0, 1] > 0.6


def test_adc_keeps_its_unit(case: Case, patch: Patch) -> None:
    inside = patch.channels["post.adc"][patch.masks["bed"]]
    assert 600 < np.nanmedian(inside) < 2200


def test_a_missing_visit_is_absent_with_the_reason_and_never_zeros(case: Case) -> None:
    lacking = replace(
        case,
        volumes={
            key: volume
            for key, volume in case.volumes.items()
            if not (key.timepoint is Timepoint.PRE and key.sequence is Sequence.DWI)
        },
    )
    plan = parse_plan(
        {
            **PLAN.record(),
            "regions": ["pre.t2.tumour", "post.t2.bed", "post.adc.bed"],
        }
    )
    found = prepare_case(lacking, plan).patch
    assert found is not None
    assert set(found.absent) == {"pre.dwi", "pre.adc"}
    assert "pre dwi" in found.absent["pre.dwi"]
    inputs = inputs_of(found)
    assert inputs.there.tolist() == [[1, 1, 1, 1], [1, 0, 0, 1]]
    assert not inputs.images[1, 1:3].any()


def test_inputs_are_finite_scaled_and_say_what_is_there(patch: Patch) -> None:
    inputs = inputs_of(patch)
    assert inputs.images.shape == (2, 4, 12, 32, 32)
    assert inputs.images.dtype == np.float32
    assert np.isfinite(inputs.images).all()
    assert np.abs(inputs.images).max() <= 5
    assert inputs.there.all()
    assert set(np.unique(inputs.images[:, 3])) <= {0.0, 1.0}
    # Gain of the scanner does not matter to the high b-value; ADC is physical.
    louder = Patch(
        patch.case_id,
        patch.grid,
        {**patch.channels, "post.dwi": patch.channels["post.dwi"] * 7},
        patch.masks,
    )
    assert inputs_of(louder).images == pytest.approx(inputs.images, abs=1e-4)


def test_a_patch_names_every_channel_once(patch: Patch) -> None:
    for change in (
        {"channels": {"post.t2": patch.channels["post.t2"]}},
        {"absent": {"post.t2": "also absent"}},
        {"channels": {**patch.channels, "post.t2": patch.channels["post.t2"][1:]}},
        {"masks": {**patch.masks, "muscle": patch.masks["bed"]}},
    ):
        with pytest.raises(InputError) as caught:
            replace(patch, **change)
        assert caught.value.code == "PATCH"
    assert len(PATCH_CHANNELS) == len(patch.available)


def test_settings_have_ranges() -> None:
    assert Cnn() == Cnn.model_validate_json(Cnn().model_dump_json())
    with pytest.raises(ValueError, match="size"):
        PatchSettings(size=(4, 48, 16))
    with pytest.raises(ValueError, match="extra"):
        Cnn(unknown=1)
