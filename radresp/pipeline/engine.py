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
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, NamedTuple
from uuid import uuid4

import SimpleITK as sitk

from radresp.errors import ResourceError

TRIES = 2
"""How often a task may take its worker with it, in case something else killed that one."""
LOOSE_TRIES = 6
"""The same, counting also workers that only had it in their queue, or had hardly begun it."""
CONNECT_S = 20
BACKLOG = 64
"""Tasks that wait at a cluster's scheduler, so that it sees a need for more workers."""
_TELL_S = 0.01
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


@contextmanager
def opened(engine: Engine, most: int, tell: Tell) -> Iterator[Any]:
    """A client of the workers: of a running scheduler, or of up to so many own processes.

    Parameters
    ----------
    engine : Engine
        One that spreads.
    most : int
        Tasks there are; more processes would idle.
    tell : callable
        Is told where the dashboard is.

    Raises
    ------
    ResourceError
        ``SCHEDULER`` when the scheduler does not answer, or no worker can be started.
    """
    if engine.scheduler is not None:
        with _connected(engine.scheduler) as client:
            yield client
        return
    with _own_workers(engine, most) as (client, dashboard):
        if find_spec("bokeh"):  # which draws it
            tell({"event": "dashboard", "address": dashboard})
        yield client


def spread(client: Any, tasks: Sequence[Task], engine: Engine, tell: Tell) -> Iterator[Any]:
    """Results of tasks as they end, each with its task; the workers are never left without work.

    Parameters
    ----------
    client : distributed.Client
        From :func:`opened`.
    tasks : sequence of Task
        With names of their own.
    engine : Engine
        Its time limit holds for each task.
    tell : callable
        Is told of every task begun and of every worker lost.

    Yields
    ------
    Task, object
        The task with its result, or with `Lost`. An exception of a task is raised.
    """
    from distributed import as_completed

    batch = _Batch(client, engine, tell)
    waiting, flow = deque(tasks), as_completed(loop=client.loop)
    with batch.listening():
        while waiting or batch.running:
            while waiting and len(batch.running) < batch.room():
                flow.add(batch.submit(waiting.popleft()))
            task, ended = batch.settle(next(flow))
            if ended is None:
                waiting.append(task)
            else:
                yield task, ended[0]


class _Batch:
    """Tasks on their way, and what is known of the workers that have them."""

    def __init__(self, client: Any, engine: Engine, tell: Tell) -> None:
        self.client, self.engine, self.tell = client, engine, tell
        self.running: dict[Any, Task] = {}
        self.topic = f"radresp-{uuid4().hex}"
        self.begun: dict[str, tuple[float, int]] = {}
        self.over_memory: set[int] = set()
        self.deaths: Counter[str] = Counter()
        self.blamed: Counter[str] = Counter()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear of tasks begun and of workers that outgrew their memory."""
        self.client.subscribe_topic(self.topic, self._hear_begin)
        self.client.subscribe_topic(_MEMORY_TOPIC, self._hear_memory)
        try:
            yield
        finally:
            with suppress(OSError):  # the connection may be what was lost
                self.client.unsubscribe_topic(self.topic)
                self.client.unsubscribe_topic(_MEMORY_TOPIC)

    def room(self) -> int:
        """How many tasks may be on their way: one a thread; on a cluster some more to wait."""
        threads: int = sum(self.client.nthreads().values())
        return threads + BACKLOG if self.engine.scheduler else max(threads, 1)

    def submit(self, task: Task) -> Any:
        attempt = self.deaths[task.name]
        future = self.client.submit(
            _on_worker,
            self.topic,
            task,
            self.engine.time_limit_s,
            key=(self.topic, task.name, attempt),
            pure=False,
        )
        self.running[future] = task
        return future

    def settle(self, future: Any) -> tuple[Task, tuple[Any] | None]:
        """A task that left its worker with its result, or with None to be tried again."""
        from distributed.scheduler import KilledWorker

        task = self.running.pop(future)
        if future.status == "finished":
            return task, (future.result(),)
        error = future.exception() if future.status == "error" else None
        if error is None:
            raise ResourceError(
                "SCHEDULER",
                "the scheduler let go of the work",
                expected="a scheduler that lives as long as the run",
                action="run the same command again; finished cases are kept",
            )
        if not isinstance(error, KilledWorker):
            raise error
        lost = self._blame(task)
        return task, None if lost is None else (lost,)

    def _blame(self, task: Task) -> Lost | None:
        """Whether a dead worker is this task's doing; None to try it again."""
        self.deaths[task.name] += 1
        since, pid = self.begun.pop(task.name, (None, -1))
        if since is not None and time.monotonic() - since >= self.engine.time_limit_s:
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
        self.tell({"event": "begun", "case": said["task"]})

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
def _own_workers(engine: Engine, most: int) -> Iterator[tuple[Any, str]]:
    import dask
    from distributed import Client, LocalCluster

    limit = engine.memory_limit_gb
    silent = logging.CRITICAL + 1  # what there is to say of a lost worker is said by code
    with (
        dask.config.set(_LOCAL),
        LocalCluster(
            n_workers=min(engine.processes, most),
            threads_per_worker=1,
            host="127.0.0.1",
            security=True,
            memory_limit="auto" if limit is None else int(limit * 1e9),
            dashboard_address="127.0.0.1:0",
            silence_logs=silent,
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        try:
            yield client, cluster.dashboard_link
        except BaseException:
            # What is running is dropped; files are written whole or not at all.
            for nanny in cluster.workers.values():
                if nanny.pid is not None:
                    with suppress(ProcessLookupError):
                        os.kill(nanny.pid, signal.SIGKILL)
            raise


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
