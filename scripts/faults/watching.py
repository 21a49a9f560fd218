"""Watching a run from outside: memory and open files of its processes against cases done."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

MEGABYTE = 1e6
LONG = 0.5
"""Share of a run a process must have lived through for its slope to mean anything."""


@dataclass
class Watch:
    """Samples of a run's processes, taken by a thread of this one.

    Parameters
    ----------
    pid : int
        The process that was started.
    status : Path
        Its status log, whose lines are the cases done.
    every_s : float, optional
        Seconds between samples.
    """

    pid: int
    status: Path
    every_s: float = 0.5
    samples: dict[int, list[tuple[int, float, int, int]]] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Stop watching."""
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.is_set():
            done = self.status.read_bytes().count(b"\n") if self.status.exists() else 0
            for process in self._family():
                self._sample(process, done)
            time.sleep(self.every_s)

    def _family(self) -> list[psutil.Process]:
        try:
            run = psutil.Process(self.pid)
            return [run, *run.children(recursive=True)]
        except psutil.Error:
            return []

    def _sample(self, process: psutil.Process, done: int) -> None:
        try:
            with process.oneshot():
                memory = process.memory_info().rss / MEGABYTE
                files, connections = process.num_fds(), len(process.net_connections("tcp"))
                words = " ".join(process.cmdline())
        except psutil.Error:
            return
        worker = "worker" if "spawn_main" in words else "helper"
        self.names[process.pid] = "parent" if process.pid == self.pid else worker
        self.samples.setdefault(process.pid, []).append((done, memory, files, connections))

    def figures(self, cases: int, warm_up: float = 0.2) -> list[dict[str, object]]:
        """Peak, slope, open files (connections among them) of what lived through most of the run.

        Parameters
        ----------
        cases : int
            Cases of the run.
        warm_up : float, optional
            Share of them after which slopes begin.
        """
        found = []
        for pid, samples in self.samples.items():
            done, memory, files, connections = np.array(samples, dtype=float).T
            late = (done >= warm_up * cases) & (done < cases)  # then come the tables
            if np.ptp(done[late]) < LONG * cases if late.any() else True:
                continue
            quarter = max(1, int(late.sum()) // 4)
            slope = float(np.polyfit(done[late], memory[late], 1)[0])
            found.append(
                {
                    "process": self.names[pid],
                    "peak_mb": round(float(memory.max()), 1),
                    "mb_per_100_cases": round(100 * slope, 3),
                    "open_files": _ends(files[late], quarter),
                    "connections": _ends(connections[late], quarter),
                }
            )
        return found


def _ends(values: np.ndarray, many: int) -> list[float]:
    """Median of so many first values, and of as many last ones."""
    return [float(np.median(end)) for end in (values[:many], values[-many:])]
