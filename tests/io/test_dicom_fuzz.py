"""20,000 damaged DICOM inputs: only refusals leave the reader, and what it accepts is sound."""

from __future__ import annotations

import time
from collections import Counter

import builders_dicom as make
import builders_enhanced as enhanced
import numpy as np
import pytest

from radresp.errors import InputError
from radresp.io.dicom_series import read_series

SOURCES = {
    "classic t2": lambda: make.make_series(slices=4),
    "classic dwi": lambda: make.make_series("dwi", slices=4, b_values=(50, 800)),
    "enhanced t2": lambda: [enhanced.t2(4)],
    "enhanced dwi": lambda: [enhanced.dwi(slices=4)],
    "legacy": lambda: [enhanced.legacy(slices=4)],
    "philips": lambda: [enhanced.philips(enhanced.t2(4), [2.0] * 4)],
    "map": lambda: [enhanced.float_map()],
}


def damaged(original: bytes, rng: np.random.Generator) -> bytes:
    """A few bytes changed, and sometimes the end cut, a piece repeated or left out."""
    content = bytearray(original)
    for place in rng.integers(128, len(content), rng.integers(1, 10)):
        content[place] = rng.integers(256)
    choice = rng.integers(6)
    first, last = np.sort(rng.integers(132, len(content), 2))
    if choice == 0:
        return bytes(content[:last])
    if choice == 1:
        return bytes(content[:first] + content[last:])
    if choice == 2:
        return bytes(content[:last] + content[first:])
    return bytes(content)


def outcome(folder) -> str:
    """The code of a refusal, or ``"read"`` for a series that is sound."""
    try:
        series = read_series(folder)
    except InputError as error:
        return error.code if make.CANARY not in str(error.record()) else "LEAK"
    for volume in series.volumes:
        assert np.isfinite(volume.array).all()
        assert volume.array.shape == volume.grid.size[::-1]
    return "read"


def fuzz(folder, made, count: int, seed: int) -> Counter[str]:
    make.write_series(folder, made)
    path = sorted(folder.iterdir())[0]
    original, rng = path.read_bytes(), np.random.default_rng(seed)
    outcomes: Counter[str] = Counter()
    for _ in range(count):
        path.write_bytes(damaged(original, rng))
        start = time.perf_counter()
        outcomes[outcome(folder)] += 1
        assert time.perf_counter() - start < 2
    assert outcomes["LEAK"] == 0
    return outcomes


@pytest.mark.parametrize("name", SOURCES)
def test_a_little_damage(tmp_path, name):
    assert len(fuzz(tmp_path / "series", SOURCES[name](), 60, 1)) > 1


@pytest.mark.slow
@pytest.mark.parametrize("name", SOURCES)
def test_much_damage(tmp_path, name):
    outcomes = fuzz(tmp_path / "series", SOURCES[name](), 2900, 2)
    assert len(outcomes) > 4
