"""The record of a training, epoch by epoch: a table, and TensorBoard's events."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from importlib import import_module
from importlib.util import find_spec
from io import BytesIO, StringIO


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one pass through the training cases came to.

    Parameters
    ----------
    epoch : int
        Counted from 1.
    train_loss : float
        Mean loss of the steps, weights as they were at each.
    validation_loss, validation_auc : float or None
        Of the averaged weights on cases held back; None without such cases, or for the AUC
        without two classes among them. The AUC is the mean of each class against the rest.
    learning_rate : float
        At the last step.
    seconds : float
        Wall time.
    """

    epoch: int
    train_loss: float
    validation_loss: float | None
    validation_auc: float | None
    learning_rate: float
    seconds: float


Progress = Callable[[int, int], None]
"""Told after every epoch how many are done, and how many there are at most."""


def history_csv(history: Sequence[Epoch]) -> bytes:
    """The table: a column for each field of ``Epoch``, empty where there is no value."""
    text = StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(Epoch)], lineterminator="\n")
    writer.writeheader()
    for row in history:
        writer.writerow({name: _cell(value) for name, value in asdict(row).items()})
    return text.getvalue().encode()


def tensorboard_events(history: Sequence[Epoch]) -> bytes | None:
    """The same as a TensorBoard event file; None where TensorBoard is not installed.

    Time is counted from the start of training, so that a file made again is the same, only longer,
    and TensorBoard reads on where it was.
    """
    if find_spec("tensorboard") is None:
        return None
    event_pb2 = import_module("tensorboard.compat.proto.event_pb2")
    summary_pb2 = import_module("tensorboard.compat.proto.summary_pb2")
    records = import_module("tensorboard.summary.writer.record_writer")
    buffer = BytesIO()
    writer = records.RecordWriter(buffer)
    first = event_pb2.Event(wall_time=0.0, file_version="brain.Event:2")
    writer.write(first.SerializeToString())
    passed = 0.0
    for row in history:
        passed += row.seconds
        values = [
            summary_pb2.Summary.Value(tag=name, simple_value=value)
            for name, value in asdict(row).items()
            if name != "epoch" and value is not None
        ]
        summary = summary_pb2.Summary(value=values)
        event = event_pb2.Event(wall_time=passed, step=row.epoch, summary=summary)
        writer.write(event.SerializeToString())
    return buffer.getvalue()


def _cell(value: float | None) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.6g}"
