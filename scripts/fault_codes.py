"""Print docs/reference/faults.md: every code radresp uses, read from its source.

    python scripts/fault_codes.py > docs/reference/faults.md

A test holds the page to this output, so a new code cannot go undocumented.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PACKAGE = Path(__file__).resolve().parents[1] / "radresp"
EXIT_CODES = {
    "InputError": "refused, exit 3 (4 or 5 in a batch)",
    "GeometryError": "refused, exit 3 (4 or 5 in a batch)",
    "PlanError": "nothing touched, exit 2",
    "CohortError": "nothing usable, exit 5",
    "OutputError": "cannot write, exit 6",
    "ModelError": "model refused, exit 7",
    "ResourceError": "limit reached, exit 8",
    "RadrespError": "fault of radresp, exit 70",
}
KINDS = {
    "FIX": "repaired and recorded",
    "WARNING": "warning",
    "ABSTAIN": "abstains",
    "INFO": "note",
}
HEADER = """\
# Fault codes

Every message has the form *what was found; what was expected; what to do*, with the case and the
file (relative to the data root) beside it. The same code is in `status.jsonl` and `--json`.
Made by scripts/fault_codes.py from the source.

| code | what happens | room |
|---|---|---|
"""


class Use(NamedTuple):
    """One place that uses a code."""

    code: str
    effect: str
    room: str


def uses(path: Path) -> Iterator[Use]:
    """The codes one module uses."""
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and (named := _code_and_effect(node)):
            yield Use(*named, room)


def _code_and_effect(call: ast.Call) -> tuple[str, str] | None:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    texts = [a.value if isinstance(a, ast.Constant) else None for a in call.args[:2]]
    if name in EXIT_CODES and texts and _is_code(texts[0]):
        return str(texts[0]), EXIT_CODES[name]
    if name == "Note" and len(texts) == 2 and _is_code(texts[1]):
        kind = getattr(call.args[0], "attr", "")
        return str(texts[1]), KINDS.get(kind, "note")
    return _told_by_a_command(call, name)


def _told_by_a_command(call: ast.Call, name: str) -> tuple[str, str] | None:
    """Codes that are no error and no note: findings of ``check``, open rows of ``index``."""
    words = [*call.args, *(k.value for k in call.keywords)]
    codes = [w.value for w in words if isinstance(w, ast.Constant) and _is_code(w.value)]
    effects = {"Finding": "told by `check`", "Visits": "row of `index` left to a person"}
    if name not in effects or not codes:
        return None
    return str(codes[0]), effects[name]


def _is_code(text: object) -> bool:
    return isinstance(text, str) and text.isupper() and " " not in text


def page() -> str:
    """The whole page."""
    effects: dict[str, set[str]] = defaultdict(set)
    rooms: dict[str, set[str]] = defaultdict(set)
    for path in sorted(PACKAGE.rglob("*.py")):
        for use in uses(path):
            effects[use.code].add(use.effect)
            rooms[use.code].add(use.room)
    rows = [
        f"| `{code}` | {'; '.join(sorted(effects[code]))} | {', '.join(sorted(rooms[code]))} |"
        for code in sorted(effects)
    ]
    return HEADER + "\n".join(rows) + "\n"


if __name__ == "__main__":
    print(page(), end="")
