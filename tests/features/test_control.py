"""Negative controls: what is destroyed, what stays, and that it is the same every time."""

from __future__ import annotations

import numpy as np
import pytest
from builders import make_region

from radresp import features
from radresp.features.control import Control, control

KINDS = ("shuffled", "sampled", "random")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("where", ["region", "outside", "everywhere"])
def test_only_the_chosen_part_changes(kind: str, where: str) -> None:
    region = make_region()
    found = control(region, Control(kind=kind, where=where))
    before, after, inside = region.volume.array, found.volume.array, region.mask.array
    chosen = {"region": inside, "outside": ~inside, "everywhere": np.full_like(inside, True)}[where]
    assert (before == after)[~chosen].all()
    assert (before != after)[chosen].mean() > 0.9
    assert after[chosen].min() >= before[chosen].min()
    assert after[chosen].max() <= before[chosen].max()
    assert found.mask is region.mask


def test_shuffling_keeps_the_histogram_and_loses_the_texture() -> None:
    region = make_region()
    plan = {"original": features.Original()}
    before = features.extract(region, plan).values
    after = features.extract(control(region, Control()), plan).values
    key = f"{region.key}.original."
    for name, value in before.items():
        if ".firstorder_" in name or ".shape_" in name:
            assert after[name] == pytest.approx(value, rel=1e-6), name
    # A smooth picture has neighbours alike; a shuffled one has not.
    assert after[key + "glcm_Correlation"] < 0.2 < before[key + "glcm_Correlation"]


def test_the_same_seed_gives_the_same_and_another_another() -> None:
    region = make_region()
    one, two, other = (control(region, Control(seed=s)).volume.array for s in (1, 1, 2))
    assert (one == two).all()
    assert not (one == other).all()


def test_background_without_measurement_is_left_alone() -> None:
    from dataclasses import replace

    import SimpleITK as sitk

    region = make_region()
    outside = np.zeros(region.volume.array.shape, np.uint8)
    outside[:2] = 1
    image = sitk.GetImageFromArray(outside)
    image.CopyInformation(region.volume.image)
    volume = replace(region.volume, background=image)
    found = control(replace(region, volume=volume), Control(where="everywhere"))
    assert (found.volume.array == volume.array)[:2].all()
