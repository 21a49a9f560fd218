"""The rules of `radresp index`: read strictly, and every fault named by its path."""

from __future__ import annotations

from pathlib import Path

import pytest

from radresp.core import Sequence
from radresp.errors import PlanError
from radresp.pipeline.index_rules import ATTRIBUTES, load_rules


def rules_file(folder: Path, text: str) -> Path:
    path = folder / "rules.yaml"
    path.write_text(text)
    return path


def test_what_a_file_does_not_say_keeps_its_default(tmp_path: Path) -> None:
    default = load_rules()
    path = rules_file(tmp_path, "t2:\n  require: {kind: {one_of: [t2, other]}}\n")
    changed = load_rules(path)
    assert list(changed.t2.require) == ["kind"]
    assert changed.t2.prefer == default.t2.prefer
    assert (changed.dwi, changed.visits) == (default.dwi, default.visits)


def test_every_attribute_is_explained_in_the_file() -> None:
    path = Path(__file__).parents[2] / "configs/index.yaml"
    text = path.read_text(encoding="utf-8").partition("\nwords:")[0]
    assert [name for name in ATTRIBUTES if name not in text] == []
    assert all(load_rules().role(sequence).require for sequence in Sequence)


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("t3: {}\n", "CONFIG_KEY", "unknown key t3"),
        ("t2: {requires: {}}\n", "CONFIG_KEY", "unknown key t2.requires"),
        ("t2: {require: {tilt: {at_most: 3}}}\n", "CONFIG_KEY", "t2.require.tilt"),
        ("t2: {require: {slices: {atleast: 3}}}\n", "CONFIG_KEY", "t2.require.slices.atleast"),
        ("t2: {require: {slices: {}}}\n", "CONFIG_VALUE", "t2.require.slices"),
        ("t2: {require: {slices: {at_least: many}}}\n", "CONFIG_VALUE", "'many' (str)"),
        ("t2: {require: {slices: {has: [a]}}}\n", "CONFIG_VALUE", "'has' of slices"),
        ("t2: {require: {kind: {at_most: 3}}}\n", "CONFIG_VALUE", "'at_most' of kind"),
        ("t2: {require: {words: {has: [fine]}}}\n", "CONFIG_KEY", "words: fine"),
        ("t2: {prefer: [{attribute: slices}]}\n", "CONFIG_VALUE", "t2.prefer.0"),
        ("t2: {prefer: [{attribute: kind, order: lowest}]}\n", "CONFIG_VALUE", "'order' of kind"),
        ("t2: {prefer: [{attribute: x, order: lowest}]}\n", "CONFIG_KEY", "t2.prefer.1.x"),
        ("words: {A b: x}\n", "CONFIG_VALUE", "words"),
        ("words: {a: '('}\n", "CONFIG_VALUE", "words"),
        ("visits: {minimum_days: 50, maximum_days: 40}\n", "CONFIG_VALUE", "visits"),
        ("visits: 3\n", "CONFIG_VALUE", "visits: 3"),
        ("t2: {}\nt2: {}\n", "CONFIG_DUPLICATE", "twice"),
        ("t2: !!python/name:os.system x\n", "CONFIG_TAG", "a tag"),
    ],
)
def test_faults_are_named(tmp_path: Path, text: str, code: str, words: str) -> None:
    with pytest.raises(PlanError) as caught:
        load_rules(rules_file(tmp_path, text))
    assert caught.value.code == code
    assert words in caught.value.found
    assert caught.value.file == str(tmp_path / "rules.yaml")
