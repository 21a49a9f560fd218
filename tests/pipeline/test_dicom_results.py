"""From a score to DICOM: which images count as sources, and that the numbers stay the same."""

from __future__ import annotations

import math
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from builders import make_mask
from builders_dicom_results import make_change, write_visits

from radresp import io, pipeline
from radresp.classify import Prediction
from radresp.core import (
    CaseFiles,
    Decision,
    FeatureRow,
    Prepared,
    Region,
    RegionKey,
    Roi,
    Score,
    Sequence,
    Timepoint,
    Unit,
    Volume,
)
from radresp.errors import InputError
from radresp.features.response import Response, names
from radresp.features.units import unit_of_measure
from radresp.io import dicom_codes
from radresp.pipeline.score import Scored

PRE, POST = Timepoint
PLAN = pipeline.parse_plan({})


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> CaseFiles:
    root = tmp_path_factory.mktemp("case")
    folders = write_visits(root)
    images = {
        (visit, Sequence.DWI if sequence is Sequence.ADC else sequence): folder
        for (visit, sequence), folder in folders.items()
    }
    return CaseFiles("case-7", "case-7", root, images)


def make_scored(sources: dict) -> Scored:
    """A score on regions of the images, with a measure that is missing and one without a code."""
    regions = {}
    for key in PLAN.regions:
        grid = sources[key[:2]].grid
        unit = Unit.UM2_PER_S if key.sequence is Sequence.ADC else Unit.ARBITRARY
        values = np.arange(np.prod(grid.size), dtype=np.float32).reshape(grid.size[::-1])
        volume = Volume.from_array(values, grid, key.sequence, unit)
        regions[key] = Region(key, volume, make_mask(grid, key.roi))
    change = make_change(sources[POST, Sequence.ADC].grid)
    prepared = Prepared("case-7", regions, {}, {}, maps={"adc": change})
    values = {
        "post.t2.bed.original.firstorder_Mean": 3.0,
        "response.bed_ml": 2.125,
        "response.adc_ratio": math.nan,
        "response.new_measure": 1.0,
    }
    row = FeatureRow("case-7", values, {"response.adc_ratio": "no ADC before treatment"})
    classes = {"fibrosis": 0.25, "inflammation": 0.5, "residual": 0.25}
    score = Score(
        "case-7", "pCR", Decision.COMPLETE_RESPONSE, classes, (0.5, 0.875), ("sure",), "radresp-1"
    )
    prediction = Prediction("case-7", classes, (0.5, 0.875), (), (), p_pseudo_residual=0.625)
    return Scored(score, prepared, row, prediction, "nCR")


def numbers(path: Path) -> dict[tuple[str, ...], float]:
    """Values by tracking identifier, code and derivation."""
    found = {}
    report = pydicom.dcmread(path)
    (groups,) = (c for c in report.ContentSequence if c.ValueType == "CONTAINER")
    for group in groups.ContentSequence:
        (told, *_) = (c.TextValue for c in group.ContentSequence if c.ValueType == "TEXT")
        for item in group.ContentSequence:
            if item.ValueType != "NUM" or item.RelationshipType != "CONTAINS":
                continue
            derived = [d.ConceptCodeSequence[0].CodeValue for d in item.get("ContentSequence", [])]
            key = (told, item.ConceptNameCodeSequence[0].CodeValue, *derived)
            found[key] = float(item.MeasuredValueSequence[0].NumericValue)
    return found


def test_a_diffusion_series_counts_as_the_adc_fitted_from_it(files):
    found = pipeline.find_sources(files, PLAN, keep_identity=False)
    assert list(found) == [
        (visit, sequence) for visit in Timepoint for sequence in (Sequence.T2, Sequence.ADC)
    ]
    assert all(sources.identity == {} for sources in found.values())
    kept = pipeline.find_sources(files, PLAN, keep_identity=True)
    assert kept[POST, Sequence.T2].identity["PatientID"] == "phantom-0007"


def test_the_report_holds_the_scores_numbers_and_no_others(files, tmp_path):
    sources = pipeline.find_sources(files, PLAN, keep_identity=False)
    scored = make_scored(sources)
    paths = pipeline.save_dicom(scored, sources, tmp_path / "dicom")
    assert {path.name for path in paths} == {
        "seg.pre.t2.dcm", "seg.pre.adc.dcm", "seg.post.t2.dcm", "seg.post.adc.dcm",
        "map.post.adc.dcm", "report.dcm",
    }  # fmt: skip
    found = numbers(tmp_path / "dicom/report.dcm")
    expected = {
        ("response", "p_ccr"): 0.75,
        ("response", "p_ccr_low"): 0.5,
        ("response", "p_ccr_high"): 0.875,
        ("response", "p_fibrosis"): 0.25,
        ("response", "p_inflammation"): 0.5,
        ("response", "p_residual"): 0.25,
        ("response", "p_pseudo"): 0.625,
        ("response", "bed_vol"): 2.125,
    }
    for key, region in scored.prepared.regions.items():
        expected[str(key), "YEKZ"] = region.mask.volume_ml
        if key.sequence is Sequence.ADC:
            inside = region.volume.values_in(region.mask).astype(float)
            for code, value in (
                ("373098007", inside.mean()),
                ("373099004", np.median(inside)),
                ("386136009", inside.std()),
                ("255605001", inside.min()),
                ("56851009", inside.max()),
            ):
                expected[str(key), "113041", code] = value
    assert found.keys() == expected.keys()
    assert found == pytest.approx(expected, rel=1e-6)


def test_every_response_measure_has_a_code_in_its_own_unit():
    for name in names(Response()):
        found = dicom_codes.measure(name)
        assert found is not None, name
        if name != "log_bed_ml":  # a logarithm, whatever its name ends in
            assert found.unit == dicom_codes.unit(unit_of_measure(name)), name


def test_images_that_are_not_dicom_are_refused_before_any_work(files, tmp_path):
    nifti = tmp_path / "t2.nii.gz"
    nib.save(nib.Nifti1Image(np.ones((9, 9, 9), np.float32), np.eye(4)), nifti)
    mixed = CaseFiles("a", "a", tmp_path, {**files.images, (POST, Sequence.T2): nifti})
    none = CaseFiles("a", "a", tmp_path, {})
    for case, said in ((mixed, "post t2"), (none, "no image")):
        with pytest.raises(InputError, match=said) as caught:
            pipeline.find_sources(case, PLAN, keep_identity=False)
        assert caught.value.code == "DICOM_SOURCE"
        assert "--dicom" in caught.value.action


def test_a_region_without_a_source_is_left_out(files, tmp_path):
    """An outline on an image the plan does not name has no series to refer to."""
    sources = pipeline.find_sources(files, PLAN, keep_identity=False)
    scored = make_scored(sources)
    only = {role: found for role, found in sources.items() if role[0] is POST}
    pipeline.save_dicom(scored, only, tmp_path / "dicom")
    told = {key[0] for key in numbers(tmp_path / "dicom/report.dcm")}
    assert told == {"response", "post.t2.bed", "post.adc.bed"}
    assert RegionKey(PRE, Sequence.T2, Roi.TUMOUR) in scored.prepared.regions
    assert io.is_dicom(tmp_path / "dicom/report.dcm")
