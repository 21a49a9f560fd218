"""NIfTI headers, believed only after every field has been checked.

Both common readers accept headers that describe another picture than the file holds (negative
offsets, invented orientations, ignored scaling). Here each field is checked against the standard
(https://nifti.nimh.nih.gov/nifti-1) before a single voxel is read.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from radresp.core import Grid, Note, NoteKind
from radresp.errors import GeometryError, InputError
from radresp.io.image_checks import MAX_VOXELS

LONGEST_HEADER = 540
"""Bytes of the longer of the two headers (NIfTI-2; NIfTI-1 has 348)."""

CORNER_TOLERANCE_VOXELS = 0.1
MAX_EXTENSION_BYTES = 64 * 2**20
MAX_VOLUMES = 4096

_TYPES = {
    2: "u1",
    4: "i2",
    8: "i4",
    16: "f4",
    64: "f8",
    256: "i1",
    512: "u2",
    768: "u4",
    1024: "i8",
    1280: "u8",
}
_LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, slots=True)
class NiftiHeader:
    """What a checked header says.

    Parameters
    ----------
    grid : Grid
        Where the voxels of each volume lie, LPS.
    volumes : int
        Number of volumes (fourth dimension).
    dtype : numpy.dtype
        Stored type, with its byte order.
    offset : int
        Position of the first voxel, bytes.
    slope, intercept : float
        Value = stored x slope + intercept; 1 and 0 when the header asks for no scaling.
    length : int
        Bytes of the header itself: 348 or 540.
    byte_order : str
        ``"little"`` or ``"big"``.
    notes : tuple of Note
        What was mended or looked odd.
    """

    grid: Grid
    volumes: int
    dtype: np.dtype[Any]
    offset: int
    slope: float
    intercept: float
    length: int
    byte_order: Literal["little", "big"]
    notes: tuple[Note, ...]

    @property
    def scaled(self) -> bool:
        """Whether stored numbers differ from values."""
        return (self.slope, self.intercept) != (1.0, 0.0)

    @property
    def data_bytes(self) -> int:
        """Number of bytes all volumes take."""
        return math.prod(self.grid.size) * self.volumes * self.dtype.itemsize


def parse_header(block: bytes, path: Path, max_voxels: int = MAX_VOXELS) -> NiftiHeader:
    """Read and check a NIfTI-1 or NIfTI-2 single-file header.

    Parameters
    ----------
    block : bytes
        The first 540 bytes of the uncompressed file, or all of a shorter one.
    path : Path
        File, for messages.
    max_voxels : int, optional
        Largest number of voxels of one volume.

    Returns
    -------
    NiftiHeader
        Checked header.

    Raises
    ------
    InputError
        ``NII_NOT_NIFTI``, ``NII_DIM``, ``NII_4D``, ``NII_DTYPE``, ``IMG_TOO_LARGE``,
        ``NII_OFFSET``, ``NII_SLOPE``, ``NII_PIXDIM``, ``IMG_SPACING``.
    GeometryError
        ``NII_NO_ORIENTATION``, ``NII_AFFINE``, ``NII_SHEAR``, ``NII_QS_CONFLICT``.
    """
    header = _header(block, path)
    size, volumes, notes = _dimensions(header, path, max_voxels)
    dtype = _stored_type(header, path)
    offset = _offset(header, path)
    slope, intercept = _scaling(header, path)
    grid, more = _grid(header, size, path)
    return NiftiHeader(
        grid,
        volumes,
        dtype,
        offset,
        slope,
        intercept,
        length=int(header["sizeof_hdr"]),
        byte_order="little" if header.endianness == "<" else "big",
        notes=notes + more,
    )


def _header(block: bytes, path: Path) -> Any:
    orders: tuple[tuple[Literal["little", "big"], str], ...] = (("little", "<"), ("big", ">"))
    for order, prefix in orders:
        length = int.from_bytes(block[:4], order)
        if length not in (348, 540) or len(block) < length:
            continue
        magic = block[344:348] if length == 348 else block[4:12]
        if magic in (b"n+1\0", b"n+2\0\r\n\x1a\n"):
            kind: Any = nib.Nifti1Header if length == 348 else nib.Nifti2Header
            return kind(block[:length], endianness=prefix, check=False)
        if magic[:3] in (b"ni1", b"ni2") or magic == b"\0\0\0\0":
            raise InputError(
                "NII_NOT_NIFTI",
                "an Analyze or two-file (.hdr/.img) image",
                expected="a single-file NIfTI (.nii or .nii.gz)",
                action="convert it",
                file=path,
            )
    raise InputError(
        "NII_NOT_NIFTI",
        "no NIfTI header" if block else "an empty file",
        expected="a NIfTI file (.nii or .nii.gz)",
        file=path,
    )


def _dimensions(
    header: Any, path: Path, max_voxels: int
) -> tuple[tuple[int, int, int], int, tuple[Note, ...]]:
    dim = [int(n) for n in header["dim"]]
    if not 3 <= dim[0] <= 7 or min(dim[1 : dim[0] + 1]) < 1:
        raise InputError("NII_DIM", f"dimensions {dim}", expected="3 positive sizes", file=path)
    size, further = (dim[1], dim[2], dim[3]), dim[4 : dim[0] + 1]
    if any(n > 1 for n in further[1:]):
        raise InputError("NII_4D", f"dimensions {dim}", expected="at most 4", file=path)
    volumes = further[0] if further else 1
    voxels = math.prod(size)
    # A DWI has tens of volumes, not thousands; together they stay below four largest images.
    if voxels > max_voxels or voxels * volumes > 4 * max_voxels or volumes > MAX_VOLUMES:
        raise InputError(
            "IMG_TOO_LARGE",
            f"the header declares {voxels} voxels a volume in {volumes} volumes",
            expected=f"at most {max_voxels} a volume",
            file=path,
        )
    if not further or volumes > 1:
        return size, volumes, ()
    note = Note(
        NoteKind.FIX,
        "NII_SQUEEZED",
        f"{dim[0]} dimensions of which the last {len(further)} are 1",
        expected="3",
        file=path.name,
    )
    return size, volumes, (note,)


def _stored_type(header: Any, path: Path) -> np.dtype[Any]:
    code, bits = int(header["datatype"]), int(header["bitpix"])
    if code not in _TYPES:
        raise InputError(
            "NII_DTYPE",
            f"data type code {code}",
            expected="integers of 8 to 64 bits or floats of 32 or 64 bits, one value a voxel",
            file=path,
        )
    dtype: np.dtype[Any] = np.dtype(str(header.endianness) + _TYPES[code])
    if bits != 8 * dtype.itemsize:
        raise InputError(
            "NII_DTYPE",
            f"data type code {code} with {bits} bits a voxel",
            expected=f"{8 * dtype.itemsize} bits",
            file=path,
        )
    return dtype


def _offset(header: Any, path: Path) -> int:
    offset, smallest = float(header["vox_offset"]), int(header["sizeof_hdr"]) + 4
    if not offset.is_integer() or not smallest <= offset <= MAX_EXTENSION_BYTES:
        raise InputError(
            "NII_OFFSET",
            f"the voxels start at byte {offset:g}",
            expected=f"a whole number from {smallest}",
            file=path,
        )
    return int(offset)


def _scaling(header: Any, path: Path) -> tuple[float, float]:
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0 or math.isnan(slope):  # the standard's way of saying "no scaling"
        return 1.0, 0.0
    if not math.isfinite(slope) or not math.isfinite(intercept):
        raise InputError(
            "NII_SLOPE",
            f"scaling slope {slope:g} and intercept {intercept:g}",
            expected="finite numbers",
            file=path,
        )
    return slope, intercept


def _grid(header: Any, size: tuple[int, int, int], path: Path) -> tuple[Grid, tuple[Note, ...]]:
    pixdim = np.asarray(header["pixdim"][1:4], dtype=float)
    if not np.all(np.isfinite(pixdim)) or np.any(pixdim <= 0):
        raise InputError(
            "NII_PIXDIM",
            f"pixdim {', '.join(f'{v:g}' for v in pixdim)}",
            expected="positive spacing in mm",
            file=path,
        )
    unit = int(header["xyzt_units"]) & 7
    if unit not in (0, 2):
        name = {1: "metres", 3: "micrometres"}.get(unit, f"unit code {unit}")
        raise InputError("IMG_SPACING", f"a grid in {name}", expected="mm", file=path)
    affines = _affines(header, path)
    if len(affines) == 2:
        _check_agreement(affines, size, path)
    grid, notes = _orthonormal(affines[0], size, path)
    return grid, notes + _pixdim_notes(grid, pixdim, path)


def _affines(header: Any, path: Path) -> list[NDArray[np.float64]]:
    """The coded affines (RAS): sform first, then qform."""
    try:
        found = [header.get_sform(coded=True)[0], header.get_qform(coded=True)[0]]
    except (ValueError, nib.spatialimages.HeaderDataError):
        raise GeometryError(
            "NII_AFFINE", "a quaternion that is no rotation", expected="a unit one", file=path
        ) from None
    affines = [np.asarray(affine, dtype=float) for affine in found if affine is not None]
    if not affines:
        raise GeometryError(
            "NII_NO_ORIENTATION",
            "neither qform nor sform is set",
            expected="an orientation; readers would each invent another one",
            action="export the image again with its orientation",
            file=path,
        )
    for affine in affines:
        if not np.all(np.isfinite(affine)) or np.abs(affine).max() > 1e6 or _flat(affine):
            raise GeometryError(
                "NII_AFFINE",
                "an affine that is singular or not finite",
                expected="three independent axes",
                file=path,
            )
    return affines


def _flat(affine: NDArray[np.float64]) -> bool:
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    return bool(lengths.min() < 1e-6) or abs(np.linalg.det(affine[:3, :3] / lengths)) < 1e-3


def _check_agreement(
    affines: list[NDArray[np.float64]], size: tuple[int, int, int], path: Path
) -> None:
    distance = _corner_distance(affines[0], affines[1], size)
    if distance > CORNER_TOLERANCE_VOXELS * _smallest_edge(affines[0]):
        raise GeometryError(
            "NII_QS_CONFLICT",
            f"sform and qform put a corner {distance:.3g} mm apart",
            expected=f"less than {CORNER_TOLERANCE_VOXELS:g} voxel",
            action="remove the wrong one of the two",
            file=path,
        )


def _orthonormal(
    affine: NDArray[np.float64], size: tuple[int, int, int], path: Path
) -> tuple[Grid, tuple[Note, ...]]:
    """The grid with the nearest right-angled axes; refused when that moves a corner."""
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    left, _, right = np.linalg.svd(affine[:3, :3] / spacing)
    straight = affine.copy()
    straight[:3, :3] = (left @ right) * spacing
    moved = _corner_distance(affine, straight, size)
    if moved > CORNER_TOLERANCE_VOXELS * spacing.min():
        raise GeometryError(
            "NII_SHEAR",
            f"sheared axes; right angles would move a corner by {moved:.3g} mm",
            expected=f"less than {CORNER_TOLERANCE_VOXELS:g} voxel",
            action="resample the image to a grid with right angles",
            file=path,
        )
    lps = _LPS_FROM_RAS @ straight
    direction = tuple((lps[:3, :3] / spacing).ravel())
    grid = Grid(size, tuple(spacing), tuple(lps[:3, 3]), direction)
    if moved <= 1e-3:
        return grid, ()
    note = Note(
        NoteKind.FIX,
        "NII_SHEAR",
        f"axes made right-angled; the furthest corner moved {moved:.2g} mm",
        file=path.name,
    )
    return grid, (note,)


def _pixdim_notes(grid: Grid, pixdim: NDArray[np.float64], path: Path) -> tuple[Note, ...]:
    if np.allclose(grid.spacing_mm, pixdim, rtol=0.01):
        return ()
    note = Note(
        NoteKind.WARNING,
        "NII_PIXDIM",
        f"pixdim {', '.join(f'{v:.4g}' for v in pixdim)} mm beside an sform of "
        f"{', '.join(f'{v:.4g}' for v in grid.spacing_mm)} mm; the sform is used",
        expected="the same spacing",
        file=path.name,
    )
    return (note,)


def _corner_distance(
    one: NDArray[np.float64], two: NDArray[np.float64], size: tuple[int, int, int]
) -> float:
    ends = [(0, max(n - 1, 1)) for n in size]  # one-voxel axes still have a thickness
    corners = np.array(np.meshgrid(*ends)).reshape(3, -1)
    corners = np.vstack([corners, np.ones(corners.shape[1])])
    return float(np.linalg.norm(((one - two) @ corners)[:3], axis=0).max())


def _smallest_edge(affine: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(affine[:3, :3], axis=0).min())
