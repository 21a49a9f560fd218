"""Volumes and masks: the two nouns that hold voxels. The only door between images and arrays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from radresp.core.grid import Grid
from radresp.core.words import Roi, Sequence, Unit
from radresp.errors import GeometryError, InputError


@dataclass(frozen=True, slots=True)
class Volume:
    """A 3-D float32 image that knows what it shows and in which unit.

    Parameters
    ----------
    image : SimpleITK.Image
        3-D scalar image; converted to float32. Treated as read-only from here on.
    sequence : Sequence
        What it shows.
    unit : Unit
        Unit of the values. ADC must be in 1e-6 mm2/s.
    b_s_per_mm2 : float, optional
        b-value; given exactly when the sequence is DWI.
    background : SimpleITK.Image, optional
        uint8 image of the same size, 1 where there is no measurement (outside the field of view
        after resampling). Only there may values be non-finite.

    Raises
    ------
    InputError
        ``NONFINITE`` for NaN or infinity outside the background, ``ADC_UNITS`` for an ADC in
        another unit, ``DWI_BVALUE_MISSING`` for a DWI without b-value.

    Examples
    --------
    >>> grid = Grid((3, 3, 2), (1, 1, 3))
    >>> volume = Volume.from_array(np.ones((2, 3, 3)), grid, Sequence.T2)
    >>> volume.array.shape
    (2, 3, 3)
    """

    image: sitk.Image
    sequence: Sequence
    unit: Unit = Unit.ARBITRARY
    b_s_per_mm2: float | None = None
    background: sitk.Image | None = None

    def __post_init__(self) -> None:
        Grid.of(self.image)
        if self.image.GetNumberOfComponentsPerPixel() != 1:
            raise InputError("NII_DTYPE", "the image has several components", expected="one")
        if self.image.GetPixelID() != sitk.sitkFloat32:
            object.__setattr__(self, "image", sitk.Cast(self.image, sitk.sitkFloat32))
        self._check_meaning()
        self._check_finite()

    def _check_meaning(self) -> None:
        if (self.sequence is Sequence.ADC) != (self.unit is Unit.UM2_PER_S):
            raise InputError(
                "ADC_UNITS",
                f"a {self.sequence} volume in unit '{self.unit}'",
                expected="ADC, and only ADC, in 1e-6 mm2/s",
            )
        if (self.sequence is Sequence.DWI) != (self.b_s_per_mm2 is not None):
            raise InputError(
                "DWI_BVALUE_MISSING",
                f"a {self.sequence} volume with b-value {self.b_s_per_mm2}",
                expected="a b-value for DWI and for nothing else",
            )

    def _check_finite(self) -> None:
        bad = ~np.isfinite(sitk.GetArrayViewFromImage(self.image))
        if self.background is not None:
            if self.background.GetSize() != self.image.GetSize():
                raise GeometryError("MASK_GEOMETRY", "the background has another size")
            bad &= sitk.GetArrayViewFromImage(self.background) == 0
        if bad.any():
            raise InputError("NONFINITE", f"{int(bad.sum())} NaN or infinite voxels", expected="0")

    @classmethod
    def from_array(
        cls,
        array: NDArray[Any],
        grid: Grid,
        sequence: Sequence,
        unit: Unit = Unit.ARBITRARY,
        b_s_per_mm2: float | None = None,
        background: sitk.Image | None = None,
    ) -> Self:
        """A volume from an array ordered (z, y, x)."""
        image = image_of(np.asarray(array, dtype=np.float32), grid)
        return cls(image, sequence, unit, b_s_per_mm2, background)

    @property
    def grid(self) -> Grid:
        """Where the voxels lie."""
        return Grid.of(self.image)

    @property
    def array(self) -> NDArray[np.float32]:
        """A copy of the values, float32, ordered (z, y, x)."""
        return sitk.GetArrayFromImage(self.image)

    def with_array(self, array: NDArray[Any]) -> Self:
        """The same volume with other values, ordered (z, y, x)."""
        return replace(self, image=image_of(np.asarray(array, dtype=np.float32), self.grid))

    def values_in(self, mask: Mask) -> NDArray[np.float32]:
        """The values inside a mask on the same grid, as a flat array."""
        if not mask.grid.same_as(self.grid):
            raise GeometryError(
                "MASK_GEOMETRY",
                f"the {mask.roi} mask lies on another grid: {mask.grid.difference(self.grid)}",
                expected="the grid of its image",
                action="carry the mask to the image's grid first",
            )
        return self.array[mask.array]


@dataclass(frozen=True, slots=True)
class Mask:
    """A binary outline of one region.

    Parameters
    ----------
    image : SimpleITK.Image
        3-D image holding only 0 and 1; stored as uint8.
    roi : Roi
        What it outlines.

    Raises
    ------
    InputError
        ``MASK_LABEL`` when a value other than 0 and 1 occurs.

    Examples
    --------
    >>> grid = Grid((2, 2, 2), (10, 10, 10))
    >>> mask = Mask.from_array(np.ones((2, 2, 2)), grid, Roi.TUMOUR)
    >>> mask.volume_ml, mask.is_empty
    (8.0, False)
    """

    image: sitk.Image
    roi: Roi

    def __post_init__(self) -> None:
        Grid.of(self.image)
        values = np.unique(sitk.GetArrayViewFromImage(self.image))
        if not np.isin(values, (0, 1)).all():
            raise InputError(
                "MASK_LABEL",
                f"the mask holds the values {', '.join(f'{v:g}' for v in values[:8])}",
                expected="only 0 and 1",
                action="choose one label",
            )
        if self.image.GetPixelID() != sitk.sitkUInt8:
            object.__setattr__(self, "image", sitk.Cast(self.image, sitk.sitkUInt8))

    @classmethod
    def from_array(cls, array: NDArray[Any], grid: Grid, roi: Roi) -> Self:
        """A mask from an array ordered (z, y, x) of 0/1 or booleans."""
        values = np.asarray(array)
        if values.dtype == bool:
            values = values.astype(np.uint8)
        return cls(image_of(values, grid), roi)

    @property
    def grid(self) -> Grid:
        """Where the voxels lie."""
        return Grid.of(self.image)

    @property
    def array(self) -> NDArray[np.bool_]:
        """A boolean copy ordered (z, y, x)."""
        return sitk.GetArrayViewFromImage(self.image).astype(bool)

    @property
    def voxel_count(self) -> int:
        """Number of voxels inside."""
        return int(np.count_nonzero(sitk.GetArrayViewFromImage(self.image)))

    @property
    def is_empty(self) -> bool:
        """Whether no voxel is inside."""
        return self.voxel_count == 0

    @property
    def volume_ml(self) -> float:
        """Volume in mL: voxels times voxel volume."""
        return self.voxel_count * self.grid.voxel_volume_ml

    def named(self, roi: Roi) -> Self:
        """The same outline under another name."""
        return replace(self, roi=roi)

    def with_array(self, array: NDArray[Any]) -> Self:
        """The same mask with other voxels, ordered (z, y, x)."""
        return type(self).from_array(array, self.grid, self.roi)


def image_of(array: NDArray[Any], grid: Grid) -> sitk.Image:
    """A SimpleITK image from an array ordered (z, y, x), placed on a grid.

    Raises
    ------
    GeometryError
        If the array's shape is not the grid's size reversed.
    """
    if array.shape != grid.size[::-1]:
        raise GeometryError(
            "GRID", f"an array of shape {array.shape}", expected=f"{grid.size[::-1]} (z, y, x)"
        )
    image = sitk.GetImageFromArray(np.ascontiguousarray(array))
    grid.stamp(image)
    return image
