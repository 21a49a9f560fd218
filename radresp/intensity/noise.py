"""The noise level of diffusion-weighted images, read from the air around the patient.

What: sigma of the complex noise. In air, magnitude images show Rayleigh noise of mean 1.2533
sigma. Air is looked for along the four in-plane edges of the image, and the darkest edge is taken:
fat-suppressed fat inside the body is nearly as dark, so intensity alone does not tell it from air.
Source: Gudbjartsson and Patz, Magn Reson Med 1995;34:910-914.
When: deciding which voxels of an ADC fit lie in the noise. Scanners that average magnitudes or
filter noise change its spread but hardly its mean, which is the floor that biases the ADC.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from radresp.intensity.body import blocks

_MEAN = 1.2533  # of the Rayleigh distribution for sigma = 1
_STRIP = 2  # blocks
_FEWEST = 10  # blocks
_EDGES = (
    np.s_[:, :_STRIP],
    np.s_[:, -_STRIP:],
    np.s_[:, :, :_STRIP],
    np.s_[:, :, -_STRIP:],
)


def noise_level(
    low_b: NDArray[np.float32], high_b: NDArray[np.float32], threshold: float
) -> float | None:
    """Sigma of the noise in the high-b image, or None where there is no air to read it from.

    Parameters
    ----------
    low_b, high_b : numpy.ndarray
        Images of the lowest and highest b-value on one grid, (z, y, x).
    threshold : float
        Body threshold of the low-b image.

    Returns
    -------
    float or None
        In image units.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> low, high = rng.rayleigh(5, (2, 10, 60, 60))
    >>> low[:, 20:40, 20:40] += 300
    >>> round(noise_level(low, high, 50.0), 1)
    5.0
    """
    low, high = blocks(low_b), blocks(high_b)
    edges = [level for at in _EDGES if (level := _level(low[at], high[at])) is not None]
    means = low.mean(axis=-1)
    body = means > threshold
    if not edges or not body.any():
        return None
    air_low, air_high = min(edges)
    # Air is far darker than tissue and, being noise, does not fade with b; dark tissue does.
    if np.median(means[body]) < 3 * air_low or air_high < 0.7 * air_low:
        return None
    return air_high / _MEAN


def lift(signal: NDArray[Any], sigma: NDArray[Any] | float) -> NDArray[Any]:
    """By how much Rician noise lifts the mean magnitude of a signal.

    Parameters
    ----------
    signal : numpy.ndarray
        Without noise, 0 or more, any shape.
    sigma : numpy.ndarray or float
        Of the noise, above 0, in the unit of the signal.

    Returns
    -------
    numpy.ndarray
        In the unit of the signal: 1.2533 sigma where there is none, next to nothing where it is
        many sigma (Gudbjartsson and Patz 1995).

    Examples
    --------
    >>> lift(np.array([0.0, 2.0, 10.0]), 1.0).round(3).tolist()
    [1.253, 0.272, 0.05]
    """
    power = signal * signal / (2 * sigma * sigma)
    half = power / 2
    mean = (1 + power) * special.i0e(half) + power * special.i1e(half)
    return _MEAN * sigma * mean - signal


def log_lift(snr: NDArray[Any]) -> NDArray[Any]:
    """By how much Rician noise lifts the mean logarithm of a magnitude.

    Parameters
    ----------
    snr : numpy.ndarray
        Signal without noise over sigma, above 0, any shape.

    Returns
    -------
    numpy.ndarray
        Half the exponential integral of ``snr^2 / 2`` (Lapidoth and Moser, IEEE Trans Inf Theory
        2003;49:2426-2467).

    Examples
    --------
    >>> log_lift(np.array([1.0, 2.0, 4.0])).round(4).tolist()
    [0.2799, 0.0245, 0.0]
    """
    return special.exp1(snr * snr / 2) / 2


def _level(low: NDArray[np.float32], high: NDArray[np.float32]) -> tuple[float, float] | None:
    """Typical block mean of both images along one edge, None where too little was measured."""
    # A block with exact zeros is padding that the scanner wrote, not measured air.
    measured = (low.min(axis=-1) > 0) & (high.min(axis=-1) > 0)
    if np.count_nonzero(measured) < _FEWEST:
        return None
    at_low, at_high = (float(np.median(b[measured].mean(axis=-1))) for b in (low, high))
    return at_low, at_high
