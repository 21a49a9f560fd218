"""Training a network: cases in, averaged weights out; on any device, and on from where it stopped.

A share of patients, stratified by outcome, is held back to choose the epoch and to stop. Every
class counts the same. After each epoch a checkpoint is kept and the record written, and a training
that was killed goes on as if nothing had been. With torchrun's variables in the environment,
several processes train together (DDP) and share the plan's batch; the first writes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from radresp.cnn.batches import batches
from radresp.cnn.checkpoint import Folder, Keeper
from radresp.cnn.device import (
    CPU,
    Device,
    Launch,
    launch_of,
    with_memory_fallback,
    without_fallback,
)
from radresp.cnn.journal import Epoch, Progress, history_csv, tensorboard_events
from radresp.cnn.lesson import KEY, Lesson, is_finished
from radresp.cnn.loss import aim_at
from radresp.cnn.network import SiameseNet
from radresp.cnn.samples import Sample
from radresp.cnn.settings import Cnn
from radresp.cnn.split import cases_with_answers, identity_of, split_patients
from radresp.cnn.trainer import interruptible, kernels_put_back, make_trainer, precision_of, quietly
from radresp.core import Note, NoteKind
from radresp.errors import OutputError

HISTORY = "history.csv"
EVENTS = "events.out.tfevents.radresp"


@dataclass(frozen=True, slots=True)
class Fitted:
    """A trained network.

    Parameters
    ----------
    state_dict : mapping of str to Tensor
        Averaged weights of the best epoch, for ``SiameseNet.load_state_dict``; on the processor.
    settings : Cnn
        How it was trained.
    classes : int
        Number of outcomes.
    history : tuple of dict
        What each epoch came to, JSON-ready: the fields of :class:`radresp.cnn.journal.Epoch`.
    best_epoch : int
        The one of the weights: least loss on cases held back, or the last without such cases.
    device : str
        Where the last epoch ran.
    notes : tuple of Note
        What was mended or left undone.
    seconds : float
        Wall time of all epochs.
    """

    state_dict: Mapping[str, Tensor]
    settings: Cnn
    classes: int
    history: tuple[dict[str, Any], ...]
    best_epoch: int
    device: str
    notes: tuple[Note, ...]
    seconds: float

    def network(self) -> SiameseNet:
        """The network with its weights, ready to judge, on the processor."""
        net = SiameseNet(self.settings, self.classes)
        net.load_state_dict(dict(self.state_dict))
        return net.eval()


def fit_network(
    samples: Sequence[Sample],
    settings: Cnn,
    *,
    classes: int,
    seed: int,
    device: Device = CPU,
    folder: Folder | None = None,
    resume: bool = True,
    encoder: Mapping[str, Tensor] | None = None,
    progress: Progress | None = None,
    max_minutes: float | None = None,
) -> Fitted:
    """Train one network.

    Parameters
    ----------
    samples : sequence of Sample
        Cases; those with neither label nor fraction are left out.
    settings : Cnn
        Network and training.
    classes : int
        Number of outcomes, 2 or 3.
    seed : int
        Of weights, order, variation, dropout and split.
    device : Device
        From :func:`radresp.cnn.device.choose_device`.
    folder : Folder, optional
        Where checkpoints and record are kept.
    resume : bool
        Go on from the folder's checkpoint; else begin anew over it.
    encoder : mapping of str to Tensor, optional
        Weights of a trained encoder to start from.
    progress : callable, optional
        Told after every epoch how many are done and how many there are at most; by the first
        process alone.
    max_minutes : float, optional
        No further epoch begins that would end later.

    Returns
    -------
    Fitted
        The network and its record.

    Raises
    ------
    CohortError
        ``ONE_CLASS`` when fewer than two outcomes are among the cases.
    InputError
        ``CNN_SAMPLE`` for a label that is not among the classes.
    OutputError
        ``OTHER_TRAINING`` when the folder holds the checkpoint of another training.
    ResourceError
        ``LOSS_NAN`` when the loss is no number any more, ``MEMORY`` when memory ends.
    """
    taught = cases_with_answers(samples, classes)
    job = _Job(
        *split_patients(taught, settings.validation, seed),
        settings,
        classes=classes,
        seed=seed,
        identity=identity_of(taught, settings, classes, seed, encoder),
        encoder=encoder,
        keeper=Keeper(folder),
        progress=progress,
        deadline=math.inf if max_minutes is None else time.monotonic() + 60 * max_minutes,
        launch=launch_of(),
    )
    kept = job.resumed(anew=not resume)
    if kept is not None and is_finished(kept["history"], kept["best_epoch"], settings):
        return job.fitted(kept, job.notes(len(samples)))
    job.mend_precision(device)
    with torch.random.fork_rng([device.index] if device.is_cuda else []), quietly():
        fitting = with_memory_fallback if job.launch.processes == 1 else without_fallback
        lesson, changes = fitting(job.run, settings.batch, device)
    late = [_late(lesson, settings)] if lesson.overdue else []
    return job.fitted(lesson.kept(), [*job.notes(len(samples)), *changes, *late])


@dataclass
class _Job:
    """What does not change when a training is tried again on less memory."""

    trained: list[Sample]
    held: list[Sample]
    settings: Cnn
    classes: int
    seed: int
    identity: str
    encoder: Mapping[str, Tensor] | None
    keeper: Keeper
    progress: Progress | None
    deadline: float
    launch: Launch

    def resumed(self, *, anew: bool) -> dict[str, Any] | None:
        """What the folder's checkpoint says, if there is one of this training."""
        if anew:
            if self.launch.is_first:
                self.keeper.clear()
            return None
        content = self.keeper.find()
        if content is None:
            return None
        kept: dict[str, Any] = content[KEY]
        if kept["identity"] != self.identity:
            raise OutputError(
                "OTHER_TRAINING",
                "the folder holds a training of other cases, settings or seed",
                expected="an empty folder, or one of this very training",
                action="choose another folder, or begin anew over it with --force",
            )
        return kept

    def run(self, batch: int, device: Device) -> Lesson:
        """Train with so many cases at once, from the last checkpoint."""
        torch.manual_seed(self.seed)
        net = SiameseNet(self.settings, self.classes)
        if self.encoder is not None:
            net.encoder.load_state_dict(dict(self.encoder))
        if not device.is_cuda:
            # Half the time of a step on the processor (scripts/bench/cnn_train.py).
            net.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        weight = self.settings.fraction_weight
        lesson = Lesson(
            net,
            self.settings,
            aim_at(self.trained, self.classes, weight),
            aim_at(self.held, self.classes, weight) if self.held else None,
            seed=self.seed,
            identity=self.identity,
            ended=self.tell if self.launch.is_first else None,
            deadline=self.deadline,
        )
        share = max(1, batch // self.launch.processes)
        whole = max(1, self.settings.batch // self.launch.processes)
        accumulate = self.settings.accumulate * math.ceil(whole / share)
        trainer = make_trainer(
            self.settings, device, self.launch, self.keeper, accumulate=accumulate
        )
        loaders = batches(
            self.trained, self.held, self.settings, share, device, self.launch, seed=self.seed
        )
        start = None if self.keeper.latest is None else "latest"
        with kernels_put_back(), interruptible():
            trainer.fit(lesson, *loaders, ckpt_path=start)
        return lesson

    def tell(self, history: Sequence[Epoch]) -> None:
        """Write the record and report progress."""
        if self.keeper.folder is not None:
            self.keeper.folder.write(HISTORY, history_csv(history))
            events = tensorboard_events(history)
            if events is not None:
                self.keeper.folder.write(EVENTS, events)
        if self.progress is not None:
            self.progress(len(history), self.settings.epochs)

    def mend_precision(self, device: Device) -> None:
        """Note a precision the device does not have."""
        note = precision_of(self.settings.precision, device)[1]
        self.keeper.notes += [] if note is None else [note]

    def fitted(self, kept: Mapping[str, Any], notes: Sequence[Note]) -> Fitted:
        """What a training came to."""
        history = tuple(dict(row) for row in kept["history"])
        return Fitted(
            kept["best"],
            self.settings,
            self.classes,
            history,
            kept["best_epoch"],
            kept["device"],
            tuple(notes),
            sum(row["seconds"] for row in history),
        )

    def notes(self, given: int) -> list[Note]:
        """What was noticed before training."""
        silent = given - len(self.trained) - len(self.held)
        notes = list(self.keeper.notes)
        if silent:
            found = f"{silent} cases have neither outcome nor residual fraction"
            notes.append(Note(NoteKind.INFO, "CNN_NO_ANSWER", found, action="left out"))
        if not self.held:
            found = "no patient could be held back"
            expected = "two patients or more of an outcome"
            action = "the last epoch is kept"
            notes.append(Note(NoteKind.WARNING, "CNN_NOT_HELD", found, expected, action))
        return notes


def _late(lesson: Lesson, settings: Cnn) -> Note:
    return Note(
        NoteKind.WARNING,
        "TIME_UP",
        f"time was up after epoch {len(lesson.history)} of {settings.epochs}",
        action="the best epoch so far is kept; the same training goes on when started again",
    )
