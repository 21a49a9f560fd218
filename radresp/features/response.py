"""Response: what a rectal radiologist measures on restaging MRI, both visits side by side.

What: ten groups of measures of the whole case, with units in their names; what a case cannot give
is NaN with the reason. Volumes and their reduction; ADC before and after with a flag beyond
repeatability; restricted volume (bright at the high b-value, of low ADC, above the noise); shares
of dark scar, intermediate and bright T2 against muscle; shine-through and dark-through; parametric
response; form of the bed; wall thickness and the thin dark inner layer; depth of the focus.
Source: ``docs/reference/clinical.md`` 3.4, where each formula stands; what it is worth on the
digital pelvis in ``docs/reference/response.md``.
When: always; it is the baseline that texture has to beat. A bed somebody looked for and did not
see has volume 0 and nothing restricted; the other measures are taken in the bed carried over.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from time import perf_counter

import numpy as np
import SimpleITK as sitk
from pydantic import Field

from radresp.core import (
    VISITS,
    Note,
    NoteKind,
    Prepared,
    RegionKey,
    Roi,
    Scene,
    Sequence,
    Timepoint,
)
from radresp.errors import InputError
from radresp.features import wall
from radresp.features.answers import Answer, answer_group, extracted, percentiles, ratio
from radresp.features.family import Extracted
from radresp.features.tissue import (
    TissueRules,
    core_key,
    see_diffusion,
    t2_ratio_on_adc,
    t2_ratios,
)

PRE, POST = Timepoint
_SMALLEST_ML = 0.01
_LINEAR = "the visits are aligned as a rigid body, which cannot follow a shrinking tumour"


class Response(TissueRules, wall.WallRules):
    """Boundaries between tissues, and what counts as a change."""

    adc_repeatability: float = Field(
        0.19,
        gt=0,
        le=1,
        description="Relative change of ADC beyond which it is flagged; 0.19 is "
        "the measured repeatability in rectal cancer at 3 T.",
    )
    adc_changes_um2_per_s: tuple[float, ...] = Field(
        (300.0, 550.0), description="Changes of a voxel's ADC counted as rise or fall, 1e-6 mm2/s."
    )


Ask = Callable[[Prepared, Response], Mapping[str, Answer]]


def names(settings: Response) -> tuple[str, ...]:
    """Names of the measures, in order."""
    return tuple(name for group, _ in _groups(settings) for name in group)


def extract(prepared: Prepared, settings: Response) -> Extracted:
    """Measure a prepared case.

    Parameters
    ----------
    prepared : Prepared
        Its ``scene`` and ``maps`` are looked at.
    settings : Response
        Boundaries.

    Returns
    -------
    Extracted
        Every name of ``names``; NaN with the reason where the case lacks what a measure needs.
    """
    started = perf_counter()
    answers: dict[str, Answer] = {}
    for group, ask in _groups(settings):
        answers |= answer_group(group, partial(ask, prepared, settings))
    seconds = perf_counter() - started
    return extracted("response", answers, settings, seconds, _notes(prepared.scene, settings))


def _groups(settings: Response) -> list[tuple[tuple[str, ...], Ask]]:
    kinds = [f"{t:g}" for t in settings.adc_changes_um2_per_s]
    response = tuple(f"adc_{way}_{kind}" for kind in kinds for way in ("rose", "stayed", "fell"))
    return [
        (("bed_ml", "log_bed_ml"), lambda p, s: _bed_volume(p.scene)),
        (("volume_reduction",), lambda p, s: _reduction(p, _bed_ml(p.scene))),
        (("residual_ml",), lambda p, s: {"residual_ml": _residual_ml(p.scene)}),
        (("residual_volume_reduction",), _residual_reduction),
        (("adc_p10", "adc_p50", "adc_p90"), lambda p, s: _adc_after(p.scene)),
        (("adc_ratio", "adc_change_percent", "adc_change_flag"), _adc_change),
        (("restricted_ml", "restricted_fraction", "restricted_largest_ml"), _restricted),
        (("restricted_reduction",), _restricted_reduction),
        (("high_b_noise_fraction",), _noise_fraction),
        (("scar_fraction", "intermediate_fraction", "bright_fraction"), _t2_shares),
        (("t2_ratio_mean", "t2_ratio_p10", "t2_ratio_p90"), lambda p, s: _t2_after(p.scene)),
        (("t2_ratio_change",), _t2_change),
        (("shine_fraction",), _shine),
        (("dark_through_fraction", "concordant_fraction"), _with_t2),
        (response, _parametric),
        (
            ("axial_extent_mm", "elongation", "flatness", "compactness", "mass_index"),
            lambda p, s: wall.shape_of_bed(p.scene),
        ),
        (("circumferential_fraction",), lambda p, s: wall.around_lumen(p.scene, s)),
        (
            ("wall_thickness_max_mm", "wall_thickness_mean_mm", "wall_thickness_asymmetry"),
            lambda p, s: wall.thickness(p.scene),
        ),
        (("dark_layer_continuity",), lambda p, s: wall.dark_layer(p.scene, s, s)),
        (("focus_to_border_mm",), lambda p, s: wall.focus_depth(p.scene, s)),
    ]


def _bed_ml(scene: Scene) -> float:
    key = core_key(POST, Sequence.T2)
    return 0.0 if key in scene.empty else scene.region(key).mask.volume_ml


def _bed_volume(scene: Scene) -> dict[str, Answer]:
    ml = _bed_ml(scene)
    return {"bed_ml": ml, "log_bed_ml": math.log(ml + _SMALLEST_ML)}


def _reduction(prepared: Prepared, after_ml: float) -> dict[str, Answer]:
    _check_related(prepared)
    before_ml = prepared.scene.region(core_key(PRE, Sequence.T2)).mask.volume_ml
    return {"volume_reduction": (before_ml - after_ml) / before_ml}


def _residual_ml(scene: Scene) -> float:
    key = RegionKey(POST, Sequence.T2, Roi.RESIDUAL)
    return 0.0 if key in scene.empty else scene.region(key).mask.volume_ml


def _residual_reduction(prepared: Prepared, settings: Response) -> dict[str, Answer]:
    found = _reduction(prepared, _residual_ml(prepared.scene))
    return {"residual_volume_reduction": found["volume_reduction"]}


def _adc_after(scene: Scene) -> dict[str, Answer]:
    p10, p50, p90 = percentiles(_adc(scene, POST), 10, 50, 90)
    return {"adc_p10": p10, "adc_p50": p50, "adc_p90": p90}


def _adc(scene: Scene, timepoint: Timepoint) -> np.ndarray:
    """ADC of tumour or bed where it could be fitted, 1e-6 mm2/s."""
    region = scene.region(core_key(timepoint, Sequence.ADC))
    values = region.volume.values_in(region.mask)
    fitted = values[np.isfinite(values) & (values > 0)]
    if not fitted.size:
        raise InputError("MISSING_INPUT", f"no voxel of {region.key} has an ADC")
    return fitted


def _adc_change(prepared: Prepared, settings: Response) -> dict[str, Answer]:
    _check_related(prepared)
    before, after = (float(np.median(_adc(prepared.scene, visit))) for visit in (PRE, POST))
    change = after / before - 1
    beyond = abs(change) >= settings.adc_repeatability
    return {
        "adc_ratio": after / before,
        "adc_change_percent": 100 * change,
        "adc_change_flag": math.copysign(1.0, change) if beyond else 0.0,
    }


def _restricted(prepared: Prepared, settings: Response) -> dict[str, Answer]:
    if core_key(POST, Sequence.T2) in prepared.scene.empty:
        return dict.fromkeys(("restricted_ml", "restricted_fraction", "restricted_largest_ml"), 0.0)
    seen = see_diffusion(prepared.scene, POST, settings)
    largest = wall.largest_piece(seen.restricted)
    return {
        "restricted_ml": float(seen.restricted.sum()) * seen.voxel_ml,
        "restricted_fraction": seen.share(seen.restricted),
        "restricted_largest_ml": float(largest.sum()) * seen.voxel_ml,
    }


def _restricted_reduction(prepared: Prepared, settings: Response) -> dict[str, Answer]:
    _check_related(prepared)
    before = see_diffusion(prepared.scene, PRE, settings)
    before_ml = float(before.restricted.sum()) * before.voxel_ml
    after_ml = float(_restricted(prepared, settings)["restricted_ml"])
    nothing = "nothing was restricted before treatment"
    return {"restricted_reduction": ratio(before_ml - after_ml, before_ml, nothing)}


def _noise_fraction(prepared: Prepared, settings: Response) -> dict[str, Answer]:
    seen = see_diffusion(prepared.scene, POST, settings)
    unknown = "the noise of the high b-value is not known"
    return {"high_b_noise_fraction": unknown if seen.noisy is None else seen.share(seen.noisy)}


def _t2_shares(prepared: Prepared, settings: Response) -> dict[str, Answer]:
    ratios = t2_ratios(prepared.scene, POST)
    dark = float((ratios <= settings.scar_max_ratio).mean())
    bright = float((ratios > settings.bright_min_ratio).mean())
    return {
        "scar_fraction": dark,
        "intermediate_fraction": 1 - dark - bright,
        "bright_fraction": bright,
    }


def _t2_after(scene: Scene) -> dict[str, Answer]:
    ratios = t2_ratios(scene, POST)
    p10, p90 = percentiles(ratios, 10, 90)
    return {"t2_ratio_mean": float(ratios.mean()), "t2_ratio_p10": p10, "t2_ratio_p90": p90}


def _t2_change(prepared: Prepared, settings: Response) -> dict[str, Answer]:
    _check_related(prepared)
    before, after = (float(t2_ratios(prepared.scene, visit).mean()) for visit in (PRE, POST))
    return {"t2_ratio_change": after - before}


def _shine(prepared: Prepared, settings: Response) -> dict[str, Answer]:
    seen = see_diffusion(prepared.scene, POST, settings)
    return {"shine_fraction": seen.share(seen.high & (seen.adc > settings.shine_adc_min))}


def _with_t2(prepared: Prepared, settings: Response) -> dict[str, Answer]:
    seen = see_diffusion(prepared.scene, POST, settings)
    t2 = t2_ratio_on_adc(prepared.scene, POST, seen)
    low = (seen.adc > 0) & (seen.adc <= settings.restricted_adc_max)
    dark = t2 <= settings.scar_max_ratio
    between = ~dark & (t2 <= settings.bright_min_ratio)
    return {
        "dark_through_fraction": seen.share(dark & low & ~seen.high),
        "concordant_fraction": seen.share(seen.restricted & between),
    }


def _parametric(prepared: Prepared, settings: Response) -> dict[str, Answer]:
    """Shares of the bed whose ADC rose, stayed or fell; only across a good, deformable fit."""
    if "adc" not in prepared.maps:
        reason = prepared.unmapped.get("adc", "the case has one visit")
        raise InputError("MISSING_INPUT", reason)
    visits = prepared.alignments.get(VISITS)
    if visits is not None and visits.transform.IsLinear():
        raise InputError("MISSING_INPUT", _LINEAR)
    change = prepared.maps["adc"]
    known = change.mask.array
    if change.volume.background is not None:
        known &= sitk.GetArrayViewFromImage(change.volume.background) == 0
    moved, noise = change.volume.array[known], change.numbers["noise"]
    answers: dict[str, Answer] = {}
    for threshold in settings.adc_changes_um2_per_s:
        shares = (moved > threshold, np.abs(moved) <= threshold, moved < -threshold)
        drowned = f"noise alone changes a voxel's ADC by {noise:.0f}e-6 mm2/s"
        for way, share in zip(("rose", "stayed", "fell"), shares, strict=True):
            enough = threshold >= noise
            answers[f"adc_{way}_{threshold:g}"] = float(share.mean()) if enough else drowned
    return answers


def _check_related(prepared: Prepared) -> None:
    if prepared.unrelated:
        raise InputError("MISSING_INPUT", prepared.unrelated)


def _notes(scene: Scene, settings: Response) -> tuple[Note, ...]:
    """Warn where the carried bed holds restricted tissue although somebody saw no bed."""
    if core_key(POST, Sequence.T2) not in scene.empty:
        return ()
    try:
        seen = see_diffusion(scene, POST, settings)
    except InputError:
        return ()  # no bed was carried over either, or nothing to judge it by
    found_ml = float(seen.restricted.sum()) * seen.voxel_ml
    if not found_ml:
        return ()
    note = Note(
        NoteKind.WARNING,
        "BED_NOT_EMPTY",
        f"nobody saw a bed, but {found_ml:.2f} mL where the tumour lay are restricted",
        expected="nothing restricted where nothing was seen",
        action="look at the high b-value images there",
    )
    return (note,)
