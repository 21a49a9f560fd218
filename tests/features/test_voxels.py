"""Which voxels count: resegmentation as pyradiomics has it, and resampling done once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from builders import make_region
from radiomics.featureextractor import RadiomicsFeatureExtractor

from radresp.core import Sequence
from radresp.errors import InputError
from radresp.features import Filtered, Original, extract, filtered, original, voxels


@pytest.mark.parametrize(
    ("plan", "settings"),
    [
        ({"intensity_range": {Sequence.T2: (250, 380)}}, {"resegmentRange": [250, 380]}),
        ({"outlier_sigmas": 1.5}, {"resegmentRange": [-1.5, 1.5], "resegmentMode": "sigma"}),
    ],
)
def test_resegmentation_equals_pyradiomics(plan: dict[str, Any], settings: dict[str, Any]) -> None:
    region = make_region()
    extractor = RadiomicsFeatureExtractor(additionalInfo=False, binCount=32, **settings)
    extractor.enableImageTypeByName("Gradient")
    expected = extractor.execute(region.volume.image, region.mask.image)
    found = original.extract(region, Original(engine="exact", **plan)).values
    gradient = Filtered(log_sigma_mm=(), wavelet="none", others=("gradient",), **plan)
    theirs = {n.removeprefix("original_"): float(v) for n, v in expected.items()}
    for name, value in (found | filtered.extract(region, gradient).values).items():
        if name.startswith("shape_"):
            continue  # pyradiomics cuts the drawn outline to the box of what is left of it
        tolerance = 1e-5 if name.endswith("MCC") else 1e-9
        assert value == pytest.approx(theirs[name], rel=tolerance), name


def test_shape_is_that_of_the_outline_as_drawn() -> None:
    region = make_region()
    whole, part = (
        original.extract(region, settings).values
        for settings in (Original(), Original(outlier_sigmas=1.0))
    )
    shapes = [name for name in whole if name.startswith("shape_")]
    assert [part[name] for name in shapes] == [whole[name] for name in shapes]
    assert part["firstorder_Range"] < whole["firstorder_Range"]


def test_too_little_left_is_refused_with_a_remedy() -> None:
    with pytest.raises(InputError, match="unit of the image") as caught:
        original.extract(make_region(), Original(intensity_range={Sequence.T2: (1e5, 2e5)}))
    assert caught.value.code == "MASK_TOO_SMALL"


def test_a_range_of_another_sequence_does_not_matter() -> None:
    region = make_region()
    other = Original(intensity_range={Sequence.ADC: (0, 1)})
    assert original.extract(region, other).values == original.extract(region, Original()).values


def test_families_of_one_region_share_one_resampling(monkeypatch: pytest.MonkeyPatch) -> None:
    from radresp.features import _pyradiomics

    calls, resample = [], _pyradiomics.resample
    monkeypatch.setattr(
        _pyradiomics, "resample", lambda *args: calls.append(args) or resample(*args)
    )
    monkeypatch.setattr(voxels, "_last", None)
    settings: dict[str, Any] = {"resampled_spacing_mm": (1.5, 1.5, 2.0), "classes": ("firstorder",)}
    families = {"original": Original(**settings), "filtered": Filtered(wavelet="none", **settings)}
    one, two = make_region(seed=1), make_region(seed=2)
    for region in (one, two, one):
        extract(region, families)
    assert len(calls) == 3
    coarser = families | {"original": Original(**settings | {"resampled_spacing_mm": (2, 2, 2)})}
    first, second = (extract(one, coarser).values for _ in range(2))
    assert np.array_equal(list(first.values()), list(second.values()), equal_nan=True)
    assert len(calls) == 7
