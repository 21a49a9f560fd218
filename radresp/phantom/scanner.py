"""The scanner: images of a patient on a grid, as a reader gets to see them, with ideal outlines.

What: samples the painted patient (`radresp.phantom.sampling`), turns tissue into signal, adds
texture, coil sensitivity and noise, distorts what echo-planar imaging distorts, and rounds to what
the vendor stores.
Source: signal equations in `radresp.phantom.physics`; off-resonance and distortion in
`radresp.phantom.offresonance` and `radresp.phantom.epi`; scanners in `radresp.phantom.protocol`.
When: imaging a synthetic patient at one visit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radresp.core import Grid
from radresp.phantom.epi import MAIN_PEAK_SHARE, EchoTrain, spread
from radresp.phantom.offresonance import FieldMap, draw_shim, field_map, on_nodes
from radresp.phantom.physics import coil_field, dwi_signal, magnitude, t2_signal, texture
from radresp.phantom.protocol import Protocol, Scaling
from radresp.phantom.sampling import Outlines, Sampler, Subject, core_of_muscle, pooled
from radresp.phantom.settings import PhantomSettings
from radresp.phantom.tissue import Label

__all__ = ["Scan", "Subject", "core_of_muscle", "off_resonance", "scan_dwi", "scan_t2"]

_RECEIVER = 0.2  # relative spread of gain and noise from visit to visit


@dataclass(frozen=True, slots=True)
class Scan:
    """Images on one grid with ideal outlines and the volume of every label.

    Parameters
    ----------
    grid : Grid
        Where the voxels lie.
    images : tuple of numpy.ndarray
        What a reader sees after decoding the stored integers, float32, (z, y, x); one, or one for
        each b-value.
    shares : mapping of str to numpy.ndarray
        Share of each voxel, 0 to 1, that is ``lesion``, ``lumen`` or ``muscle``, and every part of
        a treated bed by its name. They are where the tissue is, on DWI too; there ``shift_mm`` is
        how far towards higher y echo-planar imaging moves what is in a voxel.
    volume_ml : mapping of Label to float
        Volume of each lesion label in mL.
    scaling : Scaling
        How the vendor's integers become the images.
    """

    grid: Grid
    images: tuple[NDArray[np.float32], ...]
    shares: Mapping[str, NDArray[np.float32]]
    volume_ml: Mapping[Label, float]
    scaling: Scaling


def scan_t2(
    subject: Subject,
    grid: Grid,
    protocol: Protocol,
    settings: PhantomSettings,
    rng: np.random.Generator,
) -> Scan:
    """Image a subject by T2-weighted turbo spin echo.

    Parameters
    ----------
    subject : Subject
        Who is imaged.
    grid : Grid
        Voxels.
    protocol : Protocol
        The scanner.
    settings : PhantomSettings
        Samples, texture, coil, noise, variation.
    rng : numpy.random.Generator
        Coil, receiver and noise are drawn from its children.
    """
    for_coil, for_receiver, for_noise = rng.spawn(3)
    signal = t2_signal(subject.tissue, protocol)
    tables = _float32(signal, subject.tissue.texture * settings.texture)
    sampler = Sampler(
        subject,
        grid,
        settings.samples_in_plane,
        settings.samples_through_plane,
        protocol.t2_thickness_mm,
    )
    outlines, middles = Outlines(sampler), sampler.middles()
    image = np.zeros(grid.size[::-1], np.float32)
    for k in range(grid.size[2]):
        uneven = np.zeros(image.shape[1:], np.float32)
        for layer in sampler.layers(k, middles):
            index = layer.labels.astype(np.intp)
            for table, sums in zip(tables, (image[k], uneven), strict=True):
                sums[layer.window] += pooled(table.take(index), sampler.edge) * layer.weight
            outlines.add(k, layer)
        uneven *= texture(subject.lattices[0], sampler.points(k)) / np.float32(sampler.samples)
        image[k] *= (1 + uneven) / np.float32(sampler.samples)
    image *= coil_field(for_coil, grid, settings.coil)
    louder, cleaner = _receiver(for_receiver, settings)
    image *= np.float32(louder * protocol.gain_t2 / signal[Label.MUSCLE])
    tumour = protocol.gain_t2 * louder * signal[Label.TUMOUR] / signal[Label.MUSCLE]
    sigma = settings.noise * tumour / (cleaner * protocol.t2_snr)
    stored = protocol.stored(magnitude(image, sigma, for_noise))
    return Scan(grid, (stored.precise,), outlines.shares, outlines.volume_ml, stored.scaling)


def scan_dwi(
    subject: Subject,
    grid: Grid,
    protocol: Protocol,
    settings: PhantomSettings,
    rng: np.random.Generator,
) -> Scan:
    """Image a subject by fat-suppressed diffusion-weighted EPI, once for each b-value.

    Parameters
    ----------
    subject : Subject
        Who is imaged.
    grid : Grid
        Voxels; phase is encoded along y.
    protocol : Protocol
        The scanner.
    settings : PhantomSettings
        Samples, texture, coil, noise, variation, distortion.
    rng : numpy.random.Generator
        Coil, receiver, noise and shim are drawn from its children.
    """
    for_coil, for_receiver, for_noise, for_shim = rng.spawn(4)
    distortion = settings.distortion
    sampler = Sampler(
        subject,
        grid,
        settings.dwi_samples_in_plane,
        settings.samples_through_plane,
        protocol.dwi_thickness_mm,
    )
    middles = sampler.middles()
    field = off_resonance(sampler, middles, draw_shim(for_shim), distortion)
    train = EchoTrain(protocol, field, grid, distortion)
    coil = coil_field(for_coil, grid, settings.coil)
    images, outlines = _distorted(sampler, middles, train, coil, settings.texture)
    at_b0 = dwi_signal(subject.tissue, protocol, 0.0)
    louder, cleaner = _receiver(for_receiver, settings)
    images *= np.float32(louder * protocol.gain_dwi / at_b0[Label.MUSCLE])
    tumour = protocol.gain_dwi * louder * at_b0[Label.TUMOUR] / at_b0[Label.MUSCLE]
    averages = protocol.dwi_averages
    sigma = settings.noise * tumour * np.sqrt(averages[0]) / (cleaner * protocol.dwi_snr)
    noisy = [
        magnitude(b, float(sigma), for_noise, n) for b, n in zip(images, averages, strict=True)
    ]
    stored = protocol.stored(np.stack(noisy))
    return Scan(
        grid,
        tuple(stored.precise),
        outlines.shares | {"shift_mm": train.shift_mm()},
        outlines.volume_ml,
        stored.scaling,
    )


def off_resonance(
    sampler: Sampler,
    middles: list[NDArray[np.uint8]],
    shim: NDArray[np.float64],
    factor: float = 1.0,
) -> FieldMap:
    """The field of the gas in a subject and a residual shim, in the frame of a grid.

    Parameters
    ----------
    sampler : Sampler
        Of the grid.
    middles : list of numpy.ndarray
        From its `Sampler.middles`. Gas in the first and last slice is taken to go on beyond them.
    shim : numpy.ndarray
        From `radresp.phantom.offresonance.draw_shim`.
    factor : float
        On the field; 0 for none.
    """
    grid = sampler.grid
    gas = [labels == Label.GAS for labels in middles]
    share, first_mm = on_nodes(gas, grid.spacing_mm, sampler.edge)
    # The main field runs along the patient, z of the scanner.
    return field_map(share, first_mm, grid.axes[2], shim, factor)


def _distorted(
    sampler: Sampler,
    middles: list[NDArray[np.uint8]],
    train: EchoTrain,
    coil: NDArray[np.float32],
    uneven: float,
) -> tuple[NDArray[np.float32], Outlines]:
    """Images without noise, (b, z, y, x), and where everything truly is."""
    subject, edge, shape = sampler.subject, sampler.edge, sampler.grid.size[::-1]
    b_values, tissue = np.array(train.protocol.b_values_s_per_mm2), subject.tissue
    signal = np.stack([dwi_signal(tissue, train.protocol, b) for b in b_values])
    moved = np.zeros(len(Label))
    moved[Label.FAT] = MAIN_PEAK_SHARE
    water, fat = _float32(signal * (1 - moved), signal * moved)
    tables = _float32(tissue.texture * uneven, tissue.adc_um2_per_s * 1e-6)
    outlines, images = Outlines(sampler), np.empty((len(b_values), *shape), np.float32)
    for k in range(shape[0]):
        layers = list(sampler.layers(k, middles))
        amount, adc = np.zeros((2, *shape[1:]), np.float32)
        for layer in layers:
            outlines.add(k, layer)
            for table, sums in zip(tables, (amount, adc), strict=True):
                sums[layer.window] += pooled(table.take(layer.labels), edge) * layer.weight
        amount /= np.float32(sampler.samples)
        adc /= np.float32(sampler.samples)
        places = sampler.points(k)
        bright = 1 + amount * texture(subject.lattices[0], places)
        bright *= coil[k] * train.left(k, sampler.thickness_mm)
        faster = adc * amount * texture(subject.lattices[1], places)
        look = bright * np.exp(-b_values[:, None, None] * faster.astype(float)).astype(np.float32)
        total, main_peak = np.zeros((len(b_values), *shape[1:])), np.zeros_like(look)
        for layer in layers:
            rows, columns = layer.window
            here = look[:, rows, columns] * layer.weight
            seen = water.take(layer.labels, axis=1)
            seen *= here.repeat(edge, axis=1).repeat(edge, axis=2)
            total[..., columns] += train.move(layer.at, layer.window, seen, edge)
            for peak, table, part in zip(main_peak, fat, here, strict=True):
                peak[rows, columns] += pooled(table.take(layer.labels), edge) * part
        total += train.move_fat(k, main_peak)
        images[:, k] = spread(total / sampler.samples, min(1.0, train.factor))
    return images, outlines


def _float32(*tables: NDArray[np.float64]) -> list[NDArray[np.float32]]:
    return [table.astype(np.float32) for table in tables]


def _receiver(rng: np.random.Generator, settings: PhantomSettings) -> tuple[float, float]:
    """How loud and how clean this measurement is, around 1."""
    louder, cleaner = 1 + settings.variation * _RECEIVER * rng.uniform(-1, 1, 2)
    return float(louder), float(cleaner)
