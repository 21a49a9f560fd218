"""What the scanner adds to tissue: partial volume, contrast, noise, texture, and nothing else."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from phantom_blocks import PURE, Blocks, Label, ball, box, centred, subject
from scipy.special import ive

from radresp.core import Sequence, Volume
from radresp.intensity import FitAdc, fit_adc
from radresp.phantom import PhantomSettings
from radresp.phantom.anatomy import draw_anatomy
from radresp.phantom.deformation import Deformation
from radresp.phantom.physics import dwi_signal, magnitude
from radresp.phantom.protocol import Stored, protocols, reference_protocol
from radresp.phantom.scanner import core_of_muscle, scan_dwi, scan_t2
from radresp.phantom.tissue import ROWS, properties, tissue_table

FIELDS = pytest.mark.parametrize("field", [1.5, 3.0], ids=["1.5T", "3T"])
SOLID = [label for label in Label if tissue_table()[ROWS[label]]["proton_density"] > 0]


def rng(seed=0):
    return np.random.default_rng(seed)


def every_tissue(field):
    """A cube of 16 mm of every tissue that gives signal, in muscle."""
    columns = 7
    cubes = [
        box(label, (24 * (i % columns) - 72, 24 * (i // columns) - 48, 0), (8, 8, 30))
        for i, label in enumerate(SOLID)
    ]
    return subject(box(Label.MUSCLE, (0, 0, 0), (90, 66, 30)), *cubes, field=field)


def insides(grid):
    """Voxels well within each cube, and the muscle between them."""
    affine = grid.affine
    x, y = (affine[i, 3] + affine[i, i] * np.arange(grid.size[i]) for i in range(2))
    found = {}
    for i, label in enumerate(SOLID):
        columns = np.abs(x - (24 * (i % 7) - 72)) < 5
        rows = np.abs(y - (24 * (i // 7) - 48)) < 5
        found[label] = np.broadcast_to(rows[:, None] & columns, grid.size[::-1])
    return found


def measured(field):
    """T2 ratio, b 1000 ratio and ADC (1e-3 mm2/s) of every tissue, measured in images."""
    scanner = reference_protocol(field)
    settings = PhantomSettings(variation=0.0, coil=0.0, distortion=0.0, samples_through_plane=2)
    person = every_tissue(field)
    t2 = scan_t2(person, centred((240, 220, 4), (0.8, 0.8, 3.0)), scanner, settings, rng())
    grid = centred((110, 80, 8), (2.0, 2.0, 3.5))
    dwi = scan_dwi(person, grid, scanner, settings, rng())
    volumes = tuple(
        Volume.from_array(image, grid, Sequence.DWI, b_s_per_mm2=b)
        for image, b in zip(dwi.images, scanner.b_values_s_per_mm2, strict=True)
    )
    adc = fit_adc(volumes, FitAdc(noise_sigma=0)).adc.array
    high = dwi.images[-1].astype(float)
    floor = (high[:, :6] ** 2).mean()  # in air

    def signal(image, where, floor=0.0):
        return np.sqrt((image[where].astype(float) ** 2).mean() - floor)

    found, on_t2, on_dwi = {}, insides(t2.grid), insides(grid)
    for label in SOLID:
        found[label] = (
            signal(t2.images[0], on_t2[label]) / signal(t2.images[0], on_t2[Label.MUSCLE]),
            signal(high, on_dwi[label], floor) / signal(high, on_dwi[Label.MUSCLE], floor),
            float(adc[on_dwi[label]].mean()) / 1000,
        )
    return found


@FIELDS
def test_regions_have_the_contrast_and_diffusion_of_the_tissue_table(field):
    """Ten percent, with noise and texture, where voxels hold one tissue only."""
    name = "3T" if field == 3 else "1p5T"
    for label, (t2_ratio, high_ratio, adc) in measured(field).items():
        row = tissue_table()[ROWS[label]]
        assert t2_ratio == pytest.approx(row[f"T2TSE_ratio_to_muscle_{name}"], rel=0.1), label
        assert high_ratio == pytest.approx(row[f"b1000_ratio_{name}"], rel=0.1), label
        if row["fatsat_fraction"] > 0.1:  # suppressed fat is too dark to measure its diffusion
            assert adc == pytest.approx(row["ADC_1e-3_mm2_s"], rel=0.1), label


def rician_mean(nu, sigma):
    """Mean of the Rice distribution, by Bessel functions that do not overflow."""
    x = nu * nu / (4 * sigma * sigma)
    return sigma * np.sqrt(np.pi / 2) * ((1 + 2 * x) * ive(0, x) + 2 * x * ive(1, x))


@pytest.mark.parametrize("snr", [0.0, 0.5, 1.0, 2.0, 5.0, 20.0])
def test_noise_has_the_moments_of_the_rice_distribution(snr):
    sigma = 7.0
    seen = magnitude(np.full((100, 100, 60), snr * sigma, np.float32), sigma, rng(1))
    seen = seen.astype(float)
    assert seen.mean() == pytest.approx(rician_mean(snr * sigma, sigma), rel=2e-3)
    square = (snr**2 + 2) * sigma**2
    assert (seen**2).mean() == pytest.approx(square, rel=4e-3)
    fourth = (snr**4 + 8 * snr**2 + 8) * sigma**4
    assert (seen**4).mean() == pytest.approx(fourth, rel=0.015)


@pytest.mark.parametrize("name", sorted(protocols()))
def test_noise_in_air_is_rayleigh_of_the_level_that_the_snr_sets(name):
    scanner = protocols()[name]
    field = scanner.field_strength_t
    person = subject(ball(Label.TUMOUR, (0, 0, 0), 20), field=field)
    settings = PhantomSettings(texture=0.0, variation=0.0, coil=0.0, distortion=0.0)
    t2 = scan_t2(person, centred((64, 64, 8), (1.5, 1.5, 3.0)), scanner, settings, rng())
    dwi = scan_dwi(person, centred((48, 48, 8), (2.5, 2.5, 3.5)), scanner, settings, rng())
    averages = scanner.dwi_averages
    at_b0 = dwi.images[0] * np.exp(scanner.b_values_s_per_mm2[0] * 900e-6)
    sigma = t2.images[0][t2.shares["lesion"] == 1].mean() / scanner.t2_snr
    one = at_b0[dwi.shares["lesion"] == 1].mean() / scanner.dwi_snr * np.sqrt(averages[0])
    air = [image[:, :8].astype(float) for image in (*t2.images, *dwi.images)]
    assert air[0].mean() == pytest.approx(sigma * np.sqrt(np.pi / 2), rel=0.05)
    for image, n in zip(air[1:], averages, strict=True):
        # Averaged magnitudes: the floor stays where it was, the noise on it is narrower.
        assert image.mean() == pytest.approx(one * np.sqrt(np.pi / 2), rel=0.05)
        step = np.diff(np.unique(image)).min()
        variance = (2 - np.pi / 2) * one**2 / n + step**2 / 12
        assert image.std() == pytest.approx(np.sqrt(variance), rel=0.05)


NOISE_FLOOR = {  # docs/reference/clinical.md 2.3, b 0 and 1000, 3 T: mean and SD of each voxel
    10: {"TUMOUR": (0.90, 0.27), "BED_FIBROSIS": (1.06, 0.56), "MUSCLE": (1.32, None),
         "URINE": (2.77, None)},
    20: {"TUMOUR": (0.90, 0.13), "BED_FIBROSIS": (1.10, 0.30), "MUSCLE": (1.49, None),
         "URINE": (2.99, None)},
    30: {"TUMOUR": (0.90, 0.09), "BED_FIBROSIS": (1.10, 0.20)},
}  # fmt: skip


@pytest.mark.parametrize("snr", NOISE_FLOOR)
def test_adc_is_biased_near_the_noise_floor_as_the_source_says(snr):
    tissue, noise = properties(3.0), rng(2)
    low, high = (dwi_signal(tissue, 3.0, b) for b in (0.0, 1000.0))
    sigma = float(low[Label.TUMOUR]) / snr
    for name, (mean, sd) in NOISE_FLOOR[snr].items():
        at = [
            magnitude(np.full(60_000, signal[Label[name]], np.float32), sigma, noise).astype(float)
            for signal in (low, high)
        ]
        adc = np.log(at[0] / at[1])
        assert adc.mean() == pytest.approx(mean, abs=0.012), name
        if sd is not None:
            assert adc.std() == pytest.approx(sd, abs=0.012), name


def test_a_whole_scan_shows_the_noise_floor_too():
    scanner = replace(
        reference_protocol(3.0), b_values_s_per_mm2=(0.0, 1000.0), dwi_averages=(1, 1), dwi_snr=10,
        gain_dwi=400,
    )  # fmt: skip
    person = subject(
        box(Label.TUMOUR, (-30, 0, 0), (28, 50, 30)), box(Label.MUSCLE, (30, 0, 0), (28, 50, 30))
    )
    grid = centred((60, 52, 8), (2.0, 2.0, 3.5))
    settings = PhantomSettings(texture=0.0, variation=0.0, coil=0.0, distortion=0.0)
    scan = scan_dwi(person, grid, scanner, settings, rng())
    adc = np.log(np.maximum(scan.images[0], 1) / np.maximum(scan.images[1], 1))
    assert adc[scan.shares["lesion"] == 1].mean() == pytest.approx(0.90, abs=0.02)
    assert adc[scan.shares["muscle"] == 1].mean() == pytest.approx(1.32, abs=0.03)


@pytest.mark.parametrize(("edge", "layers"), [(2, 1), (2, 2), (3, 3)])
def test_a_voxel_is_the_mean_of_its_samples(edge, layers):
    person = subject(
        box(Label.MUSCLE, (0, 0, 0), (40, 40, 40)), box(Label.TUMOUR, (1.3, 0.4, 0.9), (6, 7, 8))
    )
    grid = centred((24, 24, 10), (2.0, 2.0, 4.0))
    settings = PhantomSettings(**PURE, samples_in_plane=edge, samples_through_plane=layers)
    scan = scan_t2(person, grid, reference_protocol(3.0), settings, rng())
    share, image = scan.shares["lesion"], scan.images[0]
    muscle, tumour = image[share == 0].mean(), image[share == 1].mean()
    np.testing.assert_allclose(image, muscle + share * (tumour - muscle), atol=1.01)
    np.testing.assert_allclose(share + scan.shares["muscle"], 1, atol=1e-6)
    assert not scan.shares["lumen"].any()
    volume = share.sum() * grid.voxel_volume_ml
    assert volume == pytest.approx(scan.volume_ml[Label.TUMOUR], rel=1e-5)
    assert volume == pytest.approx(12 * 14 * 16 / 1000, rel=0.12)
    assert len(np.unique(share)) > 3


def test_a_gap_between_slices_is_not_seen():
    person = subject(
        box(Label.MUSCLE, (0, 0, 0), (40, 40, 40)),
        box(Label.BED_FIBROSIS, (0, 0, 0), (10, 10, 1)),
        box(Label.BED_MUCIN, (0, 0, 2.4), (10, 10, 0.3)),
    )
    grid = centred((10, 10, 3), (2.0, 2.0, 5.0))
    settings = PhantomSettings(**PURE, samples_through_plane=7)
    volumes = [
        scan_t2(
            person, grid, replace(reference_protocol(3.0), t2_thickness_mm=mm), settings, rng()
        ).volume_ml
        for mm in (5.0, 4.0)
    ]
    assert volumes[0][Label.BED_MUCIN] > 0
    assert volumes[1][Label.BED_MUCIN] == 0


def test_only_the_middle_depth_is_painted_where_there_is_no_bowel():
    painted = []

    class Watched(Blocks):
        def paint(self, plane):
            painted.append(plane.rows * plane.columns)
            return super().paint(plane)

    shapes = (box(Label.MUSCLE, (0, 0, 0), (40, 40, 40)), ball(Label.GEL, (0, 0, 0), 9))
    person = replace(subject(), anatomy=Watched(shapes))
    grid = centred((40, 40, 9), (2.0, 2.0, 5.0))
    scan = scan_t2(
        person,
        grid,
        reference_protocol(3.0),
        PhantomSettings(**PURE, samples_through_plane=3),
        rng(),
    )
    whole = 80 * 80
    assert painted.count(whole) == 9
    assert len(painted) == 9 + 2 * 5  # slices 2 to 6 are in or beside the ball
    assert max(p for p in painted if p != whole) < 0.25 * whole
    volume = scan.shares["lumen"].sum() * grid.voxel_volume_ml
    assert volume == pytest.approx(4 / 3 * np.pi * 0.9**3, rel=0.05)


def test_parts_of_a_bed_have_shares_of_their_own():
    person = subject(
        box(Label.FAT, (0, 0, 0), (40, 40, 40)),
        box(Label.BED_FIBROSIS, (0, 0, 0), (8, 8, 8)),
        box(Label.BED_VIABLE, (3, 0, 0), (3, 3, 3)),
        box(Label.BED_MUCOSA, (-5, 0, 0), (2, 8, 8)),
        box(Label.GAS, (-10, 0, 0), (3, 8, 8)),
    )
    grid = centred((16, 16, 6), (2.0, 2.0, 4.0))
    for scan in (scan_t2, scan_dwi):
        seen = scan(person, grid, reference_protocol(1.5), PhantomSettings(**PURE), rng())
        parts = {"fibrosis", "microscopic", "inflammation", "granulation", "viable", "mucin"}
        parts |= {"mucinous_carcinoma", "wall"}
        assert parts | {"lesion", "lumen", "muscle"} == set(seen.shares) - {"shift_mm"}
        np.testing.assert_allclose(
            sum(seen.shares[part] for part in parts), seen.shares["lesion"], atol=1e-6
        )
        for part, label in (("viable", Label.BED_VIABLE), ("wall", Label.BED_MUCOSA)):
            found = seen.shares[part].sum() * grid.voxel_volume_ml
            assert found == pytest.approx(seen.volume_ml[label])
            assert found > 0
        assert seen.shares["lumen"].any()
    untreated = subject(box(Label.TUMOUR, (0, 0, 0), (8, 8, 8)))
    shares = scan_t2(
        untreated, grid, reference_protocol(1.5), PhantomSettings(**PURE), rng()
    ).shares
    assert set(shares) == {"lesion", "lumen", "muscle"}


def test_core_of_muscle_is_muscle_of_the_patient():
    person = replace(subject(), anatomy=draw_anatomy(rng(1)))
    grid = centred((100, 70, 4), (1.6, 1.6, 6.0))
    core = core_of_muscle(person, grid)
    scan = scan_t2(person, grid, reference_protocol(3.0), PhantomSettings(**PURE), rng())
    assert core.sum() > 100
    assert (scan.shares["muscle"][core] > 0.99).mean() > 0.95
    columns = np.flatnonzero(core.any(axis=(0, 1)))
    assert (columns < 50).any()
    assert (columns >= 50).any()


def wave():
    """A deformation of a few millimetres around the middle."""
    coefficients = np.zeros((3, 13, 13, 13))
    coefficients[:, 4:9, 4:9, 4:9] = rng(3).uniform(-6, 6, (3, 5, 5, 5))
    return Deformation(coefficients, (-90.0, -90.0, -90.0), (15.0, 15.0, 15.0))


def test_texture_belongs_to_the_tissue_and_follows_the_deformation():
    settings = PhantomSettings(**(PURE | {"texture": 0.1}))
    shapes = (box(Label.MUSCLE, (0, 0, 0), (60, 60, 60)),)
    grid = centred((40, 40, 3), (1.0, 1.0, 3.0))
    warp = wave()
    still = scan_t2(subject(*shapes), grid, reference_protocol(3.0), settings, rng()).images[0]
    moved = scan_t2(
        subject(*shapes, warp=warp), grid, reference_protocol(3.0), settings, rng()
    ).images[0]
    affine = grid.affine
    index = np.stack(np.meshgrid(*(np.arange(n) for n in grid.size), indexing="ij"), axis=-1)
    places = index @ affine[:3, :3].T + affine[:3, 3]
    shift = np.stack(warp.shift(tuple(np.moveaxis(places, -1, 0))), axis=-1)
    assert np.abs(shift).max() > 2
    # One voxel of the warped image, looked up again in an image of that very place.
    for at in ((20, 20, 1), (12, 25, 0), (28, 16, 2)):
        there = np.array(places[at] + shift[at])
        one = centred((1, 1, 1), (1.0, 1.0, 3.0))
        one = replace(one, origin_mm=tuple(there))
        alone = scan_t2(subject(*shapes), one, reference_protocol(3.0), settings, rng()).images[0]
        assert alone[0, 0, 0] == pytest.approx(moved[at[::-1]], abs=1)
    assert np.corrcoef(still.ravel(), moved.ravel())[0, 1] < 0.9


def test_texture_is_the_same_at_both_visits_in_any_orientation():
    settings = PhantomSettings(**(PURE | {"texture": 0.1}))
    shape = box(Label.MUSCLE, (0, 0, 0), (60, 60, 60))
    turn = np.eye(4)
    turn[:3, :3] = [[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    grid = centred((30, 30, 2), (1.0, 1.0, 3.0))
    first = scan_t2(subject(shape), grid, reference_protocol(3.0), settings, rng()).images[0]
    later = scan_t2(
        subject(shape, to_anatomy=turn), grid, reference_protocol(3.0), settings, rng()
    ).images[0]
    np.testing.assert_allclose(np.rot90(first, 1, axes=(1, 2)), later, atol=1)


@pytest.mark.parametrize("name", sorted(protocols()))
def test_images_are_what_a_reader_gets_back_from_the_stored_pixels(name):
    scanner = protocols()[name]
    person = subject(
        box(Label.MUSCLE, (0, 0, 0), (40, 40, 40)),
        ball(Label.TUMOUR, (0, 0, 0), 15),
        field=scanner.field_strength_t,
    )
    grid = centred((32, 32, 4), (3.0, 3.0, 4.0))
    t2 = scan_t2(person, grid, scanner, PhantomSettings(), rng())
    dwi = scan_dwi(person, grid, scanner, PhantomSettings(), rng())
    assert len(dwi.images) == len(scanner.b_values_s_per_mm2)
    for scan, gain in ((t2, scanner.gain_t2), (dwi, scanner.gain_dwi)):
        images = np.stack(scan.images)
        assert images.dtype == np.float32
        slope, intercept, scale_slope = scan.scaling
        shown = images if scale_slope is None else images * np.float64(slope * scale_slope)
        values = np.rint((shown - intercept) / slope)
        assert values.min() >= 0
        assert values.max() <= scanner.white
        np.testing.assert_array_equal(Stored(values, scan.scaling).precise, images)
        muscle = np.median(shown[0][scan.shares["muscle"] == 1])
        assert 0.5 * gain < muscle < 2 * gain


def test_one_draw_more_does_not_change_another():
    """Noise has a stream of its own: without texture and coil the same noise lies on the image."""
    person = subject(box(Label.MUSCLE, (0, 0, 0), (20, 20, 40)))
    grid = centred((32, 32, 4), (3.0, 3.0, 4.0))
    plain, coiled = (
        scan_t2(
            person,
            grid,
            reference_protocol(3.0),
            PhantomSettings(texture=0.0, coil=c, variation=0.0),
            rng(4),
        )
        for c in (0.0, 0.3)
    )
    air = plain.shares["muscle"] == 0
    np.testing.assert_array_equal(plain.images[0][air], coiled.images[0][air])
    assert not np.array_equal(plain.images[0][~air], coiled.images[0][~air])


def digest():
    """Hash of both sequences of a small subject with everything switched on."""
    person = subject(
        box(Label.FAT, (0, 0, 0), (60, 55, 60)),
        box(Label.MUSCLE, (0, 0, 0), (45, 40, 50)),
        ball(Label.TUMOUR, (0, 10, 0), 22),
        ball(Label.GAS, (0, 5, 3), 11),
        warp=wave(),
    )
    found = hashlib.sha256()
    for name in ("siemens_3t_xa", "philips_3t_enhanced"):
        scanner = protocols()[name]
        settings = PhantomSettings(samples_through_plane=2)
        t2 = scan_t2(person, centred((90, 80, 4), (1.4, 1.4, 4.0)), scanner, settings, rng(8))
        dwi = scan_dwi(person, centred((60, 50, 5), (2.5, 2.5, 4.0)), scanner, settings, rng(9))
        for image in (*t2.images, *dwi.images, *dwi.shares.values()):
            found.update(image.tobytes())
    return found.hexdigest()


def _other_processors():
    """Environments in which this machine computes as an older one does."""
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

    there = [name for name in __cpu_dispatch__ if __cpu_features__.get(name)]
    older = {
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-AVX512F",
        "OPENBLAS_CORETYPE": "Nehalem",
    }
    return [older, older | {"NPY_DISABLE_CPU_FEATURES": ",".join(there)}] if there else [older]


def test_images_have_the_same_bytes_whatever_the_processor_offers():
    here = Path(__file__).parent
    paths = os.pathsep.join([str(here), str(here.parent), *filter(None, sys.path)])
    expected = digest()
    for other in _other_processors():
        run = subprocess.run(
            [sys.executable, "-c", "import test_scanner; print(test_scanner.digest())"],
            env={**os.environ, **other, "PYTHONPATH": paths},
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stderr
        assert run.stdout.split()[-1] == expected, other
