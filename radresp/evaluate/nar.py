"""The neoadjuvant rectal (NAR) score: what is left of a stage after treatment, in one number.

Source: George et al., Curr Colorectal Cancer Rep 2015;11:275. Lower is better; a score below 8
goes with good, above 16 with poor survival. A surrogate of outcome in trials, never a feature: it
is made from what the pathologist found.
"""

from __future__ import annotations

from radresp.errors import InputError


def nar_score(c_t: int, yp_t: int, yp_n: int) -> float:
    """The score from the clinical T and the pathological T and N categories.

    Parameters
    ----------
    c_t : int
        Clinical T before treatment, 1 to 4.
    yp_t : int
        Pathological T after treatment, 0 to 4.
    yp_n : int
        Pathological N after treatment, 0 to 2.

    Returns
    -------
    float
        0 to 100.

    Raises
    ------
    InputError
        ``CLINICAL_RANGE`` for a category that does not exist.

    Examples
    --------
    >>> round(nar_score(3, 0, 0), 4), nar_score(4, 0, 0), nar_score(1, 4, 2)
    (0.9365, 0.0, 100.0)
    """
    if c_t not in range(1, 5) or yp_t not in range(5) or yp_n not in range(3):
        raise InputError(
            "CLINICAL_RANGE", f"cT{c_t} ypT{yp_t} ypN{yp_n}", expected="cT1-4, ypT0-4, ypN0-2"
        )
    return float((5 * yp_n - 3 * (c_t - yp_t) + 12) ** 2 / 9.61)
