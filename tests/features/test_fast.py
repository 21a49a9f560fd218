"""The fast engine gives pyradiomics' numbers: on thick slices, ragged, thin and tiny outlines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from builders import shared_data
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from radresp.features import _pyradiomics, fast, matrices, mesh
from radresp.features.original import FEATURES

WANTED = {name: features.split() for name, features in FEATURES.items()}
SETTINGS: tuple[dict[str, Any], ...] = (
    {"binCount": 32},
    {"binWidth": 25.0},
    {"binWidth": 8.0},
    {"binCount": 16, "force2D": True, "force2Ddimension": 0},
    {"binCount": 24, "distances": [1, 2]},
)
needs_kernel = pytest.mark.skipif(
    not matrices.is_compiled(), reason="radresp was installed without a C compiler"
)


def ellipsoid(shape: tuple[int, ...], *, ragged: bool = False) -> NDArray[np.bool_]:
    half = np.reshape(shape, (3, 1, 1, 1)) / 2
    inside = np.sum(((np.indices(shape) + 0.5 - half) / half) ** 2, axis=0) <= 1
    if ragged:
        inside &= gaussian_filter(np.random.default_rng(3).normal(size=shape), 1) > -0.05
    return np.asarray(inside)


def texture(shape: tuple[int, ...]) -> NDArray[np.float32]:
    rng = np.random.default_rng(5)
    smooth = gaussian_filter(rng.normal(size=shape), 1.5)
    noise = rng.normal(scale=0.2, size=shape)
    return np.float32(300 + 100 * (smooth / smooth.std() + noise))


def images(
    values: NDArray[np.float32], inside: NDArray[np.bool_], spacing: tuple[float, ...]
) -> tuple[sitk.Image, sitk.Image]:
    found = np.argwhere(inside)
    box = tuple(slice(a, b + 1) for a, b in zip(found.min(axis=0), found.max(axis=0), strict=True))
    image = sitk.GetImageFromArray(values[box])
    mask = sitk.GetImageFromArray(inside[box].astype(np.uint8))
    for one in (image, mask):
        one.SetSpacing(spacing)
    return image, mask


def check_identity(image: sitk.Image, mask: sitk.Image, options: dict[str, Any]) -> None:
    expected = _pyradiomics.compute(image, mask, WANTED, options)
    exact = fast.compute(image, mask, WANTED, options, exact_mcc=True)
    assert exact == pytest.approx(expected, rel=1e-9, abs=1e-12, nan_ok=True)
    quick = fast.compute(image, mask, WANTED, options)
    assert quick["glcm_MCC"] == pytest.approx(expected["glcm_MCC"], rel=1e-5)
    assert quick | {"glcm_MCC": 0} == pytest.approx(exact | {"glcm_MCC": 0}, rel=0, nan_ok=True)


@pytest.mark.parametrize("options", SETTINGS, ids=str)
@pytest.mark.parametrize(
    ("shape", "ragged", "spacing"),
    [
        ((8, 30, 28), False, (0.6, 0.6, 3.0)),
        ((10, 30, 28), True, (0.6, 0.6, 3.0)),
        ((18, 18, 18), True, (1.0, 1.0, 1.0)),
        ((4, 7, 7), False, (0.8, 0.9, 3.6)),
    ],
)
def test_every_feature_equals_pyradiomics(
    shape: tuple[int, ...], ragged: bool, spacing: tuple[float, ...], options: dict[str, Any]
) -> None:
    check_identity(*images(texture(shape), ellipsoid(shape, ragged=ragged), spacing), options)


@pytest.mark.parametrize("case", ["brain1", "breast1"])
def test_every_feature_equals_pyradiomics_on_patients(case: str) -> None:
    folder = shared_data("pyradiomics_cases")
    image, label = (
        sitk.ReadImage(str(folder / f"{case}_{kind}.nrrd")) for kind in ("image", "label")
    )
    inside = sitk.GetArrayFromImage(label) == 1
    values = sitk.GetArrayFromImage(image).astype(np.float32)
    for options in ({"binCount": 32}, {"binWidth": 25.0}, SETTINGS[3]):
        check_identity(*images(values, inside, image.GetSpacing()), options)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (3.0, 0.6, 0.7)])
def test_a_slice_a_line_and_a_block_have_pyradiomics_texture(spacing: tuple[float, ...]) -> None:
    for shape in ((1, 9, 8), (6, 1, 7), (5, 6, 1), (2, 2, 2), (3, 9, 1)):
        image, mask = images(texture(shape), np.ones(shape, bool), spacing)
        texture_only = {name: WANTED[name] for name in WANTED if name != "shape"}
        options = {"binCount": 8}
        expected = _pyradiomics.compute(image, mask, texture_only, options)
        found = fast.compute(image, mask, texture_only, options, exact_mcc=True)
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-12, nan_ok=True)


def same_counts(ours: matrices.Matrices, theirs: matrices.Matrices) -> None:
    """Equal counts; directions may come in another order and from the other end."""

    def pairs(table: NDArray[np.float64]) -> list[bytes]:
        both = table + table.transpose(1, 0, 2)
        return sorted(both[..., n].tobytes() for n in range(both.shape[2]) if both[..., n].any())

    def runs(table: NDArray[np.float64]) -> list[bytes]:
        return sorted(table[..., n].tobytes() for n in range(table.shape[2]) if table[..., n].any())

    assert pairs(ours.glcm) == pairs(theirs.glcm)
    assert runs(ours.glrlm) == runs(theirs.glrlm)
    for name in ("glszm", "zone_sizes", "ngtdm"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name), err_msg=name)
    width = max(ours.gldm.shape[1], theirs.gldm.shape[1])
    wide = [np.pad(one.gldm, ((0, 0), (0, width - one.gldm.shape[1]))) for one in (ours, theirs)]
    np.testing.assert_array_equal(*wide)


boxes = st.tuples(st.integers(1, 5), st.integers(1, 6), st.integers(1, 6))
levels_of = boxes.flatmap(lambda shape: arrays.arrays(np.int32, shape, elements=st.integers(0, 4)))


@needs_kernel
@given(levels=levels_of, force_2d=st.booleans())
def test_the_kernel_counts_what_pyradiomics_counts(
    levels: NDArray[np.int32], force_2d: bool
) -> None:
    where = np.argwhere(levels)
    if not len(where) or np.sum(np.ptp(where, axis=0) > 0) < 2:
        return  # pyradiomics fails on a line of voxels, and radresp refuses it before
    box = tuple(slice(a, b + 1) for a, b in zip(where.min(axis=0), where.max(axis=0), strict=True))
    levels = np.ascontiguousarray(levels[box])
    inside, grey = levels > 0, int(levels.max())
    same_counts(
        matrices._by_kernel(levels, inside, grey, force_2d),
        matrices._by_pyradiomics(levels, inside, grey, (1,), force_2d),
    )


@needs_kernel
def test_without_the_kernel_the_values_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    image, mask = images(texture((9, 20, 20)), ellipsoid((9, 20, 20)), (0.6, 0.6, 3.0))
    compiled = fast.compute(image, mask, WANTED, {"binCount": 32})
    monkeypatch.setattr(matrices, "_kernel", None)
    plain = fast.compute(image, mask, WANTED, {"binCount": 32})
    assert plain == pytest.approx(compiled, rel=1e-12)


@needs_kernel
def test_the_kernel_touches_nothing_outside_its_buffers() -> None:
    from radresp.features import _kernel

    levels = np.zeros((3, 3, 3), np.int32)
    voxels, steps = np.array([13], np.int32), np.array([1, 3, 9], np.int32)

    def count(
        places: NDArray[np.int32] = voxels,
        value: int = 1,
        columns: int = 7,
        step: NDArray[np.int32] = steps,
    ) -> None:
        levels[1, 1, 1] = value
        tables = [
            np.zeros((3, 2, 2), np.int64),
            np.zeros((3, 2, 1), np.int64),
            np.zeros((2, columns), np.int64),
            np.zeros((2, 2)),
            np.zeros(27, np.int32),
            np.zeros(27, np.int32),
        ]
        _kernel.count(levels, places, step, 2, 1, *tables)

    count()
    for wrong in (
        {"places": np.array([0], np.int32)},  # its neighbours lie before the box
        {"places": np.array([26], np.int32)},
        {"places": np.array([1 << 20], np.int32)},
        {"value": 3},  # a level beyond the tables
        {"columns": 6},
        {"step": np.array([1, 3, -9], np.int32)},
        {"places": np.array([], np.int32)},  # a level at no place is walked into all the same
        {"places": np.array([13, 13], np.int32)},
    ):
        with pytest.raises(ValueError, match=r"levels need a border|bytes, expected"):
            count(**wrong)
    levels[1, 1, 2] = 1  # a run of two, where one was announced as the longest
    with pytest.raises(ValueError, match="a run is longer"):
        count(np.array([13, 14], np.int32))


@given(
    inside=boxes.flatmap(lambda shape: arrays.arrays(bool, shape)),
    spacing=st.tuples(*[st.sampled_from([0.5, 1.0, 3.0])] * 3),
)
def test_the_mesh_is_pyradiomics_mesh(
    inside: NDArray[np.bool_], spacing: tuple[float, float, float]
) -> None:
    if not inside.any():
        return
    padded = np.pad(inside, 1)
    area, volume, diameters = _pyradiomics.cShape.calculate_coefficients(padded, np.array(spacing))
    found = mesh.measure(padded, spacing)
    assert found.area_mm2 == pytest.approx(area, rel=1e-12)
    assert found.volume_mm3 == pytest.approx(volume, rel=1e-12, abs=1e-12)
    assert found.diameters_mm == pytest.approx(tuple(diameters), rel=1e-12)


def test_large_outlines_have_pyradiomics_diameters() -> None:
    for shape, ragged in (((24, 40, 36), False), ((30, 30, 30), True)):
        inside = np.pad(ellipsoid(shape, ragged=ragged), 1)
        theirs = _pyradiomics.cShape.calculate_coefficients(inside, np.array([2.0, 0.7, 0.8]))[2]
        found = mesh.measure(inside, (2.0, 0.7, 0.8)).diameters_mm
        assert found == pytest.approx(tuple(theirs), rel=1e-14)
