"""Read-only mappings that survive the journey to a worker process and back."""

from __future__ import annotations

import copyreg
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeVar

K = TypeVar("K")
V = TypeVar("V")


def frozen(mapping: Mapping[K, V]) -> Mapping[K, V]:
    """A read-only copy of a mapping.

    Examples
    --------
    >>> frozen({"a": 1})["a"]
    1
    """
    return MappingProxyType(dict(mapping))


def _rebuild(items: dict[Any, Any]) -> Mapping[Any, Any]:
    return MappingProxyType(items)


def _reduce(proxy: MappingProxyType[Any, Any]) -> tuple[Any, tuple[dict[Any, Any]]]:
    return _rebuild, (dict(proxy),)


# Python cannot send a mapping proxy between processes by itself; the nouns hold them everywhere.
copyreg.pickle(MappingProxyType, _reduce)
