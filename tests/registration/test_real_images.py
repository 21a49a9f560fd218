"""Registration and mask travel on real images, where these lie beside the checkout."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from builders import shared_data

from radresp.core import Mask, Roi, Sequence, Unit, Verdict, Volume, resample_mask, resample_volume
from radresp.registration import RigidMi, align, similarity


def series(*parts: str, sequence: Sequence = Sequence.T2) -> Volume:
    folder = str(shared_data(*parts))
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(folder))
    unit = Unit.UM2_PER_S if sequence is Sequence.ADC else Unit.ARBITRARY
    return Volume(reader.Execute(), sequence, unit)


@pytest.fixture(scope="module")
def prostate() -> tuple[Volume, Volume, Mask]:
    first = series("prostatex_0001", "dicom", "t2_tra")
    repeat = series("prostatex_0001", "dicom", "t2_tra_repeat")
    path = shared_data("prostatex_0001", "masks", "gland_AI_Bosma22b.nii.gz")
    gland = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    return first, repeat, Mask.from_array(gland, first.grid, Roi.TUMOUR)


def test_a_repeated_pelvic_t2_fits_inside_the_gland(
    prostate: tuple[Volume, Volume, Mask],
) -> None:
    first, repeat, gland = prostate
    still = sitk.Transform(3, sitk.sitkIdentity)
    assert similarity(first, repeat, still, gland) == pytest.approx(0.469, abs=0.002)
    # The gland moves by itself between the visits: what lies 20 mm away fits worse with it.
    near = RigidMi(mask_margin_mm=10)
    found = align(first, repeat, fixed_mask=gland, settings=near)
    assert similarity(first, repeat, found.transform, gland) > 0.83  # SOURCE.md reached 0.842
    assert found.quality.verdict is Verdict.GOOD
    assert found.quality.numbers["shift_mm"] == pytest.approx(2.5, abs=0.5)
    back = align(repeat, first, moving_mask=gland, settings=near)
    assert similarity(first, repeat, back.transform.GetInverse(), gland) > 0.83
    assert back.quality.verdict is Verdict.GOOD


@pytest.mark.parametrize(("axis", "name"), [(2, "left-right"), (1, "front-back"), (0, "head-foot")])
def test_a_flipped_pelvic_t2_is_not_called_good(
    prostate: tuple[Volume, Volume, Mask], axis: int, name: str
) -> None:
    first, repeat, gland = prostate
    turned = repeat.with_array(np.flip(repeat.array, axis))
    quality = align(first, turned, fixed_mask=gland).quality
    assert quality.verdict is not Verdict.GOOD, name


def test_a_brain_is_not_a_pelvis(prostate: tuple[Volume, Volume, Mask]) -> None:
    first, _, gland = prostate
    brain = sitk.ReadImage(str(shared_data("pyradiomics_cases", "brain1_image.nrrd")))
    middle = Volume(brain, Sequence.T2).grid.centre_mm
    brain.SetOrigin(np.add(brain.GetOrigin(), np.subtract(first.grid.centre_mm, middle)).tolist())
    quality = align(first, Volume(brain, Sequence.T2), fixed_mask=gland).quality
    assert quality.verdict is Verdict.FAILED


def test_two_brain_visits_agree_with_the_published_registration() -> None:
    folder = shared_data("openms_longitudinal", "patient01")
    first, second = (
        Volume(sitk.ReadImage(str(folder / f"study{n}_FLAIR.nii.gz")), Sequence.T2) for n in (1, 2)
    )
    to_first, to_second = (
        sitk.ReadTransform(str(folder / f"study{n}_FLAIR_to_common_space.txt")) for n in (1, 2)
    )
    image = sitk.ReadImage(str(folder / "common_space_brainmask.nii.gz"))
    brain = Mask(sitk.Cast(image > 0, sitk.sitkUInt8), Roi.TUMOUR)
    outline = resample_mask(brain, first.grid, to_first.GetInverse())
    found = align(first, second, fixed_mask=outline)
    places = [brain.grid.to_mm(index) for index in np.argwhere(brain.array)[::5000, ::-1]]
    off = [
        np.subtract(
            found.transform.TransformPoint(to_first.TransformPoint(place)),
            to_second.TransformPoint(place),
        )
        for place in places
    ]
    assert np.linalg.norm(off, axis=1).max() < 1.0  # voxels of 0.7 x 0.7 x 3 to 4 mm
    there = resample_volume(first, brain.grid, to_first)
    ours = similarity(there, second, sitk.CompositeTransform([found.transform, to_first]), brain)
    assert ours > similarity(there, second, to_second, brain) - 0.01
    assert found.quality.verdict is Verdict.GOOD
