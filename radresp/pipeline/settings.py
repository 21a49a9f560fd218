"""Settings out of plain mappings, with every fault named by its path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import ValidationError

from radresp.core import Settings
from radresp.errors import PlanError

S = TypeVar("S", bound=Settings)


def parse_settings(kind: type[S], value: Any, path: str) -> S:
    """Settings of a kind from what a file says under a path.

    Raises
    ------
    PlanError
        ``CONFIG_KEY`` or ``CONFIG_VALUE``.
    """
    given = mapping_of(value, path)
    check_keys(given, list(kind.model_fields), f"{path}." if path else "")
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(filter(None, [path, *map(str, first["loc"])]))
        if first["type"] == "extra_forbidden":
            raise PlanError("CONFIG_KEY", f"unknown key {where}") from None
        raise PlanError(
            "CONFIG_VALUE",
            f"{where}: {first.get('input')!r} ({type(first.get('input')).__name__})",
            expected=first["msg"][0].lower() + first["msg"][1:],
        ) from None


def mapping_of(value: Any, path: str) -> dict[str, Any]:
    """What a file says under a path as a mapping; nothing said is an empty one."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise PlanError("CONFIG_VALUE", f"{path}: {value!r}", expected="a mapping of keys")
    return {str(key): item for key, item in value.items()}


def check_keys(given: Iterable[str], valid: list[str], path: str) -> None:
    """Refuse an unknown key with ``CONFIG_KEY`` and the nearest valid one."""
    for key in map(str, given):
        if key not in valid:
            near = get_close_matches(key, valid, n=1)
            raise PlanError(
                "CONFIG_KEY",
                f"unknown key {path}{key}",
                expected=f"one of {', '.join(valid)}",
                action=f"did you mean {path}{near[0]}?" if near else "",
            )
