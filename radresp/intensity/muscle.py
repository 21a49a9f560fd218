"""Find muscle on axial T2, to read the other intensities by.

What: beside the pelvis, left and right, the darkest tissue there is plenty of that is even once its
noise is smoothed away: obturator, and what lies against it. Brightness decides first (the darkest
large mode of the histogram, so neither bone nor fat), then evenness, then distance from every edge;
the largest piece on either side is kept. Both sides must agree.
Source: the rule is our own, after how a reader chooses the region (``docs/reference/clinical.md``
3.3); measured on the digital pelvis and looked at on a real one in ``docs/reference/intensity.md``.
When: T2 shall be divided by muscle and nobody outlined it. Look at the outline it drew: `mask` on
slice `slice_index` shows most of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage

from radresp.core import Grid, Mask, Note, NoteKind, Roi, Sequence, Settings, Step, Volume
from radresp.core.frozen import frozen
from radresp.errors import InputError, PlanError
from radresp.intensity.body import body_threshold

_ASIDE_MM = 30.0, 85.0  # from the middle of the image to either side: beyond rectum and prostate
_ALONG_MM = -50.0, 60.0  # from the middle of the image to the back
_BRIGHT_PERCENTILE = 90.0  # of the body: fat
_LEVELS = 0.03, 0.5  # muscle lies between, as a share of fat
_BINS = 60
_SUBSTANTIAL = 0.2  # share of the highest mode from which a mode counts
_FEWEST_VOXELS = 500
_AXIAL_COSINE = 0.77  # slices may be tilted by up to 40 degrees


class FindMuscle(Settings):
    """When a place is muscle, and when to refuse."""

    smooth_mm: float = Field(
        2.0, gt=0, le=5, description="Gaussian sigma within the slice, mm, against noise."
    )
    max_spread: float = Field(
        0.45, gt=0, le=1, description="Largest SD around a place, as a share of its mean."
    )
    band: float = Field(
        0.4, gt=0, le=1, description="Largest distance from muscle's mode, of the logarithm."
    )
    edge_mm: float = Field(
        2.0, ge=0, le=10, description="Distance kept from everything else, in the slice, mm."
    )
    min_side_ml: float = Field(
        1.0, gt=0, le=50, description="Refused with less on either side, mL."
    )
    max_share_of_fat: float = Field(
        0.3, gt=0, le=0.5, description="Refused when brighter than this share of fat."
    )
    max_side_ratio: float = Field(
        1.4, gt=1, le=3, description="Refused when one side is brighter by more than this factor."
    )


@dataclass(frozen=True, slots=True)
class FoundMuscle:
    """Muscle as found, with what is needed to check it.

    Parameters
    ----------
    mask : Mask
        Outline, named ``muscle``.
    confidence : float
        0 (at a limit) to 1: how alike both sides are and how much there is of them.
    slice_index : int
        Array index of the slice that shows most of it, for a picture.
    numbers : mapping of str to float
        ``left_ml``, ``right_ml``, ``left_median``, ``right_median`` (image units; the patient's
        sides) and ``share_of_fat``.
    step : Step
        What was done.
    """

    mask: Mask
    confidence: float
    slice_index: int
    numbers: Mapping[str, float]
    step: Step

    def __post_init__(self) -> None:
        object.__setattr__(self, "numbers", frozen(self.numbers))


def find_muscle(volume: Volume, settings: FindMuscle | None = None) -> FoundMuscle:
    """Outline muscle beside the pelvis on an axial T2.

    Parameters
    ----------
    volume : Volume
        T2 before normalisation, axial or tilted by up to 40 degrees, without fat suppression.
    settings : FindMuscle, optional
        Defaults when not given.

    Returns
    -------
    FoundMuscle
        Outline, confidence and a slice to look at.

    Raises
    ------
    InputError
        ``MUSCLE_UNSURE`` with the reason when it is not found on both sides, or the sides differ.
    PlanError
        ``NORMALISE`` for another sequence than T2.
    """
    started = perf_counter()
    settings = settings or FindMuscle()
    if volume.sequence is not Sequence.T2:
        raise PlanError("NORMALISE", f"muscle on {volume.sequence}", expected="T2")
    grid, array = volume.grid, np.nan_to_num(volume.array)
    sides = _sides(grid)
    body = array[array > body_threshold(array)]
    if not body.size:
        _refuse("one brightness everywhere", "a body and air")
    level, spread = _smoothed(array, grid, settings.smooth_mm)
    level /= np.float32(np.percentile(body, _BRIGHT_PERCENTILE))
    even = (spread < settings.max_spread) & (sides != 0)
    mode = _darkest_mode(level[even])
    alike = even & (np.abs(np.log(np.maximum(level, 1e-6) / mode)) < settings.band)
    core = _depth_in_slice(alike, grid) > settings.edge_mm
    left, right = (_largest(core & (sides == side)) for side in (1, -1))
    numbers = {"share_of_fat": mode} | _of_sides(array, left, right, grid)
    confidence = _confidence(numbers, settings)
    found = left | right
    note = Note(
        NoteKind.INFO,
        "MUSCLE_FOUND",
        f"muscle found by itself, {numbers['left_ml']:.1f} mL on the left and "
        f"{numbers['right_ml']:.1f} mL on the right, median {numbers['left_median']:.4g} and "
        f"{numbers['right_median']:.4g}; confidence {confidence:.2f}",
        action="look at the outline",
    )
    seconds = perf_counter() - started
    return FoundMuscle(
        Mask.from_array(found, grid, Roi.MUSCLE),
        confidence,
        int(found.sum(axis=(1, 2)).argmax()),
        numbers,
        Step("intensity", "find_muscle", settings.model_dump(mode="json"), seconds, (note,)),
    )


def _sides(grid: Grid) -> NDArray[np.int8]:
    """1 where the left of the patient may show muscle, -1 for the right, 0 elsewhere."""
    if abs(grid.axes[2, 2]) < _AXIAL_COSINE:
        _refuse("slices that are not axial", "slices across the patient")
    to_mm = grid.axes * np.asarray(grid.spacing_mm)
    index = np.indices(grid.size[::-1], sparse=True)[::-1]
    from_middle = [at - (n - 1) / 2 for at, n in zip(index, grid.size, strict=True)]
    x, y = (
        sum(step * at for step, at in zip(to_mm[row], from_middle, strict=True)) for row in (0, 1)
    )
    aside = np.abs(x)
    there = (aside > _ASIDE_MM[0]) & (aside < _ASIDE_MM[1])
    there &= (y > _ALONG_MM[0]) & (y < _ALONG_MM[1])
    return np.where(there, np.sign(x), 0).astype(np.int8)


def _smoothed(
    array: NDArray[np.float32], grid: Grid, sigma_mm: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Local mean, and local SD as a share of it, within the slice."""
    sigma = (0.0, sigma_mm / grid.spacing_mm[1], sigma_mm / grid.spacing_mm[0])
    mean = ndimage.gaussian_filter(array, sigma, truncate=2.5)
    square = ndimage.gaussian_filter(array * array, sigma, truncate=2.5)
    variance = np.maximum(square - mean * mean, 0)
    with np.errstate(over="ignore"):  # no signal at all is as uneven as can be
        return mean, np.sqrt(variance) / np.maximum(mean, np.finfo(np.float32).tiny)


def _darkest_mode(level: NDArray[np.float32]) -> float:
    """The darkest level that many voxels have, as a share of fat."""
    inside = level[(level > _LEVELS[0]) & (level < _LEVELS[1])]
    if inside.size < _FEWEST_VOXELS:
        _refuse(f"{inside.size} voxels of even dark tissue beside the pelvis", "thousands")
    counts, edges = np.histogram(np.log(inside), _BINS, range=tuple(np.log(_LEVELS)))
    smooth = ndimage.gaussian_filter1d(counts.astype(float), 1.5)
    rises = np.diff(smooth)
    peak = (rises[:-1] >= 0) & (rises[1:] < 0) & (smooth[1:-1] > _SUBSTANTIAL * smooth.max())
    if not peak.any():
        _refuse("no tissue that stands out by its brightness", "a peak of dark tissue")
    first = int(np.flatnonzero(peak)[0]) + 1
    return float(np.exp((edges[first] + edges[first + 1]) / 2))


def _depth_in_slice(inside: NDArray[np.bool_], grid: Grid) -> NDArray[np.float64]:
    """Distance to the nearest voxel of the slice that is outside, mm."""
    edges_mm = grid.spacing_mm[1], grid.spacing_mm[0]
    return np.stack(
        [
            ndimage.distance_transform_edt(np.pad(drawn, 1), sampling=edges_mm)[1:-1, 1:-1]
            for drawn in inside
        ]
    )


def _largest(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest connected piece; nothing of nothing."""
    labels, count = ndimage.label(inside, structure=np.ones((3, 3, 3)))
    if not count:
        return inside
    return labels == np.bincount(labels.ravel())[1:].argmax() + 1


def _of_sides(
    array: NDArray[np.float32], left: NDArray[np.bool_], right: NDArray[np.bool_], grid: Grid
) -> dict[str, float]:
    numbers = {}
    for name, side in (("left", left), ("right", right)):
        numbers[f"{name}_ml"] = float(np.count_nonzero(side)) * grid.voxel_volume_ml
        numbers[f"{name}_median"] = float(np.median(array[side])) if side.any() else 0.0
    return numbers


def _confidence(numbers: Mapping[str, float], settings: FindMuscle) -> float:
    """0 at a limit, 1 far from all; refuses beyond."""
    share = numbers["share_of_fat"]
    if share > settings.max_share_of_fat:
        _refuse(
            f"the darkest tissue is {share:.2f} times as bright as fat",
            f"at most {settings.max_share_of_fat:g} times, without fat suppression",
        )
    less = min(numbers["left_ml"], numbers["right_ml"])
    if less < settings.min_side_ml:
        _refuse(
            f"{less:.2f} mL of muscle on one side",
            f"at least {settings.min_side_ml:g} mL on both",
        )
    ratio = max(numbers["left_median"], numbers["right_median"]) / max(
        min(numbers["left_median"], numbers["right_median"]), np.finfo(float).tiny
    )
    if ratio > settings.max_side_ratio:
        _refuse(
            f"one side is {ratio:.2f} times as bright as the other",
            f"at most {settings.max_side_ratio:g} times",
        )
    enough = min(1.0, (less - settings.min_side_ml) / (3 * settings.min_side_ml))
    alike = 1 - np.log(ratio) / np.log(settings.max_side_ratio)
    return float(enough * alike)


def _refuse(found: str, expected: str) -> NoReturn:
    raise InputError(
        "MUSCLE_UNSURE",
        f"muscle cannot be found by itself: {found}",
        expected=expected,
        action="outline muscle on the T2, or choose zscore",
    )
