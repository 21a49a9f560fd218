"""The documents say what the code does: pages made from it are up to date, examples run."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from radresp import pipeline
from radresp.notice import INTENDED_USE

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted(path for path in ROOT.glob("*.md")) + sorted((ROOT / "docs").rglob("*.md"))


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_default_yaml_is_the_default_plan_with_every_key() -> None:
    path = ROOT / "configs/default.yaml"
    assert path.read_text(encoding="utf-8") == script("default_plan").default_plan_text()
    assert pipeline.load_plan(path) == pipeline.load_plan(None)


def test_the_index_rules_are_those_an_installation_has() -> None:
    path = ROOT / "configs/index.yaml"
    packaged = ROOT / "radresp/pipeline/index.yaml"
    assert path.read_text(encoding="utf-8") == packaged.read_text(encoding="utf-8")
    assert pipeline.load_rules(path) == pipeline.load_rules(None)


NO_PLANS = {ROOT / "configs/index.yaml", ROOT / "configs/slurm.yaml"}
PLANS = sorted(set((ROOT / "configs").glob("*.yaml")) - NO_PLANS)


@pytest.mark.parametrize("path", PLANS, ids=lambda p: p.name)
def test_every_config_is_a_plan(path: Path) -> None:
    assert pipeline.feature_names(pipeline.load_plan(path))


def test_the_fault_page_lists_every_code() -> None:
    page = (ROOT / "docs/reference/faults.md").read_text(encoding="utf-8")
    assert page == script("fault_codes").page()


def test_every_row_of_the_fault_catalogue_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "scripts")
    page = (ROOT / "docs/reference/fault-tests.md").read_text(encoding="utf-8")
    assert page == script("fault_tests").page()


def test_the_readme_begins_with_the_intended_use() -> None:
    assert INTENDED_USE in README.split("\n\n")[1]


HEADINGS = re.compile(r"^#+ (.*)$", flags=re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """What a heading is called in a link: lower case, hyphens, no punctuation."""
    headings = HEADINGS.findall(page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", text):
        found = page.parent / target if target else page
        assert found.exists(), f"{page.name}: {target}"
        if anchor:
            assert anchor in anchors(found), f"{page.name}: {target}#{anchor}"


def test_every_page_is_in_a_table_of_contents() -> None:
    docs = ROOT / "docs"
    listed: set[Path] = set()
    for page in docs.rglob("*.md"):
        for tree in re.findall(r"```{toctree}\n(.*?)```", page.read_text(), flags=re.DOTALL):
            names = [line for line in tree.splitlines() if line and not line.startswith(":")]
            listed |= {(page.parent / f"{name}.md").resolve() for name in names}
    assert listed == set(docs.rglob("*.md")) - {docs / "index.md"}


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("pydata_sphinx_theme", reason="needs the extra docs")
    from sphinx.cmd.build import main

    assert main(["-W", "-q", "-b", "html", str(ROOT / "docs"), str(tmp_path)]) == 0
    home = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert INTENDED_USE in re.sub(r"\s+", " ", home)
