from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from builders import ORIENTATIONS, make_grid, make_mask
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
    assert carried.volume_ml == pytest.approx(mask.volume_ml, rel=0.03)
    assert set(np.unique(carried.array)) == {False, True}
    assert carried.grid.same_as(target)
    assert [note.code for note in step.notes] == ["MASK_CARRIED"]
    assert f"{mask.voxel_count} voxels" in step.notes[0].found
    assert f"{carried.voxel_count} voxels" in step.notes[0].found


def test_a_thin_wall_survives() -> None:
    outer, inner = ball(T2, (0, 0, 0), 14.0), ball(T2, (0, 0, 0), 12.0)
    wall = outer.with_array(outer.array & ~inner.array)
    carried, _ = carry(wall, ADC, rigid((3, -4, 5), (1.1, -0.7, 0.9)))
    assert carried.volume_ml == pytest.approx(wall.volume_ml, rel=0.05)


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
    line[8:12, 50:52, 50:52] = 1
    coarse = make_grid((18, 18, 20), (4.0, 4.0, 3.0), (-34.3, -34.3, -30.0))
    _, step = carry(Mask.from_array(line, T2, Roi.TUMOUR), coarse)
    assert "MASK_VOLUME" in {note.code for note in step.notes}


def test_an_empty_mask_stays_empty() -> None:
    empty = make_mask().with_array(np.zeros((12, 20, 24)))
    carried, _ = carry(empty, ADC)
    assert carried.is_empty
