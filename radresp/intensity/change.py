"""Parametric response maps: how every voxel of a region changed, beyond what noise explains.

What: two images of one sequence on one grid give a map of their change, and for several thresholds
the shares of the region that rose, fell or stayed. A threshold below the change that noise alone
makes says nothing and is left out; one at 1.96 standard deviations of that noise is always added.
Source: parametric response map (functional diffusion map) of Moffat et al., PNAS 2005;102:5524-29;
its 0.55e-3 mm2/s is a convention for the brain, hence several thresholds. Noise of a fitted ADC by
propagation of errors; Laplacian estimator: Immerkaer, Comput Vis Image Underst 1996;64:300-302.
When: only across an alignment whose verdict is good. A shrinking rectum moves under the mask.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage

from radresp.core import ChangeMap, Mask, Sequence, Settings, Unit, Volume
from radresp.core.volume import image_of
from radresp.errors import GeometryError, InputError
from radresp.intensity.adc_fit import FitAdc
from radresp.intensity.dwi_stack import stack

_Z95 = 1.96
_FEWEST = 20
_MAD_TO_SD = 1.4826
_SURROUNDINGS_MM = (6.0, 30.0)
"""Where T2 is taken to be unchanged: beyond the region's blurred edge, still near its coil."""


class ChangeRules(Settings):
    """Which changes of a voxel are counted."""

    adc_thresholds_um2_per_s: tuple[float, ...] = Field(
        (200.0, 300.0, 400.0, 550.0, 800.0),
        min_length=1,
        description="Changes of ADC counted as rise or fall, 1e-6 mm2/s.",
    )
    t2_thresholds: tuple[float, ...] = Field(
        (0.15, 0.3, 0.5, 0.7),
        min_length=1,
        description="Changes of ln T2 signal, relative to the surroundings, counted as rise or "
        "fall; 0.3 is about 35 %.",
    )
    margin_mm: float = Field(
        35.0, ge=30, le=100, description="How far a map reaches beyond the region, mm."
    )


def adc_change(
    before: Volume, after: Volume, mask: Mask, noise_um2_per_s: float, rules: ChangeRules
) -> ChangeMap:
    """Later minus earlier ADC, with the shares of the region that rose and fell.

    Parameters
    ----------
    before, after : Volume
        ADC on one grid, 1e-6 mm2/s; the earlier one as carried there once.
    mask : Mask
        The region on that grid.
    noise_um2_per_s : float
        Standard deviation of the difference that noise alone makes in a voxel.
    rules : ChangeRules
        Thresholds.

    Returns
    -------
    ChangeMap

    Raises
    ------
    InputError
        ``ROI_NONFINITE`` when fewer than 20 voxels of the region are measured at both visits.
    GeometryError
        ``MASK_GEOMETRY`` when the three do not share a grid.
    """
    known = _known(before, after, mask)
    known &= (before.array > 0) & (after.array > 0)  # 0 where no ADC could be fitted
    change = np.where(known, after.array - before.array, 0)
    numbers = _numbers(change, known, mask, noise_um2_per_s, rules.adc_thresholds_um2_per_s)
    return ChangeMap(_volume(change, known, after), mask, numbers)


def t2_change(before: Volume, after: Volume, mask: Mask, rules: ChangeRules) -> ChangeMap:
    """Logarithm of later over earlier T2 signal, the tissue around the region being 0.

    Both images are as acquired; the unit and the coil's brightness cancel against the median of
    the tissue 6 to 30 mm away. Noise is read from the images themselves and includes fine texture,
    so that it errs on the large side.

    Parameters
    ----------
    before, after : Volume
        T2 on one grid; the earlier one as carried there once.
    mask : Mask
        The region on that grid.
    rules : ChangeRules
        Thresholds.

    Returns
    -------
    ChangeMap

    Raises
    ------
    InputError
        ``ROI_NONFINITE`` when fewer than 20 voxels of the region, or of its surroundings, are
        measured at both visits.
    GeometryError
        ``MASK_GEOMETRY`` when the three do not share a grid.
    """
    known = _known(before, after, mask)
    for volume in (before, after):
        known &= volume.array > 0.1 * np.median(volume.array[known & mask.array])
    distance = ndimage.distance_transform_edt(~mask.array, sampling=mask.grid.spacing_mm[::-1])
    nearest, farthest = _SURROUNDINGS_MM
    around = known & (distance >= nearest) & (distance <= farthest)
    _check_enough(int(around.sum()), "the tissue around the region")
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = [np.where(known, np.log(volume.array), 0) for volume in (before, after)]
    change = np.where(known, logs[1] - logs[0], 0)
    change = np.where(known, change - np.median(change[around]), 0)
    noise = float(np.linalg.norm([voxel_noise(log, known & mask.array) for log in logs]))
    numbers = _numbers(change, known, mask, noise, rules.t2_thresholds)
    return ChangeMap(_volume(change, known, after), mask, numbers)


def adc_noise(dwi: tuple[Volume, ...], settings: FitAdc) -> NDArray[np.float64] | None:
    """Standard deviation of each voxel's fitted ADC, from the noise in the air.

    The weights of the log-linear fit applied to sigma over signal; a weighted fit scatters a little
    less.

    Parameters
    ----------
    dwi : tuple of Volume
        The diffusion-weighted volumes the ADC was fitted from, on one grid.
    settings : FitAdc
        How it was fitted: which b-values, and the noise level if given.

    Returns
    -------
    ndarray or None
        1e-6 mm2/s, (z, y, x); None where there is no air to read the noise from.
    """
    sigma = dwi_noise(dwi, settings)
    if sigma is None:
        return None
    chosen = stack(dwi, settings.b_values_s_per_mm2, settings.b_min_s_per_mm2)
    design = np.stack([np.ones_like(chosen.b), -chosen.b * 1e-6], axis=1)
    weights = np.linalg.pinv(design)[1].reshape(-1, 1, 1, 1)
    relative = sigma / np.maximum(chosen.images.astype(float), sigma)
    return np.asarray(np.linalg.norm(weights * relative, axis=0))


def dwi_noise(dwi: tuple[Volume, ...], settings: FitAdc) -> float | None:
    """Standard deviation of the noise of the highest b-value, from the air around the patient.

    Parameters
    ----------
    dwi : tuple of Volume
        Diffusion-weighted volumes on one grid, at least two b-values.
    settings : FitAdc
        Which b-values, and the noise level if given.

    Returns
    -------
    float or None
        Image units; None where there is no air to read it from.
    """
    chosen = stack(dwi, settings.b_values_s_per_mm2, settings.b_min_s_per_mm2)
    return chosen.sigma(settings.noise_sigma)[0] or None


def voxel_noise(values: NDArray[np.floating], inside: NDArray[np.bool_]) -> float:
    """Standard deviation of noise from differences of neighbours in a slice; texture adds to it.

    Parameters
    ----------
    values : ndarray
        Image, (z, y, x).
    inside : ndarray of bool
        Where to look.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(0, 3.0, (4, 60, 60))
    >>> ramp = np.arange(60.0)
    >>> round(voxel_noise(noise + ramp, np.ones((4, 60, 60), bool)), 1)
    3.0
    """
    kernel = np.array([[[1, -2, 1], [-2, 4, -2], [1, -2, 1]]], dtype=float)
    curved = ndimage.convolve(values.astype(float), kernel, mode="nearest")
    whole = ndimage.binary_erosion(inside, np.ones((1, 3, 3)))
    used = whole if np.count_nonzero(whole) >= _FEWEST else inside
    return float(_MAD_TO_SD * np.median(np.abs(curved[used])) / np.linalg.norm(kernel))


def _known(before: Volume, after: Volume, mask: Mask) -> NDArray[np.bool_]:
    """Where both visits hold a measurement."""
    known = np.ones(mask.grid.size[::-1], dtype=bool)
    for volume in (before, after):
        if not volume.grid.same_as(mask.grid):
            raise GeometryError(
                "MASK_GEOMETRY",
                f"a change map of images on two grids: {volume.grid.difference(mask.grid)}",
                expected="both images and the region on one grid",
            )
        if volume.background is not None:
            known &= sitk.GetArrayViewFromImage(volume.background) == 0
    return known


def _numbers(
    change: NDArray[np.floating],
    known: NDArray[np.bool_],
    mask: Mask,
    noise: float,
    thresholds: Iterable[float],
) -> dict[str, float]:
    """Noise, median and shares; a threshold below the noise is left out."""
    drawn = mask.array
    inside = change[known & drawn]
    _check_enough(inside.size, "the region")
    numbers = {
        "voxels": float(inside.size),
        "measured_fraction": float(inside.size / np.count_nonzero(drawn)),
        "noise": noise,
        "median": float(np.median(inside)),
    }
    for name, threshold in [("noise95", _Z95 * noise), *((f"{t:g}", t) for t in thresholds)]:
        if threshold >= noise:
            rose, fell = float((inside > threshold).mean()), float((inside < -threshold).mean())
            numbers |= {f"rose_{name}": rose, f"fell_{name}": fell}
            numbers[f"stayed_{name}"] = 1.0 - rose - fell
    return numbers


def _check_enough(voxels: int, what: str) -> None:
    if voxels < _FEWEST:
        raise InputError(
            "ROI_NONFINITE",
            f"{voxels} voxels of {what} are measured at both visits",
            expected=f"at least {_FEWEST}",
            action="check that both images cover the region",
        )


def _volume(change: NDArray[np.floating], known: NDArray[np.bool_], like: Volume) -> Volume:
    background = image_of((~known).astype(np.uint8), like.grid)
    unit = Unit.UM2_PER_S if like.sequence is Sequence.ADC else Unit.RATIO
    return Volume.from_array(change, like.grid, like.sequence, unit, background=background)
