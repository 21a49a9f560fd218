"""The reader: what a team sees in the treated bed, and what it calls it.

What: a visible score from appearances only (foci, restricted diffusion, oedema, mucin, a thick or a
large bed) plus reading noise; cut points turn it into cCR, nCR or iCR. Noise and cut points are
solved once for a preset, so that the team errs as often as the preset says.
Source: terms after ESGAR 2016 and MSK/OPRA, ``docs/reference/clinical.md`` 3.1; split scar after
Santiago 2019. Weights and noise of the score are assumptions.
When: making a patient's reader columns. The truth enters only through what the bed shows, so that
an error of the reader is a look-alike, not a coin that knows the answer.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr

from radresp.phantom.patterns import Values
from radresp.phantom.presets import OUTCOMES, CohortPreset
from radresp.phantom.response import Latents, Response, draw_population

CALLS = ("cCR", "nCR", "iCR")
_SOLVED_WITH = 16_000
_SPLIT_SEEN, _SPLIT_IMAGINED = 0.95, 0.005  # with the chances of a split scar: Santiago's .52, .97
_MUCIN_WRONG = 0.04
_FINGER_MM = 80.0
_LEAST_NOISE = 0.02


class Reading(NamedTuple):
    """How a team reads: SD of its noise, and the scores from which it calls nCR and iCR."""

    noise: float
    near: float
    incomplete: float


def visible_score(seen: Latents, bed_ml: Values) -> Values:
    """How much the bed looks like residual tumour; what no image shows does not enter."""
    _, oedema, focus, mucin, _ = seen.shares.T
    restricted = 1 / (1 + np.exp((np.nan_to_num(seen.focus_adc, nan=9e3) - 1350) / 150))
    score: Values = (
        np.log1p(focus * bed_ml / 0.2) * (0.55 + 0.6 * restricted)
        + 2.0 * focus
        + 0.8 * oedema
        + 0.5 * np.log1p(mucin * bed_ml / 0.3)
        + 0.15 * np.log(bed_ml / 6)
        - 0.6 * seen.split
    )
    return score


@cache
def reading(preset: CohortPreset) -> Reading:
    """Noise and cut points at which a preset's error rates come out."""
    rng = np.random.default_rng(20190101)
    outcome, _, latents, tumour_ml = draw_population(rng, preset, _SOLVED_WITH)
    score = visible_score(latents, tumour_ml * latents.shrinkage)
    residual = outcome == OUTCOMES.index("residual")

    def above(cut: float, noise: float, of: NDArray[np.bool_]) -> float:
        return float(ndtr((score[of] - cut) / noise).mean())

    def cut_at(noise: float) -> float:
        target = preset.non_ccr_if_complete
        return float(brentq(lambda cut: above(cut, noise, ~residual) - target, -30, 30))

    def excess(noise: float) -> float:
        return above(cut_at(noise), noise, residual) - preset.non_ccr_if_residual

    if excess(_LEAST_NOISE) < 0:
        raise ValueError(f"preset {preset.name}: no reader of these appearances errs so little")
    noise = float(brentq(excess, _LEAST_NOISE, 20))
    near = cut_at(noise)
    everyone = np.ones(len(score), bool)
    target = above(near, noise, everyone) * (1 - preset.ncr_share)
    incomplete = brentq(lambda cut: above(cut, noise, everyone) - target, near, near + 30)
    return Reading(noise, near, float(incomplete))


def calls(
    rng: np.random.Generator, preset: CohortPreset, seen: Latents, bed_ml: Values
) -> NDArray[np.intp]:
    """Calls of many patients: 0 cCR, 1 nCR, 2 iCR."""
    team = reading(preset)
    read = visible_score(seen, bed_ml) + team.noise * rng.standard_normal(len(seen))
    return np.digitize(read, (team.near, team.incomplete))


def read_bed(
    rng: np.random.Generator,
    preset: CohortPreset,
    response: Response,
    bed_ml: float,
    *,
    distance_from_verge_mm: float,
    gas_score: int,
) -> dict[str, str]:
    """The reader columns of one patient, in the words of the cohort table.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the draws come from.
    preset : CohortPreset
        Error rates and missingness.
    response : Response
        What the bed holds; only what an image can show of it is looked at.
    bed_ml : float
        Volume of the bed, mL.
    distance_from_verge_mm : float
        Lower edge of the tumour to the anal verge, mm; a finger reaches 80.
    gas_score : int
        Gas artefact on DWI, 0 to 5; it blurs the MR regression grade.

    Returns
    -------
    dict of str to str
        ``reader_call``, ``mrTRG``, ``split_scar``, ``endoscopy``, ``dre``, ``gas_score``,
        ``mucinous``; an empty cell is not known.
    """
    team = reading(preset)
    seen = Latents.of(response, immune=False)
    score = float(visible_score(seen, np.array([bed_ml]))[0])
    shared, scope, finger, grade = rng.standard_normal(4) * team.noise
    chance = rng.random(3)
    split = chance[0] < (_SPLIT_SEEN if response.split else _SPLIT_IMAGINED)
    steps = (team.near - 1.0, team.near, team.incomplete, team.incomplete + 1.5)
    blurred = score + 0.8 * shared + 0.6 * grade * (1 + 0.2 * gas_score)
    in_reach = distance_from_verge_mm <= _FINGER_MM
    assessed = chance[1] >= preset.not_assessed_share
    cells = {
        "mrTRG": str(1 + int(np.digitize(blurred, steps))),
        "split_scar": str(int(split)),
        "endoscopy": _word(team, score + 0.6 * shared + 0.8 * scope),
        "dre": _word(team, score + 0.5 * shared + 1.2 * finger) if in_reach else "not_assessed",
    }
    missing = rng.random(len(cells)) < preset.missing_reading
    cells = {name: "" if gone else cells[name] for name, gone in zip(cells, missing, strict=True)}
    return {
        "reader_call": _word(team, score + shared) if assessed else "not_assessed",
        **cells,
        "gas_score": str(gas_score),
        "mucinous": str(int(response.mucinous != (chance[2] < _MUCIN_WRONG))),
    }


def _word(team: Reading, read: float) -> str:
    return CALLS[int(np.digitize(read, (team.near, team.incomplete)))]
