"""Pure statistics on outcomes and probabilities: discrimination, calibration, utility, intervals.

Nothing here knows where a probability came from. ``y`` is 1 where the event happened; for radresp
the event is a complete response and ``p`` its probability. A figure that does not exist (one class
only, no cases) is NaN from a function and ``None`` with a reason from :func:`describe`; it is never
an exception.
"""

from radresp.evaluate.agreement import Agreement, agreement
from radresp.evaluate.auc import (
    AucComparison,
    auc,
    auc_bootstrap,
    auc_interval,
    average_precision,
    compare_auc,
    delong,
    roc_points,
)
from radresp.evaluate.calibration import (
    CalibrationBin,
    brier,
    calibration_bins,
    calibration_in_the_large,
    calibration_line,
    ece,
    log_loss,
    observed_expected,
    scaled_brier,
)
from radresp.evaluate.calibration_curve import CalibrationCurve, CurvePoint, calibration_curve
from radresp.evaluate.decisions import Released, decision_rates, released_at_missed
from radresp.evaluate.fractions import describe_fraction
from radresp.evaluate.intervals import bootstrap_interval, bootstrap_values, wilson_interval
from radresp.evaluate.multiclass import describe_classes, multiclass_log_loss
from radresp.evaluate.nar import nar_score
from radresp.evaluate.paired import compare
from radresp.evaluate.roc_band import roc_band
from radresp.evaluate.sample_size import SampleSize, cox_snell_of_auc, riley
from radresp.evaluate.selection import selection_frequency
from radresp.evaluate.selective import risk_coverage
from radresp.evaluate.subgroups import describe_groups
from radresp.evaluate.summary import Describe, describe
from radresp.evaluate.utility import (
    DecisionPoint,
    Proportion,
    ThresholdResult,
    at_threshold,
    decision_curve,
    net_benefit,
    sensitivity_at_specificity,
    specificity_at_sensitivity,
    treat_all,
)
from radresp.evaluate.variation import fold_variation

__all__ = [
    "Agreement",
    "AucComparison",
    "CalibrationBin",
    "CalibrationCurve",
    "CurvePoint",
    "DecisionPoint",
    "Describe",
    "Proportion",
    "Released",
    "SampleSize",
    "ThresholdResult",
    "agreement",
    "at_threshold",
    "auc",
    "auc_bootstrap",
    "auc_interval",
    "average_precision",
    "bootstrap_interval",
    "bootstrap_values",
    "brier",
    "calibration_bins",
    "calibration_curve",
    "calibration_in_the_large",
    "calibration_line",
    "compare",
    "compare_auc",
    "cox_snell_of_auc",
    "decision_curve",
    "decision_rates",
    "delong",
    "describe",
    "describe_classes",
    "describe_fraction",
    "describe_groups",
    "ece",
    "fold_variation",
    "log_loss",
    "multiclass_log_loss",
    "nar_score",
    "net_benefit",
    "observed_expected",
    "released_at_missed",
    "riley",
    "risk_coverage",
    "roc_band",
    "roc_points",
    "scaled_brier",
    "selection_frequency",
    "sensitivity_at_specificity",
    "specificity_at_sensitivity",
    "treat_all",
    "wilson_interval",
]
