"""Diffeomorphic registration by greedy, with local normalised cross-correlation.

What: after the affine fit by mutual information, the displacement that maximises the correlation
of small neighbourhoods, found by composing smoothed steps (`picsl-greedy`, a library of its own;
extra ``greedy``). Source: Yushkevich et al., Alzheimers Dement 2016;12:P126-P127;
https://greedy.readthedocs.io.

When: two visits of one sequence, where a rectum fills or a tumour shrinks, and PyTorch is not to be
had. Runs with one thread and a fixed seed: equal input gives equal output. It cannot be
interrupted; its time is bounded by its iterations and checked afterwards.
"""

from __future__ import annotations

import io
import time

import numpy as np
import SimpleITK as sitk
from pydantic import Field

from radresp.core import Mask, Volume, resample_volume
from radresp.core.volume import image_of
from radresp.errors import InputError
from radresp.registration.bend import Deformable, bending, finished
from radresp.registration.descent import timed_out
from radresp.registration.quality import Found


class Greedy(Deformable):
    """Settings of the registration by greedy."""

    radius_voxels: int = Field(
        2, ge=1, le=8, description="Neighbourhood the correlation is measured in, work voxels."
    )
    schedule: tuple[int, ...] = Field(
        (100, 60, 20), min_length=1, max_length=5, description="Steps from coarse to fine. Counts."
    )
    step_smoothing_voxels: float = Field(
        1.7, ge=0.1, le=10, description="Gaussian sigma each step is smoothed by, work voxels."
    )
    total_smoothing_voxels: float = Field(
        0.7, ge=0, le=10, description="Gaussian sigma the sum is smoothed by, work voxels."
    )


def find(
    fixed: Volume,
    moving: Volume,
    settings: Greedy,
    *,
    fixed_mask: Mask | None = None,
    moving_mask: Mask | None = None,
) -> Found:
    """Find the deformation from fixed to moving millimetres.

    Parameters
    ----------
    fixed, moving : Volume
        The images, finite everywhere.
    settings : Greedy
        How to search.
    fixed_mask, moving_mask : Mask, optional
        Outlines, not empty, each on its image's grid; the fit is bent around them.

    Returns
    -------
    Found
        A ``SimpleITK.CompositeTransform`` of the affine fit and a ``DisplacementFieldTransform``,
        or the affine fit where bending made it worse.

    Raises
    ------
    GeometryError, InputError
        As the affine method; ``REGISTRATION_FAILED`` when greedy refuses the images.
    ResourceError
        ``TIMEOUT``.
    """
    until = time.monotonic() + settings.time_limit_s
    bent = bending(fixed, moving, settings, fixed_mask, moving_mask)
    moved = resample_volume(bent.level.moving, bent.grid, bent.start.transform)
    images = {
        "fixed": bent.level.fixed.image,
        "moving": moved.image,
        "region": image_of(bent.level.area.inside.astype(np.float32), bent.grid),
    }
    shift_mm = _warp(_command(settings), images)
    if time.monotonic() > until:
        raise timed_out(settings.time_limit_s)
    return finished(bent, shift_mm, settings.least_jacobian)


def _command(settings: Greedy) -> str:
    radius = "x".join([str(settings.radius_voxels)] * 3)
    steps = "x".join(map(str, settings.schedule))
    smoothing = f"{settings.step_smoothing_voxels}vox {settings.total_smoothing_voxels}vox"
    return (
        f"-d 3 -i fixed moving -gm region -m NCC {radius} -n {steps} -s {smoothing} "
        f"-seed {settings.seed} -threads 1 -V 0 -o warp"
    )


def _warp(command: str, images: dict[str, sitk.Image]) -> np.ndarray:
    """Displacement at the voxels of the fixed image, (z, y, x, 3), LPS mm."""
    # Not at the top: the room is there without the extra.
    from picsl_greedy import Greedy3D

    engine, said = Greedy3D(), io.StringIO()
    try:
        engine.execute(command, out=said, err=said, **images, warp=None)
    except (RuntimeError, ValueError) as error:
        raise InputError(
            "REGISTRATION_FAILED",
            "greedy refused the two images",
            expected="two images of at least a few slices of the same part of the body",
            action="choose another registration method",
        ) from error
    return sitk.GetArrayFromImage(engine["warp"])
