"""The scene: outlines on images as acquired, for measures that compare tissue with tissue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from radresp.core.case import Region, RegionKey
from radresp.core.frozen import frozen
from radresp.core.volume import Volume
from radresp.core.words import Timepoint
from radresp.errors import InputError


@dataclass(frozen=True, slots=True)
class Scene:
    """What a reader has in front of them: both visits, the references, and what nobody saw.

    T2 is as acquired (after bias correction, before normalisation), so that a ratio to muscle has
    a meaning. All diffusion regions of a visit lie on the grid of its ADC.

    Parameters
    ----------
    regions : mapping of RegionKey to Region
        Tumour, bed, residual, muscle, normal wall and lumen, as far as they are there.
    absent : mapping of RegionKey to str
        Why a region is not there, in words.
    empty : frozenset of RegionKey
        Outlines somebody looked for and did not see, by their key on T2: a volume of 0, not a
        missing one.
    noise : mapping of Timepoint to float
        Standard deviation of the noise of the highest b-value, image units; only where known.
    t2_on_adc : mapping of Timepoint to Volume
        T2 as acquired, averaged over the voxels of the visit's ADC grid.

    Examples
    --------
    >>> from radresp.core import Roi, Sequence
    >>> key = RegionKey(Timepoint.POST, Sequence.T2, Roi.BED)
    >>> Scene(absent={key: "nobody drew a bed"}).region(key)
    Traceback (most recent call last):
    radresp.errors.InputError: nobody drew a bed
    """

    regions: Mapping[RegionKey, Region] = field(default_factory=dict)
    absent: Mapping[RegionKey, str] = field(default_factory=dict)
    empty: frozenset[RegionKey] = frozenset()
    noise: Mapping[Timepoint, float] = field(default_factory=dict)
    t2_on_adc: Mapping[Timepoint, Volume] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("regions", "absent", "noise", "t2_on_adc"):
            object.__setattr__(self, name, frozen(getattr(self, name)))

    def region(self, key: RegionKey) -> Region:
        """The region under a key.

        Raises
        ------
        InputError
            ``MISSING_INPUT`` with the reason where there is none.
        """
        if key in self.regions:
            return self.regions[key]
        raise InputError("MISSING_INPUT", self.absent.get(key, f"there is no {key}"))
