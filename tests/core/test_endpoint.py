"""Endpoints: every row of the schema, contradictions, and the composite of call and truth."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radresp.core import Composite, Endpoint, Reference, ReferenceKind, Truth, Unsettled, composite
from radresp.core.endpoint import BY_FOLLOW_UP, BY_PATHOLOGY, kind_of
from radresp.errors import PlanError

PCR, SUSTAINED, EITHER = Endpoint
WORDS = sorted(BY_PATHOLOGY | BY_FOLLOW_UP | {"died_or_lost"})
RESIDUAL, COMPLETE = Truth(1, 1, None), Truth(0, 0, None)


def missing(reason: Unsettled) -> Truth:
    return Truth(None, None, reason)


OTHER = missing(Unsettled.OTHER_KIND)
# Reference, months followed, months to regrowth; truth for pCR, sustained cCR and their mix.
SCHEMA = [
    (("pCR_TME", None, None), (COMPLETE, OTHER, COMPLETE)),
    (("pCR_LE", None, None), (COMPLETE, OTHER, COMPLETE)),
    (("residual_path", None, None), (Truth(1, None, None), OTHER, Truth(1, None, None))),
    (("ypT0N+", None, None), (Truth(1, 0, None), OTHER, Truth(1, 0, None))),
    (("sustained_cCR_24m", 24.0, None), (OTHER, COMPLETE, COMPLETE)),
    (("sustained_cCR_24m", None, None), (OTHER, COMPLETE, COMPLETE)),
    (("cCR_12_24m", 12.0, None), (OTHER, *[missing(Unsettled.IMMATURE_12_24M)] * 2)),
    (("cCR_lt12m", 11.9, None), (OTHER, *[missing(Unsettled.IMMATURE_LT12M)] * 2)),
    (("regrowth", 30.0, 8.0), (OTHER, RESIDUAL, RESIDUAL)),
    (("regrowth", 30.0, 24.0), (OTHER, RESIDUAL, RESIDUAL)),
    (("regrowth", 30.0, 24.1), (OTHER, *[missing(Unsettled.LATE_REGROWTH)] * 2)),
    (("regrowth", 24.0, None), (OTHER, RESIDUAL, RESIDUAL)),
    (("regrowth", 30.0, None), (OTHER, *[missing(Unsettled.UNDATED_REGROWTH)] * 2)),
    (("regrowth", None, None), (OTHER, *[missing(Unsettled.UNDATED_REGROWTH)] * 2)),
    (("died_or_lost", 20.0, None), (*[missing(Unsettled.LOST)] * 3,)),
]


def test_the_endpoints_are_a_closed_set() -> None:
    assert set(Endpoint) == {"pCR", "sustained_cCR_24m", "complete_response"}
    with pytest.raises(PlanError) as caught:
        Endpoint("pcr")
    assert caught.value.code == "ENDPOINT_UNKNOWN"
    assert "pCR, sustained_cCR_24m, complete_response" in caught.value.expected


@pytest.mark.parametrize(("row", "truths"), SCHEMA)
def test_every_row_of_the_schema(
    row: tuple[str, float | None, float | None], truths: tuple[Truth, Truth, Truth]
) -> None:
    word, followed, regrown = row
    reference = Reference(word, months_followup=followed, months_to_regrowth=regrown)
    assert tuple(reference.truth(endpoint) for endpoint in Endpoint) == truths


@given(word=st.sampled_from(WORDS), months=st.floats(0, 600), dated=st.booleans())
def test_the_mix_is_the_union_of_both_endpoints(word: str, months: float, dated: bool) -> None:
    regrown = months if word == "regrowth" and dated else None
    reference = Reference(word, months_to_regrowth=regrown)
    one, other, both = (reference.truth(endpoint) for endpoint in Endpoint)
    known = [truth for truth in (one, other) if truth.residual is not None]
    assert known == ([both] if both.residual is not None else [])
    assert (both.residual is None) == (both.reason is not None)


@given(st.floats(0, 600))
def test_a_dated_regrowth_is_residual_up_to_24_months(months: float) -> None:
    found = Reference("regrowth", months_to_regrowth=months).truth(EITHER)
    assert found == (RESIDUAL if months <= 24 else missing(Unsettled.LATE_REGROWTH))


@given(st.floats(0, 600))
def test_months_of_follow_up_fit_one_clinical_complete_response(months: float) -> None:
    fitting = []
    for word in ("cCR_lt12m", "cCR_12_24m", "sustained_cCR_24m"):
        try:
            fitting.append(Reference(word, months_followup=months).word)
        except PlanError:
            continue
    assert len(fitting) == 1


@pytest.mark.parametrize(
    ("yp_t", "yp_n", "luminal"),
    [
        ("3", "1a", 1),
        ("is", "0", 1),
        ("0", "1", 0),
        ("0", "", 0),
        ("", "0", 1),
        ("", "x", 1),
        ("", "2", None),
        ("", "", None),
    ],
)
def test_residual_disease_may_lie_in_the_wall_or_in_nodes(
    yp_t: str, yp_n: str, luminal: int | None
) -> None:
    found = Reference("residual_path", yp_t=yp_t, yp_n=yp_n).truth(PCR)
    assert found == Truth(1, luminal, None)


CONTRADICTIONS = {
    "ypT 3": {"word": "pCR_TME", "yp_t": "3"},
    "ypT is": {"word": "pCR_LE", "yp_t": "is"},
    "ypN 1a": {"word": "pCR_TME", "yp_t": "0", "yp_n": "1a"},
    "ypN x": {"word": "pCR_TME", "yp_n": "x"},
    "ypN 0": {"word": "ypT0N+", "yp_n": "0"},
    "ypT 2": {"word": "sustained_cCR_24m", "yp_t": "2"},
    "ypT 0 and ypN 0": {"word": "residual_path", "yp_t": "0", "yp_n": "0"},
    "ypT 0 and ypN x": {"word": "regrowth", "yp_t": "0", "yp_n": "x"},
    "months_followup 23.9": {"word": "sustained_cCR_24m", "months_followup": 23.9},
    "months_followup 24": {"word": "cCR_12_24m", "months_followup": 24.0},
    "months_followup 12": {"word": "cCR_lt12m", "months_followup": 12.0},
    "months_followup nan": {"word": "pCR_TME", "months_followup": float("nan")},
    "months_to_regrowth 9": {"word": "residual_path", "months_to_regrowth": 9.0},
    "months_to_regrowth -1": {"word": "regrowth", "months_to_regrowth": -1.0},
    "months_to_regrowth 9 after months_followup 8": {
        "word": "regrowth",
        "months_to_regrowth": 9.0,
        "months_followup": 8.0,
    },
    "reference_kind surgery": {"word": "sustained_cCR_24m", "kind": "surgery"},
    "reference_kind local_excision": {"word": "pCR_TME", "kind": "local_excision"},
    "reference_kind follow_up": {"word": "residual_path", "kind": "follow_up"},
    "pseudo_residual_type mucin": {"word": "residual_path", "yp_t": "2", "tissue": "mucin"},
    "pseudo_residual_type fibrosis": {"word": "regrowth", "tissue": "fibrosis"},
}


@pytest.mark.parametrize("wrong", CONTRADICTIONS)
def test_contradictions_are_refused(wrong: str) -> None:
    with pytest.raises(PlanError) as caught:
        Reference(**CONTRADICTIONS[wrong])  # type: ignore[arg-type]
    assert caught.value.code == "LABEL_CONFLICT"
    assert wrong in caught.value.found
    assert CONTRADICTIONS[wrong]["word"] in caught.value.found


def test_what_agrees_is_accepted() -> None:
    Reference("pCR_LE", "local_excision", "0", "x", 3.0, tissue="inflammation")
    Reference("ypT0N+", "surgery", "0", "1b", tissue="fibrosis")
    Reference("regrowth", "surgery", "2", "0", 20.0, 20.0, tissue="unknown")
    Reference("residual_path", "surgery", "0", "1a", tissue="mucin")
    Reference("died_or_lost", "follow_up", months_followup=0.0)


def test_an_unknown_word_is_refused() -> None:
    with pytest.raises(PlanError) as caught:
        Reference("pCR")
    assert caught.value.code == "LABEL_UNKNOWN"
    assert "pCR_TME" in caught.value.expected


def test_the_kind_is_as_stated_or_as_implied() -> None:
    assert {word: kind_of(word) for word in WORDS} == {
        **dict.fromkeys(BY_FOLLOW_UP | {"died_or_lost"}, ReferenceKind.FOLLOW_UP),
        **dict.fromkeys(BY_PATHOLOGY, ReferenceKind.SURGERY),
        "pCR_LE": ReferenceKind.LOCAL_EXCISION,
    }
    assert Reference("residual_path", yp_n="x").verified_by == "local_excision"
    assert Reference("residual_path", "surgery", yp_n="x").verified_by == "surgery"
    assert Reference("regrowth", "surgery").verified_by == "surgery"


CALLS = ("cCR", "nCR", "iCR", "not_assessed", "")


@pytest.mark.parametrize(("call", "residual"), list(product(CALLS, (0, 1, None))))
def test_the_composite_takes_both_axes(call: str, residual: int | None) -> None:
    found = composite(call, residual)
    expected = {
        ("cCR", 0): Composite.TRUE_CCR,
        ("cCR", 1): Composite.MISSED_RESIDUAL,
        ("nCR", 0): Composite.PSEUDO_RESIDUAL,
        ("iCR", 0): Composite.PSEUDO_RESIDUAL,
        ("nCR", 1): Composite.TRUE_RESIDUAL,
        ("iCR", 1): Composite.TRUE_RESIDUAL,
    }.get((call, residual if residual is not None else -1))
    assert found == expected
