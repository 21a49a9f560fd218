"""Distortion of echo-planar images: a deformation along the phase-encode axis alone.

What: after the rigid fit, B-spline control points are moved along the moving image's phase-encode
axis so that mutual information with the undistorted image grows (gradient descent in ITK with the
weights of the other two axes at 0). Field inhomogeneity moves signal of an EPI along that axis only
(`docs/reference/clinical.md` 2.3), so nothing else is allowed to move.
Source: Kybic et al., IEEE Trans Med Imaging 2000;19:80-93 (B-spline registration of EPI);
Studholme et al., IEEE Trans Med Imaging 2000;19:1115-1127.

When: diffusion images as the moving image, the T2 of the same visit as the fixed one. A rigid fit
leaves one to three voxels near gas; whether the deformation helped is for the verdict to say.
"""

from __future__ import annotations

import time
from typing import Literal

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydantic import Field

from radresp.core import Grid, Mask, Volume, resample_volume
from radresp.core.volume import image_of
from radresp.errors import InputError
from radresp.registration.bend import Bending, Deformable, bending, finished
from radresp.registration.descent import stopping, timed_out
from radresp.registration.quality import Found

_STEP_MM = 0.5
_ALONG = 1  # the frame is turned so that the phase-encode axis is its y


class EpiMi(Deformable):
    """Settings of the registration of echo-planar images."""

    start: Literal["rigid", "affine"] = Field(
        "rigid", description="The linear fit that is bent: rigid, or with stretch and shear."
    )
    phase_encode: Literal["column", "row"] = Field(
        "column",
        description="Axis of the moving image along which phase is encoded: its columns (front to "
        "back in an axial image) or its rows.",
    )
    max_epi_shift_mm: float = Field(
        20.0, gt=0, le=60, description="Largest displacement along that axis, mm."
    )
    knots_mm: float = Field(
        20.0, ge=8, le=100, description="Distance of control points, about; mm along each axis."
    )
    bend_samples: int = Field(
        20_000,
        ge=1_000,
        le=1_000_000,
        description="Places the metric of the deformation is measured at, drawn once; all where "
        "the area has fewer. Count.",
    )
    bend_iterations: int = Field(40, ge=5, le=1_000, description="Most steps. Count.")


def find(
    fixed: Volume,
    moving: Volume,
    settings: EpiMi,
    *,
    fixed_mask: Mask | None = None,
    moving_mask: Mask | None = None,
) -> Found:
    """Find the rigid fit and the shift along phase encode, fixed to moving millimetres.

    Parameters
    ----------
    fixed : Volume
        Undistorted image, finite everywhere.
    moving : Volume
        Echo-planar image of the same visit; the lowest b-value shows most.
    settings : EpiMi
        How to search.
    fixed_mask, moving_mask : Mask, optional
        Outlines, not empty, each on its image's grid; the fit is bent around them.

    Returns
    -------
    Found
        A ``SimpleITK.CompositeTransform`` of the rigid fit and a ``DisplacementFieldTransform``,
        or the rigid fit where bending made it worse.

    Raises
    ------
    GeometryError, InputError
        As the rigid method.
    ResourceError
        ``TIMEOUT``.
    """
    until = time.monotonic() + settings.time_limit_s
    bent = bending(fixed, moving, settings, fixed_mask, moving_mask)
    along = _axis_in_fixed(bent.start.transform, moving.grid, settings.phase_encode)
    shift_mm = _shift(bent, settings, along, until)
    if time.monotonic() > until:
        raise timed_out(settings.time_limit_s)
    shift_mm = np.clip(shift_mm, -settings.max_epi_shift_mm, settings.max_epi_shift_mm)
    return finished(bent, shift_mm[..., None] * along, settings.least_jacobian)


def _axis_in_fixed(linear: sitk.Transform, grid: Grid, phase_encode: str) -> NDArray[np.float64]:
    """The phase-encode axis of the moving image as a unit vector of the fixed image's space."""
    axis = grid.axes[:, 1 if phase_encode == "column" else 0]
    back = linear.GetInverse()
    ends = [np.asarray(back.TransformPoint(end.tolist())) for end in (np.zeros(3), axis)]
    step = ends[1] - ends[0]
    return np.asarray(step / np.linalg.norm(step))


def _shift(
    bent: Bending, settings: EpiMi, along: NDArray[np.float64], until: float
) -> NDArray[np.float64]:
    """Displacement along the axis at the voxels of the work grid, (z, y, x), mm."""
    moved = resample_volume(bent.level.moving, bent.grid, bent.start.transform)
    turned = _turned(bent.grid, along)
    inside = image_of(bent.level.area.inside.astype(np.uint8), turned)
    mesh = [max(round(mm / settings.knots_mm), 1) for mm in turned.extent_mm]
    spline = sitk.BSplineTransformInitializer(turned.blank(), mesh)
    method = _method(settings, inside, spline, bent.level.area.points)
    pair = [image_of(volume.array, turned) for volume in (bent.level.fixed, moved)]
    try:
        with stopping(method, until):
            method.Execute(*pair)
    except RuntimeError as error:
        raise InputError(
            "REGISTRATION_FAILED",
            "the optimiser could not bend the two images",
            expected="two images of the same part of the body",
            action="check that they belong together, or use a rigid method",
        ) from error
    like = turned.blank()
    field = sitk.TransformToDisplacementField(
        spline,
        sitk.sitkVectorFloat64,
        like.GetSize(),
        like.GetOrigin(),
        like.GetSpacing(),
        like.GetDirection(),
    )
    return sitk.GetArrayFromImage(field)[..., _ALONG]


def _turned(grid: Grid, along: NDArray[np.float64]) -> Grid:
    """The grid in a frame whose y is the axis: the same voxels under other coordinates."""
    beside = np.eye(3)[int(np.argmin(np.abs(along)))]
    third = np.cross(beside, along)
    third /= np.linalg.norm(third)
    turn = np.stack([np.cross(along, third), along, third])
    x, y, z = (float(v) for v in turn @ np.asarray(grid.origin_mm))
    direction = tuple(float(v) for v in (turn @ grid.axes).ravel())
    return Grid(grid.size, grid.spacing_mm, (x, y, z), direction)


def _method(
    settings: EpiMi, inside: sitk.Image, spline: sitk.BSplineTransform, points: int
) -> sitk.ImageRegistrationMethod:
    method = sitk.ImageRegistrationMethod()
    method.SetNumberOfThreads(1)
    method.SetNumberOfWorkUnits(1)
    method.SetMetricAsMattesMutualInformation(settings.bins)
    method.SetMetricFixedMask(inside)
    if settings.bend_samples < points:
        method.SetMetricSamplingStrategy(method.RANDOM)
        method.SetMetricSamplingPercentage(settings.bend_samples / points, settings.seed)
    method.SetInterpolator(sitk.sitkLinear)
    method.MetricUseMovingImageGradientFilterOff()
    method.MetricUseFixedImageGradientFilterOff()
    method.SetOptimizerAsGradientDescent(
        learningRate=1.0,
        numberOfIterations=settings.bend_iterations,
        convergenceMinimumValue=1e-7,
        convergenceWindowSize=10,
        estimateLearningRate=method.EachIteration,
        maximumStepSizeInPhysicalUnits=_STEP_MM,
    )
    method.SetOptimizerScalesFromPhysicalShift()  # without it ITK estimates no learning rate
    method.SetInitialTransform(spline, inPlace=True)
    weights = np.zeros((3, len(spline.GetParameters()) // 3))
    weights[_ALONG] = 1.0
    method.SetOptimizerWeights(weights.ravel().tolist())
    return method
