"""Take out the shading of the receive coils (N4), in bounded time.

What: the logarithm of the bias is a smooth B-spline surface that makes the histogram of the body
sharpest. It is fitted on a coarse copy and evaluated on the voxels of the image. Three levels of
control points, since more begin to follow anatomy.
Source: Tustison et al., IEEE Trans Med Imaging 2010;29:1310-1320, as implemented in SimpleITK.
When: by choice. It is off in the default plan: ``docs/reference/intensity.md`` says why, with what
it does to images whose true shading is known.
"""

from __future__ import annotations

from time import monotonic, perf_counter

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydantic import Field

from radresp.core import Note, NoteKind, Sequence, Settings, Step, Volume
from radresp.core.iterations import at_each_iteration
from radresp.errors import InputError, PlanError, ResourceError
from radresp.intensity.body import body_threshold

_FEWEST_VOXELS = 1000


class CorrectBias(Settings):
    """How coarsely, how finely and how long shading is fitted."""

    work_edge_mm: float = Field(
        5.0, ge=1, le=20, description="Voxel edge of the copy it is fitted on, in the slice, mm."
    )
    work_slice_mm: float = Field(
        6.5, ge=1, le=20, description="Slice distance of that copy, mm; never finer than the image."
    )
    levels: int = Field(3, ge=1, le=6, description="Levels of control points. Count.")
    iterations: int = Field(25, ge=1, le=200, description="Most iterations at a level. Count.")
    time_limit_s: float = Field(
        60.0,
        gt=0,
        le=3600,
        description="Refuse the case with TIMEOUT after this long, seconds; the iteration under "
        "way and one at each level left are finished first.",
    )


def correct_bias(volume: Volume, settings: CorrectBias | None = None) -> tuple[Volume, Step]:
    """Divide a volume by the shading of the coils.

    Parameters
    ----------
    volume : Volume
        T2 or DWI, before normalisation.
    settings : CorrectBias, optional
        Defaults when not given.

    Returns
    -------
    volume : Volume
        Same grid and unit; the shading's median over the body is 1, so brightness is kept.
    step : Step
        With a note of how strong the shading was.

    Raises
    ------
    PlanError
        ``NORMALISE`` for ADC, in which shading cancels.
    InputError
        ``IMG_CONSTANT`` when there is no body to fit on.
    ResourceError
        ``TIMEOUT``.
    """
    started = perf_counter()
    settings = settings or CorrectBias()
    if volume.sequence is Sequence.ADC:
        raise PlanError("NORMALISE", "shading of ADC", expected="T2 or DWI; in ADC it cancels")
    image, array = volume.image, volume.array
    with np.errstate(invalid="ignore"):  # NaN in the declared background is not body
        body = array > body_threshold(array)
    small = _shrunk(image, settings)
    inside = _shrunk(sitk.GetImageFromArray(body.astype(np.uint8)), settings, image)
    if np.count_nonzero(sitk.GetArrayViewFromImage(inside)) < _FEWEST_VOXELS:
        raise InputError("IMG_CONSTANT", "no body to fit shading on", expected="tissue and air")
    log_bias = _fit(small, inside, image, settings)
    log_bias -= np.median(log_bias[body])
    corrected = volume.with_array(array / np.exp(log_bias))
    low, high = np.exp(np.percentile(log_bias[body], [5, 95]))
    note = Note(
        NoteKind.INFO,
        "BIAS_CORRECTED",
        f"shading from {low:.2f} to {high:.2f} of its median (5th and 95th percentile of the body)",
    )
    seconds = perf_counter() - started
    made_with = settings.model_dump(mode="json")
    return corrected, Step("intensity", "correct_bias", made_with, seconds, (note,))


def _shrunk(image: sitk.Image, settings: CorrectBias, like: sitk.Image | None = None) -> sitk.Image:
    """Every so many voxels of an image, finite, on the places of another where one is given."""
    if like is not None:
        image.CopyInformation(like)
    wanted = (settings.work_edge_mm, settings.work_edge_mm, settings.work_slice_mm)
    factors = [
        max(1, min(round(mm / edge), n // 4))
        for mm, edge, n in zip(wanted, image.GetSpacing(), image.GetSize(), strict=True)
    ]
    return sitk.Shrink(image, factors)


def _fit(
    small: sitk.Image, inside: sitk.Image, image: sitk.Image, settings: CorrectBias
) -> NDArray[np.float32]:
    """Logarithm of the bias on the voxels of an image, (z, y, x)."""
    n4 = sitk.N4BiasFieldCorrectionImageFilter()
    n4.SetMaximumNumberOfIterations([settings.iterations] * settings.levels)
    deadline = monotonic() + settings.time_limit_s
    late: list[bool] = []

    def look_at_the_clock() -> None:
        if monotonic() > deadline:
            late.append(True)
            n4.Abort()

    with at_each_iteration(n4, look_at_the_clock):
        n4.Execute(small, inside)
    if late:
        raise ResourceError(
            "TIMEOUT",
            f"shading not fitted in {settings.time_limit_s:g} s",
            expected="less",
            action="raise time_limit_s or work_edge_mm",
        )
    return sitk.GetArrayFromImage(n4.GetLogBiasFieldAsImage(image))
