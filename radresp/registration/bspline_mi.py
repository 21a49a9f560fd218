"""B-spline registration by mutual information: a smooth deformation with what ITK brings.

What: after the linear fit, a grid of cubic B-spline control points is moved so that Mattes mutual
information of unshaded copies grows (L-BFGS). Source: Rueckert et al., IEEE Trans Med Imaging
1999;18:712-721; Mattes et al. 2003;22:120-128, as implemented in ITK.

When: images of two sequences, and where neither PyTorch nor greedy is installed. A local measure
(`bspline_lncc`, `greedy`) is more exact between two images of one sequence. One thread and
a fixed seed: equal input gives equal parameters to the last bit.
"""

from __future__ import annotations

import time

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydantic import Field

from radresp.core import Mask, Volume, resample_volume
from radresp.core.volume import image_of
from radresp.errors import InputError
from radresp.registration.bend import Bending, Deformable, bending, finished
from radresp.registration.descent import stopping, timed_out
from radresp.registration.quality import Found

_SOLUTION_ACCURACY = 1e-9  # at 1e-4 the search ends before it moved


class BsplineMi(Deformable):
    """Settings of the B-spline registration by mutual information."""

    knots_mm: float = Field(
        24.0, ge=8, le=100, description="Distance of control points, about; mm along each axis."
    )
    bend_samples: int = Field(
        20_000,
        ge=1_000,
        le=1_000_000,
        description="Places the metric of the deformation is measured at, drawn once; all where "
        "the area has fewer. Count.",
    )
    bend_iterations: int = Field(30, ge=5, le=1_000, description="Most steps. Count.")


def find(
    fixed: Volume,
    moving: Volume,
    settings: BsplineMi,
    *,
    fixed_mask: Mask | None = None,
    moving_mask: Mask | None = None,
) -> Found:
    """Find the deformation from fixed to moving millimetres.

    Parameters
    ----------
    fixed, moving : Volume
        The images, finite everywhere; of one sequence or of two.
    settings : BsplineMi
        How to search.
    fixed_mask, moving_mask : Mask, optional
        Outlines, not empty, each on its image's grid; the fit is bent around them.

    Returns
    -------
    Found
        A ``SimpleITK.CompositeTransform`` of the linear fit and a ``DisplacementFieldTransform``
        sampled from the spline, or the linear fit where bending made it worse.

    Raises
    ------
    GeometryError, InputError
        As the linear method.
    ResourceError
        ``TIMEOUT``.
    """
    until = time.monotonic() + settings.time_limit_s
    bent = bending(fixed, moving, settings, fixed_mask, moving_mask)
    mesh = [max(round(mm / settings.knots_mm), 1) for mm in bent.grid.extent_mm]
    spline = sitk.BSplineTransformInitializer(bent.grid.blank(), mesh)
    method = _method(bent, settings, spline)
    moved = resample_volume(bent.level.moving, bent.grid, bent.start.transform)
    try:
        with stopping(method, until):
            method.Execute(bent.level.fixed.image, moved.image)
    except RuntimeError as error:
        raise InputError(
            "REGISTRATION_FAILED",
            "the optimiser could not bend the two images",
            expected="two images of the same part of the body",
            action="check that they belong together, or use a rigid method",
        ) from error
    if time.monotonic() > until:
        raise timed_out(settings.time_limit_s)
    return finished(bent, sampled(spline, bent), settings.least_jacobian)


def sampled(spline: sitk.Transform, bent: Bending) -> NDArray[np.float64]:
    """The displacement of a transform at the voxels of the work grid, (z, y, x, 3), LPS mm."""
    like = bent.grid.blank()
    field = sitk.TransformToDisplacementField(
        spline,
        sitk.sitkVectorFloat64,
        like.GetSize(),
        like.GetOrigin(),
        like.GetSpacing(),
        like.GetDirection(),
    )
    return sitk.GetArrayFromImage(field)


def _method(
    bent: Bending, settings: BsplineMi, spline: sitk.BSplineTransform
) -> sitk.ImageRegistrationMethod:
    method = sitk.ImageRegistrationMethod()
    method.SetNumberOfThreads(1)
    method.SetNumberOfWorkUnits(1)
    method.SetMetricAsMattesMutualInformation(settings.bins)
    inside = image_of(bent.level.area.inside.astype(np.uint8), bent.grid)
    method.SetMetricFixedMask(inside)
    if settings.bend_samples < bent.level.area.points:
        method.SetMetricSamplingStrategy(method.RANDOM)
        method.SetMetricSamplingPercentage(
            settings.bend_samples / bent.level.area.points, settings.seed
        )
    method.SetInterpolator(sitk.sitkLinear)
    method.MetricUseMovingImageGradientFilterOff()
    method.MetricUseFixedImageGradientFilterOff()
    method.SetOptimizerAsLBFGS2(
        solutionAccuracy=_SOLUTION_ACCURACY, numberOfIterations=settings.bend_iterations
    )
    method.SetInitialTransform(spline, inPlace=True)
    return method
