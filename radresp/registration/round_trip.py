"""Forward and back: whether a search the other way round comes home.

What: the moving image is carried to the fixed place by the transform under judgement, and a rigid
search on coarse copies then looks for the way back, with the two images in swapped roles and the
transform's own inverse as its start. A fit that is right comes home; the mean distance between
where places of the area start and where they end is the forward-backward error.
Source: inverse consistency of Christensen and Johnson, IEEE Trans Med Imaging 2001;20:568-582, with
the backward direction found by a cheap rigid search, so that it works for any transform.
When: in every verdict. A small error does not prove a fit, a large one disproves it.
"""

from __future__ import annotations

import time

import numpy as np
import SimpleITK as sitk

from radresp.core import Volume, resample_volume
from radresp.errors import InputError
from radresp.registration.coarse import Area, measured, unshaded
from radresp.registration.descent import Descent, Level

_UNSHADE_MM = 25.0
_SAMPLES = 10_000
_ITERATIONS = 60
_LIMIT_S = 60.0
_STEP_MM = 1.0
_PLACES = 500
_FEWEST = 200


def round_trip_mm(
    fixed: Volume, moving: Volume, transform: sitk.Transform, area: Area
) -> float | None:
    """Mean distance between start and end of a trip forward and back, mm.

    Parameters
    ----------
    fixed : Volume
        Coarse copy of the fixed image on ``area.grid``.
    moving : Volume
        Coarse copy of the moving image.
    transform : SimpleITK.Transform
        Maps fixed to moving LPS mm; linear, deformable or composite.
    area : Area
        Where the trip starts.

    Returns
    -------
    float or None
        None where the images share too little to search for the way back.
    """
    carried = resample_volume(moving, area.grid, transform)
    both = Area(area.grid, area.inside & measured(carried), area.centre_mm)
    if both.points < _FEWEST:
        return None
    level = Level(
        unshaded(_without_background(carried), _UNSHADE_MM),
        unshaded(fixed, _UNSHADE_MM),
        both,
        _STEP_MM,
    )
    home = sitk.Euler3DTransform(area.centre_mm, 0.0, 0.0, 0.0, (0.0, 0.0, 0.0))
    until = time.monotonic() + _LIMIT_S
    descent = Descent(32, _SAMPLES, _ITERATIONS, 1, _LIMIT_S, until)
    try:
        back = descent.run_from(home, level)
    except InputError:
        return None
    return _mean_distance_mm(back, both)


def _mean_distance_mm(back: sitk.Euler3DTransform, area: Area) -> float:
    index = np.argwhere(area.inside)[:, ::-1]
    index = index[:: max(len(index) // _PLACES, 1)]
    places = index @ area.grid.affine[:3, :3].T + area.grid.affine[:3, 3]
    turn, centre = np.reshape(back.GetMatrix(), (3, 3)), np.asarray(back.GetCenter())
    ends = (places - centre) @ turn.T + centre + np.asarray(back.GetTranslation())
    return float(np.linalg.norm(ends - places, axis=1).mean())


def _without_background(volume: Volume) -> Volume:
    """What lies outside the field of view as dark as it was filled."""
    return Volume(volume.image, volume.sequence, volume.unit, volume.b_s_per_mm2)
