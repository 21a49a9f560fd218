"""The status log: every line whole, whatever happened while it was written."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from radresp.errors import OutputError
from radresp.io import status
from radresp.io.status import StatusLog


def test_records_come_back_in_order(tmp_path: Path) -> None:
    log = StatusLog(tmp_path / "out" / "status.jsonl")
    assert log.read() == ()
    records = [{"case": "a", "text": "ä\nb"}, {"case": "b", "notes": [1, None]}]
    for record in records:
        log.append(record)
    assert list(log.read()) == records
    assert log.path.read_bytes().count(b"\n") == 2


@pytest.mark.parametrize("cut", range(1, 20))
def test_a_half_written_last_line_is_ignored_then_repaired(tmp_path: Path, cut: int) -> None:
    log = StatusLog(tmp_path / "status.jsonl")
    log.append({"case": "a"})
    whole = log.path.read_bytes()
    log.append({"case": "b", "n": 1})
    log.path.write_bytes(log.path.read_bytes()[:-cut])
    kept = ({"case": "a"},) if cut > 0 else ()
    assert log.read() == kept
    log.append({"case": "c"})
    assert log.read() == (*kept, {"case": "c"})
    assert log.path.read_bytes() == whole + b'{"case": "c"}\n'


def test_a_log_that_is_only_half_a_line_starts_anew(tmp_path: Path) -> None:
    log = StatusLog(tmp_path / "status.jsonl")
    log.path.write_bytes(b"x" * 200_000)
    log.append({"case": "a"})
    assert log.read() == ({"case": "a"},)


def test_many_processes_append_without_losing_or_mixing_lines(tmp_path: Path) -> None:
    log = StatusLog(tmp_path / "status.jsonl")
    pids = []
    for worker in range(4):
        pid = os.fork()
        if pid == 0:
            for number in range(25):
                log.append({"case": f"{worker}-{number}", "pad": "x" * 3000})
            os._exit(0)
        pids.append(pid)
    for pid in pids:
        os.waitpid(pid, 0)
    cases = [record["case"] for record in log.read()]
    assert sorted(cases) == sorted(f"{w}-{n}" for w in range(4) for n in range(25))


def test_a_write_cut_short_by_a_full_disk_leaves_the_log_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = StatusLog(tmp_path / "status.jsonl")
    log.append({"case": "a"})
    before = log.path.read_bytes()
    real = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: real(handle, data[:5]))
    with pytest.raises(OutputError) as caught:
        log.append({"case": "b"})
    assert caught.value.code == "DISK_FULL"
    assert log.path.read_bytes() == before

    def broken(handle: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "write", real)
    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OutputError) as caught:
        log.append({"case": "b"})
    assert caught.value.code == "WRITE_FAILED"
    assert log.path.read_bytes() == before


def test_nothing_is_appended_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("precious\n")
    (tmp_path / "status.jsonl").symlink_to(tmp_path / "real")
    with pytest.raises(OutputError) as caught:
        StatusLog(tmp_path / "status.jsonl").append({"case": "a"})
    assert caught.value.code == "OUT_SYMLINK"
    assert (tmp_path / "real").read_text() == "precious\n"


@pytest.mark.parametrize("line", [b"not json\n", b"[1, 2]\n", b"\xff\n"])
def test_a_file_that_is_not_a_log_is_refused_by_line(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "status.jsonl"
    path.write_bytes(b'{"case": "a"}\n' + line)
    with pytest.raises(OutputError, match="line 2") as caught:
        status.read(path)
    assert caught.value.code == "OUTPUT_EXISTS"
