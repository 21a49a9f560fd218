"""The treated wall: how far the bed reaches around the lumen, how thick it is, what lines it.

What: extent and form of the bed, its thickness along its middle, the share of its inner border
that has a thin dark layer over brighter muscle (a split scar in numbers), and how far the
restricted focus lies from the lumen. Distances are taken within the axial slice: slices are thick.
Source: ``docs/reference/clinical.md`` 3.4 groups 8 to 10; split scar sign of Santiago et al.,
restated as a share. When: the measure ``response``.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage

from radresp.core import RegionKey, Roi, Scene, Sequence, Settings, Timepoint
from radresp.features.answers import Answer
from radresp.features.tissue import TissueRules, core_key, cut_around, muscle_level, see_diffusion
from radresp.features.volumetry import axial_order, longest_diameter_mm

_STEP_MM = 0.2
_FIRST_MM = 1.5  # the dark layer starts within this of the lumen, beyond gas and mucus
_DEPTH_MM = 6.0
_LUMEN_MARGIN_MM = 30.0
_FINER = 2  # an even number of voxels across has its middle on a voxel: widths come out exact
_RIDGE = 0.5  # of the thickest place of a slice: lesser ridges are teeth of the outline


class WallRules(Settings):
    """What counts as next to the lumen, and as a thin dark layer."""

    reach_mm: float = Field(
        3.0, gt=0, le=10, description="Bed this near to the lumen lines it, within the slice, mm."
    )
    layer_mm: tuple[float, float] = Field(
        (0.8, 2.6), description="Thinnest and thickest dark inner layer of a split scar, mm."
    )
    max_pixel_mm: float = Field(
        0.7,
        gt=0,
        le=2,
        description="Largest voxel edge in the slice that can show such a layer, mm.",
    )


def shape_of_bed(scene: Scene) -> dict[str, Answer]:
    """Extent and form of the bed on T2."""
    inside, spacing_mm = _bed_slices(scene)
    points = np.argwhere(inside) * spacing_mm
    # A voxel is a box, not a point: its own spread is added.
    spread = np.cov(points.T, bias=True) + np.diag(spacing_mm**2) / 12
    lengths = np.sqrt(np.linalg.eigvalsh(spread)[::-1])
    radius_mm = (3 * len(points) * np.prod(spacing_mm) / (4 * np.pi)) ** (1 / 3)
    extent = max(longest_diameter_mm(plane, spacing_mm[1:]) for plane in inside if plane.any())
    thickest = max(float(ridge.max()) for ridge in _ridges(inside, spacing_mm))
    return {
        "axial_extent_mm": extent,
        "elongation": float(lengths[1] / lengths[0]),
        "flatness": float(lengths[2] / lengths[0]),
        "compactness": float(3 / 5 * radius_mm**2 / np.trace(spread)),
        "mass_index": thickest / extent,
    }


def around_lumen(scene: Scene, rules: WallRules) -> dict[str, Answer]:
    """Share of the lumen's border that the bed lines, on the slices of the bed."""
    inside, lumen, spacing_mm = _bed_and_lumen(scene)
    lined = border = 0
    for bed, hollow in zip(inside, lumen, strict=True):
        edge, near = _lined(bed, hollow, spacing_mm, rules)
        border += int(edge.sum())
        lined += int(near.sum())
    if not border:
        return {"circumferential_fraction": "no slice shows both bed and lumen"}
    return {"circumferential_fraction": lined / border}


def thickness(scene: Scene) -> dict[str, Answer]:
    """Thickness of the bed along its middle, mm."""
    inside, spacing_mm = _bed_slices(scene)
    along = np.concatenate(list(_ridges(inside, spacing_mm)))
    thickest, mean = float(along.max()), float(along.mean())
    return {
        "wall_thickness_max_mm": thickest,
        "wall_thickness_mean_mm": mean,
        "wall_thickness_asymmetry": thickest / mean - 1,
    }


def dark_layer(scene: Scene, tissue: TissueRules, rules: WallRules) -> dict[str, Answer]:
    """Share of the bed's inner border with a thin dark layer over brighter tissue."""
    inside, lumen, spacing_mm = _bed_and_lumen(scene)
    pixel_mm = float(max(spacing_mm[1:]))
    name = "dark_layer_continuity"
    if pixel_mm > rules.max_pixel_mm:
        return {
            name: f"voxels of {pixel_mm:.2f} mm show no layer of 1 to 2 mm; at most "
            f"{rules.max_pixel_mm:g} mm do"
        }
    ratios = _t2_slices(scene) / muscle_level(scene, Timepoint.POST)
    seen = [
        _layered(ratio, bed, hollow, spacing_mm, tissue.scar_max_ratio, rules)
        for ratio, bed, hollow in zip(ratios, inside, lumen, strict=True)
    ]
    found = np.concatenate(seen)
    return {name: float(found.mean()) if found.size else "the bed does not line the lumen"}


def focus_depth(scene: Scene, tissue: TissueRules) -> dict[str, Answer]:
    """Distance of the largest restricted piece of the bed from the lumen, mm."""
    seen = see_diffusion(scene, Timepoint.POST, tissue, _LUMEN_MARGIN_MM)
    lumen = scene.region(RegionKey(Timepoint.POST, Sequence.ADC, Roi.LUMEN)).mask.array[seen.box]
    name = "focus_to_border_mm"
    if not seen.restricted.any():
        return {name: "nothing is restricted in the bed"}
    if not lumen.any():
        return {name: "the lumen lies far from the bed"}
    distance = ndimage.distance_transform_edt(~lumen, sampling=seen.spacing_mm)
    return {name: float(distance[largest_piece(seen.restricted)].min())}


def largest_piece(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest connected piece (26 neighbours); nothing of nothing."""
    labels, count = ndimage.label(inside, structure=np.ones((3, 3, 3)))
    if not count:
        return inside
    return np.asarray(labels == np.bincount(labels.ravel())[1:].argmax() + 1)


def _bed_slices(scene: Scene) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """The bed on T2 as axial slices, cut close, with the voxel edges in the same order, mm."""
    region = scene.region(core_key(Timepoint.POST, Sequence.T2))
    order = axial_order(region.mask.grid)
    cut = region.mask.array[cut_around(region, _LUMEN_MARGIN_MM)]
    spacing_mm = np.array(region.mask.grid.spacing_mm[::-1])[order]
    return cut.transpose(order), spacing_mm


def _bed_and_lumen(
    scene: Scene,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.float64]]:
    inside, spacing_mm = _bed_slices(scene)
    region = scene.region(core_key(Timepoint.POST, Sequence.T2))
    lumen = scene.region(RegionKey(Timepoint.POST, Sequence.T2, Roi.LUMEN))
    cut = lumen.mask.array[cut_around(region, _LUMEN_MARGIN_MM)]
    return inside, cut.transpose(axial_order(region.mask.grid)), spacing_mm


def _t2_slices(scene: Scene) -> NDArray[np.float32]:
    region = scene.region(core_key(Timepoint.POST, Sequence.T2))
    cut = region.volume.array[cut_around(region, _LUMEN_MARGIN_MM)]
    return cut.transpose(axial_order(region.mask.grid))


def _ridges(
    inside: NDArray[np.bool_], spacing_mm: NDArray[np.float64]
) -> Iterator[NDArray[np.float64]]:
    """Thickness at every place of the middle line of the bed, slice by slice, mm."""
    for plane in inside:
        if not plane.any():
            continue
        fine = np.pad(np.repeat(np.repeat(plane, _FINER, axis=0), _FINER, axis=1), 1)
        depth = ndimage.distance_transform_edt(fine, sampling=spacing_mm[1:] / _FINER)
        top = depth >= ndimage.maximum_filter(depth, 3)
        yield 2 * depth[top & (depth >= _RIDGE * depth.max())]


def _lined(
    bed: NDArray[np.bool_],
    lumen: NDArray[np.bool_],
    spacing_mm: NDArray[np.float64],
    rules: WallRules,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Border of the lumen of one slice, and the part of it that the bed lies next to."""
    if not bed.any() or not lumen.any():
        nothing = np.zeros_like(bed)
        return nothing, nothing
    edge = lumen & ~ndimage.binary_erosion(lumen, border_value=1)
    distance = ndimage.distance_transform_edt(~bed, sampling=spacing_mm[1:])
    return edge, edge & (distance <= rules.reach_mm)


def _layered(
    ratio: NDArray[np.float32],
    bed: NDArray[np.bool_],
    lumen: NDArray[np.bool_],
    spacing_mm: NDArray[np.float64],
    scar_max_ratio: float,
    rules: WallRules,
) -> NDArray[np.bool_]:
    """Which places of the lined border of one slice have the layer; looks outwards from each."""
    edge = spacing_mm[1:]
    starts = np.argwhere(_lined(bed, lumen, spacing_mm, rules)[1])
    if not len(starts):
        return np.zeros(0, dtype=bool)
    signed = ndimage.distance_transform_edt(~lumen, sampling=edge) - ndimage.distance_transform_edt(
        lumen, sampling=edge
    )
    slopes = np.stack(np.gradient(ndimage.gaussian_filter(signed, 1.5), *edge))
    outwards = slopes[:, starts[:, 0], starts[:, 1]].T
    outwards /= np.maximum(np.linalg.norm(outwards, axis=1, keepdims=True), 1e-6)
    depth_mm = np.arange(edge.max() / 2, _DEPTH_MM, _STEP_MM)
    places = starts[:, None] + depth_mm[:, None] * (outwards / edge)[:, None]
    shown = bed[tuple(np.clip(np.rint(places).astype(int), 0, np.array(bed.shape) - 1).T)].T
    ahead = shown[:, depth_mm <= rules.reach_mm].any(axis=1)  # corners look past the bed
    profiles = ndimage.map_coordinates(
        ratio, places[ahead].transpose(2, 0, 1), order=1, mode="nearest"
    )
    within = profiles <= scar_max_ratio
    layered = [_is_thin(dark, depth_mm - depth_mm[0], rules.layer_mm) for dark in within]
    return np.array(layered, dtype=bool)


def _is_thin(
    dark: NDArray[np.bool_], depth_mm: NDArray[np.float64], layer_mm: tuple[float, float]
) -> bool:
    """Whether the first dark run of a profile starts near the lumen, is thin, and ends."""
    changes = np.flatnonzero(np.diff(np.concatenate([[False], dark, [False]]).astype(int)))
    for start, end in zip(changes[::2], changes[1::2], strict=True):
        thin = layer_mm[0] <= (end - start) * _STEP_MM <= layer_mm[1]
        if thin and depth_mm[start] <= _FIRST_MM and end < len(dark):
            return True
    return False
