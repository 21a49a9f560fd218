"""A synthetic patient: two visits of T2 and DWI with outlines, an outcome and the truth behind it.

What: draws a pelvis, a tumour, a response and a team that reads it from (seed, index), lets the
patient's scanners image both visits, and returns a `Case` in radresp's own nouns with the truth.
Source: ``docs/reference/clinical.md`` sections 2 and 3; see the other files of this room.
When: demonstrations, tests and benchmarks. Nothing learned from it says anything about patients.

The same seed, index and settings give the same bytes, whatever was made before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from radresp.core import (
    Case,
    Grid,
    Mask,
    RegionKey,
    Roi,
    Sequence,
    Step,
    Timepoint,
    Volume,
    VolumeKey,
)
from radresp.core.frozen import frozen
from radresp.phantom.draw import Drawn, Stream, draw_patient
from radresp.phantom.lesion import Island
from radresp.phantom.protocol import Protocol, Scaling
from radresp.phantom.scanner import Scan, Subject, core_of_muscle, scan_dwi, scan_t2
from radresp.phantom.settings import PhantomSettings
from radresp.phantom.tissue import BED_PARTS, Label

_AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
_T2_CENTRE_MM = (0.0, 4.0)
_DWI_CENTRE_MM = (0.0, -8.0)
_GAS_SHIFT_MM = (1.0, 2.0, 4.0, 7.0, 11.0)
"""Displacement of the worst twentieth of the lesion from which the gas score is 1 to 5
(assumption: the published score of van Griethuysen 2018 is a reader's impression)."""


@dataclass(frozen=True, slots=True)
class PhantomPatient:
    """A synthetic patient with the truth.

    Parameters
    ----------
    case : Case
        T2 and DWI of both visits; outlines of tumour (pre), bed (post), muscle and lumen on T2.
    outcome : str
        The truth: ``fibrosis``, ``inflammation`` or ``residual``.
    clinical : mapping of str to str
        Covariates and reader columns of the cohort table, as text. ``site`` says synthetic.
    reference : mapping of str to str
        How the truth was verified; ``outcome`` is empty where that did not settle it.
    truth : mapping of str to float or str
        Shares of the tissues in the bed (sum 1), volumes in mL, motion, the oracle's
        probabilities, what the response was drawn as.
    foci : tuple of Island
        Viable islands or granulation in the bed; centres in LPS mm of the second visit.
    maps : mapping of VolumeKey to mapping of str to numpy.ndarray
        True maps on the grid of an image, (z, y, x): shares of the bed's parts on the second T2,
        ``shift_mm`` of EPI on each DWI.
    protocols : mapping of Timepoint to Protocol
        The scanner of each visit.
    scaling : mapping of VolumeKey to Scaling
        How the vendor's integers become each image; the key of DWI has no b-value.
    transform, inverse : SimpleITK.Transform
        A point of the second visit (LPS mm) to the first, and back.
    """

    case: Case
    outcome: str
    clinical: Mapping[str, str]
    reference: Mapping[str, str]
    truth: Mapping[str, float | str]
    foci: tuple[Island, ...]
    maps: Mapping[VolumeKey, Mapping[str, NDArray[np.float32]]]
    protocols: Mapping[Timepoint, Protocol]
    scaling: Mapping[VolumeKey, Scaling]
    transform: sitk.Transform
    inverse: sitk.Transform

    def __post_init__(self) -> None:
        for name in ("clinical", "reference", "truth", "maps", "protocols", "scaling"):
            object.__setattr__(self, name, frozen(getattr(self, name)))


def make_patient(index: int, seed: int, settings: PhantomSettings | None = None) -> PhantomPatient:
    """Make one synthetic patient.

    Parameters
    ----------
    index : int
        Number of the patient in the cohort, from 0.
    seed : int
        Seed of the cohort, from 0.
    settings : PhantomSettings, optional
        Defaults when not given.

    Returns
    -------
    PhantomPatient
        Case, outcome, clinical row, reference and truth.

    Examples
    --------
    >>> patient = make_patient(0, seed=1, settings=PhantomSettings.fast())
    >>> patient.case.case_id, len(patient.case.volumes), len(patient.case.masks)
    ('phantom_0000', 10, 6)
    """
    started = perf_counter()
    settings = settings or PhantomSettings()
    drawn = draw_patient(index, seed, settings)
    scans = {visit: _scan(drawn, visit, settings) for visit in Timepoint}
    volumes: dict[VolumeKey, Volume] = {}
    masks: dict[RegionKey, Mask] = {}
    for visit, (t2, dwi) in scans.items():
        volumes |= _volumes(visit, t2, dwi, drawn.protocols[visit])
        masks |= _masks(visit, drawn.subjects[visit], t2)
    clinical = {**drawn.clinical, **drawn.read(_gas_score(scans[Timepoint.POST][1]))}
    inverse = drawn.inverse()
    made_with = settings.model_dump(mode="json") | {"index": index, "seed": seed}
    step = Step("phantom", "make_patient", made_with, perf_counter() - started)
    return PhantomPatient(
        case=Case(f"phantom_{index:04d}", volumes, masks, clinical, (step,)),
        outcome=drawn.outcome,
        clinical=clinical,
        reference=drawn.refer(clinical["reader_call"]),
        truth=_volumes_ml(scans) | drawn.truth(),
        foci=drawn.foci(inverse),
        maps=_maps(scans),
        protocols=drawn.protocols,
        scaling={
            VolumeKey(visit, sequence): scan.scaling
            for visit, pair in scans.items()
            for sequence, scan in zip((Sequence.T2, Sequence.DWI), pair, strict=True)
        },
        transform=drawn.transform(),
        inverse=inverse,
    )


def _scan(drawn: Drawn, visit: Timepoint, settings: PhantomSettings) -> tuple[Scan, Scan]:
    """T2 (axial oblique) and DWI (axial) of one visit, centred on the height of the lesion."""
    subject, protocol = drawn.subjects[visit], drawn.protocols[visit]
    rng = drawn.stream(Stream[visit.name])
    tilt = np.deg2rad(rng.uniform(-1, 1) * settings.tilt_deg)
    cos, sin = float(np.cos(tilt)), float(np.sin(tilt))
    oblique = (1.0, 0.0, 0.0, 0.0, cos, -sin, 0.0, sin, cos)
    to_scanner = np.linalg.inv(subject.to_anatomy)
    jitter = rng.uniform(-3, 3, 3)
    t2_centre, dwi_centre = (
        (to_scanner @ (*centre, subject.lesion.height_mm, 1))[:3] + jitter
        for centre in (_T2_CENTRE_MM, _DWI_CENTRE_MM)
    )
    t2 = _grid(protocol.t2_size, protocol.t2_spacing_mm, t2_centre, oblique)
    dwi = _grid(protocol.dwi_size, protocol.dwi_spacing_mm, dwi_centre, _AXIAL)
    for_t2, for_dwi = rng.spawn(2)
    return (
        scan_t2(subject, t2, protocol, settings, for_t2),
        scan_dwi(subject, dwi, protocol, settings, for_dwi),
    )


def _grid(
    size: tuple[int, int, int],
    spacing_mm: tuple[float, float, float],
    centre_mm: NDArray[np.float64],
    direction: tuple[float, ...],
) -> Grid:
    """The grid with its middle at a point, to a hundredth of a micrometre as scanners say it."""
    to_corner = np.reshape(direction, (3, 3)) @ ((np.array(size) - 1) / 2 * spacing_mm)
    x, y, z = (round(float(v), 5) for v in centre_mm - to_corner)
    return Grid(size, spacing_mm, (x, y, z), direction)


def _volumes(visit: Timepoint, t2: Scan, dwi: Scan, protocol: Protocol) -> dict[VolumeKey, Volume]:
    volumes = {VolumeKey(visit, Sequence.T2): Volume.from_array(t2.images[0], t2.grid, Sequence.T2)}
    for b, image in zip(protocol.b_values_s_per_mm2, dwi.images, strict=True):
        volumes[VolumeKey(visit, Sequence.DWI, b)] = Volume.from_array(
            image, dwi.grid, Sequence.DWI, b_s_per_mm2=b
        )
    return volumes


def _masks(visit: Timepoint, subject: Subject, t2: Scan) -> dict[RegionKey, Mask]:
    """Outlines on the T2, as a careful reader draws them: voxels that are mostly the thing."""
    lesion = Roi.TUMOUR if visit is Timepoint.PRE else Roi.BED
    drawn = {
        lesion: t2.shares["lesion"] >= 0.5,
        Roi.LUMEN: t2.shares["lumen"] > 0.5,
        Roi.MUSCLE: (t2.shares["muscle"] > 0.999) & core_of_muscle(subject, t2.grid),
    }
    return {
        RegionKey(visit, Sequence.T2, roi): Mask.from_array(array, t2.grid, roi)
        for roi, array in drawn.items()
    }


def _maps(
    scans: Mapping[Timepoint, tuple[Scan, Scan]],
) -> dict[VolumeKey, Mapping[str, NDArray[np.float32]]]:
    shifts = {
        VolumeKey(visit, Sequence.DWI): {"shift_mm": dwi.shares["shift_mm"].round(2)}
        for visit, (_, dwi) in scans.items()
    }
    shares = scans[Timepoint.POST][0].shares
    parts = {name: shares[name] for name in BED_PARTS if name in shares and shares[name].any()}
    return {**shifts, VolumeKey(Timepoint.POST, Sequence.T2): parts}


def _gas_score(dwi: Scan) -> int:
    """How much gas distorts the lesion on DWI, 0 to 5."""
    inside = dwi.shares["lesion"] >= 0.5
    worst = float(np.percentile(np.abs(dwi.shares["shift_mm"][inside]), 95)) if inside.any() else 0
    return int(np.searchsorted(_GAS_SHIFT_MM, worst, side="right"))


def _volumes_ml(scans: Mapping[Timepoint, tuple[Scan, Scan]]) -> dict[str, float | str]:
    """Volumes and shares, counted at the sample points of the T2."""
    pre, post = (scans[visit][0].volume_ml for visit in Timepoint)
    parts = {
        name: float(sum(post[label] for label in labels)) for name, labels in BED_PARTS.items()
    }
    bed_ml, tumour_ml = sum(parts.values()), pre[Label.TUMOUR] + pre[Label.TUMOUR_MUCINOUS]
    return {
        "tumour_ml": tumour_ml,
        "bed_ml": bed_ml,
        "shrinkage": bed_ml / tumour_ml,
        **{f"{name}_share": part / bed_ml for name, part in parts.items()},
    }
