"""Names of labels from a table beside the image."""

from __future__ import annotations

import numpy as np
import pytest
from builders import make_grid, make_mask
from builders_masks import nrrd_bytes, save_nifti

from radresp.core import Roi
from radresp.errors import InputError
from radresp.io.label_names import read_label_names
from radresp.io.masks_in import load_mask

GRID = make_grid(size=(24, 20, 12))
LABELS = make_mask(GRID).array.astype(np.int16) * 3
LABELS[:2, :2, :2] = 7

TABLES = {
    "mask.json": '{"tumour": 3, "node": 7}',
    "nnunet.json": '{"labels": {"background": 0, "tumour": 3, "node": 7}}',
    "numbers.json": '{"0": "background", "3": "tumour", "7": "node"}',
    "bids.tsv": "index\tname\tabbreviation\n3\ttumour\tT\n7\tnode\tN\n",
    "table.csv": "\ufefflabel,name\n0,background\n3,tumour\n7,node\n",
}


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("image", ["mask.nii.gz", "mask.nii", "mask.nrrd"])
def test_a_label_is_chosen_by_its_name(tmp_path, name, image):
    (tmp_path / f"mask.{name.rpartition('.')[2]}").write_text(TABLES[name], encoding="utf-8")
    path = tmp_path / image
    if image.endswith(".nrrd"):
        path.write_bytes(nrrd_bytes(LABELS, GRID))
    else:
        save_nifti(path, LABELS, GRID)
    assert read_label_names(path) == {"tumour": 3, "node": 7}
    for choice in ("node", "7", "/^no/"):
        mask, _ = load_mask(path, Roi.TUMOUR, GRID, choice=choice)
        assert np.array_equal(mask.array, LABELS == 7)
    with pytest.raises(InputError, match="3 'tumour', 7 'node'"):
        load_mask(path, Roi.TUMOUR, GRID, choice="rectum")


def test_a_named_label_without_voxels_is_empty_and_a_bare_number_is_not_there(tmp_path):
    path = save_nifti(tmp_path / "mask.nii", LABELS, GRID)
    (tmp_path / "mask.json").write_text('{"residual": 9}')
    assert load_mask(path, Roi.RESIDUAL, GRID, choice="residual")[0].is_empty
    with pytest.raises(InputError) as caught:
        load_mask(path, Roi.RESIDUAL, GRID, choice="8")
    assert caught.value.code == "MASK_LABEL"


def test_a_sidecar_of_another_purpose_names_nothing(tmp_path):
    path = save_nifti(tmp_path / "mask.nii.gz", LABELS, GRID)
    (tmp_path / "mask.json").write_text('{"RawSources": ["a"], "Type": "ROI"}')
    assert read_label_names(path) == {}


@pytest.mark.parametrize(
    "text",
    ["", "[1, 2]", "{", '{"a": 1, "b": 1}', '{"labels": 3}', "[" * 100_000, '{"": 2}'],
)
def test_an_unusable_table_is_refused(tmp_path, text):
    path = save_nifti(tmp_path / "mask.nii.gz", LABELS, GRID)
    (tmp_path / "mask.json").write_text(text)
    with pytest.raises(InputError) as caught:
        load_mask(path, Roi.TUMOUR, GRID, choice="tumour")
    assert (caught.value.code, int(caught.value.exit_code)) == ("MASK_NAMES", 3)


@pytest.mark.parametrize(
    "text", ["name\ntumour\n", "label,index,name\n1,2,a\n", "label,name\nx,a\n"]
)
def test_a_table_without_a_clear_column_of_numbers_is_refused(tmp_path, text):
    (tmp_path / "mask.csv").write_text(text)
    with pytest.raises(InputError) as caught:
        read_label_names(tmp_path / "mask.nii")
    assert caught.value.code == "MASK_NAMES"


def test_two_tables_are_one_too_many(tmp_path):
    for name in ("mask.json", "mask.csv"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(InputError) as caught:
        read_label_names(tmp_path / "mask.nii.gz")
    assert caught.value.code == "MASK_NAMES"
