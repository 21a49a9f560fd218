from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from builders import ORIENTATIONS, make_grid, make_mask, shared_data
from hypothesis import given, settings
from hypothesis import strategies as st

from radresp.core import Grid, Mask, NoteKind, Roi
from radresp.errors import GeometryError
from radresp.masks import carry, outside_fraction

T2 = make_grid((120, 120, 20), (0.6, 0.6, 3.0), (-36.0, -36.0, -30.0))
ADC = make_grid((50, 50, 24), (2.0, 2.0, 3.0), (-50.0, -49.0, -36.0))


def ball(grid: Grid, middle_mm: tuple[float, float, float], radius_mm: float) -> Mask:
    index = np.stack(np.indices(grid.size[::-1])[::-1], axis=-1)
    places = index @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    return Mask.from_array(
        np.linalg.norm(places - np.array(middle_mm), axis=-1) <= radius_mm, grid, Roi.TUMOUR
    )


def distances(grid: Grid) -> np.ndarray:
    """Distance of every voxel centre to the point 0, mm."""
    index = np.stack(np.indices(grid.size[::-1])[::-1], axis=-1)
    return np.linalg.norm(index @ grid.affine[:3, :3].T + grid.affine[:3, 3], axis=-1)


def rigid(turn_deg: tuple[float, ...], shift_mm: tuple[float, ...]) -> sitk.Euler3DTransform:
    return sitk.Euler3DTransform((0, 0, 0), *np.radians(turn_deg).tolist(), shift_mm)


@settings(max_examples=15, deadline=None)
@given(
    st.tuples(*[st.floats(-8, 8)] * 3),
    st.tuples(*[st.floats(-5, 5)] * 3),
    st.sampled_from([T2, ADC]),
)
def test_volume_is_kept(
    turn_deg: tuple[float, ...], shift_mm: tuple[float, ...], target: Grid
) -> None:
    mask = ball(T2, (2.0, -3.0, 1.0), 14.0)
    carried, step = carry(mask, target, rigid(turn_deg, shift_mm))
    assert carried.volume_ml == pytest.approx(mask.volume_ml, rel=0.01)
    assert set(np.unique(carried.array)) == {False, True}
    assert carried.grid.same_as(target)
    assert [note.code for note in step.notes] == ["MASK_CARRIED"]
    assert f"{mask.voxel_count} voxels" in step.notes[0].found
    assert f"{carried.voxel_count} voxels" in step.notes[0].found


def test_a_thin_wall_survives() -> None:
    outer, inner = ball(T2, (0, 0, 0), 14.0), ball(T2, (0, 0, 0), 12.0)
    wall = outer.with_array(outer.array & ~inner.array)
    carried, _ = carry(wall, ADC, rigid((3, -4, 5), (1.1, -0.7, 0.9)))
    assert carried.volume_ml == pytest.approx(wall.volume_ml, rel=0.01)


SHAPES = {
    "a small ball": lambda away: away <= 5,
    "a ball": lambda away: away <= 13,
    "a wall of 2 mm": lambda away: (away <= 14) & (away > 12),
}
GRIDS = {"t2": T2, "adc": ADC, "cubes": make_grid((60, 60, 50), (1.0, 1.0, 1.0), (-30, -30, -25))}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("there", GRIDS)
@pytest.mark.parametrize("here", ["t2", "adc"])
def test_volume_and_surface_stay_within_their_bounds(here: str, there: str, shape: str) -> None:
    """Volume within 3 % and the surface within a voxel, turned, for every shape and route."""
    drawn = Mask.from_array(SHAPES[shape](distances(GRIDS[here])), GRIDS[here], Roi.TUMOUR)
    transform = rigid((5, -4, 7), (1.3, -0.8, 1.1))
    carried, step = carry(drawn, GRIDS[there], transform)
    assert carried.volume_ml == pytest.approx(drawn.volume_ml, rel=0.03)
    centres = np.argwhere(carried.array)[:, ::-1] @ GRIDS[there].affine[:3, :3].T
    places = [transform.TransformPoint(p) for p in centres + GRIDS[there].origin_mm]
    reach = (np.linalg.norm(GRIDS[there].spacing_mm) + np.linalg.norm(GRIDS[here].spacing_mm)) / 2
    inside = np.linalg.norm(places, axis=1)
    radius = np.linalg.norm(
        np.argwhere(drawn.array)[:, ::-1] @ GRIDS[here].affine[:3, :3].T + GRIDS[here].origin_mm,
        axis=1,
    )
    assert inside.max() <= radius.max() + reach
    assert inside.min() >= radius.min() - reach
    said = float(step.notes[0].found.split("surfaces ")[1].split(" mm")[0])
    assert 0 < said < reach


@settings(max_examples=15, deadline=None)
@given(
    st.floats(4, 14), st.tuples(*[st.floats(-3, 3)] * 3), st.sampled_from(["t2", "adc", "cubes"])
)
def test_moved_but_not_turned_the_volume_is_exact_to_a_voxel(
    radius_mm: float, shift_mm: tuple[float, ...], there: str
) -> None:
    mask = ball(T2, (0.0, 0.0, 0.0), radius_mm)
    target = GRIDS[there]
    carried, _ = carry(mask, target, sitk.TranslationTransform(3, shift_mm))
    assert abs(carried.volume_ml - mask.volume_ml) <= target.voxel_volume_ml / 2 + 1e-9


def test_a_volume_that_a_transform_changes_is_followed() -> None:
    """Half as long on the target along every axis: an eighth of the volume."""
    mask = ball(T2, (0, 0, 0), 14.0)
    transform = sitk.AffineTransform(3)
    transform.Scale(2.0)
    carried, _ = carry(mask, GRIDS["cubes"], transform)
    assert carried.volume_ml == pytest.approx(mask.volume_ml / 8, rel=0.02)


def test_no_label_is_ever_interpolated() -> None:
    """Fault M18: a carried mask holds 0 and 1 and is no larger than what it came from."""
    mask = ball(T2, (0, 0, 0), 6.0)
    carried, _ = carry(mask, ADC, rigid((3, 2, 1), (0.3, 0.4, 0.5)))
    assert set(np.unique(sitk.GetArrayFromImage(carried.image))) == {0, 1}
    assert carried.image.GetPixelID() == sitk.sitkUInt8


def test_carrying_twice_gives_the_same_voxels() -> None:
    mask, transform = ball(T2, (0, 0, 0), 9.0), rigid((3, 2, 1), (0.3, 0.4, 0.5))
    first, second = (carry(mask, ADC, transform)[0].array for _ in range(2))
    assert np.array_equal(first, second)


def test_a_real_gland_keeps_its_volume() -> None:
    path = shared_data("prostatex_0001", "masks", "gland_AI_Bosma22b.nii.gz")
    gland = Mask(sitk.Cast(sitk.ReadImage(str(path)) > 0, sitk.sitkUInt8), Roi.TUMOUR)
    middle = gland.grid.to_mm(np.argwhere(gland.array).mean(axis=0)[::-1])
    coarse = make_grid((60, 60, 40), (2.0, 2.0, 3.5), tuple(np.subtract(middle, (59, 59, 68.25))))
    turned = sitk.Euler3DTransform(middle, 0.1, -0.08, 0.15, (1.0, -2.0, 1.5))
    for transform in (None, turned):
        carried, _ = carry(gland, coarse, transform)
        assert carried.volume_ml == pytest.approx(gland.volume_ml, rel=0.005)


def test_there_and_back_with_the_inverse() -> None:
    mask = ball(T2, (0, 0, 0), 12.0)
    transform = rigid((4, -3, 6), (5.0, -4.0, 3.0))
    there, _ = carry(mask, T2, transform)
    back, _ = carry(there, T2, transform.GetInverse())
    agreed = np.count_nonzero(back.array & mask.array)
    assert 2 * agreed / (back.voxel_count + mask.voxel_count) > 0.95
    middle = T2.to_mm(np.argwhere(there.array).mean(axis=0)[::-1])
    assert np.allclose(transform.TransformPoint(middle), (0, 0, 0), atol=0.3)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_the_target_may_be_oriented_in_any_way(orientation: str) -> None:
    mask = ball(T2, (0, 0, 0), 10.0)
    at_zero = make_grid((60, 60, 60), (1.0, 1.1, 1.2), (0, 0, 0), orientation)
    origin = tuple(-np.asarray(at_zero.centre_mm))
    target = Grid(at_zero.size, at_zero.spacing_mm, origin, at_zero.direction)
    carried, _ = carry(mask, target)
    assert carried.volume_ml == pytest.approx(mask.volume_ml, rel=0.03)


def test_same_grid_without_a_transform_changes_nothing_but_the_name() -> None:
    mask = make_mask()
    carried, step = carry(mask, mask.grid, roi=Roi.BED)
    assert np.array_equal(carried.array, mask.array)
    assert carried.roi is Roi.BED
    assert (step.settings["from"], step.settings["to"]) == ("tumour", "bed")


def test_a_mask_that_does_not_arrive_is_refused() -> None:
    with pytest.raises(GeometryError) as caught:
        carry(make_mask(), make_mask().grid, rigid((0, 0, 0), (500, 0, 0)))
    assert caught.value.code == "MASK_LOST"
    assert f"{make_mask().voxel_count} voxels" in caught.value.found


@pytest.mark.parametrize("turned", [False, True])
def test_a_mask_half_outside_is_refused_and_a_sliver_outside_is_noted(turned: bool) -> None:
    transform = rigid((0, 0, 90), (0, 0, 0)) if turned else None
    middle = (-36.3, 0.0, 0.0)  # on the border of the T2 grid
    on_the_border = ball(make_grid((200, 200, 20), (0.6, 0.6, 3.0), (-60, -60, -30)), middle, 9)
    target = T2
    if turned:  # the same box seen through a quarter turn
        target = make_grid((120, 120, 20), (0.6, 0.6, 3.0), (-35.4, -36.0, -30.0))
    assert outside_fraction(on_the_border, target, transform) == pytest.approx(0.5, abs=0.06)
    with pytest.raises(GeometryError) as caught:
        carry(on_the_border, target, transform)
    assert caught.value.code == "MASK_OUTSIDE"
    nearly_inside = ball(on_the_border.grid, (-28.5, 0.0, 0.0), 9)
    if not turned:
        carried, step = carry(nearly_inside, target)
        codes = {note.code: note.kind for note in step.notes}
        assert codes["MASK_OUTSIDE"] is NoteKind.WARNING
        assert not carried.is_empty


def test_a_mask_that_touches_the_border_from_inside_is_not_outside() -> None:
    full = Mask.from_array(np.ones((20, 120, 120)), T2, Roi.BED)
    assert outside_fraction(full, T2) == 0.0
    assert outside_fraction(full, ADC) == 0.0


def test_a_large_change_of_volume_is_noted() -> None:
    line = np.zeros((20, 120, 120))
    line[8:12, 50:53, 50:53] = 1  # 0.81 voxels there, of which one is made
    coarse = make_grid((18, 18, 20), (4.0, 4.0, 3.0), (-34.3, -34.3, -30.0))
    _, step = carry(Mask.from_array(line, T2, Roi.TUMOUR), coarse)
    assert "MASK_VOLUME" in {note.code for note in step.notes}


def test_an_empty_mask_stays_empty() -> None:
    empty = make_mask().with_array(np.zeros((12, 20, 24)))
    carried, _ = carry(empty, ADC)
    assert carried.is_empty
