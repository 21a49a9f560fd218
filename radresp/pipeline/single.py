"""Align two images from files, and features of one image: the single-image commands."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from radresp import features, intensity, io, masks, registration
from radresp.core import (
    Alignment,
    FeatureRow,
    Grid,
    Mask,
    Region,
    RegionKey,
    Roi,
    Sequence,
    Settings,
    Step,
    Volume,
    resample_volume,
)
from radresp.errors import GeometryError
from radresp.features.maps import MapSettings, map_features
from radresp.pipeline.extract import controlled
from radresp.pipeline.plan import RIGID, Chosen, Plan, Wanted, parse_plan
from radresp.pipeline.settings import parse_settings
from radresp.pipeline.tables import load_plan

_INVERSE_MM = 3.0


@dataclass(frozen=True, slots=True)
class Registered:
    """An alignment with the moving image on the fixed grid, and the grid that it came from."""

    alignment: Alignment
    moved: Volume
    moving_grid: Grid


def registration_choice(plan: Path | None, method: str | None, margin_mm: float | None) -> Chosen:
    """The registration a command line asks for.

    Parameters
    ----------
    plan : Path, optional
        A YAML plan; its registration counts where no method is named.
    method : str, optional
        A method, with its defaults; rigid when neither is given.
    margin_mm : float, optional
        ``mask_margin_mm`` in place of what settings say.

    Raises
    ------
    PlanError
        ``CONFIG_VALUE`` for an unknown method or a margin out of range.
    """
    if plan is not None and method is None:
        section = load_plan(plan).registration.record()
    else:
        section = {"method": method or RIGID, "settings": {}}
    if margin_mm is not None:
        section["settings"]["mask_margin_mm"] = margin_mm
    return parse_plan({"registration": section}).registration


def register_files(
    fixed: Path,
    moving: Path,
    *,
    fixed_mask: Path | None = None,
    moving_mask: Path | None = None,
    chosen: Chosen,
    sequence: Sequence = Sequence.T2,
) -> Registered:
    """Align a moving image with a fixed one, both NIfTI files or DICOM folders.

    Parameters
    ----------
    fixed, moving : Path
        The images.
    fixed_mask, moving_mask : Path, optional
        Where to look; each lies on its own image's grid.
    chosen : Chosen
        The method and its settings; see `registration_choice`.
    sequence : Sequence
        What both images show.
    """
    images = [_load_one(path, sequence) for path in (fixed, moving)]
    outlines = [
        _load_mask(path, image)
        for path, image in zip((fixed_mask, moving_mask), images, strict=True)
    ]
    alignment = registration.align(
        images[0],
        images[1],
        fixed_mask=outlines[0],
        moving_mask=outlines[1],
        method=chosen.method,
        settings=chosen.settings,
        names=("fixed", "moving"),
    )
    moved = resample_volume(images[1], images[0].grid, alignment.transform)
    return Registered(alignment, moved, images[1].grid)


def save_registered(
    registered: Registered, folder: Path, *, jacobian: bool = False
) -> tuple[Path, ...]:
    """Write ``transform``, ``inverse``, ``moved.nii.gz`` and ``quality.json``.

    Parameters
    ----------
    registered : Registered
        What was found.
    folder : Path
        Where to.
    jacobian : bool, optional
        Whether to write ``jacobian.nii.gz`` too: the local volume ratio on the fixed grid.

    Returns
    -------
    tuple of Path
        Transforms end in ``.tfm`` (text) or, where a field of voxels is in them, in ``.h5``; any
        ITK reads both. A transform that folds has no ``inverse`` file.
    """
    transform, written = registered.alignment.transform, []
    for stem, kept in (("transform", transform), ("inverse", _inverse(registered))):
        if kept is not None:
            written.append(folder / f"{stem}{io.transform_suffix(kept)}")
            io.save_transform(kept, written[-1])
    written += [folder / "moved.nii.gz", folder / "quality.json"]
    io.save_volume(registered.moved, folder / "moved.nii.gz")
    io.write_json(folder / "quality.json", quality_record(registered))
    if jacobian:
        written.append(folder / "jacobian.nii.gz")
        grid = registered.moved.grid
        ratio = registration.jacobian(transform, grid).astype(np.float32)
        io.save_map(ratio, grid, written[-1])
    return tuple(written)


def _inverse(registered: Registered) -> sitk.Transform | None:
    """The way back, on a grid fine enough for a smooth deformation; None where tissue folds."""
    grid = registration.coarse_grid(registered.moving_grid, _INVERSE_MM)
    try:
        return registration.invert(registered.alignment.transform, grid)
    except GeometryError:
        return None


def quality_record(registered: Registered) -> dict[str, Any]:
    """The content of ``quality.json``."""
    alignment = registered.alignment
    return {**alignment.quality.record(), "step": alignment.step.record()}


def image_features(image: Path, mask: Path, key: RegionKey, plan: Plan) -> FeatureRow:
    """Features of one image inside one mask.

    Parameters
    ----------
    image, mask : Path
        NIfTI file or DICOM folder, and a mask on its grid; ``mask#choice`` names one outline of
        a file that holds several.
    key : RegionKey
        What they are; gives the names, and for ADC the unit check.
    plan : Plan
        Families to compute and the rules for masks.
    """
    region, steps = load_region(image, mask, key, plan)
    families = plan.features[key.sequence].families
    found = features.extract(controlled(region, plan), families)
    return FeatureRow(image.name, found.values, found.absent, (*steps, found.step))


def load_region(image: Path, mask: Path, key: RegionKey, plan: Plan) -> tuple[Region, list[Step]]:
    """One image and one mask from files, checked as the plan says."""
    if key.sequence is Sequence.ADC:
        raw, read = io.load_adc_image(image)
        volume, step = intensity.adc_volume(raw)
        steps = [read, step]
    else:
        volumes, read = io.load_volumes(image, key.sequence)
        volume, steps = volumes[-1], [read]
    drawn, choice = io.split_choice(mask)
    outline, step = io.load_mask(
        drawn, key.roi, volume.grid, choice=choice, resample=plan.rules.resample
    )
    steps += [step, masks.check_mask(outline, volume, plan.rules)]
    return Region(key, volume, outline), steps


def map_image(
    image: Path,
    mask: Path,
    key: RegionKey,
    wanted: Iterable[str],
    plan: Plan,
    folder: Path,
    *,
    kernel_radius_voxels: int = 1,
    watch: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Write a map of each wanted feature over one region, as NIfTI on the image's grid.

    Parameters
    ----------
    image, mask, key, plan
        As `image_features`.
    wanted : iterable of str
        Features by their names in the family ``original``.
    folder : Path
        Gets ``<region>.<feature>.nii.gz``; 0 outside the outline and where there is no value.
    kernel_radius_voxels : int
        Neighbours looked at to every side; grey levels are those of the plan's ``original``.
    watch : callable, optional
        Called with voxels done and all.
    """
    region, _ = load_region(image, mask, key, plan)
    binned = plan.features[key.sequence].families.get("original", features.Original())
    settings = MapSettings(
        kernel_radius_voxels=kernel_radius_voxels,
        **binned.model_dump(include={"bin_count", "bin_width", "force_2d"}),
    )
    maps = map_features(controlled(region, plan), tuple(wanted), settings, watch=watch)
    paths = []
    for name, values in maps.items():
        paths.append(folder / f"{key}.{name}.nii.gz")
        io.save_map(np.nan_to_num(values), region.volume.grid, paths[-1])
    return paths


def with_family(
    plan: Plan, sequence: Sequence, name: str, settings: Settings | None = None
) -> Plan:
    """The plan with one family, and no changes, on one sequence; its defaults when not given."""
    asked = settings or features.FAMILIES[name].settings()
    return replace(plan, features={**plan.features, sequence: Wanted({name: asked}, {})})


def read_pyradiomics(path: Path) -> features.Pyradiomics:
    """A user's own pyradiomics parameter file.

    Raises
    ------
    PlanError
        ``CONFIG_VALUE`` for what pyradiomics does not know, or what cannot run here.
    """
    given = {"parameters": io.load_mapping(path)}
    return parse_settings(features.Pyradiomics, given, f"{path.name}: parameters")


def describe_series(folder: Path) -> list[dict[str, Any]]:
    """Every DICOM series below a folder, as JSON-ready dictionaries."""
    return [series.record() for series in io.describe_folder(folder.resolve())]


def _load_one(path: Path, sequence: Sequence) -> Volume:
    if sequence is Sequence.ADC:
        return intensity.adc_volume(io.load_adc_image(path)[0])[0]
    return io.load_volumes(path, sequence)[0][-1]


def _load_mask(path: Path | None, image: Volume) -> Mask | None:
    if path is None:
        return None
    drawn, choice = io.split_choice(path)
    return io.load_mask(drawn, Roi.BED, image.grid, choice=choice)[0]
