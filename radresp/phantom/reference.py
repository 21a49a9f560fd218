"""The reference of a synthetic patient: how the truth was verified, and what that found.

What: the reader's call chooses between watch and wait, local excision and surgery; each finds the
truth in its own way and time, or does not settle it.
Source: the schema of ``docs/reference/clinical.md`` 3.3. Every chance is an assumption, except that
about 88 % of regrowths come within two years (IWWD 2018), which the presets hold.
When: writing ``outcomes.csv``.

The reference is a separate axis from the call: a complete response may be called nCR and operated
on, residual disease may be called cCR and regrow. Watch and wait that has not matured is missing,
not negative.
"""

from __future__ import annotations

import numpy as np

from radresp.core import Endpoint, Reference
from radresp.phantom.presets import CohortPreset
from radresp.phantom.response import Response

Cells = dict[str, str]
_CARE = ("follow_up", "local_excision", "surgery")
# What follows a call: chances of watch and wait, local excision, total mesorectal excision.
_CARE_AFTER = {
    "cCR": (0.85, 0.07, 0.08),
    "nCR": (0.40, 0.25, 0.35),
    "iCR": (0.02, 0.08, 0.90),
    "not_assessed": (0.0, 0.05, 0.95),
}
_FOUND_LATER = (
    "ypT",
    "ypN",
    "trg_system",
    "trg_value",
    "residual_fraction",
    "months_followup",
    "months_to_regrowth",
)
_SINGLE_CELLS = 0.05
"""Share of a scar with single tumour cells that is tumour; assumed."""


def draw_reference(
    rng: np.random.Generator,
    *,
    preset: CohortPreset,
    outcome: str,
    response: Response,
    clinical_t: str,
    reader_call: str,
) -> Cells:
    """How the truth was verified and what was found, for ``outcomes.csv``.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the draws come from.
    preset : CohortPreset
        Shares of follow-up that has not matured, of late regrowth and of loss.
    outcome : str
        The truth.
    response : Response
        Gives the regression grade.
    clinical_t : str
        cT; pathology finds no more than that.
    reader_call : str
        Chooses the verification.

    Returns
    -------
    dict of str to str
        ``outcome`` (empty where the reference does not settle it), ``reference``,
        ``reference_kind``, ``days_mri_to_reference``, ``ypT``, ``ypN``, ``trg_system``,
        ``trg_value``, ``residual_fraction``, ``months_followup``, ``months_to_regrowth``.

    Notes
    -----
    The truth is luminal: node disease without tumour in the wall (``ypT0N+``) never arises.
    """
    kind = str(rng.choice(_CARE, p=_CARE_AFTER[reader_call]))
    if kind == "follow_up":
        found = _followed(rng, preset, outcome == "residual")
    else:
        found = _operated(rng, kind, outcome == "residual", response, clinical_t)
    empty = dict.fromkeys(_FOUND_LATER, "")
    cells = {"reference_kind": kind, **empty, **found}
    regrown = cells["months_to_regrowth"]
    reference = Reference(
        cells["reference"], months_to_regrowth=float(regrown) if regrown else None
    )
    settled = reference.truth(Endpoint.COMPLETE_RESPONSE).residual is not None
    return {"outcome": outcome if settled else "", **cells}


def _followed(rng: np.random.Generator, preset: CohortPreset, residual: bool) -> Cells:
    """Watch and wait."""
    lost, unmatured, late = rng.random(3) < (
        preset.lost_share,
        preset.unmatured_share,
        preset.late_regrowth_share,
    )
    # To a tenth of a month, as the table holds it, before anything is decided by it.
    short, long = round(rng.uniform(4, 23.9), 1), rng.uniform(24, 60)
    # Half of the early regrowths come within nine months.
    regrown = rng.uniform(24.5, 48) if late else 1 + 23 * rng.random() ** 1.5
    if lost:
        return _seen("died_or_lost", min(short, 20.0))
    if residual and (not unmatured or regrown <= short):
        after = _seen("regrowth", regrown + rng.uniform(1, 12))
        when = {"days_mri_to_reference": _days(regrown), "months_to_regrowth": f"{regrown:.1f}"}
        return after | when
    if not unmatured:
        return _seen("sustained_cCR_24m", long)
    return _seen("cCR_lt12m" if short < 12 else "cCR_12_24m", short)


def _seen(reference: str, months: float) -> Cells:
    return {
        "reference": reference,
        "days_mri_to_reference": _days(months),
        "months_followup": f"{months:.1f}",
    }


def _days(months: float) -> str:
    return str(round(months * 365.25 / 12))


def _operated(
    rng: np.random.Generator, kind: str, residual: bool, response: Response, clinical_t: str
) -> Cells:
    """Surgery or local excision; local excision takes no nodes."""
    local = kind == "local_excision"
    days = str(int(rng.integers(5, 43)))
    system = str(rng.choice(["Mandard", "Dworak", "AJCC"], p=[0.4, 0.2, 0.4]))
    months = f"{rng.uniform(3, 60):.1f}"
    if not residual:
        reference, stage, nodes = ("pCR_LE" if local else "pCR_TME"), "0", "0"
    else:
        reference, stage = "residual_path", _pathological_t(rng, clinical_t)
        nodes = str(rng.choice(["0", "1a", "1b", "2a"], p=[0.65, 0.17, 0.11, 0.07]))
    return {
        "reference": reference,
        "days_mri_to_reference": days,
        "ypT": stage,
        "ypN": "x" if local else nodes,
        "trg_system": system,
        "trg_value": _grade(system, residual, response),
        "residual_fraction": f"{_fraction(response):.4g}",
        "months_followup": months,
    }


def _fraction(response: Response) -> float:
    """Share of the bed that is tumour; single cells in scar fill a twentieth of it."""
    solid = response.viable + response.mucinous_carcinoma
    return solid + _SINGLE_CELLS * response.microscopic


def _pathological_t(rng: np.random.Generator, clinical_t: str) -> str:
    most = int(clinical_t[0]) if clinical_t else 3
    drawn = int(rng.choice([1, 2, 3, 4], p=[0.12, 0.33, 0.5, 0.05]))
    return str(min(drawn, most))


def _grade(system: str, residual: bool, response: Response) -> str:
    """Regression grade by the share of tumour in tumour and scar."""
    tumour = response.viable + response.mucinous_carcinoma
    left = tumour / (tumour + response.scar)
    if not residual:
        step = 0
    elif response.subtype == "microscopic" or left < 0.05:
        step = 1
    else:
        step = 2 if left < 0.5 else 3
    return {"Mandard": "1234", "Dworak": "4321", "AJCC": "0123"}[system][step]
