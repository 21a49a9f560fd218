"""A synthetic patient: two visits of T2 and DWI with outlines, an outcome and the truth behind it.

What: draws a pelvis, a tumour and a treated bed from (seed, index), lets a simulated scanner image
both visits, and returns a `Case` in radresp's own nouns.
Source: ``docs/reference/clinical.md`` sections 2 and 3; see the other files of this room.
When: demonstrations, tests and benchmarks. Nothing learned from it says anything about patients.

The same seed, index and settings give the same bytes, whatever was made before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
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
from radresp.phantom.anatomy import draw_anatomy, later
from radresp.phantom.lesion import draw_bed, draw_tumour, lesion_volume_ml
from radresp.phantom.outcome import draw_clinical, draw_mixture, outcome_of
from radresp.phantom.physics import texture_lattice, timing
from radresp.phantom.scanner import Scan, Subject, core_of_muscle, scan_dwi, scan_t2
from radresp.phantom.settings import PhantomSettings
from radresp.phantom.tissue import Label, properties, vary

_AXES = "xyz"
_AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
_T2_CENTRE_MM = (0.0, 4.0)
_DWI_CENTRE_MM = (0.0, -8.0)


class _Stream(IntEnum):
    """Independent random streams of one patient: changing one draw leaves the others alone."""

    ANATOMY = 1
    TISSUE = 2
    TUMOUR = 3
    BED = 4
    CLINICAL = 5
    MOTION = 6
    PRE = 7
    POST = 8


_VISITS = {Timepoint.PRE: _Stream.PRE, Timepoint.POST: _Stream.POST}
_BED = {
    "fibrosis": (Label.BED_FIBROSIS,),
    "inflammation": (Label.BED_INFLAMMATION,),
    "viable": (Label.BED_VIABLE,),
    "wall": (Label.BED_MUSCULARIS, Label.BED_SUBMUCOSA, Label.BED_MUCOSA),
}


@dataclass(frozen=True, slots=True)
class PhantomPatient:
    """A synthetic patient with the truth.

    Parameters
    ----------
    case : Case
        T2 and DWI of both visits; outlines of tumour (pre), bed (post), muscle and lumen on T2.
    outcome : str
        ``fibrosis``, ``inflammation`` or ``residual``.
    truth : mapping of str to float or str
        Shares of the tissues in the bed (sum 1), volumes in mL, motion, field strength, TR, TE.
    clinical : mapping of str to str
        The clinical row, as text. Synthetic, and ``site`` says so.
    """

    case: Case
    outcome: str
    truth: Mapping[str, float | str]
    clinical: Mapping[str, str]

    def __post_init__(self) -> None:
        object.__setattr__(self, "truth", frozen(self.truth))
        object.__setattr__(self, "clinical", frozen(self.clinical))

    @property
    def transform(self) -> sitk.Euler3DTransform:
        """The true rigid motion: maps a point of the post images (LPS mm) to the pre images."""
        return _transform(self.truth)


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
        Case, outcome, truth and clinical row.

    Examples
    --------
    >>> patient = make_patient(0, seed=1, settings=PhantomSettings.fast())
    >>> patient.case.case_id, len(patient.case.volumes), len(patient.case.masks)
    ('phantom_0000', 8, 6)
    """
    started = perf_counter()
    settings = settings or PhantomSettings()
    rng = {stream: np.random.default_rng([seed, index, stream]) for stream in _Stream}
    outcome = outcome_of(index, seed, settings)
    motion = _draw_motion(rng[_Stream.MOTION], settings)
    pre = _first_visit(rng, settings)
    post = _second_visit(pre, motion, outcome, rng)
    scans = {}
    volumes: dict[VolumeKey, Volume] = {}
    masks: dict[RegionKey, Mask] = {}
    for timepoint, subject in ((Timepoint.PRE, pre), (Timepoint.POST, post)):
        t2, dwi = _scan(subject, settings, rng[_VISITS[timepoint]])
        volumes |= _volumes(timepoint, t2, dwi, settings)
        masks |= _masks(timepoint, subject, t2)
        scans[timepoint] = t2
    field, sex = pre.field_strength_t, pre.anatomy.sex
    clinical = draw_clinical(outcome, sex, field, settings, rng[_Stream.CLINICAL])
    made_with = settings.model_dump(mode="json") | {"index": index, "seed": seed}
    step = Step("phantom", "make_patient", made_with, perf_counter() - started)
    truth: dict[str, float | str] = {
        **_truth(scans[Timepoint.PRE], scans[Timepoint.POST]),
        **motion,
        **timing(field),
        "field_strength_t": field,
        "outcome": outcome,
    }
    case = Case(f"phantom_{index:04d}", volumes, masks, clinical, (step,))
    return PhantomPatient(case, outcome, truth, clinical)


def _first_visit(rng: Mapping[_Stream, np.random.Generator], settings: PhantomSettings) -> Subject:
    """The untreated patient."""
    tissue, tumour = rng[_Stream.TISSUE], rng[_Stream.TUMOUR]
    field = float(tissue.choice(settings.field_strengths_t))
    anatomy = draw_anatomy(rng[_Stream.ANATOMY])
    volume_ml = float(np.clip(22 * np.exp(0.5 * tumour.standard_normal()), 6, 55))
    return Subject(
        anatomy,
        draw_tumour(tumour, anatomy.rectum, volume_ml),
        vary(properties(field), tissue, settings.variation),
        field,
        (texture_lattice(tissue), texture_lattice(tissue)),
        np.eye(4),
    )


def _second_visit(
    pre: Subject,
    motion: Mapping[str, float],
    outcome: str,
    rng: Mapping[_Stream, np.random.Generator],
) -> Subject:
    """The treated patient: other filling, a bed instead of the tumour, lying differently."""
    anatomy = later(pre.anatomy, rng[_Stream.ANATOMY])
    mixture = draw_mixture(outcome, rng[_Stream.BED])
    tumour_ml = lesion_volume_ml(pre.lesion, pre.anatomy.rectum)
    bed = draw_bed(rng[_Stream.BED], pre.lesion, anatomy.rectum, mixture, tumour_ml)
    return replace(pre, anatomy=anatomy, lesion=bed, to_anatomy=_matrix(_transform(motion)))


def _draw_motion(rng: np.random.Generator, settings: PhantomSettings) -> dict[str, float]:
    """Turns (degrees) and shifts (mm) that take the post images back to the pre images."""
    turns = rng.uniform(-1, 1, 3) * settings.motion_deg
    shifts = rng.uniform(-1, 1, 3) * settings.motion_mm
    motion = {f"motion_turn_{a}_deg": float(v) for a, v in zip(_AXES, turns, strict=True)}
    return motion | {f"motion_shift_{a}_mm": float(v) for a, v in zip(_AXES, shifts, strict=True)}


def _transform(motion: Mapping[str, float | str]) -> sitk.Euler3DTransform:
    turns = [float(np.deg2rad(float(motion[f"motion_turn_{axis}_deg"]))) for axis in _AXES]
    shifts = [float(motion[f"motion_shift_{axis}_mm"]) for axis in _AXES]
    return sitk.Euler3DTransform((0.0, 0.0, 0.0), *turns, shifts)


def _matrix(transform: sitk.Euler3DTransform) -> NDArray[np.float64]:
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(transform.GetMatrix(), (3, 3))
    matrix[:3, 3] = transform.GetTranslation()
    return matrix


def _scan(
    subject: Subject, settings: PhantomSettings, rng: np.random.Generator
) -> tuple[Scan, Scan]:
    """T2 (axial oblique) and DWI (axial) of one visit, centred on the height of the lesion."""
    tilt = np.deg2rad(rng.uniform(-1, 1) * settings.tilt_deg)
    cos, sin = float(np.cos(tilt)), float(np.sin(tilt))
    oblique = (1.0, 0.0, 0.0, 0.0, cos, -sin, 0.0, sin, cos)
    to_scanner = np.linalg.inv(subject.to_anatomy)
    jitter = rng.uniform(-3, 3, 3)
    t2_centre, dwi_centre = (
        (to_scanner @ (*centre, subject.lesion.height_mm, 1))[:3] + jitter
        for centre in (_T2_CENTRE_MM, _DWI_CENTRE_MM)
    )
    t2 = _grid(settings.t2_size, settings.t2_spacing_mm, t2_centre, oblique)
    dwi = _grid(settings.dwi_size, settings.dwi_spacing_mm, dwi_centre, _AXIAL)
    return scan_t2(subject, t2, settings, rng), scan_dwi(subject, dwi, settings, rng)


def _grid(
    size: tuple[int, int, int],
    spacing_mm: tuple[float, float, float],
    centre_mm: NDArray[np.float64],
    direction: tuple[float, ...],
) -> Grid:
    """The grid with its middle at a point."""
    to_corner = np.reshape(direction, (3, 3)) @ ((np.array(size) - 1) / 2 * spacing_mm)
    x, y, z = (float(v) for v in centre_mm - to_corner)
    return Grid(size, spacing_mm, (x, y, z), direction)


def _volumes(
    timepoint: Timepoint, t2: Scan, dwi: Scan, settings: PhantomSettings
) -> dict[VolumeKey, Volume]:
    volumes = {
        VolumeKey(timepoint, Sequence.T2): Volume.from_array(t2.images[0], t2.grid, Sequence.T2)
    }
    for b, image in zip(settings.b_values_s_per_mm2, dwi.images, strict=True):
        volumes[VolumeKey(timepoint, Sequence.DWI, b)] = Volume.from_array(
            image, dwi.grid, Sequence.DWI, b_s_per_mm2=b
        )
    return volumes


def _masks(timepoint: Timepoint, subject: Subject, t2: Scan) -> dict[RegionKey, Mask]:
    """Outlines on the T2, as a careful reader draws them: voxels that are mostly the thing."""
    lesion = Roi.TUMOUR if timepoint is Timepoint.PRE else Roi.BED
    drawn = {
        lesion: t2.shares["lesion"] >= 0.5,
        Roi.LUMEN: t2.shares["lumen"] > 0.5,
        Roi.MUSCLE: (t2.shares["muscle"] > 0.999) & core_of_muscle(subject, t2.grid),
    }
    return {
        RegionKey(timepoint, Sequence.T2, roi): Mask.from_array(array, t2.grid, roi)
        for roi, array in drawn.items()
    }


def _truth(pre: Scan, post: Scan) -> dict[str, float]:
    """Volumes and shares, counted at the sample points of the T2."""
    parts_ml = {
        name: sum(post.volume_ml[label] for label in labels) for name, labels in _BED.items()
    }
    bed_ml, tumour_ml = sum(parts_ml.values()), pre.volume_ml[Label.TUMOUR]
    volumes = {"tumour_ml": tumour_ml, "bed_ml": bed_ml, "shrinkage": bed_ml / tumour_ml}
    return volumes | {f"{name}_share": part / bed_ml for name, part in parts_ml.items()}
