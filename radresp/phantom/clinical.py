"""The clinical row of a synthetic patient, in the words of the cohort table.

What: the covariates known before the outcome is: dates, stage, regimen, blood.
Source: the schema of ``docs/reference/clinical.md`` 3.3; laboratory anchors from the review's
section 6. Every chance and spread without a source in its comment is an assumption.
When: writing ``cohort.csv``. What is found later stands in `radresp.phantom.reference`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np

from radresp.phantom.lesion import Lesion
from radresp.phantom.presets import CohortPreset, Regimen

Cells = dict[str, str]
# Relative fall of CEA: a difference of 1.23/sqrt(2) SD gives the published AUC of CEA alone, 0.733
# (UNION, review section 6).
_CEA_FALL = {"residual": 0.45, "complete": 0.58}
_CEA_FALL_SD = 0.15
# ctDNA after treatment where it was found before. Assumption: less telling than the published AUC
# of MRD clearance, 0.917 (UNION, few patients, no validation stated).
_CTDNA_BEFORE = 0.8
_CTDNA_LEFT = {"residual": 0.55, "complete": 0.06}
# Depth beyond the muscularis by stage: T3a under 1 mm, T3b to 5, T3c more; less than a reader can
# tell from the wall is T2.
_EXTRAMURAL_MM = ((0.7, "2"), (1.0, "3a"), (5.0, "3b"))
_NEIGHBOUR_PER_MM = 0.02  # chance of peritoneum or another organ reached
_DMMR = {True: 0.08, False: 0.03}


def draw_covariates(
    rng: np.random.Generator,
    *,
    preset: CohortPreset,
    regimen: Regimen,
    outcome: str,
    tumour: Lesion,
    sex: str,
    scanner: str,
    field_strength_t: float,
    b_values: Sequence[float],
    site: str = "synthetic",
) -> Cells:
    """The covariates of one patient, for ``cohort.csv``; an empty cell is not known.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the draws come from.
    preset : CohortPreset
        Missingness.
    regimen : Regimen
        How the patient is treated.
    outcome : str
        Only CEA and ctDNA after treatment depend on it.
    tumour : Lesion
        Stage and distance from the verge follow its place and growth.
    sex, scanner, site : str
        As drawn elsewhere.
    field_strength_t : float
        Of the scanner, tesla.
    b_values : sequence of float
        Of the DWI, s/mm2.
    """
    truth = "residual" if outcome == "residual" else "complete"
    return {
        **_calendar(rng, regimen),
        "age_years": str(int(np.clip(rng.normal(61, 10), 28, 88))),
        "sex": sex,
        "site": site,
        "scanner": scanner,
        "field_strength_t": f"{field_strength_t:g}",
        "b_values": " ".join(f"{b:g}" for b in b_values),
        "regimen": regimen.name,
        "io_cycles": str(int(rng.integers(2, 7))) if regimen.immunotherapy else "0",
        **_stage(rng, tumour, regimen, preset),
        **_blood(rng, truth, preset),
    }


def _calendar(rng: np.random.Generator, regimen: Regimen) -> Cells:
    """Dates of the visits, and weeks from radiotherapy to the second one."""
    induction = int(rng.integers(6, 13)) if "induction" in regimen.sequence else 0
    radiotherapy = 1 if regimen.radiotherapy == "SCRT" else 5
    low, high = (16, 25) if "consolidation" in regimen.sequence else (7, 15)
    weeks = int(rng.integers(low, high))
    first = date(2015, 1, 1) + timedelta(days=int(rng.integers(0, 1500)))
    wait = int(rng.integers(7, 28))
    second = first + timedelta(days=7 * (induction + radiotherapy + weeks) + wait)
    return {
        "pre_date": first.isoformat(),
        "post_date": second.isoformat(),
        "weeks_rt_to_mri": str(weeks),
    }


def _stage(
    rng: np.random.Generator, tumour: Lesion, regimen: Regimen, preset: CohortPreset
) -> Cells:
    """Stage as a reader would measure it on the first visit."""
    beyond = tumour.extramural_mm * float(np.exp(0.15 * rng.standard_normal()))
    cells = {
        "cN": str(rng.choice(["0", "1a", "1b", "2a", "2b"], p=[0.3, 0.2, 0.25, 0.15, 0.1])),
        "mrf": _flag(rng, 1 / (1 + np.exp(7.0 - beyond))),
        "emvi": _flag(rng, min(0.06 + 0.05 * beyond, 0.6)),
        "dmmr": _flag(rng, _DMMR[regimen.immunotherapy]),
    }
    cells = _some_missing(rng, cells, preset.missing_staging)
    stage = next((word for limit, word in _EXTRAMURAL_MM if beyond < limit), "3c")
    if rng.random() < _NEIGHBOUR_PER_MM * beyond:
        stage = "4a" if rng.random() < 0.6 else "4b"
    measured = tumour.distance_from_verge_mm + rng.normal(0, 4)
    return {"cT": stage, "distance_from_verge_mm": str(max(round(measured), 0)), **cells}


def _blood(rng: np.random.Generator, truth: str, preset: CohortPreset) -> Cells:
    before = float(np.exp(rng.normal(1.6, 0.8)))
    fall = rng.normal(_CEA_FALL[truth], _CEA_FALL_SD)
    cea = {
        "cea_pre_ng_per_ml": f"{before:.1f}",
        "cea_post_ng_per_ml": f"{max(before * (1 - fall), 0.5):.1f}",
    }
    found = rng.random() < _CTDNA_BEFORE
    left = rng.random() < _CTDNA_LEFT[truth] and found
    untested = rng.random() < preset.missing_ctdna
    dna = {"ctdna_pre": str(int(found)), "ctdna_post": str(int(left))}
    return {
        **_some_missing(rng, cea, preset.missing_blood),
        **{name: "" if untested else cell for name, cell in dna.items()},
    }


def _flag(rng: np.random.Generator, chance: float) -> str:
    return str(int(rng.random() < chance))


def _some_missing(rng: np.random.Generator, cells: Cells, share: float) -> Cells:
    gone = rng.random(len(cells)) < share
    return {name: "" if lacks else cells[name] for name, lacks in zip(cells, gone, strict=True)}
