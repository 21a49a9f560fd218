"""Words of a methods text: lists, percentages and counts as a sentence holds them."""

from __future__ import annotations

from collections.abc import Sequence


def joined(names: Sequence[str]) -> str:
    """Names as a sentence lists them.

    Examples
    --------
    >>> joined(["a", "b", "c"]), joined(["a"])
    ('a, b and c', 'a')
    """
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def percent(share: float) -> str:
    """A share of 0 to 1 in percent.

    Examples
    --------
    >>> percent(0.05)
    '5 %'
    """
    return f"{100 * share:g} %"


def counted(n: int, noun: str) -> str:
    """A number of things.

    Examples
    --------
    >>> counted(1, "time"), counted(3, "time")
    ('1 time', '3 times')
    """
    return f"{n} {noun}{'' if n == 1 else 's'}"
