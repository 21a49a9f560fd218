"""What a radiologist measures, before and after: rows for ``score.json`` and the case page.

Values are those of the measures ``response`` and ``habitat``, taken from the case's features where
the plan has them. Reference values are published ones or boundaries of the plan, each with its
source; none of them is a rule for deciding.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from radresp import features
from radresp.core import FeatureRow, Prepared, Settings, Timepoint
from radresp.pipeline.plan import Plan

Row = dict[str, Any]
Quantiles = Mapping[str, tuple[float, ...]]

TISSUES = {
    "scar": ("scar",),
    "intermediate": ("between",),
    "restricted": ("cellular",),
    "bright": ("oedema", "mucin"),
}
"""Kinds of tissue a page shows, and the habitats each holds."""


class Line(NamedTuple):
    """One row: its name and unit, and the columns its figures come from.

    ``before`` is a column, or a figure that `_before` works out from two.
    """

    name: str
    unit: str
    after: str
    before: str = ""
    change: str = ""
    change_unit: str = ""
    reference: str = ""


LINES = (
    Line(
        "Volume of tumour, then of the treated bed",
        "mL",
        "response.bed_ml",
        "tumour_ml",
        "response.volume_reduction",
        "reduction",
    ),
    Line(
        "Volume of visible residual",
        "mL",
        "response.residual_ml",
        "tumour_ml",
        "response.residual_volume_reduction",
        "reduction",
        "0 where nothing is visible",
    ),
    Line(
        "Restricted volume (bright at high b, low ADC)",
        "mL",
        "response.restricted_ml",
        "habitat.pre_cellular_ml",
        "response.restricted_reduction",
        "reduction",
        "restricted: ADC up to {restricted_adc_max:g}, published for 1.5 T (PMC2842173)",
    ),
    Line(
        "Median ADC",
        "10⁻⁶ mm²/s",
        "response.adc_p50",
        "adc_before",
        "response.adc_change_percent",
        "%",
        "complete 859 → 1440 (+68 %), not complete 899 → 1325 (+48 %) "
        "(PLOS ONE 0153944, n = 100); a change below {repeatability:.0f} % is within repeatability "
        "(Sun 2017)",
    ),
    Line(
        "10th percentile of ADC",
        "10⁻⁶ mm²/s",
        "response.adc_p10",
    ),
    Line(
        "T2 over muscle",
        "ratio",
        "response.t2_ratio_mean",
        "t2_before",
        "response.t2_ratio_change",
        "ratio",
        "scar up to {scar_max_ratio:g}, oedema or mucin above {bright_min_ratio:g} "
        "(set on the phantom: calibrate)",
    ),
    Line("Largest thickness of the wall", "mm", "response.wall_thickness_max_mm"),
    Line("Largest extent in a slice", "mm", "response.axial_extent_mm"),
    Line(
        "Share of the lumen's border along the bed",
        "share",
        "response.circumferential_fraction",
    ),
    Line(
        "Dark inner layer (split scar)",
        "share",
        "response.dark_layer_continuity",
        reference="towards 1: split scar sign; weak on the phantom, do not lean on it",
    ),
    Line(
        "Largest restricted piece to the lumen",
        "mm",
        "response.focus_to_border_mm",
        reference="residual tumour lies mostly at the inner border",
    ),
)


class Measured(NamedTuple):
    """Every measure of a case by column, and why a value is missing."""

    values: Mapping[str, float]
    absent: Mapping[str, str]


def measure(measured: Measured, plan: Plan, quantiles: Quantiles) -> list[Row]:
    """The rows of a case.

    Parameters
    ----------
    measured : Measured
        From :func:`every_measure`.
    plan : Plan
        How it was made.
    quantiles : mapping of str to tuple of float
        5, 25, 50, 75 and 95 % training quantiles of the columns the model looks at.

    Returns
    -------
    list of dict
        ``name``, ``unit``, ``before``, ``after``, ``change`` and ``change_unit``; ``reference`` in
        words; ``training``, the 5, 50 and 95 % quantiles of the value after, or None where the
        model does not look at it; ``absent``, why there is no value after.
    """
    words = _rules(plan)
    return [_row(line, measured, quantiles, words) for line in LINES]


def tissues(measured: Measured) -> dict[str, Row]:
    """How many mL of each kind of tissue there are, by visit; ``absent`` with the reason instead.

    Parameters
    ----------
    measured : Measured
        From :func:`every_measure`.
    """
    values, absent = measured
    found: dict[str, Row] = {}
    for visit in Timepoint:
        names = {kind: [f"habitat.{visit}_{h}_ml" for h in of] for kind, of in TISSUES.items()}
        missing = next((absent[n] for of in names.values() for n in of if n in absent), None)
        found[str(visit)] = (
            {kind: sum(values[name] for name in of) for kind, of in names.items()}
            if missing is None
            else {"absent": missing}
        )
    return found


def every_measure(prepared: Prepared, row: FeatureRow, plan: Plan) -> Measured:
    """Every measure of a case, those the plan does not ask for as well.

    Parameters
    ----------
    prepared : Prepared
        The case.
    row : FeatureRow
        Its features.
    plan : Plan
        How they were made.
    """
    values, absent = dict(row.values), dict(row.absent)
    for measure in ("response", "habitat"):
        if measure in plan.measures:
            continue
        family = features.MEASURES[measure]
        found = family.extract(prepared, _settings(measure, plan))
        values |= {f"{measure}.{name}": value for name, value in found.values.items()}
        absent |= {f"{measure}.{name}": why for name, why in found.absent.items()}
    volume = prepared.qc()["volume_ml"].get("pre.t2.tumour", math.nan)
    worked_out = {
        "tumour_ml": volume,
        "adc_before": _quotient(values["response.adc_p50"], values["response.adc_ratio"]),
        "t2_before": values["response.t2_ratio_mean"] - values["response.t2_ratio_change"],
    }
    return Measured(values | worked_out, absent)


def _settings(measure: str, plan: Plan) -> Settings:
    """Boundaries of a measure the plan does not ask for: those of the other one, if it is there."""
    made = features.MEASURES[measure].settings
    known = next((s.model_dump() for s in plan.measures.values()), {})
    return made.model_validate({k: v for k, v in known.items() if k in made.model_fields})


def _rules(plan: Plan) -> dict[str, float]:
    rules = plan.measures.get("response") or _settings("response", plan)
    said = rules.model_dump()
    return said | {"repeatability": 100 * said["adc_repeatability"]}


def _row(line: Line, measured: Measured, quantiles: Quantiles, words: Mapping[str, float]) -> Row:
    values, absent = measured
    known = quantiles.get(line.after)
    return {
        "name": line.name,
        "unit": line.unit,
        "before": _finite(values.get(line.before)),
        "after": _finite(values.get(line.after)),
        "change": _finite(values.get(line.change)),
        "change_unit": line.change_unit,
        "reference": line.reference.format(**words),
        "training": None if known is None else [known[0], known[2], known[4]],
        "absent": absent.get(line.after, ""),
    }


def _quotient(a: float, b: float) -> float:
    return a / b if b else math.nan


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value
