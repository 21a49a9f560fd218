"""MR signal: turbo spin echo T2 and diffusion-weighted EPI, coil field, noise, scanner integers.

What: the signal equations of the phantom and everything between the ideal signal and a stored
magnitude image.
Source: ``docs/reference/clinical.md`` 2.1 (equations, TR and TE); Gudbjartsson and Patz, Magn
Reson Med 1995;34:910-914 (Rician noise).
When: turning painted tissue into images. EPI distortion and signal loss beside gas are not
modelled yet.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radresp.phantom.tissue import Properties

_LATTICE = 64  # nodes along each edge of the texture lattice; it repeats beyond
_NODE_MM = 2.0


@dataclass(frozen=True, slots=True)
class Timing:
    """Repetition and echo time, ms."""

    tr_ms: float
    te_ms: float


T2_TIMING = {1.5: Timing(4000, 100), 3.0: Timing(4500, 100)}
DWI_TIMING = {1.5: Timing(5000, 75), 3.0: Timing(5000, 65)}


def timing(field_strength_t: float) -> dict[str, float]:
    """Repetition and echo times of both sequences, ms, by name."""
    t2, dwi = T2_TIMING[field_strength_t], DWI_TIMING[field_strength_t]
    return {
        "t2_tr_ms": t2.tr_ms,
        "t2_te_ms": t2.te_ms,
        "dwi_tr_ms": dwi.tr_ms,
        "dwi_te_ms": dwi.te_ms,
    }


def t2_signal(tissue: Properties, field_strength_t: float) -> NDArray[np.float64]:
    """T2-weighted turbo-spin-echo signal of every label, 0 to 1.

    Examples
    --------
    >>> from radresp.phantom.tissue import Label, properties
    >>> signal = t2_signal(properties(1.5), 1.5)
    >>> round(float(signal[Label.TUMOUR] / signal[Label.MUSCLE]), 2)
    2.74
    """
    return _spin_echo(tissue, T2_TIMING[field_strength_t])


def dwi_signal(
    tissue: Properties, field_strength_t: float, b_s_per_mm2: float
) -> NDArray[np.float64]:
    """Fat-suppressed diffusion-weighted signal of every label, 0 to 1."""
    at_b0 = _spin_echo(tissue, DWI_TIMING[field_strength_t]) * tissue.visible_fraction
    faded: NDArray[np.float64] = at_b0 * np.exp(-b_s_per_mm2 * tissue.adc_um2_per_s * 1e-6)
    return faded


def _spin_echo(tissue: Properties, times: Timing) -> NDArray[np.float64]:
    recovered = 1 - np.exp(-times.tr_ms / tissue.t1_ms)
    signal: NDArray[np.float64] = recovered * np.exp(-times.te_ms / tissue.t2_ms)
    return tissue.proton_density * signal


def texture_lattice(rng: np.random.Generator) -> NDArray[np.float32]:
    """Smooth random values, mean 0 and SD 1, on a lattice with 2-mm nodes that repeats.

    The correlation length is about 3 mm. The lattice belongs to the patient, so tissue keeps its
    pattern from visit to visit.
    """
    white = rng.standard_normal((_LATTICE,) * 3, dtype=np.float32)
    smooth: NDArray[np.float32] = ndimage.gaussian_filter(white, 0.8, mode="wrap")
    smooth /= smooth.std()
    return smooth


def texture(
    lattice: NDArray[np.float32], affine: NDArray[np.float64], shape: tuple[int, int, int]
) -> NDArray[np.float32]:
    """The lattice seen on a grid, ordered (z, y, x).

    Parameters
    ----------
    lattice : numpy.ndarray
        From `texture_lattice`.
    affine : numpy.ndarray
        4x4, voxel index (x, y, z) to anatomical mm.
    shape : tuple of int
        Of the result, (z, y, x).
    """
    matrix = affine[:3, :3][::-1, ::-1] / _NODE_MM
    offset = affine[:3, 3][::-1] / _NODE_MM
    pattern: NDArray[np.float32] = ndimage.affine_transform(
        lattice, matrix, offset, shape, np.float32, order=1, mode="grid-wrap"
    )
    return pattern


def coil_field(
    rng: np.random.Generator, shape: tuple[int, int, int], amount: float
) -> NDArray[np.float32]:
    """A smooth receive field around 1, brighter towards the coils in front and behind.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the draw comes from.
    shape : tuple of int
        (z, y, x).
    amount : float
        About the largest deviation from 1 towards the edges.
    """
    z, y, x = (np.linspace(-1, 1, n, dtype=np.float32) for n in shape)
    tilt = rng.uniform(-0.4, 0.4, 5)
    rise = rng.uniform(0.5, 1.0)
    log_field = (
        (tilt[0] * z + tilt[1] * z**2)[:, None, None]
        + (tilt[2] * y + rise * (y**2 - 0.33))[:, None]
        + tilt[3] * x
        + tilt[4] * (y[:, None] * x)
    )
    field: NDArray[np.float32] = np.exp(amount * log_field, dtype=np.float32)
    return field


def magnitude(
    signal: NDArray[np.float32], sigma: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Magnitude of the signal with complex Gaussian noise: Rician, in air Rayleigh."""
    if sigma == 0:
        return signal
    real = rng.standard_normal(signal.shape, dtype=np.float32)
    real *= sigma
    real += signal
    imaginary = rng.standard_normal(signal.shape, dtype=np.float32)
    imaginary *= sigma
    return np.hypot(real, imaginary, out=real)
