"""When an alignment is good, doubtful or failed: the thresholds of the verdict."""

from __future__ import annotations

from pydantic import Field

from radresp.core import Settings


class QualityRules(Settings):
    """When an alignment is good, doubtful or failed. Every method's settings extend these.

    The defaults were set on synthetic pairs (``scripts/registration_study.py``, development seeds)
    and on real pelvic and brain images of two visits and their flipped copies, and are reported on
    fresh seeds in ``docs/concepts/registration.md``. There, sound pairs matched by 0.66 or more
    (0.92 with the best place near by) and sabotaged ones by 0.57 or less (0.84). Nobody has
    validated them on treated rectums.
    """

    mask_margin_mm: float = Field(
        20.0,
        ge=5,
        le=100,
        description="How far around the outline the images are compared, in 3-D, mm.",
    )
    max_rotation_deg: float = Field(
        30.0, gt=0, le=180, description="Failed when the rotation is larger, degrees."
    )
    max_shift_mm: float = Field(
        100.0, gt=0, le=500, description="Failed when the shift of the area is larger, mm."
    )
    min_scale: float = Field(
        0.8, gt=0, lt=1, description="Failed when lengths shrink below this factor."
    )
    max_scale: float = Field(
        1.25, gt=1, le=10, description="Failed when lengths grow beyond this factor."
    )
    max_bend_mm: float = Field(
        3.5,
        gt=0,
        le=50,
        description="Doubtful when the alignment departs farther from a rigid motion, root mean "
        "square within 60 mm, mm: another patient can be bent to look alike.",
    )
    min_jacobian: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="Doubtful when the volume of any place shrinks below this factor; failed at 0 "
        "or less, where tissue folds.",
    )
    min_overlap: float = Field(
        0.5, ge=0, le=1, description="Failed below this fraction of the area in both images."
    )
    good_overlap: float = Field(
        0.9, ge=0, le=1, description="Doubtful below this fraction of the area in both images."
    )
    min_standout: float = Field(
        1.3,
        ge=0,
        le=100,
        description="Failed below this ratio of the mutual information at the place found to "
        "the largest 15 and 30 mm beside it.",
    )
    good_standout: float = Field(
        1.65, ge=0, le=100, description="Doubtful below this value of the same ratio."
    )
    min_match: float = Field(
        0.35,
        ge=-1,
        le=1,
        description="Failed when the images' patches correlate by less on average with their "
        "counterparts; images of one sequence only.",
    )
    good_match: float = Field(
        0.5, ge=-1, le=1, description="Doubtful below this value of the same figure."
    )
    min_match_near: float = Field(
        0.7,
        ge=-1,
        le=1,
        description="Failed when patches correlate by less even with the best place within 8 mm; "
        "images of one sequence only.",
    )
    good_match_near: float = Field(
        0.88, ge=-1, le=1, description="Doubtful below this value of the same figure."
    )
    good_rank: float = Field(
        0.6,
        ge=0,
        le=1,
        description="Doubtful when a patch's counterpart beats a smaller share of wrong patches; "
        "0.5 is chance.",
    )
    min_correlation: float = Field(
        0.1, ge=-1, le=1, description="Failed below this correlation; images of one sequence only."
    )
    good_correlation: float = Field(
        0.3,
        ge=-1,
        le=1,
        description="Doubtful below this correlation; images of one sequence only.",
    )
    max_residual_mm: float = Field(
        5.0,
        gt=0,
        le=8,
        description="Doubtful when patches of the area match best farther from the place found, "
        "median, mm; images of one sequence only.",
    )
    max_round_trip_mm: float = Field(
        2.0,
        gt=0,
        le=100,
        description="Doubtful when a search back from the place found ends farther from its "
        "start, mean, mm.",
    )
    max_mirror_ratio: float = Field(
        1.05,
        ge=1,
        le=10,
        description="Doubtful when the left-right mirrored image shares more than this many "
        "times the mutual information.",
    )
    max_mask_distance_mm: float = Field(
        30.0, gt=0, le=500, description="Doubtful when the outlines' centres end farther apart, mm."
    )
