"""A prepared case as another examination of it might have been."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import SimpleITK as sitk

from radresp.core import (
    Grid,
    Mask,
    Prepared,
    Region,
    RegionKey,
    Scene,
    Sequence,
    Timepoint,
    Volume,
)
from radresp.features.perturb import Draw, Perturbation, motion, perturb_mask, perturb_volume
from radresp.pipeline.desk import CORE
from radresp.pipeline.plan import Plan

NEAR_MM, FAR_MM = 15.0, 45.0
"""How much of an image around its outlines is perturbed: for features of the region, and for
filters, which look further."""
FILTERS = frozenset({"filtered", "pyradiomics"})
NO_MAPS = "change maps between the visits are not perturbed"
NOTHING_LEFT = "nothing of the outline is left after perturbation"
Regions = Mapping[RegionKey, Region]


def perturb_prepared(
    prepared: Prepared,
    plan: Plan,
    draws: Mapping[Timepoint, Draw],
    drawn_on: Collection[RegionKey],
) -> Prepared:
    """Perturb the regions of a case, and the scene its measures look at.

    Parameters
    ----------
    prepared : Prepared
        Its alignments stay; its change maps are given up, since they would not change.
    plan : Plan
        How to perturb, and families, which tell how much of an image is needed.
    draws : mapping of Timepoint to Draw
        One a visit.
    drawn_on : collection of RegionKey
        Outlines that were drawn where they lie; all others were carried.

    Returns
    -------
    Prepared
        An outline of which nothing is left is absent, with the reason.
    """
    families = {name for wanted in plan.features.values() for name in wanted.families}
    visits = [
        _Visit(
            timepoint, drawn, plan.stability, drawn_on, FAR_MM if families & FILTERS else NEAR_MM
        )
        for timepoint, drawn in draws.items()
    ]
    scene = prepared.scene
    found = _Found()
    for visit in visits:
        _perturb_visit(visit, prepared.regions, scene, found)
    return replace(
        prepared,
        regions=found.regions,
        absent={**prepared.absent, **found.gone},
        scene=replace(
            scene,
            regions=found.seen,
            absent={**scene.absent, **found.unseen},
            t2_on_adc=found.averaged,
        ),
        maps={},
        unmapped={**prepared.unmapped, **dict.fromkeys(prepared.maps, NO_MAPS)},
    )


@dataclass
class _Found:
    """What perturbing has made: of the plan's regions and of the scene's, there or not."""

    regions: dict[RegionKey, Region] = field(default_factory=dict)
    gone: dict[RegionKey, str] = field(default_factory=dict)
    seen: dict[RegionKey, Region] = field(default_factory=dict)
    unseen: dict[RegionKey, str] = field(default_factory=dict)
    averaged: dict[Timepoint, Volume] = field(default_factory=dict)


def _perturb_visit(visit: _Visit, planned: Regions, scene: Scene, found: _Found) -> None:
    here = [
        (visit.of(planned), found.regions, found.gone),
        (visit.of(scene.regions), found.seen, found.unseen),
    ]
    every = [region for regions, _, _ in here for region in regions.values()]
    if not every:
        return
    centre = _centre(every, visit.timepoint)
    for grid in {region.volume.grid for region in every}:
        plane = _Plane.around(visit, grid, [r for r in every if r.volume.grid == grid], centre)
        for regions, kept, gone in here:
            for key, region in regions.items():
                if region.volume.grid == grid:
                    plane.place(key, region, kept, gone)
        beside = scene.t2_on_adc.get(visit.timepoint)
        if beside is not None and beside.grid == grid:
            found.averaged[visit.timepoint] = plane.volume(beside)


@dataclass(frozen=True)
class _Visit:
    timepoint: Timepoint
    drawn: Draw
    settings: Perturbation
    drawn_on: Collection[RegionKey]
    margin_mm: float

    def of(self, regions: Regions) -> dict[RegionKey, Region]:
        """The regions of this visit."""
        return {key: r for key, r in regions.items() if key.timepoint is self.timepoint}

    def carried(self, key: RegionKey) -> bool:
        """Whether an outline was drawn on another image."""
        diffusion = (Sequence.DWI, Sequence.ADC)
        own = diffusion if key.sequence in diffusion else (key.sequence,)
        return not any(RegionKey(key.timepoint, s, key.roi) in self.drawn_on for s in own)


@dataclass
class _Plane:
    """What one visit shows on one grid: everything is cut to one box and moved as one."""

    visit: _Visit
    grid: Grid
    centre_mm: tuple[float, ...]
    box: tuple[slice, ...]
    volumes: dict[int, Volume] = field(default_factory=dict)
    outlines: dict[RegionKey, tuple[Mask, Mask]] = field(default_factory=dict)

    @classmethod
    def around(
        cls, visit: _Visit, grid: Grid, regions: Iterable[Region], centre_mm: tuple[float, ...]
    ) -> _Plane:
        inside = np.any([region.mask.array for region in regions], axis=0)
        where = np.argwhere(inside)[:, ::-1]
        by = np.ceil(visit.margin_mm / np.array(grid.spacing_mm)).astype(int)
        low = np.maximum(where.min(axis=0) - by, 0)
        high = np.minimum(where.max(axis=0) + 1 + by, grid.size)
        box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
        return cls(visit, grid, centre_mm, box)

    def volume(self, volume: Volume) -> Volume:
        """An image, moved; computed once."""
        if id(volume) not in self.volumes:
            background = volume.background[self.box] if volume.background is not None else None
            part = replace(volume, image=volume.image[self.box], background=background)
            drawn, settings = self.visit.drawn, self.visit.settings
            self.volumes[id(volume)] = perturb_volume(part, self._motion(), drawn, settings)
        return self.volumes[id(volume)]

    def place(
        self,
        key: RegionKey,
        region: Region,
        kept: dict[RegionKey, Region],
        gone: dict[RegionKey, str],
    ) -> None:
        """Put a region, moved and outlined anew, where it belongs."""
        image = self.volume(region.volume)
        outline = self._outline(key, region.mask, image)
        if outline.is_empty:
            gone[key] = NOTHING_LEFT
        else:
            kept[key] = Region(key, image, outline)

    def _outline(self, key: RegionKey, mask: Mask, image: Volume) -> Mask:
        """The plan and the scene often mean the same outline, and must get the same."""
        part = Mask(mask.image[self.box], mask.roi)
        before = self.outlines.get(key)
        if before is not None and np.array_equal(before[0].array, part.array):
            return before[1]
        moved = self._motion(carried=self.visit.carried(key))
        outline = perturb_mask(part, image, moved, self.visit.drawn, self.visit.settings)
        self.outlines[key] = (part, outline)
        return outline

    def _motion(self, *, carried: bool = False) -> sitk.Transform:
        return motion(self.visit.drawn, self.grid, self.centre_mm, carried=carried)


def _centre(regions: Iterable[Region], timepoint: Timepoint) -> tuple[float, ...]:
    """The middle of tumour or bed, LPS mm, or of whatever there is."""
    by_key = {region.key: region.mask for region in regions}
    mask = by_key.get(CORE[timepoint], next(iter(by_key.values())))
    z, y, x = np.argwhere(mask.array).mean(axis=0)
    point: tuple[float, ...] = mask.image.TransformContinuousIndexToPhysicalPoint((x, y, z))
    return point
