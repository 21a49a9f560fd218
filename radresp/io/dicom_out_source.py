"""The slices of a DICOM series written here, found again on the grid of a mask.

Segmentations and structure sets refer to the image each outline was drawn on. Where several images
show one slice position, it is the last one taken: the highest b-value, on which tumours are drawn.
"""

from __future__ import annotations

from collections.abc import Sequence as Ordered
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import MRImageStorage

from radresp.core import Grid, Mask
from radresp.errors import GeometryError, InputError, PlanError

_TOLERANCE_MM = 1e-2


@dataclass(frozen=True, slots=True)
class SourceSlice:
    """The image of one slice position, as objects made from it need it.

    Parameters
    ----------
    image : pydicom.Dataset
        A classic image without pixels, which is what highdicom can place one by one. That of a
        frame has a UID of its own, which stands in no file.
    position : tuple of float
        ImagePositionPatient, LPS mm.
    reference : pydicom.Dataset
        SOP class, SOP instance and frame as they are in the file, as a sequence item.
    """

    image: Dataset
    position: tuple[float, float, float]
    reference: Dataset


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
        for source in _images(header):
            found[_place(source, grid, folder)] = source
    if set(found) != set(range(grid.size[2])):
        raise _elsewhere(folder, f"images at {len(found)} of {grid.size[2]} slices of the mask")
    return tuple(found[index] for index in range(grid.size[2]))


def refer(made: Any, slices: Ordered[SourceSlice]) -> None:
    """Name in an object of highdicom each frame's source frame, and each source file once.

    Parameters
    ----------
    made : highdicom object
        Made from the slices' images: a segmentation or a parametric map.
    slices : sequence of SourceSlice
        All of them, in any order.
    """
    places = {place.position: place for place in slices}
    for groups in made.PerFrameFunctionalGroupsSequence:
        position = groups.PlanePositionSequence[0].ImagePositionPatient
        x, y, z = map(float, position)
        reference = places[x, y, z].reference
        groups.DerivationImageSequence[0].SourceImageSequence[0].update(reference)
    made.ReferencedSeriesSequence[0].ReferencedInstanceSequence = instances_of(slices)
    made.SourceImageSequence = instances_of(slices)


def instances_of(slices: Ordered[SourceSlice]) -> list[Dataset]:
    """A reference to each file among some slices, once and without frames."""
    files: dict[str, Dataset] = {}
    for place in slices:
        reference = Dataset()
        reference.update(place.reference)
        reference.pop("ReferencedFrameNumber", None)
        files.setdefault(reference.ReferencedSOPInstanceUID, reference)
    return list(files.values())


def _images(header: Dataset) -> list[SourceSlice]:
    """Every image of a file."""
    if "PerFrameFunctionalGroupsSequence" not in header:
        return [_slice(header, header, None)]
    shared = header.SharedFunctionalGroupsSequence[0]
    images = []
    for number, groups in enumerate(header.PerFrameFunctionalGroupsSequence, start=1):
        measures = groups if "PixelMeasuresSequence" in groups else shared
        single = Dataset()
        single.update(header)
        for group in (
            groups.PlanePositionSequence[0],
            groups.PlaneOrientationSequence[0],
            measures.PixelMeasuresSequence[0],
        ):
            single.update(group)
        # Deleted first: an element set anew in place would change the file's own header too.
        del single.NumberOfFrames, single.SOPClassUID, single.SOPInstanceUID
        single.SOPClassUID = MRImageStorage
        single.SOPInstanceUID = f"{header.SOPInstanceUID}.{number}"
        images.append(_slice(single, header, number))
    return images


def _slice(image: Dataset, header: Dataset, frame: int | None) -> SourceSlice:
    reference = Dataset()
    reference.ReferencedSOPClassUID = header.SOPClassUID
    reference.ReferencedSOPInstanceUID = header.SOPInstanceUID
    if frame is not None:
        reference.ReferencedFrameNumber = frame
    return SourceSlice(image, _point(image.ImagePositionPatient), reference)


def _place(source: SourceSlice, grid: Grid, folder: Path) -> int:
    """Which slice of the grid an image is."""
    image = source.image
    offset = np.subtract(source.position, grid.origin_mm) @ grid.axes
    index = round(offset[2] / grid.spacing_mm[2])
    off = np.abs(offset - [0, 0, index * grid.spacing_mm[2]]).max()
    turned = np.abs(np.reshape(image.ImageOrientationPatient, (2, 3)).T - grid.axes[:, :2]).max()
    same = (image.Columns, image.Rows) == grid.size[:2]
    spaced = np.abs(np.subtract(image.PixelSpacing[::-1], grid.spacing_mm[:2])).max()
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
