"""Worker processes: one thread each, stopped at once when the work is given up."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context

import SimpleITK as sitk


@contextmanager
def worker_pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """A pool of fresh processes that does not keep an interrupted user waiting.

    Parameters
    ----------
    workers : int
        How many.
    """
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_be_a_worker)
    try:
        yield pool
    except BaseException:
        # What is queued and what is running is dropped; files are written whole or not at all.
        pool.shutdown(wait=False, cancel_futures=True)
        for worker in active_children():
            worker.terminate()
        raise
    pool.shutdown()


def _be_a_worker() -> None:
    """One thread a process, and the interrupt key is the parent's to answer."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
