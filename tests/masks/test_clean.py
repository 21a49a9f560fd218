from __future__ import annotations

import numpy as np
import pytest
from builders import make_grid, make_mask

from radresp.core import Mask, NoteKind, Roi
from radresp.masks import Clean, clean


def drawn_mask(drawn: np.ndarray, orientation: str = "lps") -> Mask:
    size = drawn.shape[::-1]
    return Mask.from_array(drawn, make_grid(size, orientation=orientation), Roi.TUMOUR)


def block(shape: tuple[int, int, int] = (8, 20, 20)) -> np.ndarray:
    drawn = np.zeros(shape, dtype=bool)
    drawn[2:6, 4:14, 4:14] = True
    return drawn


def test_a_tidy_mask_comes_back_as_it_is() -> None:
    mask = make_mask()
    tidy, step = clean(mask)
    assert tidy is mask
    assert step.notes == ()
    assert (step.room, step.method, step.settings["min_fraction"]) == ("masks", "clean", 0.1)


def test_drops_specks_and_keeps_a_second_lesion() -> None:
    drawn = block()
    drawn[2:5, 16:19, 16:19] = True  # 27 of 400 voxels: a speck
    drawn[2:6, 16:19, 4:14] = True  # 120 of 400 voxels: a second lesion
    tidy, step = clean(drawn_mask(drawn))
    expected = drawn.copy()
    expected[2:5, 16:19, 16:19] = False
    assert np.array_equal(tidy.array, expected)
    (note,) = step.notes
    assert (note.kind, note.code) == (NoteKind.FIX, "MASK_ISLANDS")
    assert "1 of 3 pieces" in note.found
    assert "27 of 547 voxels" in note.found


def test_pieces_that_touch_at_a_corner_are_one() -> None:
    drawn = block()
    drawn[6, 14, 14] = True
    tidy, _ = clean(drawn_mask(drawn))
    assert tidy.array[6, 14, 14]


def test_the_largest_piece_stays_however_small() -> None:
    tidy, _ = clean(drawn_mask(block()), Clean(min_ml=100))
    assert tidy.voxel_count == 400


def test_smallest_piece_can_be_given_in_ml() -> None:
    drawn = block()
    drawn[2:6, 16:19, 4:14] = True  # 120 voxels of 3 mm3
    assert clean(drawn_mask(drawn), Clean(min_fraction=0, min_ml=0.36))[0].voxel_count == 520
    assert clean(drawn_mask(drawn), Clean(min_fraction=0, min_ml=0.37))[0].voxel_count == 400


def test_fills_pinholes_but_not_the_lumen() -> None:
    drawn = block()
    drawn[3, 5:7, 5:7] = False  # 4 mm2 in one slice
    drawn[2:6, 9:13, 9:13] = False  # 16 mm2 through all slices: the lumen
    tidy, step = clean(drawn_mask(drawn))
    assert tidy.array[3, 5:7, 5:7].all()
    assert not tidy.array[2:6, 9:13, 9:13].any()
    assert [note.code for note in step.notes] == ["MASK_HOLES"]
    assert "1 holes" in step.notes[0].found
    assert "4 voxels" in step.notes[0].found


def test_a_hole_that_opens_to_the_next_slice_is_filled_in_its_plane() -> None:
    drawn = block()
    drawn[2, 5, 5] = False  # open to the empty slice below
    assert clean(drawn_mask(drawn))[0].array[2, 5, 5]


def test_a_notch_at_the_border_of_the_image_is_no_hole() -> None:
    drawn = np.zeros((6, 10, 10), dtype=bool)
    drawn[1:5, :, :6] = True
    drawn[3, 0, 3] = False
    assert not clean(drawn_mask(drawn))[0].array[3, 0, 3]


def test_slices_are_those_across_the_longest_edge() -> None:
    drawn = np.moveaxis(block(), 0, 2).copy()
    drawn[5, 5, 3] = False
    grid = make_grid((8, 20, 20), (3.0, 1.0, 1.0))
    tidy, _ = clean(Mask.from_array(drawn, grid, Roi.BED), Clean(max_hole_mm2=1))
    assert tidy.array[5, 5, 3]


def test_twice_is_once_and_an_empty_mask_stays_empty() -> None:
    drawn = block()
    drawn[3, 5, 5] = False
    drawn[0, 0, 0] = True
    once, _ = clean(drawn_mask(drawn))
    twice, step = clean(once)
    assert np.array_equal(once.array, twice.array)
    assert step.notes == ()
    empty, step = clean(drawn_mask(np.zeros_like(drawn)))
    assert empty.is_empty
    assert step.notes == ()


@pytest.mark.parametrize("orientation", ["ras", "coronal", "oblique"])
def test_orientation_does_not_matter(orientation: str) -> None:
    drawn = block()
    drawn[3, 5, 5] = False
    drawn[0, 0, 0] = True
    one, other = clean(drawn_mask(drawn))[0], clean(drawn_mask(drawn, orientation))[0]
    assert np.array_equal(one.array, other.array)
