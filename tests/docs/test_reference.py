"""Pages made from the code are in step with it, and say nothing the code or a standard does not."""

from __future__ import annotations

import csv
import importlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from radresp.features import Ibsi, ibsi, original

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    "cli_reference": "cli.md",
    "plan_reference": "plan.md",
    "feature_reference": "feature-list.md",
}
SAME = "IBSI consensus "
CODES_ELSEWHERE = {"stat", "loc", "ivh"}
"""Groups of the IBSI without codes in DICOM PS3.16."""


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    monkeypatch.syspath_prepend(ROOT / "scripts")
    return importlib.import_module


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_the_output_of_its_script(
    name: str, script: Callable[[str], ModuleType]
) -> None:
    page = ROOT / "docs/reference" / PAGES[name]
    made = script(name).page()
    assert page.read_text(encoding="utf-8") == made, f"run: python scripts/{name}.py > {page}"


def test_the_list_holds_every_feature_once(script: Callable[[str], ModuleType]) -> None:
    rows = script("feature_reference").formulae()
    listed = [f"{row.group}_{row.feature}" for row in rows if row.feature]
    known = [
        f"{group}_{name}" for group, names in original.FEATURES.items() for name in names.split()
    ]
    assert sorted(listed) == sorted(known)
    tags = [row.tag for row in rows if row.tag]
    assert sorted(tags) == sorted({plain(tag) for tag in ibsi.names(Ibsi())})
    assert len(set(tags)) == len(tags)
    assert all(row.formula for row in rows)


def plain(tag: str) -> str:
    """A tag without its aggregation."""
    return tag.removesuffix("_3D_comb").removesuffix("_3D")


def test_which_feature_is_which_agrees_with_the_golden_values(
    script: Callable[[str], ModuleType],
) -> None:
    rows = script("feature_reference").formulae()
    tag_of = {f"{row.group}_{row.feature}": row.tag for row in rows if row.feature}
    with (ROOT / "tests/golden/ibsi_digital_phantom.csv").open(encoding="utf-8") as file:
        golden = [row for row in csv.DictReader(file) if row["source"].startswith(SAME)]
    assert len(golden) > 90
    for row in golden:
        tag = row["source"].removeprefix(SAME).split()[0].removesuffix("_3D_avg")
        assert tag_of[row["feature"]] == plain(tag), row["feature"]


def test_codes_are_those_of_the_standard(script: Callable[[str], ModuleType]) -> None:
    from pydicom.sr._concepts_dict import concepts

    rows = [row for row in script("feature_reference").formulae() if row.tag]
    known = {code: name for said in concepts["IBSI"].values() for code, (name, _) in said.items()}
    for row in rows:
        group = row.tag.split("_")[0]
        assert bool(row.code) != (group in CODES_ELSEWHERE), row.tag
        if row.code:
            ours, theirs = words(row.name), words(known[row.code])
            assert len(ours & theirs) >= min(2, len(ours), len(theirs)), (row.name, known[row.code])
    codes = [row.code for row in rows if row.code]
    assert len(set(codes)) == len(codes)


def words(name: str) -> set[str]:
    """What a name says, however it is spelt."""
    spelt = name.lower().replace("gray", "grey").replace("uniformity", "-uniformity")
    spelt = spelt.replace("normalized", "normalised").replace("nonun", "non-un")
    return set(spelt.replace("-", " ").replace("(", " ").replace(")", " ").split()) - {"of", "in"}
