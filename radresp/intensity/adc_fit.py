"""ADC from diffusion-weighted images: mono-exponential, log-linear least squares.

What: ``ln S(b) = ln S0 - b * ADC`` is fitted to every voxel at once; the pseudo-inverse of the
design and an orthonormal basis of its null space form one small matrix, so one matrix product
gives S0, ADC and the residual of 10^6 voxels.
Source: Le Bihan et al., Radiology 1986;161:401-407; noise floor of magnitude images: Gudbjartsson
and Patz, Magn Reson Med 1995;34:910-914.
When: whenever the DWI has at least two b-values; vendors' own maps differ by a few per cent
because they include imaging gradients or leave out b-values.

Perfusion: below about b = 150 s/mm2 flowing blood adds to the decay, so a fit that includes b = 0
gives a higher ADC than one from ``b_min_s_per_mm2=150`` upwards. By default all b-values are used,
as most vendors do; the b-values used are noted in the step and must agree across a cohort.

Noise: sigma is read from the air around the patient (`radresp.intensity.noise`). Where the high-b
signal is below ``noise_floor_snr`` sigma the noise floor pulls the ADC down, and the voxel is
called unreliable; where even the low-b signal is, the voxel is left out of the fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage

from radresp.core import Note, NoteKind, Sequence, Settings, Step, Unit, Volume
from radresp.errors import GeometryError, InputError
from radresp.intensity.body import body_threshold
from radresp.intensity.noise import noise_level

_ENOUGH = 250_000  # about as many voxels, in whole slices, judge the order of b-values
_BLOCK = 32_768  # voxels fitted at a time, so that the work stays in the processor's cache
_LN_MAX = 80.0  # ln S0 above this would overflow float32


class FitAdc(Settings):
    """Settings of the ADC fit."""

    b_values_s_per_mm2: tuple[float, ...] | None = Field(
        None, description="b-values to use, s/mm2; all when not given."
    )
    b_min_s_per_mm2: float = Field(
        0.0,
        ge=0,
        le=1000,
        description="Smallest b-value used, s/mm2; 150 keeps perfusion out of the ADC.",
    )
    noise_floor_snr: float = Field(
        3.0,
        ge=0,
        le=20,
        description="Signal-to-noise ratio below which a voxel's ADC is called unreliable.",
    )
    noise_sigma: float | None = Field(
        None, ge=0, description="Noise level in image units; read from air when not given."
    )
    adc_max_um2_per_s: float = Field(
        10_000.0,
        ge=3_500,
        le=100_000,
        description="Largest ADC kept, 1e-6 mm2/s; larger and negative values are clipped.",
    )


@dataclass(frozen=True, slots=True)
class AdcFit:
    """A fitted ADC map with all that is needed to judge it.

    Parameters
    ----------
    adc : Volume
        ADC in 1e-6 mm2/s, finite everywhere; 0 where no fit was possible.
    s0 : Volume
        Fitted signal at b = 0, image units; 0 where no fit was possible.
    residual : numpy.ndarray
        Root mean square residual of ln S over the b-values used, (z, y, x), no unit.
    unreliable : numpy.ndarray
        True where the voxel was left out of the fit or its high-b signal lies in the noise,
        (z, y, x).
    masked_fraction : float
        Share of unreliable voxels in the body, 0 to 1.
    step : Step
        What was done, with the b-values used and the counts in its notes.
    """

    adc: Volume
    s0: Volume
    residual: NDArray[np.float32]
    unreliable: NDArray[np.bool_]
    masked_fraction: float
    step: Step


def fit_adc(dwi: tuple[Volume, ...], settings: FitAdc | None = None) -> AdcFit:
    """Fit the apparent diffusion coefficient to diffusion-weighted volumes.

    Parameters
    ----------
    dwi : tuple of Volume
        DWI volumes on one grid, in any order; at least two distinct b-values. A b-value may
        occur several times.
    settings : FitAdc, optional
        Defaults when not given.

    Returns
    -------
    AdcFit
        ADC (1e-6 mm2/s), S0, residual, unreliable voxels and the step.

    Raises
    ------
    InputError
        ``DWI_BVALUES`` for fewer than two distinct b-values, ``ROLE_MISMATCH`` for a volume that
        is no DWI, ``DWI_OVERFLOW`` for wrapped integers, ``DWI_B_ORDER`` when the signal rises
        with b.
    GeometryError
        ``DWI_GRID`` when the volumes lie on different grids.

    Examples
    --------
    >>> from radresp.core import Grid
    >>> grid = Grid((2, 2, 2), (2, 2, 4))
    >>> def volume(b):
    ...     return Volume.from_array(
    ...         np.full((2, 2, 2), 500 * np.exp(-b * 1.1e-3)), grid, Sequence.DWI, b_s_per_mm2=b)
    >>> fit = fit_adc((volume(0.0), volume(800.0)))
    >>> round(float(fit.adc.array.mean()), 2), round(float(fit.s0.array.mean()), 2)
    (1100.0, 500.0)
    """
    started = perf_counter()
    settings = settings or FitAdc()
    chosen = _choose(dwi, settings)
    grid = chosen[0].grid
    b = np.array([volume.b_s_per_mm2 for volume in chosen], dtype=float)
    images = np.stack([volume.array for volume in chosen])
    _check_overflow(images)
    _check_order(images[:, :: max(1, images[0].size // _ENOUGH)], b)
    threshold = body_threshold(images[0])
    sigma, noise_notes = _sigma(images, threshold, settings)
    signal = images.reshape(len(b), -1)
    floor = settings.noise_floor_snr * sigma
    excluded = (signal[0] < floor) | (signal.min(axis=0) <= 0)
    unreliable = excluded | (signal[-1] < floor)
    body = signal[0] > threshold
    masked = int(np.count_nonzero(unreliable & body)) / max(int(np.count_nonzero(body)), 1)
    s0, adc, residual, clipped = _log_linear(signal, b, excluded, settings.adc_max_um2_per_s)
    note = Note(
        NoteKind.INFO,
        "ADC_FIT",
        f"b-values {_words(b)} s/mm2, noise level {sigma:.3g}; "
        f"{np.count_nonzero(excluded)} of {excluded.size} voxels left out, {clipped} clipped, "
        f"{100 * masked:.1f} % of the body unreliable",
    )
    seconds = perf_counter() - started
    notes = (note, *noise_notes)
    step = Step("intensity", "fit_adc", settings.model_dump(mode="json"), seconds, notes)
    shape = grid.size[::-1]
    return AdcFit(
        Volume.from_array(adc.reshape(shape), grid, Sequence.ADC, Unit.UM2_PER_S),
        Volume.from_array(s0.reshape(shape), grid, Sequence.DWI, b_s_per_mm2=0.0),
        residual.reshape(shape),
        unreliable.reshape(shape),
        masked,
        step,
    )


def _choose(dwi: tuple[Volume, ...], settings: FitAdc) -> list[Volume]:
    """The volumes to fit, by rising b, after the checks that need no voxels."""
    wrong = [volume.sequence for volume in dwi if volume.sequence is not Sequence.DWI]
    if wrong:
        raise InputError("ROLE_MISMATCH", f"a {wrong[0]} volume for an ADC fit", expected="DWI")
    by_b = sorted(dwi, key=lambda volume: volume.b_s_per_mm2 or 0.0)
    chosen = [v for v in by_b if (v.b_s_per_mm2 or 0.0) >= settings.b_min_s_per_mm2]
    if settings.b_values_s_per_mm2 is not None:
        wanted = np.array(settings.b_values_s_per_mm2)
        chosen = [v for v in chosen if np.isclose(wanted, v.b_s_per_mm2 or 0.0, atol=0.5).any()]
    if len({volume.b_s_per_mm2 for volume in chosen}) < 2:
        found = _words(np.array([volume.b_s_per_mm2 for volume in by_b], dtype=float)) or "none"
        raise InputError(
            "DWI_BVALUES",
            f"b-values {found} s/mm2, of which {len(chosen)} may be used",
            expected="at least two distinct b-values",
            action="give DWI with two or more b-values, or an ADC map",
        )
    for volume in chosen[1:]:
        if not volume.grid.same_as(chosen[0].grid):
            raise GeometryError(
                "DWI_GRID",
                f"b {volume.b_s_per_mm2:g} lies on another grid than b "
                f"{chosen[0].b_s_per_mm2:g}: {chosen[0].grid.difference(volume.grid)}",
                expected="all b-values on one grid",
            )
    return chosen


def _check_overflow(images: NDArray[np.float32]) -> None:
    """Refuse integers that wrapped: strongly negative voxels beside near-maximal ones (A06)."""
    for image in images:
        low, high = float(image.min()), float(image.max())
        if low >= -0.1 * high:  # interpolation undershoots by less
            continue
        peaks = ndimage.maximum_filter(image, size=3)
        wrapped = np.count_nonzero((image < -0.1 * high) & (peaks > 0.5 * high))
        if wrapped or high <= 0:
            raise InputError(
                "DWI_OVERFLOW",
                f"{wrapped} voxels down to {low:g} beside the maximum {high:g}",
                expected="magnitudes of 0 and above",
                action="export the series again without the integer overflow",
            )


def _check_order(images: NDArray[np.float32], b: NDArray[np.float64]) -> None:
    """Refuse a median signal in the body that rises with b (A07)."""
    brightest = images.max(axis=0)  # finds the body whichever image carries the low b-value
    inside = brightest > body_threshold(brightest)
    if inside.mean() < 0.01:  # specks are no body to judge by
        return
    medians = [float(np.median(image[inside])) for image in images]
    rises = [i for i in range(len(b) - 1) if b[i + 1] > b[i] and medians[i + 1] > medians[i] * 1.05]
    if rises or medians[-1] > medians[0]:
        i, j = (rises[0], rises[0] + 1) if rises else (0, len(b) - 1)
        raise InputError(
            "DWI_B_ORDER",
            f"the body is brighter at b {b[j]:g} (median {medians[j]:.4g}) "
            f"than at b {b[i]:g} (median {medians[i]:.4g})",
            expected="signal that falls as b rises",
            action="check the b-values given for these images",
        )


def _sigma(
    images: NDArray[np.float32], threshold: float, settings: FitAdc
) -> tuple[float, tuple[Note, ...]]:
    """Noise level of the highest b, or 0 with a warning where there is no air to read it from."""
    if settings.noise_sigma is not None:
        return settings.noise_sigma, ()
    found = noise_level(images[0], images[-1], threshold)
    if found is not None:
        return found, ()
    warning = Note(
        NoteKind.WARNING,
        "DWI_NOISE_UNKNOWN",
        "no air in the field of view to read the noise level from",
        expected="some air around the patient",
        action="give noise_sigma; until then only voxels without signal count as unreliable",
    )
    return 0.0, (warning,)


def _log_linear(
    signal: NDArray[np.float32],
    b: NDArray[np.float64],
    excluded: NDArray[np.bool_],
    adc_max_um2_per_s: float,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], int]:
    """S0, ADC (1e-6 mm2/s), RMS residual of ln S, and how many ADC values were clipped."""
    design = np.stack([np.ones_like(b), -b * 1e-6], axis=1)
    complement = np.linalg.svd(design / np.linalg.norm(design, axis=0))[0][:, 2:]
    solve = np.vstack([np.linalg.pinv(design), complement.T]).astype(np.float32)
    s0, adc, residual = np.zeros((3, signal.shape[1]), dtype=np.float32)
    clipped = 0
    for start in range(0, signal.shape[1], _BLOCK):
        block = slice(start, start + _BLOCK)
        kept = ~excluded[block]
        solution = solve @ np.log(np.maximum(signal[:, block], np.float32(1e-20)))
        ln_s0, fitted, rest = solution[0], solution[1], solution[2:]
        limited = np.clip(fitted, 0, adc_max_um2_per_s)
        clipped += int(np.count_nonzero((limited != fitted) & kept))
        adc[block] = limited * kept
        s0[block] = np.exp(np.minimum(ln_s0, _LN_MAX)) * kept
        residual[block] = np.sqrt((rest * rest).sum(axis=0) / np.float32(len(b))) * kept
    return s0, adc, residual, clipped


def _words(b: NDArray[np.float64]) -> str:
    return ", ".join(f"{value:g}" for value in b)
