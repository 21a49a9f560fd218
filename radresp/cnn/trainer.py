"""Lightning's trainer for one training: where it runs, how exactly, and that it keeps silent.

Its logger, progress bar and files are switched off, since only the caller writes to disk and speaks
to the user, and what it changes in the process is put back.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from lightning.fabric.plugins.environments import (
    ClusterEnvironment,
    LightningEnvironment,
    TorchElasticEnvironment,
)
from lightning.pytorch import Trainer

from radresp.cnn.checkpoint import Keeper
from radresp.cnn.device import Device, Launch
from radresp.cnn.settings import Cnn
from radresp.core import Note, NoteKind

_CLIP = 1.0
"""Largest norm of a step's gradient."""


def make_trainer(
    settings: Cnn, device: Device, launch: Launch, keeper: Keeper, *, accumulate: int
) -> Trainer:
    """A trainer that writes nothing but checkpoints, through their keeper, and says nothing.

    Parameters
    ----------
    settings : Cnn
        Epochs, precision, whether operations must repeat.
    device : Device
        Where to train.
    launch : Launch
        Which of how many processes this is.
    keeper : Keeper
        Where checkpoints go.
    accumulate : int
        Batches whose gradients are added up.
    """
    environment, place = placement(device, launch)
    return Trainer(
        **place,
        plugins=[keeper, environment],
        precision=precision_of(settings.precision, device)[0],  # type: ignore[arg-type]
        max_epochs=settings.epochs,
        accumulate_grad_batches=accumulate,
        gradient_clip_val=_CLIP,
        deterministic=settings.deterministic,
        benchmark=device.is_cuda and not settings.deterministic,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        # Not a folder: whatever would be written there fails.
        default_root_dir=os.devnull,
    )


def precision_of(asked: str, device: Device) -> tuple[str, Note | None]:
    """Lightning's name of the precision to train with, and a note when it is not the one asked for.

    Examples
    --------
    >>> precision_of("auto", Device("cpu", "asked for"))
    ('32-true', None)
    """
    if asked == "auto":
        if not device.is_cuda:
            return "32-true", None
        good = torch.cuda.is_bf16_supported(including_emulation=False)
        return ("bf16-mixed" if good else "16-mixed"), None
    if asked == "16" and not device.is_cuda:
        found = "precision 16 is for CUDA devices"
        return "32-true", Note(NoteKind.FIX, "PRECISION", found, action="trained with 32")
    return {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}[asked], None


def placement(device: Device, launch: Launch) -> tuple[ClusterEnvironment, dict[str, Any]]:
    """Where lightning is to train: its environment, and arguments of its trainer.

    Parameters
    ----------
    device : Device
        Of this process.
    launch : Launch
        Which of how many processes this is.

    Examples
    --------
    >>> placement(Device("cuda:1", "asked for"), Launch())[1]
    {'accelerator': 'cuda', 'devices': [1], 'strategy': 'auto'}
    >>> placement(Device("cuda:0", "found"), Launch(processes=8, here=4))[1]
    {'accelerator': 'cuda', 'devices': 4, 'num_nodes': 2, 'strategy': 'ddp'}
    """
    kind = "cuda" if device.is_cuda else "cpu"
    if launch.processes > 1:
        place = {"accelerator": kind, "devices": launch.here, "num_nodes": launch.nodes}
        return TorchElasticEnvironment(), place | {"strategy": "ddp"}
    # Said outright: lightning would take a SLURM job of one process for many.
    devices = [device.index] if device.is_cuda else 1
    return LightningEnvironment(), {"accelerator": kind, "devices": devices, "strategy": "auto"}


@contextmanager
def quietly() -> Iterator[None]:
    """Lightning's advice is not for our user."""
    loggers = [logging.getLogger(f"lightning.{part}") for part in ("pytorch", "fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")
        warnings.filterwarnings("ignore", module="torch")
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


@contextmanager
def kernels_put_back() -> Iterator[None]:
    """Lightning chooses kernels for the whole process; put that back."""
    strict = torch.are_deterministic_algorithms_enabled()
    warn = torch.is_deterministic_algorithms_warn_only_enabled()
    cudnn = torch.backends.cudnn
    chosen = cudnn.deterministic, cudnn.benchmark
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(strict, warn_only=warn)
        cudnn.deterministic, cudnn.benchmark = chosen


@contextmanager
def interruptible() -> Iterator[None]:
    """Lightning turns an interrupt into an exit; turn it back."""
    try:
        yield
    except SystemExit as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        raise
