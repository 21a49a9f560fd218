"""The scanner: samples a patient on a grid and returns stored images and ideal outlines.

What: every voxel is the mean over sample points in its plane (and, if asked, through the slice),
so partial volume is real; texture, coil field, noise and rounding to integers follow.
Source: signal equations in `radresp.phantom.physics`.
When: imaging a synthetic patient at one visit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radresp.core import Grid
from radresp.phantom.anatomy import Anatomy, muscle_core
from radresp.phantom.geometry import Plane
from radresp.phantom.lesion import Lesion
from radresp.phantom.physics import coil_field, dwi_signal, magnitude, t2_signal, texture
from radresp.phantom.settings import PhantomSettings
from radresp.phantom.tissue import Label, Properties

_WHITE = 4095  # scanners store 12 bits


@dataclass(frozen=True, slots=True)
class Subject:
    """A patient at one visit, as the scanner meets them.

    Parameters
    ----------
    anatomy, lesion : Anatomy, Lesion
        What there is, in anatomical mm.
    tissue : Properties
        How it looks.
    field_strength_t : float
        1.5 or 3.
    lattices : tuple of numpy.ndarray
        Texture of the signal and of diffusion.
    to_anatomy : numpy.ndarray
        4x4, LPS mm of the scanner to anatomical mm.
    """

    anatomy: Anatomy
    lesion: Lesion
    tissue: Properties
    field_strength_t: float
    lattices: tuple[NDArray[np.float32], NDArray[np.float32]]
    to_anatomy: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scan:
    """Images on one grid with ideal outlines and the volume of every label.

    Parameters
    ----------
    grid : Grid
        Where the voxels lie.
    images : tuple of numpy.ndarray
        Stored integers as float32, (z, y, x); one, or one for each b-value.
    shares : mapping of str to numpy.ndarray
        Share of each voxel, 0 to 1, that is ``lesion``, ``lumen`` or ``muscle``.
    volume_ml : mapping of Label to float
        Volume of each lesion label in mL.
    """

    grid: Grid
    images: tuple[NDArray[np.float32], ...]
    shares: Mapping[str, NDArray[np.float32]]
    volume_ml: Mapping[Label, float]


def scan_t2(
    subject: Subject, grid: Grid, settings: PhantomSettings, rng: np.random.Generator
) -> Scan:
    """Image a subject by T2-weighted turbo spin echo."""
    signal = t2_signal(subject.tissue, subject.field_strength_t)
    lumen = np.isin(np.arange(len(Label)), (Label.GEL, Label.GAS))
    tables = {
        "signal": signal,
        "texture": subject.tissue.texture,
        "lesion": np.arange(len(Label)) >= Label.TUMOUR,
        "lumen": lumen,
        "muscle": np.arange(len(Label)) == Label.MUSCLE,
    }
    seen, volume_ml = _sample(subject, grid, settings, settings.samples_in_plane, tables)
    shape = grid.size[::-1]
    pattern = settings.texture * seen["texture"]
    pattern *= texture(subject.lattices[0], subject.to_anatomy @ grid.affine, shape)
    image = seen["signal"] * (1 + pattern) * coil_field(rng, shape, settings.coil)
    gain = rng.uniform(110, 160) / signal[Label.MUSCLE]
    sigma = settings.noise * signal[Label.TUMOUR] / rng.uniform(*settings.t2_snr)
    shares = {name: seen[name] for name in ("lesion", "lumen", "muscle")}
    return Scan(grid, (_store(image, gain, sigma, rng),), shares, volume_ml)


def scan_dwi(
    subject: Subject, grid: Grid, settings: PhantomSettings, rng: np.random.Generator
) -> Scan:
    """Image a subject by fat-suppressed diffusion-weighted EPI, once for each b-value."""
    b_values = settings.b_values_s_per_mm2
    tissue, field = subject.tissue, subject.field_strength_t
    tables = {f"b{b:g}": dwi_signal(tissue, field, b) for b in b_values}
    tables |= {"texture": tissue.texture, "adc": tissue.adc_um2_per_s * 1e-6}
    # Three points per edge bring the sample distance of the larger voxels near that of T2.
    seen, volume_ml = _sample(subject, grid, settings, settings.samples_in_plane + 1, tables)
    shape, affine = grid.size[::-1], subject.to_anatomy @ grid.affine
    amount = settings.texture * seen["texture"]
    bright = (1 + amount * texture(subject.lattices[0], affine, shape)) * coil_field(
        rng, shape, settings.coil
    )
    faster = seen["adc"] * amount * texture(subject.lattices[1], affine, shape)
    at_b0 = dwi_signal(tissue, field, 0.0)
    gain = rng.uniform(150, 220) / at_b0[Label.MUSCLE]
    sigma = settings.noise * at_b0[Label.TUMOUR] / rng.uniform(*settings.dwi_snr)
    images = tuple(
        _store(seen[f"b{b:g}"] * bright * np.exp(-b * faster), gain, sigma, rng) for b in b_values
    )
    return Scan(grid, images, {}, volume_ml)


def core_of_muscle(subject: Subject, grid: Grid) -> NDArray[np.bool_]:
    """Voxels whose centre lies well inside the obturator internus, (z, y, x)."""
    affine = subject.to_anatomy @ grid.affine
    return np.stack([muscle_core(_plane(affine, grid, k, 1, 0.5)) for k in range(grid.size[2])])


def _store(
    signal: NDArray[np.float32], gain: float, sigma: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Magnitude with noise, as 12-bit integers."""
    noisy = magnitude(signal, sigma, rng) * np.float32(gain)
    stored: NDArray[np.float32] = np.rint(noisy).clip(0, _WHITE)
    return stored.astype(np.float32, copy=False)


def _sample(
    subject: Subject,
    grid: Grid,
    settings: PhantomSettings,
    edge: int,
    tables: Mapping[str, NDArray[np.generic]],
) -> tuple[dict[str, NDArray[np.float32]], dict[Label, float]]:
    """Mean over the sample points of every voxel of each table's value of their label."""
    layers = settings.samples_through_plane
    depths = (np.arange(layers) + 0.5) / layers
    affine = subject.to_anatomy @ grid.affine
    looked_up = {name: np.asarray(table, np.float32) for name, table in tables.items()}
    seen = {name: np.zeros(grid.size[::-1], np.float32) for name in tables}
    counts = np.zeros(len(Label))
    for k in range(grid.size[2]):
        for depth in depths:
            plane = _plane(affine, grid, k, edge, depth)
            labels = subject.anatomy.paint(plane)
            subject.lesion.paint(labels, plane, subject.anatomy.rectum)
            counts += np.bincount(labels[labels >= Label.TUMOUR], minlength=len(Label))
            for name, table in looked_up.items():
                seen[name][k] += _pooled(table[labels], edge)
    scale = np.float32(1 / (edge * edge * layers))
    for values in seen.values():
        values *= scale
    volume = counts * float(scale) * grid.voxel_volume_ml
    return seen, {label: float(volume[label]) for label in Label if label >= Label.TUMOUR}


def _plane(affine: NDArray[np.float64], grid: Grid, k: int, edge: int, depth: float) -> Plane:
    """The sample points of slice k at a depth from 0 (first face) to 1 (last face)."""
    first = 0.5 / edge - 0.5
    corner = affine @ np.array([first, first, k - 0.5 + depth, 1.0])
    return Plane(
        corner[:3],
        affine[:3, 1] / edge,
        affine[:3, 0] / edge,
        grid.size[1] * edge,
        grid.size[0] * edge,
    )


def _pooled(values: NDArray[np.float32], edge: int) -> NDArray[np.float32]:
    """Sums over square blocks of sample points."""
    rows = sum((values[i::edge] for i in range(1, edge)), values[::edge])
    return sum((rows[:, i::edge] for i in range(1, edge)), rows[:, ::edge])
