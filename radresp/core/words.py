"""The vocabulary: the closed sets of words every room shares."""

from __future__ import annotations

from enum import StrEnum


class Timepoint(StrEnum):
    """The visit an image belongs to."""

    PRE = "pre"
    POST = "post"


class Sequence(StrEnum):
    """What kind of picture a volume holds."""

    T2 = "t2"
    DWI = "dwi"
    ADC = "adc"


class Roi(StrEnum):
    """What a mask outlines.

    ``tumour`` is drawn before treatment; ``bed`` is the whole treated bed including scar, after
    treatment; ``residual`` the part of it that still looks like tumour.
    """

    TUMOUR = "tumour"
    BED = "bed"
    RESIDUAL = "residual"
    RING = "ring"
    MUSCLE = "muscle"
    NORMAL_WALL = "normal_wall"
    LUMEN = "lumen"

    @property
    def is_reference(self) -> bool:
        """Whether it is tissue to compare with, which may well go on beyond the image."""
        return self in (Roi.MUSCLE, Roi.NORMAL_WALL, Roi.LUMEN)


class Unit(StrEnum):
    """Unit of a volume's voxel values. ADC is always held in 1e-6 mm2/s (UCUM um2/s)."""

    ARBITRARY = "1"
    UM2_PER_S = "um2/s"
    RATIO = "ratio"


class Decision(StrEnum):
    """What a score says."""

    COMPLETE_RESPONSE = "complete_response"
    RESIDUAL = "residual"
    INDETERMINATE = "indeterminate"
    ABSTAIN = "abstain"


class Verdict(StrEnum):
    """How far an alignment can be trusted."""

    GOOD = "good"
    DOUBTFUL = "doubtful"
    FAILED = "failed"
