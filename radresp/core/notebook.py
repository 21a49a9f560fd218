"""What a noun shows of itself in a notebook: one small piece of HTML that needs nothing else.

Every text is escaped. Colours are those of the page around it, so light and dark themes both read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape

_BOX = (
    "display:inline-block;max-width:60em;padding:.6em .9em;border:1px solid rgba(128,128,128,.6);"
    "border-radius:4px;color:inherit;background:transparent;text-align:left"
)
_CELL = "text-align:left;padding:.1em 1em .1em 0;background:transparent"


def card(
    title: str,
    facts: Mapping[str, str],
    *,
    notice: str = "",
    lines: Iterable[str] = (),
    drawing: str = "",
    more: str = "",
) -> str:
    """A box with a title, facts side by side with their names, and sentences.

    Parameters
    ----------
    title : str
        First line.
    facts : mapping of str to str
        Name to value.
    notice : str, optional
        A sentence above all else.
    lines : iterable of str, optional
        Sentences below the facts.
    drawing, more : str, optional
        HTML that is put in as it is, above the sentences and at the end: from :func:`scale` and
        :func:`folded`.

    Examples
    --------
    >>> "&lt;b&gt;" in card("case <b>", {})
    True
    """
    parts = [f'<div style="{_BOX}">']
    if notice:
        parts.append(f'<div style="font-size:.85em">{escape(notice)}</div>')
    parts += [f"<div><strong>{escape(title)}</strong></div>", table(facts), drawing]
    sentences = "".join(f"<li>{escape(line)}</li>" for line in lines)
    parts.append(f'<ul style="margin:.3em 0 0 1.2em;padding:0">{sentences}</ul>' * bool(sentences))
    return "".join([*parts, more, "</div>"])


def table(facts: Mapping[str, str]) -> str:
    """Names and values as the rows of a table; nothing of none."""
    rows = "".join(
        f'<tr style="background:transparent"><th scope="row" style="{_CELL};font-weight:normal">'
        f'{escape(name)}</th><td style="{_CELL}">{escape(value)}</td></tr>'
        for name, value in facts.items()
    )
    return f'<table style="border:0;margin:.3em 0;color:inherit">{rows}</table>' if rows else ""


def scale(value: float, low: float, high: float, label: str) -> str:
    """A number between 0 and 1 with its interval, drawn.

    Parameters
    ----------
    value, low, high : float
        In [0, 1].
    label : str
        The same in words.
    """
    x, left, right = (round(4 + 192 * v, 1) for v in (value, low, high))
    return (
        f'<svg width="200" height="14" role="img" aria-label="{escape(label)}" '
        'style="stroke:currentColor;fill:currentColor;display:block">'
        '<line x1="4" y1="7" x2="196" y2="7" stroke-width="1" stroke-dasharray="1 3"/>'
        '<path d="M4 3v8M100 5v4M196 3v8" stroke-width="1"/>'
        f'<line x1="{left}" y1="7" x2="{right}" y2="7" stroke-width="3"/>'
        f'<circle cx="{x}" cy="7" r="4" stroke="none"/></svg>'
    )


def folded(title: str, facts: Mapping[str, str]) -> str:
    """A table that opens on a click; nothing where there are no facts."""
    return f"<details><summary>{escape(title)}</summary>{table(facts)}</details>" if facts else ""
