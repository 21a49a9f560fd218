"""Facts of a model and a plan, for tests of what a page says beyond an evaluation."""

from __future__ import annotations

from typing import Any

FACTS: dict[str, Any] = {
    "method": "elastic_net",
    "hyperparameters": {"outer_folds": 5, "repeats": 3, "inner_folds": 4, "tune_by": "log_loss"},
    "stability_filter": True,
    "harmonised": True,
    "plan_sha256": "c3" * 32,
    "versions": {"radresp": "9.8.7", "python": "3.11.7", "SimpleITK": "2.5.7"},
}
PLAN: dict[str, Any] = {
    "regions": ["pre.t2.tumour", "post.adc.bed"],
    "adc": {"method": "linear", "b_min_s_per_mm2": 100},
    "bias_field": {"levels": 3},
    "t2": {"method": "nyul"},
    "registration": {"method": "bspline_lncc"},
    "registration_dwi": {"method": "epi_mi"},
    "features": {
        "t2": {"families": {"original": {"bin_count": 24, "bin_width": {}}}, "changes": {"d": {}}},
        "adc": {"families": {"original": {"bin_width": {"adc": 50.0}}}, "changes": {}},
        "measures": {"response": {}},
    },
}
