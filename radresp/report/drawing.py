"""A drawn figure in the forms people need: SVG and PNG files, and SVG inside a page.

Colours are those of Okabe & Ito, told apart by people with any colour vision. In a file they are
fixed on white; inside a page they become the page's own colours, so that a figure is as readable in
the dark as in the light, and its texts take the page's font. The text of an SVG stays text, so that
names in any script are shown by the reader's own fonts; a PNG has the letters of one font only.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from html import escape
from io import BytesIO
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

BLUE, RED, GREEN, GREY, DARK = "#0072b2", "#d55e00", "#009e73", "#8a8f98", "#1b1f24"
AMBER = "#e69f00"
PNG_DPI = 144

_IN_PAGE = {
    BLUE: "var(--fig-blue)",
    RED: "var(--fig-red)",
    GREEN: "var(--fig-green)",
    AMBER: "var(--fig-amber)",
    GREY: "var(--fig-grey)",
    DARK: "currentColor",
    "#000000": "currentColor",
    "#ffffff": "var(--fig-paper)",
}
_COLOUR = re.compile("|".join(_IN_PAGE))
_UNUSED = re.compile(
    r"^.*?(?=<svg)|<metadata>.*?</metadata>\s*|<defs>\s*<style.*?</style>\s*</defs>\s*"
    r"|<!--.*?-->\s*|font-family: [^;\"]+;\s*",
    re.DOTALL,
)
_SIZE = re.compile(r'<svg [^>]*?viewBox="([^"]+)"[^>]*>')
_NAME = re.compile(r'\bid="(?=[^"])|(?<=url\(#)|\bxlink:href="#')


def blank(size: tuple[float, float], *, laid_out: bool = True) -> Figure:
    """An empty figure of a size in inches; its parts make room for each other if laid out."""
    drawn = Figure(figsize=size, layout="constrained" if laid_out else None)
    FigureCanvasSVG(drawn)
    return drawn


def forms(draw: Callable[[], Figure]) -> tuple[bytes, bytes]:
    """A figure as SVG and as PNG."""
    drawn = draw()
    return svg(drawn), png(drawn)


def svg(drawn: Figure) -> bytes:
    """A figure as SVG; the same bytes for the same figure."""
    as_text = mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "radresp"})
    with as_text:
        return _saved(drawn, format="svg", metadata={"Date": None, "Creator": None})


def png(drawn: Figure) -> bytes:
    """A figure as PNG for slides and manuscripts; the same bytes for the same figure."""
    return _saved(drawn, format="png", dpi=PNG_DPI, metadata={"Software": None})


def _saved(drawn: Figure, **how: Any) -> bytes:
    buffer = BytesIO()
    engine = drawn.get_layout_engine()
    with warnings.catch_warnings():
        # The font that measures a name need not hold its letters: the reader's fonts draw it.
        warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)
        if engine is not None:  # slow, and the same for every form of the figure
            engine.execute(drawn)
            drawn.set_layout_engine("none")
        drawn.savefig(buffer, **how)
    return buffer.getvalue()


def inline(data: bytes, name: str, title: str, description: str) -> str:
    """An SVG file as part of a page, in the page's colours and with words for who cannot see it.

    Parameters
    ----------
    data : bytes
        From :func:`svg`.
    name : str
        Unique on the page; marks every id inside.
    title, description : str
        What it is and what it shows.
    """
    text = _UNUSED.sub("", data.decode())
    text = _COLOUR.sub(lambda found: _IN_PAGE[found[0]], text)
    text = _NAME.sub(lambda found: found[0].replace("xlink:", "") + f"{name}-", text)
    head = (
        f'<svg class="figure" role="img" viewBox="\\1" aria-labelledby="{name}-title {name}-desc">'
        f'<title id="{name}-title">{_plain(title)}</title>'
        f'<desc id="{name}-desc">{_plain(description)}</desc>'
    )
    return _SIZE.sub(head, text, count=1).strip()


def _plain(text: str) -> str:
    """Escaped twice over where a replacement would read a backslash."""
    return escape(text).replace("\\", "\\\\")
