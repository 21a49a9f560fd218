"""The state features are computed from: regions placed, visits aligned, absences explained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from radresp.core.alignment import Alignment
from radresp.core.case import ChangeMap, Region, RegionKey
from radresp.core.frozen import frozen
from radresp.core.patch import Patch
from radresp.core.scene import Scene
from radresp.core.trail import Trail
from radresp.errors import InputError

VISITS = "post.t2<-pre.t2"
"""Name of the alignment of the visits."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A case ready for features: regions placed, visits aligned, absences explained.

    Parameters
    ----------
    case_id : str
        Name of the case.
    regions : mapping of RegionKey to Region
        What is there.
    absent : mapping of RegionKey to str
        What the plan asks for but the case cannot give, with the reason in words.
    alignments : mapping of str to Alignment
        By name, for example ``"post.t2<-pre.t2"``.
    clinical : mapping of str to str
        Clinical values as text.
    trail : Trail
        Everything done so far.
    maps : mapping of str to ChangeMap
        Voxelwise changes between the visits, ``"adc"`` and ``"t2"``.
    unmapped : mapping of str to str
        Why a change map does not exist, in words.
    scene : Scene
        Outlines on images as acquired, where the plan measures the whole case.
    patch : Patch, optional
        Both visits on one grid around the bed, where the plan has a CNN.

    Raises
    ------
    InputError
        ``REGION`` when a region, or a change map, is both present and absent, or a region is stored
        under another key.
    """

    case_id: str
    regions: Mapping[RegionKey, Region]
    absent: Mapping[RegionKey, str]
    alignments: Mapping[str, Alignment]
    clinical: Mapping[str, str] = field(default_factory=dict)
    trail: Trail = ()
    maps: Mapping[str, ChangeMap] = field(default_factory=dict)
    unmapped: Mapping[str, str] = field(default_factory=dict)
    scene: Scene = field(default_factory=Scene)
    patch: Patch | None = None

    def __post_init__(self) -> None:
        for name in ("regions", "absent", "alignments", "clinical", "maps", "unmapped"):
            object.__setattr__(self, name, frozen(getattr(self, name)))
        wrong: list[object] = [key for key, region in self.regions.items() if region.key != key]
        wrong += [key for key in self.regions if key in self.absent]
        wrong += [name for name in self.maps if name in self.unmapped]
        if wrong:
            raise InputError(
                "REGION",
                f"region {wrong[0]} is misplaced or both present and absent",
                case=self.case_id,
            )

    @property
    def unrelated(self) -> str:
        """Why nothing may be compared between the visits, in words; empty when it may."""
        visits = self.alignments.get(VISITS)
        if visits is None or visits.usable:
            return ""
        reasons = "; ".join(visits.quality.reasons)
        return f"delta not valid, post only: the visits could not be aligned ({reasons})"

    def qc(self) -> dict[str, Any]:
        """Quality figures of the case as a JSON-ready dictionary."""
        return {
            "alignments": {name: a.quality.record() for name, a in self.alignments.items()},
            "volume_ml": {str(k): round(r.mask.volume_ml, 3) for k, r in self.regions.items()},
            "absent": {str(k): reason for k, reason in self.absent.items()},
            "change": {
                name: {k: round(v, 6) for k, v in change.numbers.items()}
                for name, change in self.maps.items()
            },
            "no_change_map": dict(self.unmapped),
        }
