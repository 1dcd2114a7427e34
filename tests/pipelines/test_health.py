"""Errors after which nothing runs on the device, and what is let go of when memory ran out."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from src.errors import DeviceBroken, GenerationCancelled, ModelNotLoaded, OutOfMemory
from src.generation import GenerationRequest, Parameters, Task
from src.manifest import AdapterEntry, AdapterKind, Manifest, ModelEntry, load_manifest
from src.pipelines.adapters import Adapter
from src.pipelines.health import check, check_chosen, device_errors, is_broken
from src.pipelines.loader import Loader
from src.pipelines.misfit import blamed_on
from src.pipelines.room import Pipelines
from src.pipelines.shortage import memory_errors

from .conftest import Studio

MANIFEST = load_manifest()
CPU, META = torch.device("cpu"), torch.device("meta")

#: How torch hands on an error of CUDA's.
CUDA_ERROR = (
    "CUDA error: {}\n"
    "CUDA kernel errors might be asynchronously reported at some other API call, so the "
    "stacktrace below might be incorrect.\n"
    "For debugging consider passing CUDA_LAUNCH_BLOCKING=1\n"
)
BROKEN = [
    *(
        torch.AcceleratorError(CUDA_ERROR.format(words))
        for words in (
            "device-side assert triggered",
            "an illegal memory access was encountered",
            "an illegal instruction was encountered",
            "unspecified launch failure",
            "misaligned address",
            "hardware stack error",
            "invalid program counter",
            "operation not supported on global/shared address space",
            "the launch timed out and was terminated",
            "uncorrectable ECC error encountered",
            "uncorrectable NVLink error detected during the execution",
        )
    ),
    RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
    RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm( handle)`"),
    RuntimeError("Triton Error [CUDA]: an illegal memory access was encountered"),
]
NOT_BROKEN = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    torch.AcceleratorError(CUDA_ERROR.format("out of memory")),
    torch.AcceleratorError(CUDA_ERROR.format("no kernel image is available for execution")),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("The size of tensor a (3) must match the size of tensor b (4)"),
    ValueError("misaligned address"),
    MemoryError(),
]


def coded(number: int, words: str) -> torch.AcceleratorError:
    """As torch makes it of an error of CUDA's."""
    error = torch.AcceleratorError(CUDA_ERROR.format(words))
    error.error_code = number  # type: ignore[attr-defined]  # set by torch's C++ alone
    return error


@pytest.mark.parametrize("error", [*BROKEN, coded(710, "words of a later version")], ids=str)
def test_an_error_after_which_cuda_takes_no_more_is_known(error: Exception) -> None:
    assert is_broken(error)


@pytest.mark.parametrize("error", [*NOT_BROKEN, coded(2, "out of memory"), coded(1, "?")], ids=str)
def test_an_error_of_memory_or_of_a_call_is_none_of_them(error: Exception) -> None:
    assert not is_broken(error)


@pytest.mark.parametrize("error", BROKEN, ids=str)
def test_such_an_error_is_named_in_one_line_and_keeps_its_cause(error: Exception) -> None:
    with pytest.raises(DeviceBroken) as raised, device_errors(CPU):
        raise error

    assert str(raised.value) == f"cpu: {str(error).splitlines()[0]}"
    assert raised.value.__cause__ is error
    assert raised.value.public is None


@pytest.mark.parametrize("error", [*NOT_BROKEN, GenerationCancelled(), KeyError("frames")], ids=str)
def test_other_errors_come_through_where_the_device_works(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, device_errors(CPU):
        raise error

    assert raised.value is error


def test_of_an_error_that_does_not_say_a_try_on_the_device_decides() -> None:
    """Torch's meta device takes every call, and computes nothing."""
    with pytest.raises(DeviceBroken, match=r"^meta: size mismatch$"), device_errors(META):
        raise RuntimeError("size mismatch")


@pytest.mark.parametrize(
    "error", [GenerationCancelled(), ModelNotLoaded("no such file"), OutOfMemory("too much")]
)
def test_an_error_that_is_none_of_torchs_asks_nothing_of_the_device(error: Exception) -> None:
    with pytest.raises(type(error)), device_errors(META):
        raise error


def test_memory_that_ran_out_is_never_a_broken_device() -> None:
    with pytest.raises(OutOfMemory), device_errors(META), memory_errors():
        raise torch.OutOfMemoryError("CUDA out of memory.")


def test_a_broken_device_is_known_behind_the_fault_that_it_was_taken_for(tmp_path: Path) -> None:
    entry = AdapterEntry(
        id="a/lora", kind=AdapterKind.LORA, models=frozenset({"tiny"}), repo="a/lora"
    )
    adapter = Adapter(entry=entry, folder=tmp_path, field="lora_models")

    with pytest.raises(DeviceBroken), device_errors(CPU), blamed_on(adapter):
        raise BROKEN[0]


def test_a_device_that_works_passes() -> None:
    check(CPU)


@pytest.mark.parametrize("name", ["meta", f"cuda:{torch.cuda.device_count()}"])
def test_a_device_that_does_not_compute_is_named(name: str) -> None:
    """Of the GPUs, the one after the last."""
    with pytest.raises(DeviceBroken, match=rf"^{name}: \w"):
        check(torch.device(name))


@contextmanager
def failing(module: Any, error: Exception) -> Iterator[None]:
    """Have a network raise where it would compute."""

    def fail(_module: Any, _inputs: Any) -> None:
        raise error

    handle = module.register_forward_pre_hook(fail)
    try:
        yield
    finally:
        handle.remove()


@pytest.mark.real
@pytest.mark.parametrize("part", ["text_encoder", "unet", "vae"])
@pytest.mark.parametrize("error", [BROKEN[0], BROKEN[-2]], ids=["assert", "library"])
def test_a_device_that_breaks_in_the_middle_of_a_clip_is_named(
    studio: Studio, part: str, error: Exception
) -> None:
    """Within a prompt's encoding, a step, and the decoding while the chunks are read."""
    request = studio.request("tiny", Task.TEXT2VIDEO, prompt=f"broken in the {part}")
    network = getattr(studio.room.load(request).pipeline(Task.TEXT2VIDEO), part)
    network = network.decoder if part == "vae" else network

    with failing(network, error), pytest.raises(DeviceBroken) as raised:
        list(studio.clip(request).chunks)

    assert raised.value.__cause__ is error
    assert studio.frames("tiny", Task.TEXT2VIDEO).shape == (3, 64, 64, 3)


@pytest.mark.real
def test_a_device_that_breaks_in_the_second_pass_is_named(studio: Studio) -> None:
    request = studio.request("tiny", Task.TEXT2VIDEO, upscale_width=96, upscale_height=96)
    network = studio.room.load(request).pipeline(Task.VIDEO2VIDEO).vae.encoder

    with failing(network, BROKEN[1]), pytest.raises(DeviceBroken, match="illegal memory access"):
        studio.clip(request)


@pytest.mark.real
def test_another_error_in_the_middle_of_a_clip_is_no_broken_device(studio: Studio) -> None:
    request = studio.request("tiny", Task.TEXT2VIDEO)
    network = studio.room.load(request).pipeline(Task.TEXT2VIDEO).unet

    with failing(network, RuntimeError("size mismatch")), pytest.raises(RuntimeError, match="size"):
        studio.clip(request)


@pytest.mark.real
def test_a_device_that_breaks_while_a_model_is_placed_is_named(
    studio: Studio, tiny_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = small_room(tiny_models, "tiny")
    loader = room._loader

    def put(*_arguments: Any) -> None:
        raise BROKEN[0]

    monkeypatch.setattr(loader, "put", put)  # no device breaks for a test
    with pytest.raises(DeviceBroken, match="device-side assert"):
        room.load(studio.request("tiny", Task.TEXT2VIDEO))


def small_room(models_dir: Path, *models: str, device: str = "cpu") -> Pipelines:
    """A room over some models, with nothing loaded."""
    return Pipelines(
        manifest=Manifest(models=tuple(map(MANIFEST.find, models))),
        loader=Loader(models_dir=models_dir, device=device),
        default_model=models[0],
    )


@pytest.mark.real
def test_the_rooms_device_is_tried_where_its_models_run(tiny_models: Path) -> None:
    small_room(tiny_models, "tiny").check_device()
    with pytest.raises(DeviceBroken, match=r"^meta: "):
        small_room(tiny_models, "tiny", device="meta").check_device()


@pytest.mark.real
@pytest.mark.parametrize("part", ["unet", "vae"])
def test_after_memory_ran_out_only_the_model_at_work_is_kept(tiny_models: Path, part: str) -> None:
    studio = Studio(tiny_models)
    before = studio.frames("cogvideox", Task.TEXT2VIDEO)
    studio.frames("svd", Task.IMG2VIDEO)
    request = studio.request("tiny", Task.TEXT2VIDEO)
    pipeline = studio.room.load(request).pipeline(Task.TEXT2VIDEO)
    network = pipeline.vae.decoder if part == "vae" else pipeline.unet
    assert studio.loader.resident == ["cogvideox", "svd", "tiny"]

    error = torch.OutOfMemoryError("CUDA out of memory.")
    with failing(network, error), pytest.raises(OutOfMemory):
        list(studio.clip(request).chunks)

    assert studio.loader.resident == ["tiny"]
    assert np.array_equal(before, studio.frames("cogvideox", Task.TEXT2VIDEO))


@pytest.mark.real
def test_a_model_that_memory_does_not_hold_makes_the_others_go(
    tiny_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = small_room(tiny_models, "tiny", "svd")
    request = GenerationRequest(task=Task.TEXT2VIDEO, model="tiny", parameters=Parameters())
    room.load(request)

    def read(_entry: ModelEntry) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(room._loader, "read", read)  # no tiny model is too large
    with pytest.raises(OutOfMemory):
        room.load(GenerationRequest(task=Task.IMG2VIDEO, model="svd"))

    assert room._loader.resident == []


@pytest.mark.parametrize(
    ("wanted", "files", "refused"),
    [
        ("auto", ["nvidia0", "null"], True),
        ("auto", ["nvidiactl", "null"], False),
        ("auto", ["null"], False),
        ("cpu", ["nvidia0"], False),
    ],
)
def test_a_cpu_is_not_taken_for_a_gpu_that_does_not_work(
    tmp_path: Path, wanted: str, files: list[str], refused: bool
) -> None:
    for name in files:
        (tmp_path / name).touch()
    with pytest.raises(DeviceBroken, match="DEVICE=cpu") if refused else nullcontext():
        check_chosen(torch.device("cpu"), wanted=wanted, files=tmp_path)
