"""The synthetic patient: what is imaged is what was drawn, and the truth says what that was."""

from __future__ import annotations

import numpy as np
import pytest
from builders import ORIENTATIONS
from pydantic import ValidationError
from scipy import ndimage

from radresp.core import Grid, RegionKey, Roi, Sequence, Timepoint, resample_mask
from radresp.intensity import FitAdc, fit_adc
from radresp.phantom import OUTCOMES, PhantomSettings, make_patient
from radresp.phantom.lesion import draw_tumour, lesion_volume_ml
from radresp.phantom.outcome import draw_mixture, outcome_of
from radresp.phantom.patient import _first_visit, _Stream
from radresp.phantom.rectum import draw_rectum
from radresp.phantom.scanner import scan_t2
from radresp.phantom.tissue import tissue_table

PRE, POST = Timepoint.PRE, Timepoint.POST


def small(**changes):
    """A coarse, quick phantom."""
    coarse = {
        "t2_spacing_mm": (1.5, 1.5, 4.0),
        "t2_size": (116, 112, 22),
        "dwi_spacing_mm": (3.0, 3.0, 4.0),
        "dwi_size": (84, 88, 22),
    }
    return PhantomSettings(**(coarse | changes))


PURE = {"noise": 0.0, "texture": 0.0, "variation": 0.0, "coil": 0.0}


@pytest.fixture(scope="module")
def patients():
    """Six patients, two of each outcome."""
    even = {f"{name}_weight": 2 for name in OUTCOMES}
    return [make_patient(i, 3, small(**even)) for i in range(6)]


@pytest.fixture(scope="module", params=[1.5, 3.0], ids=["1.5T", "3T"])
def ideal(request):
    """A patient without noise, texture, variation and coil field."""
    return make_patient(2, 3, small(field_strengths_t=(request.param,), **PURE))


def mask_of(patient, timepoint, roi):
    return patient.case.masks[RegionKey(timepoint, Sequence.T2, roi)]


def inner(mask, steps=2):
    """The mask without its rim of partial volume."""
    return mask.with_array(ndimage.binary_erosion(mask.array, iterations=steps))


def column(patient, name):
    return name.format("3T" if patient.truth["field_strength_t"] == 3.0 else "1p5T")


def test_t2_of_tumour_to_muscle_is_that_of_the_table(ideal):
    t2 = ideal.case.image(PRE, Sequence.T2)
    tumour = inner(mask_of(ideal, PRE, Roi.TUMOUR))
    assert tumour.voxel_count > 50
    ratio = np.median(t2.values_in(tumour)) / np.median(
        t2.values_in(mask_of(ideal, PRE, Roi.MUSCLE))
    )
    expected = tissue_table()["rectal_tumour_untreated"][column(ideal, "T2TSE_ratio_to_muscle_{}")]
    assert ratio == pytest.approx(expected, rel=0.02)


def test_b800_of_tumour_to_muscle_is_that_of_the_table(ideal):
    high = ideal.case.dwi(PRE)[-1]
    tumour = inner(resample_mask(mask_of(ideal, PRE, Roi.TUMOUR), high.grid), 1)
    muscle = resample_mask(mask_of(ideal, PRE, Roi.MUSCLE), high.grid)
    ratio = np.median(high.values_in(tumour)) / np.median(high.values_in(muscle))
    expected = tissue_table()["rectal_tumour_untreated"][column(ideal, "b800_ratio_{}")]
    assert ratio == pytest.approx(expected, rel=0.04)


def test_fitted_adc_is_that_of_the_tissue(ideal):
    fit = fit_adc(ideal.case.dwi(PRE), FitAdc(noise_sigma=0))
    tumour = inner(resample_mask(mask_of(ideal, PRE, Roi.TUMOUR), fit.adc.grid), 1)
    muscle = resample_mask(mask_of(ideal, PRE, Roi.MUSCLE), fit.adc.grid)
    assert np.median(fit.adc.values_in(tumour)) == pytest.approx(900, rel=0.02)
    assert np.median(fit.adc.values_in(muscle)) == pytest.approx(1500, rel=0.02)


def test_coil_field_cancels_in_the_adc():
    settings = small(field_strengths_t=(3.0,), **(PURE | {"coil": 0.6}))
    patient = make_patient(2, 3, settings)
    fit = fit_adc(patient.case.dwi(PRE), FitAdc(noise_sigma=0))
    muscle = resample_mask(mask_of(patient, PRE, Roi.MUSCLE), fit.adc.grid)
    low = patient.case.dwi(PRE)[0].values_in(muscle)
    assert low.std() / low.mean() > 0.05
    assert np.median(fit.adc.values_in(muscle)) == pytest.approx(1500, rel=0.02)


def test_noisy_adc_of_tumour_is_near_the_truth(patients):
    for patient in patients[:4]:
        fit = fit_adc(patient.case.dwi(PRE))
        tumour = inner(resample_mask(mask_of(patient, PRE, Roi.TUMOUR), fit.adc.grid), 1)
        # 2.5 SD of the table's spread between patients, and some noise.
        assert np.median(fit.adc.values_in(tumour)) == pytest.approx(900, abs=2.5 * 120 + 60)
        assert not fit.step.notes[1:]


def test_noise_is_rayleigh_in_air_and_fit_adc_finds_its_level(patients):
    patient = patients[0]
    dwi = patient.case.dwi(PRE)
    front = dwi[-1].array[:, :4]  # in front of the belly
    assert front.mean() / front.std() == pytest.approx(1.913, rel=0.05)
    found = fit_adc(dwi).step.notes[0].found
    level = float(found.split("noise level ")[1].split(";")[0])
    assert level == pytest.approx(front.mean() / 1.2533, rel=0.06)
    tumour = inner(resample_mask(mask_of(patient, PRE, Roi.TUMOUR), dwi[0].grid), 1)
    assert 14 < np.median(dwi[0].values_in(tumour)) / level < 40  # SNR 20-30, coil field


def test_images_are_stored_like_a_scanner_stores_them(patients):
    for volume in patients[0].case.volumes.values():
        array = volume.array
        assert array.min() >= 0
        assert array.max() <= 4095
        np.testing.assert_array_equal(array, np.rint(array))
    t2 = patients[0].case.image(PRE, Sequence.T2)
    assert 80 < np.median(t2.values_in(mask_of(patients[0], PRE, Roi.MUSCLE))) < 220


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
            assert [v.b_s_per_mm2 for v in case.dwi(visit)] == [0, 400, 800]
            lesion = mask_of(patient, visit, Roi.TUMOUR if visit is PRE else Roi.BED).array
            assert not (lesion & mask_of(patient, visit, Roi.LUMEN).array).any()
            # The whole lesion is in the picture.
            assert not lesion[[0, -1]].any()


def test_truth_agrees_with_the_outlines(patients):
    for patient in patients:
        truth = patient.truth
        assert mask_of(patient, PRE, Roi.TUMOUR).volume_ml == pytest.approx(
            truth["tumour_ml"], rel=0.08
        )
        assert mask_of(patient, POST, Roi.BED).volume_ml == pytest.approx(
            truth["bed_ml"], rel=0.25, abs=0.5
        )
        shares = [truth[f"{name}_share"] for name in ("fibrosis", "inflammation", "viable", "wall")]
        assert sum(shares) == pytest.approx(1, abs=1e-9)
        assert (truth["viable_share"] > 0.02) == (patient.outcome == "residual")
        assert truth["shrinkage"] < 1


def test_known_transform_carries_post_onto_pre():
    patient = make_patient(5, 3, small(motion_mm=12, motion_deg=8, tilt_deg=0))
    pre, post = (mask_of(patient, visit, Roi.MUSCLE) for visit in (PRE, POST))
    carried = resample_mask(pre, post.grid, patient.transform)

    def overlap(a, b):
        return 2 * (a.array & b.array).sum() / (a.array.sum() + b.array.sum())

    assert overlap(carried, post) > 0.85
    assert overlap(carried, post) > overlap(resample_mask(pre, post.grid), post) + 0.2


def test_same_seed_and_index_give_the_same_bytes_in_any_order():
    first = make_patient(4, 9, small())
    make_patient(1, 9, small())
    again = make_patient(4, 9, small())
    assert first.truth == again.truth
    assert first.clinical == again.clinical
    for key, volume in first.case.volumes.items():
        assert volume.array.tobytes() == again.case.volumes[key].array.tobytes()
        assert volume.grid == again.case.volumes[key].grid
    for key, mask in first.case.masks.items():
        assert mask.array.tobytes() == again.case.masks[key].array.tobytes()


def test_another_index_or_seed_gives_another_patient(patients):
    other = make_patient(0, 4, small())
    for patient in (other, patients[1]):
        assert patient.truth["tumour_ml"] != patients[0].truth["tumour_ml"]
        mine = patient.case.image(PRE, Sequence.T2).array
        assert not np.array_equal(mine, patients[0].case.image(PRE, Sequence.T2).array)


def test_the_outcome_leaves_no_trace_in_the_first_visit():
    def with_weights(**weights):
        return make_patient(0, 3, small(t2_size=(60, 60, 22), dwi_size=(40, 40, 8), **weights))

    residual = with_weights(fibrosis_weight=0, inflammation_weight=0)
    fibrosis = with_weights(residual_weight=0, inflammation_weight=0)
    assert (residual.outcome, fibrosis.outcome) == ("residual", "fibrosis")
    for key, volume in residual.case.volumes.items():
        same = np.array_equal(volume.array, fibrosis.case.volumes[key].array)
        assert same == (key.timepoint is PRE)


def test_every_block_holds_the_weights():
    settings = PhantomSettings(fibrosis_weight=1, inflammation_weight=2, residual_weight=3)
    for seed in range(3):
        dealt = [outcome_of(i, seed, settings) for i in range(18)]
        for start in (0, 6, 12):
            counts = [dealt[start : start + 6].count(name) for name in OUTCOMES]
            assert counts == [1, 2, 3]
    assert [outcome_of(i, 0, settings) for i in range(18)] != [
        outcome_of(i, 1, settings) for i in range(18)
    ]


def test_outcomes_overlap_in_adc_and_t2():
    rows = {
        "fibrosis": "fibrosis_scar",
        "inflammation": "inflammation_oedema",
        "viable": "treated_residual_tumour",
        "wall": "rectal_wall_muscularis",
    }
    table, rng = tissue_table(), np.random.default_rng(0)

    def expected(outcome, name):
        mixture = draw_mixture(outcome, rng)
        return sum(getattr(mixture, part) * table[row][name] for part, row in rows.items())

    for name in ("ADC_1e-3_mm2_s", "T2TSE_ratio_to_muscle_3T"):
        residual = np.array([expected("residual", name) for _ in range(300)])
        for other in ("fibrosis", "inflammation"):
            benign = np.array([expected(other, name) for _ in range(300)])
            auc = np.mean(residual[:, None] > benign)
            assert 0.03 < auc < 0.97, (name, other)
        rest = np.concatenate([[expected(o, name) for _ in range(300)] for o in OUTCOMES[:2]])
        assert 0.15 < np.mean(residual[:, None] > rest) < 0.85, name


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


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_any_orientation_shows_the_same_tumour(orientation):
    settings = small(**PURE)
    rng = {stream: np.random.default_rng([3, 2, stream]) for stream in _Stream}
    subject = _first_visit(rng, settings)
    cube = Grid((70, 70, 70), (2.0, 2.0, 2.0), (0, 0, 0), ORIENTATIONS[orientation])
    origin = tuple(np.array([0.0, 30.0, 0.0]) - np.array(cube.centre_mm))
    grid = Grid(cube.size, cube.spacing_mm, origin, cube.direction)
    scan = scan_t2(subject, grid, settings, np.random.default_rng(0))
    volume = scan.shares["lesion"].sum() * grid.voxel_volume_ml
    assert volume == pytest.approx(
        lesion_volume_ml(subject.lesion, subject.anatomy.rectum), rel=0.03
    )
    place = np.array(np.nonzero(scan.shares["lesion"] > 0.5)).mean(axis=1)[::-1]
    assert np.linalg.norm(np.array(grid.to_mm(tuple(place))) - _centre(subject)) < 1.0


def _centre(subject):
    """Centre of the tumour in anatomical mm, from an axial scan with fine voxels."""
    grid = Grid((140, 140, 70), (1.0, 1.0, 2.0), (-69.5, -39.5, -69.0))
    share = scan_t2(subject, grid, small(**PURE), np.random.default_rng(0)).shares["lesion"]
    place = np.array(np.nonzero(share > 0.5)).mean(axis=1)[::-1]
    return np.array(grid.to_mm(tuple(place)))


def test_t2_is_axial_oblique_and_dwi_axial(patients):
    tilts = []
    for patient in patients:
        t2, dwi = patient.case.image(PRE, Sequence.T2).grid, patient.case.dwi(PRE)[0].grid
        tilts.append(abs(np.degrees(np.arcsin(t2.direction[7]))))
        np.testing.assert_allclose(dwi.axes, np.eye(3))
    assert max(tilts) <= 12
    assert max(tilts) > 4


def test_clinical_row_fits_the_cohort_table(patients):
    from radresp.io.clinical_columns import CLINICAL

    for patient in patients:
        assert patient.case.clinical == patient.clinical
        assert patient.clinical["site"] == "synthetic"
        assert patient.clinical["pre_date"] < patient.clinical["post_date"]
        faults = {name: CLINICAL[name].fault(text) for name, text in patient.clinical.items()}
        assert not any(faults.values()), faults
        assert not any(CLINICAL[name].axis == "reference" for name in patient.clinical)


@pytest.mark.parametrize(
    "wrong",
    [
        {"field_strengths_t": (7.0,)},
        {"b_values_s_per_mm2": (800.0, 0.0)},
        {"b_values_s_per_mm2": (-50.0, 800.0)},
        {"t2_spacing_mm": (0.0, 1.0, 3.0)},
        {"dwi_size": (2, 80, 20)},
        {"t2_snr": (0.0, 30.0)},
        {"samples_in_plane": 1},
        {"fibrosis_weight": 0, "inflammation_weight": 0, "residual_weight": 0},
        {"smoothness": 1},
    ],
)
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValidationError):
        PhantomSettings(**wrong)
