"""100,000 damaged NIfTI files: only refusals leave the readers, and what they accept is sound."""

from __future__ import annotations

import gzip
import resource
import time
from collections import Counter
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from radresp.core import Grid, Roi, Sequence
from radresp.errors import RadrespError
from radresp.io.images import load_volumes
from radresp.io.masks_in import load_mask

SHAPE = (11, 9, 6)
B_VALUES = (0, 400, 800)
GRID = Grid(SHAPE, (1.0, 1.5, 3.0), (0.0, 0.0, 0.0), (-1, 0, 0, 0, -1, 0, 0, 0, 1))
HEADER = 540  # bytes of the longer of the two kinds
MOST_SECONDS = 10.0  # a guard against hanging, not a measure of speed
MOST_GROWTH_MB = 300


def content(array: np.ndarray, kind=nib.Nifti1Image, *, big: bool = False) -> bytes:
    affine = np.diag([1.0, 1.5, 3.0, 1.0])
    header = kind.header_class(endianness=">") if big else None
    image = kind(array, affine, header)
    image.set_qform(affine, 1)
    image.set_sform(affine, 1)
    return image.to_bytes()


def picture(dtype=np.int16, frames: int = 0) -> np.ndarray:
    shape = (*SHAPE, frames) if frames else SHAPE
    return np.random.default_rng(0).integers(0, 900, shape).astype(dtype)


def with_extension() -> bytes:
    image = nib.Nifti1Image(picture(), np.eye(4))
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"x" * 90))
    return image.to_bytes()


SOUND = {
    "int16": ("t2", lambda: content(picture())),
    "float32": ("t2", lambda: content(picture(np.float32))),
    "big-endian": ("t2", lambda: content(picture(), big=True)),
    "nifti-2": ("t2", lambda: content(picture(), nib.Nifti2Image)),
    "extension": ("t2", with_extension),
    "dwi": ("dwi", lambda: content(picture(frames=len(B_VALUES)))),
    "mask": ("mask", lambda: content((picture() > 450).astype(np.uint8))),
    "gzip": ("t2.gz", lambda: gzip.compress(content(picture()), mtime=0)),
}


def damaged(original: bytes, rng: np.random.Generator) -> bytes:
    """A few bytes changed, most often in the header, and sometimes the end cut or a piece moved."""
    changed = bytearray(original)
    reach = min(HEADER, len(changed)) if rng.random() < 0.7 else len(changed)
    for place in rng.integers(0, reach, rng.integers(1, 8)):
        changed[place] = rng.integers(256)
    first, last = np.sort(rng.integers(0, len(changed), 2))
    choice = rng.integers(8)
    if choice == 0:
        return bytes(changed[:last])
    if choice == 1:
        return bytes(changed[:first] + changed[last:])
    if choice == 2:
        return bytes(changed + changed[first:last])
    return bytes(changed)


def outcome(path: Path, kind: str) -> str:
    """The code of a refusal, or ``"read"`` for what is sound."""
    try:
        if kind == "mask":
            mask, _ = load_mask(path, Roi.TUMOUR, GRID)
            assert mask.grid.same_as(GRID)
            return "read"
        volumes, _ = load_volumes(path, Sequence.DWI if kind == "dwi" else Sequence.T2)
    except RadrespError as error:
        return error.code
    for volume in volumes:  # whose constructor refuses what is not finite
        assert volume.array.shape == volume.grid.size[::-1]
    return "read"


def fuzz(folder: Path, name: str, count: int, seed: int) -> Counter[str]:
    kind, make = SOUND[name]
    path = folder / ("image.nii.gz" if kind.endswith(".gz") else "image.nii")
    if kind == "dwi":
        (folder / "image.bval").write_text(" ".join(map(str, B_VALUES)))
    original, rng = make(), np.random.default_rng(seed)
    outcomes: Counter[str] = Counter()
    for _ in range(count):
        path.write_bytes(damaged(original, rng))
        start = time.perf_counter()
        outcomes[outcome(path, kind)] += 1
        assert time.perf_counter() - start < MOST_SECONDS
    return outcomes


@pytest.mark.parametrize("name", SOUND)
def test_a_little_damage(tmp_path, name):
    assert len(fuzz(tmp_path, name, 150, 1)) > 2


@pytest.mark.slow
@pytest.mark.parametrize("name", SOUND)
def test_much_damage(tmp_path, name):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcomes = fuzz(tmp_path, name, 12_500, 2)
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert len(outcomes) > 5
    assert grown_mb < MOST_GROWTH_MB
