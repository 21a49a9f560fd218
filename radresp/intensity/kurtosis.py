"""Kurtosis: how far the decay of high b-values bends away from a straight line.

What: ``ln S(b) = ln S0 - b D + b^2 D^2 K / 6``: D is the diffusion at b = 0, K its excess kurtosis,
a sign of barriers such as dense cells. Weighted least squares of the logarithm (linear in D and
D^2 K), then least squares of the signal within bounds.
Source: Jensen et al., Magn Reson Med 2005;53:1432-1440; weights: Veraart et al., Neuroimage
2013;81:335-346.
When: the protocol has at least three b-values, one of them 1500 s/mm2 or more. The noise floor at
such b-values looks like kurtosis, so what noise adds to the expected signal is taken off.

D is a diffusion coefficient in 1e-6 mm2/s and so an ADC volume; K has no unit and is an array.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from radresp.core import Note, NoteKind, Sequence, Settings, Step, Unit, Volume
from radresp.errors import InputError
from radresp.intensity.dwi_stack import Stack, stack
from radresp.intensity.least_squares import Model, Numbers, fit_bounded
from radresp.intensity.noise import lift

FEWEST = 3
HIGH_B_S_PER_MM2 = 1500.0
_LOW = np.array([0.0, 0.05, 0.0])  # S0, D in 1e-3 mm2/s, K
_HIGH = np.array([3.0, 5.0, 3.0])
_ROUNDS = 2  # fits until expectation and fit agree


class FitKurtosis(Settings):
    """Settings of the kurtosis fit."""

    b_min_s_per_mm2: float = Field(
        0.0, ge=0, le=400, description="Smallest b-value used, s/mm2; 150 keeps perfusion out."
    )
    correct_noise: bool = Field(
        True, description="Take off what noise adds to the signal on average."
    )
    noise_sigma: float | None = Field(
        None, ge=0, description="Noise level in image units; read from air when not given."
    )


@dataclass(frozen=True, slots=True)
class KurtosisFit:
    """Maps of the kurtosis model; 0 outside the body.

    Parameters
    ----------
    d : Volume
        Diffusion at b = 0, 1e-6 mm2/s.
    k : numpy.ndarray
        Excess kurtosis, 0 to 3, (z, y, x), no unit.
    step : Step
        What was done.
    """

    d: Volume
    k: NDArray[np.float32]
    step: Step


def fit_kurtosis(dwi: tuple[Volume, ...], settings: FitKurtosis | None = None) -> KurtosisFit:
    """Fit the kurtosis model to diffusion-weighted volumes.

    Parameters
    ----------
    dwi : tuple of Volume
        DWI volumes on one grid, in any order.
    settings : FitKurtosis, optional
        Defaults when not given.

    Returns
    -------
    KurtosisFit
        D, K and the step.

    Raises
    ------
    InputError
        ``DWI_BVALUES`` when no b-value is high enough; and as `radresp.intensity.fit_adc`.
    GeometryError
        ``DWI_GRID`` when the volumes lie on different grids.

    Examples
    --------
    >>> from radresp.core import Grid
    >>> def volume(b):
    ...     signal = 500 * np.exp(-b * 1.2e-3 + (b * 1.2e-3) ** 2 * 0.9 / 6)
    ...     return Volume.from_array(
    ...         np.full((2, 2, 2), signal), Grid((2, 2, 2), (2, 2, 4)), Sequence.DWI, b_s_per_mm2=b)
    >>> fit = fit_kurtosis(tuple(volume(b) for b in (0.0, 500.0, 1000.0, 1500.0)))
    >>> round(float(fit.k.mean()), 2), round(float(fit.d.array.mean()))
    (0.9, 1200)
    """
    started = perf_counter()
    settings = settings or FitKurtosis()
    chosen = stack(dwi, b_min_s_per_mm2=settings.b_min_s_per_mm2)
    _check_protocol(chosen)
    sigma, notes = chosen.sigma(settings.noise_sigma) if settings.correct_noise else (0.0, ())
    body = (chosen.signal[0] >= chosen.threshold) & (chosen.signal.min(axis=0) > 0)
    scale = chosen.signal[0, body]
    signal = chosen.signal[:, body]
    found = _fit((signal / scale).T, chosen.b, sigma / scale[:, None].astype(float))
    note = Note(
        NoteKind.INFO,
        "KURTOSIS_FIT",
        f"b-values {chosen.words} s/mm2, noise level {sigma:.3g}; "
        f"{np.count_nonzero(body)} of {body.size} voxels fitted",
    )
    maps = np.zeros((2, body.size), np.float32)
    maps[:, body] = found[:, 1:].T
    d, k = (values.reshape(chosen.grid.size[::-1]) for values in maps)
    seconds = perf_counter() - started
    made_with = settings.model_dump(mode="json")
    return KurtosisFit(
        Volume.from_array(d * 1000, chosen.grid, Sequence.ADC, Unit.UM2_PER_S),
        k,
        Step("intensity", "fit_kurtosis", made_with, seconds, (note, *notes)),
    )


def _check_protocol(chosen: Stack) -> None:
    distinct = np.unique(chosen.b)
    if len(distinct) < FEWEST or distinct[-1] < HIGH_B_S_PER_MM2:
        raise InputError(
            "DWI_BVALUES",
            f"b-values {chosen.words} s/mm2 for kurtosis",
            expected=f"at least {FEWEST}, the highest {HIGH_B_S_PER_MM2:g} s/mm2 or more",
            action="fit an ADC instead",
        )


def _fit(signal: NDArray[np.float32], b: NDArray[np.float64], sigma: Numbers) -> Numbers:
    """S0, D and K of every voxel, (voxels, 3); noise as a share of each voxel's scale."""
    model = _model(b)
    found = fit_bounded(signal, model, _weighted(signal, b), _LOW, _HIGH)
    for _ in range(_ROUNDS if sigma.any() else 0):
        clean = signal - lift(model(found)[0], sigma)
        found = fit_bounded(clean, model, found, _LOW, _HIGH)
    return found


def _weighted(signal: NDArray[np.float32], b: NDArray[np.float64]) -> Numbers:
    """S0, D (1e-3 mm2/s) and K of weighted parabolas, (voxels, 3), as a start."""
    per_mm2 = 1e-3 * b
    design = np.stack([np.ones_like(b), -per_mm2, per_mm2 * per_mm2 / 6], axis=1)
    weight = signal.astype(float) ** 2
    logs = np.log(np.maximum(signal, np.float32(1e-6))).astype(float)
    normal = np.einsum("bp,nb,bq->npq", design, weight, design, optimize=True)
    normal += 1e-9 * np.eye(3)
    right = (weight * logs) @ design
    ln_s0, d, bend = np.linalg.solve(normal, right[..., None])[..., 0].T
    d = np.clip(d, _LOW[1], _HIGH[1])
    return np.stack([np.exp(np.clip(ln_s0, -5, 1)), d, bend / (d * d)], axis=1)


def _model(b: NDArray[np.float64]) -> Model:
    per_mm2 = 1e-3 * b
    square = per_mm2 * per_mm2 / 6

    def signal(found: Numbers) -> tuple[Numbers, Numbers]:
        s0, d, k = (column[:, None] for column in found.T)
        shape = np.exp(np.minimum(-per_mm2 * d + square * d * d * k, 5.0))
        slopes = np.stack(
            [shape, s0 * shape * (-per_mm2 + 2 * square * d * k), s0 * shape * square * d * d],
            axis=2,
        )
        return s0 * shape, slopes

    return signal
