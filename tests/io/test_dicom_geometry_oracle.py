"""Our reading of slice geometry against highdicom's, an independent implementation."""

from __future__ import annotations

from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
from builders import shared_data
from builders_dicom import make_series, write_series

from radresp.core import Sequence
from radresp.io import load_volumes


def affine_of(folder: Path) -> tuple[np.ndarray, tuple[int, ...]]:
    slices = [pydicom.dcmread(path) for path in sorted(folder.iterdir())]
    volume = hd.get_volume_from_series(slices)
    # highdicom indexes (slice, row, column); we index (x, y, z).
    order = [2, 1, 0]
    affine = volume.affine.copy()
    affine[:, :3] = affine[:, order]
    return affine, tuple(volume.spatial_shape[axis] for axis in order)


def placed_alike(folder: Path) -> bool:
    grid = load_volumes(folder, Sequence.T2)[0][0].grid
    theirs, size = affine_of(folder)
    turned = np.eye(4)  # slices may be stacked the other way
    turned[2, 2], turned[2, 3] = -1, size[2] - 1
    same = [np.allclose(grid.affine, way, atol=1e-3) for way in (theirs, theirs @ turned)]
    return grid.size == size and any(same)


@pytest.mark.parametrize("name", ["t2_tra", "t2_tra_repeat"])
def test_real_series_lie_where_highdicom_says(name: str) -> None:
    assert placed_alike(shared_data("prostatex_0001", "dicom", name))


def test_made_series_lie_where_highdicom_says(tmp_path: Path) -> None:
    series = make_series()
    for dataset in series:
        dataset.FrameOfReferenceUID = series[0].SeriesInstanceUID  # highdicom asks for one
    write_series(tmp_path / "series", series)
    assert placed_alike(tmp_path / "series")
