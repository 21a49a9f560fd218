"""Room: everything that touches disk.

Readers return nouns and refuse what is not whole; all writing goes through one atomic writer.
"""

from radresp.io import dicom_codes
from radresp.io.arrays import load_arrays, save_arrays
from radresp.io.atomic import (
    check_writable,
    lock,
    lock_holder,
    scratch,
    sweep,
    write_bytes,
    write_json,
    write_text,
)
from radresp.io.bids import SESSIONS
from radresp.io.case_folder import find_case
from radresp.io.clinical_columns import CLINICAL, MISSING
from radresp.io.clinical_table import ClinicalTable, load_clinical, reference_of
from radresp.io.cohort import Cohort, load_cohort, read_cohort
from radresp.io.cohort_row import CellError
from radresp.io.dicom_guard import describe_folder, is_dicom, read_sources, read_visit_facts
from radresp.io.dicom_nouns import IDENTITY, SeriesSummary, Sources, VisitFacts, unusable_source
from radresp.io.dicom_out import save_dicom_series
from radresp.io.dicom_out_study import DicomSeries, DicomStudy
from radresp.io.dicom_report import Findings, Number
from radresp.io.dicom_results import Results, save_dicom_results
from radresp.io.identifiers import privacy_notes
from radresp.io.images import RawImage, load_adc_image, load_images, load_volumes
from radresp.io.input_file import is_there
from radresp.io.json_file import read_embedded, read_json
from radresp.io.masks_in import empty_mask, load_mask, split_choice
from radresp.io.model_folder import ModelFolder, count_look, load_model, save_model
from radresp.io.outcomes import UNSPECIFIED, Outcomes, load_outcomes
from radresp.io.plan_file import dump_mapping, load_mapping, parse_mapping
from radresp.io.pseudonym import case_name, hidden_shift, keyed_hash, load_key
from radresp.io.record import RunRecord, sha256_of, versions
from radresp.io.references import contradicts, contradicts_fraction
from radresp.io.rtstruct_out import save_rtstruct
from radresp.io.seg_out import save_dicom_seg
from radresp.io.status import StatusLog
from radresp.io.survey import FoundSeries, Survey, find_series
from radresp.io.tables import load_features, save_features
from radresp.io.text_table import load_text_table, table_text, write_table
from radresp.io.treatment import TreatmentDates, load_treatment
from radresp.io.volumes_out import (
    load_transform,
    save_dwi,
    save_map,
    save_mask,
    save_transform,
    save_volume,
    transform_suffix,
)

__all__ = [
    "CLINICAL",
    "IDENTITY",
    "MISSING",
    "SESSIONS",
    "UNSPECIFIED",
    "CellError",
    "ClinicalTable",
    "Cohort",
    "DicomSeries",
    "DicomStudy",
    "Findings",
    "FoundSeries",
    "ModelFolder",
    "Number",
    "Outcomes",
    "RawImage",
    "Results",
    "RunRecord",
    "SeriesSummary",
    "Sources",
    "StatusLog",
    "Survey",
    "TreatmentDates",
    "VisitFacts",
    "case_name",
    "check_writable",
    "contradicts",
    "contradicts_fraction",
    "count_look",
    "describe_folder",
    "dicom_codes",
    "dump_mapping",
    "empty_mask",
    "find_case",
    "find_series",
    "hidden_shift",
    "is_dicom",
    "is_there",
    "keyed_hash",
    "load_adc_image",
    "load_arrays",
    "load_clinical",
    "load_cohort",
    "load_features",
    "load_images",
    "load_key",
    "load_mapping",
    "load_mask",
    "load_model",
    "load_outcomes",
    "load_text_table",
    "load_transform",
    "load_treatment",
    "load_volumes",
    "lock",
    "lock_holder",
    "parse_mapping",
    "privacy_notes",
    "read_cohort",
    "read_embedded",
    "read_json",
    "read_sources",
    "read_visit_facts",
    "reference_of",
    "save_arrays",
    "save_dicom_results",
    "save_dicom_seg",
    "save_dicom_series",
    "save_dwi",
    "save_features",
    "save_map",
    "save_mask",
    "save_model",
    "save_rtstruct",
    "save_transform",
    "save_volume",
    "scratch",
    "sha256_of",
    "split_choice",
    "sweep",
    "table_text",
    "transform_suffix",
    "unusable_source",
    "versions",
    "write_bytes",
    "write_json",
    "write_table",
    "write_text",
]
