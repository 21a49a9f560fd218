"""The deformable registration: what it recovers, what it leaves alone, how it fails."""

from __future__ import annotations

import subprocess
import sys
from functools import lru_cache

import numpy as np
import pytest
import SimpleITK as sitk
from builders import shared_data
from registration.pictures import ball, centred_grid, picture, places, rigid
from registration.test_real_images import series

from radresp.core import Grid, Mask, Roi, Sequence, Verdict, Volume, resample_mask, resample_volume
from radresp.errors import ResourceError
from radresp.registration import BsplineLncc, Found, align, similarity
from radresp.registration import bspline_lncc as method
from radresp.registration.coarse import area_around
from radresp.registration.control_grid import ControlGrid, fading, itk_transform

torch = pytest.importorskip("torch")

GRID = centred_grid()
TRUTH = rigid((2.0, -3.0, 1.5), (2.0, -1.0, 3.0))
QUICK = BsplineLncc(mirror=False, device="cpu")


@lru_cache
def known_pair(peak_mm: float = 5.0) -> tuple[Volume, Volume, sitk.Transform]:
    """Fixed, moving (shaded, with noise) and the truth: a rigid motion after a smooth bend."""
    edges = GRID.spacing_mm[::-1]
    high = tuple((n - 1) * s for n, s in zip(GRID.size[::-1], edges, strict=True))
    lattice = ControlGrid.over((0.0, 0.0, 0.0), high, 30.0)  # type: ignore[arg-type]
    drawn = np.random.default_rng(5).uniform(-peak_mm, peak_mm, (3, *lattice.count))
    bend = itk_transform(*fading(lattice, drawn), GRID)
    truth = sitk.CompositeTransform([TRUTH, bend])
    clean = picture(GRID, noise=0.0)
    still = resample_volume(clean, GRID, truth, interpolator=sitk.sitkBSpline).array
    noise = np.random.default_rng(6).normal(0, 2.0, (2, *still.shape))
    _, y, x = np.indices(still.shape) / np.reshape(still.shape, (3, 1, 1, 1))
    shaded = clean.array * np.exp(0.4 * (x + y - 1))
    return clean.with_array(still + noise[0]), clean.with_array(shaded + noise[1]), truth


def errors_mm(found: sitk.Transform, truth: sitk.Transform, grid: Grid = GRID) -> np.ndarray:
    """Distances between found and true places in the middle half of the picture."""
    middle = tuple(slice(n // 4, n - n // 4) for n in grid.size[::-1])
    points = places(grid)[middle].reshape(-1, 3)[::7].tolist()
    off = [np.subtract(found.TransformPoint(p), truth.TransformPoint(p)) for p in points]
    return np.linalg.norm(off, axis=1)


def code_of(found: Found) -> set[str]:
    return {note.code for note in found.notes}


def test_follows_a_bend_under_shading_and_noise() -> None:
    fixed, moving, truth = known_pair()
    before = errors_mm(align(fixed, moving).transform, truth)
    alignment = align(fixed, moving, method="bspline_lncc", settings=QUICK)
    after = errors_mm(alignment.transform, truth)
    assert after.mean() < 0.3
    assert after.mean() < before.mean() / 4
    numbers = alignment.quality.numbers
    assert numbers["local_correlation_after"] > numbers["local_correlation_before"] + 0.02
    assert numbers["jacobian_min"] > 0
    assert alignment.quality.verdict is Verdict.GOOD


def test_leaves_what_lies_far_from_the_outline_to_the_rigid_fit() -> None:
    fixed, moving, truth = known_pair()
    mask = ball(GRID, radius_mm=8.0)
    near = QUICK.model_copy(update={"area_mm": 12.0})
    found = method.find(fixed, moving, near, fixed_mask=mask).transform
    linear = sitk.CompositeTransform(found).GetNthTransform(0)
    far = np.add(GRID.centre_mm, (0.0, 0.0, 300.0)).tolist()
    assert np.allclose(found.TransformPoint(far), linear.TransformPoint(far))
    here = (14.0, -16.0, 30.0)
    off = np.subtract(found.TransformPoint(here), truth.TransformPoint(here))
    assert np.linalg.norm(off) < 0.5


def test_hardly_moves_what_surrounds_tissue_that_changed() -> None:
    fixed, moving, truth = known_pair()
    lesion = ball(GRID, radius_mm=7.0)
    values = fixed.array
    values[lesion.array] = 60 + 5 * np.random.default_rng(0).normal(size=lesion.voxel_count)
    found = method.find(fixed.with_array(values), moving, QUICK).transform
    shell = ball(GRID, radius_mm=16.0).array & ~ball(GRID, radius_mm=10.0).array
    points = places(GRID)[shell][::11].tolist()
    off = [np.subtract(found.TransformPoint(p), truth.TransformPoint(p)) for p in points]
    assert np.linalg.norm(off, axis=1).mean() < 0.6


def test_itk_applies_what_torch_fitted() -> None:
    fixed, moving, _ = known_pair()
    start = TRUTH
    area = area_around(GRID)
    with torch.inference_mode():
        fit = method._Fit(fixed, moving, area, start, QUICK, "cpu", np.inf)
        lattice, coefficients, _ = fit.coarse_to_fine()
        level = method._Level(fit, 1.5)
        basis = fit.matrices(lattice.basis(level.places))
        shift = method._apart(basis, fit.tensor(coefficients)).numpy()
        moved, _ = level.warped(torch.from_numpy(shift))
    spline = itk_transform(lattice, coefficients, GRID)
    both = sitk.CompositeTransform([start, spline])
    z, y, x = np.meshgrid(*level.places, indexing="ij")
    local = np.stack([x, y, z]) + shift
    index = np.tensordot(fit.map.turn, local, 1) + fit.map.start[:, None, None, None]
    for z, y, x in [(0, 0, 0), (9, 30, 40), (17, 71, 2), (4, 50, 68)]:
        here = places(GRID)[z, y, x].tolist()
        torchs = moving.grid.to_mm(tuple(index[:, z, y, x]))
        assert np.allclose(both.TransformPoint(here), torchs, atol=0.01)
    itks = resample_volume(moving, GRID, both, interpolator=sitk.sitkBSpline).array
    inner = (slice(3, -3), slice(15, -15), slice(15, -15))
    # Nothing but brightness scale and the kind of interpolation may differ.
    assert np.corrcoef(itks[inner].ravel(), moved.numpy()[inner].ravel())[0, 1] > 0.999


def test_two_pictures_that_differ_by_noise_alone_keep_the_rigid_fit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    still = sitk.Euler3DTransform()
    monkeypatch.setattr(method, "find_rigid", lambda *_, **__: Found(still))
    pair = picture(GRID, seed=1), picture(GRID, bias=0.3, seed=2)
    found = method.find(*pair, QUICK, fixed_mask=ball(GRID))
    assert found.transform is still
    assert "REG_NO_GAIN" in code_of(found)
    assert found.doubts == ()


def test_a_fit_that_makes_it_worse_is_dropped_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    fixed, moving, _ = known_pair()

    def astray(solver: object, found: torch.Tensor) -> torch.Tensor:
        return found + 12.0

    monkeypatch.setattr(method._Solver, "descend", astray)
    found = method.find(fixed, moving, QUICK)
    assert found.transform.GetName() == "Euler3DTransform"
    assert "REG_WORSE_THAN_START" in code_of(found)
    assert len(found.doubts) == 1


@pytest.mark.parametrize("seed", range(2))
def test_folded_tissue_is_unfolded(seed: int) -> None:
    fixed, moving, _ = known_pair()
    lattice = ControlGrid.over((0.0, 0.0, 0.0), (51.0, 106.5, 106.5), 12.0)
    drawn = np.random.default_rng(seed).normal(0, 7.0, (3, *lattice.count))
    with torch.inference_mode():
        fit = method._Fit(fixed, moving, area_around(GRID), TRUTH, QUICK, "cpu", np.inf)
        wide, padded = fading(lattice, drawn)
        assert method._determinants(fit, wide, fit.tensor(padded)).min() < 0
        calm = method._unfolded(fit, wide, fit.tensor(padded), clear=True)
        assert method._determinants(fit, wide, calm).min() >= method._LEAST_DETERMINANT
        outer = calm.clone()
        outer[:, 3:-3, 3:-3, 3:-3] = 0
        assert not outer.any()
        finer = wide.lattice_mm(4)
        rows = [wide.basis(finer, derived=axis) for axis in (2, 1, 0)]
        slopes = [np.einsum("zi,yj,xk,cijk->czyx", *b, calm.numpy(), optimize=True) for b in rows]
    jacobian = np.moveaxis(np.stack(slopes, axis=1), (0, 1), (-2, -1)) + np.eye(3)
    assert np.linalg.det(jacobian).min() > 0


def test_stops_at_its_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    fixed, moving, _ = known_pair()
    monkeypatch.setattr(method, "find_rigid", lambda *_, **__: Found(TRUTH))
    with pytest.raises(ResourceError) as caught:
        method.find(fixed, moving, QUICK.model_copy(update={"time_limit_s": 1e-6}))
    assert caught.value.code == "TIMEOUT"


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a CUDA device")
def test_a_device_that_is_not_there_is_refused() -> None:
    fixed, moving, _ = known_pair()
    with pytest.raises(ResourceError) as caught:
        method.find(fixed, moving, BsplineLncc(device="cuda"))
    assert caught.value.code == "DEVICE"


@pytest.mark.slow
def test_the_device_is_recorded_and_threads_are_put_back() -> None:
    fixed, moving, _ = known_pair()
    before = torch.get_num_threads()
    found = method.find(fixed, moving, QUICK.model_copy(update={"threads": before + 1}))
    note = next(note for note in found.notes if note.code == "REG_DEVICE")
    assert "cpu" in note.found
    assert torch.get_num_threads() == before


def test_the_room_opens_without_torch() -> None:
    code = "import sys, radresp.registration; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.gpu
def test_a_gpu_finds_what_the_cpu_finds() -> None:
    fixed, moving, truth = known_pair()
    one, two = (
        method.find(fixed, moving, BsplineLncc(mirror=False, device=device)).transform
        for device in ("cpu", "cuda")
    )
    assert errors_mm(one, two).max() < 0.05
    assert errors_mm(two, truth).mean() < 0.3


def test_a_repeated_pelvic_t2_fits_better_than_rigidly() -> None:
    first = series("prostatex_0001", "dicom", "t2_tra")
    repeat = series("prostatex_0001", "dicom", "t2_tra_repeat")
    path = shared_data("prostatex_0001", "masks", "gland_AI_Bosma22b.nii.gz")
    gland = Mask.from_array(
        sitk.GetArrayFromImage(sitk.ReadImage(str(path))), first.grid, Roi.TUMOUR
    )
    found = method.find(first, repeat, QUICK, fixed_mask=gland)
    # A rigid fit inside the outline reaches 0.853.
    assert similarity(first, repeat, found.transform, gland) > 0.87


@pytest.mark.slow
def test_two_brain_visits_correlate_as_after_the_published_registration() -> None:
    folder = shared_data("openms_longitudinal", "patient01")
    first, second = (
        Volume(sitk.ReadImage(str(folder / f"study{n}_FLAIR.nii.gz")), Sequence.T2) for n in (1, 2)
    )
    to_first, to_second = (
        sitk.ReadTransform(str(folder / f"study{n}_FLAIR_to_common_space.txt")) for n in (1, 2)
    )
    image = sitk.ReadImage(str(folder / "common_space_brainmask.nii.gz"))
    brain = Mask(sitk.Cast(image > 0, sitk.sitkUInt8), Roi.TUMOUR)
    outline = resample_mask(brain, first.grid, to_first.GetInverse())
    found = method.find(first, second, QUICK, fixed_mask=outline).transform
    there = resample_volume(first, brain.grid, to_first)
    ours = similarity(there, second, sitk.CompositeTransform([found, to_first]), brain)
    assert ours > similarity(there, second, to_second, brain) - 0.02
    middles = [brain.grid.to_mm(index) for index in np.argwhere(brain.array)[::5000, ::-1]]
    off = [
        np.subtract(found.TransformPoint(to_first.TransformPoint(p)), to_second.TransformPoint(p))
        for p in middles
    ]
    assert np.linalg.norm(off, axis=1).mean() < 0.5
