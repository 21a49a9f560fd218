"""Which cases teach, which are held back to judge by, and whether a training is the same one."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from radresp.cnn.samples import NO_LABEL, Sample
from radresp.cnn.settings import Cnn
from radresp.errors import CohortError, InputError


def cases_with_answers(samples: Sequence[Sample], classes: int) -> list[Sample]:
    """Cases that teach something."""
    for one in samples:
        if one.label is not None and one.label >= classes:
            raise InputError(
                "CNN_SAMPLE",
                f"label {one.label}",
                expected=f"one of {classes} classes, counted from 0",
                case=one.case_id,
            )
    labels = {one.label for one in samples} - {None}
    if len(labels) < 2:
        raise CohortError(
            "ONE_CLASS",
            f"{len(labels)} outcomes among {len(samples)} cases",
            expected="cases of two outcomes or more",
        )
    return [one for one in samples if one.label is not None or one.fraction is not None]


def split_patients(
    samples: Sequence[Sample], share: float, seed: int
) -> tuple[list[Sample], list[Sample]]:
    """Cases to train on and cases to hold back; each patient on one side.

    Parameters
    ----------
    samples : sequence of Sample
        All cases.
    share : float
        Share of the patients of each outcome to hold back; one at least, unless it is the only.
    seed : int
        Of the draw.

    Examples
    --------
    >>> cases = [Sample(f"c{i}", f"p{i // 2}", None, int(i > 9), None) for i in range(20)]
    >>> trained, held = split_patients(cases, 0.2, 1)
    >>> len(trained), [one.label for one in held]
    (16, [0, 0, 1, 1])
    """
    outcomes: dict[str, int] = {}
    for one in samples:
        label = NO_LABEL if one.label is None else one.label
        outcomes[one.patient] = max(outcomes.get(one.patient, NO_LABEL), label)
    groups = defaultdict(list)
    for patient in sorted(outcomes):
        groups[outcomes[patient]].append(patient)
    random = np.random.default_rng(seed)
    held: set[str] = set()
    for label in sorted(groups):
        patients = groups[label]
        wanted = min(max(1, round(share * len(patients))), len(patients) - 1)
        held |= {patients[place] for place in random.permutation(len(patients))[:wanted]}
    return (
        [one for one in samples if one.patient not in held],
        [one for one in samples if one.patient in held],
    )


def identity_of(
    samples: Sequence[Sample],
    settings: Cnn,
    classes: int,
    seed: int,
    encoder: Mapping[str, Tensor] | None,
) -> str:
    """A digest of all that decides what a training comes to."""
    digest = hashlib.sha256(f"{settings.model_dump_json()} {classes} {seed}".encode())
    for one in samples:
        digest.update(f"\n{one.case_id!r} {one.patient!r} {one.label} {one.fraction}".encode())
        digest.update(np.ascontiguousarray(one.inputs.images).tobytes())
        digest.update(np.ascontiguousarray(one.inputs.there).tobytes())
    for name, value in (encoder or {}).items():
        digest.update(name.encode() + value.detach().cpu().numpy().tobytes())
    return digest.hexdigest()
