"""Cohorts for the fault scripts: as small as the readers allow, sound or spoilt."""

from __future__ import annotations

import gzip
import struct
import sys
from pathlib import Path

import nibabel as nib
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from builders_dicom import FAULTS  # noqa: E402  # the tests' own builders
from builders_masks import save_nifti  # noqa: E402
from builders_tiny import HEAD, make_tiny, outline, save_plan, save_table  # noqa: E402

from radresp.core import Grid  # noqa: E402

__all__ = ["ROOT", "make_bulky", "make_hungry", "make_tiny", "save_plan"]


def make_bulky(folder: Path, cases: int) -> Path:
    """Sound cases whose prepared images take about 1.4 MB each, being noise; gives the table."""
    folder.mkdir(parents=True, exist_ok=True)
    grid = Grid((128, 128, 24), (1.5, 1.5, 3.0), (-96.0, -96.0, -36.0))
    rows = [HEAD]
    for number in range(cases):
        name = f"c{number:03d}"
        noise = np.random.default_rng(number).normal(300, 20, grid.size[::-1])
        noise[:, :, :20] = 1.0
        save_nifti(folder / f"{name}_t2.nii.gz", noise.astype(np.float32), grid)
        save_nifti(folder / f"{name}_mask.nii.gz", outline(number, grid.size), grid)
        rows.append(f"{name},{name}_t2.nii.gz,{name}_mask.nii.gz")
    return save_table(folder, rows)


def make_hungry(folder: Path, cases: int = 20) -> tuple[Path, dict[str, str]]:
    """Sound cases, and files that declare or unfold to far more than they hold.

    Returns
    -------
    Path, dict of str to str
        The table, and the code each spoilt case is to be refused with.
    """
    table = make_tiny(folder, cases)
    rows = table.read_text().splitlines()
    spoilt = {
        "N06 header": ("IMG_TOO_LARGE", _declared),
        "N06 bomb": ("IMG_TOO_LARGE", _bomb),
        "N06 nothing but declared": ("NII_TRUNCATED", _declared_small),
        **{f"{row} {name}": (FAULTS[name].code, FAULTS[name].write) for row, name in DICOM},
    }
    expected = {}
    for row, (code, write) in zip(range(1, cases, 2), spoilt.values(), strict=False):
        case, _, mask = rows[row].split(",")
        name = write(folder / f"{case}_spoilt").name
        rows[row] = f"{case},{name},{mask}"
        expected[case] = code
    save_table(folder, rows)
    return table, expected


DICOM = (
    ("D21", "huge matrix"),
    ("D21", "matrix beyond file"),
    ("D22", "long element"),
    ("D23", "nested sequences"),
)


def _header(*size: int) -> bytes:
    """The head of a NIfTI of int16 of a size, whatever follows it."""
    image = nib.Nifti1Image(np.zeros((2, 2, 2), np.int16), np.diag([-1.0, -1.0, 1.0, 1.0]))
    content = bytearray(image.to_bytes()[:352])
    struct.pack_into("<hhh", content, 42, *size)
    return bytes(content)


def _declared(path: Path) -> Path:
    """64 GB declared in a file of 1 kB."""
    return _saved(path.with_suffix(".nii"), _header(32_000, 32_000, 32) + bytes(600))


def _declared_small(path: Path) -> Path:
    """As many voxels as are allowed, 268 MB, declared in a file of 1 kB."""
    return _saved(path.with_suffix(".nii"), _header(512, 512, 512) + bytes(600))


def _bomb(path: Path) -> Path:
    """2.1 GB of zeros in 2 MB of gzip, all of them declared."""
    zeros = gzip.compress(bytes(2**24), mtime=0)
    head = gzip.compress(_header(1024, 1024, 1024), mtime=0)
    return _saved(path.with_suffix(".nii.gz"), head + zeros * 128)


def _saved(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path
