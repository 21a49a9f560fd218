"""The files for clusters, containers and workflow managers fit the radresp they start."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import typer
from ruamel.yaml import YAML

from radresp.cli import app

ROOT = Path(__file__).resolve().parents[2]
SLURM = ROOT / "configs/slurm.yaml"
ARRAY = ROOT / "scripts/slurm_array.sbatch"
WORKERS = ROOT / "scripts/slurm_workers.py"
CONTAINERS = ROOT / "scripts/containers"
IMAGES = [CONTAINERS / "Dockerfile", CONTAINERS / "Dockerfile.cuda", CONTAINERS / "radresp.def"]
SNAKEFILE = ROOT / "scripts/workflows/snakemake/Snakefile"
NEXTFLOW = ROOT / "scripts/workflows/nextflow/main.nf"
PAGES = [ROOT / "docs/how-to" / f"{page}.md" for page in ("slurm", "containers", "workflows")]
COMMANDS: Any = typer.main.get_command(app)
NO_JOBQUEUE = "needs the extra cluster (dask-jobqueue)"


def config() -> dict[str, Any]:
    return dict(YAML(typ="safe").load(SLURM.read_text(encoding="utf-8")))


def keys(tree: Any, prefix: str = "") -> set[str]:
    if not isinstance(tree, Mapping):
        return {prefix}
    return {key for name in tree for key in keys(tree[name], f"{prefix}.{name}")}


def environment(**more: str) -> dict[str, str]:
    outside = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM_", "DASK_"))}
    return outside | {"PYTHONPATH": str(ROOT)} | more


def dry_run(**more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(WORKERS), "--dry-run"]
    return subprocess.run(command, env=environment(**more), capture_output=True, text=True)


def test_slurm_yaml_has_only_keys_that_dask_and_dask_jobqueue_know() -> None:
    module = pytest.importorskip("dask_jobqueue", reason=NO_JOBQUEUE)
    import distributed

    known: set[str] = set()
    for package, name in ((module, "jobqueue"), (distributed, "distributed")):
        path = Path(package.__file__).parent / f"{name}.yaml"
        known |= keys(YAML(typ="safe").load(path.read_text(encoding="utf-8")))
    # Options of the scheduler are its own arguments; dask-jobqueue lists none of them.
    found = {re.sub(r"(scheduler-options)\..*", r"\1", key) for key in keys(config())}
    assert found <= known | {".jobqueue.slurm.scheduler-options"}


def test_a_worker_has_one_thread_and_ends_before_its_job() -> None:
    slurm = config()["jobqueue"]["slurm"]
    assert slurm["cores"] == slurm["processes"]
    words = slurm["worker-extra-args"]
    minutes = {w: int(words[words.index(w) + 1].rstrip("m")) for w in words if "life" in w}
    hours, more, _ = (int(part) for part in slurm["walltime"].split(":"))
    assert 0 < sum(minutes.values()) < 60 * hours + more
    assert slurm["death-timeout"] == 60


@pytest.mark.parametrize("count", ["1", "8"])
def test_the_job_that_would_be_submitted_can_be_seen_without_slurm(
    count: str, tmp_path: Path
) -> None:
    pytest.importorskip("dask_jobqueue", reason=NO_JOBQUEUE)
    shown = tmp_path / "slurm.yaml"
    text = SLURM.read_text(encoding="utf-8")
    shown.write_text(re.sub(r"(cores|processes): 1 ", rf"\g<1>: {count} ", text), encoding="utf-8")
    ran = dry_run(DASK_CONFIG=str(shown))
    assert ran.returncode == 0, ran.stderr
    assert f"#SBATCH --cpus-per-task={count}\n" in ran.stdout
    worker = ran.stdout.strip().splitlines()[-1]
    assert ("--nworkers 8" in worker) == (count == "8")
    for words in ("tls://", "--nthreads 1", "--death-timeout 60", "--lifetime 220m", "--tls-key"):
        assert words in worker
    key = worker.partition("--tls-key ")[2].split()[0]
    assert not Path(key).exists()
    assert subprocess.run(["bash", "-n"], input=ran.stdout, text=True).returncode == 0


def test_without_its_settings_the_script_says_where_they_are(tmp_path: Path) -> None:
    pytest.importorskip("dask_jobqueue", reason=NO_JOBQUEUE)
    ran = dry_run(HOME=str(tmp_path))
    assert ran.returncode == 2
    assert "export DASK_CONFIG=configs/slurm.yaml" in ran.stderr


def test_the_key_is_its_owners_alone_and_the_client_finds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("dask_jobqueue", reason=NO_JOBQUEUE)
    import dask
    from distributed import Security

    monkeypatch.syspath_prepend(ROOT / "scripts")
    import slurm_workers

    folder = tmp_path / "scheduler"
    folder.mkdir()
    security = slurm_workers.security_in(folder)
    assert (folder / "key.pem").stat().st_mode & 0o777 == 0o600
    assert security.require_encryption
    settings = dask.config.collect([str(folder / "dask.json")], env={})
    with dask.config.set(dask.config.merge(dask.config.config, settings)):
        client = Security()
    assert client.require_encryption
    roles = {who.get_tls_config_for_role("client")["key"] for who in (security, client)}
    assert roles == {str(folder / "key.pem")}
    assert client.get_connection_args("client")["ssl_context"] is not None


def array_task(tmp_path: Path, **slurm: str) -> subprocess.CompletedProcess[str]:
    """What the array script would start."""
    stub = tmp_path / "radresp"
    stub.write_text('#!/bin/sh\necho "$@"\n', encoding="utf-8")
    stub.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    command = ["bash", str(ARRAY), "my cohort.csv", "out", "--plan", "p.yaml"]
    return subprocess.run(
        command, env=environment(PATH=path, **slurm), capture_output=True, text=True
    )


def task_of(first: str, last: str, count: str, task: str) -> dict[str, str]:
    names = {"ID": task, "MIN": first, "MAX": last, "COUNT": count}
    return {f"SLURM_ARRAY_TASK_{name}": value for name, value in names.items()}


def test_a_task_of_an_array_does_its_part_and_a_job_makes_the_tables(tmp_path: Path) -> None:
    task = array_task(tmp_path, **task_of("1", "20", "20", "3"), SLURM_CPUS_PER_TASK="4")
    job = array_task(tmp_path)
    begins, ends = "extract my cohort.csv -o out", "--progress lines --plan p.yaml\n"
    assert task.stdout == f"{begins} --part 3/20 --workers 4 {ends}"
    assert job.stdout == f"{begins} --workers 1 {ends}"


@pytest.mark.parametrize("numbers", [("0", "9", "10", "3"), ("3", "3", "1", "3")])
def test_an_array_that_is_not_1_to_n_is_refused(
    numbers: tuple[str, str, str, str], tmp_path: Path
) -> None:
    ran = array_task(tmp_path, **task_of(*numbers))
    assert ran.returncode == 2
    assert "--array=1-N" in ran.stderr


@pytest.mark.parametrize("path", [ARRAY, SNAKEFILE, NEXTFLOW, WORKERS], ids=lambda p: p.name)
def test_only_options_that_extract_has_are_asked_for(path: Path) -> None:
    text = re.sub(r"[\\\"]|^\s*[#/].*$", " ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    commands = re.findall(r"radresp extract\s(.*?)(?:>|\|\||\$@|\))", text, flags=re.DOTALL)
    has = {name for option in COMMANDS.commands["extract"].params for name in option.opts}
    asked = {word for command in commands for word in re.findall(r"(?<!\S)--?[a-z-]+", command)}
    assert commands
    assert asked <= has
    assert asked & {"--workers", "--scheduler"}


def fences(page: Path) -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)


def snippets() -> dict[str, str]:
    """Every piece of shell in these files."""
    found = {path.name: path.read_text("utf-8") for path in (ROOT / "scripts").glob("*.s[hb]*")}
    for page in PAGES:
        found |= {f"{page.name} {i}": text for i, text in enumerate(fences(page))}
    for image in IMAGES[:2]:
        lines = re.findall(r"^RUN (.*(?:\\\n.*)*)", image.read_text("utf-8"), flags=re.MULTILINE)
        found |= {f"{image.name} {i}": text for i, text in enumerate(lines)}
    parts = r"^%(post|environment|runscript|test)\n((?: +.*\n)+)"
    for name, part in re.findall(parts, IMAGES[2].read_text("utf-8"), flags=re.MULTILINE):
        found[f"radresp.def {name}"] = part
    rules = re.findall(r'shell:\n((?:\s+".*"\n)+)', SNAKEFILE.read_text("utf-8"))
    for i, rule in enumerate(rules):
        text = "".join(re.findall(r'"(.*)"', rule))
        found[f"Snakefile {i}"] = re.sub(r"\{[^}]*\}", "x", text)
    for i, script in enumerate(
        re.findall(r'"""\n(.*?)"""', NEXTFLOW.read_text("utf-8"), re.DOTALL)
    ):
        found[f"main.nf {i}"] = re.sub(r"(?<!\\)\$\{[^}]*\}", "x", script).replace(r"\$", "$")
    return found


def test_all_shell_can_be_parsed() -> None:
    found = snippets()
    assert len(found) > 25
    for name, text in found.items():
        ran = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True)
        assert ran.returncode == 0, f"{name}: {ran.stderr}"


@pytest.mark.parametrize("path", IMAGES, ids=lambda p: p.name)
def test_images_take_their_versions_from_the_constraints(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    installs = re.findall(r"^.*pip install .*$", text, flags=re.MULTILINE)
    assert installs
    assert all("constraints.txt" in line for line in installs)
    assert not re.findall(r"(?:==|>=|<=|~=)\s*[0-9]", text)
    for version in re.findall(r"python:([0-9.]+)", text):
        assert f"Python {version}" in (ROOT / "constraints.txt").read_text().splitlines()[0]


def test_the_extras_of_the_images_are_extras() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for path in IMAGES:
        for extras in re.findall(r"EXTRAS=([\w,]+)", path.read_text(encoding="utf-8")):
            assert set(extras.split(",")) <= set(project["optional-dependencies"])


def test_an_image_is_built_from_what_the_context_holds() -> None:
    kept = set(re.findall(r"^!(.*)$", (ROOT / ".dockerignore").read_text(), flags=re.MULTILINE))
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", IMAGES[0].read_text(), flags=re.MULTILINE)
    assert {name for line in copied for name in line.split()} == kept
    assert all((ROOT / name).exists() for name in kept)
