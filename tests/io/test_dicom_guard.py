"""The reader process: crashes, hangs and hunger of a file stay there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import builders_dicom as make
import builders_enhanced as enhanced
import numpy as np
import pytest

from radresp import io
from radresp.core import Grid, Note, NoteKind
from radresp.errors import GeometryError, InputError, RadrespError
from radresp.io import dicom_child, dicom_describe, dicom_facts, dicom_series, dicom_wire
from radresp.io.dicom_guard import Limits, Reader, describe_folder, read_series, read_visit_facts
from radresp.io.dicom_nouns import VisitFacts


@pytest.fixture
def reader():
    made = Reader(Limits(memory_bytes=2**30, seconds=1))
    yield made
    made.close()


@pytest.fixture
def folder(tmp_path):
    return make.write_series(tmp_path / "t2", make.make_series())


def series_of(reader: Reader, folder: Path):
    return reader.ask("series", folder, dicom_wire.receive_series)


@pytest.mark.parametrize("kind", ["t2", "dwi", "adc"])
def test_what_comes_back_is_what_was_read(tmp_path, kind):
    folder = make.write_series(tmp_path / kind, make.make_series(kind))
    there, here = read_series(folder), dicom_series.read_series(folder)
    assert (there.kind, there.description) == (here.kind, here.description)
    assert (dict(there.attributes), there.notes) == (dict(here.attributes), here.notes)
    for mine, theirs in zip(there.volumes, here.volumes, strict=True):
        assert np.array_equal(mine.array, theirs.array)
        assert (mine.grid, mine.b_s_per_mm2, mine.notes, mine.image_count) == (
            theirs.grid,
            theirs.b_s_per_mm2,
            theirs.notes,
            theirs.image_count,
        )


def test_summaries_and_facts_come_back_as_they_are(tmp_path):
    make.write_series(tmp_path / "dwi", make.make_series("dwi"))
    make.FAULTS["gap"].write(tmp_path / "gap")
    there, here = describe_folder(tmp_path), dicom_describe.describe_folder(tmp_path)
    assert [s.record() for s in there] == [s.record() for s in here]
    mine, theirs = (
        read_visit_facts(tmp_path / "dwi"),
        dicom_facts.read_visit_facts(tmp_path / "dwi"),
    )
    assert (mine.acquired, mine.study_date, mine.body_part) == (
        theirs.acquired,
        theirs.study_date,
        theirs.body_part,
    )


@pytest.mark.parametrize("name", ["gap", "shear", "long element", "nested sequences"])
def test_refusals_come_back_with_their_type_and_words(tmp_path, name):
    folder = make.FAULTS[name].write(tmp_path / "series")
    errors = []
    for read in (read_series, dicom_series.read_series):
        with pytest.raises(InputError) as caught:
            read(folder)
        errors.append(caught.value)
    assert type(errors[0]) is type(errors[1])
    assert errors[0].record() == errors[1].record()


def test_patients_compare_across_readers_that_were_replaced(reader, folder):
    def facts():
        return reader.ask("facts", folder, lambda _, told: dicom_wire.FACTS.validate_json(told))

    first = facts()
    os.kill(reader._child.process.pid, signal.SIGKILL)
    reader._child.process.wait()
    assert facts().patient == first.patient is not None


def test_other_files_need_no_reader(tmp_path, monkeypatch):
    monkeypatch.setattr("radresp.io.dicom_guard._reader", None)
    path = tmp_path / "image.nii"
    path.write_bytes(b"\0" * 400)
    assert read_visit_facts(path) == VisitFacts()


def _crashing(reader: Reader, folder: Path, what: str):
    """Ask for a folder whose reading makes the reader end itself this way."""
    reader.close()
    command = dicom_child.COMMAND.replace(
        "main()\n",
        "import radresp.io.dicom_worker as worker\nfrom pathlib import Path\n"
        f"def break_down(replies, path, watch, _):\n    watch(path / 'im002.dcm')\n    {what}\n"
        "worker._ANSWERS['series'] = break_down\nmain()\n",
    )
    dicom_child.COMMAND, kept = command, dicom_child.COMMAND
    try:
        return series_of(reader, folder)
    finally:
        dicom_child.COMMAND = kept


@pytest.mark.parametrize(
    ("what", "code", "words"),
    [
        ("import os; os.kill(os.getpid(), 11)", "READER_CRASH", "signal 11"),
        ("import os; os._exit(3)", "READER_CRASH", "status 3"),
        ("while True: pass", "READER_TIMEOUT", "longer than 1 s"),
        ("import time; time.sleep(60)", "READER_TIMEOUT", "longer than 1 s"),
        ("import signal, time; signal.alarm(0); time.sleep(60)", "READER_TIMEOUT", "1 s"),
        ("pass", "READER_TIMEOUT", "1 s"),
        ("bytearray(2**31)", "READER_MEMORY", "more memory"),
        ("replies.write(b'nonsense' * 99); replies.flush()", "READER_CRASH", "EOFError"),
        ("import radresp.io.dicom_wire as w; w.send(replies, w.RESULT, b'{}')", "READER_CRASH", ""),
    ],
)
def test_the_end_of_a_reader_names_the_file_and_costs_one_case(reader, folder, what, code, words):
    with pytest.raises(InputError) as caught:
        _crashing(reader, folder, what)
    assert caught.value.code == code
    assert words in str(caught.value)
    assert caught.value.exit_code == 3
    if code != "READER_MEMORY":
        assert Path(caught.value.file).name == "im002.dcm"


def test_the_next_case_gets_a_new_reader(reader, folder):
    with pytest.raises(InputError):
        _crashing(reader, folder, "import os; os.kill(os.getpid(), 11)")
    assert series_of(reader, folder).volumes[0].grid.size[2] == make.SLICES


def test_a_fault_of_radresp_tells_its_place_and_no_text(reader, folder):
    with pytest.raises(RadrespError) as caught:
        _crashing(reader, folder, f"raise KeyError('{make.CANARY}')")
    assert (caught.value.code, caught.value.exit_code) == ("READER_FAULT", 70)
    assert "KeyError at" in str(caught.value)
    assert make.CANARY not in str(caught.value.record())


def test_a_reader_that_cannot_start_is_a_fault_of_the_installation(reader, folder, monkeypatch):
    monkeypatch.setattr("radresp.io.dicom_child.COMMAND", "import nothing_of_the_kind")
    with pytest.raises(RadrespError) as caught:
        series_of(reader, folder)
    assert (caught.value.code, caught.value.exit_code) == ("READER_START", 70)


def test_an_answer_of_another_size_is_not_believed():
    grid = Grid((4, 4, 4), (1, 1, 1))
    for letter, length in ((b"A", 64), (b"R", 256), (b"A", 2**40)):
        read, write = os.pipe()
        with os.fdopen(read, "rb") as stream, os.fdopen(write, "wb") as other:
            other.write(dicom_wire._HEAD.pack(letter, length))
            other.close()
            with pytest.raises(EOFError):
                dicom_wire.receive_array(stream, grid)
    with pytest.raises(EOFError):
        dicom_wire.receive_array(None, Grid((4096, 4096, 4096), (1, 1, 1)))


def test_errors_and_notes_survive_the_wire():
    error = GeometryError("DCM_GAP", "a gap", expected="none", action="mend", file="a/b.dcm")
    back = dicom_wire.refusal_of(dicom_wire.refusal_json(error))
    assert (type(back), back.record()) == (GeometryError, error.record())
    note = Note(NoteKind.FIX, "X", "found")
    assert json.loads(dicom_wire.json_bytes({"a": (note,)}))["a"][0]["kind"] == "fix"


def test_the_reader_can_write_no_file(reader, folder, tmp_path):
    target = tmp_path / "written"
    with pytest.raises(RadrespError):
        _crashing(reader, folder, f"Path({str(target)!r}).write_bytes(b'x' * 10)")
    assert not target.exists() or target.stat().st_size == 0


def test_threads_share_one_reader(folder):
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(read_series(folder).volumes[0].array.sum()))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(float, found))) == 1
    assert len(found) == 6


def test_a_fork_gets_a_reader_of_its_own(folder):
    expected = float(read_series(folder).volumes[0].array.sum())
    child = os.fork()
    if child == 0:
        try:
            good = float(io.load_images(folder)[0].image.GetPixel(0, 0, 0)) >= 0
            os._exit(0 if good else 1)
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    assert float(read_series(folder).volumes[0].array.sum()) == expected


def test_the_reader_goes_with_its_parent(folder):
    script = (
        "import sys, pathlib, radresp.io.dicom_guard as g\n"
        f"g.read_series(pathlib.Path({str(folder)!r}))\n"
        "print(g._reader._child.process.pid, flush=True)\n"
        "import os; os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    reader = int(done.stdout)
    for _ in range(50):
        if not Path(f"/proc/{reader}").exists():
            return
        time.sleep(0.1)
    pytest.fail("the reader outlived its parent")


def test_a_script_without_a_main_guard_can_read(folder, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import pathlib, radresp.io as io\n"
        f"print(len(io.load_images(pathlib.Path({str(folder)!r}))))\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, check=False)
    assert (done.stdout.strip(), done.returncode) == (b"1", 0)


@pytest.mark.parametrize("make_it", [enhanced.t2, enhanced.dwi])
def test_multi_frame_files_come_through_the_reader(tmp_path, make_it):
    folder = enhanced.write(tmp_path / "e", make_it())
    assert np.array_equal(
        read_series(folder).volumes[-1].array, dicom_series.read_series(folder).volumes[-1].array
    )
