"""A training that was killed goes on as if nothing had been; damaged checkpoints are not used."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import pytest

pytest.importorskip("monai")
pytest.importorskip("lightning")

import torch
from cnn import tiny

from radresp.cnn.checkpoint import MAGIC, NAMES, Keeper, pack, unpack
from radresp.cnn.training import HISTORY, Fitted, fit_network
from radresp.errors import ModelError, OutputError


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@lru_cache
def uninterrupted() -> Fitted:
    return tiny.train(None)


def apart(one: Fitted, other: Fitted) -> float:
    """Largest difference of any weight."""
    assert set(one.state_dict) == set(other.state_dict)
    pairs = ((one.state_dict[name], other.state_dict[name]) for name in one.state_dict)
    return max(float((a - b).abs().max()) for a, b in pairs)


def record(fitted: Fitted) -> list[float | None]:
    """All that is written of the epochs but their time."""
    return [value for row in fitted.history for name, value in row.items() if name != "seconds"]


def test_l17_a_training_killed_in_mid_epoch_and_resumed_equals_an_uninterrupted_one(
    tmp_path: Path,
) -> None:
    paths = os.pathsep.join([str(Path(tiny.__file__).parents[1]), *filter(None, sys.path)])
    killed = subprocess.run(
        [sys.executable, tiny.__file__, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    lines = (tmp_path / HISTORY).read_text().splitlines()
    assert len(lines) == 1 + 2
    told: list[int] = []
    resumed = tiny.train(tmp_path, progress=lambda done, whole: told.append(done))
    assert told == [3, 4, 5]
    assert record(resumed) == pytest.approx(record(uninterrupted()))
    assert resumed.best_epoch == uninterrupted().best_epoch
    assert apart(resumed, uninterrupted()) < 1e-6


def stopped_after(epochs: int, path: Path, **given: bool) -> None:
    def stop(done: int, whole: int) -> None:
        if done == epochs:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tiny.train(path, progress=stop, **given)


def test_an_interrupt_comes_out_as_one_and_the_training_goes_on(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    stopped_after(2, tmp_path)
    assert signal.getsignal(signal.SIGINT) is before
    assert apart(tiny.train(tmp_path), uninterrupted()) < 1e-6


@pytest.mark.parametrize("damage", [lambda d: d[: len(d) // 2], lambda d: b"", lambda d: d + b"x"])
def test_l17_a_truncated_checkpoint_gives_way_to_the_one_before(tmp_path: Path, damage) -> None:  # type: ignore[no-untyped-def]
    stopped_after(3, tmp_path)
    newest = tmp_path / NAMES[0]
    assert unpack(newest.read_bytes())["epoch"] == 2
    newest.write_bytes(damage(newest.read_bytes()))
    told: list[int] = []
    resumed = tiny.train(tmp_path, progress=lambda done, whole: told.append(done))
    assert told == [3, 4, 5]
    assert [note.code for note in resumed.notes] == ["CHECKPOINT_DAMAGED"]
    assert apart(resumed, uninterrupted()) < 1e-6


def test_with_both_checkpoints_damaged_training_begins_anew_and_says_so(tmp_path: Path) -> None:
    for name in NAMES:
        (tmp_path / name).write_bytes(MAGIC + b"0" * 64 + b"\n")
    fitted = tiny.train(tmp_path)
    assert [note.code for note in fitted.notes] == ["CHECKPOINT_DAMAGED"] * 2
    assert apart(fitted, uninterrupted()) == 0


def test_a_finished_training_is_given_back_at_once(tmp_path: Path) -> None:
    first = tiny.train(tmp_path)
    told: list[int] = []
    again = tiny.train(tmp_path, progress=lambda done, whole: told.append(done))
    assert told == []
    assert apart(first, again) == 0
    assert record(first) == record(again)


def test_another_training_in_the_folder_is_refused_and_begun_over_when_told(
    tmp_path: Path,
) -> None:
    tiny.train(tmp_path)
    plan = tiny.settings(epochs=1)
    other = {"classes": 2, "seed": 1, "folder": tiny.folder(tmp_path)}
    with pytest.raises(OutputError, match="training of other cases") as refused:
        fit_network(tiny.cases(20), plan, **other)  # type: ignore[arg-type]
    assert refused.value.code == "OTHER_TRAINING"
    assert refused.value.exit_code == 6
    fresh = fit_network(tiny.cases(20), plan, **other, resume=False)  # type: ignore[arg-type]
    assert len(fresh.history) == 1


def test_a_training_begun_over_is_the_one_that_is_resumed(tmp_path: Path) -> None:
    tiny.train(tmp_path)
    stopped_after(1, tmp_path, resume=False)
    told: list[int] = []
    tiny.train(tmp_path, progress=lambda done, whole: told.append(done))
    assert told == [2, 3, 4, 5]


def test_checkpoints_hold_tensors_and_plain_types_alone(tmp_path: Path) -> None:
    stopped_after(1, tmp_path)
    content = unpack((tmp_path / NAMES[0]).read_bytes())
    assert content["epoch"] == 0
    with pytest.raises(ModelError, match="never writes"):
        unpack(pack({"epoch": 0, "foreign": Path("any")}))


def test_every_flipped_byte_of_a_checkpoint_is_noticed() -> None:
    whole = pack({"epoch": 1, "w": torch.arange(3.0)})
    for place in range(0, len(whole), 7):
        broken = bytearray(whole)
        broken[place] ^= 1
        with pytest.raises(ModelError) as refused:
            unpack(bytes(broken))
        assert refused.value.code == "CHECKPOINT_DAMAGED"


def test_the_older_checkpoint_stays_until_the_next_is_whole(tmp_path: Path) -> None:
    keeper = Keeper(tiny.folder(tmp_path))
    with pytest.raises(ModelError, match="no checkpoint"):
        keeper.load_checkpoint("any")
    for epoch in range(3):
        keeper.save_checkpoint({"epoch": epoch}, "any")
    kept = sorted(unpack((tmp_path / name).read_bytes())["epoch"] for name in NAMES)
    assert kept == [1, 2]
    fresh = Keeper(tiny.folder(tmp_path))
    found = fresh.find()
    assert found == {"epoch": 2}
    fresh.save_checkpoint({"epoch": 3}, "any")
    kept = sorted(unpack((tmp_path / name).read_bytes())["epoch"] for name in NAMES)
    assert kept == [2, 3]
