"""Write what came of a case as DICOM: outlines, the map of change, and the report on both.

A folder of its own: one segmentation for every series that was outlined, a parametric map where
the change of ADC was mapped, and one structured report that refers to them and to the images.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from radresp.core import ChangeMap, Mask, RegionKey, Sequence, Timepoint
from radresp.errors import GeometryError
from radresp.io import atomic
from radresp.io.dicom_map_out import change_map
from radresp.io.dicom_nouns import Sources
from radresp.io.dicom_origin import Origin
from radresp.io.dicom_out_header import file_bytes, item
from radresp.io.dicom_out_source import check_masks
from radresp.io.dicom_report import Findings, Segment, measurement_report
from radresp.io.seg_out import describe_segment, make_segmentation

Role = tuple[Timepoint, Sequence]

SEG_NUMBER, MAP_NUMBER, REPORT_NUMBER = 9100, 9200, 9300
"""SeriesNumber of the first of each kind: far from those of a scanner."""

_HOW = "outline of a reader, tidied and carried by radresp"


@dataclass(frozen=True, slots=True)
class Results:
    """What came of a case.

    Parameters
    ----------
    case_id : str
        Name of the case.
    sources : mapping of (Timepoint, Sequence) to Sources
        The series its images are of; at least one.
    masks : mapping of RegionKey to Mask
        Outlines, each on the grid of its series.
    adc_change : ChangeMap or None
        How ADC changed, on the later diffusion series.
    findings : Findings
        What to report; every region in it has an outline.
    """

    case_id: str
    sources: Mapping[Role, Sources]
    masks: Mapping[RegionKey, Mask]
    adc_change: ChangeMap | None
    findings: Findings


def save_dicom_results(results: Results, folder: Path) -> list[Path]:
    """Write everything into a folder, which then holds nothing else.

    Parameters
    ----------
    results : Results
        What to write.
    folder : Path
        Gets ``seg.VISIT.SEQUENCE.dcm``, ``map.post.adc.dcm`` and ``report.dcm``; what stood there
        is replaced.

    Returns
    -------
    list of Path
        The files. The same arguments give the same bytes.

    Raises
    ------
    GeometryError
        ``MASK_GEOMETRY`` when an outline or the map lies on another grid than its series.
    OutputError
        When the folder cannot be written.
    """
    origins = {role: Origin(results.case_id, found) for role, found in results.sources.items()}
    made: dict[str, Any] = {}
    segments: dict[RegionKey, Segment] = {}
    for number, (role, origin) in enumerate(origins.items(), start=SEG_NUMBER):
        masks = {key: mask for key, mask in results.masks.items() if key[:2] == role}
        if masks:
            name = f"{role[0]}.{role[1]}"
            made[f"seg.{name}.dcm"], found = _segmentation(masks, origin, name, number)
            segments |= found
    if results.adc_change is not None:
        origin = origins[Timepoint.POST, Sequence.ADC]
        made["map.post.adc.dcm"] = change_map(results.adc_change, origin, MAP_NUMBER)
    evidence = [*map(_reference, made.values())]
    evidence += [file for origin in origins.values() for file in origin.evidence()]
    made["report.dcm"] = measurement_report(
        results.findings, _home(origins), segments, evidence, REPORT_NUMBER
    )
    with atomic.replacing_folder(folder) as aside:
        for name, dataset in made.items():
            atomic.write_bytes(aside / name, file_bytes(dataset))
    return [folder / name for name in made]


def _segmentation(
    masks: Mapping[RegionKey, Mask], origin: Origin, name: str, series_number: int
) -> tuple[Any, dict[RegionKey, Segment]]:
    grid = check_masks(tuple(masks.values()))
    if not grid.same_as(origin.sources.grid):
        raise GeometryError(
            "MASK_GEOMETRY",
            f"outlines on another grid than the {name} series: "
            f"{grid.difference(origin.sources.grid)}",
            expected="the grid of the series",
        )
    slices = origin.slices()
    drawn = hashlib.sha256()
    for key, mask in masks.items():
        drawn.update(f"{key}\0".encode() + np.packbits(mask.array).tobytes())
    role = ("segmentation", drawn.hexdigest())
    tracked = {key: origin.uid("region", str(key)) for key in masks}
    made = make_segmentation(
        tuple(masks.values()),
        slices,
        [
            describe_segment(number, mask, tracked[key], "SEMIAUTOMATIC", _HOW)
            for number, (key, mask) in enumerate(masks.items(), start=1)
        ],
        dimensions=origin.uid("dimensions", *role),
        **origin.names(series_number, *role),
        device_serial_number="none",
        content_label="OUTLINES",
        content_description=f"outlines on {name}; research use only",
        series_description=f"radresp outlines on {name}, research use only",
    )
    origin.settle(made)
    return made, {
        key: Segment(made, number, tracked[key], _drawn_on(mask, slices))
        for number, (key, mask) in enumerate(masks.items(), start=1)
    }


def _drawn_on(mask: Mask, slices: tuple[Any, ...]) -> tuple[Dataset, ...]:
    """References to the slices a mask has voxels on."""
    return tuple(slices[index].reference for index in np.flatnonzero(mask.array.any(axis=(1, 2))))


def _reference(made: Any) -> Dataset:
    """What a report needs of an object written beside it."""
    keywords = ("StudyInstanceUID", "SeriesInstanceUID", "SOPClassUID", "SOPInstanceUID")
    return item(**{keyword: getattr(made, keyword) for keyword in keywords})


def _home(origins: Mapping[Role, Origin]) -> Origin:
    """The latest visit, for the report is on that."""
    visits = list(Timepoint)
    return origins[max(origins, key=lambda role: visits.index(role[0]))]
