"""The network as it answers fastest on a CPU without answering otherwise.

Source: measured, `scripts/bench/cnn.py`; figures in docs/reference/cnn.md. Weights in
``channels_last_3d`` cost nothing and save up to a fifth; a second thread waits at every layer for
the first, and takes several times as long whenever anything else runs. bfloat16 would save a third
and moves probabilities by up to 0.002, so that a case beside a threshold could be answered
otherwise on another machine.

When to use: before answering on a CPU, never on a network that learns on a GPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from radresp.cnn.network import SiameseNet


def fast_for_cpu(net: SiameseNet) -> SiameseNet:
    """The same network, laid out for a CPU.

    Parameters
    ----------
    net : SiameseNet
        Changed in place: weights in ``channels_last_3d``, evaluation mode. Its answers stay the
        same to rounding.
    """
    # torch's types know this argument only for the 2-D layout.
    net.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    return net.eval()


@contextmanager
def threads(count: int = 1) -> Iterator[None]:
    """Let torch use so many threads inside, and as many as before afterwards.

    Parameters
    ----------
    count : int
        1 or more.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
