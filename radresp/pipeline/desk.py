"""What lies on the table while one case is prepared."""

from __future__ import annotations

from dataclasses import dataclass, field

from radresp.core import (
    Alignment,
    Case,
    Mask,
    Note,
    RegionKey,
    Roi,
    Sequence,
    Step,
    Timepoint,
    Volume,
)
from radresp.intensity import AdcFit
from radresp.pipeline.kept_fits import NONE_KEPT, KeptFits
from radresp.pipeline.plan import Plan

PRE_T2 = (Timepoint.PRE, Sequence.T2)
POST_T2 = (Timepoint.POST, Sequence.T2)
TUMOUR = RegionKey(*PRE_T2, Roi.TUMOUR)
BED = RegionKey(*POST_T2, Roi.BED)
CORE = {Timepoint.PRE: TUMOUR, Timepoint.POST: BED}
"""The outline each visit is about, on its T2."""


@dataclass
class Desk:
    """The case, the plan, and all that was made of them so far.

    Parameters
    ----------
    case, plan : Case, Plan
        What is prepared, and how.
    kept : KeptFits
        Registrations found before.
    images : dict
        The volumes regions are taken from, by visit and sequence.
    acquired : dict of Timepoint to Volume
        T2 before normalisation.
    outlines : dict of RegionKey to Mask
        Tidied outlines on the image they were drawn on or carried to.
    alignments : dict of str to Alignment
        By name, see `radresp.core.VISITS` and :func:`within`.
    fits : dict of Timepoint to AdcFit
        Where ADC was fitted here.
    absent : dict of RegionKey to str
        Planned regions the case cannot give, with the reason.
    empty : set of RegionKey
        Outlines somebody looked for and did not see.
    steps : list of Step
        The trail.
    """

    case: Case
    plan: Plan
    kept: KeptFits = NONE_KEPT
    images: dict[tuple[Timepoint, Sequence], Volume] = field(default_factory=dict)
    acquired: dict[Timepoint, Volume] = field(default_factory=dict)
    outlines: dict[RegionKey, Mask] = field(default_factory=dict)
    alignments: dict[str, Alignment] = field(default_factory=dict)
    fits: dict[Timepoint, AdcFit] = field(default_factory=dict)
    absent: dict[RegionKey, str] = field(default_factory=dict)
    empty: set[RegionKey] = field(default_factory=set)
    steps: list[Step] = field(default_factory=list)

    def note(self, method: str, *notes: Note) -> None:
        """Add a step of the pipeline itself to the trail."""
        self.steps.append(Step("pipeline", method, notes=notes))


def within(timepoint: Timepoint) -> str:
    """Name of the alignment of a visit's diffusion images with its T2."""
    return f"{timepoint}.t2<-{timepoint}.dwi"
