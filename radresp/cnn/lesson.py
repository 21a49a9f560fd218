"""One training as lightning sees it: steps, averaged weights, what an epoch came to, when to stop.

Everything random of an epoch follows from seed, epoch and process, and the learning rate from how
far the training is. So a training that goes on from a checkpoint needs no state of any generator or
schedule, and equals one that was never interrupted. Weights, averaged weights, optimiser and what
is said here about epochs stand in the checkpoint.

Source: AdamW (Loshchilov 2019) with a warm-up and half a cosine; averaged weights whose decay
grows in the first steps, as in TensorFlow's ``ExponentialMovingAverage``.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from radresp.cnn.journal import Epoch
from radresp.cnn.loss import Aim, learning_rate, loss_of, mean_auc
from radresp.cnn.network import Answers, SiameseNet
from radresp.cnn.samples import NO_LABEL
from radresp.cnn.settings import Cnn
from radresp.errors import ResourceError

KEY = "radresp"
_FIRST_STEPS = 10.0


class Lesson(LightningModule):
    """A network with its loss, its average and its record.

    Parameters
    ----------
    net : SiameseNet
        What is trained.
    settings : Cnn
        How.
    aim, judged : Aim
        How cases count in the loss, of the training cases and of those held back.
    seed : int
        Of dropout.
    identity : str
        What the training is of; stands in the checkpoint.
    ended : callable, optional
        Told of the history after every epoch, once its checkpoint is kept.
    deadline : float, optional
        ``time.monotonic()`` at which another epoch should not be under way.
    """

    def __init__(
        self,
        net: SiameseNet,
        settings: Cnn,
        aim: Aim,
        judged: Aim | None,
        *,
        seed: int,
        identity: str,
        ended: Callable[[Sequence[Epoch]], None] | None = None,
        deadline: float = math.inf,
    ) -> None:
        super().__init__()
        self.net = net
        self.average = AveragedModel(net, multi_avg_fn=_averaging(settings.ema))
        self.average.requires_grad_(False)
        self.settings, self.aim, self.judged = settings, aim, judged
        self.seed, self.identity = seed, identity
        self.ended, self.deadline = ended, deadline
        self.history: list[Epoch] = []
        self.best: dict[str, Tensor] = {}
        self.best_epoch, self.best_loss = 0, math.inf
        self.overdue, self.where = False, "cpu"
        self._losses: list[float] = []
        self._seen: list[tuple[Answers, dict[str, Tensor]]] = []
        self._rate, self._started = 0.0, 0.0

    # A step

    def on_train_epoch_start(self) -> None:
        """Begin an epoch in the state its number gives."""
        place = (self.seed, self.current_epoch, self.global_rank)
        torch.manual_seed(int(np.random.SeedSequence(place).generate_state(1)[0]))
        self._losses, self._seen, self._started = [], [], time.monotonic()
        self.where = str(self.device)

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Set the learning rate."""
        del batch
        joined = self.trainer.accumulate_grad_batches
        steps = math.ceil(self.trainer.num_training_batches / joined)
        within = (batch_idx // joined + 0.5) / steps
        passed = (self.current_epoch + within) / self.settings.epochs
        self._rate = learning_rate(self.settings.learning_rate, passed)
        for group in self.optimizers().param_groups:  # type: ignore[union-attr]
            group["lr"] = self._rate

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        """The loss of a batch."""
        del batch_idx
        loss = loss_of(self.net(batch["images"], batch["there"]), batch, self.aim)
        self._losses.append(loss.item())
        self._check_finite(self._losses[-1])
        return loss

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """A step of the weights, then of their average."""
        super().optimizer_step(*args, **kwargs)
        self.average.update_parameters(self.net)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW; biases and norms do not decay."""
        wide = [one for one in self.net.parameters() if one.ndim > 1]
        rest = [one for one in self.net.parameters() if one.ndim <= 1]
        groups = [
            {"params": wide, "weight_decay": self.settings.weight_decay},
            {"params": rest, "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=self.settings.learning_rate)

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Judge cases held back by the averaged weights."""
        del batch_idx
        answers = self.average(batch["images"], batch["there"])
        truth = {name: batch[name] for name in ("label", "fraction")}
        self._seen.append((Answers(*(one.float() for one in answers)), truth))

    # An epoch

    def on_train_epoch_end(self) -> None:
        """Write down what the epoch came to; keep the best; stop when nothing is gained."""
        now = time.monotonic()
        seconds = now - self._started
        loss, auc = self._judge()
        late = float(now + seconds > self.deadline)
        own = [float(np.mean(self._losses)), loss, auc, seconds, late]
        # Of all processes, so that they agree on when to stop.
        shared = self.trainer.strategy.reduce(
            torch.tensor(own, device=self.device, dtype=torch.float64), reduce_op="mean"
        )
        trained, loss, auc, seconds, late = shared.tolist()
        number = self.current_epoch + 1
        self.history.append(Epoch(number, trained, _known(loss), _known(auc), self._rate, seconds))
        self._choose(number, loss)
        self.overdue = late > 0
        self.trainer.should_stop = self.overdue or is_finished(
            self.history, self.best_epoch, self.settings
        )
        self.trainer.save_checkpoint("training")
        if self.ended is not None:
            self.ended(self.history)

    def _judge(self) -> tuple[float, float]:
        """Loss and AUC of the cases held back; NaN without any."""
        if self.judged is None:
            return math.nan, math.nan
        answers = Answers(
            *(torch.cat(parts) for parts in zip(*(a for a, _ in self._seen), strict=True))
        )
        parts = [truth for _, truth in self._seen]
        batch = {name: torch.cat([one[name] for one in parts]) for name in parts[0]}
        loss = loss_of(answers, batch, self.judged).item()
        self._check_finite(loss)
        labels = batch["label"].cpu().numpy()
        known = labels != NO_LABEL
        return loss, mean_auc(answers.logits.double().cpu().numpy()[known], labels[known])

    def _choose(self, number: int, loss: float) -> None:
        if self.judged is not None and loss >= self.best_loss:
            return
        self.best_epoch, self.best_loss = number, loss
        weights = self.average.module.state_dict()
        plain = torch.contiguous_format
        self.best = {
            name: value.detach().cpu().clone(memory_format=plain) for name, value in weights.items()
        }

    def _check_finite(self, loss: float) -> None:
        if math.isfinite(loss):
            return
        last = len(self.history)
        kept = f"the last good checkpoint is of epoch {last}" if last else "there is no checkpoint"
        raise ResourceError(
            "LOSS_NAN",
            f"the loss of epoch {self.current_epoch + 1} is not a finite number",
            expected="a loss that can be lowered",
            action=f"{kept}; choose a smaller learning_rate or precision 32, and look for images "
            "with extreme values",
        )

    # A checkpoint

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what lightning does not know of."""
        checkpoint[KEY] = self.kept()

    def kept(self) -> dict[str, Any]:
        """What is written of the epochs, in tensors and plain types."""
        return {
            "identity": self.identity,
            "device": self.where,
            "history": [asdict(row) for row in self.history],
            "best_epoch": self.best_epoch,
            "best_loss": self.best_loss,
            "best": self.best,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take it up again."""
        kept = checkpoint[KEY]
        self.history = [Epoch(**row) for row in kept["history"]]
        self.best_epoch, self.best_loss = kept["best_epoch"], kept["best_loss"]
        self.best = kept["best"]


def is_finished(history: Sequence[Epoch], best_epoch: int, settings: Cnn) -> bool:
    """Whether there is nothing left to train."""
    done = len(history)
    return done >= settings.epochs or done - best_epoch >= settings.patience


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _averaging(largest: float) -> Callable[[Any, Any, Any], None]:
    """Averages of all weights at once, for ``AveragedModel``."""

    @torch.no_grad()
    def average(averaged: list[Tensor], current: list[Tensor], steps: Any) -> None:
        decay = min(largest, (1 + float(steps)) / (_FIRST_STEPS + float(steps)))
        torch._foreach_lerp_(averaged, current, 1 - decay)

    return average
