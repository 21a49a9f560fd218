"""Draw a synthetic patient before any scanner sees them: who they are, and how they responded.

What: everything of a patient that follows from (seed, index) without imaging: outcome, regimen,
pelvis, tumour, response, treated bed, motion, scanners, clinical row and reference.
When: the first half of `radresp.phantom.patient.make_patient`, and statistics of whole cohorts that
need no images.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from radresp.core import Timepoint
from radresp.phantom.anatomy import draw_anatomy, later
from radresp.phantom.clinical import draw_covariates
from radresp.phantom.deformation import Deformation, draw_deformation
from radresp.phantom.lesion import Island, draw_bed, draw_tumour, lesion_volume_ml
from radresp.phantom.oracle import class_probabilities
from radresp.phantom.outcome import deal_outcome
from radresp.phantom.physics import texture_lattice
from radresp.phantom.presets import CohortPreset, Regimen, draw_regimen, presets
from radresp.phantom.protocol import Protocol, protocols
from radresp.phantom.reader import read_bed
from radresp.phantom.reference import draw_reference
from radresp.phantom.response import Response, draw_response, draw_volume_ml
from radresp.phantom.scanner import Subject
from radresp.phantom.settings import PhantomSettings
from radresp.phantom.tissue import Properties, properties, vary

_AXES = "xyz"


class Stream(IntEnum):
    """Independent random streams of one patient: changing one draw leaves the others alone."""

    ANATOMY = 1
    TISSUE = 2
    TUMOUR = 3
    BED = 4
    CLINICAL = 5
    MOTION = 6
    PRE = 7
    POST = 8
    RESPONSE = 9
    READER = 10
    REFERENCE = 11
    SCANNER = 12
    DEFORMATION = 13
    LATER = 14
    TEXTURE = 15


_Streams = Mapping[Stream, np.random.Generator]
_Tissue = tuple[Properties, float]


@dataclass(frozen=True, slots=True)
class Drawn:
    """A patient as drawn.

    Parameters
    ----------
    seed, index, settings : int, int, PhantomSettings
        What it was drawn from.
    preset : CohortPreset
        The kind of cohort.
    outcome : str
        The truth.
    regimen : Regimen
        How they were treated.
    response : Response
        What that left.
    bed_ml : float
        Volume of the bed, mL.
    subjects : mapping of Timepoint to Subject
        The patient as the scanner meets them at each visit.
    protocols : mapping of Timepoint to Protocol
        The scanner of each visit.
    motion : mapping of str to float
        Turns (degrees) and shifts (mm) that take the second visit back to the first.
    warp : Deformation
        What moved inside the pelvis between the visits.
    clinical : mapping of str to str
        Covariates.
    """

    seed: int
    index: int
    settings: PhantomSettings
    preset: CohortPreset
    outcome: str
    regimen: Regimen
    response: Response
    bed_ml: float
    subjects: Mapping[Timepoint, Subject]
    protocols: Mapping[Timepoint, Protocol]
    motion: Mapping[str, float]
    warp: Deformation
    clinical: Mapping[str, str]

    def stream(self, stream: Stream) -> np.random.Generator:
        """A random stream of this patient, from its start."""
        return _stream(self.seed, self.index, stream)

    def read(self, gas_score: int) -> dict[str, str]:
        """The reader columns, given the gas artefact on DWI; the call does not depend on it."""
        return read_bed(
            self.stream(Stream.READER),
            self.preset,
            self.response,
            self.bed_ml,
            distance_from_verge_mm=self.subjects[Timepoint.PRE].lesion.distance_from_verge_mm,
            gas_score=gas_score,
        )

    def refer(self, reader_call: str) -> dict[str, str]:
        """How the truth was verified after a call, and what that found."""
        return draw_reference(
            self.stream(Stream.REFERENCE),
            preset=self.preset,
            outcome=self.outcome,
            response=self.response,
            clinical_t=self.clinical["cT"],
            reader_call=reader_call,
        )

    def truth(self) -> dict[str, float | str]:
        """What was drawn, for the truth table."""
        chances = class_probabilities(self.response, self.regimen, self.preset)
        tumour, post = self.subjects[Timepoint.PRE].lesion, self.subjects[Timepoint.POST].lesion
        return {
            "outcome": self.outcome,
            "subtype": self.response.subtype,
            "mucinous_truth": float(self.response.mucinous),
            "split_scar_truth": float(self.response.split),
            "tumour_shape": tumour.shape,
            "clock_hour": float(tumour.clock_hour),
            "foci": float(len(post.foci)),
            **{f"oracle_p_{name}": p for name, p in chances.items()},
            **self.motion,
            "deformation_mm": self.warp.reach_mm,
            **{f"{visit}_scanner": self.protocols[visit].name for visit in Timepoint},
        }

    def transform(self) -> sitk.CompositeTransform:
        """A point of the second visit (LPS mm) to the first: the motion, then the deformation."""
        return sitk.CompositeTransform([self.warp.transform(), _rigid(self.motion)])

    def inverse(self) -> sitk.CompositeTransform:
        """A point of the first visit (LPS mm) to the second."""
        return sitk.CompositeTransform([_rigid(self.motion).GetInverse(), self.warp.inverse()])

    def foci(self, back: sitk.Transform) -> tuple[Island, ...]:
        """Islands of the bed with their centres in LPS mm of the second visit.

        Parameters
        ----------
        back : SimpleITK.Transform
            From `inverse`.
        """
        islands = self.subjects[Timepoint.POST].lesion.foci
        places = [back.TransformPoint(island[:3]) for island in islands]
        return tuple(
            island._replace(x_mm=x, y_mm=y, z_mm=z)
            for island, (x, y, z) in zip(islands, places, strict=True)
        )


def draw_patient(index: int, seed: int, settings: PhantomSettings) -> Drawn:
    """Draw one patient.

    Parameters
    ----------
    index, seed : int
        Number of the patient in the cohort, and seed of the cohort, from 0.
    settings : PhantomSettings
        Cohort preset, scanners, variation, motion.

    Returns
    -------
    Drawn
        Everything but images.
    """
    rng = {stream: _stream(seed, index, stream) for stream in Stream}
    preset = presets()[settings.preset]
    outcome = deal_outcome(index, seed, preset)
    regimen = draw_regimen(rng[Stream.RESPONSE], outcome, preset)
    mucinous = bool(rng[Stream.TUMOUR].random() < preset.mucinous_share)
    chosen = _choose_scanners(rng[Stream.SCANNER], settings)
    before = _untreated(rng, _tissue(seed, index, chosen[Timepoint.PRE], settings), mucinous)
    response = draw_response(rng[Stream.RESPONSE], outcome, regimen, mucinous, settings.variation)
    motion = _draw_motion(rng[Stream.MOTION], settings)
    warp = draw_deformation(
        rng[Stream.DEFORMATION],
        before.anatomy,
        filling=settings.filling,
        drift_mm=settings.drift_mm,
    )
    tissue = _tissue(seed, index, chosen[Timepoint.POST], settings)
    after = _treated(rng, before, response, tissue, motion, warp)
    scanner = chosen[Timepoint.POST]
    clinical = draw_covariates(
        rng[Stream.CLINICAL],
        preset=preset,
        regimen=regimen,
        outcome=outcome,
        tumour=before.lesion,
        sex=before.anatomy.sex,
        scanner=scanner.model,
        field_strength_t=scanner.field_strength_t,
        b_values=scanner.b_values_s_per_mm2,
    )
    return Drawn(
        seed=seed,
        index=index,
        settings=settings,
        preset=preset,
        outcome=outcome,
        regimen=regimen,
        response=response,
        bed_ml=lesion_volume_ml(after.lesion, after.anatomy.rectum),
        subjects={Timepoint.PRE: before, Timepoint.POST: after},
        protocols=chosen,
        motion=motion,
        warp=warp,
        clinical=clinical,
    )


def _untreated(rng: _Streams, tissue: _Tissue, mucinous: bool) -> Subject:
    """The patient at the first visit."""
    texture = texture_lattice(rng[Stream.TEXTURE]), texture_lattice(rng[Stream.TEXTURE])
    anatomy = draw_anatomy(rng[Stream.ANATOMY])
    tumour_ml = float(draw_volume_ml(rng[Stream.TUMOUR], 1)[0])
    tumour = draw_tumour(rng[Stream.TUMOUR], anatomy.rectum, tumour_ml, mucinous)
    return Subject(anatomy, tumour, *tissue, texture, np.eye(4))


def _treated(
    rng: _Streams,
    before: Subject,
    response: Response,
    tissue: _Tissue,
    motion: Mapping[str, float],
    warp: Deformation,
) -> Subject:
    """The same patient at the second visit."""
    properties, field_strength_t = tissue
    anatomy = later(before.anatomy, rng[Stream.LATER])
    tumour_ml = lesion_volume_ml(before.lesion, before.anatomy.rectum)
    return Subject(
        anatomy,
        draw_bed(rng[Stream.BED], before.lesion, anatomy.rectum, response, tumour_ml),
        response.shown_by(properties, field_strength_t),
        field_strength_t,
        before.lattices,
        _matrix(_rigid(motion)),
        warp,
    )


def _stream(seed: int, index: int, stream: Stream) -> np.random.Generator:
    return np.random.default_rng([seed, index, stream])


def _choose_scanners(
    rng: np.random.Generator, settings: PhantomSettings
) -> dict[Timepoint, Protocol]:
    """The scanners of both visits, mostly the same one."""
    first = str(rng.choice(settings.scanners))
    others = [name for name in settings.scanners if name != first] or [first]
    second = str(rng.choice(others)) if rng.random() < settings.other_scanner else first
    return {
        visit: protocols()[name].coarse(settings.coarseness, settings.field_of_view)
        for visit, name in zip(Timepoint, (first, second), strict=True)
    }


def _tissue(seed: int, index: int, scanner: Protocol, settings: PhantomSettings) -> _Tissue:
    """The patient's tissues on a scanner, with its field; the same draw for both visits."""
    rng = _stream(seed, index, Stream.TISSUE)
    field_strength_t = scanner.field_strength_t
    return vary(properties(field_strength_t), rng, settings.variation), field_strength_t


def _draw_motion(rng: np.random.Generator, settings: PhantomSettings) -> dict[str, float]:
    """Turns (degrees) and shifts (mm) that take the post images back to the pre images."""
    turns = rng.uniform(-1, 1, 3) * settings.motion_deg
    shifts = rng.uniform(-1, 1, 3) * settings.motion_mm
    motion = {f"motion_turn_{a}_deg": float(v) for a, v in zip(_AXES, turns, strict=True)}
    return motion | {f"motion_shift_{a}_mm": float(v) for a, v in zip(_AXES, shifts, strict=True)}


def _rigid(motion: Mapping[str, float]) -> sitk.Euler3DTransform:
    turns = [float(np.deg2rad(motion[f"motion_turn_{axis}_deg"])) for axis in _AXES]
    shifts = [motion[f"motion_shift_{axis}_mm"] for axis in _AXES]
    return sitk.Euler3DTransform((0.0, 0.0, 0.0), *turns, shifts)


def _matrix(transform: sitk.Euler3DTransform) -> NDArray[np.float64]:
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(transform.GetMatrix(), (3, 3))
    matrix[:3, 3] = transform.GetTranslation()
    return matrix
