"""Outcomes of the synthetic cohort: who gets which, what the bed then holds, the clinical row.

What: deals outcomes in shuffled blocks and draws the mixture of tissues in the bed from
distributions that overlap between outcomes, as scar, inflammation and residual tumour do in life.
Source: assumptions; ``docs/reference/clinical.md`` section 3 gives the patterns, not the numbers.
When: making a synthetic patient.
"""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np

from radresp.phantom.lesion import Mixture
from radresp.phantom.settings import PhantomSettings

OUTCOMES = ("fibrosis", "inflammation", "residual")
# Dirichlet weights of fibrosis, inflammation, viable tumour and recovered wall.
_SHARES = {
    "fibrosis": (4.5, 1.8, 0.0, 2.2),
    "inflammation": (2.6, 4.2, 0.0, 1.8),
    "residual": (3.8, 2.3, 2.6, 1.4),
}
_LEAST_VIABLE = 0.07
# Median and log-SD of bed volume over tumour volume.
_SHRINKAGE = {"fibrosis": (0.32, 0.38), "inflammation": (0.42, 0.38), "residual": (0.45, 0.38)}
_REGIMENS = (
    "LCRT, then chemotherapy",
    "SCRT, then chemotherapy",
    "LCRT, then immunotherapy",
    "SCRT, then immunotherapy",
)


def outcome_of(index: int, seed: int, settings: PhantomSettings) -> str:
    """The outcome of a patient: every block of consecutive indices holds the weights exactly."""
    weights = (settings.fibrosis_weight, settings.inflammation_weight, settings.residual_weight)
    block = [name for name, weight in zip(OUTCOMES, weights, strict=True) for _ in range(weight)]
    number, place = divmod(index, len(block))
    order = np.random.default_rng([seed, number, 7]).permutation(len(block))
    return block[int(order[place])]


def draw_mixture(outcome: str, rng: np.random.Generator) -> Mixture:
    """What fills the bed of a patient with this outcome."""
    shares = np.array([rng.gamma(w) if w else 0.0 for w in _SHARES[outcome]])
    fibrosis, inflammation, viable, wall = shares / shares.sum()
    if outcome == "residual" and viable < _LEAST_VIABLE:
        rest = (1 - _LEAST_VIABLE) / (1 - viable)
        fibrosis, inflammation, wall = fibrosis * rest, inflammation * rest, wall * rest
        viable = _LEAST_VIABLE
    median, spread = _SHRINKAGE[outcome]
    shrinkage = float(np.clip(median * np.exp(spread * rng.standard_normal()), 0.12, 0.9))
    return Mixture(float(fibrosis), float(inflammation), float(viable), float(wall), shrinkage)


def draw_clinical(
    outcome: str,
    sex: str,
    field_strength_t: float,
    settings: PhantomSettings,
    rng: np.random.Generator,
) -> dict[str, str]:
    """The clinical row, as text; dates and values are synthetic, and ``site`` says so."""
    weeks = int(rng.integers(7, 15))
    first = date(2019, 1, 1) + timedelta(days=int(rng.integers(0, 1500)))
    # Radiotherapy starts about three weeks after the first visit and lasts up to five.
    second = first + timedelta(days=7 * weeks + int(rng.integers(28, 63)))
    immune = rng.random() < (0.6 if outcome == "inflammation" else 0.4)
    regimen = _REGIMENS[2 * immune + int(rng.integers(0, 2))]
    cea = float(np.exp(rng.normal(1.6, 0.8)))
    fall = rng.normal(0.45 if outcome == "residual" else 0.6, 0.15)
    return {
        "pre_date": first.isoformat(),
        "post_date": second.isoformat(),
        "age_years": str(int(np.clip(rng.normal(61, 10), 28, 88))),
        "sex": sex,
        "site": "synthetic",
        "scanner": "digital phantom",
        "field_strength_t": f"{field_strength_t:g}",
        "b_values": " ".join(f"{b:g}" for b in settings.b_values_s_per_mm2),
        "regimen": regimen,
        "io_cycles": str(int(rng.integers(2, 7)) if immune else 0),
        "weeks_rt_to_mri": str(weeks),
        "cT": str(rng.choice(["2", "3a", "3b", "3c", "4a"], p=[0.1, 0.25, 0.35, 0.2, 0.1])),
        "cN": str(rng.choice(["0", "1", "2"], p=[0.35, 0.45, 0.2])),
        "distance_from_verge_mm": str(int(rng.integers(30, 100))),
        "cea_pre_ng_per_ml": f"{cea:.1f}",
        "cea_post_ng_per_ml": f"{max(cea * (1 - fall), 0.5):.1f}",
    }
