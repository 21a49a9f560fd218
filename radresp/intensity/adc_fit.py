"""ADC from diffusion-weighted images: mono-exponential least squares of the logarithm.

What: ``ln S(b) = ln S0 - b * ADC`` is fitted to every voxel at once, with equal weights or with
weights that undo what the logarithm does to noise (`radresp.intensity.adc_solve`).
Source: Le Bihan et al., Radiology 1986;161:401-407; noise floor of magnitude images: Gudbjartsson
and Patz, Magn Reson Med 1995;34:910-914.
When: whenever the DWI has at least two b-values; vendors' own maps differ by a few per cent
because they include imaging gradients or leave out b-values.

Perfusion: below about b = 150 s/mm2 flowing blood adds to the decay, so a fit that includes b = 0
gives a higher ADC than one from ``b_min_s_per_mm2=150`` upwards. By default all b-values are used,
as most vendors do; the b-values used are noted in the step and must agree across a cohort.

Noise: sigma is read from the air around the patient (`radresp.intensity.noise`). Where the high-b
signal is below ``noise_floor_snr`` sigma the noise floor pulls the ADC down, and the voxel is
called unreliable; where even the low-b signal is, the voxel is left out of the fit. ``noise`` may
also leave out single samples expected below the floor (``exclude``; it matters from three b-values
on) or take off what noise adds to the logarithm (``correct``). ``weighted`` with ``correct`` has
the least bias and nearly the least spread (``docs/reference/intensity.md``).
"""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from radresp.core import Note, NoteKind, Sequence, Settings, Step, Unit, Volume
from radresp.intensity.adc_solve import Solved, Weighing, log_linear, weighted
from radresp.intensity.dwi_stack import stack


class FitAdc(Settings):
    """Settings of the ADC fit."""

    method: Literal["linear", "weighted"] = Field(
        "linear",
        description="Least squares of the logarithm with equal weights, or weighted by the square "
        "of the expected signal.",
    )
    noise: Literal["keep", "exclude", "correct"] = Field(
        "keep",
        description="Samples below the noise floor: kept, left out (all but the two lowest "
        "b-values), or corrected for what noise adds on average.",
    )
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
    chosen = stack(dwi, settings.b_values_s_per_mm2, settings.b_min_s_per_mm2)
    sigma, noise_notes = chosen.sigma(settings.noise_sigma)
    signal = chosen.signal
    floor = settings.noise_floor_snr * sigma
    excluded = (signal[0] < floor) | (signal.min(axis=0) <= 0)
    unreliable = excluded | (signal[_highest_that_counts(chosen.b, settings)] < floor)
    body = signal[0] > chosen.threshold
    masked = int(np.count_nonzero(unreliable & body)) / max(int(np.count_nonzero(body)), 1)
    s0, adc, residual, clipped = _solve(signal, chosen.b, excluded, sigma, settings)
    note = Note(
        NoteKind.INFO,
        "ADC_FIT",
        f"b-values {chosen.words} s/mm2, noise level {sigma:.3g}; "
        f"{np.count_nonzero(excluded)} of {excluded.size} voxels left out, {clipped} clipped, "
        f"{100 * masked:.1f} % of the body unreliable",
    )
    seconds = perf_counter() - started
    notes = (note, *noise_notes)
    step = Step("intensity", "fit_adc", settings.model_dump(mode="json"), seconds, notes)
    grid, shape = chosen.grid, chosen.grid.size[::-1]
    return AdcFit(
        Volume.from_array(adc.reshape(shape), grid, Sequence.ADC, Unit.UM2_PER_S),
        Volume.from_array(s0.reshape(shape), grid, Sequence.DWI, b_s_per_mm2=0.0),
        residual.reshape(shape),
        unreliable.reshape(shape),
        masked,
        step,
    )


def _highest_that_counts(b: NDArray[np.float64], settings: FitAdc) -> int:
    """Index of the sample whose signal must stand above noise: the last one every fit rests on."""
    if settings.noise == "exclude":
        return int(np.searchsorted(b, np.unique(b)[1]))
    return -1


def _solve(
    signal: NDArray[np.float32],
    b: NDArray[np.float64],
    excluded: NDArray[np.bool_],
    sigma: float,
    settings: FitAdc,
) -> Solved:
    """The fit that was chosen."""
    most = settings.adc_max_um2_per_s
    if settings.method == "linear" and settings.noise == "keep":
        return log_linear(signal, b, excluded, most)
    weighing = Weighing(
        by_signal=settings.method == "weighted",
        floor=settings.noise_floor_snr * sigma if settings.noise == "exclude" else 0.0,
        sigma=sigma if settings.noise == "correct" else 0.0,
    )
    return weighted(signal, b, excluded, most, weighing)
