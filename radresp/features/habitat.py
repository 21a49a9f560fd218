"""Habitat: what tumour and bed are made of, by T2, ADC and the high b-value of each voxel together.

What: every voxel is one of five habitats, on the voxels of the ADC; sizes before and after, and
the change of each one's share. ``cellular``: restricted. ``mucin``: very bright T2, ADC of fluid.
``oedema``: bright T2 that is neither. ``scar``: dark T2 that is not cellular. ``between``: the
rest, such as wall, and mixtures. The first that fits counts.
Source: habitat imaging (Gatenby et al., Radiology 2013;269:8-15) with boundaries fixed between the
tissues of ``docs/reference/clinical.md`` 2.1 instead of learnt clusters, so that a habitat means
the same in every cohort and nothing is fitted on the cases it is tested on.
When: shares of tissue are asked for, not their texture.
"""

from __future__ import annotations

from functools import partial
from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from radresp.core import Prepared, Scene, Timepoint
from radresp.errors import InputError
from radresp.features.answers import Answer, answer_group, extracted
from radresp.features.family import Extracted
from radresp.features.tissue import TissueRules, see_diffusion, t2_ratio_on_adc

HABITATS = ("cellular", "mucin", "oedema", "scar", "between")


class Habitat(TissueRules):
    """Boundaries between habitats."""

    mucin_min_ratio: float = Field(
        5.5,
        gt=0,
        le=20,
        description="T2 of mucin: above this many times muscle, between oedema (4.6) and mucin "
        "(6.5).",
    )
    mucin_adc_min: float = Field(
        1900.0,
        gt=0,
        le=4000,
        description="Lowest ADC of mucin, between oedema (1700) and mucin (2100), 1e-6 mm2/s.",
    )


def names(settings: Habitat) -> tuple[str, ...]:
    """Names of the sizes, in order."""
    return tuple(name for visit in Timepoint for name in _sizes(visit)) + _changes()


def extract(prepared: Prepared, settings: Habitat) -> Extracted:
    """Measure the habitats of a prepared case.

    Parameters
    ----------
    prepared : Prepared
        Its ``scene`` is looked at.
    settings : Habitat
        Boundaries.

    Returns
    -------
    Extracted
        ``VISIT_HABITAT_ml`` and ``VISIT_HABITAT_fraction`` of the tumour before and the bed after
        treatment, and ``change_HABITAT_fraction``, after minus before. NaN with the reason where
        the case lacks T2, ADC, the high b-value or muscle; changes also where the visits could
        not be aligned.
    """
    started = perf_counter()
    answers: dict[str, Answer] = {}
    for visit in Timepoint:
        answers |= answer_group(_sizes(visit), partial(_measure, prepared.scene, visit, settings))
    answers |= answer_group(_changes(), partial(_change, prepared, dict(answers)))
    return extracted("habitat", answers, settings, perf_counter() - started)


def _sizes(visit: Timepoint) -> tuple[str, ...]:
    return tuple(f"{visit}_{habitat}_{unit}" for unit in ("ml", "fraction") for habitat in HABITATS)


def _changes() -> tuple[str, ...]:
    return tuple(f"change_{habitat}_fraction" for habitat in HABITATS)


def _measure(scene: Scene, visit: Timepoint, settings: Habitat) -> dict[str, Answer]:
    seen = see_diffusion(scene, visit, settings)
    t2 = t2_ratio_on_adc(scene, visit, seen)
    which = _classify(
        t2[seen.inside], seen.adc[seen.inside], seen.restricted[seen.inside], settings
    )
    counts = np.bincount(which, minlength=len(HABITATS))
    answers: dict[str, Answer] = {}
    for habitat, count in zip(HABITATS, counts, strict=True):
        answers[f"{visit}_{habitat}_ml"] = float(count) * seen.voxel_ml
        answers[f"{visit}_{habitat}_fraction"] = float(count) / which.size
    return answers


def _classify(
    t2: NDArray[np.float32],
    adc: NDArray[np.float32],
    restricted: NDArray[np.bool_],
    settings: Habitat,
) -> NDArray[np.intp]:
    """Index into ``HABITATS`` of every voxel; the first that fits."""
    fits = [
        restricted,
        (t2 > settings.mucin_min_ratio) & (adc >= settings.mucin_adc_min),
        t2 > settings.bright_min_ratio,
        t2 <= settings.scar_max_ratio,
    ]
    return np.asarray(np.select(fits, range(len(fits)), default=len(fits)), dtype=np.intp)


def _change(prepared: Prepared, sizes: dict[str, Answer]) -> dict[str, Answer]:
    if prepared.unrelated:
        raise InputError("MISSING_INPUT", prepared.unrelated)
    answers: dict[str, Answer] = {}
    for habitat in HABITATS:
        before, after = (sizes[f"{visit}_{habitat}_fraction"] for visit in Timepoint)
        for found in (before, after):
            if isinstance(found, str):
                raise InputError("MISSING_INPUT", found)
        answers[f"change_{habitat}_fraction"] = float(after) - float(before)
    return answers
