"""Where the work of a cohort is done: in this process, in processes of its own, or on a cluster.

Processes are the workers of a dask scheduler: one task and one thread each, started again by their
nannies. A task that crashes, hangs or eats the memory takes one worker with it and nothing else.
Between the processes of one machine goes mutually authenticated TLS with a key that never leaves
their memory, because dask unpickles whatever reaches its ports.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple
from uuid import uuid4

import SimpleITK as sitk

from radresp.errors import ResourceError

TRIES = 2
"""How often a task may take its worker with it, in case something else killed that one."""
LOOSE_TRIES = 6
"""The same, counting also workers that only had it in their queue, or had hardly begun it."""
STARTS = 3
"""How often own workers are started before none can be."""
CONNECT_S = 20
FETCH_S = 10.0
"""Longest wait for the result of a task that ended; then it is done again."""
MISSING_S = 30.0
"""After this, own workers that are missing are not coming back; a nanny needs 3 to 10 seconds to
start one again, and gives up when it dies meanwhile."""
BACKLOG = 64
"""Tasks that wait at a cluster's scheduler, so that it sees a need for more workers."""
_TELL_S = 0.01
_LOOK_S = 2.0
"""How often it is looked whether workers are missing, while none of them finishes a task."""
_CLOSE_S = 5.0
_LATE_S = 1.0
"""By how much the word of a task begun may come late."""
_MEMORY_TOPIC = "worker-restart-memory"

_LOCAL = {
    # A task that killed its worker is ours to try again, and to blame.
    "distributed.scheduler.allowed-failures": 0,
    # A library may hold the interpreter for many minutes; the time limit is what ends that.
    "distributed.scheduler.worker-ttl": None,
    # A worker over its limit is ended, not paused: a paused one would never go on.
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": 0.95,
    # What dask keeps to look back at grows by megabytes in a hundred cases, or an hour.
    "distributed.worker.profile.enabled": False,
    "distributed.admin.low-level-log-length": 50,
    "distributed.admin.system-monitor.log-length": 50,
}

Tell = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Engine:
    """Where cases are worked on, and what one of them may cost.

    Parameters
    ----------
    processes : int, default 0
        Worker processes, one thread each. With 0 the work is done in this process, without limits:
        a case that crashes ends the run, which can be resumed.
    scheduler : str, optional
        Address of a running dask scheduler, ``tcp://HOST:PORT`` or ``tls://HOST:PORT``, whose
        workers have one thread each and see the same disk. Used instead of own processes.
    time_limit_s : float, default 1800
        Longest time for one case, seconds.
    memory_limit_gb : float, optional
        Most memory of one worker process, 10^9 bytes; by default an equal share of this machine's.
        Workers of a running scheduler have the limits they were started with.

    Examples
    --------
    >>> Engine(processes=2, time_limit_s=600.0).spreads
    True
    """

    processes: int = 0
    scheduler: str | None = None
    time_limit_s: float = 1800.0
    memory_limit_gb: float | None = None

    @property
    def spreads(self) -> bool:
        """Whether work is done by other processes than this."""
        return self.scheduler is not None or self.processes > 0


HERE = Engine()


class Task(NamedTuple):
    """One piece of work: a name, and a function that workers can import with its arguments."""

    name: str
    call: Callable[..., Any]
    args: tuple[Any, ...]


class Lost(NamedTuple):
    """A task that took its workers with it, by the code of what is known of the reason."""

    code: str


def spread(
    tasks: Sequence[Task], engine: Engine, tell: Tell, scratch: Path
) -> Iterator[tuple[Task, Any]]:
    """Results of tasks as they end, each with its task; the workers are never left without work.

    Parameters
    ----------
    tasks : sequence of Task
        With names of their own.
    engine : Engine
        One that spreads. Its time limit holds for each task.
    tell : callable
        Is told of every task begun, of every worker lost, and where the dashboard is.
    scratch : Path
        A folder for what own workers keep while they live.

    Yields
    ------
    Task, object
        The task with its result, or with `Lost`. An exception of a task is raised.

    Raises
    ------
    ResourceError
        ``SCHEDULER`` when the scheduler does not answer or ends, or no worker can be started.
    """
    batch = _Batch(tasks, engine, tell)
    while batch.waiting:
        with _opened(engine, len(batch.waiting), tell, scratch) as client:
            yield from batch.work(client)


@contextmanager
def _opened(engine: Engine, most: int, tell: Tell, scratch: Path) -> Iterator[Any]:
    """A client of the workers: of a running scheduler, or of up to so many own processes."""
    if engine.scheduler is not None:
        with _connected(engine.scheduler) as client:
            yield client
        return
    with _own_workers(engine, most, scratch) as (client, dashboard):
        if find_spec("bokeh"):  # which draws it
            tell({"event": "dashboard", "address": dashboard})
        yield client


class _Batch:
    """Tasks waiting and on their way, and what is known of the workers that have them."""

    def __init__(self, tasks: Sequence[Task], engine: Engine, tell: Tell) -> None:
        self.waiting, self.engine, self.tell = deque(tasks), engine, tell
        self.running: dict[Any, Task] = {}
        # Of tasks that left their workers, and of what else has to be told.
        self.news: SimpleQueue[Any] = SimpleQueue()
        self.topic = f"radresp-{uuid4().hex}"
        self.begun: dict[str, tuple[float, int]] = {}
        self.over_memory: set[int] = set()
        self.sent: Counter[str] = Counter()
        self.deaths: Counter[str] = Counter()
        self.blamed: Counter[str] = Counter()

    def work(self, client: Any) -> Iterator[tuple[Task, Any]]:
        """Have tasks done until there are none, or until workers are missing and stay so."""
        wanted = 0 if self.engine.scheduler else len(client.nthreads())
        whole_at = time.monotonic()
        client.subscribe_topic(self.topic, self._hear_begin)
        client.subscribe_topic(_MEMORY_TOPIC, self._hear_memory)
        while self.waiting or self.running:
            threads: int = sum(client.nthreads().values())
            if threads >= wanted:
                whole_at = time.monotonic()
            elif time.monotonic() - whole_at > MISSING_S:
                self._call_back()
                return
            self._send(client, threads)
            with suppress(Empty):
                news = self.news.get(timeout=_LOOK_S)
                if isinstance(news, dict):
                    self.tell(news)
                    continue
                task, result = self._settle(*news)
                if result is None:
                    self.waiting.append(task)
                else:
                    yield task, result[0]

    def _send(self, client: Any, threads: int) -> None:
        """Keep a task on its way for every thread; on a cluster some more, that wait there."""
        room = threads + BACKLOG if self.engine.scheduler else max(threads, 1)
        news = self.news  # not that of workers which may come in place of these

        def hear_end(future: Any) -> None:
            news.put((future, time.monotonic()))  # it may wait there for its turn

        while self.waiting and len(self.running) < room:
            task = self.waiting.popleft()
            self.sent[task.name] += 1
            future = client.submit(
                _on_worker,
                self.topic,
                task,
                self.engine.time_limit_s,
                key=(self.topic, task.name, self.sent[task.name]),
                pure=False,
            )
            self.running[future] = task
            future.add_done_callback(hear_end)

    def _call_back(self) -> None:
        """Take tasks from workers that are to be replaced; they are not to blame for that."""
        self.tell({"event": "workers_replaced"})
        self.waiting.extendleft(self.running.values())
        self.running, self.news = {}, SimpleQueue()

    def _settle(self, future: Any, ended_at: float) -> tuple[Task, tuple[Any] | None]:
        """A task that left its worker with its result, or with None to be tried again."""
        from distributed.scheduler import KilledWorker

        task, has_ended = self.running.pop(future), future.status != "error"
        try:
            return task, (future.result(timeout=FETCH_S),)
        except (KilledWorker, TimeoutError):
            if has_ended:  # its result died with its worker, where it stays until it is fetched
                self.begun.pop(task.name, None)
            lost = self._blame(task, ended_at)
            return task, None if lost is None else (lost,)
        except CancelledError as error:
            raise ResourceError(
                "SCHEDULER",
                "the scheduler let go of the work",
                expected="a scheduler that lives as long as the run",
                action="run the same command again; finished cases are kept",
            ) from error

    def _blame(self, task: Task, ended_at: float) -> Lost | None:
        """Whether a dead worker is this task's doing; None to try it again."""
        self.deaths[task.name] += 1
        since, pid = self.begun.pop(task.name, (None, -1))
        limit = self.engine.time_limit_s
        late = min(_LATE_S, limit / 4)
        if since is not None and ended_at - since >= limit - late:
            return Lost("TIMEOUT")
        self.blamed[task.name] += since is not None
        code = "MEMORY" if self._outgrew(pid) else "WORKER_CRASH"
        tried = self.blamed[task.name] >= TRIES or self.deaths[task.name] >= LOOSE_TRIES
        if not tried:
            self.tell({"event": "worker_lost", "case": task.name, "code": code})
        return Lost(code) if tried else None

    def _outgrew(self, pid: int) -> bool:
        """Whether a nanny said that this worker had too much memory; its word may come late."""
        for _ in range(10):
            if pid in self.over_memory or pid < 0:
                break
            time.sleep(_TELL_S)
        return pid in self.over_memory

    def _hear_begin(self, event: tuple[float, dict[str, Any]]) -> None:
        _, said = event
        self.begun[said["task"]] = (time.monotonic(), said["pid"])
        self.news.put({"event": "begun", "case": said["task"]})

    def _hear_memory(self, event: tuple[float, dict[str, Any]]) -> None:
        self.over_memory.add(event[1]["pid"])


def _on_worker(topic: str, task: Task, limit_s: float) -> Any:
    """Run a task on a worker, which the kernel ends should it take too long.

    No thread of this process could do that while a library holds the interpreter.
    """
    from distributed import get_worker

    get_worker().log_event(topic, {"task": task.name, "pid": os.getpid()})
    time.sleep(_TELL_S)  # the word is out, whatever becomes of this process
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        return task.call(*task.args)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


@contextmanager
def _own_workers(engine: Engine, most: int, scratch: Path) -> Iterator[tuple[Any, str]]:
    import dask
    from distributed import Client

    with dask.config.set(_LOCAL | {"temporary-directory": str(scratch)}):
        cluster = _local_cluster(engine, most, scratch)
        nannies = list(cluster.workers.values())
        try:
            with Client(cluster, set_as_default=False) as client:
                yield client, cluster.dashboard_link
        except BaseException:
            _kill(nannies)  # what is running is dropped: files are written whole or not at all
            raise
        finally:
            # A nanny whose worker died while it was starting may never answer again.
            with suppress(TimeoutError):
                cluster.close(timeout=_CLOSE_S)
            _kill(nannies)


def _kill(nannies: Sequence[Any]) -> None:
    """Kill the workers that these nannies still have."""
    for nanny in nannies:
        if nanny.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(nanny.pid, signal.SIGKILL)


def _local_cluster(engine: Engine, most: int, scratch: Path, starts: int = STARTS) -> Any:
    try:
        return _started(engine, most, scratch)
    except (OSError, RuntimeError) as error:
        # A worker that dies while it starts ends the start of all; that none is reached stays so.
        died = isinstance(error, RuntimeError) and not isinstance(error.__cause__, OSError)
        if died and starts > 1:
            return _local_cluster(engine, most, scratch, starts - 1)
        raise ResourceError(
            "SCHEDULER",
            f"no worker process can be started ({type(error).__name__})",
            expected="a loopback interface (127.0.0.1), memory and processes to be had",
            action="use --workers 0 where there is none",
        ) from error


def _started(engine: Engine, most: int, scratch: Path) -> Any:
    from distributed import LocalCluster

    limit = engine.memory_limit_gb
    return LocalCluster(
        n_workers=min(engine.processes, most),
        threads_per_worker=1,
        host="127.0.0.1",
        security=True,
        memory_limit="auto" if limit is None else int(limit * 1e9),
        dashboard_address="127.0.0.1:0",
        local_directory=str(scratch),
        silence_logs=logging.CRITICAL + 1,  # what there is to say of a worker is said by code
    )


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    from distributed import Client

    try:
        client = Client(address, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise ResourceError(
            "SCHEDULER",
            f"no scheduler answers ({type(error).__name__})",
            expected="the address of a running dask scheduler, tcp://HOST:PORT or tls://HOST:PORT",
            action="start one, and its workers with one thread each",
        ) from error
    with client:
        _check_threads(client.nthreads())
        client.run_on_scheduler(_leave_trying_to_us)
        yield client


def _check_threads(threads: dict[str, int]) -> None:
    most = max(threads.values(), default=1)
    if most > 1:
        raise ResourceError(
            "SCHEDULER",
            f"a worker with {most} threads",
            expected="workers of one thread: a case may end the process it is worked on in",
            action="start them with `dask worker --nthreads 1 --nworkers N`",
        )


def _leave_trying_to_us(dask_scheduler: Any) -> None:
    """A scheduler repeats, three times by default, a task that killed its worker."""
    dask_scheduler.allowed_failures = 0
