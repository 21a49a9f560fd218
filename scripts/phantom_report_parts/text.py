"""Markdown: tables and numbers as the page writes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; a bar inside a cell is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines
    )


def percent(share: float, digits: int = 1) -> str:
    """A share as per cent."""
    return f"{100 * share:.{digits}f} %"


def with_interval(value: float, interval: tuple[float, float], digits: int = 3) -> str:
    """A value and its 95 % interval."""
    low, high = interval
    return f"{value:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def difference(found: float, wanted: float) -> str:
    """Relative difference in per cent; ``-`` where nothing is wanted."""
    return f"{100 * (found / wanted - 1):+.1f}" if wanted else "-"


def bullets(head: str, items: Sequence[str]) -> str:
    """A line and a list under it; ``none`` where it is empty."""
    return "\n".join([head, "", *(f"- {item}" for item in items or ["none"])])
