"""Training: it learns what is there and nothing else, repeats exactly, and says what it did."""

from __future__ import annotations

import json
import math
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("monai")
pytest.importorskip("lightning")

import torch
from cnn import tiny

from radresp.cnn import Augment
from radresp.cnn.device import CPU, Device
from radresp.cnn.inputs import Inputs
from radresp.cnn.loss import loss_of, mean_auc
from radresp.cnn.network import Answers, SiameseNet
from radresp.cnn.samples import Order, SampleSet
from radresp.errors import CohortError, InputError, ResourceError


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


# Learning


def test_one_batch_of_noise_is_learned_by_heart() -> None:
    plan = tiny.still(epochs=40, batch=8, learning_rate=1e-2, fraction_weight=0, patience=100)
    fitted = tiny.fit(tiny.cases(10, signal_size=0.0), plan)
    assert fitted.history[0]["train_loss"] > 0.5
    assert fitted.history[-1]["train_loss"] < 0.05


def test_what_is_there_is_found_in_new_cases() -> None:
    fresh = tiny.cases(30, seed=9)
    answers = tiny.says(tiny.learned(), fresh)
    labels = np.array([one.label for one in fresh])
    assert mean_auc(answers.logits.double().numpy(), labels) > 0.9
    assert tiny.learned().history[-1]["validation_auc"] == 1.0
    assert answers.fraction[labels == 1].mean() > answers.fraction[labels == 0].mean() + 0.1


def test_permuted_labels_are_not_learned() -> None:
    found = []
    for seed in range(3):
        random = np.random.default_rng(seed)
        cases = tiny.cases(48, seed=seed)
        order = random.permutation(len(cases))
        shuffled = [replace(a, label=cases[b].label) for a, b in zip(cases, order, strict=True)]
        plan = tiny.settings(epochs=4, learning_rate=5e-3, validation=0.5)
        # Not the epoch chosen for its loss: that is judged by the cases that chose it.
        found += [tiny.fit(shuffled, plan).history[-1]["validation_auc"]]
    assert abs(np.mean(found) - 0.5) < 0.2


def test_a_case_that_lacks_channels_trains_and_is_judged() -> None:
    cases = tiny.cases(16)
    there = np.ones((2, 4), np.float32)
    there[1] = 0
    there[0, 1:3] = 0
    lone = [
        replace(one, inputs=Inputs(one.inputs.images * there[..., None, None, None], there))
        for one in cases
    ]
    fitted = tiny.fit([*cases[:8], *lone[8:]], tiny.settings(epochs=1))
    logits = tiny.says(fitted, lone).logits
    assert torch.isfinite(logits).all()
    assert not torch.equal(logits, tiny.says(fitted, cases).logits)


def test_cases_with_only_a_fraction_and_only_a_label_both_teach() -> None:
    cases = [
        replace(one, label=None) if n % 4 == 3 else replace(one, fraction=None)
        for n, one in enumerate(tiny.cases(24))
    ]
    silent = [replace(one, label=None, fraction=None) for one in tiny.cases(2)]
    fitted = tiny.fit([*cases, *silent], tiny.settings(epochs=1))
    assert [note.code for note in fitted.notes] == ["CNN_NO_ANSWER"]
    assert math.isfinite(fitted.history[0]["train_loss"])


# Repeating


def test_the_same_seed_gives_the_same_weights_and_another_does_not() -> None:
    cases, plan = tiny.cases(16), tiny.settings(epochs=2)
    first, second = tiny.fit(cases, plan), tiny.fit(cases, plan)
    other = tiny.fit(cases, plan, seed=2)
    assert all(torch.equal(w, second.state_dict[k]) for k, w in first.state_dict.items())
    assert not all(torch.equal(w, other.state_dict[k]) for k, w in first.state_dict.items())


def test_the_caller_s_generator_and_kernels_are_left_alone() -> None:
    torch.manual_seed(4)
    state = torch.random.get_rng_state()
    strict = torch.are_deterministic_algorithms_enabled()
    tiny.fit(tiny.cases(8), tiny.settings(epochs=1))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.are_deterministic_algorithms_enabled() == strict


def test_an_epoch_is_the_same_whoever_draws_it() -> None:
    from radresp.cnn.augment import augmentation

    vary = augmentation(Augment(), (1.5, 1.5, 4.0), tiny.SIZE)
    data = SampleSet(tiny.cases(6), seed=5, vary=vary)
    order = Order(6, 5)
    order.set_epoch(2)
    loaders = [torch.utils.data.DataLoader(data, 4, sampler=order, num_workers=n) for n in (0, 2)]
    for one, other in zip(*loaders, strict=True):
        assert all(torch.equal(one[k], other[k]) for k in ("images", "there", "label"))


# Stopping


def test_l18_a_loss_that_is_no_number_stops_with_the_epoch_and_the_last_good_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row L18."""
    from radresp.cnn import lesson

    def spoiled(answers: Answers, batch: Any, aim: Any) -> torch.Tensor:
        fine = loss_of(answers, batch, aim)
        calls.append(1)
        return fine * math.nan if len(calls) > 9 else fine

    calls: list[int] = []
    monkeypatch.setattr(lesson, "loss_of", spoiled)
    with pytest.raises(ResourceError) as stopped:
        tiny.fit(tiny.cases(12), folder=tiny.folder(tmp_path))
    assert stopped.value.code == "LOSS_NAN"
    assert stopped.value.exit_code == 8
    assert "epoch 3" in str(stopped.value)
    assert "last good checkpoint is of epoch 2" in str(stopped.value)
    monkeypatch.undo()
    assert len(tiny.fit(tiny.cases(12), folder=tiny.folder(tmp_path)).history) == 4


def test_it_stops_when_nothing_is_gained_and_keeps_the_best_epoch() -> None:
    plan = tiny.settings(epochs=30, patience=3, learning_rate=1e-2)
    fitted = tiny.fit(tiny.cases(24, signal_size=0.0), plan)
    losses = [row["validation_loss"] for row in fitted.history]
    assert len(losses) < 30
    assert fitted.best_epoch == int(np.argmin(losses)) + 1  # type: ignore[arg-type]
    assert len(losses) == fitted.best_epoch + 3


def test_when_time_is_up_the_best_so_far_is_kept_and_training_can_go_on(tmp_path: Path) -> None:
    place = tiny.folder(tmp_path)
    late = tiny.fit(tiny.cases(12), folder=place, max_minutes=1e-9)
    assert [note.code for note in late.notes] == ["TIME_UP"]
    assert len(late.history) == 1
    assert len(tiny.fit(tiny.cases(12), folder=place).history) == 4


def test_without_two_patients_of_an_outcome_nothing_is_held_back() -> None:
    cases = [replace(one, patient=f"p{one.label}") for one in tiny.cases(8)]
    fitted = tiny.fit(cases, tiny.settings(epochs=2))
    assert [note.code for note in fitted.notes] == ["CNN_NOT_HELD"]
    assert fitted.best_epoch == 2
    assert fitted.history[0]["validation_loss"] is None


def test_what_cannot_be_learned_from_is_refused() -> None:
    with pytest.raises(CohortError) as refused:
        tiny.fit([one for one in tiny.cases(8) if one.label == 1])
    assert refused.value.code == "ONE_CLASS"
    with pytest.raises(InputError) as wrong:
        tiny.fit([*tiny.cases(4), replace(tiny.cases(1)[0], label=2)])
    assert wrong.value.code == "CNN_SAMPLE"
    with pytest.raises(InputError):
        replace(tiny.cases(1)[0], fraction=1.2)


# Memory, silence, record


def test_p13_out_of_memory_halves_the_batch_and_the_step_stays_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from radresp.cnn import training
    from radresp.cnn.lesson import Lesson

    step = Lesson.training_step
    sizes: list[int] = []

    def short(self: Lesson, batch: dict[str, torch.Tensor], batch_idx: int) -> torch.Tensor:
        sizes.append(len(batch["label"]))
        if sizes[-1] > 2:
            raise torch.OutOfMemoryError
        return step(self, batch, batch_idx)

    def on_cpu(run: Any, batch: int, device: Device) -> Any:
        from radresp.cnn import device as module

        return module.with_memory_fallback(lambda n, _: run(n, CPU), batch, Device("cuda:0", ""))

    plan = tiny.still(epochs=2, batch=8, patience=9)
    whole = tiny.fit(tiny.cases(20), plan)
    monkeypatch.setattr(training, "with_memory_fallback", on_cpu)
    monkeypatch.setattr(Lesson, "training_step", short)
    halved = tiny.fit(tiny.cases(20), plan)
    assert sizes[:3] == [8, 4, 2]
    assert [note.code for note in halved.notes] == ["GPU_MEMORY", "GPU_MEMORY"]
    # As many cases a step of the weights: the same network but for rounding.
    one, other = tiny.says(whole, tiny.cases(8)), tiny.says(halved, tiny.cases(8))
    assert torch.allclose(one.logits, other.logits, atol=1e-4)
    assert halved.history[1]["train_loss"] == pytest.approx(
        whole.history[1]["train_loss"], abs=1e-4
    )


def test_training_is_silent_offline_and_writes_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def refuse(*given: object) -> None:
        raise AssertionError("network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    work, out = tmp_path / "work", tmp_path / "out"
    work.mkdir()
    monkeypatch.chdir(work)
    tiny.fit(tiny.cases(8), tiny.settings(epochs=1), folder=tiny.folder(out))
    assert capfd.readouterr() == ("", "")
    assert list(work.iterdir()) == []
    names = {path.name for path in out.iterdir()} - {"events.out.tfevents.radresp"}
    assert names == {"training-a.ckpt", "history.csv"}


def test_the_record_says_what_every_epoch_came_to(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    fitted = tiny.fit(
        tiny.cases(12),
        folder=tiny.folder(tmp_path),
        progress=lambda done, whole: told.append((done, whole)),
    )
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert json.loads(json.dumps(fitted.history))[3]["epoch"] == 4
    assert fitted.device == "cpu"
    lines = (tmp_path / "history.csv").read_text().splitlines()
    assert lines[0] == "epoch,train_loss,validation_loss,validation_auc,learning_rate,seconds"
    assert len(lines) == 5
    assert fitted.seconds == pytest.approx(sum(row["seconds"] for row in fitted.history))


def test_a_trained_encoder_is_the_start() -> None:
    plan = tiny.settings(epochs=1, learning_rate=1e-12, ema=0)
    start = {k: v + 1 for k, v in SiameseNet(plan, 2).encoder.state_dict().items()}
    fitted = tiny.fit(tiny.cases(8), plan, encoder=start)
    for name, value in start.items():
        assert torch.allclose(fitted.state_dict[f"encoder.{name}"], value, atol=1e-6)
