"""Batches of an epoch: varied cases to train on, and cases as they are to judge by."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import torch
from torch.utils.data import DataLoader

from radresp.cnn.augment import augmentation
from radresp.cnn.device import Device, Launch
from radresp.cnn.samples import Order, Sample, SampleSet
from radresp.cnn.settings import Cnn

_WORKERS = 4

Loader = DataLoader[Any]


def batches(
    trained: Sequence[Sample],
    held: Sequence[Sample],
    settings: Cnn,
    count: int,
    device: Device,
    launch: Launch,
    *,
    seed: int,
) -> tuple[Loader, Loader | None]:
    """What to train on, this process's share of it, and what to judge by.

    Parameters
    ----------
    trained, held : sequence of Sample
        Cases of either side.
    settings : Cnn
        Patch and variation.
    count : int
        Cases of a batch.
    device : Device
        Processes of their own prepare batches for a graphics card; beside a processor that trains
        they would only take its cores.
    launch : Launch
        Which of how many processes this is.
    seed : int
        Of order and variation.
    """
    patch = settings.patch
    vary = augmentation(settings.augment, patch.spacing_mm, patch.size)
    workers = _workers(launch) if device.is_cuda else 0
    varied = DataLoader(
        SampleSet(trained, seed=seed, vary=vary),
        count,
        sampler=Order(len(trained), seed, rank=launch.rank, processes=launch.processes),
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=device.is_cuda,
        # Its own, so that drawing a batch does not touch dropout.
        generator=torch.Generator().manual_seed(seed),
    )
    if not held:
        return varied, None
    return varied, DataLoader(SampleSet(held), count, sampler=Order(len(held), None))


def _workers(launch: Launch) -> int:
    return max(0, min(_WORKERS, len(os.sched_getaffinity(0)) // launch.here - 1))
