"""Choosing an outline: one fits, or the list of what is there is shown; nothing is guessed."""

from __future__ import annotations

from pathlib import Path

import pytest

from radresp.errors import InputError, PlanError
from radresp.io.mask_choice import Entry, listed, parse_choice, select, shown_name

FILE = Path("seg.dcm")
ENTRIES = (
    Entry(1, "GTV primary", ("Neoplasm", "SCT:108369006")),
    Entry(2, "gtv node", ("Lymph node", "SCT:59441001")),
    Entry(5, "Muscle+fat", ("Muscle", "SCT:91727004")),
    Entry(7, "muscle", ("Muscle", "SCT:91727004")),
)


def chosen(text: str | None, entries=ENTRIES) -> list[int]:
    return [entry.number for entry in select(entries, parse_choice(text), FILE)]


def refusal(text: str | None, entries=ENTRIES) -> InputError:
    with pytest.raises(InputError) as caught:
        chosen(text, entries)
    assert caught.value.code == "MASK_LABEL"
    assert int(caught.value.exit_code) == 3
    return caught.value


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("2", [2]),
        ("GTV primary", [1]),
        ("gtv  PRIMARY", [1]),
        (" muscle ", [7]),
        ("lymph node", [2]),
        ("SCT:108369006", [1]),
        ("/^GTV/", [1]),
        ("/node$/", [2]),
        ("/(?i)gtv p/", [1]),
        ("1+7", [1, 7]),
        ("GTV primary + 2", [1, 2]),
        ("1+1", [1]),
        ("Muscle+fat", [5]),
    ],
)
def test_a_choice_that_fits_once(text, numbers):
    assert chosen(text) == numbers


@pytest.mark.parametrize("text", ["3", "rectum", "/x+y/", "1+9", "GTV"])
def test_a_choice_that_fits_nothing_shows_the_list(text):
    assert "1 'GTV primary', 2 'gtv node', 5 'Muscle+fat'" in refusal(text).expected


@pytest.mark.parametrize("text", ["/(?i)gtv/", "/./", "SCT:91727004"])
def test_a_choice_that_fits_twice_shows_the_list(text):
    assert "fits" in refusal(text).found


def test_without_a_choice_only_one_outline_is_no_question():
    assert chosen(None, ENTRIES[:1]) == [1]
    assert "4 outlines" in refusal(None).found
    assert "none" in refusal(None, ()).expected


def test_a_name_in_another_case_does_not_hide_an_exact_one():
    entries = (Entry(1, "tumour"), Entry(2, "Tumour"))
    assert chosen("Tumour", entries) == [2]
    refusal("TUMOUR", entries)


@pytest.mark.parametrize(
    ("text", "who", "level"),
    [(">=0.5", "", 0.5), ("2>=0.25", "2", 0.25), ("a >= 1", "a", 1.0), ("a>=b>=.5", "a>=b", 0.5)],
)
def test_thresholds(text, who, level):
    assert (parse_choice(text).text, parse_choice(text).threshold) == (who, level)


@pytest.mark.parametrize("text", ["", " ", ">=0", ">=1.5", "/(/", "a\nb", "x" * 201])
def test_a_choice_that_cannot_be_read_is_a_fault_of_the_table(text):
    with pytest.raises(PlanError) as caught:
        parse_choice(text)
    assert (caught.value.code, int(caught.value.exit_code)) == ("MASK_CHOICE", 2)


def test_names_are_shown_printable_short_and_without_what_names_a_person():
    private = frozenset({"canaryxq", "anna"})
    assert shown_name("GTV CANARYXQ, Anna", private) == "GTV ***, ***"
    assert shown_name("a\x1b[31m\nb") == "a?[31m?b"
    assert shown_name("x" * 80) == "x" * 64 + "..."
    assert shown_name("GTV 20210405 0012345678 2021-04-05") == "GTV *** *** ***"


def test_a_long_list_is_cut():
    entries = [Entry(n) for n in range(1, 31)]
    assert listed(entries).endswith("12 and 18 more")
