"""MR signal: turbo spin echo T2 and diffusion-weighted EPI, texture, coil sensitivity, noise.

What: the signal equations of the phantom, and what lies between the ideal signal and a magnitude
image. Distortion of EPI is in `radresp.phantom.epi`, storing in `radresp.phantom.protocol`.
Source: ``docs/reference/clinical.md`` 2.1 (equations, TR and TE of the reference scanners);
Gudbjartsson and Patz, Magn Reson Med 1995;34:910-914 (Rician noise); Roemer et al., Magn Reson
Med 1990;16:192-225 (sum of squares of an array).
When: turning painted tissue into images.

Whatever differs in its last bit between processors (exp, log, sums) is computed in double
precision and then rounded, so that images do not depend on the machine.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radresp.core import Grid
from radresp.phantom.geometry import Points
from radresp.phantom.protocol import Protocol, reference_protocol
from radresp.phantom.tissue import Properties

_LATTICE = 64  # nodes along each edge of the texture lattice; it repeats beyond
_NODE_MM = 2.0
# Centres of the receive elements around the pelvis (mm from its middle; x, y, z) and their reach.
_ELEMENTS_MM = tuple((x, y, z) for y in (-150, 140) for z in (-70, 70) for x in (-80, 80))
_ELEMENT_REACH_MM = 110.0


def t2_signal(tissue: Properties, scanner: Protocol | float) -> NDArray[np.float64]:
    """T2-weighted turbo-spin-echo signal of every label, 0 to 1.

    Parameters
    ----------
    tissue : Properties
        Properties at the field strength of the scanner.
    scanner : Protocol or float
        The scanner; a field strength (T) stands for its reference scanner.

    Examples
    --------
    >>> from radresp.phantom.tissue import Label, properties
    >>> signal = t2_signal(properties(1.5), 1.5)
    >>> round(float(signal[Label.TUMOUR] / signal[Label.MUSCLE]), 2)
    2.74
    """
    protocol = _protocol(scanner)
    return _spin_echo(tissue, protocol.t2_tr_ms, protocol.t2_te_ms)


def dwi_signal(
    tissue: Properties, scanner: Protocol | float, b_s_per_mm2: float
) -> NDArray[np.float64]:
    """Fat-suppressed diffusion-weighted signal of every label, 0 to 1.

    Parameters
    ----------
    tissue : Properties
        Properties at the field strength of the scanner.
    scanner : Protocol or float
        The scanner; a field strength (T) stands for its reference scanner.
    b_s_per_mm2 : float
        The b-value.
    """
    protocol = _protocol(scanner)
    at_b0 = _spin_echo(tissue, protocol.dwi_tr_ms, protocol.dwi_te_ms) * tissue.visible_fraction
    faded: NDArray[np.float64] = at_b0 * np.exp(-b_s_per_mm2 * tissue.adc_um2_per_s * 1e-6)
    return faded


def _protocol(scanner: Protocol | float) -> Protocol:
    return scanner if isinstance(scanner, Protocol) else reference_protocol(scanner)


def _spin_echo(tissue: Properties, tr_ms: float, te_ms: float) -> NDArray[np.float64]:
    recovered = 1 - np.exp(-tr_ms / tissue.t1_ms)
    signal: NDArray[np.float64] = recovered * np.exp(-te_ms / tissue.t2_ms)
    return tissue.proton_density * signal


def texture_lattice(rng: np.random.Generator) -> NDArray[np.float32]:
    """Smooth random values, mean 0 and SD 1, on a lattice with 2-mm nodes that repeats.

    The correlation length is about 3 mm. The lattice belongs to the patient, so tissue keeps its
    pattern from visit to visit.
    """
    white = rng.standard_normal((_LATTICE,) * 3, dtype=np.float32)
    smooth: NDArray[np.float32] = ndimage.gaussian_filter(white, 0.8, mode="wrap")
    smooth /= np.float32(smooth.std(dtype=np.float64))
    return smooth


def texture(lattice: NDArray[np.float32], points: Points) -> NDArray[np.float32]:
    """The lattice seen at points.

    Parameters
    ----------
    lattice : numpy.ndarray
        From `texture_lattice`.
    points : tuple of numpy.ndarray
        x, y and z in anatomical mm, after the deformation, each of any one shape.

    Returns
    -------
    numpy.ndarray
        Of the shape of the points.
    """
    where = np.stack(points[::-1])
    where /= np.float32(_NODE_MM)
    pattern: NDArray[np.float32] = ndimage.map_coordinates(
        lattice, where, np.float32, order=1, mode="grid-wrap"
    )
    return pattern


def coil_field(rng: np.random.Generator, grid: Grid, amount: float) -> NDArray[np.float32]:
    """Sensitivity of eight receive elements around the patient, (z, y, x), 1 in the middle.

    Each element reaches as a loop does, with the third power of the distance; the sum of squares
    is brighter near the elements in front and behind. Normalisation by the scanner is what is left
    out by an amount below 1.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the places of the elements and their gains come from.
    grid : Grid
        Voxels; the elements lie around its centre.
    amount : float
        Exponent: 0 for a flat field, 1 for the bare array, about four times as bright at the skin
        as in the middle.
    """
    places = np.array(_ELEMENTS_MM) + rng.uniform(-15, 15, (len(_ELEMENTS_MM), 3))
    power = rng.uniform(0.8, 1.2, len(_ELEMENTS_MM)) ** 2
    places = np.stack([(places * axis).sum(axis=1) for axis in grid.axes.T], axis=1)
    x, y, z = (
        (np.arange(float(n)) - (n - 1) / 2) * mm
        for n, mm in zip(grid.size, grid.spacing_mm, strict=True)
    )
    here = np.zeros(1)
    middle = _sum_of_squares(places, power, (here, here, 0.0))
    field = np.empty(grid.size[::-1], np.float32)
    for k, height in enumerate(z):
        relative = _sum_of_squares(places, power, (x, y, height)) / middle
        field[k] = np.exp(0.5 * amount * np.log(relative))
    return field


def _sum_of_squares(
    places: NDArray[np.float64],
    power: NDArray[np.float64],
    plane: tuple[NDArray[np.float64], NDArray[np.float64], float],
) -> NDArray[np.float64]:
    """Squared sensitivity of all elements over a plane of columns, rows and one height, mm."""
    x, y, z = plane
    total = np.zeros((len(y), len(x)))
    for (cx, cy, cz), gain in zip(places / _ELEMENT_REACH_MM, power, strict=True):
        across, down = x / _ELEMENT_REACH_MM - cx, y / _ELEMENT_REACH_MM - cy
        beside = z / _ELEMENT_REACH_MM - cz
        away = (across * across + (1 + beside * beside)) + (down * down)[:, None]
        total += gain / (away * away * away)
    return total


def magnitude(
    signal: NDArray[np.float32], sigma: float, rng: np.random.Generator, averages: int = 1
) -> NDArray[np.float32]:
    """Magnitude of the signal with complex Gaussian noise: Rician, in air Rayleigh.

    Parameters
    ----------
    signal : numpy.ndarray
        Without noise.
    sigma : float
        SD of the noise of one average, in either channel.
    rng : numpy.random.Generator
        Where the noise comes from.
    averages : int
        Magnitudes that are averaged, as diffusion-weighted images are: noise becomes narrower, but
        the noise floor stays.
    """
    if sigma == 0:
        return signal
    total = np.zeros(signal.shape, np.float32)
    for _ in range(averages):
        real = rng.standard_normal(signal.shape, dtype=np.float32)
        real *= np.float32(sigma)
        real += signal
        real *= real
        imaginary = rng.standard_normal(signal.shape, dtype=np.float32)
        imaginary *= np.float32(sigma)
        imaginary *= imaginary
        real += imaginary
        total += np.sqrt(real, out=real)
    total /= np.float32(averages)
    return total
