"""Solve the mono-exponential decay for all voxels at once, without a loop over voxels.

What: ``ln S(b) = ln S0 - b * ADC``. Unweighted, the pseudo-inverse of the design and an orthonormal
basis of its null space form one small matrix, so one matrix product gives S0, ADC and the residual
of 10^6 voxels. Weighted, the normal equations of every voxel are two by two and solved in closed
form; the weights are the squares of the signal a first fit expects, since the logarithm divides
noise by signal, and 0 where a sample shall not count.
Source: Salvador et al., Hum Brain Mapp 2005;24:144-155; Veraart et al., Neuroimage 2013;81:335-346.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from radresp.intensity.noise import log_lift

_BLOCK = 32_768  # voxels fitted at a time, so that the work stays in the processor's cache
_LN_MAX = 80.0  # ln S0 above this would overflow float32
_LEAST = np.float32(1e-20)
_NOTHING = np.zeros(1, np.float32)
_ROUNDS = 3
_LEAST_SNR = 0.5  # below it the logarithm of a magnitude tells nothing of the signal

Samples = NDArray[np.float32]


class Solved(NamedTuple):
    """A fit of every voxel; 0 where a voxel was left out.

    Parameters
    ----------
    s0, adc : numpy.ndarray
        Signal at b = 0 and ADC, 1e-6 mm2/s, (voxels,).
    residual : numpy.ndarray
        Root mean square residual of ln S, (voxels,).
    clipped : int
        How many ADC values were out of range.
    """

    s0: Samples
    adc: Samples
    residual: Samples
    clipped: int


@dataclass(frozen=True, slots=True)
class Weighing:
    """What counts how much in a fit, judged by the signal the fit before it expects.

    The measured signal must not decide: leaving out what noise pushed below a floor, and keeping
    what it pushed above, would bend the line upwards.

    Parameters
    ----------
    by_signal : bool
        Weigh by the square of the expected signal; all that count alike otherwise.
    floor : float
        Samples expected below it do not count, but for those of the two lowest b-values.
    sigma : float
        Of Rician noise, which lifts the mean logarithm of a magnitude; what it lifts is taken off.
        0 takes nothing off.
    """

    by_signal: bool = True
    floor: float = 0.0
    sigma: float = 0.0

    @property
    def rounds(self) -> int:
        """How many fits it takes until expectation and fit agree."""
        return 1 if self.sigma == 0 else _ROUNDS

    def weight(self, expected: Samples, b: NDArray[np.float64]) -> Samples:
        """Weights from the expected logarithm of the signal, both (b, voxels)."""
        relative = expected - expected[:1]
        weight = np.exp(2 * relative) if self.by_signal else np.ones_like(expected)
        if self.floor > 0:
            always = (b <= np.unique(b)[1])[:, None]
            weight *= (expected >= np.float32(np.log(self.floor))) | always
        return weight

    def rise(self, expected: Samples) -> Samples:
        """By how much noise lifts the logarithm of the signal, on average."""
        if self.sigma == 0:
            return _NOTHING
        ratio = expected - np.float32(np.log(self.sigma))
        return log_lift(np.exp(np.maximum(ratio, np.float32(np.log(_LEAST_SNR)))))


def log_linear(
    signal: Samples, b: NDArray[np.float64], excluded: NDArray[np.bool_], adc_max_um2_per_s: float
) -> Solved:
    """Fit every voxel with equal weights.

    Parameters
    ----------
    signal : numpy.ndarray
        (b, voxels).
    b : numpy.ndarray
        b-values, s/mm2.
    excluded : numpy.ndarray
        Voxels left out.
    adc_max_um2_per_s : float
        Largest ADC kept.
    """
    design = np.stack([np.ones_like(b), -b * 1e-6], axis=1)
    complement = np.linalg.svd(design / np.linalg.norm(design, axis=0))[0][:, 2:]
    solve = np.vstack([np.linalg.pinv(design), complement.T]).astype(np.float32)
    s0, adc, residual = np.zeros((3, signal.shape[1]), dtype=np.float32)
    clipped = 0
    for start in range(0, signal.shape[1], _BLOCK):
        block = slice(start, start + _BLOCK)
        kept = ~excluded[block]
        solution = solve @ np.log(np.maximum(signal[:, block], _LEAST))
        ln_s0, fitted, rest = solution[0], solution[1], solution[2:]
        limited = np.clip(fitted, 0, adc_max_um2_per_s)
        clipped += int(np.count_nonzero((limited != fitted) & kept))
        adc[block] = limited * kept
        s0[block] = np.exp(np.minimum(ln_s0, _LN_MAX)) * kept
        residual[block] = np.sqrt((rest * rest).sum(axis=0) / np.float32(len(b))) * kept
    return Solved(s0, adc, residual, clipped)


def weighted(
    signal: Samples,
    b: NDArray[np.float64],
    excluded: NDArray[np.bool_],
    adc_max_um2_per_s: float,
    weighing: Weighing,
) -> Solved:
    """Fit every voxel with weights, and with what is known of the noise.

    Parameters
    ----------
    signal : numpy.ndarray
        (b, voxels), b-values rising.
    b : numpy.ndarray
        b-values, s/mm2.
    excluded : numpy.ndarray
        Voxels left out.
    adc_max_um2_per_s : float
        Largest ADC kept.
    weighing : Weighing
        What counts how much.
    """
    per_mm2 = (b * 1e-3).astype(np.float32)[:, None]  # ADC in 1e-3 mm2/s keeps float32 exact
    s0, adc, residual = np.zeros((3, signal.shape[1]), dtype=np.float32)
    clipped = 0
    for start in range(0, signal.shape[1], _BLOCK):
        block = slice(start, start + _BLOCK)
        kept = ~excluded[block]
        logs = np.log(np.maximum(signal[:, block], _LEAST))
        weight, rise = np.ones_like(logs), _NOTHING
        ln_s0, slope = _line(logs, per_mm2, weight)
        for _ in range(weighing.rounds):
            expected = ln_s0 - per_mm2 * np.clip(slope, 0, adc_max_um2_per_s / 1000)
            weight, rise = weighing.weight(expected, b), weighing.rise(expected)
            ln_s0, slope = _line(logs - rise, per_mm2, weight)
        limited = np.clip(slope * 1000, 0, adc_max_um2_per_s)
        clipped += int(np.count_nonzero((limited != slope * 1000) & kept))
        adc[block] = limited * kept
        s0[block] = np.exp(np.minimum(ln_s0, _LN_MAX)) * kept
        rest, counts = logs - rise - ln_s0 + per_mm2 * slope, weight > 0
        mean_square = (rest * rest * counts).sum(axis=0) / counts.sum(axis=0)
        residual[block] = np.sqrt(mean_square) * kept
    return Solved(s0, adc, residual, clipped)


def _line(logs: Samples, b: Samples, weight: Samples) -> tuple[Samples, Samples]:
    """Ln S0 and ADC (1e-3 mm2/s) of weighted lines; all (b, voxels), b of one column."""
    total = weight.sum(axis=0)
    middle = (weight * b).sum(axis=0) / total
    height = (weight * logs).sum(axis=0) / total
    across = b - middle
    slope = -(weight * across * logs).sum(axis=0) / (weight * across * across).sum(axis=0)
    return height + slope * middle, slope
