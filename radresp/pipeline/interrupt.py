"""Being asked to stop: remembered, since a library in the middle of its work may swallow it.

An exception raised by a signal inside a callback of ITK comes out as a failed registration. So the
request is kept here too, and whoever finishes a piece of work asks before trusting the result.
"""

from __future__ import annotations

import signal
from types import FrameType

_requests: list[int] = []


def listen() -> None:
    """Take requests to stop (SIGINT, SIGTERM) from now on; each raises ``KeyboardInterrupt``."""
    _requests.clear()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)


def requested() -> int | None:
    """The signal that asked to stop, or None."""
    return _requests[0] if _requests else None


def check() -> None:
    """Raise ``KeyboardInterrupt`` when a stop was asked for, whatever became of the first one."""
    if _requests:
        raise KeyboardInterrupt


def _stop(number: int, frame: FrameType | None) -> None:
    del frame
    _requests.append(number)
    raise KeyboardInterrupt
