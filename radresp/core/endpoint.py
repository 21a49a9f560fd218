"""Endpoints: what was later found, and whether that is a complete response.

What: two axes that are never mixed. The reader's call is what the team saw; the reference is how
the truth was verified and what that found. A reference becomes residual, complete or missing only
for an endpoint chosen beforehand, and call and truth together make the composite.
Source: the schema of ``docs/reference/clinical.md`` 3.3.
When: deriving outcomes from a table of references; see ``docs/reference/endpoints.md``.

Watch and wait that has not matured is missing, not negative. A regrowth later than 24 months is
missing too: 3.3 counts it neither as residual (up to 24 months) nor as a sustained response.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from radresp.errors import PlanError

MATURE_MONTHS = 24.0
"""Follow-up after which a clinical complete response is sustained, months."""


class Endpoint(StrEnum):
    """What "complete response" means.

    ``pCR`` is decided by pathology alone, ``sustained_cCR_24m`` by follow-up alone;
    ``complete_response`` is the explicit mix of both kinds of reference.

    Raises
    ------
    PlanError
        ``ENDPOINT_UNKNOWN`` for any other word.
    """

    PCR = "pCR"
    SUSTAINED_CCR_24M = "sustained_cCR_24m"
    COMPLETE_RESPONSE = "complete_response"

    @classmethod
    def _missing_(cls, value: object) -> Endpoint:
        raise PlanError(
            "ENDPOINT_UNKNOWN", f"the endpoint {value!r}", expected=f"one of {', '.join(cls)}"
        )


class ReferenceKind(StrEnum):
    """How the truth was verified."""

    SURGERY = "surgery"
    LOCAL_EXCISION = "local_excision"
    FOLLOW_UP = "follow_up"


class Unsettled(StrEnum):
    """Why a reference says neither residual nor complete."""

    NO_REFERENCE = "no_reference"
    IMMATURE_LT12M = "immature_lt12m"
    IMMATURE_12_24M = "immature_12_24m"
    LOST = "lost"
    LATE_REGROWTH = "late_regrowth"
    UNDATED_REGROWTH = "undated_regrowth"
    OTHER_KIND = "other_kind_of_reference"


class Composite(StrEnum):
    """What call and truth make together."""

    PSEUDO_RESIDUAL = "pseudo_residual"
    TRUE_RESIDUAL = "true_residual"
    TRUE_CCR = "true_cCR"
    MISSED_RESIDUAL = "missed_residual"


class Truth(NamedTuple):
    """What a reference says for an endpoint.

    Parameters
    ----------
    residual : int or None
        1 residual tumour, 0 complete response, None missing.
    luminal_residual : int or None
        The same of the bowel wall alone, which is what the images show: 0 for ``ypT0N+``. None
        where it is missing or where pathology does not say whether the wall or the nodes held it.
    reason : Unsettled or None
        Why it is missing.
    """

    residual: int | None
    luminal_residual: int | None
    reason: Unsettled | None


class _Rule(NamedTuple):
    """What may stand beside a reference; empty sets and ends forbid nothing."""

    kinds: tuple[ReferenceKind, ...]
    yp_t: frozenset[str] = frozenset()
    yp_n: frozenset[str] = frozenset()
    from_months: float = 0.0
    below_months: float = math.inf


_SURGERY, _EXCISION, _FOLLOWED = ReferenceKind
_NO_TUMOUR = frozenset({"0"})
_NO_NODE = frozenset({"0"})
_NO_NODE_SEEN = frozenset({"0", "x"})
_NODE = frozenset({"1", "1a", "1b", "1c", "2", "2a", "2b"})
# Where several kinds fit, the first is the usual one: salvage surgery may confirm a regrowth.
_RULES = {
    "pCR_TME": _Rule((_SURGERY,), _NO_TUMOUR, _NO_NODE),
    "pCR_LE": _Rule((_EXCISION,), _NO_TUMOUR, _NO_NODE_SEEN),
    "residual_path": _Rule((_SURGERY, _EXCISION)),
    "ypT0N+": _Rule((_SURGERY,), _NO_TUMOUR, _NODE),
    "sustained_cCR_24m": _Rule((_FOLLOWED,), _NO_TUMOUR, _NO_NODE_SEEN, MATURE_MONTHS),
    "cCR_12_24m": _Rule((_FOLLOWED,), _NO_TUMOUR, _NO_NODE_SEEN, 12.0, MATURE_MONTHS),
    "cCR_lt12m": _Rule((_FOLLOWED,), _NO_TUMOUR, _NO_NODE_SEEN, 0.0, 12.0),
    "regrowth": _Rule((_FOLLOWED, _SURGERY, _EXCISION)),
    "died_or_lost": _Rule((_FOLLOWED, _SURGERY, _EXCISION)),
}
BY_PATHOLOGY = frozenset({"pCR_TME", "pCR_LE", "residual_path", "ypT0N+"})
BY_FOLLOW_UP = frozenset({"sustained_cCR_24m", "cCR_12_24m", "cCR_lt12m", "regrowth"})
_RESIDUAL = frozenset({"residual_path", "ypT0N+", "regrowth"})
_IMMATURE = {
    "cCR_lt12m": Unsettled.IMMATURE_LT12M,
    "cCR_12_24m": Unsettled.IMMATURE_12_24M,
}
_OTHER_KIND = {
    Endpoint.PCR: BY_FOLLOW_UP,
    Endpoint.SUSTAINED_CCR_24M: BY_PATHOLOGY,
    Endpoint.COMPLETE_RESPONSE: frozenset[str](),
}


@dataclass(frozen=True, slots=True)
class Reference:
    """How the truth of one case was verified, and what that found.

    Parameters
    ----------
    word : str
        ``pCR_TME``, ``pCR_LE``, ``residual_path``, ``ypT0N+``, ``sustained_cCR_24m``,
        ``cCR_12_24m``, ``cCR_lt12m``, ``regrowth`` or ``died_or_lost``.
    kind : str, optional
        ``surgery``, ``local_excision`` or ``follow_up``, where it is stated.
    yp_t, yp_n : str, optional
        Pathological stage after treatment, where there is one: ``0`` to ``4b``, ``is``; ``x``.
    months_followup, months_to_regrowth : float, optional
        Months, 0 or more.
    tissue : str, optional
        What pathology found where no tumour was left: ``fibrosis``, ``inflammation``, ``mucin``,
        ``mixed`` or ``unknown``.

    Raises
    ------
    PlanError
        ``LABEL_UNKNOWN`` for another word; ``LABEL_CONFLICT`` when the parts contradict each
        other.

    Examples
    --------
    >>> Reference("regrowth", months_to_regrowth=11.5).truth(Endpoint.COMPLETE_RESPONSE).residual
    1
    >>> str(Reference("cCR_lt12m").truth(Endpoint.COMPLETE_RESPONSE).reason)
    'immature_lt12m'
    """

    word: str
    kind: str = ""
    yp_t: str = ""
    yp_n: str = ""
    months_followup: float | None = None
    months_to_regrowth: float | None = None
    tissue: str = ""

    def __post_init__(self) -> None:
        if self.word not in _RULES:
            raise PlanError(
                "LABEL_UNKNOWN",
                f"the reference {self.word!r}",
                expected=f"one of {', '.join(_RULES)}",
            )
        wrong = self._against_rule(_RULES[self.word]) or self._against_itself()
        if wrong:
            raise PlanError(
                "LABEL_CONFLICT",
                f"the reference {self.word} with {wrong}",
                expected="columns of the reference that agree with each other",
                action="correct the reference or the column that contradicts it",
            )

    @property
    def verified_by(self) -> ReferenceKind:
        """How the truth was verified: as stated, else as the reference implies."""
        if self.kind:
            return ReferenceKind(self.kind)
        return kind_of(self.word, self.yp_n)

    def truth(self, endpoint: Endpoint) -> Truth:
        """What the reference says for an endpoint.

        Parameters
        ----------
        endpoint : Endpoint
            Chosen beforehand.

        Returns
        -------
        Truth
            ``ypT0N+`` is residual, and complete in the bowel wall.
        """
        reason = self._unsettled(endpoint)
        if reason is not None:
            return Truth(None, None, reason)
        return Truth(int(self.word in _RESIDUAL), self._luminal(), None)

    def _unsettled(self, endpoint: Endpoint) -> Unsettled | None:
        if self.word == "died_or_lost":
            return Unsettled.LOST
        if self.word in _OTHER_KIND[endpoint]:
            return Unsettled.OTHER_KIND
        if self.word != "regrowth":
            return _IMMATURE.get(self.word)
        if self.months_to_regrowth is not None:
            return Unsettled.LATE_REGROWTH if self.months_to_regrowth > MATURE_MONTHS else None
        # Whatever was seen within 24 months regrew within 24 months.
        seen = self.months_followup is not None and self.months_followup <= MATURE_MONTHS
        return None if seen else Unsettled.UNDATED_REGROWTH

    def _luminal(self) -> int | None:
        if self.word != "residual_path":
            return int(self.word == "regrowth")
        if self.yp_t:
            return int(self.yp_t not in _NO_TUMOUR)
        return 1 if self.yp_n in _NO_NODE_SEEN else None

    def _against_rule(self, rule: _Rule) -> str:
        if self.kind and self.kind not in rule.kinds:
            return f"reference_kind {self.kind}"
        if self.yp_t and rule.yp_t and self.yp_t not in rule.yp_t:
            return f"ypT {self.yp_t}"
        if self.yp_n and rule.yp_n and self.yp_n not in rule.yp_n:
            return f"ypN {self.yp_n}"
        months = self.months_followup
        if months is not None and not rule.from_months <= months < rule.below_months:
            return f"months_followup {months:g}"
        return ""

    def _against_itself(self) -> str:
        found_nothing = self.yp_t in _NO_TUMOUR and self.yp_n in _NO_NODE_SEEN
        if self.word in ("residual_path", "regrowth") and found_nothing:
            return f"ypT {self.yp_t} and ypN {self.yp_n}"
        if self.tissue not in ("", "unknown") and self._luminal() == 1:
            return f"pseudo_residual_type {self.tissue}"
        months = self.months_to_regrowth
        if months is None:
            return ""
        if self.word != "regrowth" or not months >= 0:
            return f"months_to_regrowth {months:g}"
        if self.months_followup is not None and months > self.months_followup:
            return f"months_to_regrowth {months:g} after months_followup {self.months_followup:g}"
        return ""


def kind_of(word: str, yp_n: str = "") -> ReferenceKind:
    """How a reference is usually verified: tumour on a specimen without nodes was excised locally.

    Examples
    --------
    >>> str(kind_of("sustained_cCR_24m")), str(kind_of("residual_path", "x"))
    ('follow_up', 'local_excision')
    """
    if word == "residual_path" and yp_n == "x":
        return ReferenceKind.LOCAL_EXCISION
    return _RULES[word].kinds[0]


def composite(reader_call: str, residual: int | None) -> Composite | None:
    """What call and truth make together; None where either is not known.

    Parameters
    ----------
    reader_call : str
        ``cCR``, ``nCR`` or ``iCR``; anything else is no call.
    residual : int or None
        1 residual, 0 complete.

    Examples
    --------
    >>> str(composite("nCR", 0)), str(composite("cCR", 1)), composite("not_assessed", 1)
    ('pseudo_residual', 'missed_residual', None)
    """
    if reader_call not in ("cCR", "nCR", "iCR") or residual is None:
        return None
    if reader_call == "cCR":
        return Composite.MISSED_RESIDUAL if residual else Composite.TRUE_CCR
    return Composite.TRUE_RESIDUAL if residual else Composite.PSEUDO_RESIDUAL
