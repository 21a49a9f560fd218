"""What a training is made of: losses, learning rate, order, split, record."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("monai")
pytest.importorskip("lightning")

import torch
from cnn import tiny

from radresp.cnn.journal import Epoch, history_csv, tensorboard_events
from radresp.cnn.loss import aim_at, learning_rate, loss_of, mean_auc
from radresp.cnn.network import Answers
from radresp.cnn.samples import Order
from radresp.cnn.split import split_patients


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def test_every_class_counts_the_same_in_the_loss() -> None:
    cases = tiny.cases(2)
    many = [cases[0]] * 6 + [cases[1]] * 2
    logits = torch.tensor([[2.0, 0.0]] * 8)
    label = torch.tensor([one.label for one in many])
    batch = {"label": label, "fraction": torch.full((8,), math.nan)}
    loss = loss_of(Answers(logits, torch.zeros(8)), batch, aim_at(many, 2, 0.0))
    right, wrong = math.log1p(math.exp(-2)), math.log1p(math.exp(2))
    assert float(loss) == pytest.approx((right + wrong) / 2, rel=1e-6)


def test_an_unknown_fraction_does_not_matter_and_a_known_one_does() -> None:
    label = torch.tensor([0, 1])
    known = {"label": label, "fraction": torch.tensor([0.25, math.nan])}
    aim = aim_at([replace(tiny.cases(1)[0], fraction=0.25), *tiny.cases(2)[1:]], 2, 0.5)

    def at(first: float, second: float) -> float:
        answers = Answers(torch.zeros(2, 2), torch.tensor([first, second]))
        return float(loss_of(answers, known, replace(aim, fraction=1.0)))

    assert at(0.0, 0.0) == at(0.0, 9.0)
    best = math.log(0.25 / 0.75)
    assert at(best, 0.0) < min(at(best - 0.3, 0.0), at(best + 0.3, 0.0))


def test_epochs_differ_and_every_case_comes_once() -> None:
    order = Order(50, 1)
    epochs = []
    for epoch in (0, 1):
        order.set_epoch(epoch)
        epochs.append([index for _, index in order])
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(50))
    assert epochs[0] != epochs[1]


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_processes_share_an_epoch(processes: int) -> None:
    shares = [list(Order(10, 1, rank=r, processes=processes)) for r in range(processes)]
    assert len({len(share) for share in shares}) == 1
    assert {place for share in shares for place in share} == {(0, index) for index in range(10)}


def test_patients_stay_on_one_side_and_every_outcome_is_on_both() -> None:
    cases = [replace(one, patient=f"p{n // 3}") for n, one in enumerate(tiny.cases(60))]
    cases = [replace(one, label=int(one.patient in ("p1", "p5"))) for one in cases]
    trained, held = split_patients(cases, 0.2, 7)
    assert not {one.patient for one in trained} & {one.patient for one in held}
    assert {one.label for one in trained} == {one.label for one in held} == {0, 1}
    assert len(trained) + len(held) == 60


def test_what_is_not_known_is_an_empty_cell() -> None:
    text = history_csv([Epoch(1, 0.5, None, None, 1e-3, 2.0)]).decode()
    assert text.splitlines()[1] == "1,0.5,,,0.001,2"


def test_tensorboard_reads_the_record(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    rows = [Epoch(1, 0.7, 0.6, None, 1e-3, 2.0), Epoch(2, 0.6, 0.5, 0.8, 1e-3, 2.0)]
    events, longer = tensorboard_events(rows[:1]), tensorboard_events(rows)
    assert events is not None
    assert longer is not None
    assert longer.startswith(events)
    (tmp_path / "events.out.tfevents.radresp").write_bytes(longer)
    reader = accumulator.EventAccumulator(str(tmp_path))
    reader.Reload()
    assert [one.value for one in reader.Scalars("train_loss")] == pytest.approx([0.7, 0.6])


def test_the_learning_rate_rises_then_falls_to_nothing() -> None:
    rates = [learning_rate(2e-3, passed) for passed in np.linspace(0, 1, 101)]
    assert max(rates) == pytest.approx(2e-3) == rates[10]
    assert rates[:11] == sorted(rates[:11])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] == pytest.approx(0, abs=1e-12)


def test_the_auc_is_that_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    random = np.random.default_rng(2)
    labels = random.integers(0, 3, 60)
    logits = random.normal(size=(60, 3)).round(1) + np.eye(3)[labels]
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = metrics.roc_auc_score(labels, shares, multi_class="ovr")
    assert mean_auc(logits, labels) == pytest.approx(expected, abs=1e-3)
    two = logits[:, :2]
    kept = labels < 2
    expected = metrics.roc_auc_score(labels[kept], (two[:, 1] - two[:, 0])[kept])
    assert mean_auc(two[kept], labels[kept]) == pytest.approx(expected, abs=1e-12)
    assert math.isnan(mean_auc(two[:3], np.zeros(3, np.int64)))
