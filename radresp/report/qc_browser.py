"""The page to flick through the pictures of a cohort, the worst first.

One case at a time, by arrow keys or buttons; without scripts it is a plain list of all of them.
Pictures lie beside the page and load when they are shown, so that 200 cases open at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from radresp.notice import INTENDED_USE
from radresp.report.page import render
from radresp.report.qc_entry import WORST_FIRST, Entry, in_order


def qc_index(entries: Sequence[Entry], title: str) -> str:
    """The index page.

    Parameters
    ----------
    entries : sequence of Entry
        The cases, in any order.
    title : str
        Heading.

    Returns
    -------
    str
        HTML; every text is escaped, nothing but the pictures beside it is loaded.

    Examples
    --------
    >>> page = qc_index([Entry("p2", "good", (), "p2.png"), Entry("p1", "failed", ())], "Cohort")
    >>> page.index("p1") < page.index("p2"), 'src="p2.png"' in page
    (True, True)
    """
    counts = Counter(entry.verdict for entry in entries)
    return render(
        "qc_index.html",
        title=title,
        notice=INTENDED_USE,
        entries=in_order(entries),
        counts=[(verdict, counts[verdict]) for verdict in WORST_FIRST if counts[verdict]],
    )
