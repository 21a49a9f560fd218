"""Normalisation: invariant to the scanner's scale, refused where there is nothing to go by."""

from __future__ import annotations

import numpy as np
import pytest
from builders import ORIENTATIONS, make_grid, make_mask, make_volume, shared_data
from hypothesis import given, settings
from hypothesis import strategies as st

from radresp.core import Grid, Mask, NoteKind, Roi, Sequence, Unit, Volume
from radresp.errors import GeometryError, InputError, PlanError
from radresp.intensity import (
    METHODS,
    Nyul,
    ReferenceTissue,
    ZScore,
    body_threshold,
    fit_nyul,
    normalise,
)
from radresp.pipeline import parse_plan

GRID = make_grid((40, 40, 8))
MUSCLE = make_mask(GRID, Roi.MUSCLE, centre=(0.37, 0.37, 0.5), radius=0.13)


def pelvis(grid=GRID, seed=0):
    """Air, muscle, fat and a little urine, with Rician noise."""
    _, y, x = np.indices(grid.size[::-1])
    nx, ny = grid.size[:2]
    radius = np.hypot((x - nx / 2) / nx, (y - ny / 2) / ny)
    clean = np.select([radius < 0.08, radius < 0.25, radius < 0.4], [1000.0, 120.0, 700.0], 0.0)
    rng = np.random.default_rng(seed)
    real, imaginary = rng.normal(0, 8, (2, *clean.shape))
    return Volume.from_array(np.hypot(clean + real, imaginary), grid, Sequence.T2), radius < 0.4


def test_body_threshold_parts_air_from_muscle():
    volume, body = pelvis()
    found = volume.array > body_threshold(volume.array)
    assert np.mean(found == body) > 0.99


@pytest.mark.parametrize("offset", [0.0, -300.0, 900.0])
def test_muscle_belongs_to_the_body_where_hardly_any_air_is_in_view(offset):
    """1 % without signal is too little for a class of its own: the lowest one is muscle."""
    tissue = np.full((4, 80, 80), 700.0)
    tissue[:, :, :20], tissue[:, :, 20:32], tissue[:, :, 70:] = 120, 350, 1000
    tissue[:, :8, :8] = 0
    rng = np.random.default_rng(0)
    real, imaginary = rng.normal(0, 8, (2, *tissue.shape))
    picture = np.hypot(tissue * (1 + 0.07 * rng.normal(size=tissue.shape)) + real, imaginary)
    body = picture + offset > body_threshold((picture + offset).astype(np.float32))
    assert body[tissue > 0].mean() > 0.999
    assert body[tissue == 0].mean() < 0.02


@given(st.floats(0.01, 100), st.floats(-500, 500))
@settings(max_examples=20, deadline=None)
def test_zscore_ignores_scale_and_offset(scale, offset):
    volume, _ = pelvis()
    expected, _ = normalise(volume)
    result, _ = normalise(volume.with_array(volume.array * scale + offset))
    # A voxel on the threshold may change sides by rounding of a large offset.
    np.testing.assert_allclose(result.array, expected.array, atol=2e-3)


@given(st.floats(0.01, 100))
@settings(max_examples=20, deadline=None)
def test_reference_ignores_scale(scale):
    volume, _ = pelvis()
    expected, _ = normalise(volume, "reference", reference=MUSCLE)
    scaled = volume.with_array(volume.array * scale)
    result, _ = normalise(scaled, "reference", reference=MUSCLE)
    np.testing.assert_allclose(result.array, expected.array, rtol=1e-5)


def test_zscore_has_mean_0_and_sd_1_over_the_body():
    volume, body = pelvis()
    result, step = normalise(volume)
    assert result.array[body].mean() == pytest.approx(0, abs=0.01)
    assert result.array[body].std() == pytest.approx(1, abs=0.01)
    assert result.unit is Unit.ARBITRARY
    assert (step.notes[0].kind, step.notes[0].code) == (NoteKind.INFO, "NORMALISED")
    assert "mean" in step.notes[0].found


def test_zscore_over_an_outline_and_with_a_scale():
    volume, _ = pelvis()
    result, _ = normalise(volume, reference=MUSCLE, settings=ZScore(scale=100))
    inside = result.values_in(MUSCLE)
    assert inside.mean() == pytest.approx(0, abs=0.01)
    assert inside.std() == pytest.approx(100, rel=1e-3)


def test_reference_makes_its_tissue_one():
    volume, _ = pelvis()
    result, step = normalise(volume, "reference", reference=MUSCLE)
    assert np.median(result.values_in(MUSCLE)) == pytest.approx(1, rel=1e-6)
    assert result.unit is Unit.RATIO
    assert "median" in step.notes[0].found


def learned(method):
    """Settings for methods that have to be fitted first."""
    return fit_nyul([pelvis()[0]]) if method == "nyul" else None


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_every_method_keeps_grid_sequence_and_is_repeatable(method, orientation):
    grid = make_grid(orientation=orientation)
    volume = make_volume(grid, Sequence.DWI, b_s_per_mm2=800.0)
    mask = make_mask(grid, Roi.MUSCLE)
    chosen = learned(method)
    results = [normalise(volume, method, reference=mask, settings=chosen)[0] for _ in range(2)]
    assert results[0].grid.same_as(grid)
    assert (results[0].sequence, results[0].b_s_per_mm2) == (Sequence.DWI, 800.0)
    np.testing.assert_array_equal(results[0].array, results[1].array)
    lps = make_volume(make_grid(), Sequence.DWI, b_s_per_mm2=800.0)
    outline = make_mask(make_grid(), Roi.MUSCLE)
    same, _ = normalise(lps, method, reference=outline, settings=chosen)
    np.testing.assert_array_equal(results[0].array, same.array)


@pytest.mark.parametrize("method", METHODS)
def test_adc_is_never_normalised(method):
    with pytest.raises(PlanError, match="ADC is a measurement"):
        normalise(make_volume(GRID, Sequence.ADC), method, reference=MUSCLE)


def test_unknown_method_and_settings_of_another_are_refused():
    volume, _ = pelvis()
    with pytest.raises(PlanError, match="zscore, reference"):
        normalise(volume, "histogram")
    with pytest.raises(PlanError, match="ZScore"):
        normalise(volume, "zscore", settings=ReferenceTissue())


def code_of(call):
    with pytest.raises((InputError, PlanError)) as error:
        call()
    return error.value.code


def test_reference_refuses_what_it_cannot_divide_by():
    volume, _ = pelvis()
    tiny = Mask.from_array(np.zeros((8, 40, 40)), GRID, Roi.MUSCLE)
    assert code_of(lambda: normalise(volume, "reference")) == "NORMALISE"
    assert code_of(lambda: normalise(volume, "reference", reference=tiny)) == "REFERENCE_SMALL"
    dark = volume.with_array(volume.array - 5000)
    assert code_of(lambda: normalise(dark, "reference", reference=MUSCLE)) == "REFERENCE_SIGNAL"
    with pytest.raises(GeometryError):
        normalise(volume, "reference", reference=make_mask(make_grid(), Roi.MUSCLE))


@pytest.mark.parametrize("value", [0.0, 3.5, -1e4])
def test_a_constant_image_is_refused(value):
    flat = Volume.from_array(np.full((8, 40, 40), value), GRID, Sequence.T2)
    assert code_of(lambda: normalise(flat)) == "IMG_CONSTANT"


def test_two_scans_of_one_visit_agree_after_zscore():
    import SimpleITK as sitk

    means = []
    for name in ("t2_tra", "t2_tra_repeat"):
        folder = str(shared_data("prostatex_0001", "dicom", name))
        names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(folder)
        volume = Volume(sitk.ReadImage(names, sitk.sitkFloat32), Sequence.T2)
        assert Grid.of(volume.image).size == (384, 384, 19)
        result, _ = normalise(volume)
        means.append(np.percentile(result.array, [5, 25, 50, 75, 95]))
    np.testing.assert_allclose(*means, atol=0.15)


def test_normal_wall_is_a_reference_too_and_tissues_are_not_confused():
    volume, _ = pelvis()
    wall = MUSCLE.named(Roi.NORMAL_WALL)
    chosen = ReferenceTissue(tissue="normal_wall")
    result, step = normalise(volume, "reference", reference=wall, settings=chosen)
    assert np.median(result.values_in(wall)) == pytest.approx(1, rel=1e-6)
    assert step.settings["tissue"] == "normal_wall"
    with pytest.raises(PlanError, match="with a muscle mask"):
        normalise(volume, "reference", reference=MUSCLE, settings=chosen)


def test_nyul_brings_scanners_to_one_scale():
    images = [pelvis(seed=seed)[0] for seed in range(4)]
    told = fit_nyul(images[:3])
    assert told.landmarks[0] == 0
    assert told.landmarks[-1] == 100
    other = images[3].with_array(images[3].array * 7.3 + 40)
    here, _ = normalise(images[3], "nyul", settings=told)
    there, _ = normalise(other, "nyul", settings=told)
    np.testing.assert_allclose(there.array, here.array, atol=0.05)
    for percentile, place in zip(told.percentiles, told.landmarks, strict=True):
        body = images[0].array > body_threshold(images[0].array)
        moved, _ = normalise(images[0], "nyul", settings=told)
        assert np.percentile(moved.array[body], percentile) == pytest.approx(place, abs=2)
    order = np.argsort(images[3].array.ravel(), kind="stable")
    assert np.all(np.diff(here.array.ravel()[order]) >= 0)


def test_nyul_survives_json_and_moves_a_skewed_image():
    volume, _ = pelvis()
    told = fit_nyul([volume])
    again = Nyul.model_validate_json(told.model_dump_json())
    assert again == told
    bent = volume.with_array(np.sqrt(np.maximum(volume.array, 0)))
    moved, step = normalise(bent, "nyul", settings=again)
    straight, _ = normalise(volume, "nyul", settings=told)
    body = volume.array > body_threshold(volume.array)
    for percentile in (10, 50, 90):
        assert np.percentile(moved.array[body], percentile) == pytest.approx(
            np.percentile(straight.array[body], percentile), abs=3
        )
    assert step.settings["landmarks"] == list(told.landmarks) or step.settings[
        "landmarks"
    ] == tuple(told.landmarks)


def test_nyul_without_learned_landmarks_is_refused_in_plan_and_call():
    volume, _ = pelvis()
    with pytest.raises(PlanError, match="training patients alone"):
        normalise(volume, "nyul")
    for wrong in ((0.0, 50.0), tuple(range(11, 0, -1))):
        with pytest.raises(ValueError, match="rising"):
            Nyul(landmarks=wrong)
    assert code_of(lambda: fit_nyul([])) == "NYUL_EMPTY"
    flat = Volume.from_array(np.full((8, 40, 40), 3.0), GRID, Sequence.T2)
    assert code_of(lambda: fit_nyul([flat])) == "IMG_CONSTANT"


def test_a_plan_that_names_nyul_must_carry_its_landmarks():
    with pytest.raises(PlanError) as caught:
        parse_plan({"t2": {"method": "nyul"}})
    assert caught.value.code == "CONFIG_VALUE"
    assert "training patients alone" in caught.value.message
    told = fit_nyul([pelvis()[0]])
    record = {"t2": {"method": "nyul", "settings": told.model_dump(mode="json")}}
    assert parse_plan(record).t2.settings == told
