"""The synthetic patient: what is imaged is what was drawn, and the truth says what that was."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain

import numpy as np
import pytest
from builders import ORIENTATIONS
from phantom_blocks import PURE, Scattered
from pydantic import ValidationError
from scipy import ndimage

from radresp.core import (
    Grid,
    RegionKey,
    Roi,
    Sequence,
    Timepoint,
    Volume,
    VolumeKey,
    resample_mask,
    resample_volume,
)
from radresp.intensity import FitAdc, fit_adc
from radresp.io.clinical_columns import CLINICAL
from radresp.phantom import (
    BED_PARTS,
    OUTCOMES,
    REFERENCE_SCANNERS,
    VENDOR_SCANNERS,
    PhantomSettings,
    draw_patient,
    make_patient,
    presets,
    protocols,
    tissue_table,
)
from radresp.phantom.lesion import draw_tumour, lesion_volume_ml
from radresp.phantom.outcome import deal_outcome
from radresp.phantom.protocol import Stored
from radresp.phantom.rectum import draw_rectum
from radresp.phantom.sampling import Sampler
from radresp.phantom.scanner import scan_dwi, scan_t2
from radresp.phantom.tissue import Label

PRE, POST = Timepoint.PRE, Timepoint.POST
IDEAL = PURE | {"distortion": 0.0}
SHAKEN = {"motion_mm": 12, "motion_deg": 8, "filling": 1.5, "drift_mm": 3}
LESION = min(label for label in Label if label >= Label.TUMOUR)


def small(**changes):
    """A coarse, quick phantom on the reference scanners."""
    quick = {
        "scanners": REFERENCE_SCANNERS,
        "other_scanner": 0.0,
        "coarseness": 2.5,
        "field_of_view": 0.7,
        "dwi_samples_in_plane": 2,
        "samples_through_plane": 1,
    }
    return PhantomSettings(**(quick | changes))


@pytest.fixture(scope="module")
def patients():
    """One patient on each vendor's scanner, two of each outcome."""
    dealt = [deal_outcome(i, 3, presets()["balanced"]) for i in range(10)]
    indices = chain(*([i for i, o in enumerate(dealt) if o == name][:2] for name in OUTCOMES))
    return [
        make_patient(i, 3, small(scanners=(name,)))
        for i, name in zip(indices, VENDOR_SCANNERS, strict=True)
    ]


@pytest.fixture(scope="module")
def reference():
    """A patient on a reference scanner, with everything that disturbs an image."""
    return make_patient(5, 3, small(scanners=("reference_3t",)))


@pytest.fixture(scope="module", params=REFERENCE_SCANNERS)
def ideal(request):
    """A patient who moved a lot, imaged without noise, texture, coil field and distortion."""
    return make_patient(2, 3, small(scanners=(request.param,), **IDEAL, **SHAKEN))


def mask_of(patient, timepoint, roi):
    return patient.case.masks[RegionKey(timepoint, Sequence.T2, roi)]


def inner(mask, steps=2):
    """The mask without its rim of partial volume."""
    return mask.with_array(ndimage.binary_erosion(mask.array, iterations=steps))


def column(patient, name):
    return name.format("3T" if patient.protocols[PRE].field_strength_t == 3.0 else "1p5T")


def places(count, seed=0):
    """Points of the body around the rectum, LPS mm."""
    return np.random.default_rng(seed).uniform((-110, -95, -75), (110, 105, 85), (count, 3))


def mapped(transform, points):
    return np.array([transform.TransformPoint(point) for point in points.tolist()])


# Images against the tissue table


def test_t2_of_tumour_to_muscle_is_that_of_the_table(ideal):
    t2 = ideal.case.image(PRE, Sequence.T2)
    tumour = inner(mask_of(ideal, PRE, Roi.TUMOUR))
    assert tumour.voxel_count > 50
    ratio = np.median(t2.values_in(tumour)) / np.median(
        t2.values_in(mask_of(ideal, PRE, Roi.MUSCLE))
    )
    expected = tissue_table()["rectal_tumour_untreated"][column(ideal, "T2TSE_ratio_to_muscle_{}")]
    assert ratio == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("b", [800, 1000])
def test_high_b_of_tumour_to_muscle_is_that_of_the_table(ideal, b):
    (high,) = (volume for volume in ideal.case.dwi(PRE) if volume.b_s_per_mm2 == b)
    tumour = inner(resample_mask(mask_of(ideal, PRE, Roi.TUMOUR), high.grid), 1)
    muscle = resample_mask(mask_of(ideal, PRE, Roi.MUSCLE), high.grid)
    ratio = np.median(high.values_in(tumour)) / np.median(high.values_in(muscle))
    expected = tissue_table()["rectal_tumour_untreated"][column(ideal, f"b{b}_ratio_{{}}")]
    assert ratio == pytest.approx(expected, rel=0.04)


def test_fitted_adc_is_that_of_the_tissue(ideal):
    fit = fit_adc(ideal.case.dwi(PRE), FitAdc(noise_sigma=0))
    tumour = inner(resample_mask(mask_of(ideal, PRE, Roi.TUMOUR), fit.adc.grid), 1)
    muscle = resample_mask(mask_of(ideal, PRE, Roi.MUSCLE), fit.adc.grid)
    assert np.median(fit.adc.values_in(tumour)) == pytest.approx(900, rel=0.02)
    assert np.median(fit.adc.values_in(muscle)) == pytest.approx(1500, rel=0.02)


def test_coil_field_cancels_in_the_adc():
    scanner = protocols()["reference_3t"].coarse(2.5, 0.7)
    subject = draw_patient(2, 3, small(scanners=("reference_3t",), **IDEAL)).subjects[PRE]
    corner = (-0.5 * np.array(scanner.dwi_size) * scanner.dwi_spacing_mm).tolist()
    grid = Grid(scanner.dwi_size, scanner.dwi_spacing_mm, tuple(corner))
    settings = small(**(IDEAL | {"coil": 1.0}))
    scan = scan_dwi(subject, grid, scanner, settings, np.random.default_rng(0))
    volumes = tuple(
        Volume.from_array(image, grid, Sequence.DWI, b_s_per_mm2=b)
        for image, b in zip(scan.images, scanner.b_values_s_per_mm2, strict=True)
    )
    muscle = scan.shares["muscle"] > 0.999
    low = scan.images[0][muscle]
    assert low.std() / low.mean() > 0.15
    adc = fit_adc(volumes, FitAdc(noise_sigma=0)).adc.array[muscle]
    assert np.median(adc) == pytest.approx(1500, rel=0.01)
    assert np.percentile(adc, [5, 95]) == pytest.approx([1500, 1500], rel=0.03)


def test_noisy_adc_of_tumour_is_near_the_truth(patients):
    pools = [patient.truth["mucinous_truth"] for patient in patients]
    assert sum(pools) < 3
    for patient in (p for p, mucinous in zip(patients, pools, strict=True) if not mucinous):
        fit = fit_adc(patient.case.dwi(PRE))
        tumour = inner(resample_mask(mask_of(patient, PRE, Roi.TUMOUR), fit.adc.grid), 1)
        # 2.5 SD of the table's spread between patients, noise, and what distortion moves in.
        assert np.median(fit.adc.values_in(tumour)) == pytest.approx(900, abs=2.5 * 120 + 150)


def test_noise_is_rayleigh_in_air_and_fit_adc_finds_its_level(reference):
    dwi = reference.case.dwi(PRE)
    front = dwi[-1].array[:, :4]  # in front of the belly
    assert front.mean() / front.std() == pytest.approx(1.913, rel=0.05)
    found = fit_adc(dwi).step.notes[0].found
    level = float(found.split("noise level ")[1].split(";")[0])
    assert level == pytest.approx(front.mean() / 1.2533, rel=0.06)
    tumour = inner(resample_mask(mask_of(reference, PRE, Roi.TUMOUR), dwi[0].grid), 1)
    assert 14 < np.median(dwi[0].values_in(tumour)) / level < 40  # SNR 25, coil field


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_any_orientation_shows_the_same_tumour(orientation):
    subject = draw_patient(2, 3, small(**PURE)).subjects[PRE]
    middle = np.array([0.0, 30.0, subject.lesion.height_mm])
    cube = Grid((50, 50, 50), (2.6, 2.6, 2.6), (0, 0, 0), ORIENTATIONS[orientation])
    grid = replace(cube, origin_mm=tuple(middle - np.array(cube.centre_mm)))
    scanner = protocols()["reference_3t"]
    scan = scan_t2(subject, grid, scanner, small(**PURE), np.random.default_rng(0))
    volume = scan.shares["lesion"].sum() * grid.voxel_volume_ml
    expected_ml = lesion_volume_ml(subject.lesion, subject.anatomy.rectum)
    assert volume == pytest.approx(expected_ml, rel=0.03)
    share = scan.shares["lesion"]
    place = [float((share * axis).sum() / share.sum()) for axis in np.indices(share.shape)][::-1]
    centre = np.array(grid.to_mm(tuple(place)))
    # The same centre of mass on points painted without any grid.
    points = np.stack(np.meshgrid(*(np.arange(-60, 61, 3.0),) * 3, indexing="ij"), axis=-1)
    points = points.reshape(-1, 3) + middle
    there = points[subject.paint(Scattered.at(points)).ravel() >= LESION]
    np.testing.assert_allclose(centre, there.mean(axis=0), atol=0.5)


# What a case holds


def test_images_are_stored_like_a_scanner_stores_them(patients):
    for patient in patients:
        for key, volume in patient.case.volumes.items():
            protocol = patient.protocols[key.timepoint]
            scaling = patient.scaling[VolumeKey(key.timepoint, key.sequence)]
            divisor = scaling.slope * scaling.scale_slope if scaling.scale_slope else 1.0
            values = np.rint((volume.array * divisor - scaling.intercept) / scaling.slope)
            assert values.min() >= 0
            assert values.max() <= protocol.white
            np.testing.assert_array_equal(Stored(values, scaling).precise, volume.array)
            assert (scaling.scale_slope is not None) == ("philips" in protocol.dialect)
        for visit in Timepoint:
            t2, muscle = patient.case.image(visit, Sequence.T2), mask_of(patient, visit, Roi.MUSCLE)
            shown = np.median(t2.values_in(muscle)) * (protocol.scale_factor or 1)
            assert 0.5 * protocol.gain_t2 < shown < 2 * protocol.gain_t2


def test_every_visit_has_its_images_and_outlines(patients):
    for patient in patients:
        case = patient.case
        assert {str(key) for key in case.masks} == {
            f"{visit}.t2.{roi}"
            for visit, lesion in (("pre", "tumour"), ("post", "bed"))
            for roi in (lesion, "lumen", "muscle")
        }
        assert not any(mask.is_empty for mask in case.masks.values())
        assert mask_of(patient, PRE, Roi.MUSCLE).voxel_count > 500
        for visit in (PRE, POST):
            b_values = patient.protocols[visit].b_values_s_per_mm2
            assert tuple(v.b_s_per_mm2 for v in case.dwi(visit)) == b_values
            lesion = mask_of(patient, visit, Roi.TUMOUR if visit is PRE else Roi.BED).array
            assert not (lesion & mask_of(patient, visit, Roi.LUMEN).array).any()
            # The whole lesion is in the picture.
            assert not lesion[[0, -1]].any()


def test_t2_is_axial_oblique_and_dwi_axial(patients):
    tilts = []
    for patient in patients:
        t2, dwi = patient.case.image(PRE, Sequence.T2).grid, patient.case.dwi(PRE)[0].grid
        tilts.append(abs(np.degrees(np.arcsin(t2.direction[7]))))
        np.testing.assert_allclose(dwi.axes, np.eye(3))
        protocol = patient.protocols[PRE]
        assert (t2.size, t2.spacing_mm) == (protocol.t2_size, protocol.t2_spacing_mm)
        assert (dwi.size, dwi.spacing_mm) == (protocol.dwi_size, protocol.dwi_spacing_mm)
    assert max(tilts) <= 12
    assert max(tilts) > 4


def test_clinical_row_fits_the_cohort_table(patients):
    for patient in patients:
        assert patient.case.clinical == patient.clinical
        assert patient.clinical["site"] == "synthetic"
        assert patient.clinical["pre_date"] < patient.clinical["post_date"]
        faults = {name: CLINICAL[name].fault(text) for name, text in patient.clinical.items()}
        assert not any(faults.values()), faults
        assert not any(CLINICAL[name].axis == "reference" for name in patient.clinical)
        assert patient.clinical["scanner"] == patient.protocols[POST].model
        assert not set(patient.reference) & set(patient.clinical)


def test_the_gas_score_says_how_far_gas_moves_the_lesion(patients, ideal):
    scores = [int(patient.clinical["gas_score"]) for patient in patients]
    assert all(0 <= score <= 5 for score in scores)
    assert max(scores) > 0
    assert ideal.clinical["gas_score"] == "0"
    for patient, score in zip(patients, scores, strict=True):
        shift = np.abs(patient.maps[VolumeKey(POST, Sequence.DWI)]["shift_mm"])
        bed = resample_mask(mask_of(patient, POST, Roi.BED), patient.case.dwi(POST)[0].grid)
        worst = np.percentile(shift[bed.array > 0], 95)
        # The mask was drawn on another grid, so a limit may just be missed.
        low, high = (0, 1, 2, 4, 7, 11)[score], (1, 2, 4, 7, 11, 1e9)[score]
        assert 0.7 * low <= worst <= 1.4 * high


# The truth


def test_truth_agrees_with_the_outlines(patients):
    for patient in patients:
        truth = patient.truth
        assert mask_of(patient, PRE, Roi.TUMOUR).volume_ml == pytest.approx(
            truth["tumour_ml"], rel=0.08
        )
        assert mask_of(patient, POST, Roi.BED).volume_ml == pytest.approx(
            truth["bed_ml"], rel=0.25, abs=0.5
        )
        assert sum(truth[f"{name}_share"] for name in BED_PARTS) == pytest.approx(1, abs=1e-9)
        tumour = truth["viable_share"] + truth["mucinous_carcinoma_share"]
        tumour += truth["microscopic_share"]
        assert (tumour > 0) == (patient.outcome == "residual")
        assert truth["outcome"] == patient.outcome
        assert truth["shrinkage"] == pytest.approx(truth["bed_ml"] / truth["tumour_ml"])
        assert truth["shrinkage"] < 1
        assert truth["foci"] == len(patient.foci)


def test_maps_of_the_parts_make_the_bed(patients):
    for patient in patients:
        maps = patient.maps[VolumeKey(POST, Sequence.T2)]
        whole = sum(maps.values())
        assert whole.max() <= 1 + 1e-6
        bed = mask_of(patient, POST, Roi.BED)
        np.testing.assert_array_equal(whole >= 0.5 - 1e-6, bed.array.astype(bool))
        for name in BED_PARTS:
            ml = maps[name].sum() * bed.grid.voxel_volume_ml if name in maps else 0.0
            expected = patient.truth[f"{name}_share"] * patient.truth["bed_ml"]
            assert ml == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_foci_lie_in_the_bed(patients):
    found = 0
    for patient in patients:
        bed = mask_of(patient, POST, Roi.BED)
        grown = ndimage.binary_dilation(bed.array, np.ones((3, 3, 3)))
        for focus in patient.foci:
            x, y, z, _ = np.linalg.inv(bed.grid.affine) @ (focus.x_mm, focus.y_mm, focus.z_mm, 1)
            assert grown[round(z), round(y), round(x)]
            assert 0.5 <= focus.radius_mm <= 4
            assert focus.kind == ("viable" if patient.outcome == "residual" else "granulation")
            found += 1
    assert found > 0


def test_the_oracle_is_part_of_the_truth(patients):
    for patient in patients:
        p = [patient.truth[f"oracle_p_{name}"] for name in OUTCOMES]
        assert min(p) >= 0
        assert sum(p) == pytest.approx(1)


def test_labels_of_the_second_visit_are_those_where_the_transform_leads():
    """Outside the lesions and the lining, which treatment changes, tissue only moves."""
    settings = small(**SHAKEN)
    for index in (0, 3):
        drawn = draw_patient(index, 3, settings)
        before, after = drawn.subjects[PRE], drawn.subjects[POST]
        grid = Grid((90, 80, 3), (2.0, 2.0, 21.0), (-89.0, -70.0, -21.0), ORIENTATIONS["oblique"])
        grid = replace(grid, origin_mm=tuple(-0.5 * (grid.axes @ (178.0, 158.0, 42.0))))
        sampler = Sampler(after, grid, 1, 1, 3.0)
        later = np.stack([after.paint(sampler.plane(k)) for k in range(3)]).ravel()
        z, y, x = np.indices(grid.size[::-1])
        index_mm = np.stack([x, y, z, np.ones_like(x)], axis=-1).reshape(-1, 4)
        points = (index_mm @ grid.affine.T)[:, :3]

        def agreement(transform, later=later, points=points, before=before):
            labels = before.paint(Scattered.at(mapped(transform, points))).ravel()
            kept = (labels < LESION) & (later < LESION)
            lining = [
                np.isin(v, (Label.MUCOSA, Label.SUBMUCOSA, Label.GEL, Label.GAS))
                for v in (labels, later)
            ]
            same = (labels == later) | (lining[0] & lining[1])
            inside = np.linalg.norm(points - (0, 30, 0), axis=1) < 60
            return same[kept & inside].mean()

        rigid = drawn.transform().GetNthTransform(1)
        assert agreement(drawn.transform()) > 0.998
        assert agreement(rigid) < 0.9
        assert agreement(drawn.inverse()) < 0.9


def test_the_inverse_leads_back(patients, ideal):
    for patient in (*patients, ideal):
        points = places(400)
        there = mapped(patient.transform, points)
        assert np.linalg.norm(there - points, axis=1).max() > 1
        back = mapped(patient.inverse, there)
        assert np.linalg.norm(back - points, axis=1).max() < 0.1
        again = mapped(patient.transform, mapped(patient.inverse, points))
        assert np.linalg.norm(again - points, axis=1).max() < 0.1


def test_the_transform_carries_masks_and_images(ideal):
    pre, post = (mask_of(ideal, visit, Roi.MUSCLE) for visit in (PRE, POST))

    def overlap(a, b):
        return 2 * (a.array & b.array).sum() / (a.array.sum() + b.array.sum())

    carried = resample_mask(pre, post.grid, ideal.transform)
    assert overlap(carried, post) > 0.85
    assert overlap(carried, post) > overlap(resample_mask(pre, post.grid), post) + 0.2
    first, second = (ideal.case.image(visit, Sequence.T2) for visit in (PRE, POST))
    # Fat and muscle around the bowel, well inside both pictures.
    lesion = mask_of(ideal, POST, Roi.BED).array | mask_of(ideal, POST, Roi.LUMEN).array
    around = ~ndimage.binary_dilation(lesion, iterations=8)
    around[:4] = around[-4:] = False
    around[:, :18] = around[:, -18:] = around[:, :, :18] = around[:, :, -18:] = False

    def likeness(transform):
        picture = resample_volume(first, second.grid, transform)
        return np.corrcoef(picture.array[around], second.array[around])[0, 1]

    assert likeness(ideal.transform) > 0.9
    assert likeness(ideal.transform) > likeness(None) + 0.2


# Repeatable, and nothing leaks


def same_bytes(one, other):
    assert one.truth == other.truth
    assert one.clinical == other.clinical
    assert one.reference == other.reference
    assert one.foci == other.foci
    for key, volume in one.case.volumes.items():
        assert volume.array.tobytes() == other.case.volumes[key].array.tobytes()
        assert volume.grid == other.case.volumes[key].grid
    for key, mask in one.case.masks.items():
        assert mask.array.tobytes() == other.case.masks[key].array.tobytes()
    for key, maps in one.maps.items():
        for name, values in maps.items():
            assert values.tobytes() == other.maps[key][name].tobytes()
    for name in ("transform", "inverse"):
        assert getattr(one, name).GetParameters() == getattr(other, name).GetParameters()


def test_same_seed_and_index_give_the_same_bytes_in_any_order(reference):
    # The fixtures made other patients in between.
    same_bytes(make_patient(5, 3, small(scanners=("reference_3t",))), reference)


def test_another_index_or_seed_gives_another_patient():
    one, *others = (draw_patient(index, seed, small()) for index, seed in ((0, 3), (0, 4), (1, 3)))
    for other in others:
        assert one.subjects[PRE].lesion.height_mm != other.subjects[PRE].lesion.height_mm
        assert one.bed_ml != other.bed_ml
        assert one.clinical != other.clinical
        assert one.motion != other.motion
        assert not np.array_equal(one.warp.coefficients, other.warp.coefficients)
        assert not np.array_equal(one.subjects[PRE].lattices[0], other.subjects[PRE].lattices[0])


def test_the_outcome_leaves_no_trace_in_the_first_visit(monkeypatch):
    settings = small(field_of_view=0.3, coarseness=4)
    made = []
    for outcome in ("residual", "fibrosis"):
        monkeypatch.setattr("radresp.phantom.draw.deal_outcome", lambda *_, of=outcome: of)
        made.append(make_patient(0, 3, settings))
    residual, fibrosis = made
    assert (residual.outcome, fibrosis.outcome) == ("residual", "fibrosis")
    for key, volume in residual.case.volumes.items():
        same = np.array_equal(volume.array, fibrosis.case.volumes[key].array)
        assert same == (key.timepoint is PRE)
    assert residual.protocols == fibrosis.protocols
    assert residual.transform.GetParameters() == fibrosis.transform.GetParameters()
    given = {"cT", "cN", "mrf", "emvi", "sex", "age_years", "cea_pre_ng_per_ml", "ctdna_pre"}
    for name in given:
        if "" not in (cells := (residual.clinical[name], fibrosis.clinical[name])):
            assert cells[0] == cells[1], name


def test_another_scanner_changes_the_second_visit_only():
    changed = 0
    for index in range(6):
        same, other = (
            draw_patient(index, 3, small(scanners=VENDOR_SCANNERS, other_scanner=share))
            for share in (0.0, 1.0)
        )
        assert same.protocols[PRE] == same.protocols[POST] == other.protocols[PRE]
        assert other.protocols[POST] != other.protocols[PRE]
        changed += other.protocols[POST].field_strength_t != same.protocols[POST].field_strength_t
        assert other.response == same.response
        assert other.motion == same.motion
        np.testing.assert_array_equal(other.warp.coefficients, same.warp.coefficients)
        tissue = [drawn.subjects[PRE].tissue.adc_um2_per_s for drawn in (same, other)]
        np.testing.assert_array_equal(*tissue)
        assert other.clinical["scanner"] == other.protocols[POST].model
    assert changed > 0
    alone = draw_patient(0, 3, small(scanners=("ge_3t",), other_scanner=1.0))
    assert alone.protocols[PRE] == alone.protocols[POST]


@pytest.mark.parametrize("name", sorted(presets()))
def test_every_block_holds_the_counts_of_the_preset(name):
    of = presets()[name]
    counts = [of.fibrosis, of.inflammation, of.residual]
    size = sum(counts)
    for seed in range(3):
        dealt = [deal_outcome(i, seed, of) for i in range(3 * size)]
        for start in range(0, 3 * size, size):
            block = dealt[start : start + size]
            assert [block.count(outcome) for outcome in OUTCOMES] == counts
        assert dealt[:size] != dealt[size : 2 * size]
    assert dealt != [deal_outcome(i, 0, of) for i in range(3 * size)]


def test_tumours_have_plausible_volumes():
    volumes = []
    for seed in range(25):
        rng = np.random.default_rng(seed)
        rectum = draw_rectum(rng)
        wanted = rng.uniform(6, 55)
        volumes.append(lesion_volume_ml(draw_tumour(rng, rectum, wanted), rectum))
        assert volumes[-1] == pytest.approx(wanted, rel=0.15)
    assert min(volumes) > 5
    assert max(volumes) < 62


@pytest.mark.parametrize(
    "wrong",
    [
        {"preset": "everyone"},
        {"scanners": ()},
        {"scanners": ("reference_3t", "scanner_of_nobody")},
        {"other_scanner": 1.5},
        {"coarseness": 0.5},
        {"field_of_view": 0.1},
        {"samples_in_plane": 1},
        {"dwi_samples_in_plane": 1},
        {"samples_through_plane": 0},
        {"noise": -1},
        {"distortion": -0.1},
        {"filling": 3},
        {"tilt_deg": 60},
        {"smoothness": 1},
    ],
)
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValidationError):
        PhantomSettings(**wrong)
