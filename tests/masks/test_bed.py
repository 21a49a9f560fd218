from __future__ import annotations

import numpy as np
import pytest
from builders import make_grid, make_mask

from radresp.core import Mask, NoteKind, Roi
from radresp.errors import GeometryError
from radresp.masks import PlaceBed, place_bed

GRID = make_grid((60, 60, 12), (1.0, 1.0, 3.0))
Z, Y, X = np.indices((12, 60, 60))
AWAY = np.hypot(X - 30, Y - 30)  # mm from the middle of a straight rectum
LUMEN = Mask.from_array(AWAY <= 8, GRID, Roi.LUMEN)
TUMOUR = Mask.from_array((X > 25) & (abs(Y - 30) < 10) & (abs(Z - 6) < 4), GRID, Roi.TUMOUR)


def test_a_bed_keeps_out_of_the_lumen_and_within_the_wall() -> None:
    bed, step = place_bed(TUMOUR, lumen=LUMEN, settings=PlaceBed(wall_mm=12))
    assert bed.roi is Roi.BED
    assert not (bed.array & LUMEN.array).any()
    assert np.array_equal(bed.array, TUMOUR.array & (AWAY > 8) & (AWAY <= 20.5) & bed.array)
    assert AWAY[bed.array].max() > 19
    assert step.settings["visible"] is False
    assert step.settings["bed_source"] == "propagated"
    assert step.settings["clipped_by"] == ("lumen",)
    assert [note.code for note in step.notes] == ["BED_PROPAGATED"]


def test_gas_is_left_out_but_says_nothing_of_the_wall() -> None:
    gas = Mask.from_array((AWAY <= 8) & (Y < 26), GRID, Roi.LUMEN)
    bed, _ = place_bed(TUMOUR, air=gas)
    assert np.array_equal(bed.array, TUMOUR.array & ~gas.array)


def test_normal_wall_is_not_bed() -> None:
    normal = Mask.from_array((AWAY > 8) & (AWAY < 12) & (Y > 33), GRID, Roi.NORMAL_WALL)
    bed, step = place_bed(TUMOUR, lumen=LUMEN, normal_wall=normal)
    assert not (bed.array & normal.array).any()
    assert step.settings["clipped_by"] == ("lumen", "normal_wall")


def test_nothing_to_clip_by_leaves_the_outline() -> None:
    bed, step = place_bed(TUMOUR)
    assert np.array_equal(bed.array, TUMOUR.array)
    assert "clipped by nothing" in step.notes[0].found
    empty = LUMEN.with_array(np.zeros((12, 60, 60)))
    assert np.array_equal(place_bed(TUMOUR, lumen=empty)[0].array, TUMOUR.array)


def test_little_left_is_doubted_and_nothing_left_is_refused() -> None:
    inside = Mask.from_array((AWAY <= 9) & (abs(Z - 6) < 4), GRID, Roi.TUMOUR)
    _, step = place_bed(inside, lumen=LUMEN)
    assert {note.code: note.kind for note in step.notes}["BED_CLIPPED"] is NoteKind.WARNING
    with pytest.raises(GeometryError) as caught:
        place_bed(LUMEN.named(Roi.TUMOUR), lumen=LUMEN)
    assert caught.value.code == "MASK_LOST"


def test_outlines_on_another_grid_are_refused() -> None:
    with pytest.raises(GeometryError) as caught:
        place_bed(TUMOUR, lumen=make_mask(roi=Roi.LUMEN))
    assert caught.value.code == "MASK_GEOMETRY"
