"""Model folders: any changed, added, missing or disguised byte is refused before it is parsed."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import tracemalloc
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from radresp.errors import ModelError, OutputError, PlanError
from radresp.io import model_folder
from radresp.io.model_folder import LOOKS, MANIFEST, SUMS, count_look, load_model, save_model

MEMBERS = {
    "model.skops": b"PK\x03\x04weights",
    "plan.yaml": b"seed: 1\n",
    "cnn/net.bin": b"\x00\x01",
}
ABOUT = {"endpoint": "pCR", "classes": ["complete", "residual"], "prevalence": 0.2}


def make_model(
    folder: Path, members: Mapping[str, bytes] = MEMBERS, about: Mapping[str, Any] = ABOUT
) -> Path:
    save_model(folder, members, about)
    return folder


def refusal(folder: Path) -> ModelError:
    with pytest.raises(ModelError) as caught:
        load_model(folder)
    assert int(caught.value.exit_code) == 7
    assert caught.value.expected
    assert caught.value.action
    return caught.value


def reseal(folder: Path, change: Mapping[str, Any]) -> None:
    """Change the manifest and make all digests fit again."""
    body = json.loads((folder / MANIFEST).read_text()) | change
    (folder / MANIFEST).write_text(json.dumps(body))
    names = sorted(set(model_folder._files_of(folder)) - {SUMS})
    sums = {name: model_folder._digest((folder / name).read_bytes()) for name in names}
    (folder / SUMS).write_bytes(model_folder._sums_text(sums))


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    digest = save_model(tmp_path / "m", MEMBERS, ABOUT)
    found = load_model(tmp_path / "m")
    assert found.members == MEMBERS
    assert found.manifest == ABOUT
    assert found.sha256 == digest
    assert save_model(tmp_path / "again", dict(reversed(MEMBERS.items())), ABOUT) == digest
    assert save_model(tmp_path / "other", MEMBERS, {**ABOUT, "prevalence": 0.3}) != digest


def test_reading_takes_no_more_memory_than_there_are_bytes(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "m", {"w": bytes(2**20)})
    tracemalloc.start()
    try:
        load_model(folder)
        assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
    finally:
        tracemalloc.stop()


def test_looks_are_counted_by_their_cases_and_leave_the_model_whole(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "m")
    before = load_model(folder)
    cases = {"a": "complete", "b": "residual"}
    assert count_look(folder, cases) == 1
    assert count_look(folder, dict(reversed(cases.items()))) == 2
    assert count_look(folder, cases | {"b": "complete"}) == 1
    assert count_look(folder, {"a": "complete"}) == 1
    assert len((folder / LOOKS).read_text().splitlines()) == 4
    assert not {"a", "b", "complete"} & set((folder / LOOKS).read_text().split('"'))
    after = load_model(folder)
    assert (after.sha256, after.members) == (before.sha256, before.members)


def test_a_look_that_cannot_be_written_is_not_counted(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "m")
    (folder / LOOKS).mkdir()
    assert count_look(folder, {"a": "complete"}) is None


def test_the_digests_can_be_checked_without_radresp(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "m")
    done = subprocess.run(
        ["sha256sum", "--strict", "-c", SUMS], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(": OK") == len(MEMBERS) + 1


def test_every_flipped_bit_of_every_file_is_refused(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "m", {"w": b"\x00weights\xff"}, {"k": 1})
    tried = 0
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        whole = path.read_bytes()
        for place in range(len(whole)):
            for flip in (0x01, 0x20, 0x80):
                changed = bytearray(whole)
                changed[place] ^= flip
                path.write_bytes(changed)
                error = refusal(folder)
                assert error.code in ("MODEL_HASH", "MODEL_MEMBER")
                tried += 1
        path.write_bytes(whole)
    assert tried > 1000
    assert load_model(folder).members == {"w": b"\x00weights\xff"}


@pytest.mark.parametrize("name", [*MEMBERS, MANIFEST, SUMS])
def test_truncated_and_lengthened_files_are_refused(tmp_path: Path, name: str) -> None:
    folder = make_model(tmp_path / "m")
    whole = (folder / name).read_bytes()
    for changed in (whole[:-1], b"", whole + b"\n", whole * 2):
        (folder / name).write_bytes(changed)
        assert refusal(folder).code in ("MODEL_HASH", "MODEL_MEMBER")


def test_a_changed_member_is_named_with_both_hashes_before_parsing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_model(tmp_path / "m")
    before = model_folder._digest(MEMBERS["plan.yaml"])
    (folder / "plan.yaml").write_bytes(b"seed: 2\n")
    parsed: list[bytes] = []
    monkeypatch.setattr(json, "loads", parsed.append)
    error = refusal(folder)
    assert error.code == "MODEL_HASH"
    assert error.file == str(folder / "plan.yaml")
    assert model_folder._digest(b"seed: 2\n") in error.found
    assert before in error.expected
    assert parsed == []


def test_extra_missing_linked_and_special_members_are_refused(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "m")
    (folder / "extra").write_text("x")
    assert "extra is not listed" in refusal(folder).found
    (folder / "extra").unlink()
    (folder / "extra").symlink_to("/etc/passwd")
    assert "extra is a link" in refusal(folder).found
    (folder / "extra").unlink()
    (folder / "sub").symlink_to("/etc")
    assert "sub is a link" in refusal(folder).found
    (folder / "sub").unlink()
    os.mkfifo(folder / "pipe")
    assert "pipe is a link, pipe or device" in refusal(folder).found
    (folder / "pipe").unlink()
    (folder / "plan.yaml").unlink()
    error = refusal(folder)
    assert (error.code, error.found) == ("MODEL_MEMBER", "plan.yaml is missing")
    (folder / "plan.yaml").symlink_to(folder / "model.skops")
    assert refusal(folder).code == "MODEL_MEMBER"


def test_names_that_climb_are_never_read(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "m")
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    listed = (folder / SUMS).read_text()
    for name in ("../secret", str(secret)):
        line = f"{model_folder._digest(b'secret')}  {name}\n"
        (folder / SUMS).write_text(line + listed)
        error = refusal(folder)
        assert (error.code, "is missing" in error.found) == ("MODEL_MEMBER", True)


def test_oversized_and_countless_members_are_refused_before_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_model(tmp_path / "m")
    os.truncate(folder / "plan.yaml", model_folder.MAX_BYTES + 1)
    error = refusal(folder)
    assert (error.code, "plan.yaml is the largest" in error.found) == ("MODEL_MEMBER", True)
    monkeypatch.setattr(model_folder, "MAX_FILES", 4)
    (tmp_path / "flood").mkdir()
    for number in range(6):
        (tmp_path / "flood" / f"f{number}").touch()
    assert refusal(tmp_path / "flood").code == "MODEL_MEMBER"


class Payload:
    """Would leave a mark if it were ever unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.mark),))


def test_a_pickle_is_refused_and_never_run(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    for name in ("model.pkl", "model.joblib", "model.pt"):
        (tmp_path / name).write_bytes(pickle.dumps(Payload(mark)))
        error = refusal(tmp_path / name)
        assert error.code == "MODEL_FORMAT"
        assert "pickle" in error.expected
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "model.pkl").write_bytes(pickle.dumps(Payload(mark)))
    assert refusal(folder).code == "MODEL_FORMAT"
    assert not mark.exists()


def test_nothing_an_empty_folder_and_a_table_are_no_model(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "table.csv").write_text("a,b\n")
    for name in ("none", "empty", "table.csv"):
        assert refusal(tmp_path / name).code == "MODEL_FORMAT"


def test_a_newer_model_is_refused_by_version(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "m")
    reseal(folder, {"format_version": 2, "radresp_version": "9.0"})
    error = refusal(folder)
    assert error.code == "MODEL_NEWER"
    assert "9.0" in error.found


@pytest.mark.parametrize(
    "change",
    [
        {"format": "other"},
        {"format_version": "1"},
        {"format_version": 0},
        {"manifest": None},
        {"members": {}},
        {"members": {"model.skops": {"sha256": "0" * 64, "bytes": 1}}},
    ],
)
def test_a_manifest_that_disagrees_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    folder = make_model(tmp_path / "m")
    reseal(folder, change)
    assert refusal(folder).code == "MODEL_FORMAT"


@pytest.mark.parametrize("text", ["[1]", "not json", "[" * 100_000])
def test_a_manifest_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    folder = make_model(tmp_path / "m")
    (folder / MANIFEST).write_text(text)
    names = sorted(set(model_folder._files_of(folder)) - {SUMS})
    sums = {name: model_folder._digest((folder / name).read_bytes()) for name in names}
    (folder / SUMS).write_bytes(model_folder._sums_text(sums))
    assert refusal(folder).code == "MODEL_FORMAT"


def test_an_existing_model_is_replaced_only_when_asked_and_whole(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "m")
    with pytest.raises(OutputError) as caught:
        save_model(folder, {"w": b"new"}, {})
    assert caught.value.code == "OUTPUT_EXISTS"
    assert load_model(folder).members == MEMBERS
    save_model(folder, {"w": b"new"}, {}, overwrite=True)
    assert load_model(folder).members == {"w": b"new"}
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_nothing_but_a_model_is_ever_overwritten(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "m")
    (folder / "thesis.txt").write_text("precious")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.txt").write_text("precious")
    (tmp_path / "file").write_text("precious")
    for name in ("m", "home", "file"):
        with pytest.raises(OutputError) as caught:
            save_model(tmp_path / name, MEMBERS, ABOUT, overwrite=True)
        assert caught.value.code == "OUTPUT_EXISTS"
    assert (folder / "thesis.txt").exists()
    assert (tmp_path / "home" / "thesis.txt").exists()


def test_an_empty_folder_may_become_a_model_and_a_link_may_not(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert load_model(make_model(tmp_path / "empty")).members == MEMBERS
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(OutputError) as caught:
        save_model(tmp_path / "link", MEMBERS, ABOUT)
    assert caught.value.code == "OUT_SYMLINK"


@pytest.mark.parametrize(
    "name",
    ["../x", "/x", "a/../b", "", "a//b", ".hidden", MANIFEST, "sha256sums", "a b", "ä", "a\n"],
)
def test_member_names_that_could_not_be_loaded_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(PlanError) as caught:
        save_model(tmp_path / "m", {name: b""}, {})
    assert caught.value.code == "MODEL_MEMBER"
    assert list(tmp_path.iterdir()) == []


def test_members_that_differ_only_by_case_and_none_at_all_are_refused(tmp_path: Path) -> None:
    for members in ({"A": b"", "a": b""}, {}):
        with pytest.raises(PlanError):
            save_model(tmp_path / "m", members, {})
