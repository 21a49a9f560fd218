"""The states a case passes through: addresses, then volumes, then regions (and `prepared`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from radresp.core.frozen import frozen
from radresp.core.trail import Trail
from radresp.core.volume import Mask, Volume
from radresp.core.words import Roi, Sequence, Timepoint
from radresp.errors import GeometryError, InputError


class VolumeKey(NamedTuple):
    """Which image: visit, sequence and, for DWI, b-value."""

    timepoint: Timepoint
    sequence: Sequence
    b_s_per_mm2: float | None = None

    def __str__(self) -> str:
        b = "" if self.b_s_per_mm2 is None else f".b{self.b_s_per_mm2:g}"
        return f"{self.timepoint}.{self.sequence}{b}"


class RegionKey(NamedTuple):
    """Which region of which image: visit, sequence, outline."""

    timepoint: Timepoint
    sequence: Sequence
    roi: Roi

    def __str__(self) -> str:
        return f"{self.timepoint}.{self.sequence}.{self.roi}"


@dataclass(frozen=True, slots=True)
class CaseFiles:
    """Addresses of one case; nothing has been read yet.

    Parameters
    ----------
    case_id : str
        Name of the case in every output.
    patient_key : str
        Groups visits of one patient; equals ``case_id`` unless the table says otherwise.
    root : Path
        Data root; no path leaves it.
    images : mapping of (Timepoint, Sequence) to Path
        A NIfTI file or a DICOM folder each.
    masks : mapping of RegionKey to Path
        The sequence in the key is the image the outline was drawn on.
    clinical : mapping of str to str
        The remaining columns of the table, as text.
    choices : mapping of RegionKey to str
        Which outline of its file a mask is, as text; only for masks in ``masks``.
    empty : frozenset of RegionKey
        Outlines that were looked for and are not there: "no visible residual". None of them has a
        path in ``masks``.
    series : mapping of (Timepoint, Sequence) to str
        Which series of its folder an image is, as text; only for images in ``images``.
    """

    case_id: str
    patient_key: str
    root: Path
    images: Mapping[tuple[Timepoint, Sequence], Path]
    masks: Mapping[RegionKey, Path] = field(default_factory=dict)
    clinical: Mapping[str, str] = field(default_factory=dict)
    choices: Mapping[RegionKey, str] = field(default_factory=dict)
    empty: frozenset[RegionKey] = frozenset()
    series: Mapping[tuple[Timepoint, Sequence], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("images", "masks", "clinical", "choices", "series"):
            object.__setattr__(self, name, frozen(getattr(self, name)))


@dataclass(frozen=True, slots=True)
class Case:
    """One patient's two visits in memory: every mask lies on the grid of its image.

    Parameters
    ----------
    case_id : str
        Name of the case.
    volumes : mapping of VolumeKey to Volume
        The images; a DWI has one entry per b-value.
    masks : mapping of RegionKey to Mask
        The outlines, keyed by the image they were drawn on.
    clinical : mapping of str to str
        Clinical values as text.
    trail : Trail
        How it was read.

    Raises
    ------
    InputError
        ``MISSING_INPUT`` when a mask names an image the case does not have.
    GeometryError
        ``MASK_GEOMETRY`` when a mask is not on its image's grid.
    """

    case_id: str
    volumes: Mapping[VolumeKey, Volume]
    masks: Mapping[RegionKey, Mask] = field(default_factory=dict)
    clinical: Mapping[str, str] = field(default_factory=dict)
    trail: Trail = ()

    def __post_init__(self) -> None:
        for name in ("volumes", "masks", "clinical"):
            object.__setattr__(self, name, frozen(getattr(self, name)))
        for key, volume in self.volumes.items():
            if (key.sequence, key.b_s_per_mm2) != (volume.sequence, volume.b_s_per_mm2):
                raise InputError(
                    "ROLE_MISMATCH",
                    f"a {volume.sequence} volume (b {volume.b_s_per_mm2}) stored as {key}",
                    case=self.case_id,
                )
        for region, mask in self.masks.items():
            check_same_grid(self.image(region.timepoint, region.sequence), mask, self.case_id)

    def image(self, timepoint: Timepoint, sequence: Sequence) -> Volume:
        """The volume of one visit and sequence; for DWI the highest b-value.

        Raises
        ------
        InputError
            ``MISSING_INPUT`` when the case has none.
        """
        found = [v for k, v in self.volumes.items() if k[:2] == (timepoint, sequence)]
        if not found:
            raise InputError(
                "MISSING_INPUT",
                f"no {timepoint} {sequence}",
                expected=f"a {sequence} volume at the {timepoint} visit",
                case=self.case_id,
            )
        return max(found, key=lambda volume: volume.b_s_per_mm2 or 0.0)

    def has(self, timepoint: Timepoint, sequence: Sequence) -> bool:
        """Whether the case holds that image."""
        return any(k[:2] == (timepoint, sequence) for k in self.volumes)

    def dwi(self, timepoint: Timepoint) -> tuple[Volume, ...]:
        """All diffusion-weighted volumes of one visit, by rising b-value; may be empty."""
        found = [v for k, v in self.volumes.items() if k[:2] == (timepoint, Sequence.DWI)]
        return tuple(sorted(found, key=lambda volume: volume.b_s_per_mm2 or 0.0))


@dataclass(frozen=True, slots=True)
class Region:
    """An image and a non-empty outline on the same grid: what features and networks accept.

    Raises
    ------
    GeometryError
        ``MASK_GEOMETRY`` when the grids differ.
    InputError
        ``MASK_EMPTY`` when no voxel is inside.
    """

    key: RegionKey
    volume: Volume
    mask: Mask

    def __post_init__(self) -> None:
        if self.key.sequence is not self.volume.sequence or self.key.roi is not self.mask.roi:
            raise InputError(
                "ROLE_MISMATCH",
                f"a {self.volume.sequence} volume with a {self.mask.roi} mask as {self.key}",
            )
        check_same_grid(self.volume, self.mask)
        if self.mask.is_empty:
            raise InputError(
                "MASK_EMPTY",
                f"the mask of {self.key} has 0 voxels",
                expected="at least one voxel",
                action="draw the region or leave the mask out",
            )


@dataclass(frozen=True, slots=True)
class ChangeMap:
    """How each voxel of a region changed between the visits, and how much of it changed.

    Parameters
    ----------
    volume : Volume
        The change on a cut of the later image's grid, with ``background`` where either visit holds
        no measurement: for ADC later minus earlier, 1e-6 mm2/s; for T2 the natural logarithm of
        later over earlier, tissue around the region being 0.
    mask : Mask
        The region, not empty, on the same grid.
    numbers : mapping of str to float
        What was measured inside: noise, thresholds, shares of voxels above and below them.

    Raises
    ------
    GeometryError
        ``MASK_GEOMETRY`` when the grids differ.
    InputError
        ``MASK_EMPTY`` when no voxel is inside.
    """

    volume: Volume
    mask: Mask
    numbers: Mapping[str, float]

    def __post_init__(self) -> None:
        object.__setattr__(self, "numbers", frozen(self.numbers))
        check_same_grid(self.volume, self.mask)
        if self.mask.is_empty:
            raise InputError("MASK_EMPTY", "a change map of 0 voxels", expected="at least one")


def check_same_grid(volume: Volume, mask: Mask, case_id: str | None = None) -> None:
    """Refuse a mask that does not lie on its image's grid."""
    if not mask.grid.same_as(volume.grid):
        raise GeometryError(
            "MASK_GEOMETRY",
            f"the {mask.roi} mask and its {volume.sequence} image lie on different grids: "
            f"{mask.grid.difference(volume.grid)}",
            expected="one grid (size, spacing, origin, direction within 0.001 mm)",
            action="draw the mask on this image or pass --resample-mask",
            case=case_id,
        )
