"""The engine: what a case may do to its worker, it does to nobody else; the same on a cluster."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from batch_tasks import STAGE, TRIAL
from distributed import Future, LocalCluster
from distributed.nanny import WorkerProcess
from distributed.scheduler import KilledWorker
from distributed.system_monitor import SystemMonitor

from radresp import io
from radresp.core import CaseFiles
from radresp.errors import OutputError, PlanError, ResourceError
from radresp.pipeline.batch import Batch, claimed, parse_part, work_through
from radresp.pipeline.engine import Engine
from radresp.pipeline.plan import parse_plan
from radresp.pipeline.records import record_path
from radresp.pipeline.results import CohortResult

TWO = Engine(processes=2, time_limit_s=4.0, memory_limit_gb=0.8)


def cases(*names: str) -> list[CaseFiles]:
    return [CaseFiles(name, name, Path("/nowhere"), {}) for name in names]


def go_through(names: tuple[str, ...], folder: Path, batch: Batch) -> CohortResult:
    plan, all_cases = parse_plan(), cases(*names)
    with claimed(TRIAL, all_cases, plan, folder, batch):
        return work_through(TRIAL, all_cases, plan, folder, batch)


def codes(result: CohortResult) -> dict[str, str | None]:
    return {r.case_id: r.refusal.code if r.refusal else None for r in result.results}


def events(folder: Path, kind: str) -> list[dict[str, Any]]:
    return [e for e in io.StatusLog(folder / "events.jsonl").read() if e["event"] == kind]


def test_o13_o14_whatever_a_case_does_costs_itself_alone(tmp_path: Path) -> None:
    expected = {
        "crash": "WORKER_CRASH",
        "fine_1": None,
        "fine_2": None,
        "hang": "TIMEOUT",
        "once": None,
        "refuse": "MASK_EMPTY",
        "starve": "MEMORY",
        "stumble": "BUG",
        "swell": "MEMORY",
    }
    result = go_through(tuple(expected), tmp_path, Batch(TWO))
    assert codes(result) == expected
    assert result.exit_code == 4
    told = {line["case"]: line["code"] for line in io.StatusLog(tmp_path / "status.jsonl").read()}
    assert told == {name: code or "OK" for name, code in expected.items()}
    lost = {event["case"]: event["code"] for event in events(tmp_path, "worker_lost")}
    assert lost == {"crash": "WORKER_CRASH", "once": "WORKER_CRASH", "swell": "MEMORY"}
    assert all("patient" not in line for line in (tmp_path / "status.jsonl").read_text().split())
    there = {path.stem for path in (tmp_path / "cases" / STAGE).iterdir()}
    assert there == {name for name, code in expected.items() if code is None}
    assert not [child for child in psutil.Process().children(recursive=True) if is_worker(child)]


def test_a_refused_case_is_tried_again_and_a_finished_one_is_not(tmp_path: Path) -> None:
    names = ("fine_1", "refuse")
    go_through(names, tmp_path, Batch())
    before = record_path(STAGE, "fine_1", tmp_path).stat().st_mtime_ns
    second = go_through(names, tmp_path, Batch(TWO))
    assert [(r.case_id, r.kept, r.refusal is None) for r in second.results] == [
        ("fine_1", True, True),
        ("refuse", False, False),
    ]
    assert record_path(STAGE, "fine_1", tmp_path).stat().st_mtime_ns == before
    lines = io.StatusLog(tmp_path / "status.jsonl").read()
    assert [line["case"] for line in lines] == ["fine_1", "refuse", "refuse"]


def test_o07_o09_a_damaged_or_older_record_is_redone_and_said(tmp_path: Path) -> None:
    names = ("fine_1", "fine_2", "fine_3", "fine_4")
    go_through(names, tmp_path, Batch())
    paths = [record_path(STAGE, name, tmp_path) for name in names]
    before = [path.read_bytes() for path in paths]
    paths[0].write_bytes(before[0][:40])
    paths[1].write_bytes(before[1].replace(b'"name": "fine_2"', b'"name": "fine_9"'))
    paths[2].write_bytes(before[2].replace(b'"schema": 2', b'"schema": 1'))
    result = go_through(names, tmp_path, Batch())
    assert [r.redone for r in result.results] == [
        "the record is damaged",
        "the record is damaged",
        "changed since: schema",
        "",
    ]
    assert [path.read_bytes() for path in paths] == before
    redone = {
        line["case"]: line["redone"]
        for line in io.StatusLog(tmp_path / "status.jsonl").read()
        if "redone" in line
    }
    assert redone == {r.case_id: r.redone for r in result.results if r.redone}


def test_o06_another_plan_is_refused_or_redone_alone(tmp_path: Path) -> None:
    go_through(("fine_1",), tmp_path, Batch())
    other = parse_plan({"seed": 5})
    with (
        pytest.raises(OutputError, match="differing: seed") as caught,
        claimed(TRIAL, cases("fine_1"), other, tmp_path, Batch()),
    ):
        pass
    assert caught.value.code == "CONFIG_CHANGED"
    with claimed(TRIAL, cases("fine_1"), other, tmp_path, Batch(update=True)):
        result = work_through(TRIAL, cases("fine_1"), other, tmp_path)
    assert result.results[0].redone == "changed since: plan_sha256"


def test_parts_make_up_the_whole_and_run_beside_each_other(tmp_path: Path) -> None:
    names = tuple(f"fine_{i}" for i in range(7))
    plan, everyone = parse_plan(), cases(*names)
    one, two = Batch(part=(1, 2)), Batch(part=(2, 2))
    with claimed(TRIAL, everyone, plan, tmp_path, one):
        with claimed(TRIAL, everyone, plan, tmp_path, two):
            second = work_through(TRIAL, everyone, plan, tmp_path, two)
        with (
            pytest.raises(OutputError, match="another run") as caught,
            claimed(TRIAL, everyone, plan, tmp_path, Batch()),
        ):
            pass
        assert caught.value.code == "LOCKED"
        first = work_through(TRIAL, everyone, plan, tmp_path, one)
    done = [r.case_id for result in (first, second) for r in result.results]
    assert sorted(done) == sorted(names)
    whole = go_through(names, tmp_path, Batch())
    assert all(result.kept for result in whole.results)


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "a/b", "1/0", "-1/3", "1/3/5", ""])
def test_a_part_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(PlanError) as caught:
        parse_part(text)
    assert caught.value.code == "USAGE"


def test_a_cluster_gives_the_same_and_outlives_a_killed_worker(tmp_path: Path) -> None:
    names = (*(f"slow_{i}" for i in range(6)), "crash", "hang")
    go_through(names[:6], tmp_path / "here", Batch())
    with running_cluster() as (address, workers):
        killer = threading.Timer(1.0, lambda: os.kill(workers()[0], signal.SIGKILL))
        killer.start()
        engine = Engine(scheduler=address, time_limit_s=4.0)
        result = go_through(names, tmp_path / "there", Batch(engine))
        killer.join()
    lost = {"crash": "WORKER_CRASH", "hang": "TIMEOUT"}
    assert codes(result) == {name: lost.get(name) for name in names}
    for name in names[:6]:
        here, there = (record_path(STAGE, name, tmp_path / f) for f in ("here", "there"))
        assert here.read_bytes() == there.read_bytes()


@pytest.mark.parametrize("error", [KilledWorker("slow_0", None, 0), TimeoutError()], ids=repr)
def test_a_result_that_dies_with_its_worker_is_made_again(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A result stays with its worker until it is fetched; so may the one made in its place."""
    names, fetch, failed = tuple(f"fine_{i}" for i in range(6)), Future.result, []

    def fail_once(future: Any, *args: Any, **more: Any) -> Any:
        if not failed:
            failed.append(future.status)
            raise error
        return fetch(future, *args, **more)

    monkeypatch.setattr(Future, "result", fail_once)
    result = go_through(names, tmp_path, Batch(Engine(processes=1)))
    assert failed == ["finished"]
    assert codes(result) == dict.fromkeys(names)
    begun = [event["case"] for event in events(tmp_path, "begun")]
    assert sorted(begun) == sorted([*names, begun[0]])


def test_what_dask_keeps_to_look_back_at_does_not_grow_for_an_hour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By default two samples a second of scheduler and nannies for an hour: 10 MB of the run."""
    kept = []

    def watched() -> SystemMonitor:
        kept.append(SystemMonitor())
        return kept[-1]

    monkeypatch.setattr("distributed.core.SystemMonitor", watched)
    go_through(("fine_1",), tmp_path, Batch(Engine(processes=1)))
    assert len(kept) > 1
    assert all(monitor.maxlen <= 100 for monitor in kept)


@pytest.mark.slow
def test_workers_that_nobody_starts_again_are_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A nanny gives up when its worker dies while it starts; so do both, killed without a rest."""
    monkeypatch.setattr("radresp.pipeline.engine.MISSING_S", 3.0)
    names = tuple(f"slow_{i}" for i in range(12))

    def kill_all() -> None:
        while not (tmp_path / "events.jsonl").exists() or not events(tmp_path, "begun"):
            time.sleep(0.1)
        while not events(tmp_path, "workers_replaced"):
            for child in psutil.Process().children():
                if is_worker(child):
                    child.kill()
            time.sleep(0.1)

    killer = threading.Thread(target=kill_all)
    killer.start()
    result = go_through(names, tmp_path, Batch(Engine(processes=2)))
    killer.join()
    assert codes(result) == dict.fromkeys(names)


def test_workers_of_several_threads_are_refused(tmp_path: Path) -> None:
    with (
        LocalCluster(
            n_workers=1,
            threads_per_worker=2,
            processes=False,
            protocol="tcp",
            dashboard_address=None,
        ) as cluster,
        pytest.raises(ResourceError, match="a worker with 2 threads") as caught,
    ):
        go_through(("fine_1",), tmp_path, Batch(Engine(scheduler=cluster.scheduler_address)))
    assert (caught.value.code, "--nthreads 1" in caught.value.action) == ("SCHEDULER", True)


def test_a_scheduler_that_ends_ends_the_run_and_keeps_what_finished(tmp_path: Path) -> None:
    names = tuple(f"slow_{i}" for i in range(8))
    with running_cluster() as (address, workers):
        scheduler = psutil.Process(workers()[0]).parent()
        killer = threading.Timer(1.5, scheduler.kill)
        killer.start()
        with pytest.raises(ResourceError, match="let go of the work") as caught:
            go_through(names, tmp_path, Batch(Engine(scheduler=address)))
        killer.join()
    assert (caught.value.code, int(caught.value.exit_code)) == ("SCHEDULER", 8)
    result = go_through(names, tmp_path, Batch())
    assert codes(result) == dict.fromkeys(names)


def test_a_scheduler_that_is_not_there_is_named(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("radresp.pipeline.engine.CONNECT_S", 1)
    with pytest.raises(ResourceError) as caught:
        go_through(("fine_1",), tmp_path, Batch(Engine(scheduler="tcp://127.0.0.1:9")))
    assert caught.value.code == "SCHEDULER"
    assert caught.value.exit_code == 8
    assert "127.0.0.1" not in str(caught.value)


@pytest.mark.parametrize(("cause", "starts"), [(None, 3), (OSError("timed out"), 1)], ids=repr)
def test_workers_that_cannot_be_started_are_named(
    cause: Exception | None, starts: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where none can be reached, which takes a minute to see, they are not started again."""
    tried = []

    def refuse(*_: object, **__: object) -> None:
        tried.append(1)
        raise RuntimeError("Cluster failed to start: a text that may name a place") from cause

    monkeypatch.setattr("distributed.LocalCluster", refuse)
    with pytest.raises(ResourceError, match="use --workers 0") as caught:
        go_through(("fine_1", "fine_2"), tmp_path, Batch(TWO))
    assert caught.value.code == "SCHEDULER"
    assert "place" not in str(caught.value)
    assert len(tried) == starts


def test_a_worker_killed_while_it_starts_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = []

    def kill_first(nanny: Any) -> None:
        if not killed:
            killed.append(nanny.pid)
            os.kill(nanny.pid, signal.SIGKILL)

    start = WorkerProcess.start

    async def started(nanny: Any) -> Any:
        threading.Timer(0.5, kill_first, [nanny]).start()
        return await start(nanny)

    monkeypatch.setattr(WorkerProcess, "start", started)
    result = go_through(("fine_1", "fine_2"), tmp_path, Batch(TWO))
    assert len(killed) == 1
    assert codes(result) == {"fine_1": None, "fine_2": None}
    assert not [child for child in psutil.Process().children(recursive=True) if is_worker(child)]


def test_workers_of_another_installation_or_disk_are_refused(tmp_path: Path) -> None:
    from radresp.pipeline.case_work import Place, Seen, work_elsewhere

    plan, files = parse_plan(), cases("fine_1")[0]
    io.write_text(tmp_path / "plan.yaml", "seed: 1\n")
    mine = Seen.here(tmp_path)
    place = Place(tmp_path, tmp_path / "fits")
    assert work_elsewhere(mine, TRIAL, files, plan, place).refusal is None
    for other in (
        mine._replace(plan_sha256="0" * 64),
        mine._replace(versions=("numpy 1.0", *mine.versions[1:])),
    ):
        with pytest.raises(ResourceError) as caught:
            work_elsewhere(other, TRIAL, files, plan, place)
        assert caught.value.code == "WORKER_DIFFERS"


def is_worker(process: psutil.Process) -> bool:
    try:
        return "spawn_main" in " ".join(process.cmdline())
    except psutil.Error:  # it has just ended
        return False


@contextmanager
def running_cluster() -> Iterator[tuple[str, Any]]:
    """A scheduler with two workers of one thread in processes of their own, as on a cluster."""
    code = (
        "from distributed import LocalCluster\n"
        "import time\n"
        "if __name__ == '__main__':\n"
        "    with LocalCluster(n_workers=2, threads_per_worker=1, host='127.0.0.1',\n"
        "                      dashboard_address=None, silence_logs=60) as cluster:\n"
        "        print(cluster.scheduler_address, flush=True)\n"
        "        time.sleep(120)\n"
    )
    tests = str(Path(__file__).resolve().parents[1])
    # A program in a file: workers started by spawning look for the main module again.
    home = {**os.environ, "PYTHONPATH": tests, "PYTHONUNBUFFERED": "1"}
    cluster = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=home
    )
    try:
        assert cluster.stdout is not None
        address = cluster.stdout.readline().strip()
        inside = psutil.Process(cluster.pid)
        yield address, lambda: [c.pid for c in inside.children() if is_worker(c)]
    finally:
        for child in psutil.Process(cluster.pid).children(recursive=True):
            child.kill()
        cluster.kill()
        cluster.communicate()
        time.sleep(0.1)
