"""A network as a MONAI bundle, the exchange format that MONAI's tools and its Model Zoo read.

Source: the MONAI bundle specification (``mb_specification``) and MONAI 1.6. Weights are in
``models/model.pt``, which the specification demands: a state dictionary of plain tensors, which
MONAI loads with ``weights_only``. radresp itself reads no bundle; it keeps safetensors in its own
model folder.

When to use: to hand a network to somebody who works with MONAI.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import torch

from radresp.cnn.bundle_parts import CASE, PARTS
from radresp.cnn.inputs import PLANES, VISITS
from radresp.cnn.network import SiameseNet
from radresp.cnn.settings import Cnn
from radresp.notice import INTENDED_USE

_SCHEMA = (
    "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/"
    "meta_schema_20240725.json"
)
_HERE = "radresp.cnn.bundle_parts"
_BUILT = {"encoder", "width", "levels", "dropout", "patch"}
"""Settings that say how a network is built; the others say how it was trained."""


@dataclass(frozen=True, slots=True)
class BundleFacts:
    """What a bundle says of itself that the network does not know.

    Parameters
    ----------
    license_text : str
        Licence under which the network is handed on.
    authors, copyright : str
        Whose it is.
    name : str
        Name of the bundle.
    version : str
        Version of the network.
    description : str
        What it does and how it was made.
    data_source : str
        What it was trained on.
    metrics : mapping of str to float
        What it is worth, by measure.
    references : sequence of str
        Publications.
    """

    license_text: str
    authors: str
    copyright: str
    name: str = "radresp_cnn"
    version: str = "0.1.0"
    description: str = "Siamese 3-D CNN on rectal MRI before and after treatment."
    data_source: str = "not stated by the model's authors"
    metrics: Mapping[str, float] = field(default_factory=dict)
    references: Sequence[str] = ()


def bundle_members(
    net: SiameseNet, settings: Cnn, classes: Sequence[str], facts: BundleFacts
) -> dict[str, bytes]:
    """A network as the files of a MONAI bundle.

    Parameters
    ----------
    net : SiameseNet
        The network; not changed.
    settings : Cnn
        What it was built with.
    classes : sequence of str
        Names of its answers, in order.
    facts : BundleFacts
        What the bundle says of itself.

    Returns
    -------
    dict of str to bytes
        Content by path in the bundle. The same network gives the same bytes with the same versions
        of the packages.
    """
    return {
        "LICENSE": facts.license_text.encode(),
        "configs/metadata.json": _json(_metadata(settings, classes, facts)),
        "configs/inference.json": _json(_inference(settings, classes)),
        "models/model.pt": _weights(net),
        "docs/README.md": _readme(settings, classes, facts).encode(),
    }


def _weights(net: SiameseNet) -> bytes:
    buffer = io.BytesIO()
    # The names under which BundleNet holds them.
    tensors = {
        f"net.{name}": values.detach().cpu().contiguous().clone()
        for name, values in net.state_dict().items()
    }
    torch.save(tensors, buffer)
    return buffer.getvalue()


def _metadata(settings: Cnn, classes: Sequence[str], facts: BundleFacts) -> dict[str, Any]:
    return {
        "schema": _SCHEMA,
        "version": facts.version,
        "changelog": {facts.version: "exported from a radresp model folder"},
        "monai_version": _release("monai"),
        "pytorch_version": _release("torch"),
        "numpy_version": _release("numpy"),
        "required_packages_version": {
            name: _release(name) for name in ("radresp", "nibabel", "safetensors")
        },
        "name": facts.name,
        "task": "Probability of residual rectal cancer after treatment, from MRI of two visits",
        "description": facts.description,
        "authors": facts.authors,
        "copyright": facts.copyright,
        "intended_use": INTENDED_USE,
        "data_source": facts.data_source,
        "data_type": "nifti",
        "eval_metrics": dict(facts.metrics),
        "references": list(facts.references),
        "network_data_format": {
            "inputs": {"image": _image_format(settings)},
            "outputs": {"pred": _pred_format(classes)},
        },
    }


def _image_format(settings: Cnn) -> dict[str, Any]:
    planes = [f"{visit} {plane}" for visit in VISITS for plane in PLANES]
    marks = [f"1 everywhere where {plane} was measured, else 0" for plane in planes]
    return {
        "type": "image",
        "format": "magnitude",
        "modality": "MR",
        "num_channels": len(planes) + len(marks),
        "spatial_shape": list(settings.patch.size[::-1]),
        "dtype": "float32",
        "value_range": [-5, 5],
        "is_patch_data": True,
        "channel_def": {str(number): name for number, name in enumerate((*planes, *marks))},
    }


def _pred_format(classes: Sequence[str]) -> dict[str, Any]:
    return {
        "type": "probabilities",
        "format": "classes",
        "modality": "n/a",
        "num_channels": len(classes),
        "spatial_shape": [],
        "dtype": "float32",
        "value_range": [0, 1],
        "is_patch_data": False,
        "channel_def": {str(number): name for number, name in enumerate(classes)},
    }


def _inference(settings: Cnn, classes: Sequence[str]) -> dict[str, Any]:
    built = settings.model_dump(mode="json", include=_BUILT)
    load = "torch.load(@ckpt_path, map_location='cpu', weights_only=True)"
    target = "(pathlib.Path(@output_dir) / 'probabilities.json')"
    return {
        "imports": ["$import json", "$import pathlib", "$import torch"],
        "bundle_root": ".",
        "dataset_dir": "$@bundle_root + '/data'",
        "output_dir": "$@bundle_root + '/eval'",
        "ckpt_path": "$@bundle_root + '/models/model.pt'",
        "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
        "network_def": {
            "_target_": f"{_HERE}.BundleNet",
            "settings": built,
            "classes": len(classes),
        },
        "network": "$@network_def.to(@device)",
        **_reading(built["patch"]),
        **_answering(classes),
        # Not under "initialize", which MONAI also runs to look at a bundle from another folder.
        "run": [
            f"$@network_def.load_state_dict({load})",
            "$pathlib.Path(@output_dir).mkdir(parents=True, exist_ok=True)",
            f"${target}.write_text(json.dumps(@evaluator.run(), indent=1))",
        ],
    }


def _reading(patch: Mapping[str, Any]) -> dict[str, Any]:
    """From a folder of cases to batches."""
    names = "{file.name.removesuffix('.nii.gz'): str(file) for file in folder.glob('*.nii.gz')}"
    folders = "sorted(pathlib.Path(@dataset_dir).iterdir())"
    load = {
        "_target_": "LoadImaged",
        "keys": list(PARTS),
        "reader": "NibabelReader",
        "image_only": True,
        "allow_missing_keys": True,
    }
    read = {
        "_target_": f"{_HERE}.PatchReader",
        "size": patch["size"],
        "spacing_mm": patch["spacing_mm"],
    }
    return {
        "datalist": (
            f"$[{{**{names}, '{CASE}': folder.name}} for folder in {folders} if folder.is_dir()]"
        ),
        "preprocessing": {"_target_": "Compose", "transforms": [load, read]},
        "dataset": {"_target_": "Dataset", "data": "@datalist", "transform": "@preprocessing"},
        "dataloader": {
            "_target_": "DataLoader",
            "dataset": "@dataset",
            "batch_size": 1,
            "shuffle": False,
            "num_workers": 0,
        },
    }


def _answering(classes: Sequence[str]) -> dict[str, Any]:
    """From batches to named probabilities."""
    return {
        "inferer": {"_target_": "SimpleInferer"},
        "postprocessing": {
            "_target_": f"{_HERE}.NamedProbabilities",
            "classes": list(classes),
        },
        "evaluator": {
            "_target_": f"{_HERE}.CaseEvaluator",
            "device": "@device",
            "val_data_loader": "@dataloader",
            "network": "@network",
            "inferer": "@inferer",
            "postprocessing": "@postprocessing",
        },
    }


def _readme(settings: Cnn, classes: Sequence[str], facts: BundleFacts) -> str:
    size = " x ".join(map(str, settings.patch.size))
    spacing = " x ".join(f"{edge:g}" for edge in settings.patch.spacing_mm)
    metrics = "\n".join(f"- {name}: {value:g}" for name, value in facts.metrics.items())
    files = "\n".join(f"- `{name}.nii.gz`" for name in PARTS)
    return f"""# {facts.name} {facts.version}

**{INTENDED_USE}**

{facts.description}

Answers: probabilities of {", ".join(classes)}. Trained on: {facts.data_source}.

{metrics or "No measure of what it is worth was handed on with it."}

## Input

A folder a case, with a NIfTI image for each of these that there is, all on the grid of the patch:
{size} voxels (x, y, z) of {spacing} mm around the treated bed, along the axes of the T2 after
treatment. An image that is not there is left out; never write zeros in its place.

{files}

T2 normalised as in the plan the network was trained by, DWI of the highest b-value as it is, ADC
in 1e-6 mm2/s, outlines 0 or 1, NaN beyond an image's field of view. radresp cuts such patches.
The network's tensor is ordered z, y, x.

## Run

    pip install 'radresp[cnn]' fire
    python -m monai.bundle run --config_file BUNDLE/configs/inference.json \\
        --meta_file BUNDLE/configs/metadata.json \\
        --bundle_root BUNDLE --dataset_dir CASES --output_dir RESULT

writes `RESULT/probabilities.json`. The configuration of a bundle can run any code: run only one
that you trust.
"""


def _json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=2) + "\n").encode()


def _release(package: str) -> str:
    """Installed version without the name of a build, such as ``+cpu``."""
    return version(package).partition("+")[0]
