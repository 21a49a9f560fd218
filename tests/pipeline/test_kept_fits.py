"""Registrations are found once: kept exactly, found again for the same inputs alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from radresp import registration
from radresp.core import Alignment, Grid, Mask, Quality, Roi, Sequence, Step, Verdict, Volume
from radresp.pipeline import kept_fits
from radresp.pipeline.kept_fits import KeptFits
from radresp.registration import RigidMi

GRID = Grid((12, 12, 6), (2.0, 2.0, 3.0))
NAMES = ("post.t2", "pre.t2")


def volume(seed: int) -> Volume:
    values = np.random.default_rng(seed).normal(size=(6, 12, 12)).astype(np.float32)
    return Volume.from_array(values, GRID, Sequence.T2)


def outline(at: int) -> Mask:
    drawn = np.zeros((6, 12, 12), bool)
    drawn[2:4, at : at + 4, 4:8] = True
    return Mask.from_array(drawn, GRID, Roi.BED)


def transforms() -> dict[str, sitk.Transform]:
    rng = np.random.default_rng(3)
    rigid = sitk.Euler3DTransform(rng.normal(size=3) * 50, *(rng.normal(size=3) / 10))
    rigid.SetTranslation(rng.normal(size=3) * 5)
    bent = sitk.BSplineTransformInitializer(sitk.Image(12, 12, 6, sitk.sitkFloat32), [3, 3, 2])
    bent.SetParameters(rng.normal(size=len(bent.GetParameters())))
    field = sitk.GetImageFromArray(rng.normal(size=(6, 12, 12, 3)), isVector=True)
    return {
        "rigid": rigid,
        "bspline": bent,
        "composite": sitk.CompositeTransform([rigid, bent]),
        "field": sitk.DisplacementFieldTransform(sitk.Cast(field, sitk.sitkVectorFloat64)),
    }


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Every registration that was really made, each with a transform and numbers of its own."""
    made: list[dict[str, Any]] = []

    def align(fixed: Volume, moving: Volume, **wish: Any) -> Alignment:
        made.append(wish)
        numbers = {"shift_mm": 0.1 + len(made) / 3, "odd": float("nan"), "far": float("inf")}
        quality = Quality(Verdict.DOUBTFUL, numbers, ("for a reason",))
        step = Step("registration", wish["method"], wish["settings"].model_dump(), 2.5)
        moved = sitk.Euler3DTransform([0.0] * 3, 0.0, 0.0, len(made) / 7)
        return Alignment(*wish["names"], moved, quality, step)

    monkeypatch.setattr(registration, "align", align)
    return made


def ask(kept: KeptFits, **changes: Any) -> Alignment:
    wish: dict[str, Any] = {
        "fixed": volume(1),
        "moving": volume(2),
        "fixed_mask": outline(3),
        "moving_mask": None,
        "method": "rigid_mi",
        "settings": RigidMi(),
        "names": NAMES,
    }
    return kept.align(**(wish | changes))


def same(a: Alignment, b: Alignment) -> bool:
    return (
        a.transform.GetParameters() == b.transform.GetParameters()
        and a.transform.GetFixedParameters() == b.transform.GetFixedParameters()
        and repr(a.quality) == repr(b.quality)
        and a.step.record(timed=False) == b.step.record(timed=False)
        and (a.fixed, a.moving) == (b.fixed, b.moving)
    )


def test_a_fit_is_made_once_and_found_again_as_it_was(tmp_path: Path, calls: list[Any]) -> None:
    kept = KeptFits(tmp_path)
    first, second = ask(kept), ask(kept)
    assert len(calls) == 1
    assert same(first, second)
    assert second.step.seconds == 0


@pytest.mark.parametrize("name", sorted(transforms()))
def test_every_kind_of_transform_is_kept_to_the_last_bit(
    name: str, tmp_path: Path, calls: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = transforms()[name]
    step = Step("registration", name)
    found = Alignment(*NAMES, moved, Quality(Verdict.GOOD), step)
    monkeypatch.setattr(registration, "align", lambda *_, **__: found)
    kept = KeptFits(tmp_path)
    ask(kept)
    monkeypatch.setattr(registration, "align", None)
    again = ask(kept)
    assert again.transform.GetParameters() == moved.GetParameters()
    points = np.random.default_rng(0).normal(size=(50, 3)) * 20
    for point in points:
        assert again.transform.TransformPoint(point) == moved.TransformPoint(point)


def test_whatever_decides_on_a_fit_makes_another(tmp_path: Path, calls: list[Any]) -> None:
    kept = KeptFits(tmp_path)
    ask(kept)
    other_grid = Grid(GRID.size, (2.0, 2.0, 3.1))
    for changes in (
        {"fixed": volume(3)},
        {"moving": volume(3)},
        {"fixed": volume(2), "moving": volume(1)},
        {"fixed_mask": outline(4)},
        {"fixed_mask": None},
        {"fixed_mask": None, "moving_mask": outline(3)},
        {"method": "affine_mi"},
        {"settings": RigidMi(seed=5)},
        {"names": ("post.t2", "post.dwi")},
        {"moving": Volume.from_array(volume(2).array, other_grid, Sequence.T2)},
    ):
        before = len(calls)
        ask(kept, **changes)
        assert len(calls) == before + 1, changes
        ask(kept, **changes)
        assert len(calls) == before + 1, changes


def test_another_version_makes_another(
    tmp_path: Path, calls: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(KeptFits(tmp_path))
    monkeypatch.setattr(kept_fits.io, "versions", lambda: {"SimpleITK": "99"})
    ask(KeptFits(tmp_path))
    assert len(calls) == 2


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("suffix", [".json", ".tfm"])
@pytest.mark.parametrize("spoil", [cut, flip, Path.unlink])
def test_a_damaged_fit_is_made_again(
    suffix: str, spoil: Callable[[Path], None], tmp_path: Path, calls: list[Any]
) -> None:
    kept = KeptFits(tmp_path)
    ask(kept)
    spoil(next(tmp_path.rglob(f"*{suffix}")))
    ask(kept)
    assert len(calls) == 2
    ask(kept)
    assert len(calls) == 2


def test_a_fresh_start_makes_every_fit_again(tmp_path: Path, calls: list[Any]) -> None:
    ask(KeptFits(tmp_path))
    ask(KeptFits(tmp_path, fresh=True))
    assert len(calls) == 2


def test_without_a_folder_nothing_is_kept(tmp_path: Path, calls: list[Any]) -> None:
    ask(KeptFits())
    ask(KeptFits())
    assert len(calls) == 2
    assert not list(tmp_path.iterdir())
