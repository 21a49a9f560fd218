"""What every measure of a whole case promises; an entry of ``MEASURES`` is tested once listed."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from features.test_response import POST, SIZE, T2, aligned, pictures, prepared, scene

from radresp.core import Prepared, RegionKey, Roi, Scene, Timepoint, Verdict
from radresp.features import MEASURES, Extracted, measure_names

measures = pytest.mark.parametrize("name", list(MEASURES))


def run(name: str, case: Prepared) -> Extracted:
    return MEASURES[name].extract(case, MEASURES[name].settings())


def check_explained(name: str, found: Extracted) -> None:
    assert tuple(found.values) == MEASURES[name].names(MEASURES[name].settings())
    assert {f for f, v in found.values.items() if not math.isfinite(v)} == set(found.absent)
    assert all(found.absent.values())


@measures
def test_names_are_distinct_and_carry_the_measure(name: str) -> None:
    names = measure_names({name: MEASURES[name].settings()})
    assert len(set(names)) == len(names)
    assert all(feature.startswith(f"{name}.") for feature in names)


@measures
def test_the_same_twice(name: str) -> None:
    first, second = run(name, prepared()), run(name, prepared())
    assert str(dict(first.values)) == str(dict(second.values))
    assert (first.step.room, first.step.method) == ("features", name)


@measures
def test_whatever_is_missing_is_explained_and_never_raises(name: str) -> None:
    whole = scene()
    for gone in [(), *((roi,) for roi in Roi), *combinations(Roi, 2)]:
        left = {key: region for key, region in whole.regions.items() if key.roi not in gone}
        check_explained(name, run(name, prepared(replace(whole, regions=left))))
    for sequence in {key.sequence for key in whole.regions}:
        left = {key: r for key, r in whole.regions.items() if key.sequence is not sequence}
        check_explained(name, run(name, prepared(replace(whole, regions=left, t2_on_adc={}))))
    check_explained(name, run(name, prepared(Scene())))


@measures
def test_every_state_of_the_bed_and_of_the_fit_is_explained(name: str) -> None:
    seen = replace(scene(), empty=frozenset({RegionKey(POST, T2, Roi.BED)}))
    for verdict in Verdict:
        case = prepared(seen, alignments=aligned(verdict, bent=True))
        check_explained(name, run(name, case))


@measures
def test_images_without_any_signal_or_sense_are_explained(name: str) -> None:
    rng = np.random.default_rng(1)
    for picture in (np.zeros(SIZE[::-1]), rng.normal(0, 1e6, SIZE[::-1])):
        images = dict.fromkeys(pictures(), picture)
        check_explained(name, run(name, prepared(scene(images))))


@measures
def test_one_voxel_is_enough_to_be_measured(name: str) -> None:
    drawn = np.zeros(SIZE[::-1], dtype=bool)
    drawn[4, 22, 30] = True
    outlines = {
        visit: {Roi.TUMOUR: drawn, Roi.BED: drawn, Roi.MUSCLE: drawn} for visit in Timepoint
    }
    check_explained(name, run(name, prepared(scene(outlines=outlines))))
