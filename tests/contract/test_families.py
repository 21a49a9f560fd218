"""What every feature family promises; a new entry of ``FAMILIES`` is tested by being listed."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from builders import ORIENTATIONS, make_grid, make_mask, make_region, make_volume

from radresp.core import Region, Sequence, Timepoint
from radresp.errors import GeometryError
from radresp.features import FAMILIES, Extracted

TURNS_WITH_THE_PATIENT = {"volumetry": {"axial", "craniocaudal"}, "filtered": {"wavelet"}}
"""Words in names of features that speak of the patient's axes, not of the file's."""

FOLLOWS_THE_FILE = {"original": {"Maximum2DDiameter"}, "filtered": {"wavelet"}}
FOLLOWS_THE_FILE["pyradiomics"] = FOLLOWS_THE_FILE["original"]
"""Words in names of features that speak of the file's axes (documented in the family)."""

LOOKS_AROUND = {"filtered", "ibsi"}
"""Families of which the outline's surroundings are a part (documented in the family)."""

families = pytest.mark.parametrize("name", list(FAMILIES))


def run(name: str, region: Region) -> Extracted:
    family = FAMILIES[name]
    return family.extract(region, family.settings())


def check_same(found: Extracted, expected: Extracted, but: set[str]) -> None:
    assert found.absent == expected.absent
    for feature, value in expected.values.items():
        if not any(word in feature for word in but):
            close = pytest.approx(value, rel=1e-6, abs=1e-12, nan_ok=True)
            assert found.values[feature] == close, feature


@families
@pytest.mark.parametrize("sequence", list(Sequence))
def test_finite_or_explained_under_the_promised_names(name: str, sequence: Sequence) -> None:
    found = run(name, make_region(sequence=sequence))
    assert tuple(found.values) == FAMILIES[name].names(FAMILIES[name].settings())
    assert len(set(found.values)) == len(found.values)
    assert {f for f, v in found.values.items() if not math.isfinite(v)} == set(found.absent)
    assert all(type(value) is float for value in found.values.values())
    assert (found.step.room, found.step.method) == ("features", name)


@families
def test_the_same_twice(name: str) -> None:
    first, second = run(name, make_region()), run(name, make_region())
    assert (first.values, first.absent) == (second.values, second.absent)


@families
def test_the_same_names_for_another_case(name: str) -> None:
    other = make_region(make_grid(size=(30, 30, 20)), Timepoint.POST, Sequence.ADC, seed=5)
    assert tuple(run(name, make_region()).values) == tuple(run(name, other).values)


@pytest.mark.parametrize("name", sorted(FAMILIES.keys() - LOOKS_AROUND))
def test_voxels_outside_the_mask_do_not_matter(name: str) -> None:
    region = make_region()
    array = region.volume.array
    outside = ~region.mask.array
    array[outside] = np.random.default_rng(3).normal(0, 1e6, int(outside.sum()))
    changed = replace(region, volume=region.volume.with_array(array))
    assert run(name, changed).values == run(name, region).values


@families
def test_the_region_is_not_changed(name: str) -> None:
    region = make_region()
    values, inside = region.volume.array, region.mask.array
    run(name, region)
    assert np.array_equal(region.volume.array, values)
    assert np.array_equal(region.mask.array, inside)


@pytest.mark.parametrize(
    "other",
    [
        {"origin_mm": (-5.0, 5.0, 20.0)},
        {"spacing_mm": (1.0, 1.0, 3.3)},
        {"size": (24, 20, 13)},
        {"orientation": "ras"},
    ],
)
def test_a_mask_on_another_grid_never_reaches_a_family(other: dict[str, object]) -> None:
    with pytest.raises(GeometryError) as caught:
        Region(make_region().key, make_volume(), make_mask(make_grid(**other)))
    assert caught.value.code == "MASK_GEOMETRY"


@families
@pytest.mark.parametrize("orientation", list(ORIENTATIONS))
def test_a_patient_may_lie_in_any_orientation(name: str, orientation: str) -> None:
    turned = run(name, make_region(make_grid(orientation=orientation)))
    turns = orientation == "coronal"
    but = TURNS_WITH_THE_PATIENT.get(name, set()) if turns else set()
    check_same(turned, run(name, make_region()), but)


@families
def test_a_file_may_store_its_axes_in_any_order(name: str) -> None:
    region = make_region()
    expected = run(name, region)
    orders = [(0, 1, 2), (1, 0, 2), (2, 0, 1), (2, 1, 0)]
    flips = [(True, False, False), (False, True, False), (False, False, True)]
    for order, flip in itertools.product(orders, flips):
        volume, mask = (
            replace(noun, image=sitk.Flip(sitk.PermuteAxes(noun.image, order), flip))
            for noun in (region.volume, region.mask)
        )
        moved = Region(region.key, volume, mask)
        check_same(run(name, moved), expected, FOLLOWS_THE_FILE.get(name, set()))


@families
def test_millimetres_are_the_unit_of_length(name: str) -> None:
    """Doubling every voxel edge doubles lengths and multiplies volumes by eight."""
    factors = {"_mm": 2, "AxisLength": 2, "Diameter": 2, "volume_ml": 8, "Volume": 8}
    small = run(name, make_region()).values
    large = run(name, make_region(make_grid(spacing_mm=(2.0, 2.0, 6.0)))).values
    for feature, value in small.items():
        if feature.endswith(tuple(factors)) or "2DDiameter" in feature:
            factor = next(f for word, f in factors.items() if word in feature)
            assert large[feature] == pytest.approx(factor * value), feature
