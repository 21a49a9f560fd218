"""Which series of a visit is its T2, DWI and ADC, by rules, with the reason for every other one."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence as Ordered
from dataclasses import dataclass

from radresp import io
from radresp.core import Sequence
from radresp.pipeline.index_rules import Condition, IndexRules, Preference

Fact = str | float | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One series of a visit with its place in the order of acquisition, from 1."""

    series: io.FoundSeries
    order: int

    def fact(self, name: str) -> Fact | None:
        """What is known of an attribute, or None."""
        return float(self.order) if name == "order" else self.series.facts.facts.get(name)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one series.

    Parameters
    ----------
    series : FoundSeries
        The series.
    role : Sequence or None
        What it was taken as.
    rule : str
        The rule that decided, for example ``"t2.tilt_degrees"``.
    reason : str
        What was found and what was expected, in words.
    """

    series: io.FoundSeries
    role: Sequence | None
    rule: str
    reason: str


@dataclass(frozen=True, slots=True)
class Selection:
    """The series taken at one visit, a verdict on each, and why a role stayed empty."""

    taken: dict[Sequence, io.FoundSeries]
    verdicts: tuple[Verdict, ...]
    open: dict[Sequence, str]


def candidates(series: Iterable[io.FoundSeries]) -> tuple[Candidate, ...]:
    """The series of one visit, numbered in order of acquisition."""
    told = sorted(series, key=lambda s: (s.facts.moment or float("inf"), s.folder, s.facts.number))
    return tuple(Candidate(one, order) for order, one in enumerate(told, start=1))


def first_failure(candidate: Candidate, role: Sequence, rules: IndexRules) -> tuple[int, str, str]:
    """Place, name and words of the first requirement a series fails; empty words when it passes."""
    unfit = _unfit_place(candidate.series)
    if unfit:
        return 10_000, "place", unfit
    for place, (name, condition) in enumerate(rules.role(role).require.items()):
        fault = _fault(candidate.fact(name), condition)
        if fault:
            return place, f"{role}.{name}", f"{name} {fault}"
    return 10_000, "", ""


def select(found: Ordered[Candidate], rules: IndexRules) -> Selection:
    """Choose one series a role.

    Parameters
    ----------
    found : sequence of Candidate
        Of one visit.
    rules : IndexRules
        What is required and what is preferred.
    """
    taken: dict[Sequence, io.FoundSeries] = {}
    left: dict[Sequence, str] = {}
    verdicts: dict[int, Verdict] = {}
    for role in Sequence:
        fitting = [one for one in found if not first_failure(one, role, rules)[2]]
        best, losers = _prefer(fitting, role, rules)
        for loser, (rule, reason) in losers.items():
            verdicts.setdefault(loser, Verdict(_by_order(found, loser), None, rule, reason))
        if len(best) == 1:
            taken[role] = best[0].series
            why = "the only one that passes" if len(fitting) == 1 else f"best of {len(fitting)}"
            verdicts[best[0].order] = Verdict(best[0].series, role, f"{role}.prefer", why)
        elif best:
            numbers = ", ".join(f"{one.series.folder} {one.series.choice}".strip() for one in best)
            left[role] = f"{len(best)} series are equally good: {numbers}"
            for one in best:
                tie = Verdict(one.series, None, f"{role}.prefer", "as good as another series")
                verdicts[one.order] = tie
        else:
            left[role] = _nearest_miss(found, role, rules)
    for one in found:
        verdicts.setdefault(one.order, _rejected(one, rules))
    return Selection(taken, tuple(verdicts[one.order] for one in found), left)


def _rejected(candidate: Candidate, rules: IndexRules) -> Verdict:
    """The verdict of the role a series came nearest to."""
    _, rule, reason = max(
        (first_failure(candidate, role, rules) for role in Sequence), key=lambda one: one[0]
    )
    if rule.endswith(".kind"):
        rule = "kind"
    return Verdict(candidate.series, None, rule, reason)


def _nearest_miss(found: Ordered[Candidate], role: Sequence, rules: IndexRules) -> str:
    misses = [first_failure(one, role, rules) for one in found]
    place, _, reason = max(misses, key=lambda miss: miss[0], default=(0, "", ""))
    return f"no series passes{f'; nearest: {reason}' if place else ''}"


def _by_order(found: Ordered[Candidate], order: int) -> io.FoundSeries:
    return next(one.series for one in found if one.order == order)


def _unfit_place(series: io.FoundSeries) -> str:
    if series.copy_of:
        return f"a copy of the series in {series.copy_of}"
    if series.shared:
        return "its folder holds folders of other patients, so that a table cannot name it"
    return ""


def _fault(value: Fact | None, condition: Condition) -> str:
    """Why a value does not meet a condition, in words; empty when it does."""
    if condition.absent is not None and condition.absent != (value is None):
        return f"is {_said(value)}" if condition.absent else "is not told"
    if value is None:
        return "" if condition.or_absent or condition.absent else "is not told"
    if condition.at_least is not None and float(value) < condition.at_least:  # type: ignore[arg-type]
        return f"is {_said(value)}, at least {condition.at_least:g} expected"
    if condition.at_most is not None and float(value) > condition.at_most:  # type: ignore[arg-type]
        return f"is {_said(value)}, at most {condition.at_most:g} expected"
    held = set(value) if isinstance(value, tuple) else {str(value)}
    if condition.one_of is not None and not held & set(condition.one_of):
        return f"is {_said(value)}, {' or '.join(condition.one_of)} expected"
    if condition.has is not None and not held & set(condition.has):
        return f"is {_said(value)}, one of {', '.join(condition.has)} expected"
    if condition.lacks is not None and held & set(condition.lacks):
        return f"is {_said(value)}, none of {', '.join(condition.lacks)} expected"
    return ""


def _said(value: Fact | None) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return " ".join(value) if isinstance(value, tuple) else str(value)


def _prefer(
    fitting: list[Candidate], role: Sequence, rules: IndexRules
) -> tuple[list[Candidate], dict[int, tuple[str, str]]]:
    """The best candidates, and for each other one the tie-break that left it out."""
    losers: dict[int, tuple[str, str]] = {}
    for preference in rules.role(role).prefer:
        if len(fitting) < 2:
            break
        kept = _best(fitting, preference)
        for one in fitting:
            if one not in kept:
                name = preference.attribute
                words = f"{name} is {_said(one.fact(name))}; {_said(kept[0].fact(name))} is better"
                losers[one.order] = (f"{role}.prefer.{name}", words)
        fitting = kept
    return fitting, losers


def _best(fitting: list[Candidate], preference: Preference) -> list[Candidate]:
    if preference.order is None:
        condition = Condition(
            **preference.model_dump(include={"one_of", "has", "lacks"}, exclude_none=True)
        )
        kept = [one for one in fitting if not _fault(one.fact(preference.attribute), condition)]
        return kept or fitting
    told = [
        (float(value), one)
        for one in fitting
        if isinstance(value := one.fact(preference.attribute), float)
    ]
    if not told:
        return fitting
    edge = (min if preference.order == "lowest" else max)(value for value, _ in told)
    return [one for value, one in told if abs(value - edge) <= preference.tolerance + 1e-9]
