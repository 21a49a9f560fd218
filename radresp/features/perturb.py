"""Perturb: one visit as it might have been measured and outlined another time.

What: a draw moves and turns the patient under the scanner, adds noise, makes the outline larger or
smaller, redraws its edge along supervoxels, and shifts an outline that was carried from another
image by a registration's error. All images and outlines of a visit are moved by one draw. Features
of many draws tell how much of a value depends on chance (``radresp.evaluate.agreement``).

Chain and ranges: Zwanenburg et al., Sci Rep 2019;9:614 (rotation, noise, translation, volume
adaptation, contour randomisation; there on CT). Noise has the standard deviation found in the image
itself: median absolute diagonal Haar detail within slices / 0.6745 (Donoho and Johnstone 1994).
Supervoxels: SLIC (Achanta et al. 2012) as in ITK; one that lies in the outline by 90 % stays, one
by less than 20 % goes, others are drawn with the probability of their share.

When to use: to leave out features that one more reading would change. It cannot stand in for a
second scan (other coil, other filling of the bowel) nor for a second reader's other opinion of what
is tumour; for these, compare two tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydantic import Field

from radresp.core import Grid, Mask, Settings, Volume, resample_values, resample_volume

ALWAYS, NEVER = 0.9, 0.2
"""Shares of a supervoxel inside the outline from which it surely stays, below which it goes."""
_GAUSSIAN_MAD = 0.6745
_SLIC_ROUNDS = 5
_SLIC_SPREAD = 6.0
"""How often the middle 90 % of intensities fits into one unit of distance: how far supervoxels
follow intensity rather than a lattice."""

Millimetres = Annotated[float, Field(ge=0, le=20)]


class Perturbation(Settings):
    """How often, and how far, a visit is perturbed."""

    count: int = Field(30, ge=2, le=1000, description="Perturbations of each case.")
    rotation_deg: float = Field(
        13.0, ge=0, le=45, description="Largest turn within the slice, degrees, either way."
    )
    translation_mm: Millimetres = Field(
        1.0, description="Largest shift along each patient axis, mm, either way."
    )
    noise: bool = Field(True, description="Add noise as strong as what the image holds already.")
    volume_change: float = Field(
        0.15,
        ge=0,
        le=0.5,
        description="Largest growth or shrinkage of the outline's volume, share.",
    )
    contour: bool = Field(True, description="Redraw the outline along supervoxels.")
    supervoxel_mm: float = Field(5.0, ge=1, le=20, description="Edge of a supervoxel, mm.")
    registration_error_mm: Millimetres = Field(
        1.0,
        description="Standard deviation, along each axis, of the place of an outline that was "
        "carried from another image, mm.",
    )


@dataclass(frozen=True, slots=True)
class Draw:
    """One perturbation of a visit.

    Parameters
    ----------
    angle_rad : float
        Turn around the slice normal, radians.
    shift_mm : tuple of float
        Of the patient, along the LPS axes, mm.
    error_mm : tuple of float
        Of a carried outline, along the LPS axes, mm.
    growth : float
        Of an outline's volume, as a share; negative to shrink.
    seed : int
        For noise and contours.
    """

    angle_rad: float
    shift_mm: tuple[float, float, float]
    error_mm: tuple[float, float, float]
    growth: float
    seed: int


def draw(settings: Perturbation, rng: np.random.Generator) -> Draw:
    """Draw one perturbation.

    Examples
    --------
    >>> still = Perturbation(rotation_deg=0, translation_mm=0)
    >>> draw(still, np.random.default_rng(0)).shift_mm == (0.0, 0.0, 0.0)
    True
    """
    angle = np.deg2rad(settings.rotation_deg) * rng.uniform(-1, 1)
    shift = settings.translation_mm * rng.uniform(-1, 1, 3)
    error = settings.registration_error_mm * rng.standard_normal(3)
    growth = settings.volume_change * rng.uniform(-1, 1)
    return Draw(
        float(angle),
        (float(shift[0]), float(shift[1]), float(shift[2])),
        (float(error[0]), float(error[1]), float(error[2])),
        float(growth),
        int(rng.integers(2**32)),
    )


def motion(
    drawn: Draw, grid: Grid, centre_mm: tuple[float, ...], *, carried: bool = False
) -> sitk.Transform:
    """How a visit moves: from a point of the moved image to where it was, LPS mm.

    Parameters
    ----------
    drawn : Draw
        The perturbation.
    grid : Grid
        Of the visit's main image, around whose slice normal the patient turns.
    centre_mm : tuple of float
        What is turned around, LPS mm; the same for every image of the visit.
    carried : bool, default False
        With the error of an outline that was carried from another image.
    """
    moved = sitk.VersorRigid3DTransform()
    moved.SetCenter([float(x) for x in centre_mm])
    moved.SetRotation(list(grid.direction[2::3]), drawn.angle_rad)
    error = drawn.error_mm if carried else (0.0, 0.0, 0.0)
    moved.SetTranslation([a + b for a, b in zip(drawn.shift_mm, error, strict=True)])
    return moved


def perturb_volume(
    volume: Volume, moved: sitk.Transform, drawn: Draw, settings: Perturbation
) -> Volume:
    """The image moved under its own grid, with noise added.

    Parameters
    ----------
    volume : Volume
        An image, or a cut of one.
    moved : SimpleITK.Transform
        See :func:`motion`.
    drawn : Draw
        The same for all images of a visit, so that images of one size get one noise.
    settings : Perturbation
        Whether noise is added.

    Returns
    -------
    Volume
        On the same grid; cubic interpolation, 0 and declared background where nothing is known.
    """
    if settings.noise:
        rng, sd = np.random.default_rng(drawn.seed), noise_sd(volume)
        values = volume.array
        volume = volume.with_array(values + sd * rng.standard_normal(values.shape))
    return resample_volume(volume, volume.grid, moved, interpolator=sitk.sitkBSpline)


def perturb_mask(
    mask: Mask, image: Volume, moved: sitk.Transform, drawn: Draw, settings: Perturbation
) -> Mask:
    """The outline moved with its image, grown or shrunk, and redrawn along supervoxels.

    Parameters
    ----------
    mask : Mask
        Not empty, on the image's grid.
    image : Volume
        As :func:`perturb_volume` has left it.
    moved : SimpleITK.Transform
        That of the image, with the error of a carried outline.
    drawn : Draw
        That of the image.
    settings : Perturbation
        What is done. Outlines of reference tissue (``Roi.is_reference``) are moved only.

    Returns
    -------
    Mask
        May be empty, when nothing of a tiny outline is left.
    """
    soft = sitk.Cast(mask.image, sitk.sitkFloat32)
    inside = resample_values(soft, mask.grid, moved, 0.0) >= 0.5
    if mask.roi.is_reference or not inside.any():
        return Mask.from_array(inside, mask.grid, mask.roi)
    if drawn.growth:
        inside = _adapted(inside, image.grid.spacing_mm, drawn.growth)
    if settings.contour:
        rng = np.random.default_rng([drawn.seed, 1])
        inside = _redrawn(inside, image, settings.supervoxel_mm, rng)
    return Mask.from_array(inside, mask.grid, mask.roi)


def noise_sd(volume: Volume) -> float:
    """Standard deviation of the noise of an image, estimated within its slices.

    Parameters
    ----------
    volume : Volume
        Where values are 0 (background set by the scanner) nothing is counted.

    Returns
    -------
    float
        In the image's unit; 0 where there is no 2 x 2 block to look at.

    Examples
    --------
    >>> from radresp.core import Grid, Sequence
    >>> noise = np.random.default_rng(0).normal(100, 5, (4, 64, 64))
    >>> found = noise_sd(Volume.from_array(noise, Grid((64, 64, 4), (1, 1, 3)), Sequence.T2))
    >>> bool(abs(found - 5) < 0.2)
    True
    """
    a = volume.array.astype(np.float64)
    a = a[:, : a.shape[1] // 2 * 2, : a.shape[2] // 2 * 2]
    corners = [a[:, i::2, j::2] for i in (0, 1) for j in (0, 1)]
    detail = (corners[0] - corners[1] - corners[2] + corners[3]) / 2
    measured = np.all([corner != 0 for corner in corners], axis=0)
    if not measured.any():
        return 0.0
    return float(np.median(np.abs(detail[measured])) / _GAUSSIAN_MAD)


def _adapted(
    inside: NDArray[np.bool_], spacing_mm: tuple[float, ...], growth: float
) -> NDArray[np.bool_]:
    """The outline with so many voxels more or fewer: those nearest to its edge, in mm."""
    image = sitk.GetImageFromArray(inside.astype(np.uint8))
    image.SetSpacing(spacing_mm)
    distance = sitk.GetArrayFromImage(
        sitk.SignedMaurerDistanceMap(image, squaredDistance=False, useImageSpacing=True)
    )
    count = min(max(round(inside.sum() * (1 + growth)), 1), inside.size)
    grown = np.zeros(inside.size, dtype=bool)
    grown[np.argpartition(distance, count - 1, axis=None)[:count]] = True
    return grown.reshape(inside.shape)


def _redrawn(
    inside: NDArray[np.bool_], image: Volume, edge_mm: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """The outline as the supervoxels that lie in it, those at its edge by chance."""
    edges = [max(1, round(edge_mm / spacing)) for spacing in image.grid.spacing_mm]
    near = _box(inside, [2 * edge for edge in edges[::-1]])
    labels = _supervoxels(image.array[near], image.grid.spacing_mm, edges)
    part = inside[near]
    size = np.bincount(labels.ravel())
    share = np.bincount(labels.ravel(), weights=part.ravel()) / np.maximum(size, 1)
    chosen = (share >= NEVER) & (rng.random(len(share)) < np.where(share >= ALWAYS, 1.0, share))
    redrawn = np.zeros_like(inside)
    redrawn[near] = chosen[labels]
    return redrawn


def _supervoxels(
    values: NDArray[np.float32], spacing_mm: tuple[float, ...], edges: list[int]
) -> NDArray[np.int64]:
    low, high = np.percentile(values, (5, 95))
    scaled = (np.clip(values, low, high) - low) / max(high - low, 1e-12)
    picture = sitk.GetImageFromArray((_SLIC_SPREAD * scaled).astype(np.float32))
    picture.SetSpacing(spacing_mm)
    found = sitk.SLIC(picture, edges, 1.0, _SLIC_ROUNDS)
    return sitk.GetArrayFromImage(found).astype(np.int64)


def _box(inside: NDArray[np.bool_], margin: list[int]) -> tuple[slice, ...]:
    where = np.argwhere(inside)
    return tuple(
        slice(max(0, int(low) - by), min(size, int(high) + 1 + by))
        for low, high, by, size in zip(
            where.min(axis=0), where.max(axis=0), margin, inside.shape, strict=True
        )
    )
