"""Why an alignment failed or is doubtful, in words a radiologist can check."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from radresp.registration.rules import QualityRules

Numbers = Mapping[str, float]


def implausible(numbers: Numbers, rules: QualityRules) -> Iterator[str]:
    """Why no patient can have moved like that; nothing when it is plausible."""
    if numbers["shift_mm"] > rules.max_shift_mm:
        yield f"a shift of {numbers['shift_mm']:.0f} mm (at most {rules.max_shift_mm:g} mm)"
    if numbers["rotation_deg"] > rules.max_rotation_deg:
        limit = f"at most {rules.max_rotation_deg:g}"
        yield f"a rotation of {numbers['rotation_deg']:.0f} degrees ({limit})"
    if not rules.min_scale <= numbers["scale"] <= rules.max_scale:
        limits = f"{rules.min_scale:g} to {rules.max_scale:g}"
        yield f"lengths scaled by {numbers['scale']:.2f} ({limits})"
    if numbers.get("jacobian_min", 1.0) <= 0:
        yield f"{numbers['folding_fraction']:.2%} of the compared area folds over itself (0 %)"


def misfits(numbers: Numbers, rules: QualityRules, *, one_sequence: bool) -> Iterator[str]:
    """Why the images do not belong together at the place found; nothing when they may."""
    yield from _too_small_overlap(numbers, rules.min_overlap)
    yield from _too_little_standout(numbers, rules.min_standout)
    if one_sequence:
        yield from _too_low_correlation(numbers, rules.min_correlation)
        yield from _too_low_match(numbers, rules.min_match)
        yield from _too_low_near(numbers, rules.min_match_near)


def doubts(numbers: Numbers, rules: QualityRules, *, one_sequence: bool) -> Iterator[str]:
    """What else casts doubt on the place found, besides what already failed it."""
    if rules.min_overlap <= numbers["area_overlap_fraction"]:
        yield from _too_small_overlap(numbers, rules.good_overlap)
    if "standout" not in numbers:
        yield "the shared area is too small to compare this place with places beside it"
    elif numbers["standout"] >= rules.min_standout:
        yield from _too_little_standout(numbers, rules.good_standout)
    if one_sequence:
        yield from _doubts_of_one_sequence(numbers, rules)
    yield from _too_low_rank(numbers, rules)
    yield from _oddities(numbers, rules)


def _doubts_of_one_sequence(numbers: Numbers, rules: QualityRules) -> Iterator[str]:
    if numbers["correlation_after"] >= rules.min_correlation:
        yield from _too_low_correlation(numbers, rules.good_correlation)
    if numbers.get("match", 1.0) >= rules.min_match:
        yield from _too_low_match(numbers, rules.good_match)
    if numbers.get("match_near", 1.0) >= rules.min_match_near:
        yield from _too_low_near(numbers, rules.good_match_near)
    if numbers.get("residual_mm", 0.0) > rules.max_residual_mm:
        yield (
            f"pieces of the compared area match best {numbers['residual_mm']:.1f} mm away "
            f"(at most {rules.max_residual_mm:g} mm)"
        )


def _oddities(numbers: Numbers, rules: QualityRules) -> Iterator[str]:
    if numbers["bend_mm"] > rules.max_bend_mm:
        yield (
            f"the anatomy had to bend by {numbers['bend_mm']:.1f} mm beyond a rigid motion "
            f"(at most {rules.max_bend_mm:g} mm)"
        )
    if numbers.get("round_trip_mm", 0.0) > rules.max_round_trip_mm:
        yield (
            f"a search back from the place found ends {numbers['round_trip_mm']:.1f} mm from its "
            f"start (at most {rules.max_round_trip_mm:g} mm)"
        )
    if numbers.get("blank_slices", 0.0) > 0:
        yield f"{numbers['blank_slices']:.0f} slices hold one value throughout (none expected)"
    if 0 < numbers.get("jacobian_min", 1.0) < rules.min_jacobian:
        yield (
            f"a place shrinks to {numbers['jacobian_min']:.2f} of its volume "
            f"(at least {rules.min_jacobian:g})"
        )
    mirror = numbers.get("mirror_ratio", 0.0)
    if mirror > rules.max_mirror_ratio:
        yield f"the left-right mirrored image fits {mirror:.1f} times as well"
    apart = numbers.get("mask_distance_mm", 0.0)
    if apart > rules.max_mask_distance_mm:
        yield (
            f"the centres of the two outlines end {apart:.0f} mm apart "
            f"(at most {rules.max_mask_distance_mm:g} mm)"
        )


def _too_small_overlap(numbers: Numbers, least: float) -> Iterator[str]:
    shared = numbers["area_overlap_fraction"]
    if shared < least:
        yield f"{shared:.0%} of the compared area lies in both images (at least {least:.0%})"


def _too_little_standout(numbers: Numbers, least: float) -> Iterator[str]:
    ratio = numbers.get("standout", least)
    if ratio < least:
        yield (
            f"the images match {ratio:.2f} times as well here as 15 to 30 mm beside "
            f"(at least {least:g} times)"
        )


def _too_low_correlation(numbers: Numbers, least: float) -> Iterator[str]:
    value = numbers["correlation_after"]
    if value < least:
        yield f"the images correlate by {value:.2f} in the compared area (at least {least:g})"


def _too_low_match(numbers: Numbers, least: float) -> Iterator[str]:
    value = numbers.get("match", least)
    if value < least:
        yield (
            f"pieces of the images correlate by {value:.2f} with their counterparts "
            f"(at least {least:g}): another patient, another sequence or a wrong place?"
        )


def _too_low_near(numbers: Numbers, least: float) -> Iterator[str]:
    value = numbers.get("match_near", least)
    if value < least:
        yield (
            f"pieces of the images correlate by {value:.2f} even with the best place within 8 mm "
            f"(at least {least:g}): another patient?"
        )


def _too_low_rank(numbers: Numbers, rules: QualityRules) -> Iterator[str]:
    rank = numbers.get("match_rank", 1.0)
    if rank < rules.good_rank:
        yield (
            f"pieces of the images tell their counterparts from others in {rank:.0%} of "
            f"comparisons (at least {rules.good_rank:.0%}; chance is 50 %)"
        )
