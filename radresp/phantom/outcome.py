"""Outcomes of the synthetic cohort: who gets which.

What: deals outcomes in shuffled blocks, so that every block of consecutive patients holds the
preset's counts exactly.
When: making a synthetic patient.
"""

from __future__ import annotations

import numpy as np

from radresp.phantom.presets import CohortPreset


def deal_outcome(index: int, seed: int, preset: CohortPreset) -> str:
    """The outcome of a patient: every block of consecutive indices holds the preset's counts."""
    number, place = divmod(index, len(preset.block))
    order = np.random.default_rng([seed, number, 7]).permutation(len(preset.block))
    return preset.block[int(order[place])]
