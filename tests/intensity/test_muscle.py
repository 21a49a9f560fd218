"""Muscle and gas found by themselves: right on the digital pelvis, refused where unsure."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import SimpleITK as sitk
from builders import make_grid, make_mask, make_volume, shared_data

from radresp.core import Grid, Mask, Roi, Sequence, Timepoint, Volume
from radresp.errors import InputError, PlanError
from radresp.intensity import FindMuscle, find_gas, find_muscle, normalise
from radresp.phantom import PhantomSettings
from radresp.phantom.draw import draw_patient
from radresp.phantom.sampling import Sampler
from radresp.phantom.scanner import core_of_muscle, scan_t2
from radresp.phantom.tissue import Label

COARSE = PhantomSettings(
    scanners=("uih_3t", "siemens_1p5t", "philips_3t_enhanced"),
    other_scanner=0.0,
    coarseness=1.8,
    samples_through_plane=1,
)


@cache
def pelvis(index):
    """T2, reader's outlines and true labels of the second visit of a patient; no DWI is made."""
    drawn = draw_patient(index, 5, COARSE)
    subject, protocol = drawn.subjects[Timepoint.POST], drawn.protocols[Timepoint.POST]
    centre = np.linalg.inv(subject.to_anatomy) @ (0.0, 4.0, subject.lesion.height_mm, 1.0)
    half = (np.array(protocol.t2_size) - 1) / 2 * protocol.t2_spacing_mm
    grid = Grid(protocol.t2_size, protocol.t2_spacing_mm, tuple(centre[:3] - half))
    scan = scan_t2(subject, grid, protocol, COARSE, np.random.default_rng(index))
    outlines = {
        Roi.MUSCLE: (scan.shares["muscle"] > 0.999) & core_of_muscle(subject, grid),
        Roi.BED: scan.shares["lesion"] >= 0.5,
    }
    masks = {roi: Mask.from_array(inside, grid, roi) for roi, inside in outlines.items()}
    labels = np.stack(Sampler(subject, grid, 1, 1, 3.0).middles())
    return Volume.from_array(scan.images[0], grid, Sequence.T2), masks, labels


@pytest.mark.parametrize("index", range(3))
def test_what_is_found_is_muscle(index):
    volume, drawn, labels = pelvis(index)
    found = find_muscle(volume)
    inside = found.mask.array
    assert found.mask.roi is Roi.MUSCLE
    assert np.mean(labels[inside] == Label.MUSCLE) > 0.95
    assert min(found.numbers["left_ml"], found.numbers["right_ml"]) > 3
    assert found.confidence > 0.5
    assert inside[found.slice_index].sum() == inside.sum(axis=(1, 2)).max()
    by_reader, by_itself = (
        normalise(volume, "reference", reference=mask)[0].array[drawn[Roi.BED].array].mean()
        for mask in (drawn[Roi.MUSCLE], found.mask)
    )
    assert by_itself == pytest.approx(by_reader, rel=0.04)


@pytest.mark.parametrize("turn", [(-1, -1, 1), (1, 1, -1), (-1, 1, -1)])
def test_the_order_of_voxels_does_not_matter(turn):
    volume, _, _ = pelvis(0)
    here = find_muscle(volume)
    x, y, z = (step < 0 for step in turn)
    flipped = Volume(sitk.Flip(volume.image, [x, y, z]), Sequence.T2)
    there = find_muscle(flipped)
    assert there.numbers["left_ml"] == pytest.approx(here.numbers["left_ml"], rel=0.01)
    assert there.numbers["left_median"] == here.numbers["left_median"]
    back = sitk.GetArrayFromImage(sitk.Flip(there.mask.image, [x, y, z]))
    assert np.mean(back.astype(bool) == here.mask.array) > 0.9999


def test_brightness_does_not_matter_and_twice_gives_the_same():
    volume, _, _ = pelvis(0)
    once, twice = find_muscle(volume), find_muscle(volume.with_array(volume.array * 40))
    assert np.array_equal(once.mask.array, twice.mask.array)
    assert twice.confidence == pytest.approx(once.confidence)


def refused(volume, settings=None):
    with pytest.raises(InputError) as caught:
        find_muscle(volume, settings)
    assert caught.value.code == "MUSCLE_UNSURE"
    assert "outline muscle" in caught.value.action
    return caught.value.found


def test_one_side_alone_is_not_enough():
    volume, _, labels = pelvis(0)
    left = np.indices(labels.shape)[2] > labels.shape[2] / 2
    gone = left & (labels == Label.MUSCLE)
    replaced = np.where(gone, np.percentile(volume.array, 80), volume.array)
    assert "on one side" in refused(volume.with_array(replaced))


def test_sides_of_different_brightness_are_doubted():
    volume, _, labels = pelvis(0)
    shade = 1 + 0.6 * (np.indices(labels.shape)[2] > labels.shape[2] / 2)
    assert "bright" in refused(volume.with_array(volume.array * shade), FindMuscle(band=1.0))


@pytest.mark.parametrize("kind", ["noise", "even", "picture", "coronal"])
def test_what_is_no_axial_pelvis_is_refused(kind):
    grid = Grid((200, 200, 20), (1.0, 1.0, 3.0))
    noise = np.random.default_rng(0).rayleigh(10, (20, 200, 200))
    volumes = {
        "noise": lambda: Volume.from_array(noise, grid, Sequence.T2),
        "even": lambda: Volume.from_array(np.full(noise.shape, 7.0), grid, Sequence.T2),
        "picture": lambda: make_volume(grid),
        "coronal": lambda: make_volume(make_grid((60, 60, 20), orientation="coronal")),
    }
    refused(volumes[kind]())


def test_muscle_and_gas_are_looked_for_on_t2_alone():
    adc = make_volume(sequence=Sequence.ADC)
    for find in (find_muscle, lambda volume: find_gas(volume, make_mask())):
        with pytest.raises(PlanError) as caught:
            find(adc)
        assert caught.value.code == "NORMALISE"


def test_a_real_pelvis_and_its_repeat_agree():
    medians = []
    for name in ("t2_tra", "t2_tra_repeat"):
        folder = str(shared_data("prostatex_0001", "dicom", name))
        files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(folder)
        found = find_muscle(Volume(sitk.ReadImage(files, sitk.sitkFloat32), Sequence.T2))
        assert found.confidence > 0.4
        medians.append(found.numbers["left_median"])
    assert medians[0] == pytest.approx(medians[1], rel=0.05)


def ball_of_gas(volume, bed, radius_mm, away_mm):
    """The T2 with a ball of gas beside the bed, and how much of it there is within reach."""
    middle = np.argwhere(bed.array).mean(axis=0)
    steps = (np.indices(bed.array.shape) - middle[:, None, None, None]) * np.array(
        volume.grid.spacing_mm[::-1]
    )[:, None, None, None]
    steps[1] += away_mm
    gas = np.linalg.norm(steps, axis=0) <= radius_mm
    return volume.with_array(np.where(gas, volume.array * 0.02, volume.array)), gas


def test_gas_is_found_and_the_score_rises_with_it():
    volume, drawn, labels = pelvis(1)
    full = volume.with_array(np.where(labels == Label.GAS, 200.0, volume.array))
    results = []
    for radius_mm in (0.0, 4.0, 6.0, 9.0, 13.0):
        image, gas = ball_of_gas(full, drawn[Roi.BED], radius_mm, 0.0)
        found = find_gas(image, drawn[Roi.BED], drawn[Roi.MUSCLE])
        results.append((found.score, found.volume_ml))
        if radius_mm > 5:
            assert np.mean(gas[found.mask.array]) > 0.8
    scores, volumes = zip(*results, strict=True)
    assert scores[0] <= 1
    assert list(scores) == sorted(scores)
    assert scores[-1] == 5
    assert list(volumes) == sorted(volumes)


@pytest.mark.parametrize("index", range(3))
def test_gas_of_the_phantom_is_measured(index):
    volume, drawn, labels = pelvis(index)
    found = find_gas(volume, drawn[Roi.BED])
    wrong = found.mask.array & (labels != Label.GAS)
    assert np.count_nonzero(wrong) * volume.grid.voxel_volume_ml < 0.3
    assert "of 5" in found.step.notes[0].found
    assert found.step.settings["score"] == found.score


def test_gas_needs_a_region_on_the_same_grid():
    volume, drawn, _ = pelvis(0)
    empty = Mask.from_array(np.zeros(volume.grid.size[::-1]), volume.grid, Roi.BED)
    with pytest.raises(InputError) as caught:
        find_gas(volume, empty, drawn[Roi.MUSCLE])
    assert caught.value.code == "MASK_EMPTY"
    with pytest.raises(ValueError, match="another grid"):
        find_gas(volume, make_mask(), drawn[Roi.MUSCLE])
