"""Plans and index rules made to do harm: refused at once, in little memory, and nothing runs."""

from __future__ import annotations

import os
import tracemalloc
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import radresp
from security.harm import outcome

from radresp.errors import PlanError
from radresp.io import dump_mapping, load_mapping, parse_mapping
from radresp.io.plan_file import MAX_BYTES, MAX_TEXT, MAX_VALUES
from radresp.pipeline import load_plan, parse_plan
from radresp.pipeline.index_rules import default_mapping, load_rules

FULL = MAX_BYTES - 100
"""As much as a file may hold, so that nothing is refused for its size alone."""
MARK = "{mark}"


def laughs(levels: int = 9, wide: int = 9) -> str:
    """A billion laughs: every list holds the one before it nine times."""
    lines = ["a0: &a0 [ha]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * wide)}]" for n in range(1, levels)]
    return "\n".join(lines)


COMPLEX, TAG, FILE = "CONFIG_TOO_COMPLEX", "CONFIG_TAG", "CONFIG_FILE"
TRICKS: dict[str, tuple[bytes | str, str]] = {
    "laughs": (laughs(), COMPLEX),
    "an anchor nobody uses": ("a: &x 1\n", COMPLEX),
    "an anchor that holds itself": ("a: &x [*x]\n", COMPLEX),
    "a document that holds itself": ("&x {a: *x}\n", COMPLEX),
    "an alias of nothing": ("a: *x\n", COMPLEX),
    "deep lists": ("a: " + "[" * 10_000, COMPLEX),
    "deep mappings": ("a: " + "{a: " * 10_000, COMPLEX),
    "deep dashes": ("- " * 10_000, COMPLEX),
    "deep keys": ("? " * 10_000, COMPLEX),
    "deep lines": ("".join(" " * n + "a:\n" for n in range(400)), COMPLEX),
    "as many lists as fit": ("a: " + "[" * FULL, COMPLEX),
    "as many values as fit": ("a: [" + "1," * (FULL // 2) + "]", COMPLEX),
    "as many keys as fit": ("".join(f"k{n}: 1\n" for n in range(9_000)), COMPLEX),
    "a long text": ("a: " + "x" * FULL, COMPLEX),
    "a long quoted text": ('a: "' + "\\n" * (FULL // 2) + '"', COMPLEX),
    "a long block": ("a: |\n" + " x\n" * (FULL // 3), COMPLEX),
    "a long number": ("seed: " + "9" * 5_000, COMPLEX),
    "a long hexadecimal number": ("seed: 0x" + "f" * 5_000, COMPLEX),
    "a huge file": (b"#" * 100_000_000, COMPLEX),
    "a merge": ("a: {b: 1}\nc:\n  <<: {b: 2}\n", COMPLEX),
    "merged keys of the whole": ("<<: {seed: 2}\n", COMPLEX),
    "a merge of many": ("<<: [{seed: 2}, {seed: 3}]\n", COMPLEX),
    "a call": (f"a: !!python/object/apply:os.mkdir [{MARK}]\n", TAG),
    "a new object": (f"!!python/object/new:os.mkdir [{MARK}]\n", TAG),
    "a module": ("a: !!python/module:antigravity\n", TAG),
    "a name": ("a: !!python/name:os.mkdir\n", TAG),
    "a tag in full": (f"a: !<tag:yaml.org,2002:python/object/apply:os.mkdir> [{MARK}]", TAG),
    "a tag renamed": (
        f"%TAG !p! tag:yaml.org,2002:python/\n---\na: !p!object/apply:os.mkdir [{MARK}]", TAG
    ),
    "a tag of this file": ("a: !include /etc/passwd\n", TAG),
    "bytes": ("a: !!binary aGk=\n", TAG),
    "a set": ("a: !!set {b, c}\n", TAG),
    "no tag in particular": ("a: ! 1\n", TAG),
    "a key twice": ("seed: 1\nseed: 2\n", "CONFIG_DUPLICATE"),
    "a key twice below": ("decision: {a: 1, a: 2}\n", "CONFIG_DUPLICATE"),
    "nothing twice": ("null: 1\n~: 2\n", "CONFIG_DUPLICATE"),
    "the YAML where no is false": ("%YAML 1.1\n---\na: no\n", FILE),
    "a YAML of the future": ("%YAML 9.9\n---\na: 1\n", FILE),
    "two documents": ("seed: 1\n---\nseed: 2\n", FILE),
    "a NUL byte": (b"seed: 1\0\n", FILE),
    "a bell": (b"seed: \x07\n", FILE),
    "UTF-16": ("seed: 1\n".encode("utf-16"), FILE),
    "UTF-16 without a mark": ("seed: 1\n".encode("utf-16-le"), FILE),
    "UTF-32": ("seed: 1\n".encode("utf-32"), FILE),
    "half a character": (b"a: \xed\xa0\x80\n", FILE),
    "half a character in words": (r'a: "\ud800"', FILE),
    "no character": (r'a: "\UFFFFFFFF"', FILE),
    "no date": ("seed: 2020-99-99\n", FILE),
    "no time": ("seed: 2020-01-01T99:99:99\n", FILE),
}  # fmt: skip


def written(folder: Path, content: bytes | str) -> Path:
    path = folder / "plan.yaml"
    text = (
        content if isinstance(content, bytes) else content.replace(MARK, str(mark(folder))).encode()
    )
    path.write_bytes(text)
    return path


def mark(folder: Path) -> Path:
    """What a payload would make."""
    return folder / "mark"


@pytest.mark.parametrize("name", TRICKS)
def test_tricks_are_refused_and_nothing_runs(tmp_path: Path, name: str) -> None:
    content, code = TRICKS[name]
    path = written(tmp_path, content)
    with pytest.raises(PlanError) as caught:
        load_mapping(path)
    assert (caught.value.code, caught.value.file) == (code, str(path))
    assert not mark(tmp_path).exists()


@pytest.mark.parametrize("name", ["laughs", "a call", "a merge", "a long number", "no date"])
def test_plans_and_rules_are_read_by_the_same_reader(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, TRICKS[name][0])
    for load in (load_plan, load_rules):
        with pytest.raises(PlanError) as caught:
            load(path)
        assert caught.value.code == TRICKS[name][1]


@pytest.mark.parametrize("name", ["laughs", "deep lines", "a long quoted text", "a huge file"])
def test_refusing_takes_little_memory(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, TRICKS[name][0])
    tracemalloc.start()
    try:
        with pytest.raises(PlanError):
            load_mapping(path)
        assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
    finally:
        tracemalloc.stop()


def test_a_plan_as_large_as_one_may_be_is_read() -> None:
    values = parse_mapping("a: [" + "1," * (MAX_VALUES - 10) + "]")["a"]
    assert len(values) == MAX_VALUES - 10
    assert parse_mapping(f"a: {'x' * MAX_TEXT}")["a"] == "x" * MAX_TEXT
    assert parse_mapping("a: '<<'\nb: no\n") == {"a": "<<", "b": "no"}


@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "link to itself", "long name"])
def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path, kind: str) -> None:
    path = tmp_path / ("x" * 300 if kind == "long name" else "plan.yaml")
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind != "long name":
        path.symlink_to("/dev/zero" if kind == "device" else path)
    with pytest.raises(PlanError) as caught:
        load_mapping(path)
    assert caught.value.code == FILE


def test_a_message_never_talks_to_the_terminal(tmp_path: Path) -> None:
    """A key may hold an order to the terminal, a line that looks like another message, or both."""
    path = written(tmp_path, '"\\e[2J\\nERROR OK : all is well\\u202e": 1\n')
    shown = radresp("demo", "-o", tmp_path / "out", "--plan", path)
    assert shown.code == 2
    (line,) = shown.err.splitlines()
    assert line.startswith("ERROR CONFIG_KEY")
    assert line.isprintable()
    assert r"\x1b[2J\nERROR OK" in line


# ---------------------------------------------------------------------------------- mutation


def sections(mapping: Mapping[str, Any]) -> list[list[str]]:
    """The lines of every section by itself, which is read in milliseconds."""
    return [dump_mapping({key: value}).splitlines() for key, value in mapping.items()]


SEEDS: dict[str, tuple[Callable[[Path], object], list[list[str]]]] = {
    "plan": (load_plan, sections(parse_plan({"cnn": {}, "bias_field": {}}).record())),
    "rules": (load_rules, sections(default_mapping())),
}
VALUES = [
    "[]", "{}", "[[a]]", "{a: b}", "null", "", "-1", "0", "1e999", "-.inf", ".nan", "1e-999",
    "true", "2020-02-30", "2020-01-01", "0x1f", "0o17", "9" * 400, "''", "'\\0'", '"\\0"',
    '"\\ud800"', "*a", "&a 1", "!!python/name:os.system x", "? a", "- a", "|", ">",
    "[a, [b, {c: d}]]", "{1: a, '1': b}", "[null]", "'('", "'(a+)+$'", "a{99999999999}",
    "'a{99999999999}'", "'[[a]'", "'(?P<a>)(?P<a>)'", "x" * 300, "é\u202e", "[1.5]", "[1, 2, 3]",
    "{}: {}", "{method: [a]}", "{method: {a: b}}",
]  # fmt: skip


def mutated(lines: list[str], rng: np.random.Generator) -> bytes:
    """A sound file with a few other values, sometimes with lines moved or bytes changed."""
    made = list(lines)
    for _ in range(rng.integers(1, 4)):
        place = int(rng.integers(len(made)))
        key, colon, _ = made[place].partition(":")
        dash = key[: key.find("-") + 1]
        value = VALUES[int(rng.integers(len(VALUES)))]
        match rng.integers(12):
            case 0:
                made.insert(place, made[int(rng.integers(len(made)))])
            case 1:
                made = made[:place] + made[place + 1 :] or ["a: 1"]
            case 2:
                made[place] = " " * int(rng.integers(9)) + made[place].strip()
            case _:
                made[place] = f"{key}: {value}" if colon else f"{dash} {value}"
    content = bytearray("\n".join(made).encode())
    if rng.random() < 0.1:
        for place in rng.integers(0, len(content), rng.integers(1, 4)):
            content[place] = rng.integers(256)
    return bytes(content)


def fuzz(folder: Path, name: str, count: int, seed: int) -> Counter[str]:
    load, parts = SEEDS[name]
    rng, outcomes = np.random.default_rng(seed), Counter[str]()
    for _ in range(count):
        path = written(folder, mutated(parts[int(rng.integers(len(parts)))], rng))
        outcomes[outcome(load, path)] += 1
    return outcomes


@pytest.mark.parametrize("name", SEEDS)
def test_a_little_damage_is_read_or_refused(tmp_path: Path, name: str) -> None:
    outcomes = fuzz(tmp_path, name, 200, 1)
    assert len(outcomes) > 3, outcomes


@pytest.mark.slow
@pytest.mark.parametrize("name", SEEDS)
@pytest.mark.parametrize("part", range(10))
def test_much_damage_is_read_or_refused(tmp_path: Path, name: str, part: int) -> None:
    outcomes = fuzz(tmp_path, name, 5_000, 100 + part)
    assert len(outcomes) > 4, outcomes
