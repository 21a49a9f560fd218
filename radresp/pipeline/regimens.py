"""Questions about regimens: which arms there are, their rate, what a probability becomes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from radresp import io, regimen
from radresp.errors import PlanError
from radresp.regimen.knowledge import ENDPOINTS

PSEUDO_RESIDUAL = "pseudo_residual"


@dataclass(frozen=True, slots=True)
class Query:
    """Which arms are asked for; what is None does not matter. See ``radresp.regimen.select``."""

    endpoint: str | None = None
    radiotherapy: str | None = None
    immunotherapy: str | None = None
    sequence: str | None = None
    study: str | None = None
    inferred: bool = False

    def words(self) -> dict[str, Any]:
        """What ``radresp.regimen.select`` is asked."""
        said = asdict(self)
        del said["inferred"]
        return said


def list_arms(query: Query) -> list[dict[str, Any]]:
    """The arms, or published pseudo-residuals, that fit, as JSON-ready dictionaries."""
    if query.endpoint == PSEUDO_RESIDUAL:
        return [asdict(row) for row in _pseudo_residuals(query)]
    return [asdict(arm) for arm in regimen.select(**query.words(), aggregates=True)]


def show_rate(query: Query) -> dict[str, Any]:
    """What the counts of all arms that fit say of the rate of one endpoint.

    Raises
    ------
    PlanError
        ``USAGE`` without an endpoint; ``NO_COUNTS`` when no arm that fits has counts.
    """
    rate, used, left_out = _rate(query)
    record = asdict(rate)
    del record["quantiles"]
    return {
        "endpoint": query.endpoint,
        **record,
        "single_trial": rate.trials == 1,
        "counts": used,
        "without_counts": left_out,
        "biomarkers": _about(regimen.biomarkers(), query.study),
        "long_term": _about(regimen.longterm(), query.study),
    }


def shift_probability(p: float, prevalence: float, endpoint: str, query: Query) -> dict[str, Any]:
    """A probability at the prevalence of a regimen, before and after.

    Parameters
    ----------
    p : float
        Calibrated probability of a complete response, 0 to 1.
    prevalence : float
        Share of complete responses the model was trained at, in (0, 1).
    endpoint : str
        What complete response means for the model.
    query : Query
        Which arms; its endpoint is that of the rate.

    Raises
    ------
    PlanError
        ``ENDPOINT_MIXED`` where the rate has another endpoint; as :func:`show_rate`.
    InputError
        ``SCORE_INVALID`` for values out of range.
    """
    rate, used, _ = _rate(query)
    found = regimen.shift(p, prevalence, rate, endpoint=endpoint, rate_endpoint=str(query.endpoint))
    return {**asdict(found), "counts": used}


def adapt_table(path: Path, column: str, prevalence: float) -> dict[str, Any]:
    """The prevalence of the cases of a table of probabilities, found by EM, and theirs at it.

    Parameters
    ----------
    path : Path
        A table of cases.
    column : str
        Holds calibrated probabilities of a complete response.
    prevalence : float
        Share of complete responses the model was trained at, in (0, 1).

    Raises
    ------
    PlanError
        ``FEATURE_SCHEMA`` when the column is missing or has gaps; table faults.
    InputError
        ``SCORE_INVALID`` for values out of range.
    """
    table = io.load_features(path)
    if column not in table.columns:
        raise PlanError(
            "FEATURE_SCHEMA",
            f"there is no column {column!r}",
            expected=f"one of {', '.join(map(str, table.columns[:10]))}",
            file=path,
        )
    p = table[column].to_numpy(dtype=float)
    if np.isnan(p).any():
        raise PlanError(
            "FEATURE_SCHEMA",
            f"{int(np.isnan(p).sum())} cases have no {column}",
            expected="a probability for every case",
            action="leave out cases without one",
            file=path,
        )
    found = regimen.estimate_prevalence(p, prevalence)
    record = asdict(found)
    record["p"] = dict(zip(map(str, table.index), found.p.tolist(), strict=True))
    return {"prevalence_before": prevalence, **record}


def _about(rows: Iterable[Mapping[str, str]], study: str | None) -> list[dict[str, str]]:
    """The rows of one study; none when no study is asked for."""
    return [dict(row) for row in rows if study and study.lower() in row["study"].lower()]


def _rate(query: Query) -> tuple[regimen.Posterior, list[dict[str, Any]], list[str]]:
    if query.endpoint is None:
        raise PlanError("USAGE", "no endpoint", expected=f"--endpoint {'|'.join(ENDPOINTS)}")
    if query.endpoint == PSEUDO_RESIDUAL:
        rows = [row for row in _pseudo_residuals(query) if row.among_read_incomplete]
        named = [(row.study, row.counted(), False) for row in rows]
    else:
        chosen = regimen.select(**query.words())
        named = [(a.arm_id, a.counted(inferred=query.inferred), a.inferred) for a in chosen]
    used = [
        {"name": name, "events": c.events, "patients": c.patients, "inferred": inferred}
        for name, c, inferred in named
        if c is not None
    ]
    left_out = [name for name, c, _ in named if c is None]
    if not used:
        hidden = "" if query.inferred else "counts worked out from a rate are used with --inferred"
        raise PlanError(
            "NO_COUNTS",
            f"none of {len(named)} arms that fit has printed counts",
            expected="at least one",
            action=hidden or "ask for less",
        )
    counts = [c for _, c, _ in named if c is not None]
    return regimen.posterior(counts), used, left_out


def _pseudo_residuals(query: Query) -> list[regimen.PseudoResidual]:
    """Rows of the study asked for; regimens are free text there and cannot be asked for."""
    asked = [n for n in ("radiotherapy", "immunotherapy", "sequence") if getattr(query, n)]
    if asked:
        raise PlanError(
            "USAGE",
            f"pseudo-residuals by {', '.join(asked)}",
            expected="--study alone, for example --study TORCH",
        )
    known = regimen.pseudo_residuals()
    found = [row for row in known if query.study in (None, row.study)]
    if not found:
        names = ", ".join(row.study for row in known)
        raise PlanError("REGIMEN_UNKNOWN", f"no study {query.study!r}", expected=f"one of {names}")
    return found
