"""The stages of preparation: what a failed, doubtful or good fit of the visits leads to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from registration.pictures import ball, centred_grid, picture, rigid

from radresp import registration
from radresp.core import (
    VISITS,
    Case,
    Mask,
    Prepared,
    RegionKey,
    Roi,
    Sequence,
    Step,
    Timepoint,
    Unit,
    Verdict,
    Volume,
    VolumeKey,
)
from radresp.errors import ModelError
from radresp.pipeline import extract_case, parse_plan, prepare_case
from radresp.pipeline import plan as plans
from radresp.pipeline.desk import within
from radresp.pipeline.page import alignment_pictures, save_prepared
from radresp.pipeline.score import check_installed

GRID = centred_grid()
TRUTH = rigid((4.0, -3.0, 3.0), (2.0, -1.5, 4.0))
PRE, POST = Timepoint.PRE, Timepoint.POST
TUMOUR = RegionKey(PRE, Sequence.T2, Roi.TUMOUR)
BED = RegionKey(POST, Sequence.T2, Roi.BED)
FAMILIES = {"families": {"volumetry": {}, "original": {"classes": ["firstorder"]}}}
QUICK = {"method": "rigid_mi", "settings": {"mirror": False, "levels": 2}}
PLAN: dict[str, Any] = {
    "registration": QUICK,
    "rigid": QUICK["settings"],
    "registration_dwi": {"method": "header"},
    "features": {"t2": FAMILIES, "adc": {"families": {"original": {"classes": ["firstorder"]}}}},
}
T2_ONLY = PLAN | {"regions": ["pre.t2.tumour", "post.t2.bed"]}


def adc(volume: Volume, gain: float = 1.0) -> Volume:
    """A map in the range of tissue from a picture."""
    values = np.clip(600 + 5 * gain * volume.array, 50, 3500)
    return Volume.from_array(values, volume.grid, Sequence.ADC, Unit.UM2_PER_S)


def case(content: int = 0, *, bed: bool = True, change: float = 1.0) -> Case:
    """Two visits moved by ``TRUTH``; another ``content`` before treatment is another patient."""
    post, pre = picture(GRID, seed=1), picture(GRID, TRUTH, content=content, seed=2)
    outline = ball(GRID, roi=Roi.BED)
    there = Mask.from_array(
        ball(GRID, TRUTH.TransformPoint((14.0, -16.0, 30.0))).array, GRID, Roi.TUMOUR
    )
    return Case(
        "c1",
        {
            VolumeKey(PRE, Sequence.T2): pre,
            VolumeKey(POST, Sequence.T2): post,
            VolumeKey(PRE, Sequence.ADC): adc(pre),
            VolumeKey(POST, Sequence.ADC): adc(post, change),
        },
        {TUMOUR: there} | ({BED: outline} if bed else {}),
    )


@pytest.fixture(scope="module")
def sound() -> Prepared:
    return prepare_case(case(change=1.3), parse_plan(PLAN))


@pytest.fixture(scope="module")
def strangers() -> Prepared:
    return prepare_case(case(content=9), parse_plan(PLAN))


def codes(prepared: Prepared) -> set[str]:
    return {note.code for step in prepared.trail for note in step.notes}


def test_a_good_fit_gives_change_maps_on_the_later_grids(sound: Prepared) -> None:
    assert sound.alignments[VISITS].quality.verdict is Verdict.GOOD
    assert set(sound.maps) == {"t2", "adc"}
    assert sound.unmapped == {}
    for name, change in sound.maps.items():
        post = case().image(POST, Sequence(name))
        assert change.volume.grid.spacing_mm == post.grid.spacing_mm
        assert change.numbers["measured_fraction"] > 0.95
    # ADC rose by 30 % of (ADC - 600) everywhere, about 150 here; T2 did not change.
    assert sound.maps["adc"].numbers["median"] == pytest.approx(150, abs=40)
    assert abs(sound.maps["t2"].numbers["median"]) < 0.05
    assert sound.qc()["change"]["adc"]["voxels"] > 1000


def test_a_failed_fit_makes_the_case_post_only_with_the_reason(strangers: Prepared) -> None:
    assert strangers.alignments[VISITS].quality.verdict is Verdict.FAILED
    assert "DELTA_INVALID" in codes(strangers)
    assert strangers.maps == {}
    assert "failed" in strangers.unmapped["adc"]
    row = extract_case(strangers, parse_plan(PLAN))
    delta = [name for name in row.values if name.startswith("delta.")]
    assert delta
    assert np.isnan([row.values[name] for name in delta]).all()
    assert all("delta not valid, post only" in row.absent[name] for name in delta)
    assert np.isfinite(row.values["post.t2.bed.volumetry.volume_ml"])


def test_a_doubtful_fit_keeps_deltas_but_maps_nothing() -> None:
    strict = {"method": "rigid_mi", "settings": {"good_correlation": 1.0, "mirror": False}}
    prepared = prepare_case(case(), parse_plan(PLAN | {"registration": strict}))
    assert prepared.alignments[VISITS].quality.verdict is Verdict.DOUBTFUL
    assert "doubtful" in prepared.unmapped["t2"]
    row = extract_case(prepared, parse_plan(PLAN))
    assert np.isfinite(row.values["delta.t2.tumour_to_bed.difference.volumetry.volume_ml"])


@pytest.fixture
def bent() -> Iterator[list[sitk.Transform]]:
    """A registered deformable method that finds whatever the test puts into the list."""
    answers: list[sitk.Transform] = []

    class Bent(registration.QualityRules):
        pass

    def find(*_: object, **__: object) -> registration.Found:
        return registration.Found(answers[0])

    registration.METHODS["bent"] = registration.Method(Bent, find)
    yield answers
    del registration.METHODS["bent"]


def test_a_good_deformed_fit_takes_the_place_of_the_rigid_one(bent: list[sitk.Transform]) -> None:
    bent.append(sitk.CompositeTransform([TRUTH]))
    prepared = prepare_case(case(), parse_plan(T2_ONLY | {"registration": {"method": "bent"}}))
    assert prepared.alignments[VISITS].method == "bent"
    assert "REG_FALLBACK" not in codes(prepared)


def test_a_worse_deformed_fit_falls_back_to_the_rigid_one(bent: list[sitk.Transform]) -> None:
    bent.append(rigid((40.0, 30.0, 0.0), (0.0, 0.0, 0.0)))
    prepared = prepare_case(case(), parse_plan(T2_ONLY | {"registration": {"method": "bent"}}))
    assert prepared.alignments[VISITS].method == "rigid_mi"
    assert prepared.alignments[VISITS].quality.verdict is Verdict.GOOD
    assert "REG_FALLBACK" in codes(prepared)


def shifted_adc(by_mm: float) -> Case:
    """The later ADC map moved against its T2, as when the patient moved within the visit."""
    sound = case()
    volumes = dict(sound.volumes)
    moved = rigid((by_mm, 0.0, 0.0), (0.0, 0.0, 0.0))
    volumes[VolumeKey(POST, Sequence.ADC)] = adc(picture(GRID, moved, seed=3))
    return replace(sound, volumes=volumes)


def centre_mm(prepared: Prepared) -> np.ndarray:
    mask = prepared.regions[RegionKey(POST, Sequence.ADC, Roi.BED)].mask
    return np.array(mask.grid.to_mm(np.argwhere(mask.array).mean(axis=0)[::-1]))


def test_masks_follow_motion_between_t2_and_diffusion() -> None:
    moved = shifted_adc(6.0)
    by_header = prepare_case(moved, parse_plan(PLAN))
    aligned = prepare_case(moved, parse_plan(PLAN | {"registration_dwi": QUICK}))
    assert aligned.alignments[within(POST)].quality.verdict is Verdict.GOOD
    np.testing.assert_allclose(centre_mm(aligned) - centre_mm(by_header), (6, 0, 0), atol=0.8)


def test_masks_stay_where_headers_say_when_diffusion_cannot_be_aligned() -> None:
    broken = case()
    volumes = dict(broken.volumes)
    volumes[VolumeKey(POST, Sequence.ADC)] = adc(picture(GRID, content=9))
    broken = replace(broken, volumes=volumes)
    prepared = prepare_case(broken, parse_plan(PLAN | {"registration_dwi": QUICK}))
    assert "DWI_BY_HEADER" in codes(prepared)
    mask = prepared.regions[RegionKey(POST, Sequence.ADC, Roi.BED)].mask
    assert (mask.array == broken.masks[BED].array).all()


def test_auto_is_recorded_as_what_it_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "DEFORMABLE_ORDER", ("not_there", "rigid_mi"))
    plan = parse_plan({"registration": {"method": "auto"}})
    assert plan.record()["registration"]["method"] == "rigid_mi"
    assert parse_plan(plan.record()) == plan


def test_a_model_whose_method_is_not_installed_is_refused(tmp_path: Path) -> None:
    class Far(registration.QualityRules):
        pass

    def find(*_: object, **__: object) -> registration.Found:
        raise AssertionError("never called")

    registration.METHODS["far"] = registration.Method(Far, find, needs=("not_a_module_at_all",))
    try:
        plan = parse_plan({"registration": {"method": "far"}})
        with pytest.raises(ModelError) as caught:
            check_installed(plan, tmp_path)
    finally:
        del registration.METHODS["far"]
    assert caught.value.code == "EXTRA_MISSING"
    assert "not_a_module_at_all" in caught.value.message
    check_installed(parse_plan(PLAN), tmp_path)


def test_pictures_transforms_and_maps_are_written(sound: Prepared, tmp_path: Path) -> None:
    written = {path.relative_to(tmp_path).as_posix() for path in save_prepared(sound, tmp_path)}
    assert {"change/t2.nii.gz", "change/adc.nii.gz", "qc/post.t2_from_pre.t2.png"} <= written
    (name, data), *_ = alignment_pictures(sound)
    assert name == "post.t2_from_pre.t2"
    assert data.startswith(b"\x89PNG")
    assert any(path.startswith("transforms/post.t2_from_pre.t2") for path in written)


def with_bed(drawn: np.ndarray) -> Case:
    sound = case()
    return replace(sound, masks=sound.masks | {BED: sound.masks[BED].with_array(drawn)})


def test_a_bed_nobody_saw_is_measured_as_nothing_where_the_tumour_lay() -> None:
    plan = parse_plan(PLAN)
    prepared = prepare_case(with_bed(np.zeros(GRID.size[::-1], np.uint8)), plan)
    row = extract_case(prepared, plan)
    zero = ("bed_ml", "restricted_ml", "restricted_fraction")
    assert [row.values[f"response.{name}"] for name in zero] == [0.0] * 3
    assert row.values["response.volume_reduction"] == 1.0
    assert row.values["post.t2.bed.volumetry.volume_ml"] > 1  # the tumour, carried over
    assert "MASK_EMPTY" in codes(prepared)


def test_a_bed_nobody_saw_in_visits_that_do_not_fit_is_absent_with_reasons() -> None:
    plan = parse_plan(PLAN)
    strange = replace(with_bed(np.zeros(GRID.size[::-1], np.uint8)), volumes=case(9).volumes)
    row = extract_case(prepare_case(strange, plan), plan)
    texture = row.absent["post.t2.bed.original.firstorder_Mean"]
    assert "nobody saw" in texture or "could not be aligned" in texture
    assert row.values["response.bed_ml"] == 0.0
    assert "could not be aligned" in row.absent["response.volume_reduction"]


def test_a_residual_nobody_saw_on_diffusion_is_nothing_unless_drawn_on_t2() -> None:
    sound = case()
    nothing = Mask(GRID.blank(), Roi.RESIDUAL)
    on_t2, on_adc = (RegionKey(POST, s, Roi.RESIDUAL) for s in (Sequence.T2, Sequence.ADC))
    drawn = ball(GRID, roi=Roi.RESIDUAL)
    for outlines, empty in (({on_adc: nothing}, {on_t2}), ({on_adc: nothing, on_t2: drawn}, set())):
        prepared = prepare_case(replace(sound, masks=sound.masks | outlines), parse_plan(PLAN))
        assert prepared.scene.empty == empty
        ml = extract_case(prepared, parse_plan(PLAN)).values["response.residual_ml"]
        assert (ml == 0) == bool(empty)


def test_a_bed_too_small_for_texture_keeps_its_volume() -> None:
    plan = parse_plan(PLAN)
    few = np.zeros(GRID.size[::-1], np.uint8)
    few[8:10, 30:33, 30:33] = 1
    row = extract_case(prepare_case(with_bed(few), plan), plan)
    ml = 18 * GRID.voxel_volume_ml
    assert row.values["response.bed_ml"] == pytest.approx(ml)
    assert row.values["post.t2.bed.volumetry.volume_ml"] == pytest.approx(ml)
    assert "voxels" in row.absent["post.t2.bed.original.firstorder_Mean"]


@pytest.mark.parametrize("days", [70, None])
def test_a_change_per_week_knows_the_days_of_the_trail(sound: Prepared, days: int | None) -> None:
    plan = parse_plan(
        PLAN | {"features": {"t2": FAMILIES | {"changes": {"delta": {"kinds": ["per_week"]}}}}}
    )
    said = Step("pipeline", "check_pair", {} if days is None else {"days_between_visits": days})
    row = extract_case(replace(sound, trail=(said,)), plan)
    name = "delta.t2.tumour_to_bed.per_week.volumetry.volume_ml"
    if days is None:
        assert "not known" in row.absent[name]
        return
    after, before = (
        row.values[f"{region}.volumetry.volume_ml"] for region in ("post.t2.bed", "pre.t2.tumour")
    )
    assert row.values[name] == pytest.approx((after - before) / 10)
