"""Damaged masks by the thousand: only radresp's own refusals leave the readers (slow)."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from builders import make_grid, make_mask
from builders_masks import make_rtstruct, make_seg, nrrd_bytes, on_slice, save_dicom

from radresp.errors import RadrespError
from radresp.io.dicom_outline import read_dicom_outline
from radresp.io.label_map import read_nrrd_outline
from radresp.io.mask_choice import parse_choice

GRID = make_grid(size=(21, 19, 12))
BALL = make_mask(GRID).array
SQUARE = np.array([[4, 4], [14, 4], [14, 14], [4, 14]], float)
CHOICE = parse_choice("1")

SOUND = {
    "seg": (5000, lambda path: save_dicom(path, make_seg({"a": BALL, "b": BALL}, GRID))),
    "label map": (
        3000,
        lambda path: save_dicom(path, make_seg({"a": BALL}, GRID, kind="LABELMAP")),
    ),
    "fractions": (
        3000,
        lambda path: save_dicom(path, make_seg({"a": BALL}, GRID, kind="FRACTIONAL")),
    ),
    "rtstruct": (
        5000,
        lambda path: save_dicom(
            path, make_rtstruct({"a": [on_slice(SQUARE, z, GRID) for z in range(3, 8)]})
        ),
    ),
    "nrrd": (
        10_000,
        lambda path: path.write_bytes(
            nrrd_bytes(
                BALL.astype(np.uint8),
                GRID,
                encoding="raw",
                segments=({"Name": "a", "LabelValue": 1},),
            )
        ),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SOUND)
def test_damaged_masks_are_read_or_refused(tmp_path: Path, name: str) -> None:
    count, make = SOUND[name]
    path = tmp_path / "mask"
    make(path)
    sound = path.read_bytes()
    rng = np.random.default_rng(1)
    first = 0 if name == "nrrd" else 132  # behind the mark that makes it DICOM
    read, slowest = 0, 0.0
    for number in range(count):
        content = bytearray(sound)
        for place in rng.integers(first, len(content), rng.integers(1, 9)):
            content[place] = rng.integers(256)
        cut = rng.integers(1, len(content)) if number % 5 == 0 else len(content)
        path.write_bytes(content[:cut])
        start = time.perf_counter()
        try:
            if name == "nrrd":
                outline = read_nrrd_outline(path, CHOICE)
            else:
                outline = read_dicom_outline(path, CHOICE, GRID, resample=bool(number % 2))
        except RadrespError:
            continue
        finally:
            slowest = max(slowest, time.perf_counter() - start)
        assert outline.inside.shape == outline.grid.size[::-1]
        read += 1
    assert 0 < read < count
    assert slowest < 2
