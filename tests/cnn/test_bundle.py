"""A bundle is what MONAI's tools expect, and answers as the network it was made from."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("monai")

import monai.bundle
import nibabel as nib
import torch
from monai.bundle.scripts import verify_net_in_out
from monai.data import MetaTensor

from radresp.cnn.bundle import BundleFacts, bundle_members
from radresp.cnn.bundle_parts import PARTS, BundleNet, PatchReader, packed
from radresp.cnn.fast import threads
from radresp.cnn.inputs import Inputs, inputs_of
from radresp.cnn.network import SiameseNet
from radresp.cnn.predict import ask_network, probabilities
from radresp.cnn.settings import Cnn, PatchSettings
from radresp.core import PATCH_CHANNELS, PATCH_MASKS, Grid, Patch
from radresp.errors import GeometryError, InputError
from radresp.notice import INTENDED_USE

SIZE, SPACING = (16, 12, 8), (1.5, 2.0, 4.0)
SMALL = Cnn(
    width=4,
    levels=2,
    patch=PatchSettings(size=SIZE, spacing_mm=SPACING),
    encoder_weights="/home/somebody/encoder.safetensors",
)
CLASSES = ("fibrosis", "inflammation", "residual")
FACTS = BundleFacts(
    license_text="Apache License\nVersion 2.0",
    authors="The authors",
    copyright="(c) the authors",
    metrics={"AUC": 0.75},
)
AFFINE = np.diag([-1.5, -2.0, 4.0, 1.0])
SCHEMA = json.loads(Path(__file__).with_name("bundle_metadata.schema.json").read_text())
KINDS = {
    "object": {dict},
    "array": {list},
    "string": {str},
    "boolean": {bool},
    "integer": {int},
    "number": {int, float},
}


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    with threads(1):
        yield


def network() -> SiameseNet:
    torch.manual_seed(0)
    net = SiameseNet(SMALL, len(CLASSES)).eval()
    with torch.no_grad():
        net.missing.normal_()
        net.classify.weight *= 5
    return net


@pytest.fixture(scope="module")
def members() -> dict[str, bytes]:
    return bundle_members(network(), SMALL, CLASSES, FACTS)


@pytest.fixture(scope="module")
def folder(members, tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("bundles") / FACTS.name
    for name, data in members.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def arrays(seed: int, *, without: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
    """Images of a case as a radiologist's tools hold them: (x, y, z)."""
    draw = np.random.default_rng(seed)
    images = {name: draw.normal(size=SIZE).astype(np.float32) for name in PATCH_CHANNELS}
    for name in ("post.adc", "pre.adc"):
        images[name] = 1300 + 400 * images[name]
    images["pre.t2"][0] = np.nan
    box = np.zeros(SIZE, np.float32)
    box[4:12, 3:9, 2:6] = 1
    images |= {"bed": box, "tumour": np.roll(box, 1, axis=1)}
    return {name: values for name, values in images.items() if name not in without}


def expected(images: dict[str, np.ndarray]) -> tuple[Inputs, np.ndarray]:
    """What radresp itself makes of such a case."""
    grid = Grid(SIZE, SPACING, (0, 0, 0))
    turned = {name: values.transpose(2, 1, 0) for name, values in images.items()}
    patch = Patch(
        "a",
        grid,
        {name: turned[name] for name in PATCH_CHANNELS if name in turned},
        {name: turned[name] > 0 for name in PATCH_MASKS if name in turned},
        {name: "not there" for name in PARTS if name not in turned},
    )
    inputs = inputs_of(patch)
    return inputs, probabilities(ask_network(network(), [inputs]).log_odds)[0]


# What the folder holds


def test_the_files_are_those_of_the_specification(members):
    assert set(members) == {
        "LICENSE",
        "configs/metadata.json",
        "configs/inference.json",
        "models/model.pt",
        "docs/README.md",
    }
    assert members["LICENSE"].decode() == FACTS.license_text
    assert members == bundle_members(network(), SMALL, CLASSES, FACTS)


def test_nothing_of_the_machine_rides_along(members):
    assert not [name for name, data in members.items() if b"somebody" in data or b"/home" in data]


def problems(value, rule, where="$") -> Iterator[str]:
    """What of a JSON value breaks a schema; the part of JSON Schema that the stored one uses."""
    if "$ref" in rule:
        rule = SCHEMA["$defs"][rule["$ref"].rpartition("/")[2]]
    if "type" in rule and type(value) not in KINDS[rule["type"]]:
        yield f"{where} is no {rule['type']}"
    elif isinstance(value, list):
        if len(value) > rule.get("maxItems", len(value)):
            yield f"{where} has {len(value)} items"
        for number, item in enumerate(value):
            yield from problems(item, rule["items"], f"{where}[{number}]")
    elif isinstance(value, dict):
        for name in set(rule.get("required", ())) - set(value):
            yield f"{where}.{name} is missing"
        for name, item in value.items():
            known = rule.get("properties", {}).get(name, rule.get("additionalProperties", {}))
            yield from problems(item, known, f"{where}.{name}")
    elif not holds(value, rule):
        yield f"{where} is {value!r}"


def holds(value, rule) -> bool:
    named = value in rule.get("enum", [value])
    written = not isinstance(value, str) or re.search(rule.get("pattern", ""), value)
    return named and bool(written) and not ("minimum" in rule and value < rule["minimum"])


def test_the_metadata_hold_to_the_schema(members):
    metadata = json.loads(members["configs/metadata.json"])
    assert list(problems(metadata, SCHEMA)) == []
    assert metadata["intended_use"] == INTENDED_USE
    data = metadata["network_data_format"]
    image, pred = data["inputs"]["image"], data["outputs"]["pred"]
    assert image["spatial_shape"] == [8, 12, 16]
    assert len(image["channel_def"]) == image["num_channels"] == 16
    assert image["channel_def"]["6"] == "pre adc"
    assert pred["channel_def"] == {"0": "fibrosis", "1": "inflammation", "2": "residual"}
    assert pred["type"] == "probabilities"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: m.pop("task"), "$.task is missing"),
        (lambda m: m.update(monai_version="latest"), "$.monai_version is 'latest'"),
        (lambda m: m["network_data_format"]["inputs"]["image"].update(type="scan"), "'scan'"),
        (lambda m: m["network_data_format"].pop("outputs"), "outputs is missing"),
        (lambda m: m["network_data_format"]["outputs"]["pred"].update(num_channels=0), "is 0"),
    ],
)
def test_the_schema_finds_what_is_wrong(members, change, said):
    metadata = json.loads(members["configs/metadata.json"])
    change(metadata)
    assert said in " ".join(problems(metadata, SCHEMA))


def test_the_readme_says_how_to_run_it_and_what_for(members):
    text = members["docs/README.md"].decode()
    assert INTENDED_USE in text
    for word in ("--meta_file", "--config_file", "--dataset_dir", "--bundle_root", "AUC: 0.75"):
        assert word in text
    assert all(f"`{name}.nii.gz`" in text for name in PARTS)


# What MONAI makes of it


def test_monai_finds_its_tensors_as_the_metadata_say(folder):
    files = {
        "meta_file": str(folder / "configs/metadata.json"),
        "config_file": str(folder / "configs/inference.json"),
        "device": "cpu",
    }
    verify_net_in_out("network_def", **files)
    with pytest.raises(ValueError, match="output channel number"):
        verify_net_in_out(
            "network_def", **files, **{"_meta_#network_data_format#outputs#pred#num_channels": 2}
        )


def test_monai_finds_every_part_of_a_workflow(folder, tmp_path):
    workflow = monai.bundle.ConfigWorkflow(
        config_file=str(folder / "configs/inference.json"),
        meta_file=str(folder / "configs/metadata.json"),
        workflow_type="infer",
        bundle_root=str(folder),
        dataset_dir=str(folder),
        output_dir=str(tmp_path),
    )
    workflow.initialize()
    assert workflow.check_properties() == []


def test_monai_loads_the_weights(folder):
    net = monai.bundle.load(
        folder.name, bundle_dir=folder.parent, workflow_type="inference", device="cpu"
    )
    inputs, answer = expected(arrays(0))
    with torch.no_grad():
        found = net.eval()(torch.from_numpy(packed(inputs))[None])[0]
    np.testing.assert_allclose(found, answer, atol=1e-6)


def test_running_the_bundle_gives_the_probabilities_of_the_network(folder, tmp_path):
    """As `python -m monai.bundle run` does, which needs `fire` only to read its command line."""
    cases = {
        "all": arrays(0),
        "no_pre": arrays(1, without=("pre.t2", "pre.dwi", "pre.adc", "tumour")),
        "adc_only": {name: arrays(2)[name] for name in ("post.adc", "bed")},
    }
    for case, images in cases.items():
        (tmp_path / "cases" / case).mkdir(parents=True)
        for name, values in images.items():
            nib.save(nib.Nifti1Image(values, AFFINE), tmp_path / "cases" / case / f"{name}.nii.gz")
    call = {
        "config_file": str(folder / "configs/inference.json"),
        "meta_file": str(folder / "configs/metadata.json"),
        "bundle_root": str(folder),
        "dataset_dir": str(tmp_path / "cases"),
        "output_dir": str(tmp_path / "result"),
        "device": "cpu",
    }
    program = f"from monai.bundle import run; run(**{call!r})"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads((tmp_path / "result/probabilities.json").read_text())
    assert [one["case"] for one in found] == sorted(cases)
    for one in found:
        assert list(one["probabilities"]) == list(CLASSES)
        _, answer = expected(cases[one["case"]])
        np.testing.assert_allclose(list(one["probabilities"].values()), answer, atol=1e-5)


# How it reads


def loaded(images: dict[str, np.ndarray]) -> dict:
    return {"case": "a"} | {name: MetaTensor(v, affine=AFFINE) for name, v in images.items()}


def test_images_are_read_as_radresp_reads_them():
    for without in ((), ("post.dwi",), ("pre.t2", "pre.dwi", "pre.adc", "tumour"), ("bed",)):
        images = arrays(3, without=without)
        found = PatchReader(SIZE, SPACING)(loaded(images))
        inputs, _ = expected(images)
        assert np.array_equal(found["image"].numpy(), packed(inputs))


def test_what_was_measured_survives_the_packing():
    inputs, answer = expected(arrays(4, without=("post.dwi", "tumour")))
    net = BundleNet(SMALL.model_dump(), len(CLASSES))
    net.net.load_state_dict(network().state_dict())
    with torch.no_grad():
        found = net.eval()(torch.from_numpy(packed(inputs))[None])[0]
    np.testing.assert_allclose(found, answer, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "value", "error", "said"),
    [
        ("post.T2", np.zeros(SIZE, np.float32), InputError, "post.T2"),
        ("post.t2", np.zeros((16, 12, 7), np.float32), InputError, "(16, 12, 7) voxels"),
        ("bed", np.full(SIZE, 2, np.float32), InputError, "bed holds other values"),
    ],
)
def test_a_file_that_is_something_else_is_refused(name, value, error, said):
    with pytest.raises(error, match=re.escape(said)) as caught:
        PatchReader(SIZE, SPACING)(loaded(arrays(0) | {name: value}))
    assert caught.value.case == "a"


def test_images_that_lie_elsewhere_are_refused():
    data, reader = loaded(arrays(0)), PatchReader(SIZE, SPACING)
    moved = AFFINE.copy()
    moved[0, 3] = 1.5
    with pytest.raises(GeometryError, match=r"pre\.adc and post.t2 lie on different grids"):
        reader(data | {"pre.adc": MetaTensor(np.ones(SIZE, np.float32), affine=moved)})
    with pytest.raises(GeometryError, match=r"voxels of post\.t2 of 1\.5 x 2 x 4 mm"):
        PatchReader(SIZE, (1.5, 1.5, 4.0))(data)
    with pytest.raises(InputError, match="no image"):
        reader({"case": "a"})
