"""The parts of a model folder beside its classifier: read whole, or the model is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radresp import io
from radresp.errors import ModelError
from radresp.pipeline.model_parts import (
    PLAN,
    PROTOCOL,
    TRAINED_ON,
    _release,
    read_plan,
    read_protocol,
    read_training_ids,
)
from radresp.pipeline.plan import parse_plan

FOLDER = Path("model")
SOUND = parse_plan({})
SAID: dict[str, Any] = {
    "extraction_sha256": SOUND.extraction_sha256,
    "versions": {"radresp": "0.0.1"},
    "cases": 2,
}
SOUND_PROTOCOL: dict[str, Any] = {
    "cases": {"a": {"pre_t2": "0" * 64}},
    "acquisition": {
        "pre.t2.slice_mm": [3.0, 4],
        "pre.t2.manufacturer": ["a", "b"],
        "pre.dwi.b_values": ["0 800"],
    },
}
READERS: dict[str, Callable[[io.ModelFolder, Path], Any]] = {
    PLAN: read_plan,
    PROTOCOL: read_protocol,
    TRAINED_ON: read_training_ids,
}


def read(name: str, content: bytes) -> Any:
    return READERS[name](io.ModelFolder({name: content}, SAID, "0" * 64), FOLDER)


def test_sound_parts_are_read() -> None:
    assert read(PLAN, io.dump_mapping(SOUND.record()).encode()) == SOUND
    found = read(PROTOCOL, json.dumps(SOUND_PROTOCOL).encode())
    assert found["cases"] == SOUND_PROTOCOL["cases"]
    assert found["acquisition"]["pre.t2.slice_mm"] == (3.0, 4.0)
    assert found["acquisition"]["pre.t2.manufacturer"] == ["a", "b"]
    assert read(TRAINED_ON, b'case_id,complete\n"a,b",0.5\nc,0.25\n') == {"a,b", "c"}


@pytest.mark.parametrize(
    "acquisition",
    [
        {"pre.t2.slice_mm": [1.0, 2.0, 3.0]},
        {"pre.t2.slice_mm": ["1", "2"]},
        {"pre.t2.slice_mm": [1.0, None]},
        {"pre.t2.slice_mm": [1.0, float("inf")]},
        {"pre.t2.manufacturer": [1.0, 2.0]},
        {"pre.t2.manufacturer": "a"},
        [],
    ],
    ids=str,
)
def test_ranges_that_could_not_be_compared_with_a_case_are_refused(acquisition: Any) -> None:
    content = json.dumps(SOUND_PROTOCOL | {"acquisition": acquisition}).encode()
    with pytest.raises(ModelError) as caught:
        read(PROTOCOL, content)
    assert caught.value.code == "MODEL_FORMAT"
    assert caught.value.file == str(FOLDER / PROTOCOL)


TEXTS = st.binary(max_size=40) | st.text(max_size=40).map(str.encode)
BITS = st.sampled_from(
    [b"{", b"}", b"[", b"]", b":", b"\n", b",", b'"', b"seed", b"cases", b"acquisition", b"!!x",
     b"&a", b"*a", b"- ", b"1e999", b"2020-99-99", b"0x", b"\0", b"case_id", b"\xff", b"a"]
)  # fmt: skip


@given(st.sampled_from(list(READERS)), TEXTS | st.lists(BITS, max_size=12).map(b"".join))
@settings(max_examples=300, deadline=None)
def test_whatever_stands_in_a_part_is_read_or_refused_as_the_model(
    name: str, content: bytes
) -> None:
    refused: ModelError | None = None
    try:
        read(name, content)
    except ModelError as error:
        refused = error
    if refused is not None:
        assert refused.code in ("MODEL_FORMAT", "EXTRACTION_MISMATCH")
        assert all((refused.expected, refused.action))
        assert refused.file == str(FOLDER / name)


@given(st.lists(st.integers(0, 99), min_size=1, max_size=4), st.sampled_from(["", ".dev0", "rc1"]))
def test_releases_are_compared_by_their_numbers(numbers: list[int], rest: str) -> None:
    version = ".".join(map(str, numbers))
    later = ".".join(map(str, [*numbers[:-1], numbers[-1] + 1]))
    assert _release(later + rest) > _release(version + rest) > _release(rest)
