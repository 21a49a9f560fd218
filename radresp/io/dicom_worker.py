"""The reader process: parses and decodes DICOM files under limits, for one parent.

Started by `radresp.io.dicom_guard`. It may take so much memory and so many seconds a file, can
write no file and leaves no core dump; a signal that ends it (also a crash of a decoder written in
C) ends nothing else. It goes when its parent closes the socket or is gone.
"""

from __future__ import annotations

import contextlib
import json
import resource
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from radresp.core import Grid
from radresp.errors import InputError, RadrespError
from radresp.io import dicom_wire as wire
from radresp.io.dicom_describe import describe_folder
from radresp.io.dicom_facts import read_visit_facts
from radresp.io.dicom_key import use_key
from radresp.io.dicom_outline import read_dicom_outline
from radresp.io.dicom_pixels import forget_decoded
from radresp.io.dicom_series import read_series
from radresp.io.dicom_sources import read_sources
from radresp.io.dicom_survey import survey_files
from radresp.io.mask_choice import parse_choice

Answer = Callable[[IO[bytes], Path, Callable[[Path], None], dict[str, Any]], None]


def main() -> None:
    """Serve requests from the socket whose number is the first argument, until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with (
        socket.socket(fileno=int(sys.argv[1])) as line,
        line.makefile("rb") as requests,
        line.makefile("wb") as replies,
        contextlib.suppress(EOFError, BrokenPipeError),
    ):
        slate = wire.Slate(int(sys.argv[2]))
        settings = _request(requests)
        use_key(bytes.fromhex(settings["key"]))
        _limit(int(settings["memory_bytes"]))
        while True:
            _serve(_request(requests), replies, slate, int(settings["seconds"]))


def _limit(memory_bytes: int) -> None:
    limits = {
        resource.RLIMIT_AS: memory_bytes,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
    }
    for limit, value in limits.items():
        # Not every POSIX system has every limit; what it has still holds.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(limit, (value, value))


def _request(stream: IO[bytes]) -> dict[str, Any]:
    _, length = wire.receive_head(stream)
    found: dict[str, Any] = json.loads(wire.receive(stream, length))
    return found


def _serve(request: dict[str, Any], replies: IO[bytes], slate: wire.Slate, seconds: int) -> None:
    def watch(path: Path) -> None:
        signal.alarm(seconds)  # nothing answers SIGALRM: it ends the process wherever it is
        slate.write(path)

    path = Path(request["path"])
    watch(path)
    try:
        _ANSWERS[request["task"]](replies, path, watch, request)
    except RadrespError as error:
        wire.send(replies, wire.REFUSAL, wire.refusal_json(error))
    except MemoryError:
        refusal = InputError(
            "READER_MEMORY",
            "an image that needs more memory than the reader may take",
            expected="an image of usual size",
            action="look at the file; it may be damaged or made to exhaust memory",
            file=path,
        )
        wire.send(replies, wire.REFUSAL, wire.refusal_json(refusal))
    except Exception as error:  # noqa: BLE001  # told to the parent, which raises it
        wire.send(replies, wire.FAULT, _where(error).encode())
    finally:
        signal.alarm(0)
        forget_decoded()
    replies.flush()


def _where(error: Exception) -> str:
    """Type and place of a fault; its text may quote the file and stays here."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}"


def _series(
    replies: IO[bytes], path: Path, watch: Callable[[Path], None], request: dict[str, Any]
) -> None:
    wire.send_series(replies, read_series(path, watch, request.get("choice")))


def _summaries(replies: IO[bytes], path: Path, watch: Callable[[Path], None], _: Any) -> None:
    wire.send(replies, wire.RESULT, wire.json_bytes(describe_folder(path, watch)))


def _facts(
    replies: IO[bytes], path: Path, watch: Callable[[Path], None], request: dict[str, Any]
) -> None:
    facts = read_visit_facts(path, watch, request.get("choice"))
    wire.send(replies, wire.RESULT, wire.json_bytes(facts))


def _sources(
    replies: IO[bytes], path: Path, watch: Callable[[Path], None], request: dict[str, Any]
) -> None:
    found = read_sources(path, watch, request["choice"], identity=request["identity"])
    wire.send(replies, wire.RESULT, wire.json_bytes(found))


def _survey(
    replies: IO[bytes], path: Path, watch: Callable[[Path], None], request: dict[str, Any]
) -> None:
    found = survey_files(path, request["names"], request["patterns"], watch)
    wire.send(replies, wire.RESULT, wire.json_bytes(found))


def _outline(
    replies: IO[bytes], path: Path, _: Callable[[Path], None], request: dict[str, Any]
) -> None:
    outline = read_dicom_outline(
        path,
        parse_choice(request["choice"]),
        Grid(**request["grid"]),
        resample=request["resample"],
        image=request["image"] and Path(request["image"]),
    )
    wire.send_outline(replies, outline)


_ANSWERS: dict[str, Answer] = {
    "series": _series,
    "describe": _summaries,
    "facts": _facts,
    "outline": _outline,
    "sources": _sources,
    "survey": _survey,
}
