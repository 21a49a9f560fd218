"""One case's row of features to the model's answer; what is no probability refuses the case.

Source: fault catalogue 2.9 (P10). When to use: from :func:`radresp.pipeline.score.score_case`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from radresp import classify
from radresp.core import CaseFiles, FeatureRow
from radresp.errors import InputError, ModelError
from radresp.pipeline.covariates import covariates


def predict_case(
    files: CaseFiles,
    row: FeatureRow,
    model: classify.Model | classify.Fused,
    network: float | None = None,
) -> classify.Prediction:
    """The model's answer, with the clinical row where the model uses it.

    Parameters
    ----------
    files : CaseFiles
        The case; its clinical values and site are used.
    row : FeatureRow
        Its features.
    model : classify.Model or classify.Fused
        The model.
    network : float, optional
        What the network says of the case: log-odds of residual tumour.

    Raises
    ------
    InputError
        ``SCORE_INVALID`` when the model's numbers give no probability for this case.
    ModelError
        ``FEATURE_SCHEMA``.
    """
    clinical = None
    if isinstance(model, classify.Fused) and "clinical" in model.models:
        wanted = model.models["clinical"].columns
        clinical = covariates({files.case_id: files.clinical}, wanted)
    sites = pd.Series([files.clinical.get("site", "")], index=[files.case_id])
    scores = {} if network is None else {"cnn": pd.Series([network], index=[files.case_id])}
    features = pd.DataFrame([dict(row.values)], index=[row.case_id])
    try:
        # A sum that overflows is no probability, which is said once and by name.
        with np.errstate(over="ignore", invalid="ignore"):
            return classify.predict(model, features, clinical=clinical, scores=scores, sites=sites)[
                0
            ]
    except ModelError as error:
        if error.code != "SCORE_INVALID":
            raise
        raise InputError(
            "SCORE_INVALID",
            error.found,
            expected="probabilities between 0 and 1",
            action="look at the case's features for values far from those of the training cases",
            case=files.case_id,
        ) from error
