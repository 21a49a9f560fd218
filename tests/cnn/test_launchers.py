"""Where a training runs: one process or many, and in which precision."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("monai")
pytest.importorskip("lightning")

import torch
from cnn import tiny

from radresp import pipeline
from radresp.cnn import Cnn
from radresp.cnn.device import CPU, Device, Launch
from radresp.cnn.trainer import placement, precision_of


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def test_processes_of_torchrun_train_together() -> None:
    launch = Launch(processes=8, here=4, rank=5, local_rank=1)
    environment, place = placement(Device("cuda:1", ""), launch)
    assert place == {"accelerator": "cuda", "devices": 4, "num_nodes": 2, "strategy": "ddp"}
    assert type(environment).__name__ == "TorchElasticEnvironment"


def test_the_plan_of_the_cnn_is_the_default_with_every_key() -> None:
    path = Path(__file__).parents[2] / "scripts/cnn_plan.py"
    text = (path.parents[1] / "configs/cnn.yaml").read_text(encoding="utf-8")
    assert text == runpy.run_path(str(path))["cnn_plan_text"]()
    plan = pipeline.load_plan(path.parents[1] / "configs/cnn.yaml")
    assert plan.cnn == Cnn()
    assert replace(plan, cnn=None) == pipeline.load_plan(None)


@pytest.mark.parametrize(
    ("script", "begins"),
    [
        ("train_cnn_gpu.sh", "radresp train-cnn"),
        ("train_cnn_torchrun.sh", "torchrun --standalone --nproc-per-node 2 --no-python radresp"),
        ("train_cnn.slurm", "srun --ntasks-per-node=1 torchrun --nnodes 2 --nproc-per-node 4"),
    ],
)
def test_launchers_ask_for_the_training_of_the_command(
    script: str, begins: str, tmp_path: Path
) -> None:
    for name in ("radresp", "torchrun", "srun"):
        stub = tmp_path / name
        stub.write_text(f'#!/bin/sh\necho {name} "$@"\n')
        stub.chmod(0o755)
    slow = "#!/bin/sh\necho node1\nsleep 0.1\necho node2\n"
    (tmp_path / "scontrol").write_text(slow)
    (tmp_path / "scontrol").chmod(0o755)
    slurm = {"SLURM_JOB_NUM_NODES": "2", "SLURM_GPUS_ON_NODE": "4", "SLURM_SUBMIT_DIR": "/here"}
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PROCESSES": "2"}
    root = Path(__file__).parents[2]
    cohort = ["my cohort.csv", "outcomes.csv", "out"]
    for more in ([], ["--force"], ["own.yaml"], ["own.yaml", "--force"]):
        ran = subprocess.run(
            ["bash", str(root / "scripts" / script), *cohort, *more],
            env=os.environ | slurm | path,
            capture_output=True,
            text=True,
            check=True,
        )
        line = ran.stdout.strip()
        assert line.startswith(begins)
        asked = "train-cnn my cohort.csv --outcomes outcomes.csv -o out --plan "
        plan = line.partition(asked)[2].split()[0]
        assert plan.endswith("own.yaml" if more[:1] == ["own.yaml"] else "configs/cnn.yaml")
        assert line.endswith("--force") == ("--force" in more)
        assert script != "train_cnn.slurm" or "--rdzv-endpoint node1:29500 " in line
    short = subprocess.run(["bash", str(root / "scripts" / script), "a"], capture_output=True)
    assert short.returncode == 2
    assert b"COHORT.csv OUTCOMES.csv OUTPUT" in short.stderr


def test_one_process_of_a_slurm_job_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"SLURM_NTASKS": "4", "SLURM_JOB_NAME": "x", "SLURM_JOB_ID": "1"}.items():
        monkeypatch.setenv(name, value)
    assert len(tiny.fit(tiny.cases(8), tiny.settings(epochs=1)).history) == 1


@pytest.mark.parametrize(
    ("asked", "lightning", "code"),
    [
        ("auto", "32-true", None),
        ("32", "32-true", None),
        ("bf16", "bf16-mixed", None),
        ("16", "32-true", "PRECISION"),
    ],
)
def test_precision_on_the_processor(asked: str, lightning: str, code: str | None) -> None:
    name, note = precision_of(asked, CPU)
    assert name == lightning
    assert (note.code if note else None) == code


def test_training_in_bf16_on_the_processor_is_that_in_32_but_for_rounding() -> None:
    exact = tiny.fit(tiny.cases(16), tiny.settings(epochs=2))
    fitted = tiny.fit(tiny.cases(16), tiny.settings(epochs=2, precision="bf16"))
    for row, other in zip(fitted.history, exact.history, strict=True):
        assert 0 < abs(row["train_loss"] - other["train_loss"]) < 0.02
    assert all(weight.dtype == torch.float32 for weight in fitted.state_dict.values())


TOGETHER = """
import sys, torch
from pathlib import Path
from cnn import tiny
from radresp.cnn.device import launch_of
torch.set_num_threads(1)
fitted = tiny.train(Path(sys.argv[1]))
torch.save({"weights": fitted.state_dict, "losses": [r["train_loss"] for r in fitted.history]},
           Path(sys.argv[1]) / f"rank{launch_of().rank}.pt")
"""


@pytest.mark.slow
def test_two_processes_end_with_one_network(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(TOGETHER)
    paths = os.pathsep.join([str(Path(tiny.__file__).parents[1]), *filter(None, sys.path)])
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    subprocess.run(
        [*command, "--nproc-per-node=2", str(program), str(tmp_path)],
        env=os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        check=True,
        timeout=300,
    )
    one, other = (torch.load(tmp_path / f"rank{r}.pt", weights_only=True) for r in (0, 1))
    alone = tiny.train(None)
    for name, weight in one["weights"].items():
        assert torch.equal(weight, other["weights"][name])
        # Two shares of a batch and one whole batch: the same cases, other dropout.
        assert torch.allclose(weight, alone.state_dict[name], atol=0.1)
    assert one["losses"] == other["losses"]
    assert len((tmp_path / "history.csv").read_text().splitlines()) == 6
