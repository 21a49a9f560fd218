"""Plans on disk: YAML 1.2 with duplicate keys, tags, aliases and huge files refused."""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, NodeEvent

from radresp.errors import PlanError

MAX_BYTES = 1_000_000
MAX_DEPTH = 20


def load_mapping(path: Path) -> dict[str, Any]:
    """Read a YAML mapping, refusing everything that silently changes meaning.

    Parameters
    ----------
    path : Path
        UTF-8 YAML file of at most 1 MB.

    Returns
    -------
    dict
        Plain Python values. YAML 1.2: ``no`` is text, ``1e-6`` a number, ``012`` twelve.

    Raises
    ------
    PlanError
        ``CONFIG_FILE`` (missing, empty, not UTF-8, not a mapping), ``CONFIG_DUPLICATE``,
        ``CONFIG_TAG``, ``CONFIG_TOO_COMPLEX``.
    """
    return parse_mapping(_read(path), path)


def parse_mapping(text: str, path: Path | None = None) -> dict[str, Any]:
    """Read YAML text as :func:`load_mapping` reads a file."""
    _check_events(text, path)
    try:
        value = YAML(typ="safe", pure=True).load(text)
    except DuplicateKeyError as error:
        lines = [m.line + 1 for m in (error.context_mark, error.problem_mark) if m is not None]
        raise PlanError(
            "CONFIG_DUPLICATE",
            f"a key occurs twice, near lines {lines}",
            expected="every key once",
            file=path,
        ) from None
    except YAMLError as error:
        raise _broken(error, path) from None
    if not isinstance(value, dict):
        raise PlanError(
            "CONFIG_FILE", "the file holds no keys", expected="a mapping of keys", file=path
        )
    return value


def dump_mapping(mapping: Mapping[str, Any]) -> str:
    """A mapping as YAML text that :func:`load_mapping` reads back."""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    out = StringIO()
    yaml.dump(dict(mapping), out)
    return out.getvalue()


def _read(path: Path) -> str:
    if not path.is_file():
        raise PlanError("CONFIG_FILE", "no such file", expected="a YAML plan", file=path)
    if path.stat().st_size > MAX_BYTES:
        raise PlanError(
            "CONFIG_TOO_COMPLEX",
            f"{path.stat().st_size} bytes",
            expected=f"at most {MAX_BYTES}",
            file=path,
        )
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise PlanError("CONFIG_FILE", "not UTF-8 text", expected="UTF-8", file=path) from None


def _check_events(text: str, path: Path | None) -> None:
    """Look at the stream of events first: aliases, tags and depth cost nothing there."""
    depth = 0
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            if isinstance(event, AliasEvent) or getattr(event, "anchor", None):
                raise PlanError("CONFIG_TOO_COMPLEX", "an alias or anchor", file=path)
            tag = getattr(event, "tag", None) if isinstance(event, NodeEvent) else None
            if tag:
                raise PlanError("CONFIG_TAG", f"a tag {tag}", expected="none", file=path)
            depth += isinstance(event, CollectionStartEvent)
            depth -= isinstance(event, CollectionEndEvent)
            if depth > MAX_DEPTH:
                raise PlanError("CONFIG_TOO_COMPLEX", f"deeper than {MAX_DEPTH} levels", file=path)
    except YAMLError as error:
        raise _broken(error, path) from None


def _broken(error: YAMLError, path: Path | None) -> PlanError:
    mark = getattr(error, "problem_mark", None)
    where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    return PlanError(
        "CONFIG_FILE", f"not valid YAML{where}", action="check indentation and tabs", file=path
    )
