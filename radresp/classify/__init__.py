"""Classifiers: from a feature table to a calibrated probability of complete response.

``cross_validate`` measures honestly, ``fit`` learns the final model, ``predict`` scores, ``dump``
and ``restore`` turn a model into bytes and back. A new classifier is one file with its settings,
its grid and its estimator, and one line in ``METHODS``; everything else is shared.

Settings and ``METHODS`` are at hand at once; whatever needs scikit-learn loads on first use, so
that reading a plan does not wait for it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from radresp.classify import (
    auto,
    elastic_net,
    extra_trees,
    gradient_boosting,
    linear_svm,
    mrmr,
    random_forest,
    rbf_svm,
)
from radresp.classify.auto import Auto
from radresp.classify.elastic_net import ElasticNet
from radresp.classify.extra_trees import ExtraTrees
from radresp.classify.gradient_boosting import GradientBoosting
from radresp.classify.linear_svm import LinearSvm
from radresp.classify.method import Method
from radresp.classify.mrmr import Mrmr
from radresp.classify.random_forest import RandomForest
from radresp.classify.rbf_svm import RbfSvm
from radresp.classify.settings import ClassifierSettings

if TYPE_CHECKING:
    from radresp.classify.calibration import Platt, fit_platt
    from radresp.classify.cross_validation import OutOfFold
    from radresp.classify.fold_scores import FoldScores, judge_scores
    from radresp.classify.fusion import Fused, fuse_models, fuse_out_of_fold
    from radresp.classify.leak_guard import Canary
    from radresp.classify.learning import (
        cross_validate,
        draw_folds,
        fit,
        leave_one_site_out,
        permute,
        restore,
    )
    from radresp.classify.model import Model
    from radresp.classify.prediction import Contribution, Prediction
    from radresp.classify.scoring import predict
    from radresp.classify.store import dump
    from radresp.classify.table import RESIDUAL, VOCABULARIES

METHODS: dict[str, Method] = {
    "auto": Method(Auto, auto.grid, auto.build, "ranks"),
    "elastic_net": Method(ElasticNet, elastic_net.grid, elastic_net.build),
    "extra_trees": Method(ExtraTrees, extra_trees.grid, extra_trees.build),
    "gradient_boosting": Method(GradientBoosting, gradient_boosting.grid, gradient_boosting.build),
    "linear_svm": Method(LinearSvm, linear_svm.grid, linear_svm.build),
    "mrmr": Method(Mrmr, mrmr.grid, mrmr.build, "mrmr"),
    "random_forest": Method(RandomForest, random_forest.grid, random_forest.build),
    "rbf_svm": Method(RbfSvm, rbf_svm.grid, rbf_svm.build),
}

_LATER = {
    "RESIDUAL": "table",
    "VOCABULARIES": "table",
    "Canary": "leak_guard",
    "Contribution": "prediction",
    "FoldScores": "fold_scores",
    "Fused": "fusion",
    "Model": "model",
    "OutOfFold": "cross_validation",
    "Platt": "calibration",
    "Prediction": "prediction",
    "cross_validate": "learning",
    "dump": "store",
    "draw_folds": "learning",
    "fit": "learning",
    "fit_platt": "calibration",
    "fuse_models": "fusion",
    "fuse_out_of_fold": "fusion",
    "judge_scores": "fold_scores",
    "leave_one_site_out": "learning",
    "permute": "learning",
    "predict": "scoring",
    "restore": "learning",
}

__all__ = [
    "METHODS",
    "RESIDUAL",
    "VOCABULARIES",
    "Auto",
    "Canary",
    "ClassifierSettings",
    "Contribution",
    "ElasticNet",
    "ExtraTrees",
    "FoldScores",
    "Fused",
    "GradientBoosting",
    "LinearSvm",
    "Method",
    "Model",
    "Mrmr",
    "OutOfFold",
    "Platt",
    "Prediction",
    "RandomForest",
    "RbfSvm",
    "cross_validate",
    "draw_folds",
    "dump",
    "fit",
    "fit_platt",
    "fuse_models",
    "fuse_out_of_fold",
    "judge_scores",
    "leave_one_site_out",
    "permute",
    "predict",
    "restore",
]


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
