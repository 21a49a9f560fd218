"""What kind of tissue each voxel of tumour or bed looks like: on T2, ADC and the high b-value.

What: T2 as a ratio to muscle, ADC in 1e-6 mm2/s, and whether the highest b-value is as bright as
normal wall does not get, on the voxels of the ADC. Boundaries are fixed, not learnt.
Source: ``docs/reference/clinical.md`` 2.1 and 3.4; each boundary lies between two tissues of its
table, that of ADC is published for 1.5 T (PMC2842173). Calibrate them for a scanner.
When: the measures ``response`` and ``habitat``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from radresp.core import Region, RegionKey, Roi, Scene, Sequence, Settings, Timepoint
from radresp.errors import InputError

CORE = {Timepoint.PRE: Roi.TUMOUR, Timepoint.POST: Roi.BED}
"""The outline each visit is about."""


class TissueRules(Settings):
    """Where one kind of tissue ends and the next begins."""

    scar_max_ratio: float = Field(
        1.6, gt=0, le=5, description="T2 of dark scar: at most this many times muscle."
    )
    bright_min_ratio: float = Field(
        3.5, gt=0, le=10, description="T2 of oedema or mucin: above this many times muscle."
    )
    restricted_adc_max: float = Field(
        1240.0, gt=0, le=3000, description="Highest ADC of restricted tissue, 1e-6 mm2/s."
    )
    shine_adc_min: float = Field(
        1400.0,
        gt=0,
        le=4000,
        description="ADC above which a bright b-value is shine-through, 1e-6 mm2/s.",
    )
    wall_mads: float = Field(
        2.0,
        ge=0,
        le=10,
        description="High-b signal counts from the median of the outlined normal "
        "wall plus this many median absolute deviations.",
    )
    high_b_min_ratio: float = Field(
        2.0,
        gt=0,
        le=20,
        description="High-b signal counts from this many times muscle where "
        "nobody outlined normal wall: between scar (1.5) and treated tumour (2.4 to 2.7).",
    )
    min_snr: float = Field(
        3.0, ge=0, le=20, description="High-b signal below this many SD of noise restricts nothing."
    )


@dataclass(frozen=True, slots=True)
class Diffusion:
    """Tumour or bed on the voxels of the ADC; arrays (z, y, x) of a cut around it.

    Parameters
    ----------
    inside : ndarray of bool
        The outline.
    adc : ndarray
        1e-6 mm2/s; 0 where it could not be fitted.
    high : ndarray of bool
        As bright at the highest b-value as normal wall does not get.
    noisy : ndarray of bool or None
        High-b signal in the noise; None where the noise is not known.
    restricted : ndarray of bool
        Inside, high, of low ADC and above the noise.
    box : tuple of slice
        Where the cut lies.
    spacing_mm : tuple of float
        Voxel edges (z, y, x), mm.
    """

    inside: NDArray[np.bool_]
    adc: NDArray[np.float32]
    high: NDArray[np.bool_]
    noisy: NDArray[np.bool_] | None
    restricted: NDArray[np.bool_]
    box: tuple[slice, ...]
    spacing_mm: tuple[float, ...]

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel, mL."""
        return float(np.prod(self.spacing_mm)) / 1000

    def share(self, chosen: NDArray[np.bool_]) -> float:
        """Share of the outline that is chosen."""
        return float(chosen[self.inside].mean())


def core_key(timepoint: Timepoint, sequence: Sequence) -> RegionKey:
    """The outline a visit is about, on one of its images."""
    return RegionKey(timepoint, sequence, CORE[timepoint])


def cut_around(region: Region, margin_mm: float) -> tuple[slice, ...]:
    """The box of array slices (z, y, x) around an outline with a margin."""
    drawn, box = region.mask.array, []
    for axis, spacing in enumerate(region.mask.grid.spacing_mm[::-1]):
        used = np.flatnonzero(drawn.any(axis=tuple(a for a in range(3) if a != axis)))
        reach = int(np.ceil(margin_mm / spacing))
        box.append(slice(max(int(used[0]) - reach, 0), int(used[-1]) + reach + 1))
    return tuple(box)


def see_diffusion(
    scene: Scene, timepoint: Timepoint, rules: TissueRules, margin_mm: float = 0.0
) -> Diffusion:
    """Tumour or bed as diffusion shows it.

    Raises
    ------
    InputError
        ``MISSING_INPUT`` with the reason where outline, ADC, high b-value or reference are absent.
    """
    region = scene.region(core_key(timepoint, Sequence.ADC))
    signal = scene.region(core_key(timepoint, Sequence.DWI))
    box = cut_around(region, margin_mm)
    inside, adc = region.mask.array[box], region.volume.array[box]
    bright = signal.volume.array[box]
    high = bright >= high_b_threshold(scene, timepoint, rules)
    noise = scene.noise.get(timepoint)
    noisy = None if noise is None else bright < rules.min_snr * noise
    restricted = inside & high & (adc > 0) & (adc <= rules.restricted_adc_max)
    if noisy is not None:
        restricted &= ~noisy
    spacing_mm = region.mask.grid.spacing_mm[::-1]
    return Diffusion(inside, adc, high, noisy, restricted, box, spacing_mm)


def high_b_threshold(scene: Scene, timepoint: Timepoint, rules: TissueRules) -> float:
    """From which signal the highest b-value of a visit is bright, image units."""
    wall = RegionKey(timepoint, Sequence.DWI, Roi.NORMAL_WALL)
    if wall in scene.regions:
        values = _values(scene.region(wall))
        middle = float(np.median(values))
        return middle + rules.wall_mads * float(np.median(np.abs(values - middle)))
    muscle = scene.region(RegionKey(timepoint, Sequence.DWI, Roi.MUSCLE))
    return rules.high_b_min_ratio * _positive_median(muscle)


def muscle_level(scene: Scene, timepoint: Timepoint) -> float:
    """Median T2 signal of muscle at a visit, image units."""
    return _positive_median(scene.region(RegionKey(timepoint, Sequence.T2, Roi.MUSCLE)))


def t2_ratios(scene: Scene, timepoint: Timepoint) -> NDArray[np.float32]:
    """T2 of the voxels of tumour or bed as ratios to muscle, flat."""
    region = scene.region(core_key(timepoint, Sequence.T2))
    return np.asarray(_values(region) / np.float32(muscle_level(scene, timepoint)))


def t2_ratio_on_adc(scene: Scene, timepoint: Timepoint, seen: Diffusion) -> NDArray[np.float32]:
    """T2 as a ratio to muscle on the cut of the ADC grid."""
    if timepoint not in scene.t2_on_adc:
        raise InputError("MISSING_INPUT", f"there is no ADC of the {timepoint} visit")
    t2 = scene.t2_on_adc[timepoint].array[seen.box]
    return np.asarray(t2 / np.float32(muscle_level(scene, timepoint)))


def _values(region: Region) -> NDArray[np.float32]:
    values = region.volume.values_in(region.mask)
    return values[np.isfinite(values)]


def _positive_median(region: Region) -> float:
    level = float(np.median(_values(region)))
    if not level > 0:
        raise InputError("MISSING_INPUT", f"the signal of {region.key} is {level:g}")
    return level
