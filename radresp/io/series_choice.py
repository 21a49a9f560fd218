"""Which series of a folder is meant: ``3``, or ``3/6`` for the third of six.

The number is the place in the list `radresp series FOLDER` prints. With the total, as `radresp
index` writes it, a folder that has gained or lost a series since is refused instead of read wrong.
"""

from __future__ import annotations

import re
from collections.abc import Sequence as Ordered
from pathlib import Path

from radresp.errors import InputError
from radresp.io.dicom_checks import series_groups
from radresp.io.dicom_slice import Header

SERIES_CHOICE = re.compile(r"(?P<number>[1-9][0-9]{0,5})(/(?P<total>[1-9][0-9]{0,5}))?")
FORM = "the number of a series as `radresp series` lists them, such as 3 or 3/6"


def chosen_series(headers: Ordered[Header], choice: str | None, path: Path) -> Ordered[Header]:
    """The headers of the chosen series of a folder; all of them without a choice.

    Parameters
    ----------
    headers : sequence of Header
        Of the whole folder.
    choice : str or None
        ``number`` or ``number/total``.
    path : Path
        The folder, for messages.

    Raises
    ------
    InputError
        ``SERIES_CHOICE`` when there is no such series or the total is another one.
    """
    if not choice:
        return headers
    said = SERIES_CHOICE.fullmatch(choice)
    groups = series_groups(headers)
    if said is None:
        raise _refusal(f"'{choice[:20]}' as a choice of series", FORM, path)
    number, total = int(said["number"]), int(said["total"] or len(groups))
    if total != len(groups):
        found = f"{len(groups)} series in the folder"
        raise _refusal(found, f"{total}, as when series {choice} was chosen", path)
    if number > len(groups):
        found = f"series {number} of a folder of {len(groups)}"
        raise _refusal(found, f"a number up to {len(groups)}", path)
    return groups[number - 1]


def _refusal(found: str, expected: str, path: Path) -> InputError:
    action = "list the series with `radresp series` and correct the series column"
    return InputError("SERIES_CHOICE", found, expected=expected, action=action, file=path)
