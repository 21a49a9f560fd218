"""Write measurements, probability and decision as a DICOM structured report, template TID 1500.

One measurement group a region with its segment (TID 1411), and one of the case with what was
measured across regions, the probability and the decision (TID 1501). What is words (intended use,
endpoint, reasons) is text under codes of radresp's own scheme. Nobody has verified the report, and
it says so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from collections.abc import Sequence as Ordered
from dataclasses import dataclass
from typing import Any, NamedTuple

from pydicom.dataset import Dataset

from radresp import __version__
from radresp.core import Decision, RegionKey, Timepoint
from radresp.io import dicom_codes as codes
from radresp.io.dicom_codes import Code, Quantity, coded, coding_schemes, public
from radresp.io.dicom_nouns import IDENTITY
from radresp.io.dicom_origin import Origin
from radresp.io.dicom_out_study import stable_uid
from radresp.io.seg_out import CODES
from radresp.notice import INTENDED_USE

DIGITS = 7
"""Significant digits of a number: what single precision holds, and no noise behind it."""


class Number(NamedTuple):
    """Something measured or computed; finite."""

    quantity: Quantity
    value: float


@dataclass(frozen=True, slots=True)
class Findings:
    """What a report says.

    Parameters
    ----------
    model_id : str
        Which model.
    decision : Decision
        The answer in a word.
    endpoint : str
        What "complete response" means.
    reasons : tuple of str
        Why, in words.
    case : tuple of Number
        Of the whole case: measures and probabilities.
    regions : mapping of RegionKey to tuple of Number
        Of each region.
    """

    model_id: str
    decision: Decision
    endpoint: str
    reasons: tuple[str, ...]
    case: tuple[Number, ...]
    regions: Mapping[RegionKey, tuple[Number, ...]]


class Segment(NamedTuple):
    """Where the outline of a region is: a segment of an object, and the slices it was drawn on."""

    made: Any
    number: int
    tracking_uid: str
    references: tuple[Dataset, ...]


def measurement_report(
    findings: Findings,
    origin: Origin,
    segments: Mapping[RegionKey, Segment],
    evidence: Ordered[Dataset],
    series_number: int,
) -> Any:
    """A report of a case.

    Parameters
    ----------
    findings : Findings
        What to say.
    origin : Origin
        The case and the images in whose study the report is to stand.
    segments : mapping of RegionKey to Segment
        The outlines, at least of every region in the findings.
    evidence : sequence of pydicom.Dataset
        Everything the findings rest on, with UIDs of study and series.
    series_number : int
        SeriesNumber, from 1.

    Returns
    -------
    highdicom.sr.Comprehensive3DSR
    """
    from highdicom.sr import Comprehensive3DSR
    from highdicom.sr.utils import collect_evidence

    content = _content(findings, origin, segments)
    role = ("report", hashlib.sha256(repr(findings).encode()).hexdigest())
    made = Comprehensive3DSR(
        # highdicom takes patient and study of the first.
        evidence=[_moved(evidence[0], origin), *evidence],
        content=content,
        **origin.names(series_number, *role),
        instance_number=1,
        manufacturer="radresp",
        software_versions=__version__,
        is_complete=True,
        series_description="radresp measurements, research use only",
    )
    made.CodingSchemeIdentificationSequence = coding_schemes()
    own, other = collect_evidence(evidence, content, origin.study_uid)
    for keyword, references in (
        ("CurrentRequestedProcedureEvidenceSequence", own),
        ("PertinentOtherEvidenceSequence", other),
    ):
        made.pop(keyword, None)
        if references:
            setattr(made, keyword, references)
    origin.settle(made)
    return made


def _moved(evidence: Dataset, origin: Origin) -> Dataset:
    moved = Dataset()
    moved.update(evidence)
    for keyword in IDENTITY:
        setattr(moved, keyword, "")
    moved.StudyInstanceUID = origin.study_uid
    return moved


def _content(findings: Findings, origin: Origin, segments: Mapping[RegionKey, Segment]) -> Dataset:
    from highdicom import sr

    device = sr.DeviceObserverIdentifyingAttributes(
        uid=stable_uid("radresp", "device", __version__), name="radresp", model_name="radresp"
    )
    report = sr.MeasurementReport(
        observation_context=sr.ObservationContext(
            observer_device_context=sr.ObserverContext(
                observer_type=coded(public("DCM", "Device")),
                observer_identifying_attributes=device,
            )
        ),
        procedure_reported=coded(public("SCT", "ImagingProcedure")),
        imaging_measurements=[
            _of_case(findings, origin),
            *(_of_region(key, findings, segments[key]) for key in findings.regions),
        ],
        title=coded(public("DCM", "ImagingMeasurementReport")),
    )
    root: Dataset = report[0]
    # Before any number: whoever reads from the top reads this first.
    before = len(root.ContentSequence) - 1
    root.ContentSequence.insert(before, _text(codes.INTENDED_USE, INTENDED_USE))
    return root


def _of_case(findings: Findings, origin: Origin) -> Any:
    from highdicom import sr

    group = sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(
            uid=origin.uid("response"), identifier="response"
        ),
        time_point_context=_visit(Timepoint.POST),
        measurements=_measurements(findings.case),
        qualitative_evaluations=[
            sr.QualitativeEvaluation(
                coded(codes.DECISION), coded(codes.DECISIONS[findings.decision])
            )
        ],
        algorithm_id=sr.AlgorithmIdentification(
            name="radresp", version=__version__, parameters=[f"model {findings.model_id}"]
        ),
        **_finding(public("SCT", "Lesion")),
    )
    group[0].ContentSequence.append(_text(codes.ENDPOINT, findings.endpoint))
    for reason in findings.reasons:
        group[0].ContentSequence.append(_text(codes.REASON, reason))
    return group


def _of_region(key: RegionKey, findings: Findings, segment: Segment) -> Any:
    from highdicom import sr

    return sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(uid=segment.tracking_uid, identifier=str(key)),
        referenced_segment=sr.ReferencedSegment(
            # By hand: highdicom cannot make one from an object of a single segment.
            segment.made.SOPClassUID,
            segment.made.SOPInstanceUID,
            segment.number,
            source_images=_source_images(segment.references),
        ),
        time_point_context=_visit(key.timepoint),
        measurements=_measurements(findings.regions[key]),
        **_finding(public("SCT", CODES[key.roi][1])),
    )


def _source_images(references: Iterable[Dataset]) -> list[Any]:
    from highdicom.sr import SourceImageForSegmentation

    made = []
    for (kind, uid), frames in _by_file(references).items():
        image = SourceImageForSegmentation(kind, uid, frames or None)
        # highdicom spells the meaning with other capitals than the standard.
        image.ConceptNameCodeSequence = [coded(public("DCM", "SourceImageForSegmentation"))]
        made.append(image)
    return made


def _by_file(references: Iterable[Dataset]) -> dict[tuple[str, str], list[int]]:
    files: dict[tuple[str, str], list[int]] = {}
    for reference in references:
        name = reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID
        frames = files.setdefault(name, [])
        if "ReferencedFrameNumber" in reference:
            frames.append(int(reference.ReferencedFrameNumber))
    return files


def _finding(kind: Code) -> dict[str, Any]:
    from highdicom.sr import FindingSite

    return {
        "finding_category": coded(public("SCT", "MorphologicallyAbnormalStructure")),
        "finding_type": coded(kind),
        "finding_sites": [FindingSite(coded(public("SCT", "Rectum")))],
    }


def _visit(timepoint: Timepoint) -> Any:
    from highdicom.sr import TimePointContext

    # Without an order, a number that readers take for one of the measurements.
    return TimePointContext(
        time_point=str(timepoint), time_point_type=coded(public(*codes.TIMEPOINTS[timepoint]))
    )


def _measurements(numbers: Iterable[Number]) -> list[Any]:
    from highdicom.sr import Measurement

    return [
        Measurement(
            name=coded(quantity.name),
            value=float(f"{value:.{DIGITS}g}"),
            unit=coded(quantity.unit),
            derivation=None if quantity.derivation is None else coded(quantity.derivation),
        )
        for quantity, value in numbers
    ]


def _text(name: Code, value: str) -> Any:
    from highdicom.sr import RelationshipTypeValues, TextContentItem

    return TextContentItem(coded(name), value, RelationshipTypeValues.CONTAINS)
