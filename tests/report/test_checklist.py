from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import pytest

from radresp import report
from radresp.report.answers import AUTHORS, FILLED, NOT_DONE
from radresp.report.checklist import ANSWERS, checklist_items

FACTS: dict[str, Any] = {
    "method": "elastic_net",
    "hyperparameters": {
        "outer_folds": 5,
        "repeats": 3,
        "max_correlation": 0.95,
        "max_missing": 0.1,
    },
    "features": ["post.t2.bed.original.glcm_Contrast", "delta.adc.bed.ratio.firstorder_Median"],
    "plan_sha256": "a1" * 32,
    "extraction_sha256": "b2" * 32,
    "training_data": "synthetic",
    "versions": {"radresp": "9.8.7", "pyradiomics-bhklab": "3.1.4"},
    "conformal": {"level": 0.1},
    "sites": 2,
    "clinical": False,
    "stability_filter": True,
    "harmonised": True,
}
EXTERNAL = {("METRICS", "27"), ("TRIPOD+AI", "16"), ("TRIPOD+AI", "20c")}


def found(rows: list[dict[str, Any]], guideline: str, item: str) -> dict[str, Any]:
    (row,) = [r for r in rows if (r["guideline"], r["item"]) == (guideline, item)]
    return row


def test_each_list_has_its_items_in_order() -> None:
    """27 items in 52 parts (Collins 2024), 58 (Kocak 2023), 30 (Kocak 2024)."""
    numbers: dict[str, list[str]] = {}
    for item in checklist_items():
        numbers.setdefault(item.guideline, []).append(item.item)
    assert len(numbers["TRIPOD+AI"]) == 52
    main = list(dict.fromkeys(re.sub(r"\D", "", number) for number in numbers["TRIPOD+AI"]))
    assert main == [str(k) for k in range(1, 28)]
    assert numbers["CLEAR"] == [str(k) for k in range(1, 59)]
    assert numbers["METRICS"] == [str(k) for k in range(1, 31)]


def test_parts_of_tripod_are_lettered_without_gaps() -> None:
    letters: dict[str, str] = {}
    for item in checklist_items():
        if item.guideline == "TRIPOD+AI" and item.item[-1].isalpha():
            letters[item.item[:-1]] = letters.get(item.item[:-1], "") + item.item[-1]
    lettered = {"3": 3, "5": 2, "6": 3, "8": 3, "9": 3, "12": 7, "18": 6, "20": 3, "23": 2, "27": 3}
    assert letters == {item: "abcdefg"[:count] for item, count in lettered.items()}


@pytest.mark.parametrize(
    ("item", "weight"),
    [("1", 0.0368), ("3", 0.0919), ("11", 0.0622), ("18", 0.0599), ("27", 0.0749), ("30", 0.0075)],
)
def test_weights_are_the_published_ones(item: str, weight: float) -> None:
    """Kocak et al., Insights Imaging 2024;15:8, table 1."""
    (entry,) = [i for i in checklist_items() if (i.guideline, i.item) == ("METRICS", item)]
    assert entry.weight == weight


def test_weights_add_up_to_one_and_belong_to_metrics_alone() -> None:
    weights = [item.weight for item in checklist_items() if item.weight is not None]
    assert len(weights) == 30
    assert sum(weights) == pytest.approx(1.0, abs=1e-9)
    assert {i.guideline for i in checklist_items() if i.weight is not None} == {"METRICS"}


def test_every_answer_is_asked_for_and_every_item_asks_for_one() -> None:
    assert {item.source for item in checklist_items()} == set(ANSWERS)


@pytest.mark.parametrize("facts", [{}, FACTS], ids=["no facts", "facts"])
@pytest.mark.parametrize("kind", ["least", "whole"])
def test_each_item_has_an_answer(
    kind: str, facts: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    evaluation = request.getfixturevalue(kind)
    rows = report.checklist_rows(evaluation, facts)
    assert len(rows) == 140
    assert {row["status"] for row in rows} == {FILLED, AUTHORS, NOT_DONE}
    assert all(row["answer"] for row in rows if row["status"] != AUTHORS)
    assert not [row for row in rows if re.search(r"\b(None|nan)\b", row["answer"])]
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows


@pytest.mark.parametrize("stated", ["none", None, "None so far", "not done", "no other hospital"])
def test_no_item_claims_external_validation_where_there_is_none(
    whole: dict[str, Any], stated: str | None
) -> None:
    whole["external_validation"] = stated
    rows = report.checklist_rows(whole, FACTS)
    for place in EXTERNAL:
        assert found(rows, *place)["status"] == NOT_DONE
    claims = [row["answer"] for row in rows if "external" in row["answer"]]
    assert len(claims) >= 4
    assert all("external validation: none" in answer for answer in claims)


def test_an_external_validation_is_told_in_its_own_words(whole: dict[str, Any]) -> None:
    whole["external_validation"] = "Northern Hospital, 80 cases"
    rows = report.checklist_rows(whole, FACTS)
    assert found(rows, "METRICS", "27")["status"] == FILLED
    assert "Northern Hospital, 80 cases" in found(rows, "METRICS", "27")["answer"]
    assert found(rows, "TRIPOD+AI", "16")["status"] == AUTHORS


def test_answers_hold_the_numbers_of_the_run(whole: dict[str, Any]) -> None:
    rows = report.checklist_rows(whole, FACTS)
    for guideline, item, words in (
        ("TRIPOD+AI", "10", "412 features, 58 patients; 9041 patients needed"),
        ("TRIPOD+AI", "12a", "3 x 5 folds"),
        ("TRIPOD+AI", "23b", "AUC 0.694 (0.561 to 0.804)"),
        ("TRIPOD+AI", "27a", "3/60"),
        ("CLEAR", "25", "radresp = 9.8.7"),
        ("CLEAR", "26", "firstorder, glcm"),
        ("CLEAR", "48", "AUC +0.139 (-0.012 to +0.281) against volume only"),
        ("METRICS", "4", "2 sites"),
        ("METRICS", "21", "95 % intervals, 40 bootstrap draws"),
    ):
        assert words in found(rows, guideline, item)["answer"]


def test_what_was_not_done_is_not_vouched_for(whole: dict[str, Any]) -> None:
    full = report.vouched_weight(report.checklist_rows(whole, FACTS))
    without = FACTS | {"stability_filter": False, "harmonised": False, "sites": 1}
    less = report.checklist_rows(whole, without)
    for item in ("4", "14"):
        assert found(less, "METRICS", item)["status"] == NOT_DONE
    assert full - report.vouched_weight(less) == pytest.approx(0.0438 + 0.0200 + 0.0300)


def test_the_method_that_keeps_all_features_removes_none(whole: dict[str, Any]) -> None:
    rows = report.checklist_rows(whole, FACTS | {"method": "auto"})
    assert found(rows, "METRICS", "15")["status"] == NOT_DONE


def test_a_cohort_that_is_too_small_is_not_vouched_for(whole: dict[str, Any]) -> None:
    assert found(report.checklist_rows(whole, FACTS), "METRICS", "16")["status"] == NOT_DONE
    whole["sample_size"]["patients_needed"] = 58
    assert found(report.checklist_rows(whole, FACTS), "METRICS", "16")["status"] == FILLED


def test_one_kind_of_image_and_two(whole: dict[str, Any]) -> None:
    two = report.checklist_rows(whole, FACTS)
    one = report.checklist_rows(whole, FACTS | {"features": FACTS["features"][:1]})
    assert found(two, "METRICS", "23")["answer"].startswith("adc, t2 together")
    assert found(one, "METRICS", "23") | {"weight": None} == {
        "guideline": "METRICS",
        "item": "23",
        "section": "metrics and comparison",
        "text": "one kind of image or proof that it is not enough",
        "weight": None,
        "status": FILLED,
        "answer": "t2 alone",
    }


def test_the_table_has_a_section_a_list_with_its_counts(whole: dict[str, Any]) -> None:
    rows = report.checklist_rows(whole, FACTS)
    table = report.checklist_table(whole, FACTS)
    for name, total in (("TRIPOD+AI", 52), ("CLEAR", 58), ("METRICS", 30)):
        counts = Counter(row["status"] for row in rows if row["guideline"] == name)
        section = table.split(f"## {name}\n")[1].split("\n## ")[0]
        assert f"Filled from the run: {counts[FILLED]} of {total}" in section
        assert f"{AUTHORS}: {counts[AUTHORS]}, {NOT_DONE}: {counts[NOT_DONE]}" in section
        assert section.count("\n| ") == total + 1
    assert f"can vouch for weigh {report.vouched_weight(rows):.4f} of 1" in table
    assert "not a METRICS score of the study" in table


def test_text_stays_in_its_cell_and_is_no_html(whole: dict[str, Any]) -> None:
    whole["endpoint"] = "pCR | <b>yes</b>\nnew line"
    table = report.checklist_table(whole, FACTS)
    (line,) = [row for row in table.splitlines() if row.startswith("| 8a ")]
    assert "pCR \\| &lt;b>yes&lt;/b> new line" in line
    assert len(re.findall(r"(?<!\\)\|", line)) == 5


def test_a_number_of_features_is_enough(whole: dict[str, Any]) -> None:
    rows = report.checklist_rows(whole, FACTS | {"features": 16})
    assert (
        found(rows, "CLEAR", "27")["answer"] == "412 features were looked at, 16 are in the model"
    )
