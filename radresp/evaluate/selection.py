"""How often each feature was chosen, and how alike the choices of different samples are.

Source: Nogueira, Sechidis & Brown, J Mach Learn Res 2018;18(174):1-54, whose measure is 1 where all
samples lead to the same features, about 0 where they are chosen as if at random, and is corrected
for chance and for how many are chosen. Use it on the models of a cross-validation: a feature that
few of them chose is no finding.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any


def selection_frequency(
    chosen: Sequence[Sequence[str]], candidates: int, final: Sequence[str] = ()
) -> dict[str, Any]:
    """Features in the order of how many models chose them, and the stability of the choice.

    Parameters
    ----------
    chosen : sequence of sequence of str
        Names each model chose; at least one model.
    candidates : int
        Features it could choose from.
    final : sequence of str
        What the final model, learned from every case, chose.

    Returns
    -------
    dict
        JSON-ready: ``models``, ``candidates``, ``per_model`` (mean number chosen), ``stability``
        (``value`` and ``reason``), and ``features``, each with ``name``, ``models``, ``share`` and
        ``final``.

    Examples
    --------
    >>> found = selection_frequency([["a", "b"], ["a", "c"]], candidates=10, final=["a"])
    >>> [(row["name"], row["share"], row["final"]) for row in found["features"]]
    [('a', 1.0, True), ('b', 0.5, False), ('c', 0.5, False)]
    >>> round(found["stability"]["value"], 3)
    0.375
    """
    counts = Counter(name for names in chosen for name in set(names))
    counts.update(dict.fromkeys(final, 0))
    kept = set(final)
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    shares = [n / len(chosen) for _, n in ordered]
    rows = [
        {"name": name, "models": n, "share": share, "final": name in kept}
        for (name, n), share in zip(ordered, shares, strict=True)
    ]
    return {
        "models": len(chosen),
        "candidates": candidates,
        "per_model": sum(counts.values()) / len(chosen),
        "stability": _stability(shares, len(chosen), candidates),
        "features": rows,
    }


def _stability(shares: Sequence[float], models: int, candidates: int) -> dict[str, Any]:
    """The measure of Nogueira, or why it does not exist."""
    filled = sum(shares) / candidates
    if models < 2 or not 0 < filled < 1:
        reason = "one model" if models < 2 else "every model chose all features, or none"
        return {"value": None, "reason": reason}
    variance = sum(share * (1 - share) for share in shares) * models / (models - 1)
    return {"value": 1 - variance / candidates / (filled * (1 - filled)), "reason": ""}
