"""The radiologist's measures on cases whose answers are known, in every state a case can be in."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from builders import make_grid

from radresp.core import (
    VISITS,
    Alignment,
    ChangeMap,
    Grid,
    Mask,
    Prepared,
    Quality,
    Region,
    RegionKey,
    Roi,
    Scene,
    Sequence,
    Step,
    Timepoint,
    Unit,
    Verdict,
    Volume,
)
from radresp.features import MEASURES, Response, extract_measures, measure_names

PRE, POST = Timepoint
T2, DWI, ADC = Sequence
SIZE = (60, 60, 10)
MUSCLE_T2, MUSCLE_B = 100.0, 20.0
RULES = Response()


def box(*ends: tuple[int, int]) -> np.ndarray:
    """A block of voxels between indices of x, y and z."""
    drawn = np.zeros(SIZE[::-1], dtype=bool)
    drawn[tuple(slice(*end) for end in reversed(ends))] = True
    return drawn


TUMOUR = box((20, 40), (20, 30), (2, 8))  # 1200 voxels
BED = box((20, 40), (20, 25), (2, 8))  # 600 voxels
LUMEN = box((20, 40), (25, 35), (2, 8))  # behind the bed, as wide as it
MUSCLE = box((2, 10), (45, 55), (2, 8))
FOCUS = box((20, 40), (22, 23), (2, 8))  # a fifth of the bed, 3 mm from the lumen
OUTLINES = {
    PRE: {Roi.TUMOUR: TUMOUR, Roi.MUSCLE: MUSCLE},
    POST: {Roi.BED: BED, Roi.MUSCLE: MUSCLE, Roi.LUMEN: LUMEN},
}


def pictures() -> dict[tuple[Timepoint, Sequence], np.ndarray]:
    """Tumour bright on the high b-value and of low ADC; a bed of scar with a focus."""
    t2 = np.full(SIZE[::-1], 6 * MUSCLE_T2)
    b = np.full(SIZE[::-1], MUSCLE_B)
    adc = np.full(SIZE[::-1], 1500.0)
    t2[MUSCLE] = MUSCLE_T2
    before = {T2: t2.copy(), DWI: b.copy(), ADC: adc.copy()}
    before[T2][TUMOUR], before[DWI][TUMOUR], before[ADC][TUMOUR] = 250.0, 80.0, 800.0
    after = {T2: t2.copy(), DWI: b.copy(), ADC: adc.copy()}
    after[T2][BED], after[DWI][BED], after[ADC][BED] = 110.0, 30.0, 1200.0
    after[T2][FOCUS], after[DWI][FOCUS] = 225.0, 50.0
    both = ((PRE, before), (POST, after))
    return {
        (visit, sequence): array for visit, images in both for sequence, array in images.items()
    }


def volume(array: np.ndarray, grid: Grid, sequence: Sequence) -> Volume:
    unit = Unit.UM2_PER_S if sequence is ADC else Unit.ARBITRARY
    return Volume.from_array(array, grid, sequence, unit, 1000.0 if sequence is DWI else None)


def scene(
    images: dict[tuple[Timepoint, Sequence], np.ndarray] | None = None,
    outlines: dict[Timepoint, dict[Roi, np.ndarray]] | None = None,
    grid: Grid | None = None,
    **more: Any,
) -> Scene:
    images, outlines = images or pictures(), outlines or OUTLINES
    grid = grid or make_grid(size=SIZE)
    regions = {
        RegionKey(visit, sequence, roi): Region(
            RegionKey(visit, sequence, roi),
            volume(array, grid, sequence),
            Mask.from_array(drawn, grid, roi),
        )
        for (visit, sequence), array in images.items()
        for roi, drawn in outlines[visit].items()
    }
    t2 = {visit: volume(images[visit, T2], grid, T2) for visit in Timepoint}
    return Scene(regions, t2_on_adc=t2, **{"noise": {PRE: 5.0, POST: 5.0}} | more)


def prepared(seen: Scene | None = None, **more: Any) -> Prepared:
    return Prepared("c", {}, {}, **{"alignments": {}, "scene": seen or scene()} | more)


def without(seen: Scene, gone: Iterable[RegionKey], reason: str) -> Scene:
    left = {key: region for key, region in seen.regions.items() if key not in set(gone)}
    return replace(seen, regions=left, absent=dict.fromkeys(gone, reason))


def measured(case: Prepared | None = None, rules: Response = RULES) -> dict[str, float]:
    return dict(MEASURES["response"].extract(case or prepared(), rules).values)


def test_a_case_with_known_answers() -> None:
    known = {
        "bed_ml": 1.8,
        "volume_reduction": 0.5,
        "adc_p50": 1200.0,
        "adc_ratio": 1.5,
        "adc_change_percent": 50.0,
        "adc_change_flag": 1.0,
        "restricted_ml": 0.36,
        "restricted_fraction": 0.2,
        "restricted_largest_ml": 0.36,
        "restricted_reduction": 0.9,
        "high_b_noise_fraction": 0.0,
        "scar_fraction": 0.8,
        "intermediate_fraction": 0.2,
        "bright_fraction": 0.0,
        "t2_ratio_mean": 1.33,
        "t2_ratio_p90": 2.25,
        "t2_ratio_change": 1.33 - 2.5,
        "shine_fraction": 0.0,
        "dark_through_fraction": 0.8,
        "concordant_fraction": 0.2,
        "axial_extent_mm": math.hypot(20, 5),
        "elongation": 18 / 20,
        "flatness": 5 / 20,
        "mass_index": 5 / math.hypot(20, 5),
        "wall_thickness_max_mm": 5.0,
        "wall_thickness_mean_mm": 5.0,
        "wall_thickness_asymmetry": 0.0,
        "focus_to_border_mm": 3.0,
    }
    found = measured()
    assert {name: found[name] for name in known} == pytest.approx(known, rel=1e-5, abs=1e-6)


def test_the_bed_lines_one_side_of_a_rectangular_lumen() -> None:
    # 20 of the 56 border voxels of each slice face the bed; 4 on the sides lie within 3 mm.
    assert measured()["circumferential_fraction"] == pytest.approx(24 / 56)


def test_every_nan_has_a_reason_and_names_do_not_depend_on_the_case() -> None:
    for case in (prepared(), prepared(Scene())):
        (found,) = extract_measures(case, {"response": RULES})
        assert tuple(found.values) == measure_names({"response": RULES})
        assert {n for n, v in found.values.items() if math.isnan(v)} == set(found.absent)
        assert all(found.absent.values())


def test_signal_has_no_unit() -> None:
    scaled = {key: array * (7.3 if key[1] is not ADC else 1) for key, array in pictures().items()}
    other = measured(prepared(scene(scaled, noise={PRE: 36.5, POST: 36.5})))
    assert other == pytest.approx(measured(), nan_ok=True)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_flipped_files_give_the_same_numbers(axis: int) -> None:
    images = {key: np.flip(array, axis) for key, array in pictures().items()}
    outlines = {
        visit: {roi: np.flip(drawn, axis) for roi, drawn in rois.items()}
        for visit, rois in OUTLINES.items()
    }
    assert measured(prepared(scene(images, outlines))) == pytest.approx(measured(), nan_ok=True)


def test_millimetres_are_the_unit_of_length() -> None:
    found = measured(prepared(scene(grid=make_grid(size=SIZE, spacing_mm=(2.0, 2.0, 6.0)))))
    for name, value in measured().items():
        if name.endswith("_mm"):
            assert found[name] == pytest.approx(2 * value), name
        if name.endswith("_ml") and not name.startswith("log"):
            assert found[name] == pytest.approx(8 * value, nan_ok=True), name


def test_a_bed_nobody_saw_has_no_volume_and_nothing_restricted_but_a_warning() -> None:
    seen = replace(scene(), empty=frozenset({RegionKey(POST, T2, Roi.BED)}))
    found = MEASURES["response"].extract(prepared(seen), RULES)
    zero = ("bed_ml", "restricted_ml", "restricted_fraction", "restricted_largest_ml")
    assert [found.values[name] for name in zero] == [0.0] * 4
    assert (found.values["volume_reduction"], found.values["restricted_reduction"]) == (1.0, 1.0)
    assert found.values["log_bed_ml"] == pytest.approx(math.log(0.01))
    assert found.values["adc_p50"] == pytest.approx(1200)  # of the bed carried over
    assert [note.code for note in found.step.notes] == ["BED_NOT_EMPTY"]


def test_no_bed_at_all_leaves_zeros_and_reasons() -> None:
    beds = [RegionKey(POST, sequence, Roi.BED) for sequence in Sequence]
    seen = without(scene(), beds, "the visits could not be aligned")
    found = MEASURES["response"].extract(
        prepared(replace(seen, empty=frozenset({RegionKey(POST, T2, Roi.BED)}))), RULES
    )
    assert (found.values["bed_ml"], found.values["restricted_ml"]) == (0.0, 0.0)
    assert found.absent["scar_fraction"] == "the visits could not be aligned"
    assert found.step.notes == ()


def test_a_residual_is_nothing_only_when_somebody_looked() -> None:
    key = RegionKey(POST, T2, Roi.RESIDUAL)
    assert math.isnan(measured()["residual_ml"])
    looked = measured(prepared(replace(scene(), empty=frozenset({key}))))
    assert (looked["residual_ml"], looked["residual_volume_reduction"]) == (0.0, 1.0)


def test_noise_and_bright_adc_restrict_nothing() -> None:
    assert measured(prepared(scene(noise={POST: 20.0})))["restricted_ml"] == 0
    shining = pictures()
    shining[POST, ADC][FOCUS] = 1700.0
    found = measured(prepared(scene(shining)))
    assert (found["restricted_ml"], found["shine_fraction"]) == (0.0, pytest.approx(0.2))
    assert math.isnan(found["focus_to_border_mm"])
    unknown = MEASURES["response"].extract(prepared(scene(noise={})), RULES)
    assert unknown.values["restricted_ml"] == pytest.approx(0.36)
    assert "not known" in unknown.absent["high_b_noise_fraction"]


def test_normal_wall_takes_the_place_of_muscle() -> None:
    wall = box((45, 55), (20, 30), (2, 8))
    bright = pictures()
    bright[POST, DWI][wall] = 60.0
    outlines = OUTLINES | {POST: OUTLINES[POST] | {Roi.NORMAL_WALL: wall}}
    assert measured(prepared(scene(bright, outlines)))["restricted_ml"] == 0
    bright[POST, DWI][wall] = 45.0
    assert measured(prepared(scene(bright, outlines)))["restricted_ml"] == pytest.approx(0.36)


def test_a_small_change_of_adc_is_not_flagged() -> None:
    images = pictures()
    for level, flag in ((800 * 1.18, 0.0), (800 * 1.2, 1.0), (800 * 0.8, -1.0)):
        images[POST, ADC][BED] = level
        assert measured(prepared(scene(images)))["adc_change_flag"] == flag


def aligned(verdict: Verdict, *, bent: bool) -> dict[str, Alignment]:
    transform = sitk.BSplineTransform(3) if bent else sitk.Euler3DTransform()
    whole = sitk.CompositeTransform([sitk.Euler3DTransform(), transform])
    quality = Quality(verdict, reasons=("made up",))
    return {VISITS: Alignment("post.t2", "pre.t2", whole, quality, Step("r", "m"))}


def test_visits_that_cannot_be_aligned_are_not_compared() -> None:
    case = prepared(alignments=aligned(Verdict.FAILED, bent=True))
    found = MEASURES["response"].extract(case, RULES)
    across = {"volume_reduction", "adc_ratio", "restricted_reduction", "t2_ratio_change"}
    assert all("delta not valid" in found.absent[name] for name in across)
    assert found.values["bed_ml"] == pytest.approx(1.8)


def test_parametric_response_counts_voxels_across_a_deformable_fit_alone() -> None:
    grid = make_grid(size=SIZE)
    change = np.zeros(SIZE[::-1])
    change[FOCUS] = 400.0
    change[BED & ~FOCUS] = np.where(np.arange(480) < 120, -600.0, 0.0)
    change_map = ChangeMap(
        volume(change, grid, ADC), Mask.from_array(BED, grid, Roi.BED), {"noise": 350.0}
    )
    maps = {"adc": change_map}
    case = prepared(alignments=aligned(Verdict.GOOD, bent=True), maps=maps)
    found = MEASURES["response"].extract(case, RULES)
    shares = [found.values[f"adc_{way}_550"] for way in ("rose", "stayed", "fell")]
    assert shares == pytest.approx([0, 0.8, 0.2])
    assert "noise alone" in found.absent["adc_rose_300"]
    rigid = prepared(alignments=aligned(Verdict.GOOD, bent=False), maps=maps)
    assert "rigid" in MEASURES["response"].extract(rigid, RULES).absent["adc_rose_550"]
    none = prepared(unmapped={"adc": "the alignment of the visits is doubtful"})
    assert "doubtful" in MEASURES["response"].extract(none, RULES).absent["adc_rose_550"]


@pytest.mark.parametrize(
    ("layer", "share"), [((23.4, 25.0), 1.0), ((20.0, 25.0), 0.0), ((24.8, 25.0), 0.0)]
)
def test_a_thin_dark_inner_layer_is_told_from_a_black_wall(
    layer: tuple[float, float], share: float
) -> None:
    grid = make_grid(size=(150, 150, 4), spacing_mm=(0.4, 0.4, 3.0))
    y = np.broadcast_to(np.arange(150)[:, None] * 0.4, (4, 150, 150))
    x = np.broadcast_to(np.arange(150) * 0.4, (4, 150, 150))
    wide = (x >= 12) & (x < 48)
    t2 = np.full(y.shape, 250.0)
    t2[(y >= layer[0]) & (y < layer[1])] = 100.0
    lumen = wide & (y >= 25) & (y < 40)
    bed = wide & (y >= 20) & (y < 25)
    muscle = (y < 8) & (x < 8)
    t2[muscle] = 100.0
    regions = {
        (key := RegionKey(POST, T2, roi)): Region(
            key, volume(t2, grid, T2), Mask.from_array(drawn, grid, roi)
        )
        for roi, drawn in ((Roi.BED, bed), (Roi.LUMEN, lumen), (Roi.MUSCLE, muscle))
    }
    found = measured(prepared(Scene(regions)))["dark_layer_continuity"]
    assert found == pytest.approx(share, abs=0.03)


def test_coarse_pixels_show_no_layer() -> None:
    found = MEASURES["response"].extract(prepared(), RULES)
    assert "voxels of 1.00 mm" in found.absent["dark_layer_continuity"]
