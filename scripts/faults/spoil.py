"""Ways to spoil one file of a case, each with the code radresp must refuse the case with."""

from __future__ import annotations

import csv
import gzip
import struct
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np

Bytes = Callable[[bytearray], bytes]
"""Content of a NIfTI file, unpacked, to what is packed in its place."""


class Fault(NamedTuple):
    """A row of the catalogue: code, column whose file is spoilt, and what is written instead.

    ``edit`` gets the table's cell as a path and the path to write to; gives the new cell's path,
    or nothing for an empty cell.
    """

    code: str
    column: str
    edit: Callable[[Path, Path], Path | None]


def content(change: Bytes, *, pack: bool = True) -> Callable[[Path, Path], Path]:
    """Other bytes under the same kind of name."""

    def edit(source: Path, target: Path) -> Path:
        data = source.read_bytes()
        plain = bytearray(gzip.decompress(data) if source.suffix == ".gz" and pack else data)
        changed = change(plain)
        target.write_bytes(gzip.compress(changed, 1, mtime=0) if pack else changed)
        return target

    return edit


def field(place: int, form: str, *values: float) -> Callable[[Path, Path], Path]:
    """Other numbers in the header."""

    def change(plain: bytearray) -> bytes:
        struct.pack_into("<" + form, plain, place, *values)
        return bytes(plain)

    return content(change)


def values(change: Callable[[np.ndarray], np.ndarray], **header: float) -> Callable:
    """Other voxels on the same grid; header: ``shift_mm`` along x."""

    def edit(source: Path, target: Path) -> Path:
        image = nib.load(source)
        affine = image.affine.copy()
        affine[0, 3] += header.get("shift_mm", 0.0)
        changed = change(np.asarray(image.dataobj))
        made = nib.Nifti1Image(changed, affine)
        made.set_qform(affine, 1)
        made.set_sform(affine, 1)
        nib.save(made, target)
        return target

    return edit


def absent(source: Path, target: Path) -> Path:
    """A file that is not there."""
    del source
    return target


def folder(source: Path, target: Path) -> Path:
    """A folder of nothing where a mask should be."""
    del source
    target.mkdir()
    return target


def one_voxel(array: np.ndarray) -> np.ndarray:
    """A mask of one of its voxels."""
    found = np.zeros_like(array)
    found.flat[np.flatnonzero(array)[0]] = 1
    return found


def swapped(plain: bytearray) -> bytes:
    """The size of the header in the other order of bytes, all else as it was."""
    return bytes(plain[3::-1] + plain[4:])


def damaged_crc(packed: bytearray) -> bytes:
    """One bit of the checksum."""
    packed[-6] ^= 1
    return bytes(packed)


FAULTS = {
    "N01 text": Fault("NII_NOT_NIFTI", "pre_t2", content(lambda c: b"a,b\n" * 500)),
    "N01 empty": Fault("NII_NOT_NIFTI", "pre_t2", content(lambda c: b"", pack=False)),
    "N07 byte order": Fault("NII_DIM", "pre_t2", content(swapped)),
    "N02 wrong size": Fault("NII_TRUNCATED", "pre_t2", content(lambda c: bytes(c[: len(c) // 2]))),
    "N03 truncated gz": Fault(
        "NII_TRUNCATED", "pre_t2", content(lambda c: bytes(c[: len(c) // 2]), pack=False)
    ),
    "N04 checksum": Fault("NII_GZIP_CRC", "pre_t2", content(damaged_crc, pack=False)),
    "N06 huge": Fault("IMG_TOO_LARGE", "pre_t2", field(42, "hhh", 32_000, 32_000, 32)),
    "N07 no rows": Fault("NII_DIM", "pre_t2", field(44, "h", 0)),
    "N09 4-D": Fault("NII_4D", "pre_t2", values(lambda a: np.stack([a, a], axis=-1))),
    "N10 complex": Fault("NII_DTYPE", "pre_t2", values(lambda a: a.astype(np.complex64))),
    "N13 offset": Fault("NII_OFFSET", "pre_t2", field(108, "f", -352)),
    "N14 voxel size": Fault("NII_PIXDIM", "pre_t2", field(80, "f", 0)),
    "N15 affine": Fault("NII_AFFINE", "pre_t2", field(292, "f", np.nan)),
    "N18 no orientation": Fault("NII_NO_ORIENTATION", "pre_t2", field(252, "hh", 0, 0)),
    "N24 NaN only": Fault(
        "NONFINITE", "pre_t2", values(lambda a: np.full(a.shape, np.nan, np.float32))
    ),
    "N26 constant": Fault("IMG_CONSTANT", "pre_t2", values(lambda a: np.full_like(a, 7))),
    "M01 empty": Fault("MASK_EMPTY", "pre_tumour", values(np.zeros_like)),
    "M02 one voxel": Fault("MASK_TOO_SMALL", "pre_tumour", values(one_voxel)),
    "M05 labels": Fault("MASK_LABEL", "pre_tumour", values(lambda a: a + 4 * one_voxel(a))),
    "M07 probabilities": Fault(
        "MASK_NOT_INTEGER", "pre_tumour", values(lambda a: a.astype(np.float32) * 0.7)
    ),
    "M09 other grid": Fault("MASK_GEOMETRY", "pre_tumour", values(np.copy, shift_mm=5.0)),
    "M16 inverted": Fault("MASK_INVERTED", "pre_tumour", values(lambda a: 1 - a)),
    "C08 no image": Fault("MISSING_INPUT", "pre_t2", lambda source, target: None),
    "C08 mask gone": Fault("MISSING_FILE", "pre_tumour", absent),
    "C21 folder": Fault("NOT_A_FILE", "pre_tumour", folder),
}


def spoil(table: Path, faulty: dict[str, str]) -> dict[str, str]:
    """Spoil cases of a cohort table; their sound files stay beside the spoilt ones.

    Parameters
    ----------
    table : Path
        Rewritten.
    faulty : dict of str to str
        Name of a fault by case.

    Returns
    -------
    dict of str to str
        The code each is to be refused with.
    """
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        if row["case_id"] in faulty:
            fault = FAULTS[faulty[row["case_id"]]]
            source = table.parent / row[fault.column]
            made = fault.edit(source, source.with_name(f"{row['case_id']}_spoilt.nii.gz"))
            row[fault.column] = "" if made is None else made.relative_to(table.parent).as_posix()
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return {case: FAULTS[name].code for case, name in faulty.items()}
