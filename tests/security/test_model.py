"""Model folders made to do harm: nothing is parsed before its digest fits, and nothing ever runs.

Two attackers: one who changes a sealed folder, and one who seals a folder of his own making. The
first is always refused. The second may write any model radresp could have written, and no more:
what is no such model is refused, whatever was done to its archives and records.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import shutil
import struct
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders_tables import QUICK, make_table
from commands import tree

from radresp import classify, pipeline
from radresp import io as radresp_io
from radresp.classify.entries import SCHEMA
from radresp.cnn import checkpoint
from radresp.errors import ModelError
from radresp.io import dump_mapping, save_model, versions
from radresp.io.model_folder import LOOKS, MANIFEST, SUMS

TABLE = make_table(three=True)
MODEL = classify.fit(*TABLE, QUICK, endpoint="pCR", seed=1)
MEMBERS = classify.dump(MODEL)
HEAD = "residual.skops"
BESIDE = {"run.json": b'{"command": []}\n', LOOKS: b'{"cases_sha256": "0", "cases": 1}\n'}
"""Of files that say nothing about the model, and are not hashed."""


class Payload:
    """Makes a folder if it is ever unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.mark),))


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """What a payload would make; it must not be there after the test."""
    return tmp_path / "mark"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole model folder as `radresp train` leaves it, but for its pictures."""
    folder = tmp_path_factory.mktemp("sound") / "model"
    plan = pipeline.parse_plan({"registration": {"method": "rigid_mi"}})
    members = {f"classifier_{name}": data for name, data in MEMBERS.items()}
    members["plan.yaml"] = dump_mapping({"registration": plan.registration.record()}).encode()
    members["protocol.json"] = b'{"cases": {}, "acquisition": {}}'
    members["out_of_fold.csv"] = b"case_id,complete\na,0.5\nb,0.25\n"
    manifest = {
        "endpoint": MODEL.endpoint,
        "classes": list(MODEL.classes),
        "positive_class": "residual",
        "training_data": "synthetic",
        "cases": 2,
        "extraction_sha256": plan.extraction_sha256,
        "versions": versions(),
    }
    save_model(folder, members, manifest)
    for name, data in BESIDE.items():
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(sound, tmp_path / "model"))


@pytest.fixture
def blind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every parser and inflater fail the test that reaches it."""

    def reached(*_: object, **__: object) -> Any:
        raise AssertionError("parsed before it was checked")

    for module, name in (
        (json, "loads"),
        (zipfile, "ZipFile"),
        (pickle, "loads"),
        (pickle, "Unpickler"),
        (np, "load"),
        (classify, "restore"),
        (radresp_io, "parse_mapping"),
    ):
        monkeypatch.setattr(module, name, reached)


def refusal(folder: Path) -> str:
    with pytest.raises(ModelError) as caught:
        pipeline.open_model(folder)
    assert int(caught.value.exit_code) == 7
    assert caught.value.line().isprintable()
    return caught.value.code


def places(folder: Path) -> list[tuple[Path, int]]:
    """Every byte of every file that is part of the model."""
    paths = [path for path in sorted(folder.iterdir()) if path.name not in BESIDE]
    return [(path, place) for path in paths for place in range(path.stat().st_size)]


def flip_all(chosen: list[tuple[Path, int]], rng: np.random.Generator) -> None:
    """Change one byte after the other; each alone must be refused."""
    for path, place in chosen:
        whole = path.read_bytes()
        other = whole[place] ^ int(rng.integers(1, 256))
        path.write_bytes(whole[:place] + bytes([other]) + whole[place + 1 :])
        assert refusal(path.parent) in ("MODEL_HASH", "MODEL_MEMBER"), (path.name, place)
        path.write_bytes(whole)


def test_the_sound_folder_opens(folder: Path) -> None:
    assert pipeline.open_model(folder).model.classes == MODEL.classes


@pytest.mark.usefixtures("blind")
def test_any_changed_byte_is_refused_before_anything_is_parsed(folder: Path) -> None:
    rng = np.random.default_rng(1)
    all_of_it = places(folder)
    chosen = [all_of_it[n] for n in rng.choice(len(all_of_it), 200, replace=False)]
    last = dict(all_of_it)
    flip_all([*chosen, *last.items(), *((path, 0) for path in last)], rng)


@pytest.mark.slow
@pytest.mark.usefixtures("blind")
def test_every_changed_byte_is_refused_before_anything_is_parsed(folder: Path) -> None:
    flip_all(places(folder), np.random.default_rng(2))


def test_files_that_are_not_hashed_change_nothing(folder: Path) -> None:
    before = pipeline.open_model(folder)
    for name, data in BESIDE.items():
        for content in (b"", b"\xff" * 9, pickle.dumps(Payload(folder / "mark")), data[::-1]):
            (folder / name).write_bytes(content)
            after = pipeline.open_model(folder)
            assert (after.sha256, dict(after.manifest)) == (before.sha256, dict(before.manifest))
            assert classify.dump(after.model) == MEMBERS
        (folder / name).unlink()
    assert pipeline.open_model(folder).sha256 == before.sha256


# ------------------------------------------------------------------- a folder that was changed

Damage = Callable[[Path, np.random.Generator], None]


def some_member(folder: Path, rng: np.random.Generator) -> Path:
    paths = sorted(path for path in folder.iterdir() if path.name not in BESIDE)
    return paths[int(rng.integers(len(paths)))]


def cut(folder: Path, rng: np.random.Generator) -> None:
    path = some_member(folder, rng)
    os.truncate(path, int(rng.integers(path.stat().st_size)))


def lengthened(folder: Path, rng: np.random.Generator) -> None:
    path = some_member(folder, rng)
    path.write_bytes(path.read_bytes() + rng.bytes(int(rng.integers(1, 99))))


def missing(folder: Path, rng: np.random.Generator) -> None:
    some_member(folder, rng).unlink()


def renamed(folder: Path, rng: np.random.Generator) -> None:
    path = some_member(folder, rng)
    names = ["x", path.name.swapcase(), f"{path.name} ", f".{path.name}", "\x1b[2J", "a\nb", "-rf"]
    path.rename(folder / names[int(rng.integers(len(names)))])


def swapped(folder: Path, rng: np.random.Generator) -> None:
    one = some_member(folder, rng)
    other = next(p for p in sorted(folder.iterdir()) if p.name not in BESIDE and p != one)
    data = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(data)


def linked(folder: Path, rng: np.random.Generator) -> None:
    path = some_member(folder, rng)
    target = folder.parent / "elsewhere"
    target.unlink(missing_ok=True)
    path.rename(target)
    path.symlink_to(target)


def linked_folder(folder: Path, rng: np.random.Generator) -> None:
    (folder / "sub").symlink_to(
        ["/etc", ".", "..", str(folder), "/proc/self"][int(rng.integers(5))]
    )


def special(folder: Path, rng: np.random.Generator) -> None:
    path = some_member(folder, rng)
    path.unlink()
    if rng.random() < 0.5:
        os.mkfifo(path)
    else:
        path.mkdir()


def added(folder: Path, rng: np.random.Generator) -> None:
    names = [
        "more.bin",
        "setup.py",
        "__init__.py",
        "model.pkl",
        ".hidden",
        "sub/more.bin",
        "\x1b]0;x",
    ]
    path = folder / names[int(rng.integers(len(names)))]
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(pickle.dumps(Payload(folder.parent / "mark")))


def pickled(folder: Path, rng: np.random.Generator) -> None:
    some_member(folder, rng).write_bytes(pickle.dumps(Payload(folder.parent / "mark")))


def listed(folder: Path, rng: np.random.Generator) -> None:
    """Other lines in the list of digests: climbing, absolute, twice, in other words."""
    lines = (folder / SUMS).read_text().splitlines()
    digest = lines[0][:64]
    line = [
        f"{digest}  ../secret", f"{digest}  /etc/passwd", f"{digest}  a/../../b", lines[0], "", " ",
        f"{digest} *{MANIFEST}", f"{digest}  {MANIFEST}\x00", f"{digest}  .", f"{digest}  sub/",
        lines[0].upper(), f"\\{lines[0]}", f"{digest}  C:\\x", "# none",
    ][int(rng.integers(14))]  # fmt: skip
    lines.insert(int(rng.integers(len(lines) + 1)), line)
    (folder / SUMS).write_text("\n".join(lines) + "\n")


def unlisted(folder: Path, rng: np.random.Generator) -> None:
    lines = (folder / SUMS).read_text().splitlines()
    del lines[int(rng.integers(len(lines)))]
    end = ["\n", "\r\n", "", "\n\n"][int(rng.integers(4))]
    (folder / SUMS).write_bytes((end.join(lines) + end).encode())


CHANGES: tuple[Damage, ...] = (
    cut, lengthened, missing, renamed, swapped, linked, linked_folder, special, added, pickled,
    listed, unlisted,
)  # fmt: skip


def change_many(sound: Path, work: Path, count: int, seed: int) -> None:
    """Change a fresh copy again and again; every one must be refused."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        folder = Path(shutil.copytree(sound, work / "model"))
        CHANGES[number % len(CHANGES)](folder, rng)
        refusal(folder)
        assert not (work / "mark").exists()
        shutil.rmtree(folder)


@pytest.mark.usefixtures("blind")
def test_a_folder_that_was_changed_is_refused(sound: Path, tmp_path: Path) -> None:
    change_many(sound, tmp_path, 15 * len(CHANGES), 1)


@pytest.mark.slow
@pytest.mark.usefixtures("blind")
def test_a_folder_that_was_changed_much_is_refused(sound: Path, tmp_path: Path) -> None:
    change_many(sound, tmp_path, 8_000, 2)


# --------------------------------------------------------- an archive sealed by somebody else

Entries = dict[str, bytes]


def unpacked(data: bytes) -> Entries:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(entries: Mapping[str, bytes], rng: np.random.Generator) -> bytes:
    """An archive that may be packed, marked or described in a way radresp never does."""
    buffer = io.BytesIO()
    odd = str(rng.choice(sorted(entries)))
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in entries.items():
            entry = zipfile.ZipInfo(name)
            entry.compress_type = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)[int(rng.integers(2))]
            if name == odd and rng.random() < 0.3:
                modes = (0o120777, 0o040755, 0o010644, 0o100644)
                entry.external_attr = modes[int(rng.integers(4))] << 16
            archive.writestr(entry, content)
        archive.comment = rng.bytes(int(rng.integers(3)))
    return buffer.getvalue()


def field(data: bytes, rng: np.random.Generator) -> bytes:
    """A number in a header of the archive replaced: sizes, sums, offsets, flags, methods."""
    made = bytearray(data)
    marks = (b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06")
    mark = marks[int(rng.integers(3))]
    found = [n for n in range(len(made)) if made.startswith(mark, n)]
    start = found[int(rng.integers(len(found)))] + 4
    place = start + int(rng.integers(0, 42))
    values = (0, 1, 8, 12, 14, 99, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, int(rng.integers(2**32)))
    value = values[int(rng.integers(len(values)))]
    form = "<H" if value < 2**16 and rng.random() < 0.5 else "<L"
    if place + struct.calcsize(form) <= len(made):
        struct.pack_into(form, made, place, value)
    return bytes(made)


NAMES = (
    "../1.npy", "/etc/passwd", "a/../../b", "C:\\x", "..\\x", "1.npy\x00.txt", "1.NPY", "", ".",
    "..", "sub/1.npy", "con", "\u202e1.npy", "a" * 300, "1.npy ", "schema.json/", "~", "data.pkl",
)  # fmt: skip
FUNCTIONS = (
    ("os", "system"), ("posix", "system"), ("builtins", "eval"), ("builtins", "exec"),
    ("subprocess", "Popen"), ("operator", "methodcaller"), ("functools", "partial"),
    ("sklearn.utils._joblib", "load"), ("numpy", "load"), ("importlib", "import_module"),
    ("sklearn.preprocessing._function_transformer", "FunctionTransformer"), ("builtins", "getattr"),
    ("pickle", "loads"), ("joblib", "load"), ("os", "mkdir"), ("no.such", "thing"), ("", ""),
)  # fmt: skip
LOADERS = (
    "FunctionNode", "ObjectNode", "MethodNode", "PartialNode", "TypeNode", "ReduceNode", "JsonNode",
    "OperatorFuncNode", "DictNode", "ListNode", "NdArrayNode", "SliceNode", "BytesNode", "None", "",
    "RandomStateNode", "RandomGeneratorNode", "CythonNode", "TreeNode", "SparseMatrixNode",
)  # fmt: skip


def some_node(tree: Any, rng: np.random.Generator) -> dict[str, Any]:
    """One mapping of a tree."""
    found: list[dict[str, Any]] = []

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            found.append(node)
        for part in (
            node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
        ):
            walk(part)

    walk(tree)
    return found[int(rng.integers(len(found)))]


JUNK: tuple[Any, ...] = (
    None, True, -1, 0, 2**63, 1e308, float("inf"), "", "x", [], {}, [[]], "../1.npy", {"a": None},
    [1, "a"], "2020-01-01", "\x1b[2J", "a" * 10_000, -0.0, [[[[[[[[1]]]]]]]],
)  # fmt: skip


def odd_record(text: bytes, rng: np.random.Generator) -> bytes:
    """JSON with something else somewhere in it, or nested without end."""
    if rng.random() < 0.05:
        return b"[" * 100_000
    tree = json.loads(text)
    node = some_node(tree, rng)
    if node:
        key = str(rng.choice(sorted(node)))
        choice = rng.integers(4)
        if choice == 0:
            del node[key]
        elif choice == 1:
            node[f"{key}x"] = node.pop(key)
        else:
            node[key] = JUNK[int(rng.integers(len(JUNK)))]
    return json.dumps(tree).encode()


def odd_schema(text: bytes, mark: Path, rng: np.random.Generator) -> bytes:
    """A schema that asks for a function, a type or a loader of the attacker's choice."""
    tree = json.loads(text)
    node = some_node(tree, rng)
    module, name = FUNCTIONS[int(rng.integers(len(FUNCTIONS)))]
    node |= {"__module__": module, "__class__": name}
    if rng.random() < 0.7:
        node["__loader__"] = LOADERS[int(rng.integers(len(LOADERS)))]
    if rng.random() < 0.5:
        node["content"] = {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode",
                           "content": json.dumps(str(mark)), "is_json": True}  # fmt: skip
    return json.dumps(tree).encode()


def odd_entries(entries: Entries, mark: Path, rng: np.random.Generator) -> Entries:
    """Entries of an archive renamed, left out, added, swapped, nested, swollen or pickled."""
    name = str(rng.choice(sorted(entries)))
    payload = pickle.dumps(Payload(mark))
    buffer = io.BytesIO()
    np.save(buffer, np.array([Payload(mark)], dtype=object), allow_pickle=True)
    match rng.integers(9):
        case 0:
            entries[NAMES[int(rng.integers(len(NAMES)))]] = entries.pop(name)
        case 1:
            del entries[name]
        case 2:
            entries[NAMES[int(rng.integers(len(NAMES)))]] = payload
        case 3:
            other = str(rng.choice(sorted(entries)))
            entries[name], entries[other] = entries[other], entries[name]
        case 4:
            entries[name] = packed(entries, rng)
        case 5:
            entries[name] += bytes(2**22)
        case 6:
            entries[name] = payload if rng.random() < 0.5 else buffer.getvalue()
        case 7:
            entries[SCHEMA] = odd_schema(entries[SCHEMA], mark, rng)
        case _:
            entries[SCHEMA] = odd_record(entries[SCHEMA], rng)
    return entries or {"x": b""}


def attacked(mark: Path, rng: np.random.Generator) -> dict[str, bytes]:
    """Members of a model with one of them attacked."""
    members = dict(MEMBERS)
    choice = rng.integers(10)
    if choice < 2:
        members["model.json"] = odd_record(members["model.json"], rng)
    elif choice < 4:
        members[HEAD] = field(members[HEAD], rng)
    elif choice < 5:
        data = members[HEAD]
        first, last = np.sort(rng.integers(0, len(data), 2))
        members[HEAD] = (data[:last], data[first:], data + data, rng.bytes(99) + data)[first % 4]
    else:
        members[HEAD] = packed(odd_entries(unpacked(members[HEAD]), mark, rng), rng)
    return members


def attack(mark: Path, count: int, seed: int) -> Counter[str]:
    rng, outcomes = np.random.default_rng(seed), Counter[str]()
    for _ in range(count):
        refused: ModelError | None = None
        try:
            restored = classify.restore(attacked(mark, rng))
        except ModelError as error:
            refused = error
        if refused is None:
            assert restored.classes == MODEL.classes
        else:
            assert refused.line().isprintable()
        outcomes[refused.code if refused else "read"] += 1
        assert not mark.exists()
    return outcomes


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_sealed_attack_is_refused_or_harmless(mark: Path) -> None:
    outcomes = attack(mark, 300, 1)
    assert outcomes["MODEL_FORMAT"] > outcomes["read"] > 0
    assert outcomes["MODEL_UNTRUSTED"] > 0


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("part", range(4))
def test_many_sealed_attacks_are_refused_or_harmless(mark: Path, part: int) -> None:
    assert attack(mark, 5_000, 10 + part)["MODEL_UNTRUSTED"] > 0


def test_a_checkpoint_that_would_run_something_is_refused(mark: Path) -> None:
    """Its digest fits: whoever made it sealed it."""
    payload = pickle.dumps(Payload(mark), protocol=2)
    for body in (payload, b"PK\x03\x04", zip_of(payload)):
        digest = hashlib.sha256(body).hexdigest().encode()
        with pytest.raises(ModelError) as caught:
            checkpoint.unpack(checkpoint.MAGIC + digest + b"\n" + body)
        assert caught.value.code == "CHECKPOINT_DAMAGED"
        assert not mark.exists()


def zip_of(data: bytes) -> bytes:
    """A file as torch would write it, of a pickle."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", data)
        archive.writestr("archive/version", b"3\n")
        archive.writestr("archive/byteorder", b"little")
    return buffer.getvalue()


def test_opening_leaves_the_folder_as_it_is(folder: Path) -> None:
    before = tree(folder)
    pipeline.open_model(folder)
    assert tree(folder) == before
