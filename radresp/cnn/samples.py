"""Cases to learn from, and the order in which a training meets them.

A training asks for a case by epoch and place, and how it is varied follows from seed, epoch and
place alone. So an epoch holds the same numbers whichever process draws them, however many there
are, and also when a training was interrupted in between.

MONAI's ``CacheDataset`` keeps what comes before the first random transform. Here that is
``Inputs``, which a sample holds already (1.2 MB of the default patch): a cache would only keep it
a second time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from radresp.cnn.inputs import Inputs
from radresp.errors import InputError

Vary = Callable[[Inputs, Sequence[int]], Inputs]
"""Varies a case; the integers seed it."""
Place = tuple[int, int]
"""Epoch and index of a sample."""
NO_LABEL = -1


@dataclass(frozen=True)
class Sample:
    """One case with what is known of its outcome.

    Parameters
    ----------
    case_id : str
        Name of the case.
    patient : str
        Whose it is; cases of one patient stay together.
    inputs : Inputs
        What the network reads.
    label : int or None
        Class, counted from 0; None where it is not known.
    fraction : float or None
        Share of the bed that is residual tumour, 0-1; None where it is not known.

    Raises
    ------
    InputError
        ``CNN_SAMPLE`` for a label below 0 or a fraction outside 0-1.
    """

    case_id: str
    patient: str
    inputs: Inputs
    label: int | None
    fraction: float | None

    def __post_init__(self) -> None:
        label, fraction = self.label, self.fraction
        if (label is not None and label < 0) or (fraction is not None and not 0 <= fraction <= 1):
            raise InputError(
                "CNN_SAMPLE",
                f"label {label}, residual fraction {fraction}",
                expected="a label of 0 or more and a fraction of 0-1, or none",
                case=self.case_id,
            )


class SampleSet(Dataset[dict[str, Tensor]]):
    """Samples as a torch data set.

    Parameters
    ----------
    samples : sequence of Sample
        The cases.
    seed : int, optional
        Of the variations.
    vary : callable, optional
        From :func:`radresp.cnn.augment.augmentation`; none for cases that are only judged.

    Examples
    --------
    >>> images = np.ones((2, 4, 8, 8, 8), np.float32)
    >>> known = Inputs(images, np.ones((2, 4), np.float32))
    >>> item = SampleSet([Sample("a", "p1", known, 1, None)])[0, 0]
    >>> int(item["label"]), float(item["fraction"])
    (1, nan)
    """

    def __init__(
        self, samples: Sequence[Sample], *, seed: int = 0, vary: Vary | None = None
    ) -> None:
        self.samples = tuple(samples)
        self.seed = seed
        self.vary = vary

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, place: Place) -> dict[str, Tensor]:
        epoch, index = place
        sample = self.samples[index]
        inputs = sample.inputs
        if self.vary is not None:
            inputs = self.vary(inputs, (self.seed, epoch, index))
        label = NO_LABEL if sample.label is None else sample.label
        fraction = np.nan if sample.fraction is None else sample.fraction
        return {
            "images": torch.from_numpy(np.ascontiguousarray(inputs.images)),
            "there": torch.from_numpy(inputs.there),
            "label": torch.tensor(label),
            "fraction": torch.tensor(fraction, dtype=torch.float32),
        }


class Order(Sampler[Place]):
    """The order of an epoch, or of one process's share of it.

    Parameters
    ----------
    count : int
        Number of samples.
    seed : int or None
        Of the order; None keeps the order of the samples.
    rank, processes : int, optional
        Which process of how many. Shares are of one length: the first cases come twice where the
        samples do not divide.

    Examples
    --------
    >>> order = Order(3, None)
    >>> order.set_epoch(5)
    >>> list(order)
    [(5, 0), (5, 1), (5, 2)]
    >>> list(Order(3, None, rank=1, processes=2))
    [(0, 1), (0, 0)]
    """

    def __init__(self, count: int, seed: int | None, *, rank: int = 0, processes: int = 1) -> None:
        self.count = count
        self.seed = seed
        self.rank = rank
        self.processes = processes
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next; lightning does."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-self.count // self.processes)

    def __iter__(self) -> Iterator[Place]:
        order = np.arange(self.count)
        if self.seed is not None:
            order = np.random.default_rng((self.seed, self.epoch)).permutation(self.count)
        mine = np.resize(order, len(self) * self.processes)[self.rank :: self.processes]
        return iter([(self.epoch, int(index)) for index in mine])
