"""Pairs of images with a known displacement between them, for benchmarks of registration.

`make_pair` deforms one image by a field of a chosen kind on top of a rigid motion, adds noise to
both images and a smooth bias to the moving one. The truth maps every voxel of the fixed image to
its place in the moving image, LPS mm, and is exact there: the fixed image is sampled at it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage
from scipy.interpolate import RBFInterpolator

from radresp.core import RegionKey, Roi, Sequence, Timepoint, VolumeKey
from radresp.phantom import PhantomSettings, make_patient

Array = NDArray[np.float64]
NOISE = 0.02
BIAS = 0.35
VOXELS = 1_000_000
NEAR_MM = 10.0


@dataclass(frozen=True)
class Subject:
    """An image and one outline on its grid."""

    image: sitk.Image
    roi: NDArray[np.bool_]


@dataclass(frozen=True)
class Pair:
    """Two images with the truth between them.

    Parameters
    ----------
    fixed, moving : SimpleITK.Image
        float32.
    truth : ndarray
        Place in the moving image of every fixed voxel, LPS mm, shape (z, y, x, 3).
    counted : ndarray of bool
        Body voxels whose place lies in the moving image and whose tissue is in both, (z, y, x).
    near : ndarray of bool
        The counted ones within 10 mm of the outline.
    """

    fixed: sitk.Image
    moving: sitk.Image
    truth: Array
    counted: NDArray[np.bool_]
    near: NDArray[np.bool_]


def make_pair(data: Path, image: str, kind: str, seed: int) -> Pair:
    """One pair: image and field by name (`IMAGES`, `KINDS`), every random draw by the seed."""
    rng = np.random.default_rng([seed, *f"{image} {kind}".encode()])
    if kind == "filling":
        pair = _filling(seed)
    else:
        subject = _limited(IMAGES[image](data))
        pair = _shrunk(rng, subject) if kind == "shrinkage" else _deformed(rng, subject, kind)
    fixed = _noisy(rng, pair.fixed)
    moving = _noisy(rng, _shaded(rng, pair.moving))
    return replace(pair, fixed=fixed, moving=moving)


# Images


def _phantom(data: Path) -> Subject:
    case = make_patient(3, 11).case
    key = RegionKey(Timepoint.PRE, Sequence.T2, Roi.TUMOUR)
    return Subject(case.volumes[VolumeKey(Timepoint.PRE, Sequence.T2)].image, case.masks[key].array)


def _prostate(data: Path) -> Subject:
    reader = sitk.ImageSeriesReader()
    folder = data / "prostatex_0001"
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder / "dicom" / "t2_tra")))
    image = sitk.Cast(reader.Execute(), sitk.sitkFloat32)
    lesion = sitk.ReadImage(str(folder / "masks" / "lesion_expert_resampled_to_T2.nii.gz"))
    roi = sitk.GetArrayFromImage(lesion) > 0
    return Subject(image, roi if roi.any() else _ball(image))


def _head(data: Path) -> Subject:
    path = data / "openms_longitudinal" / "patient01" / "study1_FLAIR.nii.gz"
    image = sitk.ReadImage(str(path), sitk.sitkFloat32)
    return Subject(image, _ball(image))


def _brain(data: Path) -> Subject:
    folder = data / "pyradiomics_cases"
    image = sitk.ReadImage(str(folder / "brain1_image.nrrd"), sitk.sitkFloat32)
    label = sitk.ReadImage(str(folder / "brain1_label.nrrd"))
    return Subject(image, sitk.GetArrayFromImage(label) > 0)


IMAGES: dict[str, Callable[[Path], Subject]] = {
    "phantom": cache(_phantom),
    "prostatex": cache(_prostate),
    "openms": cache(_head),
    "brain1": cache(_brain),
}


def _ball(image: sitk.Image, radius_mm: float = 12.0) -> NDArray[np.bool_]:
    """A ball a little off the middle, for images without an outline."""
    places = _places(image)
    middle = places[tuple(n // 2 for n in places.shape[:3])] + (12.0, -10.0, 4.0)
    inside: NDArray[np.bool_] = np.linalg.norm(places - middle, axis=-1) < radius_mm
    return inside


def _limited(subject: Subject) -> Subject:
    """The subject with larger voxels in plane, so that images are of one size."""
    size = np.array(subject.image.GetSize())
    factor = np.sqrt(np.prod(size.astype(float)) / VOXELS)
    if factor <= 1:
        return subject
    smooth = subject.image
    for axis in (0, 1):
        sigma = 0.4 * factor * subject.image.GetSpacing()[axis]
        smooth = sitk.RecursiveGaussian(
            smooth, sigma, False, sitk.RecursiveGaussianImageFilter.ZeroOrder, axis
        )
    new = np.array([int(size[0] / factor), int(size[1] / factor), size[2]])
    spacing = np.array(subject.image.GetSpacing()) * size / new
    shift = (spacing / subject.image.GetSpacing() - 1) / 2
    like = sitk.Image([int(n) for n in new], sitk.sitkFloat32)
    like.SetSpacing(spacing.tolist())
    like.SetDirection(subject.image.GetDirection())
    like.SetOrigin(subject.image.TransformContinuousIndexToPhysicalPoint(shift.tolist()))
    identity = sitk.Transform(3, sitk.sitkIdentity)
    roi = sitk.GetImageFromArray(subject.roi.astype(np.uint8))
    roi.CopyInformation(subject.image)
    roi = sitk.Resample(roi, like, identity, sitk.sitkNearestNeighbor)
    image = sitk.Resample(smooth, like, identity, sitk.sitkBSpline)
    return Subject(image, sitk.GetArrayFromImage(roi) > 0)


# Fields: displacement in mm at places (z, y, x, 3) in mm from the middle


def _lattice_field(places: Array, coefficients: Array, step_mm: float, order: int = 3) -> Array:
    """A cubic spline with coefficients (3, z, y, x) on a lattice about the middle."""
    counts = np.array(coefficients.shape[1:])
    index = places[..., ::-1] / step_mm + (counts - 1) / 2
    where = np.moveaxis(index, -1, 0)
    parts = [
        ndimage.map_coordinates(part, where, order=order, prefilter=False, mode="nearest")
        for part in coefficients
    ]
    return np.stack(parts, axis=-1)


def _counts(places: Array, step_mm: float) -> list[int]:
    reach = np.abs(places).reshape(-1, 3).max(axis=0)[::-1]
    return [int(np.ceil(2 * r / step_mm)) + 7 for r in reach]


def _bspline(rng: np.random.Generator, places: Array) -> Array:
    coefficients = rng.uniform(-1, 1, (3, *_counts(places, 35.0)))
    return _scaled(_lattice_field(places, coefficients, 35.0), 8.0)


def _random_field(rng: np.random.Generator, places: Array, sigma_mm: float, peak: float) -> Array:
    step = sigma_mm / 2
    white = rng.standard_normal((3, *_counts(places, step)))
    smooth = ndimage.gaussian_filter(white, (0, 2, 2, 2), mode="wrap")
    return _scaled(_lattice_field(places, smooth, step), peak)


def _thin_plate(rng: np.random.Generator, places: Array) -> Array:
    low, high = places.reshape(-1, 3).min(axis=0), places.reshape(-1, 3).max(axis=0)
    marks = rng.uniform(low, high, (24, 3))
    moves = rng.normal(0, 3.0, (24, 3)).clip(-7, 7)
    # In three dimensions the thin plate's kernel is the distance itself.
    spline = RBFInterpolator(marks, moves, kernel="linear", degree=1, smoothing=0.0)
    step = 4.0
    counts = _counts(places, step)
    axes = [(np.arange(n) - (n - 1) / 2) * step for n in counts]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    values = spline(np.stack([x.ravel(), y.ravel(), z.ravel()], axis=1))
    lattice = np.moveaxis(values.reshape(*counts, 3), -1, 0)
    return _scaled(_lattice_field(places, lattice, step, order=1), 8.0)


def _sliding(rng: np.random.Generator, places: Array) -> Array:
    """An upright cylinder that slides along its axis and turns about it; all else drifts."""
    drift = _random_field(rng, places, 25.0, 3.0)
    middle = rng.uniform(-8, 8, 2)
    across = places[..., :2] - middle
    inside = np.linalg.norm(across, axis=-1) < rng.uniform(22, 30)
    turn = np.radians(rng.uniform(4, 7)) * rng.choice([-1, 1])
    c, s = np.cos(turn), np.sin(turn)
    inner = np.zeros_like(places)
    inner[..., :2] = across @ np.array([[c, s], [-s, c]]) - across
    inner[..., 2] = rng.uniform(3, 5) * rng.choice([-1, 1])
    # Only the tangential part may jump at the surface: the drift goes on inside.
    field: Array = drift + inner * inside[..., None]
    return field


def _smooth_field(rng: np.random.Generator, places: Array) -> Array:
    return _random_field(rng, places, 20.0, 8.0)


def _rough_field(rng: np.random.Generator, places: Array) -> Array:
    return _random_field(rng, places, 8.0, 4.0)


KINDS: dict[str, Callable[[np.random.Generator, Array], Array] | None] = {
    "bspline": _bspline,
    "random_smooth": _smooth_field,
    "random_rough": _rough_field,
    "thin_plate": _thin_plate,
    "sliding": _sliding,
    "filling": None,
    "shrinkage": None,
}


def _scaled(field: Array, peak_mm: float) -> Array:
    scaled: Array = field * (peak_mm / np.abs(field).max())
    return scaled


def _tame(field: Array, spacing: tuple[float, ...]) -> Array:
    """The field scaled down until its Jacobian determinant stays above 0.25."""
    while determinant(field, spacing).min() < 0.25:
        field = 0.9 * field
    return field


def determinant(field: Array, spacing_zyx: tuple[float, ...]) -> Array:
    """Determinant of ``I + du/dx`` from differences of neighbours, shape (z, y, x).

    The displacement must be along the axes of the grid.
    """
    rows = [np.gradient(field[..., i], *spacing_zyx) for i in range(3)]
    jacobian = np.empty((*field.shape[:3], 3, 3))
    for i, row in enumerate(rows):
        for j in range(3):
            jacobian[..., i, j] = row[2 - j] + (i == j)
    found: Array = np.linalg.det(jacobian)
    return found


# Pairs


def _deformed(rng: np.random.Generator, subject: Subject, kind: str) -> Pair:
    places = _local(subject.image)
    field = KINDS[kind](rng, places)  # type: ignore[misc]
    if kind != "sliding":
        field = _tame(field, subject.image.GetSpacing()[::-1])
    truth = _moved(rng, subject.image, places + field)
    fixed = _sampled(subject.image, truth)
    return _counted(fixed, subject.image, truth, _carried(subject, truth))


def _shrunk(rng: np.random.Generator, subject: Subject) -> Pair:
    """The outlined tissue shrinks and turns into something else; the rest follows."""
    places = _local(subject.image)
    drift = _tame(_random_field(rng, places, 25.0, 4.0), subject.image.GetSpacing()[::-1])
    where = places[subject.roi]
    centre, volume = where.mean(axis=0), len(where) * np.prod(subject.image.GetSpacing())
    before = float(np.cbrt(3 * volume / (4 * np.pi)))
    after = before * rng.uniform(0.55, 0.75)
    away = places + drift - centre
    r = np.linalg.norm(away, axis=-1)
    # Volume is kept outside: the cube of the radius changes by one amount, faded out.
    gained = (before**3 - after**3) * _fade(r, 1.2 * after, 4.5 * before)
    target = np.where(r < after, r * before / after, np.cbrt(r**3 + gained))
    field = drift + away * (target / np.maximum(r, 1e-6) - 1)[..., None]
    truth = _moved(rng, subject.image, places + field)
    image = sitk.GetArrayFromImage(_sampled(subject.image, truth))
    roi = _carried(subject, truth)
    inside = ndimage.gaussian_filter(roi.astype(float), _sigma(subject.image, 0.7))
    pattern = ndimage.gaussian_filter(rng.standard_normal(roi.shape), _sigma(subject.image, 2.0))
    level = rng.uniform(0.3, 0.8) * np.median(image[roi])
    other = level * (1 + 0.15 * pattern / pattern.std())
    fixed = sitk.GetImageFromArray((image * (1 - inside) + other * inside).astype(np.float32))
    fixed.CopyInformation(subject.image)
    pair = _counted(fixed, subject.image, truth, roi)
    changed = ndimage.distance_transform_edt(~roi, sampling=fixed.GetSpacing()[::-1]) < 1.5
    return replace(pair, counted=pair.counted & ~changed, near=pair.near & ~changed)


def _filling(seed: int) -> Pair:
    """Two visits of a phantom patient: motion, rectal and bladder filling, a treated tumour."""
    patient = make_patient(seed, 29, PhantomSettings(other_scanner=0.0, filling=1.5))
    volumes, masks = patient.case.volumes, patient.case.masks
    fixed, moving = (
        volumes[VolumeKey(visit, Sequence.T2)].image for visit in (Timepoint.POST, Timepoint.PRE)
    )
    field = sitk.TransformToDisplacementField(
        patient.transform,
        sitk.sitkVectorFloat64,
        fixed.GetSize(),
        fixed.GetOrigin(),
        fixed.GetSpacing(),
        fixed.GetDirection(),
    )
    truth = _places(fixed) + sitk.GetArrayFromImage(field)
    bed = masks[RegionKey(Timepoint.POST, Sequence.T2, Roi.BED)].array
    pair = _counted(fixed, moving, truth, bed)
    return replace(pair, counted=pair.counted & ~bed, near=pair.near & ~bed)


def _places(image: sitk.Image) -> Array:
    """LPS mm of every voxel, (z, y, x, 3)."""
    size = image.GetSize()
    z, y, x = np.meshgrid(*(np.arange(n, dtype=float) for n in size[::-1]), indexing="ij")
    scaled = np.stack([x, y, z], axis=-1) * image.GetSpacing()
    return scaled @ np.reshape(image.GetDirection(), (3, 3)).T + image.GetOrigin()


def _local(image: sitk.Image) -> Array:
    """Millimetres from the middle along the image's own axes, (z, y, x, 3)."""
    axes = [
        (np.arange(n) - (n - 1) / 2) * s
        for n, s in zip(image.GetSize(), image.GetSpacing(), strict=True)
    ]
    z, y, x = np.meshgrid(*axes[::-1], indexing="ij")
    return np.stack([x, y, z], axis=-1)


def _moved(rng: np.random.Generator, image: sitk.Image, local: Array) -> Array:
    """Local places after a random rigid motion of up to 4 mm and 4 degrees an axis, LPS mm."""
    rigid = sitk.Euler3DTransform((0.0, 0.0, 0.0), *np.radians(rng.uniform(-4, 4, 3)).tolist())
    turned = local @ np.reshape(rigid.GetMatrix(), (3, 3)).T + rng.uniform(-4, 4, 3)
    middle = [(n - 1) / 2 for n in image.GetSize()]
    centre = image.TransformContinuousIndexToPhysicalPoint(middle)
    return turned @ np.reshape(image.GetDirection(), (3, 3)).T + centre


def _index(image: sitk.Image, places: Array) -> Array:
    """Fractional index (z, y, x) of LPS places, shape (3, z, y, x)."""
    inverse = np.linalg.inv(np.reshape(image.GetDirection(), (3, 3)))
    index = ((places - image.GetOrigin()) @ inverse.T) / image.GetSpacing()
    return np.moveaxis(index[..., ::-1], -1, 0)


def _sampled(image: sitk.Image, truth: Array) -> sitk.Image:
    values = ndimage.map_coordinates(
        sitk.GetArrayFromImage(image).astype(float), _index(image, truth), order=3, mode="nearest"
    )
    found = sitk.GetImageFromArray(values.clip(min=0).astype(np.float32))
    found.CopyInformation(image)
    return found


def _carried(subject: Subject, truth: Array) -> NDArray[np.bool_]:
    where = _index(subject.image, truth)
    roi: NDArray[np.bool_] = (
        ndimage.map_coordinates(subject.roi.astype(float), where, order=1) > 0.5
    )
    return roi


def _counted(fixed: sitk.Image, moving: sitk.Image, truth: Array, roi: NDArray[np.bool_]) -> Pair:
    last = np.reshape(moving.GetSize()[::-1], (3, 1, 1, 1)) - 1
    index = _index(moving, truth)
    shown = ((index >= 0) & (index <= last)).all(axis=0)
    counted = _body(fixed) & shown
    near = ndimage.distance_transform_edt(~roi, sampling=fixed.GetSpacing()[::-1]) <= NEAR_MM
    return Pair(fixed, moving, truth, counted, counted & near)


def _body(image: sitk.Image) -> NDArray[np.bool_]:
    values = sitk.GetArrayFromImage(image)
    smooth = ndimage.gaussian_filter(values, _sigma(image, 2.0))
    bright = smooth > 0.15 * np.percentile(smooth, 98)
    pieces, _ = ndimage.label(bright)
    body = pieces == np.bincount(pieces[bright]).argmax()
    return np.stack([ndimage.binary_fill_holes(layer) for layer in body])


def _sigma(image: sitk.Image, mm: float) -> list[float]:
    return [mm / s for s in image.GetSpacing()[::-1]]


def _fade(values: Array, start: float, end: float) -> Array:
    t = ((values - start) / (end - start)).clip(0, 1)
    faded: Array = 1 - t * t * (3 - 2 * t)
    return faded


def _shaded(rng: np.random.Generator, image: sitk.Image) -> sitk.Image:
    """The image under a smooth multiplicative bias of about exp(+-0.35)."""
    places = _local(image)
    unit = places / np.abs(places).reshape(-1, 3).max(axis=0)
    terms = [unit[..., i] * unit[..., j] for i in range(3) for j in range(i, 3)]
    terms += [unit[..., i] for i in range(3)]
    pattern = sum(c * t for c, t in zip(rng.standard_normal(len(terms)), terms, strict=True))
    pattern *= BIAS / np.abs(pattern).max()
    shaded = sitk.GetImageFromArray(
        (sitk.GetArrayFromImage(image) * np.exp(pattern)).astype(np.float32)
    )
    shaded.CopyInformation(image)
    return shaded


def _noisy(rng: np.random.Generator, image: sitk.Image) -> sitk.Image:
    values = sitk.GetArrayFromImage(image)
    values = values + rng.normal(0, NOISE * np.percentile(values, 98), values.shape)
    noisy = sitk.GetImageFromArray(values.astype(np.float32))
    noisy.CopyInformation(image)
    return noisy
