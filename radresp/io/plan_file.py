"""Plans on disk: YAML 1.2 with everything refused that swells, runs or silently changes meaning.

Tags, aliases, merge keys, duplicate keys and directives for another YAML are no part of a plan.
Size, depth, number of values and length of a text are bounded before anything is built.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    NodeEvent,
    ScalarEvent,
)

from radresp.errors import PlanError

MAX_BYTES = 100_000
"""Of a file; the default plan with all its comments has a quarter."""
MAX_DEPTH = 20
MAX_VALUES = 5_000
"""Keys, texts, numbers and lists together; the default plan has 700."""
MAX_TEXT = 2_000
"""Characters of one of them."""
_SURROGATE = re.compile("[\ud800-\udfff]")
_ODD_VALUES = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What ruamel lets out of a date that is none, a huge number or a character beyond Unicode."""


def load_mapping(path: Path) -> dict[str, Any]:
    """Read a YAML mapping, refusing everything that silently changes meaning.

    Parameters
    ----------
    path : Path
        UTF-8 YAML file of at most 100 kB.

    Returns
    -------
    dict
        Plain Python values. YAML 1.2: ``no`` is text, ``1e-6`` a number, ``012`` twelve.

    Raises
    ------
    PlanError
        ``CONFIG_FILE`` (missing, unreadable, empty, not UTF-8, not YAML 1.2, not a mapping),
        ``CONFIG_DUPLICATE``, ``CONFIG_TAG``, ``CONFIG_TOO_COMPLEX``.
    """
    return parse_mapping(_read(path), path)


def parse_mapping(text: str, path: Path | None = None) -> dict[str, Any]:
    """Read YAML text as :func:`load_mapping` reads a file."""
    try:
        _check_events(text, path)
        value = YAML(typ="safe", pure=True).load(text)
    except PlanError:
        raise
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
    except _ODD_VALUES as error:
        raise PlanError(
            "CONFIG_FILE",
            f"a value that cannot be read ({type(error).__name__})",
            expected="dates, numbers and characters that exist",
            file=path,
        ) from None
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
    try:
        if not path.is_file():
            raise PlanError("CONFIG_FILE", "no such file", expected="a YAML plan", file=path)
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        found = f"the file cannot be read: {error.strerror}"
        raise PlanError("CONFIG_FILE", found, expected="a YAML plan", file=path) from None
    if len(data) > MAX_BYTES:
        raise _too_complex(f"more than {MAX_BYTES} bytes", path)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise PlanError("CONFIG_FILE", "not UTF-8 text", expected="UTF-8", file=path) from None


def _check_events(text: str, path: Path | None) -> None:
    """Look at the stream of events first: aliases, tags, depth and number cost nothing there."""
    depth = values = 0
    for event in YAML(typ="safe", pure=True).parse(text):
        _check_event(event, path)
        depth += isinstance(event, CollectionStartEvent)
        depth -= isinstance(event, CollectionEndEvent)
        values += isinstance(event, NodeEvent)
        if depth > MAX_DEPTH:
            raise _too_complex(f"deeper than {MAX_DEPTH} levels", path)
        if values > MAX_VALUES:
            raise _too_complex(f"more than {MAX_VALUES} values", path)


def _check_event(event: Event, path: Path | None) -> None:
    if isinstance(event, DocumentStartEvent) and event.version not in (None, (1, 2)):
        version = ".".join(map(str, event.version))
        raise PlanError("CONFIG_FILE", f"YAML {version}", expected="YAML 1.2", file=path)
    if isinstance(event, AliasEvent) or getattr(event, "anchor", None):
        raise _too_complex("an alias or anchor", path)
    tag = getattr(event, "tag", None) if isinstance(event, NodeEvent) else None
    if tag:
        raise PlanError("CONFIG_TAG", f"a tag {tag}", expected="none", file=path)
    if isinstance(event, ScalarEvent):
        if event.implicit[0] and event.value == "<<":
            raise _too_complex("a merge key (<<)", path)
        if len(event.value) > MAX_TEXT:
            raise _too_complex(f"a text of {len(event.value)} characters", path)
        if _SURROGATE.search(event.value):
            raise PlanError("CONFIG_FILE", "half a character", expected="whole ones", file=path)


def _too_complex(found: str, path: Path | None) -> PlanError:
    limits = (
        f"at most {MAX_BYTES} bytes, {MAX_DEPTH} levels, {MAX_VALUES} values of {MAX_TEXT} "
        "characters, and no references"
    )
    return PlanError("CONFIG_TOO_COMPLEX", found, expected=limits, file=path)


def _broken(error: YAMLError, path: Path | None) -> PlanError:
    mark = getattr(error, "problem_mark", None)
    where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    return PlanError(
        "CONFIG_FILE", f"not valid YAML{where}", action="check indentation and tabs", file=path
    )
