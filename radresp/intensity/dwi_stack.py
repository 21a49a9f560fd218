"""Diffusion-weighted images as one block of numbers, after the checks every fit asks for.

What: the volumes to fit, by rising b-value, refused where no fit could mean anything. Source: fault
catalogue A06 and A07. When: at the door of the ADC, IVIM and kurtosis fits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radresp.core import Grid, Note, NoteKind, Sequence, Volume
from radresp.errors import GeometryError, InputError
from radresp.intensity.body import body_threshold
from radresp.intensity.noise import noise_level

_ENOUGH = 250_000  # about as many voxels, in whole slices, judge the order of b-values


@dataclass(frozen=True, slots=True)
class Stack:
    """Diffusion-weighted images on one grid, by rising b-value.

    Parameters
    ----------
    grid : Grid
        Where the voxels lie.
    b : numpy.ndarray
        b-values, s/mm2, rising; one may occur several times.
    images : numpy.ndarray
        Signal, float32, (b, z, y, x).
    threshold : float
        Signal at the lowest b-value above which a voxel belongs to the body.
    """

    grid: Grid
    b: NDArray[np.float64]
    images: NDArray[np.float32]
    threshold: float

    @property
    def signal(self) -> NDArray[np.float32]:
        """The same signal, (b, voxels)."""
        return self.images.reshape(len(self.b), -1)

    @property
    def words(self) -> str:
        """The b-values, for people."""
        return words(self.b)

    def sigma(self, given: float | None) -> tuple[float, tuple[Note, ...]]:
        """Noise level of the highest b, or 0 with a warning where there is no air to read it from.

        Parameters
        ----------
        given : float or None
            Taken instead, image units.
        """
        if given is not None:
            return given, ()
        found = noise_level(self.images[0], self.images[-1], self.threshold)
        if found is not None:
            return found, ()
        warning = Note(
            NoteKind.WARNING,
            "DWI_NOISE_UNKNOWN",
            "no air in the field of view to read the noise level from",
            expected="some air around the patient",
            action="give noise_sigma; until then only voxels without signal count as unreliable",
        )
        return 0.0, (warning,)


def stack(
    dwi: tuple[Volume, ...],
    b_values_s_per_mm2: tuple[float, ...] | None = None,
    b_min_s_per_mm2: float = 0.0,
) -> Stack:
    """The volumes to fit as one block.

    Parameters
    ----------
    dwi : tuple of Volume
        In any order.
    b_values_s_per_mm2 : tuple of float, optional
        b-values to use, s/mm2; all when not given.
    b_min_s_per_mm2 : float, optional
        Smallest b-value used, s/mm2.

    Raises
    ------
    InputError
        ``DWI_BVALUES`` for fewer than two distinct b-values, ``ROLE_MISMATCH`` for a volume that
        is no DWI, ``DWI_OVERFLOW`` for wrapped integers, ``DWI_B_ORDER`` when the signal rises
        with b.
    GeometryError
        ``DWI_GRID`` when the volumes lie on different grids.
    """
    chosen = _choose(dwi, b_values_s_per_mm2, b_min_s_per_mm2)
    b = np.array([volume.b_s_per_mm2 for volume in chosen], dtype=float)
    images = np.stack([volume.array for volume in chosen])
    _check_overflow(images)
    _check_order(images[:, :: max(1, images[0].size // _ENOUGH)], b)
    return Stack(chosen[0].grid, b, images, body_threshold(images[0]))


def words(b: NDArray[np.float64]) -> str:
    """b-values, for people."""
    return ", ".join(f"{value:g}" for value in b)


def _choose(
    dwi: tuple[Volume, ...], b_values: tuple[float, ...] | None, b_min: float
) -> list[Volume]:
    """The volumes to fit, by rising b, after the checks that need no voxels."""
    wrong = [volume.sequence for volume in dwi if volume.sequence is not Sequence.DWI]
    if wrong:
        raise InputError("ROLE_MISMATCH", f"a {wrong[0]} volume for an ADC fit", expected="DWI")
    by_b = sorted(dwi, key=lambda volume: volume.b_s_per_mm2 or 0.0)
    chosen = [v for v in by_b if (v.b_s_per_mm2 or 0.0) >= b_min]
    if b_values is not None:
        wanted = np.array(b_values)
        chosen = [v for v in chosen if np.isclose(wanted, v.b_s_per_mm2 or 0.0, atol=0.5).any()]
    if len({volume.b_s_per_mm2 for volume in chosen}) < 2:
        found = words(np.array([volume.b_s_per_mm2 for volume in by_b], dtype=float)) or "none"
        raise InputError(
            "DWI_BVALUES",
            f"b-values {found} s/mm2, of which {len(chosen)} may be used",
            expected="at least two distinct b-values",
            action="give DWI with two or more b-values, or an ADC map",
        )
    for volume in chosen[1:]:
        if not volume.grid.same_as(chosen[0].grid):
            raise GeometryError(
                "DWI_GRID",
                f"b {volume.b_s_per_mm2:g} lies on another grid than b "
                f"{chosen[0].b_s_per_mm2:g}: {chosen[0].grid.difference(volume.grid)}",
                expected="all b-values on one grid",
            )
    return chosen


def _check_overflow(images: NDArray[np.float32]) -> None:
    """Refuse integers that wrapped: strongly negative voxels beside near-maximal ones (A06)."""
    for image in images:
        low, high = float(image.min()), float(image.max())
        if low >= -0.1 * high:  # interpolation undershoots by less
            continue
        peaks = ndimage.maximum_filter(image, size=3)
        wrapped = np.count_nonzero((image < -0.1 * high) & (peaks > 0.5 * high))
        if wrapped or high <= 0:
            raise InputError(
                "DWI_OVERFLOW",
                f"{wrapped} voxels down to {low:g} beside the maximum {high:g}",
                expected="magnitudes of 0 and above",
                action="export the series again without the integer overflow",
            )


def _check_order(images: NDArray[np.float32], b: NDArray[np.float64]) -> None:
    """Refuse a median signal in the body that rises with b (A07)."""
    brightest = images.max(axis=0)  # finds the body whichever image carries the low b-value
    inside = brightest > body_threshold(brightest)
    if inside.mean() < 0.01:  # specks are no body to judge by
        return
    medians = [float(np.median(image[inside])) for image in images]
    rises = [i for i in range(len(b) - 1) if b[i + 1] > b[i] and medians[i + 1] > medians[i] * 1.05]
    if rises or medians[-1] > medians[0]:
        i, j = (rises[0], rises[0] + 1) if rises else (0, len(b) - 1)
        raise InputError(
            "DWI_B_ORDER",
            f"the body is brighter at b {b[j]:g} (median {medians[j]:.4g}) "
            f"than at b {b[i]:g} (median {medians[i]:.4g})",
            expected="signal that falls as b rises",
            action="check the b-values given for these images",
        )
