from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from builders import make_grid, make_mask, make_region, make_volume

from radresp.core import (
    Case,
    CaseFiles,
    ChangeMap,
    Prepared,
    Region,
    RegionKey,
    Roi,
    Sequence,
    Timepoint,
    VolumeKey,
)
from radresp.errors import GeometryError, InputError

PRE_T2 = VolumeKey(Timepoint.PRE, Sequence.T2)
TUMOUR = RegionKey(Timepoint.PRE, Sequence.T2, Roi.TUMOUR)


def test_masks_must_lie_on_their_image() -> None:
    shifted = make_mask(make_grid(origin_mm=(-5.0, 5.0, 20.0)))
    with pytest.raises(GeometryError) as caught:
        Case("c1", {PRE_T2: make_volume()}, {TUMOUR: shifted})
    assert (caught.value.code, caught.value.case) == ("MASK_GEOMETRY", "c1")


def test_a_mask_without_its_image_is_refused() -> None:
    with pytest.raises(InputError, match="no pre t2"):
        Case("c1", {}, {TUMOUR: make_mask()})


def test_a_volume_under_a_wrong_name_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        Case("c1", {VolumeKey(Timepoint.PRE, Sequence.ADC): make_volume()})
    assert caught.value.code == "ROLE_MISMATCH"


def test_dwi_comes_by_rising_b_and_image_gives_the_highest() -> None:
    volumes = {
        VolumeKey(Timepoint.POST, Sequence.DWI, b): make_volume(
            sequence=Sequence.DWI, b_s_per_mm2=b
        )
        for b in (800.0, 0.0, 400.0)
    }
    case = Case("c1", volumes)
    assert [v.b_s_per_mm2 for v in case.dwi(Timepoint.POST)] == [0.0, 400.0, 800.0]
    assert case.image(Timepoint.POST, Sequence.DWI).b_s_per_mm2 == 800.0
    assert case.dwi(Timepoint.PRE) == ()
    assert not case.has(Timepoint.PRE, Sequence.DWI)


def test_regions_demand_one_grid_and_a_voxel() -> None:
    empty = make_mask().with_array(np.zeros((12, 20, 24), bool))
    with pytest.raises(InputError) as caught:
        Region(TUMOUR, make_volume(), empty)
    assert caught.value.code == "MASK_EMPTY"
    with pytest.raises(GeometryError):
        Region(TUMOUR, make_volume(), make_mask(make_grid(spacing_mm=(1.0, 1.0, 3.1))))
    with pytest.raises(InputError, match="mask"):
        Region(TUMOUR, make_volume(), make_mask(roi=Roi.BED))


def test_a_change_map_demands_one_grid_and_a_voxel() -> None:
    with pytest.raises(InputError) as caught:
        ChangeMap(make_volume(), make_mask().with_array(np.zeros((12, 20, 24), bool)), {})
    assert caught.value.code == "MASK_EMPTY"
    with pytest.raises(GeometryError) as moved:
        ChangeMap(make_volume(), make_mask(make_grid(spacing_mm=(1.0, 1.0, 3.1))), {})
    assert moved.value.code == "MASK_GEOMETRY"


def test_a_region_is_present_or_absent_never_both() -> None:
    region = make_region()
    Prepared("c1", {region.key: region}, {}, {})
    with pytest.raises(InputError):
        Prepared("c1", {region.key: region}, {region.key: "no mask"}, {})
    with pytest.raises(InputError):
        Prepared("c1", {RegionKey(Timepoint.POST, Sequence.T2, Roi.BED): region}, {}, {})


def test_mappings_cannot_be_changed_in_place() -> None:
    case = Case("c1", {PRE_T2: make_volume()})
    with pytest.raises(TypeError):
        case.volumes[PRE_T2] = make_volume()  # type: ignore[index]


def test_addresses_travel_to_another_process() -> None:
    files = CaseFiles(
        "c1", "p1", Path("/data"), {(Timepoint.PRE, Sequence.T2): Path("/data/a.nii.gz")}
    )
    assert pickle.loads(pickle.dumps(files)) == files  # noqa: S301
