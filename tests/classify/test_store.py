"""Bytes out and in: nothing is lost, nothing foreign gets in."""

from __future__ import annotations

import contextlib
import io
import json
import pickle
import struct
import tracemalloc
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import skops.io
from builders_tables import QUICK, make_table
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from radresp.classify import dump, fit, fuse_models, restore
from radresp.classify.archive import load_classifier
from radresp.classify.entries import Archive, pack
from radresp.classify.trees import Trees
from radresp.core import NoteKind
from radresp.errors import ExitCode, ModelError, PlanError

TABLE = make_table(three=True)
MODEL = fit(*TABLE, QUICK, endpoint="pCR", seed=1)
MEMBERS = dump(MODEL)


def edited(edit: Callable[[dict[str, Any]], object]) -> dict[str, bytes]:
    record = json.loads(MEMBERS["model.json"])
    edit(record)
    return MEMBERS | {"model.json": json.dumps(record).encode()}


def refusal(members: dict[str, bytes]) -> ModelError:
    with pytest.raises(ModelError) as caught:
        restore(members)
    error = caught.value
    assert error.exit_code is ExitCode.MODEL
    assert all((error.expected, error.action, error.file)), error
    return error


def test_members_and_everything_the_model_knew() -> None:
    assert set(MEMBERS) == {"model.json", "residual.skops", "subtype.skops"}
    back = restore(MEMBERS)
    for name in (
        "method",
        "settings",
        "endpoint",
        "classes",
        "columns",
        "counts",
        "patients",
        "seed",
        "platt",
        "quantiles",
        "hyperparameters",
        "versions",
    ):
        assert getattr(back, name) == getattr(MODEL, name), name
    assert back.step.notes == MODEL.step.notes
    assert dump(back) == MEMBERS


def test_archives_hold_no_clock_and_no_address() -> None:
    again = dump(fit(*TABLE, QUICK, endpoint="pCR", seed=1))
    assert again == MEMBERS
    with zipfile.ZipFile(io.BytesIO(MEMBERS["residual.skops"])) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert archive.testzip() is None


def test_a_pickle_is_never_opened(tmp_path) -> None:
    marker = tmp_path / "opened"

    class Payload:
        def __reduce__(self):
            return (marker.write_text, ("x",))

    payload = pickle.dumps(Payload())
    assert refusal(MEMBERS | {"residual.skops": payload}).code == "MODEL_FORMAT"
    assert refusal(MEMBERS | {"model.json": payload}).code == "MODEL_FORMAT"
    assert not marker.exists()


def test_an_untrusted_type_is_named_and_not_built_where_the_audit_misses_it(monkeypatch) -> None:
    strange = skops.io.dumps(Pipeline([("scale", FunctionTransformer(np.linalg.norm))]))
    error = refusal(MEMBERS | {"residual.skops": strange})
    assert error.code == "MODEL_UNTRUSTED"
    assert "norm" in error.found
    assert error.file == "residual.skops"
    monkeypatch.setattr(skops.io, "get_untrusted_types", lambda **_: [])
    assert refusal(MEMBERS | {"residual.skops": strange}).code == "MODEL_UNTRUSTED"


def test_another_pipeline_and_missing_members_are_refused() -> None:
    other = skops.io.dumps(Pipeline([("scale", StandardScaler())]))
    assert refusal(MEMBERS | {"residual.skops": other}).code == "MODEL_FORMAT"
    assert refusal(MEMBERS | {"residual.skops": skops.io.dumps([1])}).code == "MODEL_FORMAT"
    for name in MEMBERS:
        rest = {key: value for key, value in MEMBERS.items() if key != name}
        error = refusal(rest)
        assert (error.code, error.file) == ("MODEL_FORMAT", name)


@pytest.mark.parametrize("name", sorted(MEMBERS))
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_truncated_members_are_refused(name: str, share: float) -> None:
    data = MEMBERS[name]
    assert refusal(MEMBERS | {name: data[: int(share * len(data))]}).code == "MODEL_FORMAT"


# ---------------------------------------------------------------------------------- archives


def unpacked(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def deflated(entries: Mapping[str, bytes], kind: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", kind) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def lying(entries: Mapping[str, bytes], name: str, size: int) -> bytes:
    """An archive that says an entry is shorter than what it inflates to, with a sum that fits."""
    data = bytearray(deflated(entries))
    crc = zipfile.crc32(entries[name][:size])
    for mark, crc_at, name_at in ((b"PK\x03\x04", 14, 30), (b"PK\x01\x02", 16, 46)):
        place = data.index(mark)
        while data[place + name_at :][: len(name)] != name.encode():
            place = data.index(mark, place + 1)
        struct.pack_into("<L", data, place + crc_at, crc)
        struct.pack_into("<L", data, place + crc_at + 8, size)
    return bytes(data)


def array(values: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


def shaped(*shape: int) -> bytes:
    """A ``.npy`` file of one number whose header promises another shape."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        buffer, {"descr": "<f8", "fortran_order": False, "shape": shape}
    )
    return buffer.getvalue() + bytes(8)


HEAD = unpacked(MEMBERS["residual.skops"])
TREES = Trees("random_forest", {"n_estimators": 3, "max_depth": 2, "random_state": 1})
TREES.fit(np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2)
FOREST = unpacked(TREES.dump())


def refused_archive(name: str, data: bytes) -> str:
    with pytest.raises(ModelError) as caught:
        load_classifier(name, {name: data})
    error = caught.value
    assert (error.code, error.file) == ("MODEL_FORMAT", name)
    assert error.expected
    assert error.action
    return error.found


def test_a_compressed_archive_of_the_same_entries_is_the_same() -> None:
    again = restore(MEMBERS | {"residual.skops": deflated(HEAD)})
    assert dump(again) == MEMBERS
    back = load_classifier("residual.npz", {"residual.npz": TREES.dump()})
    assert back.dump() == TREES.dump()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"2.npy": None}, "'2.npy' is missing"),
        ({"schema.json": None}, "'schema.json' is missing"),
        ({"more.npy": array(np.zeros(2))}, "'more.npy' is not used"),
        ({"sub/more.npy": b"x"}, "'sub/more.npy' has a name"),
        ({"../more.npy": b"x"}, "'../more.npy' has a name"),
        ({"/etc/passwd": b"x"}, "'/etc/passwd' has a name"),
        ({"C:\\more": b"x"}, "has a name that is no plain file name"),
        ({"more\n": b"x"}, "has a name that is no plain file name"),
        ({"sub/": b""}, "'sub/' has a name"),
        ({"1.npy": b"no array"}, "'1.npy' is no array"),
        ({"1.npy": array(np.zeros(2)) + b"x"}, "'1.npy' is no array"),
        ({"1.npy": array(np.zeros(2))[:-1]}, "'1.npy' is no array"),
        ({"1.npy": shaped(10**12)}, "'1.npy' is no array"),
        ({"1.npy": shaped(-1, -1)}, "'1.npy' is no array"),
        ({"1.npy": pack({"inner": bytes(2**20)})}, "'1.npy' is no array"),
    ],
    ids=str,
)
def test_entries_that_are_not_those_of_a_classifier_are_refused_by_name(
    change: dict[str, bytes | None], words: str
) -> None:
    entries = {name: data for name, data in (HEAD | change).items() if data is not None}
    assert words in refused_archive("residual.skops", deflated(entries))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind.npy": None}, "'kind.npy' is missing"),
        ({"schema.json": b"{}"}, "'schema.json' is not used"),
        ({"values_.npy": shaped(10**12)}, "'values_.npy' is no array"),
        ({"values_.npy": array(np.zeros(2**22))}, "'values_.npy' would swell to 33554560 bytes"),
        ({"left_.npy": array(np.zeros(2))}, "cannot be read"),
    ],
    ids=str,
)
def test_entries_that_are_not_those_of_trees_are_refused(
    change: dict[str, bytes | None], words: str
) -> None:
    entries = {name: data for name, data in (FOREST | change).items() if data is not None}
    assert words in refused_archive("residual.npz", deflated(entries))


def test_entries_that_stand_twice_or_are_packed_otherwise_are_refused() -> None:
    buffer = io.BytesIO(MEMBERS["residual.skops"])
    with zipfile.ZipFile(buffer, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("1.npy", HEAD["1.npy"])
    assert "'1.npy' stands twice" in refused_archive("residual.skops", buffer.getvalue())
    packed = deflated(HEAD, zipfile.ZIP_BZIP2)
    assert "packed otherwise" in refused_archive("residual.skops", packed)
    locked = bytearray(MEMBERS["residual.skops"])
    locked[locked.index(b"PK\x01\x02") + 8] |= 1
    assert "is encrypted" in refused_archive("residual.skops", bytes(locked))


@pytest.mark.parametrize("name", ["1.npy", "schema.json"])
def test_an_entry_that_lies_about_its_length_is_inflated_no_further(name: str) -> None:
    """The list says 100 bytes, the sum fits them, and 32 MiB would come out."""
    data = lying(HEAD | {name: HEAD[name][:100] + bytes(2**25)}, name, 100)
    assert Archive(data, "residual.skops").read(name) == HEAD[name][:100]
    tracemalloc.start()
    try:
        refused_archive("residual.skops", data)
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


# ---------------------------------------------------------------------------------- records


@given(st.sampled_from(sorted(MEMBERS)), st.integers(0, 10**9), st.integers(0, 7))
@settings(max_examples=60, deadline=None)
def test_a_flipped_bit_leaves_a_model_or_a_refusal(name: str, place: int, bit: int) -> None:
    data = bytearray(MEMBERS[name])
    data[place % len(data)] ^= 1 << bit
    with contextlib.suppress(ModelError):
        assert restore(MEMBERS | {name: bytes(data)}).classes == MODEL.classes


def test_a_newer_format_is_refused() -> None:
    assert refusal(edited(lambda r: r.update(format=4))).code == "MODEL_NEWER"
    assert "train the model again" in refusal(edited(lambda r: r.update(format=1))).message
    assert refusal(edited(lambda r: r.pop("format"))).code == "MODEL_FORMAT"
    assert refusal(MEMBERS | {"model.json": b"[]"}).code == "MODEL_FORMAT"


def test_another_version_is_accepted_only_if_the_reference_case_agrees() -> None:
    def older(record: dict[str, Any]) -> None:
        record["versions"]["scikit-learn"] = "0.20.0"

    back = restore(edited(older))
    (note,) = [n for n in back.step.notes if n.code == "MODEL_VERSION"]
    assert note.kind is NoteKind.WARNING

    def older_and_off(record: dict[str, Any]) -> None:
        older(record)
        record["reference"]["p"][0] += 1e-5

    assert refusal(edited(older_and_off)).code == "MODEL_VERSION"


def test_a_model_that_does_not_reproduce_itself_is_refused() -> None:
    def off(record: dict[str, Any]) -> None:
        record["platt"]["intercept"] += 0.01

    assert refusal(edited(off)).code == "MODEL_SELF_TEST"


def test_other_label_coding_is_refused() -> None:
    assert refusal(edited(lambda r: r.update(positive="complete"))).code == "LABEL_CODING"
    swapped = ["fibrosis", "inflammation", "complete"]
    assert refusal(edited(lambda r: r.update(classes=swapped))).code == "LABEL_CODING"
    rng = np.random.default_rng(0)
    size = len(MODEL.residual.columns)
    coded = LogisticRegression()
    coded.fit(rng.normal(size=(20, size)), np.repeat(["pCR", "no"], 10))
    members = MEMBERS | {"residual.skops": skops.io.dumps(coded)}
    assert refusal(members).code == "LABEL_CODING"


def test_stacked_models_name_their_members_and_answer_one_question() -> None:
    table = make_table(n=40, p=10)
    few = QUICK.model_copy(update={"features": (3,), "strengths": (0.3,)})
    parts = {name: fit(*table, few, endpoint="pCR", seed=1) for name in ("imaging", "clinical")}
    event, doubt = (table.y == "residual").astype(int), table.y == "none"
    members = dump(fuse_models(parts, event, doubt, few))
    assert dump(restore(members)) == members
    for name in members:
        error = refusal({key: data for key, data in members.items() if key != name})
        wanted = name if name != "fusion.json" else "model.json"
        assert (error.code, error.file) == ("MODEL_FORMAT", wanted)
    other = json.loads(members["clinical_model.json"]) | {"endpoint": "sustained_cCR_24m"}
    error = refusal(members | {"clinical_model.json": json.dumps(other).encode()})
    assert error.code == "LABEL_CODING"
    assert "sustained_cCR_24m" in error.found


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_refused(bad: float) -> None:
    classifier = skops.io.loads(MEMBERS["residual.skops"], trusted=[])
    classifier.coef_[0, 0] = bad
    members = MEMBERS | {"residual.skops": skops.io.dumps(classifier)}
    assert refusal(members).code == "MODEL_WEIGHTS"


@pytest.mark.parametrize(
    "edit",
    [
        lambda r: r.update(method="oracle"),
        lambda r: r["settings"].update(repeats=0),
        lambda r: r["settings"].update(unknown=1),
        lambda r: r.pop("support"),
        lambda r: r.update(columns=r["columns"][1:]),
        lambda r: r["heads"]["residual"].update(columns=r["heads"]["residual"]["columns"][:-1]),
        lambda r: r["heads"]["residual"].update(file="subtype.skops"),
        lambda r: r["heads"]["residual"]["scaler"].update(kind="wishful"),
        lambda r: r["heads"]["residual"]["scaler"].update(mean=[0.0]),
        lambda r: r.update(quantiles={}),
        lambda r: r.update(versions={}),
        lambda r: r.update(counts={"complete": "many"}),
        lambda r: r["platt"].update(slope="steep"),
        lambda r: r["support"].update(centre=["a"]),
        lambda r: r.update(heads=[]),
        lambda r: r["ensemble"].update(low=r["ensemble"]["low"][:-1]),
        lambda r: r["support"].update(low=r["support"]["low"][:-1]),
    ],
)
def test_records_that_do_not_fit_are_refused(edit: Callable[[dict[str, Any]], object]) -> None:
    assert refusal(edited(edit)).code == "MODEL_FORMAT"


def test_models_of_other_cases_are_not_stacked() -> None:
    table = make_table(n=40, p=10)
    few = QUICK.model_copy(update={"features": (3,), "strengths": (0.3,)})
    models = {"imaging": fit(*table, few, endpoint="pCR", seed=1), "other": MODEL}
    with pytest.raises(PlanError) as caught:
        fuse_models(models, (table.y == "residual").astype(int), table.y == "none", few)
    assert caught.value.code == "TABLE_MISMATCH"
