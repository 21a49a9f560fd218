"""A copy of the package in which every check can be switched off by name.

``raise InputError("CODE", ...)`` becomes ``if on(7): raise ...``; where a code stands in an error
or a note that is handed on, it becomes ``code(7, "CODE")``, which names another code while that
place is off. The working tree is not touched.
"""

from __future__ import annotations

import ast
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from fault_codes import EXIT_CODES  # noqa: E402

SWITCH = '''\
"""Which check is off, and which were reached: one byte a check in a file all processes share.

A reader process may not write files; a page of memory it may.
"""

import mmap
import os

_OFF = int(os.environ.get("RADRESP_OFF", "-1"))
_PAGE = None
if "RADRESP_REACHED" in os.environ:
    _handle = os.open(os.environ["RADRESP_REACHED"], os.O_RDWR)
    _PAGE = mmap.mmap(_handle, 0)
    os.close(_handle)


def on(number):
    """Note that a check was reached; whether it is in force."""
    if _PAGE is not None:
        _PAGE[number] = 1
    return number != _OFF


def code(number, name):
    """The code, or none that anybody knows while the check is off."""
    return name if on(number) else "CHECK_OFF"
'''


class Site(NamedTuple):
    """One place a check speaks up: number, name (module:line:column), the codes it may name."""

    number: int
    name: str
    codes: tuple[str, ...]
    kind: str


def copy_package(folder: Path) -> list[Site]:
    """Write the switchable package and the switch to a folder for ``PYTHONPATH``."""
    shutil.rmtree(folder, ignore_errors=True)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "radresp", folder / "radresp", ignore=ignored)
    (folder / "radresp_switch.py").write_text(SWITCH)
    sites: list[Site] = []
    for path in sorted((folder / "radresp").rglob("*.py")):
        module = path.relative_to(folder / "radresp").as_posix()
        if module == "errors.py":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        rewriter = _Rewriter(module, _helpers(tree), len(sites))
        tree = ast.fix_missing_locations(rewriter.visit(tree))
        if rewriter.sites:
            place = 1 + sum(_is_first(node) for node in tree.body[:3])
            tree.body.insert(place - 1, ast.parse("import radresp_switch as _switch").body[0])
            path.write_text(ast.unparse(ast.fix_missing_locations(tree)), encoding="utf-8")
            sites += rewriter.sites
    return sites


def _is_first(node: ast.stmt) -> bool:
    future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
    return future or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))


def _helpers(tree: ast.Module) -> dict[str, tuple[str, ...]]:
    """Functions of a module that build errors, with the codes they name."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            codes = tuple(dict.fromkeys(_codes_in(node)))
            if codes:
                found[node.name] = codes
    return found


def _codes_in(node: ast.AST) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.Call) and _name(part) in EXIT_CODES and part.args:
            first = part.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield first.value


def _name(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


class _Rewriter(ast.NodeTransformer):
    """Makes the checks of one module switchable."""

    def __init__(self, module: str, helpers: dict[str, tuple[str, ...]], first: int) -> None:
        self.module, self.helpers, self.first = module, helpers, first
        self.sites: list[Site] = []

    def _site(self, node: ast.AST, codes: tuple[str, ...], kind: str) -> int:
        name = f"{self.module}:{node.lineno}:{node.col_offset}"  # type: ignore[attr-defined]
        self.sites.append(Site(self.first + len(self.sites), name, codes, kind))
        return self.sites[-1].number

    def visit_Raise(self, node: ast.Raise) -> ast.stmt:
        call = node.exc
        if not isinstance(call, ast.Call):
            return node
        codes = tuple(_codes_in(call)) or self.helpers.get(_name(call), ())
        if not codes and _name(call) in EXIT_CODES:
            codes = ("?",)  # a code that is looked up
        if not codes:
            return node
        test = ast.parse(f"_switch.on({self._site(node, codes, 'raise')!r})", mode="eval").body
        return ast.copy_location(ast.If(test, [node], []), node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.stmt:
        """Leave functions alone that only build the error others raise."""
        returned = [part.value for part in ast.walk(node) if isinstance(part, ast.Return)]
        builds = [value for value in returned if isinstance(value, ast.Call) and _is_error(value)]
        if builds and len(builds) == len(returned):
            return node
        self.generic_visit(node)
        return node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        place = 0 if _name(node) in EXIT_CODES else 1 if _name(node) == "Note" else None
        if place is None or len(node.args) <= place:
            return node
        code = node.args[place]
        if isinstance(code, ast.Constant) and isinstance(code.value, str):
            site = self._site(code, (code.value,), "named")
            node.args[place] = ast.parse(
                f"_switch.code({site!r}, {code.value!r})", mode="eval"
            ).body
        return node


def _is_error(call: ast.Call) -> bool:
    return _name(call) in EXIT_CODES


def environment(folder: Path, **more: str) -> dict[str, str]:
    """What a process needs to import the copy."""
    return os.environ | {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"} | more
