"""Histogram standardisation: percentiles of every image are moved to learned places.

What: percentiles of the body are landmarks. `fit_nyul` learns where they lie on average when the
outermost two are put at 0 and 100; ``normalise`` moves those of an image there, straight between
them and on beyond the ends.
Source: Nyul, Udupa and Zhang, IEEE Trans Med Imaging 2000;19:143-150; going on beyond the ends:
Shah et al., Med Image Anal 2011;15:267-282.
When: several scanners, no reference tissue. What it learns comes from a cohort: it must be fitted
on training patients alone, or the test patients leak. A plan that names it without landmarks is
refused for that reason.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from radresp.core import Mask, Settings, Unit, Volume
from radresp.errors import InputError
from radresp.intensity.body import body_threshold

PERCENTILES = (1.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 99.0)
_SCALE = 100.0  # between the outermost landmarks
_FEWEST_VOXELS = 100


class Nyul(Settings):
    """What histogram standardisation has learned; made by `fit_nyul`, JSON like any settings."""

    percentiles: tuple[float, ...] = Field(
        PERCENTILES, min_length=2, description="Percentiles of the body that are moved, rising."
    )
    landmarks: tuple[float, ...] | None = Field(
        None,
        description="Where they are moved to, rising: learned by radresp.intensity.fit_nyul from "
        "the T2 of training patients alone. Needed.",
    )

    @model_validator(mode="after")
    def _learned(self) -> Self:
        if self.landmarks is None:
            raise ValueError(
                "landmarks learned from training patients alone (radresp.intensity.fit_nyul); "
                "without them every fold would learn from the patients it is tested on"
            )
        rising = all(np.all(np.diff(values) > 0) for values in (self.percentiles, self.landmarks))
        within = self.percentiles[0] >= 0 and self.percentiles[-1] <= 100
        if len(self.landmarks) != len(self.percentiles) or not (rising and within):
            raise ValueError("one landmark for each percentile, both rising, percentiles 0 to 100")
        return self


def fit_nyul(volumes: Iterable[Volume], percentiles: tuple[float, ...] = PERCENTILES) -> Nyul:
    """Learn landmarks from training patients.

    Parameters
    ----------
    volumes : iterable of Volume
        T2 or DWI of one sequence; patients of the training fold and no others.
    percentiles : tuple of float, optional
        Percentiles of the body, rising.

    Returns
    -------
    Nyul
        Settings of the method ``nyul``, frozen and JSON-ready: ``model_dump(mode="json")``.

    Raises
    ------
    InputError
        ``NYUL_EMPTY`` without volumes; ``IMG_CONSTANT`` for an image without contrast.

    Examples
    --------
    >>> from radresp.core import Grid, Sequence
    >>> picture = np.linspace(0, 1000, 4096).reshape(4, 32, 32)
    >>> volume = Volume.from_array(picture, Grid((32, 32, 4), (1, 1, 3)), Sequence.T2)
    >>> round(fit_nyul([volume]).landmarks[5], 3)
    50.0
    """
    places = []
    for volume in volumes:
        found = _percentiles(volume, None, percentiles)
        places.append(_SCALE * (found - found[0]) / (found[-1] - found[0]))
    if not places:
        raise InputError("NYUL_EMPTY", "no volume to learn landmarks from", expected="at least one")
    mean = np.mean(places, axis=0)
    return Nyul(percentiles=percentiles, landmarks=tuple(float(place) for place in mean.round(6)))


def standardise(
    volume: Volume, reference: Mask | None, settings: Nyul
) -> tuple[Volume, dict[str, float]]:
    """Move the percentiles of a volume to the learned places.

    Parameters
    ----------
    volume : Volume
        T2 or DWI.
    reference : Mask or None
        Outline to take percentiles from; the body (above the air threshold) when None.
    settings : Nyul
        From `fit_nyul`.

    Returns
    -------
    volume : Volume
        Same grid, unit ``"1"``.
    numbers : dict
        ``low``, ``median`` and ``high`` percentile of the image before, image units.

    Raises
    ------
    InputError
        ``IMG_CONSTANT`` for an image without contrast.
    """
    found = _percentiles(volume, reference, settings.percentiles)
    targets = np.asarray(settings.landmarks, dtype=float)
    array = volume.array.astype(float)
    moved = np.interp(array, found, targets)
    slopes = np.diff(targets) / np.diff(found)
    moved += np.minimum(array - found[0], 0) * slopes[0]
    moved += np.maximum(array - found[-1], 0) * slopes[-1]
    result = Volume.from_array(
        moved, volume.grid, volume.sequence, Unit.ARBITRARY, volume.b_s_per_mm2, volume.background
    )
    middle = float(np.interp(50.0, settings.percentiles, found))
    return result, {"low": float(found[0]), "median": middle, "high": float(found[-1])}


def _percentiles(
    volume: Volume, reference: Mask | None, percentiles: tuple[float, ...]
) -> NDArray[np.float64]:
    """Percentiles of the body or an outline, strictly rising."""
    array = volume.array
    with np.errstate(invalid="ignore"):  # NaN in the declared background is not body
        inside = (
            array[array > body_threshold(array)]
            if reference is None
            else volume.values_in(reference)
        )
    found = (
        np.percentile(inside.astype(float), percentiles)
        if inside.size >= _FEWEST_VOXELS
        else np.zeros(2)
    )
    spread = found[-1] - found[0]
    if spread <= 1e-6 * abs(found[-1]):
        raise InputError(
            "IMG_CONSTANT",
            f"{inside.size} voxels to normalise by hold about {found[-1]:g}",
            expected=f"at least {_FEWEST_VOXELS} voxels of differing intensities",
        )
    # Coarsely stored images repeat a value at several percentiles: those are parted by a hair.
    return np.maximum.accumulate(found) + np.linspace(0, 1e-6 * spread, len(found))
