"""Bytes out and in: nothing is lost, nothing foreign gets in."""

from __future__ import annotations

import contextlib
import io
import json
import pickle
import zipfile
from collections.abc import Callable
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

from radresp.classify import dump, fit, restore
from radresp.core import NoteKind
from radresp.errors import ExitCode, ModelError

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
    assert caught.value.exit_code is ExitCode.MODEL
    return caught.value


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


def test_an_untrusted_type_is_named() -> None:
    strange = skops.io.dumps(Pipeline([("scale", FunctionTransformer(np.linalg.norm))]))
    error = refusal(MEMBERS | {"residual.skops": strange})
    assert error.code == "MODEL_UNTRUSTED"
    assert "norm" in error.found
    assert error.file == "residual.skops"


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
        lambda r: r.update(heads=[]),
        lambda r: r["ensemble"].update(low=r["ensemble"]["low"][:-1]),
        lambda r: r["support"].update(low=r["support"]["low"][:-1]),
    ],
)
def test_records_that_do_not_fit_are_refused(edit: Callable[[dict[str, Any]], object]) -> None:
    assert refusal(edited(edit)).code == "MODEL_FORMAT"
