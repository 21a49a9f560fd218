"""Align two images from files, and features of one image: the single-image commands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radresp import features, intensity, io, masks, registration
from radresp.core import (
    Alignment,
    FeatureRow,
    Mask,
    Region,
    RegionKey,
    Roi,
    Sequence,
    Settings,
    Volume,
    resample_volume,
)
from radresp.errors import PlanError
from radresp.pipeline.plan import Plan


@dataclass(frozen=True, slots=True)
class Registered:
    """An alignment with the moving image on the fixed grid."""

    alignment: Alignment
    moved: Volume


def register_files(
    fixed: Path,
    moving: Path,
    *,
    fixed_mask: Path | None = None,
    moving_mask: Path | None = None,
    method: str = "rigid_mi",
    settings: dict[str, Any] | None = None,
    sequence: Sequence = Sequence.T2,
) -> Registered:
    """Align a moving image with a fixed one, both NIfTI files or DICOM folders.

    Parameters
    ----------
    fixed, moving : Path
        The images.
    fixed_mask, moving_mask : Path, optional
        Where to look; each lies on its own image's grid.
    method : str
        A registration method.
    settings : dict, optional
        Settings of the method that differ from its defaults.
    sequence : Sequence
        What both images show.
    """
    if method not in registration.METHODS:
        raise PlanError(
            "CONFIG_VALUE",
            f"registration method '{method}'",
            expected=f"one of {', '.join(registration.METHODS)}",
        )
    chosen: Settings = registration.METHODS[method].settings(**(settings or {}))
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
        method=method,
        settings=chosen,
        names=("fixed", "moving"),
    )
    moved = resample_volume(images[1], images[0].grid, alignment.transform)
    return Registered(alignment, moved)


def save_registered(registered: Registered, folder: Path) -> tuple[Path, ...]:
    """Write ``transform.tfm``, ``moved.nii.gz`` and ``quality.json``."""
    paths = tuple(folder / name for name in ("transform.tfm", "moved.nii.gz", "quality.json"))
    io.save_transform(registered.alignment.transform, paths[0])
    io.save_volume(registered.moved, paths[1])
    io.write_json(paths[2], quality_record(registered))
    return paths


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
    found = features.extract(Region(key, volume, outline), plan.features[key.sequence].families)
    return FeatureRow(image.name, found.values, found.absent, (*steps, found.step))


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
