"""A whole evaluation: real figures of made-up cases, and every other part by hand."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
import pytest
from builders_report import FACTS, PLAN

from radresp import evaluate, report
from radresp.notice import INTENDED_USE


def interval(value: float | None, low: float | None = None, high: float | None = None) -> dict:
    return {"value": value, "low": low, "high": high, "reason": "" if value else "too few events"}


def group(value: str, n: int, auc: dict[str, Any]) -> dict[str, Any]:
    return {
        "value": value,
        "n": n,
        "patients": n - 1,
        "events": n // 3,
        "prevalence": 0.3217,
        "mean_p": 0.3163,
        "observed_expected": interval(1.0174, 0.7112, 1.4019),
        "brier": interval(0.1813, 0.1402, 0.2291),
        "auc": auc,
    }


def share(part: int, whole: int) -> dict[str, Any]:
    return {"value": part / whole, "low": 0.0123, "high": 0.9871, "part": part, "whole": whole}


def reading(call: str, truth: str, n: int) -> dict[str, Any]:
    said = {"complete_response": 0.2, "residual": 0.3, "indeterminate": 0.4, "abstain": 0.1}
    return {
        "call": call,
        "truth": truth,
        "what": "pseudo_residual",
        "n": n,
        "words": {word: part * n for word, part in said.items()},
    }


def points(n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    y = (rng.random(n) < 0.4).astype(int)
    return y, 1 / (1 + np.exp(-(rng.normal(size=n) + y - 0.7)))


def curve(y: np.ndarray, p: np.ndarray) -> list[dict[str, float]]:
    order = np.argsort(-p)
    sides = (np.cumsum(side[order]) / side.sum() for side in (1 - y, y))
    names = ("false_positive_rate", "true_positive_rate")
    return [dict(zip(names, map(float, pair), strict=True)) for pair in zip(*sides, strict=True)]


@pytest.fixture(scope="session")
def _whole() -> dict[str, Any]:
    y, p = points()
    figures = evaluate.describe(y, p, seed=1, repeats=40)
    figures["specificity_at_sensitivity"] = share(20, 36) | {"sensitivity": 0.9}
    figures["calibration_curve"] = {
        "points": [
            {"predicted": x, "observed": x**0.9, "low": 0.8 * x, "high": min(1.2 * x, 1.0)}
            for x in (0.1, 0.4, 0.7)
        ],
        "ici": 0.0431,
        "e50": 0.0387,
        "e90": 0.0813,
        "reason": "",
    }
    return {
        "intended_use": INTENDED_USE,
        "endpoint": "pCR",
        "cases": 60,
        "patients": 58,
        "class_counts": {"complete": int(y.sum()), "residual": int((1 - y).sum())},
        "complete_response": figures,
        "roc": curve(y, p),
        "roc_band": evaluate.roc_band(y, p, seed=1, repeats=60),
        "flow": {
            "steps": [
                {
                    "name": "cases named in the tables",
                    "n": 67,
                    "left_out": [
                        {"reason": "refused: MASK_TOO_SMALL", "n": 2},
                        {"reason": "refused: DCM_CORRUPT", "n": 1},
                    ],
                },
                {"name": "cases with features", "n": 64, "left_out": [{"reason": "none", "n": 4}]},
                {"name": "cases analysed", "n": 60, "patients": 58, "left_out": []},
            ],
            "refused": [
                {"case": "p66", "code": "DCM_CORRUPT", "found": "no pixels", "action": "send again"}
            ],
        },
        "reader": {
            "rows": [
                reading("cCR", "complete response", 11),
                reading("nCR", "complete response", 13),
                reading("nCR", "residual tumour", 29),
            ],
            "pseudo_residual_released": share(5, 13) | {"reason": ""},
            "missed_residual_caught": {
                "value": None,
                "part": 0,
                "whole": 0,
                "reason": "no such case",
            },
            "residual_released": share(2, 29) | {"reason": ""},
        },
        "pseudo_residual": {
            "condition": "read as nCR or iCR",
            "read": 42,
            "pseudo_residual": 13,
            "figures": {"auc": interval(0.6713, 0.5214, 0.8012)},
        },
        "feature_selection": evaluate.selection_frequency(
            [["post.a", "post.b"], ["post.a", "delta.c"], ["post.a", "post.b"]], 412, ["post.a"]
        ),
        "fold_variation": {
            "repeats": {"mean": 0.7411, "sd": 0.0213, "min": 0.7123, "max": 0.7684},
            "folds": {"mean": 0.7393, "sd": 0.1124, "without_both_classes": 2},
        },
        "leave_one_site_out": {
            "complete_response": {"n": 60, "auc": interval(0.6942, 0.5611, 0.8043)},
            "sites": [group("north", 33, interval(0.7216, 0.5314, 0.8617))],
        },
        "subgroups": {
            "regimen": [
                group("TNT", 31, interval(0.7813, 0.6021, 0.9126)),
                group("LCRT + PD-1", 8, interval(None)),
            ],
            "scanner": [group("3 T", 52, interval(0.7425, 0.6019, 0.8533))],
        },
        "decisions": {
            "missed_residual_level": 0.1,
            "missed_complete_level": 0.2,
            "rates": {
                "missed_residual": share(4, 36),
                "released": share(9, 24),
                "indeterminate": share(33, 60),
                "abstained": share(3, 60),
            },
            "risk_coverage": {
                "points": [{"coverage": c, "n": int(60 * c), "risk": c / 4} for c in (0.2, 0.6, 1)],
                "aurc": 0.1513,
                "random_risk": 0.2511,
            },
        },
        "baselines": {
            "volume only": {
                "n": 57,
                "auc": interval(0.6014, 0.4712, 0.7323),
                "brier": interval(0.2127, 0.1911, 0.2416),
                "difference": interval(0.1387, -0.0124, 0.2815),
                "reason": "",
            },
            "reader": {"n": 0, "auc": None, "brier": None, "difference": None, "reason": "no read"},
        },
        "fusion": {
            "imaging": {"auc": interval(0.7417, 0.6314, 0.8419)},
            "clinical": {"auc": interval(0.6112, 0.4815, 0.7318)},
            "fused": {"auc": interval(0.7551, 0.6413, 0.8514)},
            "differences": {"fused - imaging": {"auc": interval(0.0134, -0.0412, 0.0617)}},
        },
        "leak_guard": {
            "permutations": 3,
            "aucs": [0.4813, 0.5317, 0.5124],
            "bound": 0.6318,
            "passed": True,
            "control": {"auc": 0.5716, "difference": 0.1719},
        },
        "sample_size": {"candidate_parameters": 412, "patients_needed": 9041, "auc": 0.7419},
        "external_validation": "none",
        "looks": 3,
        "notes": [
            {"severity": "info", "code": "COLUMN_CONSTANT", "found": "a column is constant"},
            {"severity": "warning", "code": "TOO_FEW", "found": "few", "file": "outcomes.csv"},
        ],
    }


@pytest.fixture
def whole(_whole: dict[str, Any]) -> dict[str, Any]:
    """Every part there is."""
    return deepcopy(_whole)


@pytest.fixture(scope="session")
def files(_whole: dict[str, Any]) -> dict[str, bytes]:
    """The page of the whole evaluation with all that stands beside it: drawn once."""
    return report.evaluation_files(_whole, title="m", facts=FACTS, plan=PLAN)


@pytest.fixture
def least(whole: dict[str, Any]) -> dict[str, Any]:
    """The five parts that must be there."""
    must = ("intended_use", "endpoint", "cases", "patients", "class_counts")
    return {name: whole[name] for name in must}
