"""What is refused, noted and recorded when two images are aligned."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from registration.pictures import ball, centred_grid, picture, rigid

from radresp.core import Grid, NoteKind, Sequence, Settings, Verdict, Volume
from radresp.errors import ExitCode, GeometryError, InputError, PlanError, ResourceError
from radresp.registration import RigidMi, align

GRID = centred_grid()
TRUTH = rigid((4.0, -3.0, 3.0), (2.0, -1.5, 4.0))


def elsewhere(volume: Volume, shift_mm: tuple[float, float, float]) -> Volume:
    """The same picture with another origin in its header."""
    grid = volume.grid
    moved = Grid(
        grid.size, grid.spacing_mm, tuple(np.add(grid.origin_mm, shift_mm)), grid.direction
    )
    return Volume.from_array(volume.array, moved, volume.sequence)


def test_g01_images_that_share_no_place_are_refused_before_any_search() -> None:
    volume = picture(GRID)
    started = time.perf_counter()
    with pytest.raises(GeometryError) as caught:
        align(volume, elsewhere(volume, (500.0, 0.0, 0.0)), names=("post.t2", "pre.t2"))
    assert caught.value.code == "REG_NO_OVERLAP"
    assert "(510, -20, 30)" in caught.value.found
    assert "post.t2" in caught.value.found
    assert time.perf_counter() - started < 0.5


def test_an_outline_beyond_the_moving_image_is_refused() -> None:
    wide = centred_grid(size=(140, 72, 18))
    corner = ball(wide, (100.0, -20.0, 30.0), 12.0)
    cut = picture(centred_grid(size=(20, 72, 18), middle_mm=(-70.0, -20.0, 30.0)))
    with pytest.raises(GeometryError) as caught:
        align(picture(wide), cut, fixed_mask=corner, settings=RigidMi(levels=1, mirror=False))
    assert caught.value.code == "REG_NO_OVERLAP"


@pytest.mark.parametrize("blank", ["fixed", "moving"])
def test_a_constant_image_is_refused(blank: str) -> None:
    volume = picture(GRID)
    flat = volume.with_array(np.full_like(volume.array, 7))
    pair = (flat, volume) if blank == "fixed" else (volume, flat)
    with pytest.raises(InputError) as caught:
        align(*pair)
    assert caught.value.code == "IMG_CONSTANT"
    assert blank in caught.value.found


def test_masks_must_be_drawn_and_lie_on_their_images() -> None:
    volume, mask = picture(GRID), ball(GRID)
    with pytest.raises(InputError) as caught:
        align(volume, volume, moving_mask=mask.with_array(np.zeros_like(mask.array)))
    assert caught.value.code == "MASK_EMPTY"
    with pytest.raises(GeometryError) as caught:
        align(volume, elsewhere(volume, (5.0, 0.0, 0.0)), moving_mask=mask)
    assert caught.value.code == "MASK_GEOMETRY"


def test_an_unknown_method_and_foreign_settings_are_refused() -> None:
    class Other(Settings):
        pass

    volume = picture(GRID)
    for arguments in ({"method": "elastic"}, {"settings": Other()}):
        with pytest.raises(PlanError) as caught:
            align(volume, volume, **arguments)
        assert caught.value.code == "CONFIG_KEY"
        assert "rigid" in caught.value.expected.lower()


def test_g06_a_time_limit_is_kept() -> None:
    started = time.perf_counter()
    with pytest.raises(ResourceError) as caught:
        align(picture(GRID), picture(GRID, TRUTH), settings=RigidMi(time_limit_s=0.02))
    assert caught.value.code == "TIMEOUT"
    assert caught.value.exit_code is ExitCode.RESOURCE
    assert time.perf_counter() - started < 2


def test_g04_an_itk_exception_is_told_in_our_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("itk::ERROR: MattesMutualInformation(0x55): too many samples outside")

    monkeypatch.setattr(sitk.ImageRegistrationMethod, "Execute", broken)
    with pytest.raises(InputError) as caught:
        align(picture(GRID), picture(GRID, TRUTH))
    assert caught.value.code == "REGISTRATION_FAILED"
    assert "itk" not in caught.value.line().lower()
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_g02_a_start_better_than_the_optimum_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def wander(transform_of: dict[str, sitk.Euler3DTransform]) -> None:
        transform_of["last"].SetTranslation((25.0, 0.0, 0.0))

    seen: dict[str, sitk.Euler3DTransform] = {}
    register = sitk.ImageRegistrationMethod.SetInitialTransform

    def remember(method: object, transform: sitk.Euler3DTransform, inPlace: bool = True) -> None:  # noqa: N803
        seen["last"] = transform
        register(method, transform, inPlace=inPlace)

    monkeypatch.setattr(sitk.ImageRegistrationMethod, "SetInitialTransform", remember)
    monkeypatch.setattr(sitk.ImageRegistrationMethod, "Execute", lambda *_: wander(seen))
    volume = picture(GRID)
    alignment = align(volume, picture(GRID, seed=3), fixed_mask=ball(GRID))
    assert np.allclose(alignment.transform.GetParameters(), 0)
    note = next(n for n in alignment.step.notes if n.code == "REG_WORSE_THAN_START")
    assert note.kind is NoteKind.WARNING
    assert "25.0 mm" in note.found
    assert alignment.quality.verdict is Verdict.DOUBTFUL
    assert note.found in alignment.quality.reasons


@pytest.mark.parametrize(
    ("truth", "rules", "word"),
    [
        (rigid((20.0, 0.0, 0.0), (0.0, 0.0, 0.0)), {"max_shift_mm": 15.0}, "shift"),
        (rigid((0.0, 0.0, 0.0), (0.0, 0.0, 12.0)), {"max_rotation_deg": 10.0}, "rotation"),
    ],
)
def test_g03_an_implausible_motion_fails_with_its_number(
    truth: sitk.Euler3DTransform, rules: dict[str, float], word: str
) -> None:
    pair = picture(GRID, seed=1), picture(GRID, truth, seed=2)
    alignment = align(*pair, fixed_mask=ball(GRID), settings=RigidMi(**rules, mirror=False))
    assert alignment.quality.verdict is Verdict.FAILED
    assert not alignment.usable
    (note,) = [n for n in alignment.step.notes if n.code == "REG_IMPLAUSIBLE"]
    assert word in note.found
    assert any(character.isdigit() for character in note.found)


def test_the_step_can_be_replayed_and_written_as_json() -> None:
    settings = RigidMi(bins=24, mask_margin_mm=12)
    alignment = align(
        picture(GRID, seed=1), picture(GRID, TRUTH), fixed_mask=ball(GRID), settings=settings
    )
    step = alignment.step
    assert RigidMi(**step.settings) == settings
    assert step.seconds > 0
    assert "REG_START" in {note.code for note in step.notes}
    json.dumps([step.record(), alignment.quality.record()], allow_nan=False)


def test_outlines_that_disagree_are_measured() -> None:
    grid = GRID
    moved = ball(grid, TRUTH.TransformPoint((24.0, -16.0, 30.0)))
    alignment = align(
        picture(grid, seed=1), picture(grid, TRUTH), fixed_mask=ball(grid), moving_mask=moved
    )
    numbers = alignment.quality.numbers
    assert numbers["mask_distance_mm"] == pytest.approx(10.0, abs=0.7)
    a_ball_shifted_by_10_mm = 1 - 1.5 * (5 / 16) + 0.5 * (5 / 16) ** 3
    assert numbers["mask_dice"] == pytest.approx(a_ball_shifted_by_10_mm, abs=0.04)


def test_unmeasured_background_may_hold_anything() -> None:
    volume = picture(GRID, TRUTH, seed=2)
    values = volume.array
    values[:, :, :3] = np.nan
    outside = sitk.Cast(sitk.Image(volume.image) * 0, sitk.sitkUInt8)
    outside[:3, :, :] = 1
    holed = Volume.from_array(values, GRID, Sequence.T2, background=outside)
    alignment = align(picture(GRID, seed=1), holed, fixed_mask=ball(GRID))
    assert alignment.quality.verdict is Verdict.GOOD


def test_images_of_three_slices_can_be_aligned() -> None:
    grid = centred_grid(size=(72, 72, 3), spacing_mm=(1.5, 1.5, 6.0))
    truth = rigid((3.0, -2.0, 0.0), (0.0, 0.0, 3.0))
    alignment = align(picture(grid, seed=1), picture(grid, truth, seed=2))
    assert np.allclose(alignment.transform.GetTranslation(), (3.0, -2.0, 0.0), atol=0.5)


def test_g05_the_number_of_threads_does_not_matter() -> None:
    script = (
        "from registration.pictures import *\n"
        "from radresp.registration import align\n"
        "grid = centred_grid()\n"
        "truth = rigid((4.0, -3.0, 3.0), (2.0, -1.5, 4.0))\n"
        "pair = picture(grid, seed=1), picture(grid, truth, seed=2)\n"
        "found = align(*pair)\n"
        "print(found.transform.GetParameters(), found.quality.record())\n"
    )
    tests = str(Path(__file__).parents[1])
    said = [
        subprocess.run(
            [sys.executable, "-c", script],
            env=os.environ | {"ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": count, "PYTHONPATH": tests},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for count in ("1", "4")
    ]
    assert said[0] == said[1] != ""
