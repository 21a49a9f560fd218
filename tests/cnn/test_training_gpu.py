"""Training on a CUDA device; run where there is one: pytest -m gpu tests/cnn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("monai")
pytest.importorskip("lightning")

import torch
from cnn import tiny

from radresp.cnn.device import CPU, Device, choose_device
from radresp.cnn.inputs import Inputs
from radresp.cnn.loss import mean_auc
from radresp.cnn.predict import ask_network, probabilities


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def cuda() -> Device:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return choose_device("cuda")


@pytest.mark.gpu
def test_p14_cuda_and_processor_give_the_same_probabilities(cuda: Device) -> None:
    fresh = tiny.cases(16, seed=9)
    net = tiny.learned().network()
    inputs = [one.inputs for one in fresh]
    here = ask_network(net, inputs)
    away = ask_network(net, inputs, device=cuda.name)
    apart = probabilities(here.log_odds) - probabilities(away.log_odds)
    assert np.abs(apart).max() < 1e-4
    assert np.abs(here.fraction - away.fraction).max() < 1e-4


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["32", "bf16", "16"])
def test_training_on_cuda_learns_in_every_precision_and_repeats(
    cuda: Device, precision: str
) -> None:
    plan = tiny.settings(epochs=8, learning_rate=5e-3, patience=50, precision=precision)
    first, second = (tiny.fit(tiny.cases(48), plan, device=cuda) for _ in range(2))
    assert first.notes == ()
    assert first.device == cuda.name
    assert all(torch.equal(w, second.state_dict[k]) for k, w in first.state_dict.items())
    fresh = tiny.cases(30, seed=9)
    labels = np.array([one.label for one in fresh])
    auc = mean_auc(tiny.says(first, fresh).logits.double().numpy(), labels)
    here = mean_auc(tiny.says(tiny.learned(), fresh).logits.double().numpy(), labels)
    assert auc > here - 0.05


@pytest.mark.gpu
def test_a_training_begun_on_cuda_goes_on_there_and_on_the_processor(
    cuda: Device, tmp_path: Path
) -> None:
    def stop(done: int, whole: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    plan = tiny.settings(precision="32", patience=50)
    whole = tiny.fit(tiny.cases(16), plan, device=cuda)
    for name, device in (("cuda", cuda), ("cpu", CPU)):
        place = tiny.folder(tmp_path / name)
        with pytest.raises(KeyboardInterrupt):
            tiny.fit(tiny.cases(16), plan, device=cuda, folder=place, progress=stop)
        resumed = tiny.fit(tiny.cases(16), plan, device=device, folder=place)
        assert [row["epoch"] for row in resumed.history] == [1, 2, 3, 4]
        for key, weight in whole.state_dict.items():
            assert torch.allclose(weight, resumed.state_dict[key], atol=1e-2), key


@pytest.mark.gpu
def test_a_batch_too_large_for_the_card_is_halved(cuda: Device) -> None:
    _, total = torch.cuda.mem_get_info(cuda.name)
    # Room for the context and a few small cases, not for large ones.
    torch.cuda.set_per_process_memory_fraction(min(1.0, 0.3 * 2**30 / total))
    try:
        big = tiny.settings(
            patch={"size": (96, 96, 32)}, width=16, levels=3, epochs=1, batch=16, precision="32"
        )
        cases = []
        for one in tiny.cases(20):
            images = np.kron(one.inputs.images, np.ones((4, 6, 6), np.float32))
            cases.append(replace(one, inputs=Inputs(images, one.inputs.there)))
        fitted = tiny.fit(cases, big, device=cuda)
        assert {note.code for note in fitted.notes} == {"GPU_MEMORY"}
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
