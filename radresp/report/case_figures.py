"""Figures of a case page: each says where in ``score.json`` it stands, and is what stands there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

Show = Callable[..., Markup]
MINUS = "\N{MINUS SIGN}"


def look_up(record: Any, pointer: str) -> Any:
    """What a JSON pointer (RFC 6901) points at; None where there is nothing.

    Examples
    --------
    >>> look_up({"a": [{"b~c": 3}]}, "/a/0/b~0c"), look_up({}, "/a/0")
    (3, None)
    """
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(record, Mapping):
            record = record.get(name)
        elif isinstance(record, Sequence) and not isinstance(record, str) and name.isdigit():
            record = record[int(name)] if int(name) < len(record) else None
        else:
            return None
    return record


def pointer(*parts: str | int) -> str:
    """A JSON pointer to what lies under the keys.

    Examples
    --------
    >>> pointer("qc", "a/b", 0)
    '/qc/a~1b/0'
    """
    return "".join(f"/{str(p).replace('~', '~0').replace('/', '~1')}" for p in parts)


def figures_of(score: Mapping[str, Any]) -> Show:
    """The function by which a page shows figures of a score.

    Returns
    -------
    callable
        ``show(at, spec, scale=1)``: the number at a JSON pointer, times ``scale``, by a format
        specification, in an element that holds the number itself and where it stands. A dash where
        there is none.

    Examples
    --------
    >>> show = figures_of({"p_ccr": 0.4137})
    >>> str(show("/p_ccr", ".2f"))
    '<data value="0.4137" data-at="/p_ccr" data-spec=".2f" data-scale="1">0.41</data>'
    >>> str(show("/nothing", ".2f"))
    '\N{EN DASH}'
    """

    def show(at: str, spec: str = ".2f", scale: float = 1) -> Markup:
        value = look_up(score, at)
        if value is None or isinstance(value, (str, bool)):
            return Markup("\N{EN DASH}")
        return Markup(
            '<data value="{}" data-at="{}" data-spec="{}" data-scale="{}">{}</data>'
        ).format(repr(value), at, spec, scale, written(value, spec, scale))

    return show


def written(value: float, spec: str, scale: float = 1) -> str:
    """A number as a page writes it, with a true minus sign.

    Examples
    --------
    >>> written(-0.256, "+.0f", 100)
    '\N{MINUS SIGN}26'
    """
    return format(value if scale == 1 else value * scale, spec).replace("-", MINUS)
