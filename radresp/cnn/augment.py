"""How training cases are varied: by what differs between patients, positions and scanners.

Position: left and right are swapped, both visits with their outlines are shifted, turned in plane
and bent together, and diffusion is displaced along phase encoding (y) by a field of its own at each
visit, as susceptibility does in EPI; its signal is piled up or thinned by the same field, ADC, a
ratio of signals, is not. All of it is one interpolation (linear, outlines nearest).

Signal: coil shading multiplies the signal of T2, and Rician noise is added to the magnitude of the
high b-value. Both images arrive centred (a z-score, or by their own patch), where a product
has no meaning; the darkest hundredth of the patch stands for no signal, and they are applied above
it. Contrast differs by visit and sequence: T2 has gain about its middle and gamma; the high b-value
gamma alone, for it is scaled by its own patch; ADC, which has a unit, gain of the value itself and
a quarter as large, for scanners agree on it within about 5 %.

A channel is taken away as a scan that was not made: it is marked as such. One image at least stays,
and so do the outlines.

Fields are smooth. They cannot exceed the size the plan gives, and their control points are so far
apart that they never fold.

Why not MONAI's transforms: they vary one image at a time, and one case of eight planes takes 9 ms
here on one thread, but ``Rand3DElastic`` 57 ms for one image, ``RandAffine`` 7 ms; they know of no
echo-planar distortion; and the size of ``RandBiasField`` is that of 20 coefficients of an exponent,
not of the shading. Noise is held to ``RandRicianNoise`` by a test.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from radresp.cnn.fields import Field, Floats, rician
from radresp.cnn.inputs import ADC_MIDDLE, ADC_SPREAD, PLANES, SEQUENCES, VISITS, Inputs
from radresp.cnn.samples import Vary
from radresp.cnn.settings import Augment

T2, DWI, ADC = (SEQUENCES.index(name) for name in ("t2", "dwi", "adc"))
MASK = PLANES.index("mask")
ADC_SHARE = 0.25
_LIMIT = 5.0
_KNOT_MM = 24.0
_SHADE_MM = 48.0


def augmentation(settings: Augment, spacing_mm: Sequence[float], size: Sequence[int]) -> Vary:
    """A function that varies cases.

    Parameters
    ----------
    settings : Augment
        What is varied, how often and how far.
    spacing_mm : sequence of three floats
        Voxel edges of the patch along x, y and z, mm.
    size : sequence of three ints
        Its voxels along x, y and z.

    Returns
    -------
    callable
        Of ``Inputs`` and integers that seed it; the same integers give the same case.

    Examples
    --------
    >>> vary = augmentation(Augment(), (1.5, 1.5, 4.0), (16, 16, 8))
    >>> images = np.random.default_rng(1).normal(size=(2, 4, 8, 16, 16)).astype(np.float32)
    >>> case = Inputs(images, np.ones((2, 4), np.float32))
    >>> bool((vary(case, (7, 0, 3)).images == vary(case, (7, 0, 3)).images).all())
    True
    """
    return _Variation(settings, spacing_mm, size)


class _Variation:
    def __init__(self, settings: Augment, spacing_mm: Sequence[float], size: Sequence[int]) -> None:
        self.settings = settings
        self.shape = tuple(size[::-1])
        self.edges_mm = tuple(spacing_mm[::-1])
        extent = [(n - 1) * s for n, s in zip(self.shape, self.edges_mm, strict=True)]
        self.extent_mm = np.array(extent, np.float32)
        axes = [np.linspace(-e / 2, e / 2, n) for e, n in zip(extent, self.shape, strict=True)]
        places = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
        self.places_mm = places.astype(np.float32)
        self.bend = Field(self.shape, self.edges_mm, max(_KNOT_MM, 8 * settings.deform_mm))
        self.epi = Field(self.shape, self.edges_mm, max(_KNOT_MM, 4 * settings.epi_mm))
        self.shade = Field(self.shape, self.edges_mm, _SHADE_MM)

    def __call__(self, inputs: Inputs, seed: Sequence[int]) -> Inputs:
        random = np.random.default_rng(tuple(seed))
        images = self.moved(inputs.images, random)
        for visit in range(len(VISITS)):
            self.shaded(images[visit, T2], random)
            self.noisy(images[visit, DWI], random)
            for sequence in (T2, DWI, ADC):
                images[visit, sequence] = self.recast(images[visit, sequence], sequence, random)
        np.clip(images[:, :MASK], -_LIMIT, _LIMIT, out=images[:, :MASK])
        there = self.thinned(inputs.there, random)
        images *= there[:, :, None, None, None]
        return Inputs(images, there)

    def happens(self, random: np.random.Generator, size: float) -> bool:
        return bool(random.random() < self.settings.chance) and size > 0

    # Position

    def moved(self, images: Floats, random: np.random.Generator) -> Floats:
        """A copy, turned, bent and displaced."""
        settings = self.settings
        places = self.places_mm
        if self.happens(random, settings.shift_mm + settings.rotate_degrees):
            places = self.turned(places, random)
        if self.happens(random, settings.deform_mm):
            places = places + self.bend.draw(random, settings.deform_mm, parts=3)
        fields = [
            self.epi.draw(random, settings.epi_mm)[..., 0]
            if self.happens(random, settings.epi_mm)
            else None
            for _ in VISITS
        ]
        result = images.copy()
        if places is not self.places_mm:
            self.read(images, (slice(None), slice(T2, T2 + 1)), places, result)
            self.read(images, (slice(None), slice(MASK, None)), places, result, "nearest")
        for visit, field in enumerate(fields):
            if field is not None or places is not self.places_mm:
                there = (slice(visit, visit + 1), slice(DWI, ADC + 1))
                self.read(images, there, _along_y(places, field), result)
            if field is not None:
                self.pile_up(result[visit, DWI], field)
        if random.random() < settings.flip:
            result = np.ascontiguousarray(result[..., ::-1])
        return result

    def turned(self, places: Floats, random: np.random.Generator) -> Floats:
        settings = self.settings
        angle = np.deg2rad(settings.rotate_degrees) * random.uniform(-1, 1)
        shift = settings.shift_mm * random.uniform(-1, 1, 3)
        cos, sin = np.cos(angle), np.sin(angle)
        turn = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]], np.float32)
        return places @ turn.T + shift.astype(np.float32)

    def read(
        self,
        images: Floats,
        planes: tuple[slice, slice],
        places: Floats,
        result: Floats,
        mode: str = "bilinear",
    ) -> None:
        """Fill planes with what images show at places; beyond the patch its border goes on."""
        chosen = images[planes]
        grid = (places * (np.float32(2) / self.extent_mm))[None, ..., ::-1]
        given = _tensor(chosen.reshape(1, -1, *self.shape))
        found = grid_sample(
            given, _tensor(grid), mode=mode, padding_mode="border", align_corners=True
        )
        result[planes] = found.numpy().reshape(chosen.shape)

    def pile_up(self, signal: Floats, field: Floats) -> None:
        squeezed = 1 + np.gradient(field, self.edges_mm[1], axis=1)
        dark = _dark(signal)
        signal[...] = _scaled_as(signal, dark + (signal - dark) * np.maximum(squeezed, 0))

    # Signal

    def shaded(self, t2: Floats, random: np.random.Generator) -> None:
        if self.happens(random, self.settings.bias):
            dark = _dark(t2)
            shade = 1 + self.shade.draw(random, self.settings.bias)[..., 0]
            t2[...] = dark + (t2 - dark) * np.maximum(shade, 0)

    def noisy(self, dwi: Floats, random: np.random.Generator) -> None:
        if self.happens(random, self.settings.noise):
            size = self.settings.noise * random.random()
            dark = _dark(dwi)
            dwi[...] = _scaled_as(dwi, rician(np.maximum(dwi - dark, 0), size, random) + dark)

    def recast(self, image: Floats, sequence: int, random: np.random.Generator) -> Floats:
        largest = self.settings.contrast
        if not self.happens(random, largest):
            return image
        gain, gamma = 1 + largest * random.uniform(-1, 1, 2)
        if sequence == ADC:
            gain = 1 + ADC_SHARE * (gain - 1)
            return image * np.float32(gain) + np.float32((gain - 1) * ADC_MIDDLE / ADC_SPREAD)
        curved = _curved(image, gamma)
        return curved * np.float32(gain) if sequence == T2 else _scaled_as(image, curved)

    def thinned(self, there: Floats, random: np.random.Generator) -> Floats:
        """What is there of a case, less the channels taken away."""
        drawn = random.random((len(VISITS), len(SEQUENCES)))
        kept = np.array(there)
        kept[:, :MASK][drawn < self.settings.drop_channel] = 0
        if not kept[:, :MASK].any():
            # The luckiest of those that were there.
            drawn[there[:, :MASK] == 0] = -1
            best = np.unravel_index(np.argmax(drawn), drawn.shape)
            kept[best] = there[best]
        return kept


def _along_y(places: Floats, field: Floats | None) -> Floats:
    if field is None:
        return places
    shifted = places.copy()
    shifted[..., 1] += field
    return shifted


def _tensor(values: Floats) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values))


def _dark(image: Floats) -> np.float32:
    """What stands for no signal in a centred image: its darkest hundredth."""
    some = image.ravel()[::4]
    place = len(some) // 100
    return np.partition(some, place)[place]


def _curved(image: Floats, gamma: float) -> Floats:
    """Values raised to a power between the least and the largest; middle and spread stay."""
    low, span = image.min(), np.ptp(image)
    if span == 0:
        return image
    curve = ((image - low) / span) ** np.float32(gamma)
    scale = image.std() / max(curve.std(), np.float32(1e-6))
    return np.asarray((curve - curve.mean()) * scale + image.mean(), dtype=np.float32)


def _scaled_as(before: Floats, image: Floats) -> Floats:
    """An image with the middle and brightest tissue of another, by which inputs scale it."""
    (middle, high), (own, own_high) = (
        np.quantile(one.ravel()[::4], (0.5, 0.98)) for one in (before, image)
    )
    if own_high <= own:
        return image
    scaled = (image - own) * ((high - middle) / (own_high - own)) + middle
    return np.asarray(scaled, dtype=np.float32)
