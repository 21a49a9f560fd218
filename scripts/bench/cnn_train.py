"""Training step of the CNN: time and peak memory by device, precision, batch and memory layout.

    python scripts/bench/cnn_train.py [--device cpu cuda] [--batch 2 8] [--steps 5]
                                      [--encoder resnet] [--width 8] [--threads 2]

A step is forward, loss, backward, clipping, AdamW and the average of weights, as in training, on
random cases of the default patch; medians after warm-up, which on CUDA covers the choice of
kernels. Rows of one device and batch are alternated, so that a busy machine strikes all alike.
Memory is the peak of CUDA's allocator, or of the whole process so far on the processor. The last
line is what varying one case costs, on one thread.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from radresp.cnn import Augment, Cnn
from radresp.cnn.augment import augmentation
from radresp.cnn.inputs import PLANES, VISITS, Inputs
from radresp.cnn.lesson import Lesson
from radresp.cnn.loss import Aim, loss_of
from radresp.cnn.network import SiameseNet

WARM_UP = 3
TYPES = {"32": None, "bf16": torch.bfloat16, "16": torch.float16}


def main() -> None:
    """Print a table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    here = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    arguments.add_argument("--device", nargs="+", default=here)
    arguments.add_argument("--precision", nargs="+", default=["32", "bf16"])
    arguments.add_argument("--batch", nargs="+", type=int, default=[2, 8])
    arguments.add_argument("--steps", type=int, default=5)
    arguments.add_argument("--encoder", default="resnet")
    arguments.add_argument("--width", type=int, default=8)
    arguments.add_argument("--threads", type=int, default=2)
    chosen = arguments.parse_args()
    torch.set_num_threads(chosen.threads)
    settings = Cnn(encoder=chosen.encoder, width=chosen.width)
    print("device,precision,batch,layout,step_ms,peak_mb")
    for device in chosen.device:
        for batch in chosen.batch:
            compare(settings, device, batch, chosen.precision, chosen.steps)
    print(f"one case varied: {vary_ms():.1f} ms")


def compare(settings: Cnn, device: str, batch: int, precisions: list[str], steps: int) -> None:
    """Rows of one device and batch."""
    runs = {
        (precision, layout): stepper(settings, device, batch, precision, layout)
        for precision in precisions
        for layout in ("contiguous", "channels_last_3d")
    }
    taken: dict[tuple[str, str], list[float]] = {key: [] for key in runs}
    peak: dict[tuple[str, str], float] = {}
    for turn in range(WARM_UP + steps):
        for key, step in runs.items():
            if device != "cpu":
                torch.cuda.reset_peak_memory_stats(device)
            milliseconds = timed(step, device)
            peak[key] = peak_mb(device)
            if turn >= WARM_UP:
                taken[key].append(milliseconds)
    for (precision, layout), milliseconds in taken.items():
        median = statistics.median(milliseconds)
        memory = peak[precision, layout]
        print(f"{device},{precision},{batch},{layout},{median:.1f},{memory:.0f}", flush=True)


def stepper(
    settings: Cnn, device: str, batch: int, precision: str, layout: str
) -> Callable[[], None]:
    """A training step to be called again and again."""
    torch.manual_seed(1)
    aim = Aim((1.0, 1.0), settings.fraction_weight)
    net = SiameseNet(settings, 2)
    lesson = Lesson(net, settings, aim, aim, seed=1, identity="bench").to(device)
    if layout == "channels_last_3d":
        lesson.net.to(memory_format=torch.channels_last_3d)
    optimiser = torch.optim.AdamW(lesson.net.parameters())
    scaler = torch.amp.GradScaler(device, enabled=precision == "16")
    shape = (batch, len(VISITS), len(PLANES), *settings.patch.size[::-1])
    data = {
        "images": torch.randn(shape, device=device),
        "there": torch.ones(shape[:3], device=device),
        "label": torch.arange(batch, device=device) % 2,
        "fraction": torch.full((batch,), 0.3, device=device),
    }

    def step() -> None:
        optimiser.zero_grad()
        with torch.autocast(device, TYPES[precision], enabled=TYPES[precision] is not None):
            answers = lesson.net(data["images"], data["there"])
        scaler.scale(loss_of(answers, data, aim)).backward()
        scaler.unscale_(optimiser)
        torch.nn.utils.clip_grad_norm_(lesson.net.parameters(), 1.0)
        scaler.step(optimiser)
        scaler.update()
        lesson.average.update_parameters(lesson.net)

    return step


def timed(step: Callable[[], None], device: str) -> float:
    """Milliseconds of a step."""
    if device != "cpu":
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    step()
    if device != "cpu":
        torch.cuda.synchronize(device)
    return 1e3 * (time.perf_counter() - start)


def peak_mb(device: str) -> float:
    """Peak memory, MB."""
    if device != "cpu":
        return torch.cuda.max_memory_allocated(device) / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def vary_ms() -> float:
    """Median milliseconds of varying one case on one thread."""
    torch.set_num_threads(1)
    patch = Cnn().patch
    vary = augmentation(Augment(), patch.spacing_mm, patch.size)
    shape = (len(VISITS), len(PLANES))
    images = np.random.default_rng(1).normal(size=(*shape, *patch.size[::-1]))
    case = Inputs(images.astype(np.float32), np.ones(shape, np.float32))
    runs = [timed(partial(vary, case, (1, 0, number)), "cpu") for number in range(30)]
    return statistics.median(runs)


if __name__ == "__main__":
    main()
