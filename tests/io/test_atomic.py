"""The one writer: whole files or none, one run at a time, nothing left behind."""

from __future__ import annotations

import copy
import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from radresp.errors import OutputError
from radresp.io import atomic

HERE = atomic._HOST
OLD, NEW = b"old" * 50_000, b"new!" * 50_000


def forked(work: Callable[[], None]) -> int:
    """Run work in a forked child that never returns; gives its process id."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    return pid


def dead_pid() -> int:
    pid = forked(lambda: None)
    os.waitpid(pid, 0)
    return pid


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_whole_into_folders_that_need_making(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b" / "file.bin"
    atomic.write_bytes(target, NEW)
    assert target.read_bytes() == NEW
    assert visible(target.parent) == ["file.bin"]


def test_json_keeps_order_and_text_and_ends_in_a_newline(tmp_path: Path) -> None:
    atomic.write_json(tmp_path / "x.json", {"b": "Größe µm²/s", "a": [1, None, 0.1]})
    text = (tmp_path / "x.json").read_text(encoding="utf-8")
    assert text == '{\n  "b": "Größe µm²/s",\n  "a": [\n    1,\n    null,\n    0.1\n  ]\n}\n'


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_json_refuses_numbers_it_cannot_hold_and_writes_nothing(
    tmp_path: Path, number: float
) -> None:
    with pytest.raises(ValueError, match="JSON"):
        atomic.write_json(tmp_path / "x.json", {"a": number})
    assert visible(tmp_path) == []


def test_a_file_name_that_is_not_utf8_survives_json(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.nii")
    atomic.write_json(tmp_path / "x.json", {"file": name})
    assert json.loads((tmp_path / "x.json").read_bytes())["file"] == name


def test_replacing_keeps_the_suffix_and_removes_its_file_after_a_failure(tmp_path: Path) -> None:
    target = tmp_path / "volume.nii.gz"
    target.write_bytes(OLD)
    seen: list[Path] = []

    def write_and_fail() -> None:
        with atomic.replacing(target) as temp:
            seen.append(temp)
            temp.write_bytes(b"half")
            raise RuntimeError("library failed")

    with pytest.raises(RuntimeError, match="library failed"):
        write_and_fail()
    assert seen[0].name == f".volume.nii.gz.{HERE}-{os.getpid()}.tmp.nii.gz"
    assert visible(tmp_path) == ["volume.nii.gz"]
    assert target.read_bytes() == OLD


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "DISK_FULL"),
        (errno.EDQUOT, "DISK_FULL"),
        (errno.EIO, "WRITE_FAILED"),
        (errno.EROFS, "OUTPUT_READONLY"),
    ],
)
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_an_error_of_the_device_is_named_and_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: str, call: str
) -> None:
    target = tmp_path / "result.json"
    target.write_bytes(OLD)

    def broken(*args: object) -> None:
        raise OSError(number, os.strerror(number))

    if call == "fsync":
        monkeypatch.setattr(os, "fsync", broken)
    else:
        monkeypatch.setattr(Path, "replace", broken)
    with pytest.raises(OutputError) as caught:
        atomic.write_bytes(target, NEW)
    assert caught.value.code == code
    assert caught.value.file == str(target)
    assert str(len(NEW)) in caught.value.found
    assert int(caught.value.exit_code) == 6
    monkeypatch.undo()
    assert visible(tmp_path) == ["result.json"]
    assert target.read_bytes() == OLD


def in_file_system(options: str, folder: Path, program: str) -> str:
    """Run a program on a real small file system, mounted in a name space of its own."""
    mount = f"mount -t tmpfs -o {options} tmpfs {folder} && exec {sys.executable} -c"
    command = ["unshare", "-rm", "sh", "-c", f'{mount} "$0" "$1"', program, str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no file system can be mounted here: {error}")
    return done.stdout


def test_a_full_disk_refuses_the_file_and_keeps_the_earlier_one(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from radresp.errors import OutputError\n"
        "from radresp.io import atomic\n"
        "f = Path(sys.argv[1]); atomic.write_bytes(f / 'one', b'1' * 20_000)\n"
        "try: atomic.write_bytes(f / 'two', b'2' * 90_000)\n"
        "except OutputError as error: print(error.code, error.found)\n"
        "print(sorted(p.name for p in f.iterdir()), len((f / 'one').read_bytes()))\n"
    )
    shown = in_file_system("size=64k", tmp_path, program)
    assert "DISK_FULL two (90000 bytes) cannot be written" in shown
    assert "['one'] 20000" in shown


def test_a_read_only_output_is_refused_before_any_work(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from radresp.errors import OutputError\n"
        "from radresp.io import atomic\n"
        "for name in ('', 'new'):\n"
        "    try: atomic.check_writable(Path(sys.argv[1]) / name)\n"
        "    except OutputError as error: print(error.code, int(error.exit_code))\n"
    )
    shown = in_file_system("ro", tmp_path, program)
    assert shown == "OUTPUT_READONLY 6\nOUTPUT_READONLY 6\n"


def test_the_content_reaches_the_device_before_the_name_and_the_name_before_the_return(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    sync, rename = os.fsync, Path.replace

    def watched_sync(handle: int) -> None:
        steps.append(f"sync {Path(f'/proc/self/fd/{handle}').readlink().name}")
        sync(handle)

    def watched_rename(temp: Path, target: Path) -> Path:
        steps.append("rename")
        return rename(temp, target)

    monkeypatch.setattr(os, "fsync", watched_sync)
    monkeypatch.setattr(Path, "replace", watched_rename)
    atomic.write_bytes(tmp_path / "x", NEW)
    assert steps == [f"sync .x.{HERE}-{os.getpid()}.tmp", "rename", f"sync {tmp_path.name}"]


@pytest.mark.parametrize("step", range(1, 9))
def test_a_kill_before_any_step_leaves_the_old_or_the_new_file(tmp_path: Path, step: int) -> None:
    target = tmp_path / "result.bin"
    target.write_bytes(OLD)

    def killed_at_step() -> None:
        calls = iter(range(1, 100))

        def guarded(call: Callable[..., object]) -> Callable[..., object]:
            def wrapper(*args: object, **options: object) -> object:
                if next(calls) == step:
                    os.kill(os.getpid(), signal.SIGKILL)
                return call(*args, **options)

            return wrapper

        for module, name in ((os, "open"), (os, "fsync"), (Path, "replace"), (Path, "write_bytes")):
            setattr(module, name, guarded(getattr(module, name)))
        atomic.write_bytes(target, NEW)

    os.waitpid(forked(killed_at_step), 0)
    assert target.read_bytes() in (OLD, NEW)
    atomic.sweep(tmp_path)
    assert visible(tmp_path) == ["result.bin"]


def test_fifty_random_kills_never_leave_half_a_file(tmp_path: Path) -> None:
    target = tmp_path / "result.bin"
    target.write_bytes(OLD)
    delays = np.random.default_rng(7).uniform(0.001, 0.012, 50)

    def write_for_ever() -> None:
        while True:
            atomic.write_bytes(target, OLD)
            atomic.write_bytes(target, NEW)

    for delay in delays:
        pid = forked(write_for_ever)
        time.sleep(delay)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        assert target.read_bytes() in (OLD, NEW)
    atomic.sweep(tmp_path)
    assert visible(tmp_path) == ["result.bin"]


@pytest.mark.parametrize("where", ["file", "folder"])
def test_nothing_is_written_through_a_link(tmp_path: Path, where: str) -> None:
    real = tmp_path / "real"
    real.mkdir()
    (real / "input.nii").write_bytes(OLD)
    if where == "file":
        (tmp_path / "out.nii").symlink_to(real / "input.nii")
        target = tmp_path / "out.nii"
    else:
        (tmp_path / "link").symlink_to(real)
        target = tmp_path / "link" / "input.nii"
    with pytest.raises(OutputError) as caught:
        atomic.write_bytes(target, NEW)
    assert caught.value.code == "OUT_SYMLINK"
    assert (real / "input.nii").read_bytes() == OLD


def test_a_folder_in_the_way_and_a_name_too_long_are_named(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(OutputError) as caught:
        atomic.write_bytes(tmp_path / "there", NEW)
    assert caught.value.code == "OUTPUT_EXISTS"
    with pytest.raises(OutputError) as caught:
        atomic.write_bytes(tmp_path / ("x" * 255), NEW)
    assert caught.value.code == "PATH_TOO_LONG"


def test_check_writable_makes_the_folder_and_leaves_no_trace(tmp_path: Path) -> None:
    atomic.check_writable(tmp_path / "new" / "deep")
    assert visible(tmp_path / "new" / "deep") == []


def test_check_writable_refuses_a_link_and_a_file(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "file").write_text("x")
    for name, code in (("link", "OUT_SYMLINK"), ("file", "OUTPUT_EXISTS")):
        with pytest.raises(OutputError) as caught:
            atomic.check_writable(tmp_path / name)
        assert caught.value.code == code


def test_sweep_clears_leftovers_of_dead_processes_only(tmp_path: Path) -> None:
    dead = dead_pid()
    (tmp_path / "case").mkdir()
    (tmp_path / "case" / f".a.json.{HERE}-{dead}.tmp.json").write_text("half")
    (tmp_path / f".model.{HERE}-{dead}.tmp").mkdir()
    (tmp_path / f".model.{HERE}-{dead}.tmp" / "member").write_text("half")
    (tmp_path / f".b.json.{HERE}-{os.getpid()}.tmp.json").write_text("being written")
    (tmp_path / ".hidden.tmp").write_text("the user's own")
    cleared = atomic.sweep(tmp_path)
    assert f"case/.a.json.{HERE}-{dead}.tmp.json" in cleared
    assert visible(tmp_path) == [f".b.json.{HERE}-{os.getpid()}.tmp.json", ".hidden.tmp", "case"]
    assert visible(tmp_path / "case") == []


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "old").write_text("old")
    with atomic.replacing_folder(folder) as aside:
        atomic.write_text(aside / "sub" / "new", "new")
        assert visible(folder) == ["old"]
    assert visible(folder) == ["sub"]
    assert visible(tmp_path) == ["model"]


def test_a_folder_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "old").write_text("old")

    def fill_and_fail() -> None:
        with atomic.replacing_folder(folder) as aside:
            atomic.write_text(aside / "new", "new")
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    with pytest.raises(OutputError) as caught:
        fill_and_fail()
    assert caught.value.code == "WRITE_FAILED"
    assert visible(folder) == ["old"]
    assert visible(tmp_path) == ["model"]


@pytest.mark.parametrize("rename", [1, 2])
def test_a_kill_between_the_renames_of_a_folder_loses_neither(tmp_path: Path, rename: int) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "old").write_text("old")

    def killed() -> None:
        calls = iter(range(1, 10))
        real = Path.rename

        def guarded(self: Path, target: Path) -> Path:
            if next(calls) == rename:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(self, target)

        Path.rename = guarded  # type: ignore[method-assign]
        with atomic.replacing_folder(folder) as aside:
            atomic.write_text(aside / "new", "new")

    os.waitpid(forked(killed), 0)
    atomic.sweep(tmp_path)
    assert visible(tmp_path) == ["model"]
    assert visible(folder) == ["old"]


def test_a_locked_folder_is_refused_with_its_holder_and_free_afterwards(tmp_path: Path) -> None:
    with atomic.lock(tmp_path), pytest.raises(OutputError) as caught, atomic.lock(tmp_path):
        pass
    assert caught.value.code == "LOCKED"
    assert f"process {os.getpid()} on " in caught.value.found
    assert " since 20" in caught.value.found
    with atomic.lock(tmp_path):
        pass
    assert (tmp_path / atomic.LOCK_NAME).read_bytes() == b""


def test_a_killed_holder_frees_the_folder_although_its_worker_lives(tmp_path: Path) -> None:
    ready, tell = os.pipe()

    def hold_with_worker() -> None:
        with atomic.lock(tmp_path):
            worker = forked(lambda: time.sleep(30))
            os.write(tell, str(worker).encode())
            time.sleep(30)

    holder = forked(hold_with_worker)
    worker = int(os.read(ready, 20))
    with pytest.raises(OutputError, match=f"process {holder} "), atomic.lock(tmp_path):
        pass
    os.kill(holder, signal.SIGKILL)
    os.waitpid(holder, 0)
    try:
        with atomic.lock(tmp_path):
            pass
    finally:
        os.kill(worker, signal.SIGKILL)


def test_of_ten_simultaneous_starts_exactly_one_works(tmp_path: Path) -> None:
    def start() -> None:
        try:
            with atomic.lock(tmp_path):
                (tmp_path / f"worked-{os.getpid()}").touch()
                # On a busy machine the last one may start long after the first.
                end = time.monotonic() + 30
                while len(list(tmp_path.glob("refused-*"))) < 9 and time.monotonic() < end:
                    time.sleep(0.02)
        except OutputError:
            (tmp_path / f"refused-{os.getpid()}").touch()

    for pid in [forked(start) for _ in range(10)]:
        os.waitpid(pid, 0)
    assert len(list(tmp_path.glob("worked-*"))) == 1
    assert len(list(tmp_path.glob("refused-*"))) == 9


def test_output_errors_survive_the_journey_between_processes(tmp_path: Path) -> None:
    with pytest.raises(OutputError) as caught:
        atomic.check_writable(Path("/dev/null/x"))
    again = copy.deepcopy(caught.value)  # the way errors travel between processes
    assert (again.code, again.file, str(again)) == (
        caught.value.code,
        caught.value.file,
        str(caught.value),
    )
