"""IVIM: diffusion of tissue and perfusion of its capillaries from many b-values.

What: ``S(b) = S0 * ((1 - f) * exp(-b D) + f * exp(-b D*))``: D is the diffusion of tissue, f the
share of signal from flowing blood, D* how fast that share fades. Segmented: D from the b-values at
which blood no longer counts, f from where that line meets b = 0, D* from the rest. ``bounded`` goes
on from there with least squares over all four within bounds.
Source: Le Bihan et al., Radiology 1988;168:497-505; segmented start and bounds: Luciani et al.,
Radiology 2008;249:891-899.
When: the protocol has at least four b-values with two below 200 s/mm2 (one may be 0). D* is noisy
below a signal-to-noise ratio of 100 and f biased at 30: ``docs/reference/intensity.md``.

D and D* are diffusion coefficients in 1e-6 mm2/s and so ADC volumes like any other. f has no unit
and no region is drawn on it; it is an array, so that no new word is needed for a sequence.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from radresp.core import Note, NoteKind, Sequence, Settings, Step, Unit, Volume
from radresp.errors import InputError
from radresp.intensity.adc_solve import log_linear
from radresp.intensity.dwi_stack import Stack, stack
from radresp.intensity.least_squares import Model, Numbers, fit_bounded

FEWEST, FEWEST_LOW = 4, 2
LOW_B_S_PER_MM2 = 200.0
_LOW = np.array([0.0, 0.0, 0.0, 4.0])  # S0, f, D, D*; the two in 1e-3 mm2/s
_HIGH = np.array([3.0, 0.6, 4.0, 200.0])
_CANDIDATES = np.geomspace(5.0, 200.0, 16)  # D*, 1e-3 mm2/s


class FitIvim(Settings):
    """Settings of the IVIM fit."""

    method: Literal["segmented", "bounded"] = Field(
        "segmented", description="Segmented, or bounded least squares starting from it."
    )
    b_split_s_per_mm2: float = Field(
        LOW_B_S_PER_MM2,
        ge=100,
        le=400,
        description="Smallest b-value at which perfusion no longer counts, s/mm2.",
    )


@dataclass(frozen=True, slots=True)
class IvimFit:
    """Maps of the IVIM model; 0 outside the body.

    Parameters
    ----------
    d, d_star : Volume
        Diffusion of tissue and pseudo-diffusion of blood, 1e-6 mm2/s.
    f : numpy.ndarray
        Perfusion fraction, 0 to 0.6, (z, y, x), no unit.
    step : Step
        What was done.
    """

    d: Volume
    f: NDArray[np.float32]
    d_star: Volume
    step: Step


def fit_ivim(dwi: tuple[Volume, ...], settings: FitIvim | None = None) -> IvimFit:
    """Fit the IVIM model to diffusion-weighted volumes.

    Parameters
    ----------
    dwi : tuple of Volume
        DWI volumes on one grid, in any order.
    settings : FitIvim, optional
        Defaults when not given.

    Returns
    -------
    IvimFit
        D, f, D* and the step.

    Raises
    ------
    InputError
        ``DWI_BVALUES`` when the protocol cannot tell perfusion from diffusion; and as
        `radresp.intensity.fit_adc`.
    GeometryError
        ``DWI_GRID`` when the volumes lie on different grids.

    Examples
    --------
    >>> from radresp.core import Grid
    >>> def volume(b):
    ...     signal = 500 * (0.9 * np.exp(-b * 1e-3) + 0.1 * np.exp(-b * 0.02))
    ...     return Volume.from_array(
    ...         np.full((2, 2, 2), signal), Grid((2, 2, 2), (2, 2, 4)), Sequence.DWI, b_s_per_mm2=b)
    >>> dwi = tuple(volume(b) for b in (0.0, 20.0, 50.0, 100.0, 200.0, 400.0, 800.0))
    >>> fit = fit_ivim(dwi, FitIvim(method="bounded"))
    >>> round(float(fit.f.mean()), 2), round(float(fit.d.array.mean()))
    (0.1, 1000)
    """
    started = perf_counter()
    settings = settings or FitIvim()
    chosen = stack(dwi)
    _check_protocol(chosen, settings)
    body = (chosen.signal[0] >= chosen.threshold) & (chosen.signal.min(axis=0) > 0)
    scale = chosen.signal[0, body]
    signal = (chosen.signal[:, body] / scale).T
    found = _segmented(signal, chosen.b, settings.b_split_s_per_mm2)
    if settings.method == "bounded":
        found = fit_bounded(signal, _model(chosen.b), found, _LOW, _HIGH)
    note = Note(
        NoteKind.INFO,
        "IVIM_FIT",
        f"b-values {chosen.words} s/mm2, perfusion below {settings.b_split_s_per_mm2:g}; "
        f"{np.count_nonzero(body)} of {body.size} voxels fitted",
    )
    shape = chosen.grid.size[::-1]
    maps = np.zeros((3, body.size), np.float32)
    maps[:, body] = found[:, 1:].T
    f, d, d_star = (values.reshape(shape) for values in maps)
    seconds = perf_counter() - started
    return IvimFit(
        Volume.from_array(d * 1000, chosen.grid, Sequence.ADC, Unit.UM2_PER_S),
        f,
        Volume.from_array(d_star * 1000, chosen.grid, Sequence.ADC, Unit.UM2_PER_S),
        Step("intensity", "fit_ivim", settings.model_dump(mode="json"), seconds, (note,)),
    )


def _check_protocol(chosen: Stack, settings: FitIvim) -> None:
    distinct = np.unique(chosen.b)
    low = np.count_nonzero(distinct < LOW_B_S_PER_MM2)
    high = np.count_nonzero(distinct >= settings.b_split_s_per_mm2)
    if len(distinct) < FEWEST or low < FEWEST_LOW or high < 2:
        raise InputError(
            "DWI_BVALUES",
            f"b-values {chosen.words} s/mm2 for IVIM",
            expected=f"at least {FEWEST}: {FEWEST_LOW} below {LOW_B_S_PER_MM2:g} and 2 from "
            f"{settings.b_split_s_per_mm2:g} s/mm2 on",
            action="fit an ADC instead",
        )


def _segmented(signal: NDArray[np.float32], b: NDArray[np.float64], split: float) -> Numbers:
    """S0 (of the lowest b), f, D and D* (1e-3 mm2/s), (voxels, 4); signal is (voxels, b)."""
    late = b >= split
    none = np.zeros(len(signal), dtype=bool)
    tissue = log_linear(np.ascontiguousarray(signal[:, late].T), b[late], none, 4000.0)
    d, at_zero = tissue.adc.astype(float) / 1000, tissue.s0.astype(float)
    early = b < split
    rest = signal[:, early] - at_zero[:, None] * np.exp(-1e-3 * d[:, None] * b[early])
    blood, d_star = _blood(rest, b[early])
    s0 = np.maximum(at_zero + blood, 1e-6)
    return np.clip(np.stack([s0, blood / s0, d, d_star], axis=1), _LOW, _HIGH)


def _blood(rest: Numbers, b: NDArray[np.float64]) -> tuple[Numbers, Numbers]:
    """Amount at b = 0 and D* of the decay that explains the rest best, of a row of candidates."""
    shapes = np.exp(-1e-3 * _CANDIDATES[:, None] * b)
    amounts = np.maximum(rest @ shapes.T / (shapes * shapes).sum(axis=1), 0)
    gains = amounts * amounts * (shapes * shapes).sum(axis=1)
    best = gains.argmax(axis=1)
    return amounts[np.arange(len(rest)), best], _CANDIDATES[best]


def _model(b: NDArray[np.float64]) -> Model:
    per_mm2 = 1e-3 * b

    def signal(found: Numbers) -> tuple[Numbers, Numbers]:
        s0, f, d, d_star = (column[:, None] for column in found.T)
        tissue, blood = np.exp(-d * per_mm2), np.exp(-d_star * per_mm2)
        shape = (1 - f) * tissue + f * blood
        slopes = np.stack(
            [
                shape,
                s0 * (blood - tissue),
                -s0 * (1 - f) * per_mm2 * tissue,
                -s0 * f * per_mm2 * blood,
            ],
            axis=2,
        )
        return s0 * shape, slopes

    return signal
