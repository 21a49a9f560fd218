"""Room: everything that touches disk.

Readers return nouns and refuse what is not whole; all writing goes through one atomic writer.
"""

from radresp.io.atomic import check_writable, lock, sweep, write_bytes, write_json, write_text
from radresp.io.case_folder import find_case
from radresp.io.clinical_columns import MISSING
from radresp.io.cohort import Cohort, load_cohort
from radresp.io.dicom_guard import describe_folder, read_visit_facts
from radresp.io.dicom_nouns import SeriesSummary, VisitFacts
from radresp.io.images import RawImage, load_adc_image, load_images, load_volumes
from radresp.io.json_file import read_json
from radresp.io.masks_in import empty_mask, load_mask, split_choice
from radresp.io.model_folder import ModelFolder, load_model, save_model
from radresp.io.outcomes import Outcomes, load_outcomes
from radresp.io.plan_file import dump_mapping, load_mapping, parse_mapping
from radresp.io.record import RunRecord, sha256_of, versions
from radresp.io.status import StatusLog
from radresp.io.tables import load_features, save_features
from radresp.io.text_table import write_table
from radresp.io.volumes_out import save_dwi, save_mask, save_transform, save_volume

__all__ = [
    "MISSING",
    "Cohort",
    "ModelFolder",
    "Outcomes",
    "RawImage",
    "RunRecord",
    "SeriesSummary",
    "StatusLog",
    "VisitFacts",
    "check_writable",
    "describe_folder",
    "dump_mapping",
    "empty_mask",
    "find_case",
    "load_adc_image",
    "load_cohort",
    "load_features",
    "load_images",
    "load_mapping",
    "load_mask",
    "load_model",
    "load_outcomes",
    "load_volumes",
    "lock",
    "parse_mapping",
    "read_json",
    "read_visit_facts",
    "save_dwi",
    "save_features",
    "save_mask",
    "save_model",
    "save_transform",
    "save_volume",
    "sha256_of",
    "split_choice",
    "sweep",
    "versions",
    "write_bytes",
    "write_json",
    "write_table",
    "write_text",
]
