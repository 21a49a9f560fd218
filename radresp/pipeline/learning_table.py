"""What is learned from: features and outcomes of the same cases, and what else is known of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from radresp import classify, io
from radresp.core import Note, NoteKind
from radresp.errors import CohortError
from radresp.pipeline.covariates import NAMES, covariates

STRATA = ("regimen", "site", "scanner")
"""Clinical columns by which an evaluation is split."""
NOT_COMPLETE = ("nCR", "iCR")
"""Reader calls that leave a residual possible."""
CALLS = {"cCR": 2.0, "nCR": 1.0, "iCR": 0.0}
"""Reader calls as numbers, the more complete the higher."""


@dataclass(frozen=True, slots=True)
class TrainingTable:
    """Features and outcomes of the same cases.

    Parameters
    ----------
    x : DataFrame
        One row a case, named float columns.
    y : Series
        Class of each case.
    groups : Series
        Patient of each case.
    endpoint : str
        What "complete" means.
    notes : tuple of Note
        Who was left out and why.
    clinical : DataFrame, optional
        Covariates of the same cases, ``clinical.*``.
    control : DataFrame, optional
        Features of the same cases with their voxels shuffled.
    strata : mapping of str to Series
        Regimen, site, scanner, reference kind and reader call by case; empty text where not known.
    cnn : FoldScores, optional
        Out-of-fold scores of a network.
    fractions : Series, optional
        Share of each bed that is tumour, 0-1, NaN where not known; None where no share above 0 is.
    flow : mapping
        From :func:`radresp.pipeline.flow.patient_flow`; empty where nobody counted.
    repeatability : mapping of str to mapping
        ICC(1,1) of each feature with its interval, where it was measured.
    """

    x: pd.DataFrame
    y: pd.Series
    groups: pd.Series
    endpoint: str
    notes: tuple[Note, ...]
    clinical: pd.DataFrame | None = None
    control: pd.DataFrame | None = None
    strata: Mapping[str, pd.Series] = field(default_factory=dict)
    cnn: classify.FoldScores | None = None
    fractions: pd.Series | None = None
    flow: Mapping[str, Any] = field(default_factory=dict)
    repeatability: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)

    @property
    def complete(self) -> pd.Series:
        """Whether each case is a complete response."""
        return self.y != "residual"

    @property
    def sites(self) -> pd.Series | None:
        """Hospital of each case; None where no table names any."""
        return self.strata.get("site")

    @property
    def doubted(self) -> pd.Series:
        """Whether a reader called the case less than complete."""
        calls = self.strata.get("reader_call")
        if calls is None:
            return pd.Series(False, index=self.y.index)
        return calls.isin(NOT_COMPLETE)

    def doubted_of(self, cases: pd.Index) -> NDArray[np.bool_]:
        """The same for some cases, in their order."""
        return np.asarray(self.doubted.reindex(cases, fill_value=False), dtype=bool)


def join_outcomes(
    features: pd.DataFrame,
    outcomes: io.Outcomes,
    clinical: io.ClinicalTable | None = None,
    control: pd.DataFrame | None = None,
) -> TrainingTable:
    """Bring features and outcomes of the same cases together.

    Parameters
    ----------
    features : DataFrame
        One row a case.
    outcomes : Outcomes
        Their labels.
    clinical : ClinicalTable, optional
        Covariates, hospital, scanner and reader calls.
    control : DataFrame, optional
        Features of the same cases with their voxels shuffled.

    Raises
    ------
    CohortError
        ``NO_CASES`` when no labelled case has features; ``TABLE_MISMATCH`` when a case of the
        control is missing.
    """
    labelled = {case: label for case, label in outcomes.labels.items() if label is not None}
    kept = sorted(case for case in features.index if case in labelled)
    if not kept:
        raise CohortError(
            "NO_CASES",
            f"{len(features)} cases with features, {len(labelled)} with an outcome, none with both",
            expected="the same case ids in both tables",
            action="compare the id columns",
        )
    cells = {} if clinical is None else clinical.cells
    return TrainingTable(
        x=features.loc[kept],
        y=pd.Series([labelled[case] for case in kept], index=kept),
        groups=pd.Series([outcomes.patients.get(case, case) for case in kept], index=kept),
        endpoint=outcomes.endpoint,
        notes=(
            *outcomes.notes,
            *(() if clinical is None else clinical.notes),
            *_lacking(labelled, features),
        ),
        clinical=_covariates(kept, cells),
        control=None if control is None else _same_cases(control, kept),
        strata=_strata(kept, outcomes, cells),
        fractions=_fractions(kept, outcomes),
    )


def _fractions(kept: list[str], outcomes: io.Outcomes) -> pd.Series | None:
    """As the table states it, else 0 where no tumour was left."""
    stated = outcomes.residual_fractions
    known = [
        stated.get(case, math.nan if outcomes.labels[case] == "residual" else 0.0) for case in kept
    ]
    found = pd.Series(known, index=kept, dtype=float)
    return found if (found > 0).any() else None


def _lacking(labelled: Mapping[str, str], features: pd.DataFrame) -> tuple[Note, ...]:
    """Cases with an outcome that no figure speaks of: refused, or never extracted."""
    lacking = sorted(case for case in labelled if case not in features.index)
    if not lacking:
        return ()
    found = f"{len(lacking)} of {len(labelled)} cases with an outcome have no features"
    return (
        Note(
            NoteKind.WARNING,
            "WITHOUT_FEATURES",
            f"{found}, first {lacking[0]}",
            "features of every case",
            "count them among the exclusions; status.jsonl of the extraction says why",
        ),
    )


def _covariates(kept: list[str], cells: Mapping[str, Mapping[str, str]]) -> pd.DataFrame | None:
    """Covariates of the cases; None where the table holds other clinical columns only."""
    found = covariates({case: cells.get(case, {}) for case in kept})
    return found if found[list(NAMES)].notna().any(axis=None) else None


def _same_cases(control: pd.DataFrame, kept: list[str]) -> pd.DataFrame:
    lacking = [case for case in kept if case not in control.index]
    if lacking:
        raise CohortError(
            "TABLE_MISMATCH",
            f"{len(lacking)} cases, {lacking[0]} first, are not in the control table",
            expected="the same cases with their voxels shuffled",
        )
    return control.loc[kept]


def _strata(
    kept: list[str], outcomes: io.Outcomes, cells: Mapping[str, Mapping[str, str]]
) -> dict[str, pd.Series]:
    """What an evaluation can be split by; a column nobody filled is left out."""

    def column(name: str, otherwise: Mapping[str, str]) -> list[str]:
        return [
            str(cells.get(case, {}).get(name) or otherwise.get(case, "")).replace("NA", "")
            for case in kept
        ]

    found = {name: column(name, {}) for name in STRATA}
    found["reader_call"] = column("reader_call", outcomes.reader_calls)
    found["reference_kind"] = column("reference_kind", outcomes.reference_kinds)
    return {name: pd.Series(of, index=kept) for name, of in found.items() if any(of)}
