"""What a score rests on and says, as DICOM beside the images: outlines, change of ADC, report."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from radresp import io
from radresp.core import CaseFiles, Prepared, Region, RegionKey, Roi, Sequence, Timepoint
from radresp.errors import locating
from radresp.pipeline.plan import Plan
from radresp.pipeline.read import needed_sequences, needed_visits
from radresp.pipeline.score import Scored

Role = tuple[Timepoint, Sequence]
_REPORTED = (Roi.TUMOUR, Roi.BED, Roi.RESIDUAL)
_MEASURES = "response."


def find_sources(files: CaseFiles, plan: Plan, *, keep_identity: bool) -> dict[Role, io.Sources]:
    """The DICOM images results can refer to; called before any work.

    Parameters
    ----------
    files : CaseFiles
        Addresses.
    plan : Plan
        Its regions say which images are used.
    keep_identity : bool
        Whether results are to say whose they are.

    Returns
    -------
    dict of (Timepoint, Sequence) to Sources
        Each series once: a diffusion series an ADC map is fitted from counts as the ADC.

    Raises
    ------
    InputError
        ``DICOM_SOURCE`` when an image is not DICOM, or there is none; otherwise what reading a
        series raises.
    """
    found: dict[Role, io.Sources] = {}
    with locating(files.case_id, files.root):
        for (path, choice), role in _series(files, plan).items():
            if not io.is_dicom(path):
                raise io.unusable_source(f"the {role[0]} {role[1]} image is not DICOM", path)
            found[role] = io.read_sources(path, choice, identity=keep_identity)
        if not found:
            raise io.unusable_source("no image is named")
    return found


def save_dicom(scored: Scored, sources: Mapping[Role, io.Sources], folder: Path) -> list[Path]:
    """Write segmentations, the map of the change of ADC and a structured report.

    Parameters
    ----------
    scored : Scored
        The answer.
    sources : mapping
        From :func:`find_sources`.
    folder : Path
        Gets them, and holds nothing else.

    Returns
    -------
    list of Path
        The files.
    """
    prepared = scored.prepared
    regions = {key: r for key, r in _regions(prepared).items() if key[:2] in sources}
    measured = {key: r for key, r in regions.items() if key.roi in _REPORTED}
    on_adc = (Timepoint.POST, Sequence.ADC) in sources
    score = scored.score
    findings = io.Findings(
        model_id=score.model_id,
        decision=score.decision,
        endpoint=score.endpoint,
        reasons=score.reasons,
        case=(*_probabilities(scored), *_measures(scored)),
        regions={key: tuple(_of_region(region)) for key, region in measured.items()},
    )
    results = io.Results(
        score.case_id,
        sources,
        {key: region.mask for key, region in regions.items()},
        prepared.maps.get("adc") if on_adc else None,
        findings,
    )
    return io.save_dicom_results(results, folder)


def _series(files: CaseFiles, plan: Plan) -> dict[tuple[Path, str | None], Role]:
    """Which series the images the plan needs come from."""
    found: dict[tuple[Path, str | None], Role] = {}
    for visit in needed_visits(plan):
        needed = needed_sequences(plan, visit)
        # ADC before DWI: where it is fitted, both are one series.
        for sequence in (s for s in (Sequence.T2, Sequence.ADC, Sequence.DWI) if s in needed):
            role = (visit, sequence)
            named = (visit, Sequence.DWI) if role not in files.images else role
            if sequence is Sequence.T2:
                named = role
            if named in files.images:
                found.setdefault((files.images[named], files.series.get(named)), role)
    return found


def _regions(prepared: Prepared) -> dict[RegionKey, Region]:
    """Outlines on images, those of whole-case measures too, earliest visit first."""
    every = {**prepared.scene.regions, **prepared.regions}
    visits, sequences, names = list(Timepoint), list(Sequence), list(Roi)
    order = sorted(
        every, key=lambda k: (visits.index(k[0]), sequences.index(k[1]), names.index(k[2]))
    )
    return {key: every[key] for key in order}


def _probabilities(scored: Scored) -> Iterator[io.Number]:
    score = scored.score
    if score.p_ccr is None or score.interval is None:
        return
    said = dict(zip(("p_ccr_low", "p_ccr_high"), score.interval, strict=True))
    said = {"p_ccr": score.p_ccr, **said}
    said |= {f"p_{name}": p for name, p in score.classes.items()}
    if scored.p_pseudo_residual is not None:
        said["p_pseudo"] = scored.p_pseudo_residual
    for name, value in said.items():
        if (quantity := io.dicom_codes.probability(name)) is not None:
            yield io.Number(quantity, value)


def _measures(scored: Scored) -> Iterator[io.Number]:
    """Measures that are there and have a code, in the order of the table of features."""
    for column, value in scored.row.values.items():
        quantity = io.dicom_codes.measure(column.removeprefix(_MEASURES))
        if column.startswith(_MEASURES) and quantity is not None and math.isfinite(value):
            yield io.Number(quantity, value)


def _of_region(region: Region) -> Iterator[io.Number]:
    yield io.Number(io.dicom_codes.volume(), region.mask.volume_ml)
    if region.key.sequence is not Sequence.ADC:
        return
    inside = region.volume.values_in(region.mask).astype(np.float64)
    inside = inside[np.isfinite(inside)]
    if not len(inside):
        return
    found = {
        "mean": inside.mean(),
        "median": np.median(inside),
        "sd": inside.std(),
        "minimum": inside.min(),
        "maximum": inside.max(),
    }
    for statistic, value in found.items():
        yield io.Number(io.dicom_codes.adc(statistic), float(value))
