"""Filtered images, on the smallest box around the region that leaves its values unchanged.

The filters are pyradiomics' (``radiomics.imageoperations``). pyradiomics filters the whole image
for each region; here:

- A wavelet is computed on the region's box and 8 voxels around, exactly the same values: its filter
  (coif1) reaches 5. It is periodic, so an axis on which the box comes near the image's end is kept
  whole.
- The point-wise filters scale with the largest magnitude of the whole image, which is looked up;
  the rest is computed on the box alone.
- Patterns (LBP) look one voxel around, through a cubic spline whose weights fall by 3.7 a voxel.
- LoG is recursive and has no finite reach: 10 sigma around change values by 1e-6 of their standard
  deviation (pyradiomics' own ``preCrop`` with its 5 voxels: by 1e-1). ``whole`` keeps the image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import SimpleITK as sitk

from radresp.features import lbp
from radresp.features._pyradiomics import imageoperations

Box = tuple[slice, slice, slice]
WAVELET_REACH, GRADIENT_REACH, LBP_REACH, LOG_REACH_SIGMA = 8, 2, 24, 10.0


def log_image(
    image: sitk.Image, box: Box, sigma_mm: float, *, whole: bool = False
) -> sitk.Image | None:
    """Laplacian of Gaussian, normalised across scales; None where the image is too small for it.

    Parameters
    ----------
    image : SimpleITK.Image
        The whole image.
    box : tuple of slice
        The region's bounding box along x, y, z; the result is cut to it.
    sigma_mm : float
        Width of the Gaussian, mm.
    whole : bool
        Filter the whole image, as pyradiomics does.
    """
    around = _grown(image, box, [LOG_REACH_SIGMA * sigma_mm / edge for edge in image.GetSpacing()])
    part = tuple(slice(None) for _ in box) if whole else around
    found = list(imageoperations.getLoGImage(image[part], None, sigma=[sigma_mm]))
    return _within(found[0][0], part, box) if found else None


def wavelet_images(
    image: sitk.Image, box: Box, *, in_plane: bool
) -> Iterator[tuple[str, sitk.Image]]:
    """The sub-bands of a one-level stationary wavelet transform (coif1), by their letters.

    Parameters
    ----------
    image, box
        As in :func:`log_image`.
    in_plane : bool
        Two axes (LL to HH) instead of three (LLL to HHH).
    """
    around = [
        slice(None) if near.start == 0 or near.stop == size else near
        for near, size in zip(_grown(image, box, [WAVELET_REACH] * 3), image.GetSize(), strict=True)
    ]
    if in_plane:
        around[2] = box[2]
    part = tuple(around)
    options = {"force2D": in_plane, "force2Ddimension": 0}
    for found, name, _ in imageoperations.getWaveletImage(image[part], None, **options):
        yield name.removeprefix("wavelet-"), _within(found, part, box)


def gradient_image(image: sitk.Image, box: Box) -> sitk.Image:
    """Magnitude of the gradient, per mm."""
    part = _grown(image, box, [GRADIENT_REACH] * 3)
    found = next(iter(imageoperations.getGradientImage(image[part], None)))[0]
    return _within(found, part, box)


def _square(x: Any, peak: float) -> Any:
    return (1 / np.sqrt(peak) * x) ** 2


def _squareroot(x: Any, peak: float) -> Any:
    return np.sign(x) * np.sqrt(np.abs(x) * peak)


def _logarithm(x: Any, peak: float) -> Any:
    return np.sign(x) * np.log(np.abs(x) + 1) * (peak / np.log(peak + 1))


def _exponential(x: Any, peak: float) -> Any:
    return np.exp(np.log(peak) / peak * x)


POINTWISE: dict[str, Callable[[Any, float], Any]] = {
    "square": _square,
    "squareroot": _squareroot,
    "logarithm": _logarithm,
    "exponential": _exponential,
}


def lbp_images(
    image: sitk.Image, mask: sitk.Image, box: Box, *, in_plane: bool
) -> Iterator[tuple[str, sitk.Image]]:
    """Local binary patterns by pyradiomics' names, ``lbp-2D`` or ``lbp-3D-m1``, ``-m2``, ``-k``."""
    part = _grown(image, box, [LBP_REACH] * 3)
    values = sitk.GetArrayFromImage(image[part])
    if in_plane:
        found = {"lbp-2D": lbp.pattern_2d(values)}
    else:
        inside = sitk.GetArrayFromImage(mask[part]) == 1
        patterns = lbp.patterns_3d(values, inside)
        found = {f"lbp-3D-{name}": pattern for name, pattern in patterns.items()}
    for name, pattern in found.items():
        made = sitk.GetImageFromArray(pattern)
        made.CopyInformation(image[part])
        yield name, _within(made, part, box)


def pointwise_image(image: sitk.Image, box: Box, name: str) -> sitk.Image:
    """One of ``POINTWISE``, scaled so that the largest magnitude of the image stays what it is."""
    peak = float(np.abs(sitk.GetArrayViewFromImage(image)).max())
    part = image[box]
    found = POINTWISE[name](sitk.GetArrayFromImage(part).astype(np.float64), peak)
    made = sitk.GetImageFromArray(found)
    made.CopyInformation(part)
    return made


def _grown(image: sitk.Image, box: Box, margins: Sequence[float]) -> Box:
    """The box with so many voxels around, within the image."""
    x, y, z = (
        slice(max(0, one.start - int(np.ceil(by))), min(size, one.stop + int(np.ceil(by))))
        for one, by, size in zip(box, margins, image.GetSize(), strict=True)
    )
    return x, y, z


def _within(part_image: sitk.Image, part: Sequence[slice], box: Box) -> sitk.Image:
    """The box out of an image of a part."""
    starts = [one.start or 0 for one in part]
    moved = (slice(b.start - s, b.stop - s) for b, s in zip(box, starts, strict=True))
    return part_image[tuple(moved)]
