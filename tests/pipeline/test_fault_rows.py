"""The rows of the fault catalogue on masks (M) and NIfTI images (N), each through `radresp check`.

Every row builds its fault beside a sound case and shows code, severity, words and exit code: 4 when
the faulty case is refused (the sound one stays usable), 0 when the fault is mended or warned of.
"""

from __future__ import annotations

import gzip
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
import pytest
from builders_masks import (
    TO_RAS,
    make_rtstruct,
    make_seg,
    nrrd_bytes,
    on_slice,
    save_dicom,
    save_nifti,
)
from commands import radresp

from radresp.core import Grid, Mask, Roi, resample_mask
from radresp.io import nifti as nifti_module

GRID = Grid((40, 36, 12), (3.0, 3.0, 4.0), (-60.0, -50.0, -20.0))
AIR = 8
"""Columns of the picture that show air."""


def picture(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = rng.normal(300, 20, GRID.size[::-1])
    values[:, :, :AIR] = rng.uniform(0, 4, (*GRID.size[:0:-1], AIR))
    return values.astype(np.float32)


def ball(x: float = 24, radius: float = 6, grid: Grid = GRID) -> np.ndarray:
    z, y, i = np.indices(grid.size[::-1], dtype=float)
    middle = (np.array(grid.size) - 1) / 2
    far = ((i - x) / radius) ** 2 + ((y - middle[1]) / radius) ** 2
    return (far + ((z - middle[2]) / (radius / 1.5)) ** 2 <= 1).astype(np.uint8)


class Files(NamedTuple):
    """Cells of the faulty case; empty ones are left as they are."""

    t2: str = "bad_t2.nii"
    mask: str = "bad_mask.nii"


Build = Callable[[Path], Files]


class Row(NamedTuple):
    """One row of the catalogue: what is built, and what must be said of it."""

    code: str
    build: Build
    words: str = ""
    severity: str = "refused"
    plan: str = ""


def mask(array: np.ndarray, grid: Grid = GRID, choice: str = "", name: str = "m.nii") -> Build:
    def build(folder: Path) -> Files:
        save_nifti(folder / name, array, grid)
        return Files(mask=name + choice)

    return build


def moved(mm: float) -> Grid:
    x, y, z = GRID.origin_mm
    return Grid(GRID.size, GRID.spacing_mm, (x + mm, y, z), GRID.direction)


def contours_beyond(folder: Path) -> Files:
    square = np.array([[20, 10], [30, 10], [30, 20], [20, 20]], float)
    drawn = [on_slice(square, z, GRID) for z in range(4, 14)]
    save_dicom(folder / "rs.dcm", make_rtstruct({"GTV": drawn}))
    return Files(mask="rs.dcm#GTV")


def fractional_seg(folder: Path) -> Files:
    save_dicom(folder / "s.dcm", make_seg({"t": ball() * 0.7}, GRID, kind="FRACTIONAL"))
    return Files(mask="s.dcm")


def slicer_segments(folder: Path) -> Files:
    segments = ({"Name": "a", "LabelValue": 1}, {"Name": "b", "LabelValue": 2})
    (folder / "m.seg.nrrd").write_bytes(nrrd_bytes(ball(), GRID, segments=segments))
    return Files(mask="m.seg.nrrd")


def cut_nrrd(folder: Path) -> Files:
    content = nrrd_bytes(ball(), GRID)
    (folder / "m.nrrd").write_bytes(content[: len(content) - 30])
    return Files(mask="m.nrrd")


def scaled_by_nibabel(folder: Path) -> Files:
    affine = TO_RAS @ GRID.affine
    image = nib.Nifti1Image(ball().astype(np.float64).transpose(2, 1, 0), affine)
    image.set_data_dtype(np.uint8)
    image.set_sform(affine, 1)
    nib.save(image, folder / "m.nii")
    return Files(mask="m.nii")


def line(count: int) -> np.ndarray:
    found = np.zeros(GRID.size[::-1], np.uint8)
    found[5, 18, 20 : 20 + count] = 1
    return found


ONE_SLICE = ball() * (np.arange(12) == 6)[:, None, None].astype(np.uint8)
ISLAND = np.maximum(ball(), np.roll(line(3), 15, axis=2))
LABELS = ball() + 4 * line(3).astype(np.uint8)
COARSE = Grid((20, 18, 12), (6.0, 6.0, 4.0), (-58.5, -48.5, -20.0))

MASK_ROWS = {
    "M01": Row("MASK_EMPTY", mask(0 * ball()), "0 voxels"),
    "M02 one voxel": Row("MASK_TOO_SMALL", mask(line(1)), "1 voxels"),
    "M02 line": Row("MASK_TOO_SMALL", mask(line(2)), "2 voxels"),
    "M03": Row("MASK_TOO_SMALL", mask(ONE_SLICE), "in 1 slices"),
    "M03 admitted": Row(
        "MASK_2D", mask(ONE_SLICE), severity="warning", plan="rules: {min_slices: 1}"
    ),
    "M04 255": Row("MASK_LABEL", mask(255 * ball()), "only label is 255", "fix"),
    "M04 missing": Row("MASK_LABEL", mask(LABELS, choice="#3"), "'3' fits nothing"),
    "M05": Row("MASK_LABEL", mask(LABELS), "outlines"),
    "M05 Slicer": Row("MASK_LABEL", slicer_segments, "2 outlines"),
    "M06": Row("MASK_NOT_INTEGER", mask(ball() * np.float32(0.9995)), "rounded", "fix"),
    "M06 too far": Row("MASK_NOT_INTEGER", mask(ball() * np.float32(1.4)), "off a whole number"),
    "M07": Row("MASK_NOT_INTEGER", mask(ball() * np.float32(0.7)), "a probability map"),
    "M07 SEG": Row("MASK_NOT_INTEGER", fractional_seg, "fractions"),
    "M08": Row("MASK_OUTSIDE", contours_beyond, "20.0% of the"),
    "M08 resampled": Row(
        "MASK_OUTSIDE", mask(ball(), moved(60)), "% of the tumour", plan="rules: {resample: true}"
    ),
    "M09": Row("MASK_GEOMETRY", mask(ball(), moved(5)), "corners up to 5 mm apart"),
    "M09 resampled": Row(
        "MASK_GEOMETRY", mask(ball(), moved(5)), "resampled", "fix", "rules: {resample: true}"
    ),
    "M10": Row("MASK_SNAPPED", mask(ball(), moved(5e-4)), "0.0005 mm off", "fix"),
    "M11": Row("MASK_GEOMETRY", mask(ball(12, 4, COARSE), COARSE), "size 20x18x12 against"),
    "M11 resampled": Row(
        "MASK_GEOMETRY",
        mask(ball(12, 4, COARSE), COARSE),
        "resampled",
        "fix",
        "rules: {resample: true}",
    ),
    "M12": Row("MASK_ON_BACKGROUND", mask(ball(3.5, 3.4)), "as dark as air"),
    "M15": Row("MASK_ISLANDS", mask(ISLAND), "2 pieces", "warning"),
    "M16": Row("MASK_INVERTED", mask(1 - ball()), "of the image"),
    "NRRD cut": Row("NRRD_TRUNCATED", cut_nrrd, "breaks off"),
}


def image(edit: Callable[[bytearray], bytes | bytearray | None], name: str = "i.nii") -> Build:
    """A T2 file spoilt after it was written; the mask is sound."""

    def build(folder: Path) -> Files:
        save_nifti(folder / "plain.nii", picture(), GRID)
        content = bytearray((folder / "plain.nii").read_bytes())
        changed = edit(content)
        (folder / name).write_bytes(content if changed is None else changed)
        return Files(t2=name, mask="good_mask.nii")

    return build


def field(place: int, form: str, *values: float) -> Build:
    """A T2 file with other numbers in its header."""
    return image(lambda content: struct.pack_into("<" + form, content, place, *values))


def packed(edit: Callable[[bytearray], bytes | bytearray]) -> Build:
    return image(lambda content: edit(bytearray(gzip.compress(bytes(content)))), "i.nii.gz")


def four_d(last: int) -> Build:
    def build(folder: Path) -> Files:
        affine = TO_RAS @ GRID.affine
        volumes = np.stack([picture(n).transpose(2, 1, 0) for n in range(last)], axis=-1)
        stored = nib.Nifti1Image(volumes, affine)
        stored.set_sform(affine, 1)
        stored.header.set_data_shape(volumes.shape)
        nib.save(stored, folder / "i.nii")
        return Files(t2="i.nii", mask="good_mask.nii")

    return build


def voxels(change: Callable[[np.ndarray], None], grid: Grid = GRID) -> Build:
    def build(folder: Path) -> Files:
        values = picture()
        change(values)
        save_nifti(folder / "i.nii", values, grid)
        save_nifti(folder / "i_mask.nii", ball(), grid)
        return Files(t2="i.nii", mask="i_mask.nii")

    return build


def spacing(*mm: float) -> Build:
    return voxels(lambda values: None, Grid(GRID.size, mm, GRID.origin_mm))  # type: ignore[arg-type]


def bomb(content: bytearray) -> bytes:
    struct.pack_into("<hhh", content, 42, 1024, 1024, 1024)
    return gzip.compress(bytes(content[:352]) + b"\0" * 30_000_000)


def sheared(content: bytearray) -> None:
    """An sform of its own, without qform, whose second axis leans."""
    struct.pack_into("<h", content, 252, 0)
    struct.pack_into("<f", content, 284, 1.0)


def dropped(content: bytearray) -> bytes:
    """Two header extensions behind the header, which free text in descrip does not survive."""
    struct.pack_into("<f", content, 108, 352 + 32)
    content[148:158] = b"CANARYXQXQ"
    extensions = b"".join(struct.pack("<ii8s", 16, 6, b"CANARYXQ") for _ in range(2))
    return bytes(content[:348]) + b"\1\0\0\0" + extensions + bytes(content[352:])


def _nan(count: int) -> Callable[[np.ndarray], None]:
    def change(values: np.ndarray) -> None:
        values[0, 0, :count] = np.nan

    return change


NIFTI_ROWS = {
    "N01 empty": Row("NII_NOT_NIFTI", image(lambda content: b""), "an empty file"),
    "N01 text": Row("NII_NOT_NIFTI", image(lambda content: b"a,b\n" * 500)),
    "N02": Row("NII_TRUNCATED", image(lambda content: content[: len(content) // 2]), "bytes"),
    "N03": Row("NII_TRUNCATED", packed(lambda content: content[: len(content) // 2]), "breaks off"),
    "N04": Row("NII_GZIP_CRC", packed(lambda c: c[:-6] + bytes([c[-6] ^ 1]) + c[-5:])),
    "N05": Row("NII_NOT_GZIP", image(lambda content: content, "i.nii.gz"), "read as it is", "fix"),
    "N06": Row("IMG_TOO_LARGE", image(bomb, "i.nii.gz")),
    "N07 zero": Row("NII_DIM", field(44, "h", 0)),
    "N07 negative": Row("NII_DIM", field(44, "h", -8)),
    "N07 nine": Row("NII_DIM", field(40, "h", 9)),
    "N08": Row("NII_SQUEEZED", field(40, "hhhhh", 4, 40, 36, 12, 1), "last 1 are 1", "fix"),
    "N09": Row("NII_4D", four_d(3), "3 volumes"),
    "N10 complex": Row("NII_DTYPE", field(70, "hh", 32, 64)),
    "N10 RGB": Row("NII_DTYPE", field(70, "hh", 128, 24)),
    "N11 infinite": Row("NII_SLOPE", field(112, "f", np.inf)),
    "N13 negative": Row("NII_OFFSET", field(108, "f", -352)),
    "N13 beyond": Row("NII_OFFSET", field(108, "f", 1e9)),
    "N14 zero": Row("NII_PIXDIM", field(80, "f", 0)),
    "N14 negative": Row("NII_PIXDIM", field(80, "f", -1)),
    "N14 NaN": Row("NII_PIXDIM", field(80, "f", np.nan)),
    "N15 NaN": Row("NII_AFFINE", field(292, "f", np.nan)),
    "N15 singular": Row("NII_AFFINE", field(280, "ffff", 0, 0, 0, 0)),
    "N16": Row("NII_SHEAR", image(sheared), "sheared axes"),
    "N17": Row("NII_QS_CONFLICT", field(280, "f", 3.0)),
    "N18": Row("NII_NO_ORIENTATION", field(252, "hh", 0, 0)),
    "N20 small": Row("IMG_SPACING", spacing(0.1, 0.1, 1.0)),
    "N20 flat": Row("IMG_SPACING", spacing(0.3, 0.3, 7.0)),
    "N21": Row("FOV_UNUSUAL", spacing(1.0, 1.0, 2.0), "40 mm", "warning"),
    "N23": Row("NII_EXTENSION", image(dropped), "2 header extensions", "info"),
    "N24": Row("NONFINITE", voxels(_nan(3)), "3 of 17280 voxels were NaN", "fix"),
    "N24 many": Row("NONFINITE", voxels(_nan(30)), "30 of 17280"),
    "N25": Row("ROI_NONFINITE", voxels(lambda v: v.__setitem__((6, 18, 24), np.nan)), "1 voxels"),
    "N25 infinite": Row("NONFINITE", voxels(lambda v: v.__setitem__((6, 18, 24), np.inf))),
    "N26": Row("IMG_CONSTANT", voxels(lambda values: values.fill(7.0)), "every voxel is 7"),
}  # fmt: skip

PLAN = 'regions: ["pre.t2.tumour"]\n'


def check(folder: Path, row: Row) -> tuple[int, list[dict[str, str]]]:
    """Exit code of ``radresp check`` on a sound and the faulty case, and its findings."""
    save_nifti(folder / "good_t2.nii", picture(1), GRID)
    save_nifti(folder / "good_mask.nii", ball(25), GRID)
    (folder / "other_mask.nii").write_bytes(gzip.compress((folder / "good_mask.nii").read_bytes()))
    save_nifti(folder / "bad_t2.nii", picture(), GRID)
    cells = row.build(folder)
    drawn = cells.mask.replace("good_mask.nii", "other_mask.nii")
    (folder / "cohort.csv").write_text(
        f"case_id,pre_t2,pre_tumour\nsound,good_t2.nii,good_mask.nii\nfaulty,{cells.t2},{drawn}\n"
    )
    (folder / "plan.yaml").write_text(f"{PLAN}{row.plan}\n")
    shown = radresp(
        "check", folder / "cohort.csv", "--plan", folder / "plan.yaml", "--json",
        "--progress", "none",
    )  # fmt: skip
    assert str(folder) not in shown.out
    assert "CANARYXQ" not in shown.out + shown.err
    return shown.code, shown.json["findings"]


@pytest.mark.parametrize("name", [*MASK_ROWS, *NIFTI_ROWS])
def test_each_row_of_the_catalogue(tmp_path: Path, name: str) -> None:
    row = (MASK_ROWS | NIFTI_ROWS)[name]
    code, findings = check(tmp_path, row)
    mine = [finding for finding in findings if finding["case_id"] == "faulty"]
    found = [f for f in mine if (f["code"], f["severity"]) == (row.code, row.severity)]
    assert found, mine
    assert row.words in found[0]["found"]
    refused = {f["case_id"] for f in findings if f["severity"] == "refused"}
    assert refused == ({"faulty"} if row.severity == "refused" else set())
    assert code == (4 if refused else 0)
    if row.severity == "refused":
        assert found[0]["expected"] or found[0]["action"]


@pytest.mark.parametrize("slope", [0.0, np.nan, 1e-6])
def test_n11_and_n12_scaling_is_applied_or_absent_and_said(tmp_path: Path, slope: float) -> None:
    path = tmp_path / field(112, "f", slope)(tmp_path).t2
    read = nifti_module.read_nifti(path)
    applied = slope == 1e-6
    assert read.scaling == ("scl_slope" if applied else "none")
    assert np.allclose(read.arrays[0], picture() * (1e-6 if applied else 1), rtol=1e-5)


def test_n27_a_file_that_changes_while_it_is_read(tmp_path: Path, monkeypatch) -> None:
    original = nifti_module._header_and_data

    def meddle(stream, size, path, *more):
        if path.name == "bad_t2.nii":
            os.utime(path, ns=(1, 1))
        return original(stream, size, path, *more)

    monkeypatch.setattr(nifti_module, "_header_and_data", meddle)
    code, findings = check(
        tmp_path, Row("INPUT_CHANGED", lambda folder: Files(mask="good_mask.nii"))
    )
    assert code == 4
    assert "INPUT_CHANGED" in {f["code"] for f in findings if f["case_id"] == "faulty"}


def test_m07_a_declared_threshold_makes_an_outline(tmp_path: Path) -> None:
    for choice in (">=0.5", "1>=0.5"):
        build = fractional_seg if choice[0] == "1" else mask(ball() * np.float32(0.7))
        code, findings = check(
            tmp_path, Row("", lambda folder, b=build, c=choice: Files(mask=f"{b(folder).mask}#{c}"))
        )
        assert code == 0
        assert "MASK_THRESHOLD" in {f["code"] for f in findings}


def two_visits(folder: Path, cells: str) -> tuple[int, list[dict[str, str]]]:
    for name, seed in (("a.nii", 0), ("b.nii", 1)):
        save_nifti(folder / name, picture(seed), GRID)
    (folder / "cohort.csv").write_text(
        f"case_id,pre_t2,post_t2,pre_tumour,post_bed,post_residual\nc,a.nii,b.nii,{cells}\n"
    )
    (folder / "plan.yaml").write_text(
        'regions: ["pre.t2.tumour", "post.t2.bed", "post.t2.residual"]\n'
    )
    shown = radresp("check", folder / "cohort.csv", "--plan", folder / "plan.yaml", "--json")
    return shown.code, shown.json["findings"]


def test_m13_one_mask_for_both_visits(tmp_path: Path) -> None:
    save_nifti(tmp_path / "m.nii", ball(), GRID)
    code, findings = two_visits(tmp_path, "m.nii,m.nii,")
    assert (code, findings[0]["code"]) == (5, "MASK_REUSED")


def test_m13_two_outlines_of_one_file_are_two_masks(tmp_path: Path) -> None:
    save_dicom(tmp_path / "s.dcm", make_seg({"t": ball(), "b": ball(25, 7)}, GRID))
    code, findings = two_visits(tmp_path, "s.dcm#t,s.dcm#b,empty")
    assert code == 0, findings
    assert {f["code"] for f in findings if f["severity"] == "refused"} == set()
    assert two_visits(tmp_path, "s.dcm#t,s.dcm#t,")[0] == 5


def test_m14_one_mask_for_two_cases(tmp_path: Path) -> None:
    row = Row("", lambda folder: Files("bad_t2.nii", "good_mask.nii#1"))
    assert check(tmp_path, row)[0] == 0
    (tmp_path / "other_mask.nii").write_bytes((tmp_path / "good_mask.nii").read_bytes())
    shown = radresp("check", tmp_path / "cohort.csv", "--plan", tmp_path / "plan.yaml", "--json")
    (found,) = [f for f in shown.json["findings"] if f["code"] == "MASK_DUPLICATE"]
    assert (shown.code, found["case_id"]) == (4, "faulty")
    assert "case sound" in found["found"]


def test_m01_no_visible_residual_is_a_state(tmp_path: Path) -> None:
    """Said by the table, or by a mask without voxels in the column of the residual."""
    save_nifti(tmp_path / "m.nii", ball(), GRID)
    save_nifti(tmp_path / "n.nii", ball(25, 7), GRID)
    save_nifti(tmp_path / "none.nii", 0 * ball(), GRID)
    for cell in ("empty", "none.nii"):
        code, findings = two_visits(tmp_path, f"m.nii,n.nii,{cell}")
        assert code == 0, findings
    code, findings = two_visits(tmp_path, "m.nii,none.nii,empty")
    assert (code, "MASK_EMPTY") == (5, findings[0]["code"])


@pytest.mark.parametrize("spacing_mm", [(2.1, 2.3, 3.1), (5.0, 5.0, 6.0)])
def test_m17_and_m18_a_resampled_mask_is_binary_and_keeps_its_volume(spacing_mm) -> None:
    other = Grid((60, 60, 20), spacing_mm, (-61.0, -51.0, -21.0))
    carried = resample_mask(Mask.from_array(ball(), GRID, Roi.TUMOUR), other)
    assert set(np.unique(carried.array)) == {False, True}
    drawn = Mask.from_array(ball(), GRID, Roi.TUMOUR)
    assert carried.volume_ml == pytest.approx(drawn.volume_ml, rel=0.1)
