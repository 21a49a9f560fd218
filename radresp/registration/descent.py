"""Descents of Mattes mutual information on coarse copies, repeatable to the last bit.

ITK's own multi-resolution loop is not used: copies made here once serve every start, keep the
slices of thick-sliced images as they are, and work for images of three slices too.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import SimpleITK as sitk

from radresp.core import Note, NoteKind, Volume, resample_volume
from radresp.core.iterations import at_each_iteration
from radresp.core.volume import image_of
from radresp.errors import GeometryError, InputError, ResourceError
from radresp.registration.coarse import Area, coarse_copy, coarse_grid, unshaded
from radresp.registration.measures import agreement

_FEWEST_POINTS = 500
_SMALLEST_STEP_MM = 0.002
_NOTEWORTHY_MM = 1.0

Linear = TypeVar("Linear", sitk.Euler3DTransform, sitk.AffineTransform)


@dataclass(frozen=True, slots=True)
class Level:
    """Both images at one voxel size, and the compared area on the fixed one.

    Parameters
    ----------
    fixed, moving : Volume
        Coarse copies; the fixed one lies on ``area.grid``.
    area : Area
        Where to compare.
    step_mm : float
        First step of a descent, mm.
    """

    fixed: Volume
    moving: Volume
    area: Area
    step_mm: float

    def agreement(self, transform: sitk.Transform) -> float:
        """Mutual information times the shared fraction of the area, nats."""
        return agreement(self.fixed, self.moving, transform, self.area)

    def mirrored(self) -> Level:
        """The level with the moving image mirrored along its axis nearest to left-right."""
        left_right = int(np.argmax(np.abs(self.moving.grid.axes[0])))
        flipped = np.flip(self.moving.array, axis=2 - left_right)
        return replace(self, moving=self.moving.with_array(flipped))


def level_of(
    fixed: Volume, moving: Volume, area: Area, spacing_mm: float, unshade_mm: float = 0.0
) -> Level:
    """One level: copies with no voxel edge shorter than ``spacing_mm``, where they fit."""
    part = area.coarser(spacing_mm)
    small_fixed, small_moving = (
        unshaded(coarse_copy(volume, coarse_grid(volume.grid, spacing_mm)), unshade_mm)
        for volume in (fixed, moving)
    )
    return Level(resample_volume(small_fixed, part.grid), small_moving, part, spacing_mm / 2)


def levels_of(
    fixed: Volume, moving: Volume, area: Area, spacings_mm: Sequence[float], unshade_mm: float
) -> tuple[Level, ...]:
    """A pyramid without the levels, save the last, on which the area has too few voxels.

    Only the last level is unshaded: slow changes of brightness help to find the neighbourhood, and
    hurt when finding the place in it.
    """
    enough = [
        spacing for spacing in spacings_mm[:-1] if area.coarser(spacing).points >= _FEWEST_POINTS
    ]
    coarse = [level_of(fixed, moving, area, spacing) for spacing in enough]
    return (*coarse, level_of(fixed, moving, area, spacings_mm[-1], unshade_mm))


@dataclass(frozen=True, slots=True)
class Descent:
    """How to walk downhill on a level.

    Parameters
    ----------
    bins : int
        Histogram bins of the metric.
    samples : int
        Places the metric is measured at.
    iterations : int
        Most steps.
    seed : int
        Of the drawing of places.
    limit_s : float
        Time allowed for all descents together, seconds.
    until : float
        When that time is over, on the monotonic clock.
    """

    bins: int
    samples: int
    iterations: int
    seed: int
    limit_s: float
    until: float

    def run_from(self, start: Linear, level: Level) -> Linear:
        """The optimum next to a start, a transform of the same kind.

        Raises
        ------
        GeometryError
            ``REG_NO_OVERLAP`` when the start leaves less than a quarter of the area to compare.
        InputError
            ``REGISTRATION_FAILED`` when ITK cannot go on.
        ResourceError
            ``TIMEOUT``.
        """
        if level.agreement(start) <= 0:
            raise GeometryError(
                "REG_NO_OVERLAP",
                "less than a quarter of the area to compare lies in the moving image",
                expected="two images of the same part of the body",
                action="check that the two images belong together",
            )
        transform = type(start)(start)
        method = self._method(level)
        method.SetInitialTransform(transform, inPlace=True)
        try:
            with stopping(method, self.until):
                method.Execute(level.fixed.image, level.moving.image)
        except RuntimeError as error:
            raise InputError(
                "REGISTRATION_FAILED",
                "the optimiser lost the overlap of the two images",
                expected="two images of the same part of the body",
                action="check that the two images belong together, or outline the region",
            ) from error
        self._check_time()
        return transform

    def _method(self, level: Level) -> sitk.ImageRegistrationMethod:
        method = sitk.ImageRegistrationMethod()
        method.SetNumberOfThreads(1)
        method.SetNumberOfWorkUnits(1)
        method.SetMetricAsMattesMutualInformation(self.bins)
        method.SetMetricFixedMask(image_of(level.area.inside.astype(np.uint8), level.area.grid))
        if self.samples < level.area.points:
            method.SetMetricSamplingStrategy(method.RANDOM)
            method.SetMetricSamplingPercentage(self.samples / level.area.points, self.seed)
        method.SetInterpolator(sitk.sitkLinear)
        # ITK's smoothed gradient needs four slices; differences of neighbours do as well here.
        method.MetricUseMovingImageGradientFilterOff()
        method.MetricUseFixedImageGradientFilterOff()
        method.SetOptimizerAsRegularStepGradientDescent(
            learningRate=level.step_mm,
            minStep=_SMALLEST_STEP_MM,
            numberOfIterations=self.iterations,
        )
        method.SetOptimizerScalesFromPhysicalShift()
        return method

    def _check_time(self) -> None:
        if time.monotonic() > self.until:
            raise timed_out(self.limit_s)


def stopping(method: sitk.ImageRegistrationMethod, until: float) -> AbstractContextManager[None]:
    """Within it, a registration stops at the first step after a time on the monotonic clock."""

    def look_at_the_clock() -> None:
        if time.monotonic() > until:
            method.StopRegistration()

    return at_each_iteration(method, look_at_the_clock)


def timed_out(limit_s: float) -> ResourceError:
    """The refusal of a case whose search took too long."""
    return ResourceError(
        "TIMEOUT",
        f"the registration took longer than {limit_s:g} s",
        action="raise time_limit_s, or lower samples, levels or iterations",
    )


def best_descent(
    descent: Descent, level: Level, starts: Mapping[str, sitk.Euler3DTransform]
) -> tuple[str, sitk.Euler3DTransform]:
    """Walk from every start; the name of the best one and where it leads.

    A walk that ends worse than it began counts as its start.

    Raises
    ------
    InputError
        The first start's own error, when no start leads anywhere.
    """
    ends: dict[str, sitk.Euler3DTransform] = {}
    errors = []
    for name, start in starts.items():
        try:
            ends[name] = max(
                descent.run_from(start, level), sitk.Euler3DTransform(start), key=level.agreement
            )
        except InputError as error:
            errors.append(error)
    if not ends:
        raise errors[0]
    best = max(ends, key=lambda name: level.agreement(ends[name]))
    return best, ends[best]


def refined(descent: Descent, level: Level, start: Linear, notes: list[Note]) -> Linear:
    """The optimum next to a start, or the start where the optimiser wandered off.

    Parameters
    ----------
    descent : Descent
        How to walk.
    level : Level
        On what.
    start : SimpleITK.Euler3DTransform or SimpleITK.AffineTransform
        Where from.
    notes : list of Note
        Gets a ``REG_WORSE_THAN_START`` warning where the start was kept for a reason.
    """
    found = descent.run_from(start, level)
    before, after = level.agreement(start), level.agreement(found)
    if after >= before:
        return found
    wandered = _furthest_mm(found, start, level)
    if wandered > _NOTEWORTHY_MM:
        notes.append(
            Note(
                NoteKind.WARNING,
                "REG_WORSE_THAN_START",
                f"the optimiser went {wandered:.1f} mm from {before:.3f} down to {after:.3f} nats "
                "of mutual information: its start was kept",
                expected="an optimum better than its start",
                action="look at the overlay, or outline the region on the fixed image",
            )
        )
    return start


def _furthest_mm(one: sitk.Transform, other: sitk.Transform, level: Level) -> float:
    """Largest distance between where two transforms put the corners of the area, mm."""
    corners = level.area.grid.corners_mm().tolist()
    apart = [np.subtract(one.TransformPoint(c), other.TransformPoint(c)) for c in corners]
    return float(np.linalg.norm(apart, axis=1).max())
