"""What is published: whole tables, printed fractions that fit, inferred counts are no data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import radresp

from radresp.errors import PlanError
from radresp.regimen import arms, biomarkers, longterm, pseudo_residuals, select


def test_every_arm_has_one_main_row_and_known_words() -> None:
    by_arm: dict[str, int] = {}
    for arm in arms():
        by_arm[arm.arm_id] = by_arm.get(arm.arm_id, 0) + arm.primary
        assert arm.radiotherapy in ("LCRT", "SCRT", "other", "any", "none")
        if arm.events is not None and arm.patients is not None:
            assert 0 <= arm.events <= arm.patients
    assert set(by_arm.values()) == {1}
    assert len(by_arm) == 46


def test_a_count_gives_the_printed_rate() -> None:
    checked = 0
    for arm in arms():
        if arm.events is None or arm.patients is None:
            continue
        checked += 1
        rate = 100 * arm.events / arm.patients
        assert rate == pytest.approx(float(arm.rate_percent), abs=0.55), arm.arm_id
    assert checked > 30


def test_an_inferred_count_is_no_count_unless_asked_for() -> None:
    inferred = [arm for arm in arms() if arm.inferred and arm.events is not None]
    assert len(inferred) > 20
    assert not any(arm.counted() for arm in inferred)
    assert all(arm.counted(inferred=True) for arm in inferred if arm.patients)


def test_only_what_is_said_of_the_read_as_incomplete_is_a_rate_to_shift_to() -> None:
    usable = {row.study for row in pseudo_residuals() if row.among_read_incomplete}
    assert usable == {"OPRA", "TORCH"}
    counts = {row.study: row.counted() for row in pseudo_residuals()}
    assert counts["OPRA"] is None
    assert counts["TORCH"] is not None


def test_queries_narrow_and_unknown_words_are_refused() -> None:
    with_drug = select(immunotherapy="any", endpoint="pCR")
    assert {arm.immunotherapy for arm in with_drug}.isdisjoint({"none", "not stated"})
    induction = select(sequence="induction")
    assert all("induction" in arm.sequence for arm in induction)
    assert not any(arm.aggregate for arm in select())
    for field, word in (("radiotherapy", "XRT"), ("sequence", "before"), ("study", "TORCHX")):
        with pytest.raises(PlanError, match="no arm has") as caught:
            select(**{field: word})
        assert caught.value.code == "REGIMEN_UNKNOWN"


def test_associations_and_the_long_term_are_there() -> None:
    assert len(biomarkers()) > 20
    assert len(longterm()) > 5


# ------------------------------------------------------------------------------------- commands


def test_list_marks_counts_nobody_printed() -> None:
    shown = radresp("regimen", "list", "--endpoint", "cCR", "--immunotherapy", "any")
    assert shown.code == 0, shown.err
    assert "~14/45" in shown.out
    assert "27/62" in shown.out


def test_show_gives_the_rate_of_torch() -> None:
    shown = radresp("regimen", "show", "--endpoint", "pseudo_residual", "--json")
    assert shown.code == 0, shown.err
    found = json.loads(shown.out)
    assert found["mean"] == pytest.approx(0.345, abs=5e-4)
    assert found["without_counts"] == ["OPRA"]


def test_show_without_printed_counts_says_how_to_get_others() -> None:
    asked = ("regimen", "show", "--endpoint", "pCR", "--study", "PANDORA")
    shown = radresp(*asked)
    assert shown.code == 2
    assert "--inferred" in shown.err
    assert radresp(*asked, "--inferred").code == 0


def test_shift_prints_before_and_after_with_the_assumption() -> None:
    asked = ("regimen", "shift", "--p", "0.5", "--from", "0.1", "--study", "TORCH",
             "--endpoint", "pseudo_residual", "--model-endpoint")  # fmt: skip
    shown = radresp(*asked, "pseudo_residual")
    assert shown.code == 0, shown.err
    assert "0.500 at prevalence 0.100 -> 0.826 at 0.345" in shown.out
    assert "assumes" in shown.out
    assert radresp(*asked, "pCR").code == 2


def test_a_table_of_probabilities_finds_its_own_prevalence(tmp_path: Path) -> None:
    lines = ["case_id,p_ccr", *(f"c{i},{0.05 + 0.9 * (i % 10) / 10}" for i in range(40))]
    (tmp_path / "p.csv").write_text("\n".join(lines) + "\n")
    shown = radresp("regimen", "shift", "--table", tmp_path / "p.csv", "--from", "0.3", "--json")
    assert shown.code == 0, shown.err
    found = json.loads(shown.out)
    assert found["low"] <= found["prevalence"] <= found["high"]
    assert len(found["p"]) == 40


def test_a_shift_needs_one_probability_or_one_table() -> None:
    assert radresp("regimen", "shift", "--from", "0.3").code == 2
    shown = radresp("regimen", "shift", "--from", "0.3", "--p", "0.5", "--json")
    assert (shown.code, shown.json["error"]["code"]) == (2, "USAGE")
    assert "--model-endpoint" in shown.json["error"]["expected"]
