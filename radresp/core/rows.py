"""What comes out at the end: named features of a case, and its score."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice

from radresp.core.frozen import frozen
from radresp.core.notebook import card, folded, scale
from radresp.core.trail import NoteKind, Trail, notes_of
from radresp.core.words import Decision
from radresp.errors import InputError
from radresp.notice import INTENDED_USE

_SHOWN = 20
"""Features and reasons that a notebook shows."""


@dataclass(frozen=True, slots=True)
class FeatureRow:
    """Named numbers of one case.

    Parameters
    ----------
    case_id : str
        Name of the case.
    values : mapping of str to float
        Feature name to value; the order is the plan's.
    absent : mapping of str to str
        Why a value is NaN. Every NaN has a reason and every reason a NaN.
    trail : Trail
        Everything done so far.

    Raises
    ------
    InputError
        ``FEATURE_NAN`` for a NaN without a reason, ``FEATURE_INFINITE`` for an infinite value.
    """

    case_id: str
    values: Mapping[str, float]
    absent: Mapping[str, str] = field(default_factory=dict)
    trail: Trail = ()

    def __post_init__(self) -> None:
        values = {name: float(value) for name, value in self.values.items()}
        object.__setattr__(self, "values", frozen(values))
        object.__setattr__(self, "absent", frozen(self.absent))
        infinite = [name for name, value in values.items() if math.isinf(value)]
        if infinite:
            raise InputError("FEATURE_INFINITE", f"{infinite[0]} is infinite", case=self.case_id)
        missing = {name for name, value in values.items() if math.isnan(value)}
        unexplained = missing.symmetric_difference(self.absent)
        if unexplained:
            raise InputError(
                "FEATURE_NAN",
                f"{min(unexplained)} is NaN without a reason, or has a reason without being NaN",
                expected="one reason for every NaN",
                case=self.case_id,
            )

    def _repr_html_(self) -> str:
        shown = {name: f"{v:.6g}" for name, v in self.values.items() if name not in self.absent}
        first = dict(islice(shown.items(), _SHOWN))
        reasons = Counter(self.absent.values())
        return card(
            f"features of case {self.case_id}",
            {"known": str(len(shown)), "absent": str(len(self.absent))},
            lines=[f"{count} absent: {reason}" for reason, count in reasons.most_common(_SHOWN)],
            more=folded(f"the first {len(first)} of {len(shown)}", first),
        )


@dataclass(frozen=True, slots=True)
class Score:
    """The answer for one case.

    Parameters
    ----------
    case_id : str
        Name of the case.
    endpoint : str
        What "complete response" means here, for example ``"pCR"``.
    decision : Decision
        The answer in a word; ``abstain`` when no probability is given.
    classes : mapping of str to float
        Probability of each class, in [0, 1], summing to 1; empty exactly when abstaining.
    interval : tuple of float, optional
        Interval of ``p_ccr``; absent exactly when abstaining.
    reasons : tuple of str
        Why, in words.
    model_id : str
        Which model.
    trail : Trail
        Everything done.

    Raises
    ------
    InputError
        ``SCORE_INVALID`` when a probability is not one, they do not sum to 1, or the interval
        does not hold ``p_ccr``.
    """

    case_id: str
    endpoint: str
    decision: Decision
    classes: Mapping[str, float]
    interval: tuple[float, float] | None
    reasons: tuple[str, ...]
    model_id: str
    trail: Trail = ()
    intended_use: str = INTENDED_USE

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", frozen(self.classes))
        if self.decision is Decision.ABSTAIN:
            valid = not self.classes and self.interval is None and bool(self.reasons)
        else:
            valid = self._probabilities_valid()
        if not valid:
            raise InputError(
                "SCORE_INVALID",
                f"decision {self.decision}, classes {dict(self.classes)}, interval {self.interval}",
                expected="probabilities in [0, 1] that sum to 1 with an interval around p_ccr, "
                "or an abstention with a reason and no number",
                case=self.case_id,
            )

    def _probabilities_valid(self) -> bool:
        if "residual" not in self.classes or self.interval is None:
            return False
        inside = all(0.0 <= p <= 1.0 for p in self.classes.values())
        low, high = self.interval
        held = (
            0.0 <= low <= (self.p_ccr or 0.0) + 1e-9 and (self.p_ccr or 0.0) - 1e-9 <= high <= 1.0
        )
        return inside and held and abs(sum(self.classes.values()) - 1.0) < 1e-6

    @property
    def p_ccr(self) -> float | None:
        """Probability of a complete response: 1 - p(residual). None when abstaining."""
        return 1.0 - self.classes["residual"] if self.classes else None

    def _repr_html_(self) -> str:
        facts, drawing = {"endpoint": self.endpoint, "model": self.model_id}, ""
        if self.p_ccr is not None and self.interval is not None:
            low, high = self.interval
            said = f"{self.p_ccr:.2f}, interval {low:.2f} to {high:.2f}"
            facts = (
                {"p(cCR)": said} | {f"p({n})": f"{p:.2f}" for n, p in self.classes.items()} | facts
            )
            drawing = scale(self.p_ccr, low, high, f"p(cCR) {said}")
        warnings = notes_of(self.trail, NoteKind.WARNING)
        return card(
            f"case {self.case_id}: {self.decision.replace('_', ' ')}",
            facts,
            notice=self.intended_use,
            drawing=drawing,
            lines=[*self.reasons, *(f"warning {note.text}" for note in warnings)],
        )
