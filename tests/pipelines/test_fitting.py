"""Into how much memory a model goes, and what is said when it was not enough."""

import gc
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch

from src.dialects.failure import OURS
from src.dialects.modelslab.answer import failure
from src.errors import OutOfMemory
from src.generation import Task
from src.manifest import Manifest, ModelEntry, load_manifest
from src.pipelines import FAMILIES
from src.pipelines.fitting import RESIDENT, Fitting, choose, dtypes, working_memory
from src.pipelines.loader import Loader
from src.pipelines.room import Pipelines
from src.pipelines.shortage import memory_errors, share_that_fits, suggestion, tried
from src.pipelines.weights import sizes

from .conftest import Studio

MANIFEST = load_manifest()
MB = 10**6
#: A text encoder, a denoiser and a VAE, 30 in all.
WEIGHTS = {"text_encoder": 10, "transformer": 18, "vae": 2}


@pytest.mark.parametrize(
    ("free", "working", "fitting"),
    [
        (100, 5, RESIDENT),
        (35, 5, RESIDENT),  # exactly
        (34, 5, Fitting(offload="model", vae_slicing=True)),
        (23, 5, Fitting(offload="model", vae_slicing=True)),  # the transformer alone, exactly
        (22, 5, Fitting(offload="group", vae_slicing=True)),
        (7, 5, Fitting(offload="group", vae_slicing=True)),  # the VAE beside a clip, exactly
        (6, 5, Fitting(offload="group", vae_slicing=True, vae_tiling=True)),
        (0, 5, Fitting(offload="group", vae_slicing=True, vae_tiling=True)),
    ],
)
def test_what_stays_on_the_gpu_follows_from_what_is_free(
    free: int, working: int, fitting: Fitting
) -> None:
    assert choose(WEIGHTS, free=free, working=working) == fitting


def test_two_denoisers_are_on_the_gpu_one_after_the_other() -> None:
    weights = WEIGHTS | {"transformer_2": 18}

    assert choose(weights, free=47, working=5).offload == "model"
    assert choose(weights, free=53, working=5).offload == "none"


def entry(**changes: Any) -> ModelEntry:
    return MANIFEST.find("cogvideox").model_copy(update=changes)


def test_a_clip_takes_memory_by_its_size_or_what_the_manifest_says() -> None:
    assert working_memory(entry()) == 720 * 480 * 49 * 256
    assert working_memory(MANIFEST.find("tiny")) == 2000 * MB
    assert working_memory(entry(working_memory_gb=12.5)) == 12_500 * MB


@pytest.mark.parametrize(
    ("capability", "served"),
    [
        (None, {"default": "float32"}),
        ((7, 5), {"default": "float32", "vae": "float16"}),
        ((8, 0), {"default": "bfloat16", "vae": "float16"}),
        ((9, 0), {"default": "bfloat16", "vae": "float16"}),
    ],
)
def test_a_gpu_without_bfloat16_takes_float32(
    capability: tuple[int, int] | None, served: dict[str, str]
) -> None:
    model = entry(dtype="bfloat16", dtypes={"vae": "float16"})

    assert dtypes(model, capability=capability) == served


def plan_of(family: str, width: int, height: int, num_frames: int) -> Any:
    return FAMILIES[family].plan(width=width, height=height, num_frames=num_frames)


@pytest.mark.parametrize(
    ("family", "shape", "share", "words"),
    [
        ("cogvideox", (720, 480, 49), 0.5, "496x336 with 49 frames, or 720x480 with 17 frames,"),
        ("cogvideox", (720, 480, 49), 0.1, "224x144 with 49 frames"),
        ("animatediff", (512, 512, 16), 0.5, "360x360 with 16 frames, or 512x512 with 8 frames,"),
        ("cogvideox", (64, 64, 49), 0.5, "64x64 with 17 frames"),
    ],
)
def test_what_would_fit_is_said_in_what_the_family_can_do(
    family: str, shape: tuple[int, int, int], share: float, words: str
) -> None:
    plan = plan_of(family, *shape)
    asked = f"{shape[0]}x{shape[1]} with {shape[2]} frames"
    sentence = suggestion(FAMILIES[family], plan, share)

    assert sentence == f"The device ran out of memory at {asked}; {words} should fit."


def test_where_nothing_less_can_be_done_that_is_said() -> None:
    plan = plan_of("cogvideox", 64, 64, 1)

    assert suggestion(FAMILIES["cogvideox"], plan, 0.5) == (
        "The device ran out of memory at 64x64 with 1 frame, and this model does no less."
    )


def test_a_model_with_a_size_multiple_of_its_own_is_offered_multiples_of_it() -> None:
    family = FAMILIES["cogvideox"]
    plan = family.plan(width=720, height=480, num_frames=1, size_multiple=64)

    assert "512x320 with 1 frame" in suggestion(family, plan, 0.5, size_multiple=64)


@pytest.mark.parametrize(
    ("available", "needed", "share"), [(10, 40, 0.125), (10, 10, 0.5), (40, 10, 0.5), (10, 0, 0.5)]
)
def test_less_is_suggested_the_more_was_missing(available: int, needed: int, share: float) -> None:
    assert share_that_fits(available=available, needed=needed) == share


def test_what_torch_tried_to_allocate_is_read_from_its_message() -> None:
    assert tried("CUDA out of memory. Tried to allocate 1.50 GiB. GPU 0 has") == 3 * 2**29
    assert tried("no figure") == 0


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        MemoryError(),
    ],
)
def test_each_way_of_running_out_of_memory_is_known(error: Exception) -> None:
    with pytest.raises(OutOfMemory) as raised, memory_errors(lambda share: f"{share:g} of it"):
        raise error

    assert raised.value.public == "0.5 of it"
    assert raised.value.__cause__ is error


def test_another_error_comes_through_as_it_is() -> None:
    with pytest.raises(RuntimeError, match="size mismatch"), memory_errors():
        raise RuntimeError("size mismatch")


def test_the_caller_is_told_what_would_fit_and_nothing_of_the_device() -> None:
    told = OutOfMemory("CUDA out of memory at 0xdead", public="Less would fit.")

    assert failure(told).message == "Less would fit."
    assert failure(OutOfMemory("CUDA out of memory at 0xdead")).message == OURS


def fitted_studio(models_dir: Path, model: str, offload: str) -> Studio:
    """The room over one model, with just as little memory as makes it be offloaded so."""
    served = MANIFEST.find(model).model_copy(update={"working_memory_gb": 2.0})
    weights = sizes(models_dir, served, {"default": "float32"})
    room = {"none": sum(weights.values()), "model": max(weights.values()), "group": 0}[offload]
    studio = Studio(models_dir)
    studio.loader = Loader(
        models_dir=models_dir, device="cpu", free_memory=lambda: 2000 * MB + room
    )
    manifest = Manifest(models=(served,))
    studio.room = Pipelines(manifest=manifest, loader=studio.loader, default_model=served.id)
    return studio


@pytest.mark.real
@pytest.mark.parametrize(
    ("offload", "words"),
    [
        ("none", "all of it on the device"),
        ("model", "one component at a time on the device, VAE slicing"),
        ("group", "one block at a time on the device, VAE slicing, VAE tiling"),
    ],
)
def test_the_loader_fits_a_model_and_says_so(
    tiny_models: Path, offload: str, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    fitted = fitted_studio(tiny_models, "cogvideox", offload)
    fitted.frames("cogvideox", Task.TEXT2VIDEO)

    assert f"2.0 GB for a clip, 2.0 GB free; {words}\n" in caplog.text


OFFLOADED = [
    ("tiny", Task.IMG2VIDEO),
    ("svd", Task.IMG2VIDEO),
    ("cogvideox", Task.VIDEO2VIDEO),
    ("wan2.1", Task.TEXT2VIDEO),
]


@pytest.mark.real
@pytest.mark.parametrize("offload", ["model", "group"])
@pytest.mark.parametrize(("model", "task"), OFFLOADED)
def test_an_offloaded_model_makes_the_same_frames_job_after_job(
    studio: Studio, tiny_models: Path, offload: str, model: str, task: Task
) -> None:
    """On the CPU nothing moves far, but all the hooks are there and run."""
    whole = studio.frames(model, task).astype(int)
    fitted = fitted_studio(tiny_models, model, offload)
    if offload == "group":  # tiles have seams; what is tried here is the moving
        fitted.room.load(fitted.request(model, task)).pipeline(task).vae.use_tiling = False
    first = fitted.frames(model, task)

    # Kernels differ by batch size: a value on the edge between two may fall to either side.
    assert np.abs(first - whole).max() <= 1
    assert np.array_equal(first, fitted.frames(model, task))


@pytest.mark.real
def test_pipelines_on_the_same_components_take_turns_when_offloaded(
    studio: Studio, tiny_models: Path
) -> None:
    whole = {task: studio.frames("tiny", task).astype(int) for task in Task}
    for offload in ("model", "group"):
        fitted = fitted_studio(tiny_models, "tiny", offload)
        for task in (Task.TEXT2VIDEO, Task.VIDEO2VIDEO, Task.TEXT2VIDEO):
            assert np.abs(fitted.frames("tiny", task) - whole[task]).max() <= 1


@pytest.mark.real
def test_a_model_offloaded_by_component_is_off_the_device_when_its_clip_is_read(
    tiny_models: Path,
) -> None:
    """The VAE comes back to decode when the pipeline is already done."""
    fitted = fitted_studio(tiny_models, "tiny", "model")
    request = fitted.request("tiny", Task.TEXT2VIDEO)
    pipeline = fitted.room.load(request).pipeline(Task.TEXT2VIDEO)
    clip = fitted.clip(request)
    decoding = list(pipeline._all_hooks)
    list(clip.chunks)

    assert not set(decoding) & set(pipeline._all_hooks)  # taken off, and new ones put on


@pytest.mark.real
@pytest.mark.parametrize("offload", ["model", "group"])
def test_eviction_takes_the_hooks_off_and_lets_the_weights_go(
    tiny_models: Path, offload: str
) -> None:
    fitted = fitted_studio(tiny_models, "tiny", offload)
    fitted.frames("tiny", Task.VIDEO2VIDEO)
    pipeline = fitted.room.load(fitted.request("tiny", Task.TEXT2VIDEO)).pipeline(Task.TEXT2VIDEO)
    unet = pipeline.unet
    gone = weakref.ref(pipeline.text_encoder)
    del pipeline
    fitted.loader.evict()

    assert gone() is None
    assert not hasattr(unet, "_hf_hook")
    assert not any(
        module._diffusers_hook.hooks
        for module in unet.modules()
        if hasattr(module, "_diffusers_hook")
    )


@pytest.mark.real
def test_another_model_goes_before_this_one_is_offloaded(tiny_models: Path) -> None:
    tiny, cogvideox = MANIFEST.find("tiny"), MANIFEST.find("cogvideox")
    total = 10**12
    loader = Loader(
        models_dir=tiny_models,
        device="cpu",
        free_memory=lambda: total - 10**12 * len(loader.resident),
    )
    loader.load(tiny)
    loader.load(cogvideox)

    assert loader.resident == ["cogvideox"]


#: As much as a clip's tensors may be: what is not let go of after an error is seen.
HELD = 64 * 2**20


@contextmanager
def running_out(module: Any) -> Iterator[None]:
    """Have a network take memory, and then more than any machine has."""

    def take(_module: Any, _inputs: Any) -> None:
        taken = torch.ones(HELD, dtype=torch.uint8)
        torch.empty(2**50 * int(taken[0]))

    handle = module.register_forward_pre_hook(take)
    try:
        yield
    finally:
        handle.remove()


@pytest.mark.real
@pytest.mark.parametrize("part", ["transformer", "vae"])
def test_a_clip_that_is_too_large_fails_with_advice_and_the_next_one_is_made(
    studio: Studio, part: str
) -> None:
    """Memory runs out within a step, and within decoding, five times over."""
    before = studio.frames("cogvideox", Task.TEXT2VIDEO)
    request = studio.request("cogvideox", Task.TEXT2VIDEO, width=128, height=128, num_frames=33)
    pipeline = studio.room.load(request).pipeline(Task.TEXT2VIDEO)
    failing = pipeline.transformer if part == "transformer" else pipeline.vae.decoder
    gc.collect()
    taken = psutil.Process().memory_info().rss
    for _ in range(5):
        with running_out(failing), pytest.raises(OutOfMemory) as raised:
            list(studio.clip(request).chunks)
        assert raised.value.public == (
            "The device ran out of memory at 128x128 with 33 frames; 80x80 with 33 frames, "
            "or 128x128 with 9 frames, should fit."
        )
        assert failure(raised.value).message == raised.value.public
    left = psutil.Process().memory_info().rss - taken

    assert np.array_equal(before, studio.frames("cogvideox", Task.TEXT2VIDEO))
    assert left < HELD


@pytest.mark.real
def test_an_offloaded_model_is_off_the_device_after_memory_ran_out(tiny_models: Path) -> None:
    fitted = fitted_studio(tiny_models, "cogvideox", "model")
    before = fitted.frames("cogvideox", Task.TEXT2VIDEO)
    request = fitted.request("cogvideox", Task.TEXT2VIDEO)
    pipeline = fitted.room.load(request).pipeline(Task.TEXT2VIDEO)
    for part in (pipeline.transformer, pipeline.vae.decoder):
        hooks = list(pipeline._all_hooks)
        with running_out(part), pytest.raises(OutOfMemory):
            list(fitted.clip(request).chunks)
        assert not set(hooks) & set(pipeline._all_hooks)  # taken off, and new ones put on

    assert np.array_equal(before, fitted.frames("cogvideox", Task.TEXT2VIDEO))


@pytest.mark.real
def test_a_model_that_does_not_fit_at_all_is_named(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(_entry: ModelEntry) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(studio.loader, "load", load)
    with pytest.raises(OutOfMemory) as raised:
        studio.room.load(studio.request("svd", Task.IMG2VIDEO))

    assert raised.value.public == "svd does not fit into the device's memory."
