"""Readers of written DICOM that know nothing of the writer: pydicom, highdicom, dcm2niix.

Each goes by what the files say and checks on the way that it lies where our grid says.
"""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
from pathlib import Path

import highdicom
import nibabel as nib
import numpy as np
import pydicom
import pytest

from radresp.core import Grid


def private(dataset: pydicom.Dataset, group: int, creator: str, element: int) -> object:
    return dataset.private_block(group, creator)[element].value


def pictures_of(path: Path) -> list[tuple[float | None, list[float], list[float], np.ndarray]]:
    """b-value, position, orientation and decoded values of every picture in a file."""
    dataset = pydicom.dcmread(path)
    stored = dataset.pixel_array.astype(float)
    if "PerFrameFunctionalGroupsSequence" not in dataset:
        values = stored * float(dataset.get("RescaleSlope", 1)) + float(
            dataset.get("RescaleIntercept", 0)
        )
        if "Philips" in dataset.Manufacturer:
            scale = private(dataset, 0x2005, "Philips MR Imaging DD 001", 0x0E)
            values = values / (float(dataset.RescaleSlope) * scale)
        place = dataset.ImagePositionPatient, dataset.ImageOrientationPatient
        return [(classic_b(dataset), *place, values)]
    made = []
    for groups, frame in zip(dataset.PerFrameFunctionalGroupsSequence, stored, strict=True):
        rule = groups.PixelValueTransformationSequence[0]
        values = frame * float(rule.RescaleSlope) + float(rule.RescaleIntercept)
        if "Philips" in dataset.Manufacturer:
            inner = private(groups, 0x2005, "Philips MR Imaging DD 005", 0x0F)[0]
            scale = private(inner, 0x2005, "Philips MR Imaging DD 001", 0x0E)
            values = values / (float(rule.RescaleSlope) * scale)
        b = None
        if "MRDiffusionSequence" in groups:
            b = groups.MRDiffusionSequence[0].DiffusionBValue
        position = groups.PlanePositionSequence[0].ImagePositionPatient
        orientation = groups.PlaneOrientationSequence[0].ImageOrientationPatient
        made.append((b, position, orientation, values))
    return made


def classic_b(dataset: pydicom.Dataset) -> float | None:
    """The b-value from where the vendor keeps it."""
    if "T2" in dataset.SeriesDescription.upper():
        return None
    if dataset.Manufacturer == "SIEMENS":
        return float(private(dataset, 0x0019, "SIEMENS MR HEADER", 0x0C))
    if dataset.Manufacturer.startswith("GE"):
        return float(int(private(dataset, 0x0043, "GEMS_PARM_01", 0x39)[0]) % 1_000_000_000)
    if dataset.Manufacturer == "UIH":
        return private(dataset, 0x0065, "Image Private Header", 0x09)
    assert dataset.DiffusionBValue == private(dataset, 0x2001, "Philips Imaging DD 001", 0x03)
    return dataset.DiffusionBValue


def by_place(paths: tuple[Path, ...], grid: Grid) -> dict[tuple[float | None, int], np.ndarray]:
    """Decoded slices by b-value and slice number, their geometry checked on the way."""
    found = {}
    for b, position, orientation, values in (p for path in paths for p in pictures_of(path)):
        inverse = np.linalg.inv(grid.affine)
        x, y, z, _ = inverse @ [*map(float, position), 1.0]
        assert np.abs([x, y, z - round(z)]).max() < 1e-6
        cosines = np.reshape([float(v) for v in orientation], (2, 3)).T
        np.testing.assert_allclose(cosines, grid.axes[:, :2], atol=1e-9)
        found[b, round(z)] = values
    return found


def assert_same_place(read: highdicom.Volume, grid: Grid) -> np.ndarray:
    """Check a volume of highdicom against a grid; its values ordered (z, y, x) as ours."""
    # highdicom indexes (slice, row, column) and may run slices the other way.
    to_ours = np.linalg.inv(grid.affine) @ read.affine
    array = read.array
    if to_ours[2, 0] < 0:
        array = array[::-1]
        to_ours[:, 3] += to_ours[:, 0] * (read.shape[0] - 1)
        to_ours[:, 0] *= -1
    swapped = to_ours[:3, [2, 1, 0]]
    np.testing.assert_allclose(swapped, np.eye(3), atol=1e-6)
    np.testing.assert_allclose(to_ours[:3, 3], 0, atol=1e-6)
    return array


def find_dcm2niix() -> str:
    beside = Path(sys.executable).with_name("dcm2niix")
    found = shutil.which("dcm2niix") or (str(beside) if beside.exists() else None)
    if found is None:
        pytest.skip("dcm2niix is not installed (it is in the test extra)")
    return found


def convert(folder: Path, out: Path) -> tuple[nib.Nifti1Image, list[float]]:
    out.mkdir()
    command = [find_dcm2niix(), "-z", "n", "-f", "image", "-o", str(out), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout
    assert [path.name for path in out.glob("*.nii")] == ["image.nii"], done.stdout
    b_values = out / "image.bval"
    listed = [float(b) for b in b_values.read_text().split()] if b_values.exists() else []
    return nib.load(out / "image.nii"), listed


def on_our_grid(image: nib.Nifti1Image, grid: Grid) -> np.ndarray:
    """Volumes (n, z, y, x) on our grid, after checking that theirs is the same to 1e-3 mm."""
    theirs = np.diag([-1.0, -1.0, 1.0, 1.0]) @ image.affine
    exact = np.linalg.inv(theirs) @ grid.affine
    whole = np.round(exact)
    corners = np.array([[*c, 1] for c in itertools.product(*((0, n - 1) for n in grid.size))]).T
    error = np.linalg.norm((theirs @ whole - grid.affine)[:3] @ corners, axis=0).max()
    assert error < 1e-3
    z, y, x = np.indices(grid.size[::-1])
    i, j, k, _ = np.einsum("ab,b...->a...", whole.astype(int), np.stack([x, y, z, z * 0 + 1]))
    data = np.asarray(image.dataobj, dtype=np.float64).reshape(*image.shape[:3], -1)
    return np.moveaxis(data[i, j, k], -1, 0)


def seg_arrays(dataset: pydicom.Dataset, grid: Grid) -> dict[str, np.ndarray]:
    """Segments as (z, y, x) arrays, every frame put where its position says."""
    shared = dataset.SharedFunctionalGroupsSequence[0]
    labels = {s.SegmentNumber: s.SegmentLabel for s in dataset.SegmentSequence}
    found = {label: np.zeros(grid.size[::-1], bool) for label in labels.values()}
    axes = np.reshape(
        [float(v) for v in shared.PlaneOrientationSequence[0].ImageOrientationPatient], (2, 3)
    )
    np.testing.assert_allclose(axes.T, grid.axes[:, :2], atol=1e-9)
    spacing = [float(v) for v in shared.PixelMeasuresSequence[0].PixelSpacing]
    np.testing.assert_allclose(spacing[::-1], grid.spacing_mm[:2])
    frames = np.atleast_3d(dataset.pixel_array).reshape(-1, *grid.size[1::-1])
    for groups, frame in zip(dataset.PerFrameFunctionalGroupsSequence, frames, strict=True):
        place = [float(v) for v in groups.PlanePositionSequence[0].ImagePositionPatient]
        x, y, z, _ = np.linalg.inv(grid.affine) @ [*place, 1.0]
        assert np.abs([x, y, z - round(z)]).max() < 1e-6
        holder = groups if "SegmentIdentificationSequence" in groups else shared
        number = holder.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        found[labels[number]][round(z)] = frame.astype(bool)
    return found


def even_odd(polygons: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Pixels (y, x) whose centre lies inside an odd number of polygons of (x, y) vertices."""
    y, x = np.indices(shape)
    inside = np.zeros(shape, bool)
    for polygon in polygons:
        for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
            if y0 != y1:
                crosses = (y0 > y) != (y1 > y)
                inside ^= crosses & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
    return inside


def area(polygon: np.ndarray) -> float:
    """Signed area by the shoelace formula."""
    x, y = polygon.T
    return 0.5 * float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))


def planes_of(images: Path) -> dict[tuple[str, int | None], tuple[np.ndarray, tuple[int, int]]]:
    """Affine from (x, y, 0) pixels to mm, and (rows, columns), of every image by its reference."""
    found = {}
    for dataset in map(pydicom.dcmread, images.iterdir()):
        size = dataset.Rows, dataset.Columns
        if "PerFrameFunctionalGroupsSequence" not in dataset:
            found[dataset.SOPInstanceUID, None] = plane(dataset, dataset, dataset), size
            continue
        shared = dataset.SharedFunctionalGroupsSequence[0]
        for number, groups in enumerate(dataset.PerFrameFunctionalGroupsSequence, start=1):
            holder = groups if "PixelMeasuresSequence" in groups else shared
            affine = plane(
                groups.PlanePositionSequence[0],
                groups.PlaneOrientationSequence[0],
                holder.PixelMeasuresSequence[0],
            )
            found[dataset.SOPInstanceUID, number] = affine, size
    return found


def plane(position, orientation, measures) -> np.ndarray:
    axes = np.reshape([float(v) for v in orientation.ImageOrientationPatient], (2, 3))
    between_rows, between_columns = (float(v) for v in measures.PixelSpacing)
    return np.column_stack(
        [
            axes[0] * between_columns,
            axes[1] * between_rows,
            np.cross(*axes),
            [float(v) for v in position.ImagePositionPatient],
        ]
    )


def rtstruct_arrays(
    path: Path, images: Path, grid: Grid
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Masks (z, y, x) and volumes in mL of contours, by ROI name."""
    dataset, planes = pydicom.dcmread(path), planes_of(images)
    names = {roi.ROINumber: roi.ROIName for roi in dataset.StructureSetROISequence}
    masks = {name: np.zeros(grid.size[::-1], bool) for name in names.values()}
    volumes = dict.fromkeys(names.values(), 0.0)
    for roi in dataset.ROIContourSequence:
        name = names[roi.ReferencedROINumber]
        slices: dict[int, list[np.ndarray]] = {}
        for contour in roi.ContourSequence:
            assert contour.ContourGeometricType == "CLOSED_PLANAR"
            reference = contour.ContourImageSequence[0]
            key = (reference.ReferencedSOPInstanceUID, reference.get("ReferencedFrameNumber"))
            affine, size = planes[key]
            points = np.reshape([float(v) for v in contour.ContourData], (-1, 3))
            assert len(points) == contour.NumberOfContourPoints
            pixels = (points - affine[:, 3]) @ np.linalg.inv(affine[:, :3]).T
            assert np.abs(pixels[:, 2]).max() < 1e-4  # in the plane of its image
            offset = (affine[:, 3] - grid.origin_mm) @ grid.axes[:, 2]
            slices.setdefault(round(offset / grid.spacing_mm[2]), []).append(pixels[:, :2])
        for index, polygons in slices.items():
            masks[name][index] = even_odd(polygons, size)
            volumes[name] += sum(map(area, polygons)) * grid.voxel_volume_ml
    return masks, volumes
