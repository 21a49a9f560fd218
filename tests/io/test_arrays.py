"""Arrays out and back: the same, or nothing."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from radresp.io import load_arrays, save_arrays

ARRAYS = {
    "images": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    "there": np.array([True, False]),
    "names": np.array(["a", "bb"]),
}


def test_arrays_come_back_as_they_were(tmp_path: Path) -> None:
    save_arrays(tmp_path / "x.npz", ARRAYS)
    found = load_arrays(tmp_path / "x.npz")
    assert found is not None
    assert set(found) == set(ARRAYS)
    for name, values in ARRAYS.items():
        assert found[name].dtype == values.dtype
        assert np.array_equal(found[name], values)


def test_same_arrays_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_arrays(tmp_path / f"{name}.npz", ARRAYS)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_objects_are_never_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="pickle"):
        save_arrays(tmp_path / "x.npz", {"bad": np.array([{}], dtype=object)})
    assert not (tmp_path / "x.npz").exists()


@pytest.mark.parametrize("kind", ["missing", "cut", "text", "pickle", "huge"])
def test_what_is_no_whole_file_is_nothing(tmp_path: Path, kind: str, monkeypatch) -> None:
    path = tmp_path / "x.npz"
    save_arrays(path, ARRAYS)
    whole = path.read_bytes()
    if kind == "missing":
        path.unlink()
    elif kind == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    elif kind == "text":
        path.write_text("not an archive")
    elif kind == "pickle":
        path.write_bytes(pickle.dumps({"a": 1}))
    else:
        monkeypatch.setattr("radresp.io.arrays.MAX_BYTES", 10)
    assert load_arrays(path) is None
