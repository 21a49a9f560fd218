"""Small cases and settings for tests of training; run as a script, a training that is killed.

    python tests/cnn/tiny.py FOLDER

trains as ``train`` does and is killed by SIGKILL within the second step of its third epoch.
"""

from __future__ import annotations

import os
import signal
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from radresp import io
from radresp.cnn import Augment, Cnn, PatchSettings
from radresp.cnn.checkpoint import Folder
from radresp.cnn.inputs import Inputs
from radresp.cnn.network import Answers
from radresp.cnn.samples import Sample
from radresp.cnn.training import Fitted, fit_network

SIZE = (16, 16, 8)
SEED = 3


def settings(**changed: Any) -> Cnn:
    """A network of a few thousand weights."""
    base = {"patch": PatchSettings(size=SIZE), "width": 4, "levels": 2, "epochs": 4, "batch": 4}
    return Cnn(**(base | changed))


def still(**changed: Any) -> Cnn:
    """The same without variation, dropout and decay."""
    calm = {"augment": Augment(chance=0, flip=0, drop_channel=0), "dropout": 0, "weight_decay": 0}
    return settings(**(calm | changed))


def cases(count: int, *, seed: int = 0, signal_size: float = 1.5) -> list[Sample]:
    """Noise, with a bed that is brighter where the label is 1."""
    random = np.random.default_rng(seed)
    found = []
    for number in range(count):
        label = number % 2
        images = random.normal(size=(2, 4, *SIZE[::-1])).astype(np.float32)
        images[:, 3] = 0
        images[:, 3, 2:6, 4:12, 4:12] = 1
        images[0, :3] += signal_size * (label - 0.5) * images[0, 3]
        there = np.ones((2, 4), np.float32)
        inputs = Inputs(images, there)
        found.append(Sample(f"c{number}", f"p{number}", inputs, label, 0.4 * label))
    return found


def folder(path: Path) -> Folder:
    """A folder written to as the pipeline does."""
    return Folder(path, io.write_bytes)


def train(path: Path | None, **given: Any) -> Fitted:
    """The training that is killed, resumed and compared."""
    place = None if path is None else folder(path)
    plan = settings(epochs=5, accumulate=2, patience=50)
    return fit_network(cases(20), plan, classes=2, seed=SEED, folder=place, **given)


def fit(samples: list[Sample], plan: Any = None, **given: Any) -> Fitted:
    """Two classes, one seed."""
    return fit_network(samples, plan or settings(), **({"classes": 2, "seed": 1} | given))


def says(fitted: Fitted, samples: list[Sample]) -> Answers:
    """What a network says of cases."""
    net = fitted.network()
    images = torch.from_numpy(np.stack([one.inputs.images for one in samples]))
    there = torch.from_numpy(np.stack([one.inputs.there for one in samples]))
    with torch.inference_mode():
        return net(images, there)


@lru_cache
def learned() -> Fitted:
    """A network that knows what makes the beds of ``cases`` differ."""
    plan = settings(epochs=8, learning_rate=5e-3, patience=50)
    return fit(cases(48), plan)


def main() -> None:
    """Train until killed."""
    from radresp.cnn.lesson import Lesson

    step = Lesson.training_step

    def killing(self: Lesson, batch: dict[str, torch.Tensor], batch_idx: int) -> torch.Tensor:
        if self.current_epoch == 2 and batch_idx == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return step(self, batch, batch_idx)

    Lesson.training_step = killing  # type: ignore[method-assign]
    torch.set_num_threads(1)
    train(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
