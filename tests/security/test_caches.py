"""No command writes anywhere but where it was told to, asks the network, or reports to anybody."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from builders_cohort import GRID, picture
from builders_masks import save_nifti

from radresp.cli import caches
from radresp.errors import ModelError

ROOT = Path(__file__).resolve().parents[2]
OFFLINE = ROOT / "scripts/faults/offline.py"
READ_ONLY = ROOT / "scripts/faults/read_only.py"
NOT_HERE = 77
COMMAND = [sys.executable, "-c", "from radresp.cli import main; main()"]


def started(*words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, with an environment of its own."""
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
    return subprocess.run(
        list(map(str, words)),
        capture_output=True,
        text=True,
        check=False,
        env={**kept, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment},
    )


@pytest.fixture
def image(tmp_path: Path) -> Path:
    save_nifti(tmp_path / "t2.nii", picture(1), GRID)
    return tmp_path / "t2.nii"


def skip_where_not_allowed(done: subprocess.CompletedProcess[str]) -> None:
    if done.returncode == NOT_HERE:
        pytest.skip("this machine allows no network namespace")


def test_h07_commands_work_where_there_is_no_network(image: Path, tmp_path: Path) -> None:
    done = started(sys.executable, OFFLINE, *COMMAND, "--version")
    skip_where_not_allowed(done)
    assert (done.returncode, done.stdout.split()[0]) == (0, "radresp"), done.stderr
    out = tmp_path / "out"
    words = ("register", image, image, "-o", out, "--method", "rigid_mi", "--json")
    done = started(sys.executable, OFFLINE, *COMMAND, *words)
    assert done.returncode == 0, done.stderr
    assert (out / "run.json").is_file()


def test_h07_there_is_loopback_and_nothing_else(tmp_path: Path) -> None:
    """What the script is worth: own servers answer, and every address outside is unreachable."""
    script = tmp_path / "look.py"
    script.write_text(
        "import socket\n"
        "server = socket.create_server(('127.0.0.1', 0))\n"
        "socket.create_connection(server.getsockname(), 5).close()\n"
        "for address in ('192.0.2.1', '198.51.100.1', '10.0.0.1'):\n"
        "    try:\n        socket.create_connection((address, 53), 5)\n"
        "    except OSError as error:\n        print(error.strerror)\n"
        "print(len(socket.if_nameindex()))\n"
    )
    done = started(sys.executable, OFFLINE, sys.executable, script)
    skip_where_not_allowed(done)
    assert done.stdout.split("\n")[:-1] == [*["Network is unreachable"] * 3, "1"], done.stderr


def test_the_exit_code_is_that_of_the_command() -> None:
    done = started(sys.executable, OFFLINE, "sh", "-c", "exit 5")
    skip_where_not_allowed(done)
    assert done.returncode == 5


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder a stranger can get to, on a machine where root can become one."""
    if os.geteuid() != 0 or started("unshare", "--mount", "--net", "setpriv", "-d").returncode:
        pytest.skip("only root, with namespaces, can become somebody else")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def read_only(out: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    done = started(sys.executable, READ_ONLY, "--out", out, "--", *words)
    if "anybody may write" in done.stderr:
        pytest.skip("files of the installation may be written by anybody")
    return done


@pytest.mark.slow
def test_a_stranger_with_a_read_only_home_can_work_and_leaves_nothing(open_folder: Path) -> None:
    save_nifti(open_folder / "t2.nii", picture(1), GRID)
    out, image = open_folder / "out", open_folder / "t2.nii"
    words = ("register", image, image, "-o", out / "made", "--method", "rigid_mi")
    done = read_only(out, *COMMAND, *words)
    assert done.returncode == 0, done.stderr
    assert "0 files outside" in done.stdout
    assert "matplotlib" not in done.stderr
    assert (out / "made/run.json").stat().st_uid != 0
    assert list((out / "tmp").iterdir()) == []


@pytest.mark.slow
def test_what_a_stranger_leaves_is_found(open_folder: Path) -> None:
    """A check that cannot fail is worth nothing."""
    left = Path(f"/dev/shm/radresp-test-{os.getpid()}")  # noqa: S108
    try:
        done = read_only(open_folder / "out", "touch", left)
    finally:
        left.unlink(missing_ok=True)
    assert (done.returncode, f"left behind: {left}" in done.stdout) == (1, True), done.stderr


# -------------------------------------------------------------------------------- caches

SHOW = "import os; from radresp.cli import caches; caches.place_caches(); "
PRINT = "print(os.environ.get('MPLCONFIGDIR', ''), os.environ['ORT_DISABLE_TELEMETRY'])"


def test_caches_go_to_a_folder_that_goes_with_the_process(tmp_path: Path) -> None:
    told = {"TMPDIR": str(tmp_path), "HOME": "/nonexistent"}
    draw = "import matplotlib.font_manager; "
    done = started(sys.executable, "-c", f"{SHOW}{draw}{PRINT}", **told)
    folder, off = done.stdout.split()
    assert Path(folder).is_relative_to(tmp_path)
    assert (off, done.stderr) == ("1", "")
    assert list(tmp_path.iterdir()) == []


def test_what_the_user_set_stays(tmp_path: Path) -> None:
    chosen = {name: str(tmp_path / name) for name in caches.CACHES}
    done = started(
        sys.executable, "-c", SHOW + PRINT, HOME="/nonexistent", ORT_DISABLE_TELEMETRY="0", **chosen
    )
    assert done.stdout.split() == [chosen["MPLCONFIGDIR"], "0"]


def test_a_home_that_can_be_written_is_used(tmp_path: Path) -> None:
    done = started(sys.executable, "-c", SHOW + PRINT, HOME=str(tmp_path))
    assert done.stdout.split() == ["1"]


def test_no_temporary_folder_is_no_reason_to_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: str) -> str:
        raise FileNotFoundError

    monkeypatch.setenv("HOME", "/nonexistent")
    monkeypatch.setattr(caches.tempfile, "mkdtemp", full)
    for name in caches.CACHES:
        monkeypatch.delenv(name, raising=False)
    caches.place_caches()
    assert not set(caches.CACHES) & set(os.environ)


@pytest.fixture
def onnx_export() -> Any:
    for name in ("torch", "onnx", "onnxruntime"):
        pytest.importorskip(name)
    return importlib.import_module("radresp.cnn.onnx_export")


def test_onnx_runtime_is_told_to_report_to_nobody(
    onnx_export: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(caches.TELEMETRY, raising=False)
    with pytest.raises(ModelError):
        onnx_export.load_onnx(b"")
    assert os.environ.pop(caches.TELEMETRY) == "1"


@pytest.mark.slow
@pytest.mark.usefixtures("onnx_export")
def test_onnx_runtime_keeps_no_identifier(tmp_path: Path) -> None:
    """As it does from 1.29 on when it is not told, and no ``CI`` is set, as here."""
    load = "from radresp.cnn.onnx_export import load_onnx\ntry:\n    load_onnx(b'')\n"
    caught = "except Exception as error:\n    print(type(error).__name__)\n"
    done = started(sys.executable, "-c", load + caught, HOME=str(tmp_path))
    assert (done.returncode, done.stdout) == (0, "ModelError\n"), done.stderr
    assert [path for path in tmp_path.rglob("*") if "onnx" in path.name.lower()] == []
