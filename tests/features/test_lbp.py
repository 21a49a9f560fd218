"""Local binary patterns equal scikit-image's and pyradiomics', and mean what they say."""

from __future__ import annotations

import numpy as np
import pytest
from builders import make_region

from radresp.features import Filtered, filtered, lbp

# Of `make_region()`: pyradiomics-bhklab 3.1.4 with scikit-image 0.26.0 and trimesh 5.2.0, where its
# `sph_harm` is `sph_harm_y(n, m, phi, theta)`. Counts of each pattern in the region; mean, standard
# deviation, first and last value. Equal voxel by voxel when these were taken.
COUNTS_2D = [22, 27, 54, 73, 117, 86, 49, 31, 27, 50]
GOLDEN_3D = {
    "m1": ([11.019686824585547, 3.8688432727194724, 14.440186838678075, 11.861582046056983], 1e-12),
    "m2": ([12.295327984076911, 2.8391676719910826, 14.06546177941682, 13.04539784378468], 1e-12),
    "k": ([-0.9189652547017851, 0.2820075174196046, -0.9077541828155518, -1.417559266090393], 2e-5),
}


def test_patterns_in_the_slice_equal_scikit_image() -> None:
    region = make_region()
    found = lbp.pattern_2d(region.volume.array)[region.mask.array]
    assert np.bincount(found.astype(int), minlength=10).tolist() == COUNTS_2D


def test_patterns_on_the_sphere_equal_pyradiomics() -> None:
    region = make_region()
    inside = region.mask.array
    for name, image in lbp.patterns_3d(region.volume.array, inside).items():
        x = image[inside]
        expected, tolerance = GOLDEN_3D[name]
        assert [x.mean(), x.std(), x[0], x[-1]] == pytest.approx(expected, abs=tolerance)
        assert not image[~inside].any()


def test_contrast_and_brightness_do_not_matter() -> None:
    region = make_region()
    values = region.volume.array.astype(np.float64)
    inside = region.mask.array
    centre = (slice(None), slice(1, -1), slice(1, -1))
    assert (lbp.pattern_2d(values)[centre] == lbp.pattern_2d(3 * values + 50)[centre]).all()
    before, after = (lbp.patterns_3d(v, inside) for v in (values, 3 * values + 50))
    for name, image in before.items():
        assert after[name] == pytest.approx(image, abs=1e-8)


def test_a_spot_has_no_brighter_neighbour_and_a_hole_has_eight() -> None:
    spot = np.ones((3, 9, 9))
    spot[1, 4, 4] = 2
    assert lbp.pattern_2d(spot)[1, 4, 4] == 0
    assert lbp.pattern_2d(-spot + 5)[1, 4, 4] == 8


def test_the_family_names_them_as_pyradiomics_and_needs_only_the_box() -> None:
    region = make_region()
    plan = Filtered(
        log_sigma_mm=(), wavelet="none", others=("lbp2d", "lbp3d"), classes=("firstorder",)
    )
    found = filtered.extract(region, plan)
    assert filtered.image_names(plan) == ("lbp-2D", "lbp-3D-m1", "lbp-3D-m2", "lbp-3D-k")
    assert not found.absent
    for name, (expected, tolerance) in GOLDEN_3D.items():
        assert found.values[f"lbp-3D-{name}_firstorder_Mean"] == pytest.approx(
            expected[0], abs=max(tolerance, 1e-6)
        )
    counts = np.array(COUNTS_2D)
    mean = (counts * np.arange(10)).sum() / counts.sum()
    assert found.values["lbp-2D_firstorder_Mean"] == pytest.approx(mean)
