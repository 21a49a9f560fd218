"""Our DICOM reader against dcm2niix, an independent converter: b-values, geometry and values.

Where they differ, ours is right: dcm2niix writes a .bval of 800 (Siemens) or 500 (GE) beside an
ADC map, 1000 beside a calculated image, and converts a CT and a stack of two slices as it finds
them; here an ADC map has no b-value, a calculated image is known as one, and the others are
refused.
"""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
from pathlib import Path

import builders_dicom as make
import builders_enhanced as enhanced
import nibabel as nib
import numpy as np
import pytest
from builders import shared_data

from radresp.errors import InputError
from radresp.io import load_images
from radresp.io.dicom_guard import read_series
from radresp.io.dicom_nouns import Kind

GEOMETRY_MM = 1e-3
ROUNDED_COSINES_MM = 2e-3
"""GE rounds direction cosines to six digits; dcm2niix copies them, we make them right-angled."""
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def convert(folder: Path, into: Path) -> list[tuple[float | None, nib.Nifti1Image]]:
    """Every volume dcm2niix makes of a folder, with its b-value."""
    beside = Path(sys.executable).parent / "dcm2niix"
    program = shutil.which("dcm2niix") or (str(beside) if beside.exists() else None)
    if program is None:
        pytest.skip("dcm2niix is not installed")
    into.mkdir()
    command = [program, "-b", "n", "-z", "n", "-f", "%s", "-o", str(into), str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    (path,) = into.glob("*.nii")
    image = nib.load(path)
    table = path.with_suffix(".bval")
    b_values = [float(v) for v in table.read_text().split()] if table.exists() else [None]
    volumes = nib.four_to_three(image) if image.ndim == 4 else [image]
    return list(zip(b_values, volumes, strict=True))


def onto(image: nib.Nifti1Image, grid, mm: float) -> np.ndarray:
    """Their voxels in our order (z, y, x); the corners must lie where ours do."""
    ours = LPS_TO_RAS @ grid.affine
    step = np.rint(np.linalg.inv(ours) @ image.affine)
    assert set(np.abs(step[:3, :3]).ravel()) == {0.0, 1.0}
    assert image.shape == grid.size
    for corner in itertools.product(*((0, n - 1) for n in image.shape)):
        there = image.affine @ [*corner, 1]
        here = ours @ step @ [*corner, 1]
        assert np.abs(there - here).max() < mm
    flips = tuple(axis for axis in range(3) if step[axis, axis] < 0)
    return np.flip(image.get_fdata(), flips).transpose(2, 1, 0)


def trace(arrays: list[np.ndarray]) -> np.ndarray:
    if len(arrays) == 1:
        return arrays[0]
    with np.errstate(divide="ignore"):
        return np.exp(np.mean(np.log(np.stack(arrays)), axis=0))


def same_as_dcm2niix(folder: Path, into: Path, mm: float = GEOMETRY_MM) -> None:
    series = read_series(folder)
    theirs = convert(folder, into)
    is_signal = series.kind is not Kind.ADC
    for volume in series.volumes:
        wanted = volume.b_s_per_mm2 if is_signal else None
        chosen = [image for b, image in theirs if wanted is None or b == wanted]
        expected = trace([onto(image, volume.grid, mm) for image in chosen])
        assert np.allclose(volume.array, expected, rtol=2e-6, atol=1e-4)
    if series.kind is Kind.DWI:
        told = {b for b, _ in theirs}
        assert told == {volume.b_s_per_mm2 for volume in series.volumes}


@pytest.mark.parametrize(
    "place",
    [
        "prostatex_0001/dicom/t2_tra",
        "prostatex_0001/dicom/t2_tra_repeat",
        "prostatex_0001/dicom/dwi_b50_400_800",
        "prostatex_0001/dicom/dwi_calc_b",
        "prostatex_0001/dicom/adc",
        "qin_prostate_ge_adc/dicom_adc",
        "multivendor_dwi_small/ge/dicom",
        "multivendor_dwi_small/siemens_classic/dicom",
        "multivendor_dwi_small/philips_enhanced/dicom",
        "sts_025_mr_rtstruct/dicom/image",
    ],
)
def test_real_series_equal_dcm2niix(tmp_path, place):
    mm = ROUNDED_COSINES_MM if place.startswith("qin") else GEOMETRY_MM
    same_as_dcm2niix(shared_data(*place.split("/")), tmp_path / "out", mm)


@pytest.mark.parametrize(
    ("place", "code"),
    [
        ("multivendor_dwi_small/philips/dicom", "DCM_MODALITY"),
        ("dicom_seg_ct3slice/ct", "DCM_MODALITY"),
    ],
)
def test_what_dcm2niix_converts_and_we_refuse(tmp_path, place, code):
    folder = shared_data(*place.split("/"))
    assert convert(folder, tmp_path / "out")
    with pytest.raises(InputError) as caught:
        load_images(folder)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "made",
    [
        lambda: make.make_series(),
        lambda: make.make_series("dwi"),
        lambda: [enhanced.philips(enhanced.t2(), [2.0] * make.SLICES)],
        lambda: [enhanced.philips(enhanced.dwi(), [2.0] * 4 * make.SLICES)],
    ],
    ids=["t2", "dwi", "enhanced t2", "enhanced dwi"],
)
def test_made_series_equal_dcm2niix(tmp_path, made):
    same_as_dcm2niix(make.write_series(tmp_path / "in", made()), tmp_path / "out")
