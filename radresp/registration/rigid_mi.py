"""Rigid registration by mutual information: six numbers, about a second, no folding.

What: the rotation and translation that maximise Mattes mutual information, on smoothed copies from
coarse to fine, in the surroundings of an outline where there is one. Source: Mattes et al., IEEE
Trans Med Imaging 2003;22:120-128, as implemented in ITK, with a regular-step gradient descent
whose steps are millimetres.

When: always first, for two visits of one patient. The outline matters: over the whole image bone
and fat decide, and the rectum between them may stay millimetres off. A rigid fit cannot follow a
shrinking tumour or a filling bowel.

How it starts: descents on the coarsest copies from the header's position, the middles and the
centres of brightness of the images, the outlines' centres and, where an outline limits the area,
the fit of the whole images. The best of them goes on. One thread and a fixed seed: equal input
gives equal parameters to the last bit.
"""

from __future__ import annotations

import time
from contextlib import suppress

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydantic import Field

from radresp.core import Mask, Note, NoteKind, Volume
from radresp.errors import InputError
from radresp.registration.coarse import area_around
from radresp.registration.descent import (
    Descent,
    Level,
    best_descent,
    level_of,
    levels_of,
    refined,
)
from radresp.registration.quality import Found, QualityRules

_SAME_START_MM = 2.0
_Transforms = dict[str, sitk.Euler3DTransform]


class RigidMi(QualityRules):
    """Settings of the rigid registration by mutual information."""

    bins: int = Field(32, ge=8, le=128, description="Histogram bins of the metric. Count.")
    samples: int = Field(
        20_000,
        ge=1_000,
        le=1_000_000,
        description="Places the metric is measured at, drawn once a level; all where the area has "
        "fewer. Count.",
    )
    levels: int = Field(
        3, ge=1, le=5, description="Coarse-to-fine levels, each halving the voxel edge. Count."
    )
    work_spacing_mm: float = Field(
        2.0,
        ge=0.5,
        le=5,
        description="Shortest voxel edge of the finest copies; longer edges are kept, mm.",
    )
    unshade_mm: float = Field(
        25.0,
        ge=0,
        le=200,
        description="Width of the local mean each copy is divided by, against coil shading; 0 for "
        "none. Gaussian sigma, mm.",
    )
    iterations: int = Field(100, ge=10, le=1_000, description="Most steps at a level. Count.")
    seed: int = Field(1, ge=1, le=2**31 - 1, description="Seed of the drawing of places.")
    mirror: bool = Field(
        True,
        description="Fit the left-right mirrored moving image too, coarsely, and doubt the result "
        "if that fits better.",
    )
    time_limit_s: float = Field(
        120.0, gt=0, le=3600, description="Refuse the case with TIMEOUT after this long, seconds."
    )


def find(
    fixed: Volume,
    moving: Volume,
    settings: RigidMi,
    *,
    fixed_mask: Mask | None = None,
    moving_mask: Mask | None = None,
) -> Found:
    """Find the rigid transform from fixed to moving millimetres.

    Parameters
    ----------
    fixed, moving : Volume
        The images, finite everywhere.
    settings : RigidMi
        How to search.
    fixed_mask, moving_mask : Mask, optional
        Outlines, not empty, each on its image's grid. The surroundings of the fixed one limit the
        metric; with a moving one alone (or none, and a moving image less than half as large) the
        search runs the other way round and is inverted. With both, the moving one only offers a
        start: outlines of two visits differ in size.

    Returns
    -------
    Found
        A ``SimpleITK.Euler3DTransform``, a note on the start it came from and, unless switched
        off, ``mirror_ratio``: mutual information with the moving image mirrored over without.

    Raises
    ------
    GeometryError
        ``REG_NO_OVERLAP`` when no start leaves enough to compare.
    InputError
        ``REGISTRATION_FAILED`` when ITK cannot go on from any start.
    ResourceError
        ``TIMEOUT``.
    """
    if is_backwards(fixed, moving, fixed_mask, moving_mask):
        back = find(moving, fixed, settings, fixed_mask=moving_mask)
        return Found(_inverse(back.transform), back.notes, back.numbers, back.doubts)
    descent = descent_of(settings)
    levels = pyramid(fixed, moving, settings, fixed_mask)
    whole = levels[0]
    if fixed_mask is not None:
        coarsest_mm = settings.work_spacing_mm * 2 ** (settings.levels - 1)
        whole = level_of(fixed, moving, area_around(fixed.grid), coarsest_mm)
    end = None if moving_mask is None else area_around(moving.grid, moving_mask).centre_mm
    starts, name, transform = _coarse_fit(descent, whole, levels[0], end)
    numbers = {}
    if settings.mirror:
        numbers["mirror_ratio"] = _mirror_ratio(descent, whole, levels[0], transform)
    notes = [_start_note(name, starts)]
    for level in levels[1:] or levels:
        transform = refined(descent, level, transform, notes)
    doubts = tuple(note.found for note in notes if note.code == "REG_WORSE_THAN_START")
    return Found(transform, tuple(notes), numbers, doubts)


def is_backwards(
    fixed: Volume, moving: Volume, fixed_mask: Mask | None, moving_mask: Mask | None
) -> bool:
    """Whether the moving image, as the only outlined or a much smaller one, leads the search."""
    if fixed_mask is not None:
        return False
    smaller = 2 * np.prod(moving.grid.extent_mm) < np.prod(fixed.grid.extent_mm)
    return moving_mask is not None or bool(smaller)


def pyramid(
    fixed: Volume, moving: Volume, settings: RigidMi, fixed_mask: Mask | None
) -> tuple[Level, ...]:
    """The levels of a search around the outline on the fixed image, from coarse to fine."""
    spacings = [settings.work_spacing_mm * 2**n for n in reversed(range(settings.levels))]
    area = area_around(fixed.grid, fixed_mask, settings.mask_margin_mm)
    return levels_of(fixed, moving, area, spacings, settings.unshade_mm)


def descent_of(settings: RigidMi) -> Descent:
    """How a method's settings say to walk; its time begins now."""
    return Descent(
        settings.bins,
        settings.samples,
        settings.iterations,
        settings.seed,
        settings.time_limit_s,
        time.monotonic() + settings.time_limit_s,
    )


def _coarse_fit(
    descent: Descent, whole: Level, local: Level, end_mm: tuple[float, float, float] | None
) -> tuple[_Transforms, str, sitk.Euler3DTransform]:
    """All starts, the name of the best one and where it led on the local level."""
    starts = _starts(whole, local.area.centre_mm, end_mm)
    if whole is not local:
        with suppress(InputError):  # a moving image that shows little beyond the outline
            starts["whole_image"] = best_descent(descent, whole, starts)[1]
    name, transform = best_descent(descent, local, starts)
    return starts, name, transform


def _starts(
    whole: Level, centre_mm: tuple[float, float, float], end_mm: tuple[float, float, float] | None
) -> _Transforms:
    """Shifts to start from, by name, without near repeats; all turn about the area's centre."""
    shifts = {
        "header": np.zeros(3),
        "middles": np.subtract(whole.moving.grid.centre_mm, whole.fixed.grid.centre_mm),
        "brightness": _bright_centre_mm(whole.moving) - _bright_centre_mm(whole.fixed),
    }
    if end_mm is not None:
        shifts["outlines"] = np.subtract(end_mm, centre_mm)
    starts: _Transforms = {}
    for name, shift in shifts.items():
        used = [start.GetTranslation() for start in starts.values()]
        if all(np.linalg.norm(shift - other) > _SAME_START_MM for other in used):
            starts[name] = sitk.Euler3DTransform(centre_mm, 0.0, 0.0, 0.0, shift.tolist())
    return starts


def _bright_centre_mm(volume: Volume) -> NDArray[np.float64]:
    """Centre of gravity of the brightness above the darkest voxel, LPS mm."""
    weights = volume.array.astype(np.float64)
    weights -= weights.min()
    total = max(weights.sum(), np.finfo(float).tiny)
    z, y, x = (
        float(weights.sum(axis=tuple(a for a in range(3) if a != axis)) @ np.arange(n)) / total
        for axis, n in enumerate(weights.shape)
    )
    return np.array(volume.grid.to_mm((x, y, z)))


def _mirror_ratio(descent: Descent, whole: Level, local: Level, transform: sitk.Transform) -> float:
    """How much better the mirrored moving image fits: above 1 means better."""
    flipped = local.mirrored()
    flipped_whole = flipped if whole is local else whole.mirrored()
    try:
        best = _coarse_fit(descent, flipped_whole, flipped, None)[2]
    except InputError:
        return 0.0
    return flipped.agreement(best) / max(local.agreement(transform), 1e-6)


def _start_note(name: str, starts: _Transforms) -> Note:
    tried = ", ".join(starts)
    return Note(NoteKind.INFO, "REG_START", f"the search went on from '{name}', of {tried}")


def _inverse(transform: sitk.Transform) -> sitk.Euler3DTransform:
    """The opposite rigid motion, about the place the centre was moved to."""
    rigid = sitk.Euler3DTransform(transform)
    turn = np.asarray(rigid.GetMatrix()).reshape(3, 3)
    centre, shift = np.asarray(rigid.GetCenter()), np.asarray(rigid.GetTranslation())
    inverse = sitk.Euler3DTransform()
    inverse.SetCenter((centre + shift).tolist())
    inverse.SetMatrix(turn.T.ravel().tolist())
    inverse.SetTranslation((-shift).tolist())
    return inverse
