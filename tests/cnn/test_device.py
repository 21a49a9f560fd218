"""Where the network runs: what is asked for and what there is, and when memory ends."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

import torch

from radresp.cnn import device as module
from radresp.cnn import installed
from radresp.cnn.device import (
    Device,
    Launch,
    choose_device,
    launch_of,
    with_memory_fallback,
    without_fallback,
)
from radresp.errors import ModelError, PlanError, ResourceError

CUDA = Device("cuda:0", "found")


def test_what_needs_the_network_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    found = installed.find_spec
    monkeypatch.setattr(
        installed, "find_spec", lambda name: (name != "monai" and found(name)) or None
    )
    with pytest.raises(ModelError, match="a model of images needs monai") as caught:
        installed.require("a model of images")
    assert (caught.value.code, caught.value.action) == (
        "EXTRA_MISSING",
        "pip install 'radresp[cnn]'",
    )


@pytest.fixture
def cards(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Pretend to have so many graphics cards."""

    def pretend(count: int, *, built: str | None = "12.8", works: bool = True) -> None:
        def zeros(*given: object, device: str = "cpu") -> torch.Tensor:
            if not works:
                raise RuntimeError("no kernel image is available for execution on the device")
            return real(1)

        real = torch.zeros
        monkeypatch.setattr(torch.version, "cuda", built)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda name: "a card")
        monkeypatch.setattr(torch, "zeros", zeros)

    return pretend


def test_a_card_that_is_there_is_taken(cards) -> None:  # type: ignore[no-untyped-def]
    cards(2)
    assert choose_device("auto") == Device("cuda:0", "found: a card")
    assert choose_device("cuda") == Device("cuda:0", "asked for: a card")
    assert choose_device("cuda:1").index == 1
    assert choose_device("cpu").name == "cpu"


@pytest.mark.parametrize(
    ("count", "built", "works", "asked", "why"),
    [
        (0, None, True, "cuda", "built without CUDA"),
        (0, "12.8", True, "cuda", "driver"),
        (1, "12.8", True, "cuda:1", "1 CUDA device"),
        (1, "12.8", False, "cuda", "does not compute"),
    ],
)
def test_p12_without_a_usable_card_auto_takes_the_processor_and_cuda_is_refused_with_the_reason(
    cards,  # type: ignore[no-untyped-def]
    count: int,
    built: str | None,
    works: bool,
    asked: str,
    why: str,
) -> None:
    cards(count, built=built, works=works)
    with pytest.raises(ResourceError, match=why) as refused:
        choose_device(asked)
    assert refused.value.code == "NO_CUDA"
    assert refused.value.exit_code == 8
    if asked == "cuda":
        found = choose_device("auto")
        assert found.name == "cpu"
        assert why in found.reason


@pytest.mark.parametrize("asked", ["gpu", "cuda:", "cuda:-1", "CUDA", "cpu:0", "", "mps"])
def test_other_names_are_refused(asked: str) -> None:
    with pytest.raises(PlanError) as refused:
        choose_device(asked)
    assert refused.value.code == "DEVICE"


def test_every_process_of_torchrun_takes_its_own_card(cards) -> None:  # type: ignore[no-untyped-def]
    cards(4)
    third = Launch(processes=4, here=4, rank=3, local_rank=3)
    assert choose_device("auto", launch=third).name == "cuda:3"
    assert choose_device("cuda", launch=third).name == "cuda:3"
    with pytest.raises(PlanError):
        choose_device("cuda:0", launch=third)


def test_processes_are_counted_from_the_environment() -> None:
    two_machines = {"WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4", "RANK": "4", "LOCAL_RANK": "0"}
    found = launch_of(two_machines)
    assert (found.nodes, found.is_first) == (2, False)
    assert launch_of({"WORLD_SIZE": "1", "RANK": "0", "LOCAL_RANK": "0"}) == Launch()
    assert launch_of({}) == Launch()


def runs_with(largest: int, seen: list[tuple[int, str]]):  # type: ignore[no-untyped-def]
    """Something that needs memory for its batch on a graphics card."""

    def run(batch: int, device: Device) -> str:
        seen.append((batch, device.name))
        if device.is_cuda and batch > largest:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return f"{batch} on {device.name}"

    return run


@pytest.mark.parametrize(
    ("batch", "largest", "expected"),
    [
        (8, 8, [(8, "cuda:0")]),
        (8, 4, [(8, "cuda:0"), (4, "cuda:0")]),
        (8, 2, [(8, "cuda:0"), (4, "cuda:0"), (2, "cuda:0")]),
        (8, 1, [(8, "cuda:0"), (4, "cuda:0"), (2, "cuda:0"), (2, "cpu")]),
        (2, 0, [(2, "cuda:0"), (1, "cuda:0"), (1, "cpu")]),
        (1, 0, [(1, "cuda:0"), (1, "cpu")]),
    ],
)
def test_p13_out_of_memory_halves_twice_then_takes_the_processor(
    batch: int, largest: int, expected: list[tuple[int, str]]
) -> None:
    seen: list[tuple[int, str]] = []
    result, notes = with_memory_fallback(runs_with(largest, seen), batch, CUDA)
    assert seen == expected
    assert result == "{} on {}".format(*expected[-1])
    assert [note.code for note in notes] == ["GPU_MEMORY"] * (len(expected) - 1)
    if expected[-1][1] == "cpu":
        assert "cpu" in notes[-1].text


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_when_main_memory_ends_too_it_is_exit_8(error: Exception) -> None:
    def run(batch: int, device: Device) -> None:
        raise torch.cuda.OutOfMemoryError if device.is_cuda else error

    with pytest.raises(ResourceError, match="smaller batch") as refused:
        with_memory_fallback(run, 4, CUDA)
    assert refused.value.code == "MEMORY"
    assert refused.value.exit_code == 8


@pytest.mark.parametrize("device", [CUDA, Device("cpu", "asked for")])
def test_other_errors_are_not_taken_for_memory(device: Device) -> None:
    def run(batch: int, where: Device) -> None:
        raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes do not fit"):
        with_memory_fallback(run, 4, device)


def test_one_of_several_processes_does_not_try_again() -> None:
    seen: list[tuple[int, str]] = []
    assert without_fallback(runs_with(8, seen), 8, CUDA) == ("8 on cuda:0", ())
    with pytest.raises(ResourceError) as refused:
        without_fallback(runs_with(4, seen), 8, CUDA)
    assert refused.value.exit_code == 8
    assert len(seen) == 2


def test_the_card_s_memory_is_given_back_between_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    freed: list[bool] = []
    monkeypatch.setattr(module.torch.cuda, "empty_cache", lambda: freed.append(True))
    with_memory_fallback(runs_with(2, []), 8, CUDA)
    assert freed == [True, True]


@pytest.mark.gpu
def test_a_real_card_is_found_and_its_memory_can_end() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    found = choose_device("auto")
    assert found.is_cuda
    free, _ = torch.cuda.mem_get_info(found.name)

    def run(batch: int, device: Device) -> str:
        torch.empty(int(free * 0.6) * batch, dtype=torch.uint8, device=device.name)
        return f"{batch} on {device.name}"

    result, notes = with_memory_fallback(run, 4, found)
    assert result == f"1 on {found.name}"
    assert len(notes) == 2
