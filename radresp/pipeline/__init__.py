"""Floor 3: the steps in order. Names load on first use, so that asking for help costs nothing."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_ROOMS = {
    "Query": "regimens",
    "adapt_table": "regimens",
    "list_arms": "regimens",
    "shift_probability": "regimens",
    "show_rate": "regimens",
    "WORK_FOLDER": "index_run",
    "bins_plan": "bins",
    "check_cohort": "check",
    "check_table": "check",
    "compare_tables": "stability",
    "demo_plan": "demo",
    "describe_methods": "methods",
    "describe_series": "single",
    "extract_case": "extract",
    "extract_cohort": "cohort",
    "feature_names": "extract",
    "image_features": "single",
    "read_pyradiomics": "single",
    "with_family": "single",
    "index_folder": "index",
    "HeldOut": "held_out",
    "evaluate_model": "held_out",
    "ScoringModel": "score",
    "doubts_of": "external",
    "save_judged": "external",
    "join_outcomes": "learning_table",
    "input_paths": "records",
    "load_case": "read",
    "load_clinical": "tables",
    "load_cnn_plan": "tables",
    "load_outcomes": "tables",
    "load_plan": "tables",
    "explain_score": "explained",
    "find_sources": "dicom_results",
    "export_network": "export",
    "save_dicom": "dicom_results",
    "save_explained": "explained",
    "is_first_process": "network_training",
    "train_cnn": "network_training",
    "load_rules": "index_rules",
    "make_phantom_cohort": "synthetic",
    "phantom_settings": "synthetic",
    "map_image": "single",
    "measure_stability": "stability",
    "open_case": "tables",
    "open_cases": "tables",
    "open_model": "score",
    "parse_plan": "plan",
    "parse_region": "plan",
    "prepare_case": "prepare",
    "prepare_cohort": "cohort",
    "quality_record": "single",
    "rebuild_pages": "rebuild",
    "register_files": "single",
    "registration_choice": "single",
    "run_demo": "demo",
    "run_index": "index_run",
    "save_findings": "findings",
    "save_model": "train",
    "save_prepared": "page",
    "save_registered": "single",
    "save_residual_map": "network_map",
    "save_score": "score_page",
    "score_case": "score",
    "score_loaded": "score",
    "score_record": "score_page",
    "suggest_bins": "bins",
    "summarise_stability": "stability",
    "train_model": "train",
    "training_table": "tables",
}

__all__ = sorted(_ROOMS)


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)
