"""Software of unknown provenance (IEC 62304): every package a run rests on, with its licence."""

from __future__ import annotations

import re
from functools import cache
from importlib import metadata

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_EXTRA = re.compile(r"""extra *== *["'](.+?)["']""")
_NOT_RUN = ("test", "docs")
_CLASSIFIER = "License :: OSI Approved :: "


@cache
def soup() -> tuple[dict[str, str], ...]:
    """The packages radresp needs, those they need, and so on, as far as they are installed.

    Returns
    -------
    tuple of dict
        ``name``, ``version`` and ``licence`` as the package states it (empty when it does not), by
        name. The optional extras of radresp count where they are installed, but for those its
        tests and pages need. Nothing is imported.

    Examples
    --------
    >>> [part["name"] for part in soup() if part["name"] == "numpy"]
    ['numpy']
    """
    found: dict[str, metadata.Distribution] = {}
    waiting = ["radresp"]
    while waiting:
        name = waiting.pop()
        if _plain(name) in found:
            continue
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:  # an extra nobody asked for, or another system's
            continue
        found[_plain(name)] = distribution
        waiting += _needs(distribution, optional=name == "radresp")
    return tuple(_described(found[name]) for name in sorted(found))


def _needs(distribution: metadata.Distribution, *, optional: bool) -> list[str]:
    """Names of what a package needs, with its optional extras or without."""
    stated = [(text, _EXTRA.search(text)) for text in distribution.requires or ()]
    wanted = [
        text for text, extra in stated if not extra or (optional and extra[1] not in _NOT_RUN)
    ]
    return [found[0] for text in wanted if (found := _NAME.match(text))]


def _described(distribution: metadata.Distribution) -> dict[str, str]:
    said = distribution.metadata
    kinds = [c for c in said.get_all("Classifier") or () if c.startswith(_CLASSIFIER)]
    stated = (
        said.get_all("License-Expression") or ["; ".join(kind.split(" :: ")[-1] for kind in kinds)]
    )[0]
    licence = stated or (said.get_all("License") or [""])[0].strip().partition("\n")[0]
    return {"name": said["Name"], "version": distribution.version, "licence": licence}


def _plain(name: str) -> str:
    """A name as package indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
