"""How well residual disease could be told from complete response, at best and by one number.

Twice: on the latent truth of many simulated patients, and on images of dealt patients, measured as
a radiologist would (volume of the outlined bed, mean fitted ADC in it).
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from phantom_report_parts.text import table, with_interval
from radresp.core import RegionKey, Roi, Sequence, Timepoint, resample_mask
from radresp.evaluate import auc, auc_interval
from radresp.intensity import fit_adc
from radresp.io import write_table
from radresp.phantom import PhantomSettings, make_patient, presets, simulate

DRAWS = 20_000
SEED = 11
TARGETS = {"oracle": (0.90, 0.95), "volume": (0.60, 0.75), "ADC": (0.60, 0.75)}
"""AUC that the overlap of the classes was tuned to."""
BESIDE = "Outside the range that the classes were tuned to (oracle 0.90-0.95, others 0.60-0.75):"
_HEAD = ["preset", "read as non-cCR", "of them residual", "oracle", "bed volume", "mean ADC"]


class Measured(NamedTuple):
    """What is known and measured of one imaged patient."""

    preset: str
    seed: int
    patient: int
    outcome: str
    reader_call: str
    oracle_p_residual: float
    bed_ml: float
    adc_um2_per_s: float
    reliable_share: float


_KINDS = (str, int, int, str, str, float, float, float, float)


def measure(index: int, preset: str, seed: int) -> Measured:
    """Image one patient at the fast settings and measure the bed."""
    patient = make_patient(index, seed, PhantomSettings.fast(preset))
    case = patient.case
    bed = case.masks[RegionKey(Timepoint.POST, Sequence.T2, Roi.BED)]
    dwi = tuple(
        volume
        for key, volume in case.volumes.items()
        if key.timepoint is Timepoint.POST and key.sequence is Sequence.DWI
    )
    fit = fit_adc(dwi)
    here = resample_mask(bed, fit.adc.grid).array
    reliable = here & ~fit.unreliable
    return Measured(
        preset,
        seed,
        index,
        patient.outcome,
        patient.clinical["reader_call"],
        float(patient.truth["oracle_p_residual"]),
        bed.volume_ml,
        float(fit.adc.array[reliable].mean()) if reliable.any() else float("nan"),
        float(reliable.sum() / max(here.sum(), 1)),
    )


def measured(preset: str, cases: int, seed: int, workers: int, cache: Path) -> list[Measured]:
    """Measurements of the first cases of a cohort; those in the cache are not made again."""
    known = [m for m in _read(cache) if (m.preset, m.seed) == (preset, seed) and m.patient < cases]
    todo = sorted(set(range(cases)) - {m.patient for m in known})
    kept = _read(cache)
    with ProcessPoolExecutor(workers) as pool:
        for row in pool.map(partial(measure, preset=preset, seed=seed), todo):
            known.append(row)
            kept.append(row)
            cells = [{name: str(v) for name, v in m._asdict().items()} for m in kept]
            write_table(cache, cells)
    return sorted(known, key=lambda m: m.patient)


def _read(cache: Path) -> list[Measured]:
    if not cache.exists():
        return []
    with cache.open(newline="", encoding="utf-8") as file:
        _, *rows = csv.reader(file)
    return [Measured(*(kind(cell) for kind, cell in zip(_KINDS, row, strict=True))) for row in rows]


def latent() -> tuple[str, list[str]]:
    """AUC from the latent truth of simulated patients read as non-cCR, and what misses."""
    rows, missed = [], []
    for name, preset in presets().items():
        cohort = simulate(preset, DRAWS, SEED)
        read = cohort.non_ccr
        scores = {
            "oracle": cohort.probability[:, -1],
            "volume": cohort.bed_ml,
            "ADC": -cohort.adc_um2_per_s,
        }
        cells, outside = _aucs(cohort.residual[read], {n: s[read] for n, s in scores.items()})
        rows.append([name, *cells])
        missed += [f"{name}, {what}" for what in outside]
    return table(_HEAD, rows), missed


def imaged(rows_by_preset: Mapping[str, Iterable[Measured]]) -> tuple[str, list[str]]:
    """AUC from images of dealt patients read as non-cCR, and what misses."""
    rows, missed = [], []
    for name, everyone in rows_by_preset.items():
        read = [m for m in everyone if m.reader_call in ("nCR", "iCR")]
        usable = [m for m in read if np.isfinite(m.adc_um2_per_s)]
        scores = {
            "oracle": np.array([m.oracle_p_residual for m in usable]),
            "volume": np.array([m.bed_ml for m in usable]),
            "ADC": np.array([-m.adc_um2_per_s for m in usable]),
        }
        truth = np.array([m.outcome == "residual" for m in usable])
        cells, outside = _aucs(truth, scores)
        rows.append([name, *cells])
        missed += [f"{name}, {what}" for what in outside]
    return table(_HEAD, rows), missed


def _aucs(residual: np.ndarray, scores: Mapping[str, np.ndarray]) -> tuple[list[str], list[str]]:
    cells, outside = [str(len(residual)), str(int(residual.sum()))], []
    for name, score in scores.items():
        value = auc(residual, score)
        cells.append(with_interval(value, auc_interval(residual, score)))
        low, high = TARGETS[name]
        if not low <= value <= high:
            outside.append(f"{name} {value:.3f} for {low:.2f}-{high:.2f}")
    return cells, outside
