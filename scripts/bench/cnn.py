"""Seconds for one case by ways to run the network on a CPU, side by side in one process.

    python scripts/bench/cnn.py [--repeats 15] [--compile]

Every way answers once in every round, in another order each time; medians of the rounds after two
to warm up. CPU ms are those of all threads together, which others on the machine disturb least;
`of plain` is their share of those of float32 on one thread, `apart` the largest difference of a
probability from it. The input is noise and the weights are random: only time is measured here. bf16
needs a CPU with such instructions to be fast. --compile adds torch.compile, which needs a C++
compiler and most of a minute a patch. --encoder, --width and --levels change the network.
"""

from __future__ import annotations

import argparse
import copy
import os
import random
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import torch
from torch import Tensor

from radresp.cnn.fast import fast_for_cpu
from radresp.cnn.inputs import PLANES, VISITS, Inputs
from radresp.cnn.network import SiameseNet
from radresp.cnn.onnx_export import ExportedNet, export_onnx, load_onnx, serve
from radresp.cnn.settings import Cnn, PatchSettings

PATCHES = ((48, 48, 16), (96, 96, 32))
WARM_UP = 2
THREADS = (1, 2)
Answer = Callable[[], np.ndarray]


def main() -> None:
    """Print a table a patch."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--repeats", type=int, default=15)
    arguments.add_argument("--compile", action="store_true")
    arguments.add_argument("--encoder", default=Cnn().encoder)
    arguments.add_argument("--width", type=int, default=Cnn().width)
    arguments.add_argument("--levels", type=int, default=Cnn().levels)
    chosen = arguments.parse_args()
    print(f"torch {torch.__version__}, load of the machine {os.getloadavg()[0]:.1f}\n")
    for size in PATCHES:
        settings = Cnn(
            encoder=chosen.encoder,
            width=chosen.width,
            levels=chosen.levels,
            patch=PatchSettings(size=size),
        )
        report(settings, chosen.repeats, compiled=chosen.compile)


def report(settings: Cnn, repeats: int, *, compiled: bool) -> None:
    """One table."""
    torch.manual_seed(0)
    net = SiameseNet(settings, 2).eval()
    inputs = case(settings)
    ways = ways_of(net, settings, inputs, compiled=compiled)
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    found: dict[str, np.ndarray] = {}
    order = random.Random(0)  # noqa: S311 (no secret)
    for turn in range(WARM_UP + repeats):
        for name in order.sample(list(ways), len(ways)):
            start = time.perf_counter(), time.process_time()
            found[name] = ways[name]()
            taken = time.perf_counter() - start[0], time.process_time() - start[1]
            if turn >= WARM_UP:
                seconds[name].append(taken)
    print_table(settings, net, seconds, found)


def print_table(
    settings: Cnn,
    net: SiameseNet,
    seconds: dict[str, list[tuple[float, float]]],
    found: dict[str, np.ndarray],
) -> None:
    """Medians, plain float32 first."""
    count = sum(values.numel() for values in net.parameters())
    print(f"{settings.encoder}, {count / 1e6:.2f} M weights, patch {settings.patch.size}\n")
    print("| way | threads | ms | fastest ms | CPU ms | of plain | apart |")
    print("|---|---|---|---|---|---|---|")
    plain = next(iter(seconds))
    whole = median(cpu for _, cpu in seconds[plain])
    for name, taken in seconds.items():
        wall, cpu = (median(part) for part in zip(*taken, strict=True))
        apart = np.abs(found[name] - found[plain]).max()
        times = f"{1e3 * wall:.0f} | {1e3 * min(taken)[0]:.0f} | {1e3 * cpu:.0f}"
        print(f"| {name} | {times} | {cpu / whole:.2f} | {apart:.1g} |")
    print()


def ways_of(net: SiameseNet, settings: Cnn, inputs: Inputs, *, compiled: bool) -> dict[str, Answer]:
    """Ways to answer, plain float32 on one thread first."""
    plain = ExportedNet(net)
    last = ExportedNet(fast_for_cpu(copy.deepcopy(net)))
    traced = torch.jit.trace(ExportedNet(copy.deepcopy(net)).eval(), tensors(inputs))
    frozen = torch.jit.freeze(traced)
    graph = export_onnx(net, settings)
    ways: dict[str, Answer] = {}
    for threads in THREADS:
        torch_ways = {
            "float32": torch_way(plain, inputs, threads),
            "channels_last_3d": torch_way(last, inputs, threads),
            "bf16 autocast": torch_way(plain, inputs, threads, half=True),
            "bf16, channels_last_3d": torch_way(last, inputs, threads, half=True),
            "torch.jit.freeze": torch_way(frozen, inputs, threads),
            "ONNX Runtime": served(load_onnx(graph, threads), inputs),
        }
        ways |= {f"{name} | {threads}": answer for name, answer in torch_ways.items()}
    if compiled:
        torch.set_num_threads(1)
        ways["torch.compile | 1"] = torch_way(torch.compile(plain), inputs, 1)
    return ways


def torch_way(
    net: Callable[..., tuple[Tensor, Tensor]], inputs: Inputs, threads: int, *, half: bool = False
) -> Answer:
    """An answer of torch."""
    images, there = tensors(inputs)

    def answer() -> np.ndarray:
        torch.set_num_threads(threads)
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=half):
            return net(images, there)[0].float().numpy()

    return answer


def served(session: object, inputs: Inputs) -> Answer:
    """An answer of ONNX Runtime."""
    return lambda: serve(session, [inputs]).probabilities


def tensors(inputs: Inputs) -> tuple[Tensor, Tensor]:
    """A batch of one case."""
    return torch.from_numpy(inputs.images)[None], torch.from_numpy(inputs.there)[None]


def case(settings: Cnn) -> Inputs:
    """Noise with a bed in its middle."""
    shape = settings.patch.size[::-1]
    draw = np.random.default_rng(0)
    images = draw.normal(size=(len(VISITS), len(PLANES), *shape)).astype(np.float32)
    z, y, x = (slice(edge // 4, 3 * edge // 4) for edge in shape)
    images[:, -1] = 0
    images[:, -1, z, y, x] = 1
    return Inputs(images, np.ones((len(VISITS), len(PLANES)), np.float32))


if __name__ == "__main__":
    main()
