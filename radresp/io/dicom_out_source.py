"""The slices of a DICOM series written here, found again on the grid of a mask.

Segmentations and structure sets refer to the image each outline was drawn on. Where several images
show one slice position, it is the last one taken: the highest b-value, on which tumours are drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset

from radresp.core import Grid, Mask
from radresp.errors import GeometryError, InputError, PlanError

_TOLERANCE_MM = 1e-2


@dataclass(frozen=True, slots=True)
class SourceSlice:
    """The image of one slice position: header of its file, its frame there and its place."""

    header: Dataset
    frame: int | None
    """From 1; None in a file of one image."""
    position: tuple[float, float, float]

    @property
    def reference(self) -> Dataset:
        """SOP class, SOP instance and frame, as a sequence item."""
        found = Dataset()
        found.ReferencedSOPClassUID = self.header.SOPClassUID
        found.ReferencedSOPInstanceUID = self.header.SOPInstanceUID
        if self.frame is not None:
            found.ReferencedFrameNumber = self.frame
        return found


def check_masks(masks: tuple[Mask, ...]) -> Grid:
    """The one grid of some masks with different names.

    Raises
    ------
    PlanError
        ``USAGE`` for no mask, or two of one name.
    GeometryError
        ``MASK_GEOMETRY`` when they lie on different grids.
    """
    names = [mask.roi for mask in masks]
    if not masks or len(set(names)) != len(names):
        raise PlanError("USAGE", f"masks {', '.join(names) or 'none'}", expected="each name once")
    grid = masks[0].grid
    for mask in masks[1:]:
        if not mask.grid.same_as(grid):
            raise GeometryError(
                "MASK_GEOMETRY",
                f"the {mask.roi} mask lies on another grid: {mask.grid.difference(grid)}",
                expected="one grid",
            )
    return grid


def source_slices(folder: Path, grid: Grid) -> tuple[SourceSlice, ...]:
    """The image of every slice of a grid.

    Parameters
    ----------
    folder : Path
        A series folder.
    grid : Grid
        Grid of the masks; must be the images'.

    Returns
    -------
    tuple of SourceSlice
        One a slice, in the order of the grid's z axis.

    Raises
    ------
    InputError
        ``MISSING_FILE`` when the folder holds no DICOM image.
    GeometryError
        ``MASK_GEOMETRY`` when the grid is not the images'.
    """
    found: dict[int, SourceSlice] = {}
    headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in folder.glob("*.dcm")]
    if not headers:
        raise InputError("MISSING_FILE", "no DICOM image", expected="a series", file=folder)
    for header in sorted(headers, key=lambda header: int(header.InstanceNumber)):
        for source, axes, spacing in _images(header):
            found[_place(source, axes, spacing, header, grid, folder)] = source
    if set(found) != set(range(grid.size[2])):
        raise _elsewhere(folder, f"images at {len(found)} of {grid.size[2]} slices of the mask")
    return tuple(found[index] for index in range(grid.size[2]))


def _images(header: Dataset) -> list[tuple[SourceSlice, list[float], list[float]]]:
    """Every image of a file with its orientation and pixel spacing."""
    if "PerFrameFunctionalGroupsSequence" not in header:
        place = _point(header.ImagePositionPatient)
        axes, spacing = header.ImageOrientationPatient, header.PixelSpacing
        return [(SourceSlice(header, None, place), axes, spacing)]
    shared = header.SharedFunctionalGroupsSequence[0]
    images = []
    for number, groups in enumerate(header.PerFrameFunctionalGroupsSequence, start=1):
        measures = groups if "PixelMeasuresSequence" in groups else shared
        place = _point(groups.PlanePositionSequence[0].ImagePositionPatient)
        axes = groups.PlaneOrientationSequence[0].ImageOrientationPatient
        spacing = measures.PixelMeasuresSequence[0].PixelSpacing
        images.append((SourceSlice(header, number, place), axes, spacing))
    return images


def _place(
    source: SourceSlice,
    axes: list[float],
    spacing: list[float],
    header: Dataset,
    grid: Grid,
    folder: Path,
) -> int:
    """Which slice of the grid an image is."""
    offset = np.subtract(source.position, grid.origin_mm) @ grid.axes
    index = round(offset[2] / grid.spacing_mm[2])
    off = np.abs(offset - [0, 0, index * grid.spacing_mm[2]]).max()
    turned = np.abs(np.reshape(axes, (2, 3)).T - grid.axes[:, :2]).max()
    same = (header.Columns, header.Rows) == grid.size[:2]
    spaced = np.abs(np.subtract(spacing[::-1], grid.spacing_mm[:2])).max()
    if not same or max(off, spaced) > _TOLERANCE_MM or turned > 1e-4:
        raise _elsewhere(folder, f"an image {off:.3g} mm off the mask's slices, or turned or sized")
    return index


def _point(values: list[float]) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z


def _elsewhere(folder: Path, found: str) -> GeometryError:
    return GeometryError(
        "MASK_GEOMETRY", found, expected="masks on the grid of the images", file=folder
    )
