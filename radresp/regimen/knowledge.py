"""What is published about regimens: arms, pseudo-residuals, biomarkers and the long term.

The tables lie in ``data/`` and are described in ``docs/reference/regimen.md``. A count that is not
printed but was worked out from a rate is marked ``inferred`` and is no count unless asked for.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from radresp.errors import PlanError
from radresp.regimen.posterior import Counted

ENDPOINTS = ("pCR", "cCR", "CR", "pseudo_residual")
"""Endpoints with counts; ``CR`` is pCR or sustained cCR, ``pseudo_residual`` a complete response
among patients read as incomplete."""
ANY, NONE = "any", "none"
CONDITIONED_ON_READ = frozenset({"opra", "torch"})
"""Rows of pseudo_residual.csv that say P(complete response | read as incomplete)."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One endpoint of one arm of a trial, or of an analysis over several.

    Parameters
    ----------
    arm_id, study, arm : str
        Its names.
    year : str
        Of publication, or ``ongoing``.
    phase, design : str
        As published.
    radiotherapy : str
        ``LCRT``, ``SCRT``, ``other``, ``any`` or ``none``.
    immunotherapy : str
        Drug, ``none``, ``any``, or ``not stated``.
    sequence : str
        Of immunotherapy: ``induction``, ``concurrent``, ``consolidation``, joined by ``+``.
    endpoint : str
        pCR, cCR, CR, ncCR, cCR+ncCR, watch_wait, pCR_or_cCR, organ_preservation or planned.
    rate_percent : str
        As published; a span where that was, empty where nothing was.
    events, patients : int or None
        Counts, where printed or worked out.
    inferred : bool
        Whether the counts were worked out from the rate instead of printed.
    primary, control, aggregate : bool
        The main row of its arm; a control arm; several trials together.
    source, note : str
        Where it stands, and what does not fit.
    """

    arm_id: str
    study: str
    arm: str
    year: str
    phase: str
    design: str
    radiotherapy: str
    immunotherapy: str
    sequence: str
    endpoint: str
    rate_percent: str
    events: int | None
    patients: int | None
    inferred: bool
    primary: bool
    control: bool
    aggregate: bool
    source: str
    note: str

    def counted(self, *, inferred: bool = False) -> Counted | None:
        """Events and patients; None where there are none, or only inferred ones."""
        if self.events is None or self.patients is None or (self.inferred and not inferred):
            return None
        return Counted(self.events, self.patients)


@dataclass(frozen=True, slots=True)
class PseudoResidual:
    """How often what imaging called incomplete was a complete response, or the reverse.

    Parameters
    ----------
    row_id, study, regimen : str
        Its names.
    quantity, conditional_on : str
        What was counted among whom.
    rate_percent : float
        As published.
    events, patients : int or None
        Counts, where printed.
    among_read_incomplete : bool
        Whether it is P(complete response | read as incomplete), the rate a probability can be
        shifted to; else it says something of readers and is never mixed with those.
    source, note : str
        Where it stands, and what does not fit.
    """

    row_id: str
    study: str
    regimen: str
    quantity: str
    conditional_on: str
    rate_percent: float
    events: int | None
    patients: int | None
    among_read_incomplete: bool
    source: str
    note: str

    def counted(self) -> Counted | None:
        """Events and patients; None where no fraction is printed."""
        if self.events is None or self.patients is None:
            return None
        return Counted(self.events, self.patients)


@cache
def arms() -> tuple[Arm, ...]:
    """Every row of the trial table.

    Examples
    --------
    >>> torch = [arm for arm in arms() if arm.study == "TORCH" and arm.endpoint == "CR"]
    >>> [(arm.events, arm.patients) for arm in torch]
    [(35, 62), (32, 59)]
    """
    return tuple(
        Arm(
            arm_id=row["arm_id"],
            study=row["study"],
            arm=row["arm"],
            year=row["year"],
            phase=row["phase"],
            design=row["design"],
            radiotherapy=row["radiotherapy"],
            immunotherapy=row["immunotherapy"],
            sequence=row["sequence"],
            endpoint=row["endpoint_std"],
            rate_percent=row["rate_pct"],
            events=_count(row["events"]),
            patients=_count(row["denominator"]),
            inferred=not row["count_basis"].startswith("review"),
            primary=row["primary_row"] == "1",
            control=row["is_control"] == "1",
            aggregate=row["row_type"] == "aggregate",
            source=row["source"],
            note=row["note"],
        )
        for row in _rows("trials.csv")
    )


@cache
def pseudo_residuals() -> tuple[PseudoResidual, ...]:
    """Every row of the table of pseudo-residuals."""
    return tuple(
        PseudoResidual(
            row_id=row["id"],
            study=row["study"],
            regimen=row["regimen"],
            quantity=row["quantity"],
            conditional_on=row["conditional_on"],
            rate_percent=float(row["rate_pct"]),
            events=_count(row["numerator"]),
            patients=_count(row["denominator"]),
            among_read_incomplete=row["id"] in CONDITIONED_ON_READ,
            source=row["source"],
            note=row["note"],
        )
        for row in _rows("pseudo_residual.csv")
    )


def biomarkers() -> tuple[Mapping[str, str], ...]:
    """What was published of biomarkers, as text: most associations are small and unconfirmed."""
    return _rows("biomarkers.csv")


def longterm() -> tuple[Mapping[str, str], ...]:
    """Survival and recurrence as published, as text."""
    return _rows("longterm.csv")


def select(
    *,
    endpoint: str | None = None,
    radiotherapy: str | None = None,
    immunotherapy: str | None = None,
    sequence: str | None = None,
    study: str | None = None,
    aggregates: bool = False,
) -> tuple[Arm, ...]:
    """Arms that fit a query; whatever is not said does not matter.

    Parameters
    ----------
    endpoint : str, optional
        As in :class:`Arm`.
    radiotherapy : str, optional
        ``LCRT``, ``SCRT``, ``other`` or ``none``.
    immunotherapy : str, optional
        A drug; ``any`` for one or another, ``none`` for none.
    sequence : str, optional
        One of induction, concurrent, consolidation, possibly among others.
    study : str, optional
        Name of a study, capitals or not.
    aggregates : bool, default False
        Also rows over several trials, which hold the single ones again.

    Raises
    ------
    PlanError
        ``REGIMEN_UNKNOWN`` for a word that no arm has.

    Examples
    --------
    >>> {arm.study for arm in select(endpoint="CR", radiotherapy="SCRT", sequence="induction")}
    {'TORCH'}
    """
    found = [arm for arm in arms() if aggregates or not arm.aggregate]
    asked = {
        "endpoint": endpoint,
        "radiotherapy": radiotherapy,
        "immunotherapy": immunotherapy,
        "sequence": sequence,
        "study": study,
    }
    for field, word in asked.items():
        if word is not None:
            _check_word(field, word)
            found = [arm for arm in found if _fits(field, str(getattr(arm, field)), word)]
    return tuple(found)


def _fits(field: str, has: str, word: str) -> bool:
    if field == "study":
        return has.lower() == word.lower()
    if field == "sequence":
        return word in has.split("+")
    if field == "immunotherapy" and word == ANY:
        return has not in (NONE, "not stated")
    return has == word


def _check_word(field: str, word: str) -> None:
    known: Iterable[str] = sorted({str(getattr(arm, field)) for arm in arms()} - {""})
    if field == "sequence":
        known = sorted({part for text in known for part in text.split("+")})
    if field == "immunotherapy":
        known = [ANY, *known]
    if not any(_fits(field, has, word) for has in known) and word not in known:
        raise PlanError(
            "REGIMEN_UNKNOWN",
            f"no arm has the {field} {word!r}",
            expected=f"one of {', '.join(known)}",
        )


@cache
def _rows(name: str) -> tuple[Mapping[str, str], ...]:
    text = (resources.files("radresp.regimen") / "data" / name).read_text(encoding="utf-8-sig")
    return tuple(csv.DictReader(text.splitlines()))


def _count(cell: str) -> int | None:
    return int(cell) if cell else None
