"""Which studies of a patient are the visits before and after treatment."""

from __future__ import annotations

from collections.abc import Sequence as Ordered
from dataclasses import dataclass

from radresp.pipeline.index_rules import VisitRules


@dataclass(frozen=True, slots=True)
class Treatment:
    """First and last day of treatment as day numbers; None where not known."""

    start: int | None
    end: int | None


@dataclass(frozen=True, slots=True)
class Visits:
    """The two visits of a patient, each one or more study days; why there are none.

    Parameters
    ----------
    pre, post : tuple of int
        Study days of each visit; empty when it was not found.
    code, reason : str
        Why a person has to decide; empty when the pair is clear.
    """

    pre: tuple[int, ...] = ()
    post: tuple[int, ...] = ()
    code: str = ""
    reason: str = ""


def find_visits(
    days: Ordered[int], rules: VisitRules, treatment: Treatment | None = None
) -> Visits:
    """The visits among the days of a patient's studies.

    Parameters
    ----------
    days : sequence of int
        Days of studies that hold a usable T2.
    rules : VisitRules
        How far apart visits lie.
    treatment : Treatment, optional
        With it the pair is the last study up to the start and the first after the end; without, or
        where it tells one of the two only, the first and the last study.
    """
    visits = _grouped(sorted(set(days)), rules.one_visit_days)
    if not visits:
        return Visits(code="INDEX_NO_STUDY", reason="no study with a date holds a T2 that passes")
    if treatment is not None:
        return _around(visits, rules, treatment)
    if len(visits) == 1:
        return Visits(
            code="INDEX_ONE_STUDY",
            reason="one study alone: before or after treatment is not known",
        )
    if len(visits) > rules.most_studies:
        return Visits(
            code="INDEX_MANY_STUDIES",
            reason=f"{len(visits)} studies, more than {rules.most_studies}: treatment dates needed",
        )
    return _checked(visits[0], visits[-1], rules)


def _around(visits: list[tuple[int, ...]], rules: VisitRules, treatment: Treatment) -> Visits:
    start, end = treatment.start, treatment.end
    before = [v for v in visits if start is None or v[-1] <= start]
    after = [v for v in visits if end is None or v[0] >= end]
    pre = () if not before else before[0] if start is None else before[-1]
    post = () if not after else after[-1] if end is None else after[0]
    if not pre or not post:
        lacking = "before" if not pre else "after"
        return Visits(pre, post, "INDEX_VISIT_MISSING", f"no study {lacking} treatment")
    return _checked(pre, post, rules)


def _checked(pre: tuple[int, ...], post: tuple[int, ...], rules: VisitRules) -> Visits:
    between = post[0] - pre[-1]
    if rules.minimum_days <= between <= rules.maximum_days:
        return Visits(pre, post)
    return Visits(
        code="INDEX_INTERVAL",
        reason=f"{between} days between the studies, {rules.minimum_days} to "
        f"{rules.maximum_days} expected",
    )


def _grouped(days: list[int], apart: int) -> list[tuple[int, ...]]:
    visits: list[tuple[int, ...]] = []
    for day in days:
        if visits and day - visits[-1][0] <= apart:
            visits[-1] = (*visits[-1], day)
        else:
            visits.append((day,))
    return visits
