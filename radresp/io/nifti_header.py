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

from radresp.core import Grid, Note, NoteKind
from radresp.errors import InputError
from radresp.io.image_checks import MAX_VOXELS
from radresp.io.nifti_geometry import grid_of_header

LONGEST_HEADER = 540
"""Bytes of the longer of the two headers (NIfTI-2; NIfTI-1 has 348)."""

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
        ``NII_OFFSET``, ``NII_SLOPE``.
    GeometryError
        The codes of `radresp.io.nifti_geometry.grid_of_header`.
    """
    header = _header(block, path)
    size, volumes, notes = _dimensions(header, path, max_voxels)
    dtype = _stored_type(header, path)
    offset = _offset(header, path)
    slope, intercept = _scaling(header, path)
    grid, more = grid_of_header(header, size, path)
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
