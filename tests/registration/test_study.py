"""The study of the verdict counts what it says it counts, and its sabotage is one."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from radresp import phantom
from radresp.core import Case, Sequence, Timepoint
from radresp.pipeline.desk import PRE_T2, TUMOUR

SCRIPT = Path(__file__).resolve().parents[2] / "scripts/registration_study.py"


@pytest.fixture(scope="module")
def study() -> ModuleType:
    spec = importlib.util.spec_from_file_location("registration_study", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["registration_study"] = module
    spec.loader.exec_module(module)
    return module


def pair(verdict: str, error_mm: float = 1.0, sabotage: str = "") -> dict[str, Any]:
    record: dict[str, Any] = {"index": 0, "sabotage": sabotage, "verdict": verdict}
    if sabotage or verdict == "refused":
        return record
    measured = dict.fromkeys(
        ("error_p95_mm", "dice", "dice_drawn_bed", "volume_change_rigid", "seconds"), 0.5
    )
    extra = {"volume_change_dwi": -0.01, "dwi_header_mm": 1.0, "dwi_error_mm": 0.5}
    return record | measured | extra | {"error_mm": error_mm, "dwi_verdict": "good"}


def test_errors_of_the_verdict_are_counted(study: ModuleType) -> None:
    records = [
        *(pair("good") for _ in range(6)),
        pair("good", 3.5),
        pair("doubtful", 4.0),
        pair("failed"),
        pair("refused"),
        pair("failed", sabotage="flipped"),
        pair("refused", sabotage="shifted"),
        pair("doubtful", sabotage="other_patient"),
        pair("good", sabotage="blank_slices"),
    ]
    found = study.figures(records)
    assert (found["pairs"], found["sabotaged"], found["good_pairs"]) == (14, 4, 10)
    assert found["caught"] == 0.75
    assert found["missed"] == [[0, "blank_slices"]]
    assert found["failed_or_refused"] == 0.5
    assert found["good_refused"] == 0.2
    assert found["good_doubtful"] == 0.1
    assert (found["over_3_mm"], found["over_3_mm_called_good"]) == (2, 1)
    assert found["volume_dwi"]["within_3_percent"] == 1.0
    assert found["volume_rigid"]["within_3_percent"] == 0.0
    text = study.table({"one": found})
    assert "| Sabotage not called good | 75.0% |" in text


@pytest.fixture(scope="module")
def sound() -> Case:
    settings = phantom.PhantomSettings.fast().model_copy(update={"coarseness": 3.0})
    return phantom.make_patient(0, 4, settings).case


def test_every_sabotage_spoils_the_earlier_visit_alone(
    study: ModuleType, sound: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study, "SETTINGS", phantom.PhantomSettings.fast())
    before = sound.image(*PRE_T2)
    for kind in study.SABOTAGE:
        if kind == "other_patient":  # draws another patient, which takes seconds
            continue
        spoilt = study.sabotaged(sound, kind, 0, 1)
        image = spoilt.image(*PRE_T2)
        same_grid = image.grid.same_as(before.grid)
        assert not (same_grid and np.array_equal(image.array, before.array)), kind
        assert spoilt.masks[TUMOUR].grid.same_as(image.grid)
        post = spoilt.image(Timepoint.POST, Sequence.T2)
        assert post is sound.image(Timepoint.POST, Sequence.T2)
    moved = study.sabotaged(sound, "shifted", 0, 1).image(*PRE_T2).grid
    assert np.linalg.norm(np.subtract(moved.origin_mm, before.grid.origin_mm)) == pytest.approx(150)
