"""Where the network runs: what was asked for, what there is, and what to do when memory ends.

A graphics card is taken where there is one. Running out of its memory halves the batch, twice at
most, then the work moves to the processor; each step is noted. Started by torchrun, every process
takes the card of its own number.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import torch

from radresp.core import Note, NoteKind
from radresp.errors import PlanError, ResourceError

HALVINGS = 2
_ASKED = re.compile(r"auto|cpu|cuda(:[0-9]{1,3})?")
_NO_CPU_MEMORY = ("DefaultCPUAllocator", "can't allocate memory", "not enough memory")

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Device:
    """Where the network runs.

    Parameters
    ----------
    name : str
        ``"cpu"``, ``"cuda:0"`` and the like, as torch names it.
    reason : str
        Why this one, in words.
    """

    name: str
    reason: str

    @property
    def is_cuda(self) -> bool:
        """Whether it is a graphics card."""
        return self.name.startswith("cuda")

    @property
    def index(self) -> int:
        """Number of the graphics card; 0 for the processor."""
        return int(self.name.partition(":")[2] or 0)


CPU = Device("cpu", "asked for")


@dataclass(frozen=True, slots=True)
class Launch:
    """Which of how many processes of one training this is.

    Parameters
    ----------
    processes : int
        All of them, on all machines.
    here : int
        Those on this machine.
    rank, local_rank : int
        The number of this one, among all and on this machine.

    Examples
    --------
    >>> launch_of({"WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2", "RANK": "3", "LOCAL_RANK": "1"})
    Launch(processes=4, here=2, rank=3, local_rank=1)
    >>> launch_of({}).is_first, launch_of({}).nodes
    (True, 1)
    """

    processes: int = 1
    here: int = 1
    rank: int = 0
    local_rank: int = 0

    @property
    def nodes(self) -> int:
        """Machines that take part."""
        return self.processes // self.here

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0


def launch_of(environment: Mapping[str, str] = os.environ) -> Launch:
    """The place of this process, from the variables torchrun sets; one process without them."""
    processes = int(environment.get("WORLD_SIZE", 1))
    if processes < 2:
        return Launch()
    return Launch(
        processes,
        int(environment.get("LOCAL_WORLD_SIZE", processes)),
        int(environment.get("RANK", 0)),
        int(environment.get("LOCAL_RANK", 0)),
    )


def choose_device(asked: str = "auto", *, launch: Launch | None = None) -> Device:
    """The device to use.

    Parameters
    ----------
    asked : {"auto", "cpu", "cuda", "cuda:N"}
        auto takes a graphics card where one works.
    launch : Launch, optional
        Which process this is; read from the environment when not given.

    Returns
    -------
    Device
        With the reason it was chosen.

    Raises
    ------
    PlanError
        ``DEVICE`` when the name is none of these, or a number is given to torchrun's processes.
    ResourceError
        ``NO_CUDA`` when a graphics card was asked for and cannot be used.

    Examples
    --------
    >>> choose_device("cpu")
    Device(name='cpu', reason='asked for')
    """
    launch = launch or launch_of()
    if not _ASKED.fullmatch(asked) or (":" in asked and launch.processes > 1):
        raise PlanError(
            "DEVICE",
            f"device {asked}" + (" for several processes" if launch.processes > 1 else ""),
            expected="auto, cpu, cuda or, for a single process, cuda:N",
        )
    if asked == "cpu":
        return CPU
    name = asked if ":" in asked else f"cuda:{launch.local_rank}"
    # Read once, at the first product of matrices, and needed where operations must repeat.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    trouble = _trouble_with(name)
    if not trouble:
        how = "found" if asked == "auto" else "asked for"
        return Device(name, f"{how}: {torch.cuda.get_device_name(name)}")
    if asked == "auto":
        return Device("cpu", trouble)
    raise ResourceError(
        "NO_CUDA",
        f"device {asked}: {trouble}",
        expected="a CUDA device that PyTorch can use",
        action="use --device cpu or auto, or mend the driver or the installation of PyTorch",
    )


def with_memory_fallback(
    run: Callable[[int, Device], Result], batch: int, device: Device
) -> tuple[Result, tuple[Note, ...]]:
    """Do something with smaller batches, then on the processor, when memory ends.

    Parameters
    ----------
    run : callable
        Of batch and device; it is called anew after memory ended.
    batch : int
        Cases at once to begin with.
    device : Device
        Where to begin.

    Returns
    -------
    result : object
        What ``run`` gave.
    notes : tuple of Note
        ``GPU_MEMORY`` for every change.

    Raises
    ------
    ResourceError
        ``MEMORY`` when it ends on the processor too.

    Examples
    --------
    >>> def halve(batch: int, device: Device) -> int:
    ...     if batch > 4:
    ...         raise torch.OutOfMemoryError
    ...     return batch
    >>> result, notes = with_memory_fallback(halve, 8, Device("cuda:0", "found"))
    >>> result, notes[0].text
    (4, 'GPU_MEMORY: memory of cuda:0 ended with 8 cases at once; went on with 4')
    """
    notes: list[Note] = []
    halvings = 0
    while device.is_cuda:
        try:
            return run(batch, device), tuple(notes)
        except torch.OutOfMemoryError:
            found = f"memory of {device.name} ended with {batch} cases at once"
        torch.cuda.empty_cache()
        if batch > 1 and halvings < HALVINGS:
            batch, halvings = batch // 2, halvings + 1
            notes.append(Note(NoteKind.FIX, "GPU_MEMORY", found, action=f"went on with {batch}"))
        else:
            notes.append(Note(NoteKind.FIX, "GPU_MEMORY", found, action="went on with cpu"))
            device = Device("cpu", found)
    return _on_cpu(run, batch, device), tuple(notes)


def without_fallback(
    run: Callable[[int, Device], Result], batch: int, device: Device
) -> tuple[Result, tuple[Note, ...]]:
    """The same without a second try, for processes that would wait for the one that makes it.

    Raises
    ------
    ResourceError
        ``MEMORY`` when it ends.
    """
    try:
        return run(batch, device), ()
    except torch.OutOfMemoryError as error:
        raise ResourceError(
            "MEMORY",
            f"memory of {device.name} ended with {batch} cases at once on all devices",
            action="take a smaller batch and accumulate more steps, or a single process",
        ) from error


def _on_cpu(run: Callable[[int, Device], Result], batch: int, device: Device) -> Result:
    try:
        return run(batch, device)
    except MemoryError as error:
        cause: Exception = error
    except RuntimeError as error:
        if not any(sign in str(error) for sign in _NO_CPU_MEMORY):
            raise
        cause = error
    raise ResourceError(
        "MEMORY",
        f"main memory ended with {batch} cases at once",
        action="take a smaller batch, patch or width in the plan",
    ) from cause


def _trouble_with(name: str) -> str:
    """Why a graphics card cannot be used; nothing when it can."""
    if not torch.cuda.is_available():
        if torch.version.cuda is None:
            return "this PyTorch was built without CUDA"
        return f"no CUDA device and driver that work with PyTorch for CUDA {torch.version.cuda}"
    count = torch.cuda.device_count()
    if Device(name, "").index >= count:
        return f"there are {count} CUDA devices, counted from 0"
    try:
        torch.zeros(1, device=name).add_(1).item()
    except RuntimeError:
        return f"{name} does not compute with this PyTorch"
    return ""
