from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radresp.errors import PlanError
from radresp.io import dump_mapping, load_mapping, parse_mapping


def test_yaml_means_what_it_says(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text("a: 1e-6\nb: no\nc: 012\nd: [1, x]\n")
    assert load_mapping(path) == {"a": 1e-6, "b": "no", "c": 12, "d": [1, "x"]}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: 1\nb: 2\na: 3\n", "CONFIG_DUPLICATE"),
        ("a: &x [1]\nb: *x\n", "CONFIG_TOO_COMPLEX"),
        ("a: !!python/object/apply:os.getcwd []\n", "CONFIG_TAG"),
        ("a: !!int 1\n", "CONFIG_TAG"),
        ("a: [1\n", "CONFIG_FILE"),
        ("", "CONFIG_FILE"),
        ("# nothing\n", "CONFIG_FILE"),
        ("- 1\n", "CONFIG_FILE"),
        ("a:\n\t- 2\n", "CONFIG_FILE"),
        ("a: " + "[" * 30 + "]" * 30, "CONFIG_TOO_COMPLEX"),
    ],
)
def test_what_changes_meaning_silently_is_refused(tmp_path: Path, text: str, code: str) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(text)
    with pytest.raises(PlanError) as caught:
        load_mapping(path)
    assert caught.value.code == code


def test_missing_huge_and_foreign_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="no such file"):
        load_mapping(tmp_path / "none.yaml")
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("a: é".encode("latin-1"))
    with pytest.raises(PlanError, match="UTF-8"):
        load_mapping(latin)
    huge = tmp_path / "huge.yaml"
    huge.write_bytes(b"#" * 1_000_001)
    with pytest.raises(PlanError) as caught:
        load_mapping(huge)
    assert caught.value.code == "CONFIG_TOO_COMPLEX"


def test_duplicate_keys_are_named_by_line(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text("seed: 1\nregions: [a]\nseed: 2\n")
    with pytest.raises(PlanError, match="3"):
        load_mapping(path)


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**6), 10**6),
    st.floats(-1e6, 1e6, allow_nan=False),
    st.sampled_from(["no", "yes", "1e-6", "~", "null", "012", "a b", "é", "x: y", "- z", "#"]),
)
TREES = st.recursive(
    SCALARS,
    lambda child: (
        st.lists(child, max_size=3) | st.dictionaries(st.sampled_from("abcdef"), child, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=80, deadline=None)
@given(st.dictionaries(st.sampled_from("uvwxyz"), TREES, min_size=1, max_size=4))
def test_what_is_dumped_is_read_back(mapping: dict[str, object]) -> None:
    assert parse_mapping(dump_mapping(mapping)) == mapping
