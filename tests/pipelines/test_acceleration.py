"""Settings that make a model faster or smaller: what they do, and what is refused."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from src.generation import Task
from src.manifest import (
    PACKAGED,
    Acceleration,
    AdapterEntry,
    AdapterKind,
    Manifest,
    load_manifest,
)
from src.pipelines import acceleration, caches
from src.pipelines.fitting import RESIDENT, Fitting, working_memory
from src.pipelines.loader import Loader
from src.pipelines.room import Pipelines
from src.pipelines.weights import sizes

from .conftest import Studio

pytestmark = pytest.mark.real

MANIFEST = load_manifest()
CPU, GPU = torch.device("cpu"), torch.device("cuda")
#: Changes of a step of which a cache takes none for too large; enough steps for it to skip some.
EAGER: dict[str, Any] = {"cache": "first_block", "cache_options": {"threshold": 1e9}}
STEPS: dict[str, Any] = {"num_inference_steps": 8, "strength": 1.0}
LITE = {"use_lite_mode": True, "taylor_factors_dtype": "float32"}


def accelerated(
    models_dir: Path, model: str, tasks: Any = (Task.TEXT2VIDEO,), **settings: Any
) -> Studio:
    """The room over one model with these settings, for some of its tasks."""
    changes = {"acceleration": Acceleration(**settings), "tasks": frozenset(tasks)}
    entry = MANIFEST.find(model).model_copy(update=changes)
    studio = Studio(models_dir)
    studio.room = Pipelines(
        manifest=Manifest(models=(entry,)), loader=studio.loader, default_model=entry.id
    )
    return studio


@contextmanager
def counted(studio: Studio, model: str, task: Task, suffix: str = "") -> Iterator[list[str]]:
    """Each time that a layer of a denoiser's last block computes, or the layer of that name."""
    heard: list[str] = []
    pipeline = studio.room.load(studio.request(model, task)).pipeline(task)
    handles = []
    for name, denoiser in acceleration.denoisers(pipeline).items():
        layers = [
            layer
            for path, layer in denoiser.named_modules()
            if isinstance(layer, torch.nn.Linear) and "blocks." in path and suffix in path
        ]
        handles.append(
            layers[-1].register_forward_pre_hook(lambda *_, name=name: heard.append(name))
        )
    try:
        yield heard
    finally:
        for handle in handles:
            handle.remove()


CACHED: list[tuple[str, Task, dict[str, Any]]] = [
    ("cogvideox", Task.TEXT2VIDEO, EAGER),
    ("cogvideox", Task.TEXT2VIDEO, {"cache": "taylorseer", "cache_options": LITE}),
    ("cogvideox", Task.TEXT2VIDEO, {"cache": "mag", "cache_options": {"mag_ratios": [1.0] * 3}}),
    ("wan2.1", Task.TEXT2VIDEO, EAGER),
    ("wan2.1", Task.TEXT2VIDEO, {"cache": "sea", "cache_options": {"threshold": 1e9}}),
    ("wan2.2-t2v-a14b", Task.TEXT2VIDEO, EAGER),
    ("hunyuanvideo", Task.TEXT2VIDEO, EAGER),
    ("ltx-video", Task.TEXT2VIDEO, EAGER),
]


@pytest.mark.parametrize(("model", "task", "settings"), CACHED)
def test_a_cache_saves_steps_and_leaves_nothing_for_the_next_job(
    studio: Studio, tiny_models: Path, model: str, task: Task, settings: dict[str, Any]
) -> None:
    fast = accelerated(tiny_models, model, [task], **settings)
    with counted(studio, model, task) as all_steps:
        whole = studio.frames(model, task, **STEPS)
    with counted(fast, model, task) as some:
        first = fast.frames(model, task, **STEPS)

    assert set(some) == set(all_steps)  # of each denoiser
    assert len(some) < 0.7 * len(all_steps)
    assert not np.array_equal(first, whole)
    with pytest.raises(Stopped):
        fast.clip(fast.request(model, task, **STEPS), on_step=stop_at_fifth)
    assert np.array_equal(first, fast.frames(model, task, **STEPS))


class Stopped(Exception):
    pass


def stop_at_fifth(done: int, _total: int) -> None:
    if done == 5:
        raise Stopped


@pytest.mark.parametrize("model", ["cogvideox", "wan2.1"])
def test_taylorseer_finds_attention_by_whatever_number(tiny_models: Path, model: str) -> None:
    """By default diffusers finds no layer of either, and says nothing."""
    fast = accelerated(tiny_models, model, cache="taylorseer")
    with counted(fast, model, Task.TEXT2VIDEO, suffix="attn1.to_q") as attention:
        first = fast.frames(model, Task.TEXT2VIDEO, **STEPS)
    with counted(fast, model, Task.TEXT2VIDEO, suffix="ff") as rest:
        again = fast.frames(model, Task.TEXT2VIDEO, **STEPS)

    assert len(attention) < len(rest)
    assert np.array_equal(first, again)


def test_attention_is_broadcast_by_the_pipeline_that_runs(tiny_models: Path) -> None:
    """Two pipelines on one denoiser: the timestep is that of the one that is called."""
    tasks = [Task.TEXT2VIDEO, Task.VIDEO2VIDEO]
    options = {"spatial_attention_timestep_skip_range": [0, 1001]}
    fast = accelerated(
        tiny_models, "cogvideox", tasks, cache="pyramid_attention", cache_options=options
    )
    for task in tasks:
        with counted(fast, "cogvideox", task, suffix="attn1.to_q") as attention:
            fast.frames("cogvideox", task, **STEPS)
        assert len(attention) == 4


@pytest.mark.parametrize("steps", [2, 10])
def test_magnitudes_are_spread_over_the_steps_of_each_job(tiny_models: Path, steps: int) -> None:
    options = {"mag_ratios": [1.0, 0.9, 0.8], "threshold": 10.0, "max_skip_steps": 100}
    fast = accelerated(tiny_models, "cogvideox", cache="mag", cache_options=options)
    with counted(fast, "cogvideox", Task.TEXT2VIDEO) as heard:
        fast.frames("cogvideox", Task.TEXT2VIDEO, num_inference_steps=steps)
    kept = int(0.2 * steps + 0.5)

    assert len(heard) == max(1, kept)  # the share that is always computed


@pytest.mark.parametrize("settings", [{}, EAGER])
def test_blocks_are_compiled_once_and_within_the_cache(
    tiny_models: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]
) -> None:
    """By torch's tracer alone: what a compiler makes of it is `make gpu-check`'s to try."""
    monkeypatch.setattr(acceleration, "COMPILER", "eager")
    plain = accelerated(tiny_models, "wan2.1", **settings)
    fast = accelerated(tiny_models, "wan2.1", **settings, compile=True)
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    whole = plain.frames("wan2.1", Task.TEXT2VIDEO, **STEPS)

    assert np.array_equal(whole, fast.frames("wan2.1", Task.TEXT2VIDEO, **STEPS))
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1
    assert np.array_equal(whole, fast.frames("wan2.1", Task.TEXT2VIDEO, **STEPS))
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1


def test_weights_are_kept_in_eight_bits(studio: Studio, tiny_models: Path) -> None:
    small = accelerated(tiny_models, "cogvideox", layerwise_casting="float8_e4m3fn")
    model = small.room.load(small.request("cogvideox", Task.TEXT2VIDEO))
    whole = studio.room.load(studio.request("cogvideox", Task.TEXT2VIDEO))
    frames = small.frames("cogvideox", Task.TEXT2VIDEO)
    block = model.pipeline(Task.TEXT2VIDEO).transformer.transformer_blocks[0]

    assert block.attn1.to_q.weight.dtype is torch.float8_e4m3fn
    assert block.norm1.linear.weight.dtype is torch.float32
    assert model.size_bytes < whole.size_bytes
    assert not np.array_equal(frames, studio.frames("cogvideox", Task.TEXT2VIDEO))
    assert np.array_equal(frames, small.frames("cogvideox", Task.TEXT2VIDEO))


def test_an_attention_backend_is_one_models_own(tiny_models: Path) -> None:
    from diffusers.models.attention_dispatch import _AttentionBackendRegistry

    before = _AttentionBackendRegistry.get_active_backend()
    studio = accelerated(tiny_models, "wan2.1", attention="_native_math")
    studio.frames("wan2.1", Task.TEXT2VIDEO)
    model = studio.room.load(studio.request("wan2.1", Task.TEXT2VIDEO))
    transformer = model.pipeline(Task.TEXT2VIDEO).transformer

    assert {
        processor._attention_backend for processor in acceleration._dispatched(transformer)
    } == {"_native_math"}
    assert _AttentionBackendRegistry.get_active_backend() == before


def test_nothing_is_on_where_nothing_is_set(studio: Studio) -> None:
    for entry in MANIFEST:
        assert entry.acceleration == acceleration.NOTHING
    pipeline = studio.room.load(studio.request("wan2.1", Task.TEXT2VIDEO)).pipeline(Task.TEXT2VIDEO)

    assert not any(hasattr(part, "_diffusers_hook") for part in pipeline.transformer.blocks)


def test_an_operators_manifest_sets_it(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(
        '[models.cogvideox.acceleration]\ncache = "first_block"\ncache_options.threshold = 0.1\n'
    )
    settings = load_manifest(PACKAGED, own).find("cogvideox").acceleration

    assert settings == Acceleration(cache="first_block", cache_options={"threshold": 0.1})
    assert caches.config_of(settings).threshold == 0.1


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ('cache = "teacache"', r"models.cogvideox: acceleration.cache: Input should be"),
        ("cache_options.threshold = 0.1", "cache_options are given, but no cache"),
        ("quantization = 8", "acceleration.quantization: Extra inputs are not permitted"),
    ],
)
def test_a_setting_that_there_is_not_is_refused(tmp_path: Path, table: str, words: str) -> None:
    own = tmp_path / "own.toml"
    own.write_text(f"[models.cogvideox.acceleration]\n{table}\n")
    with pytest.raises(ValueError, match=words):
        load_manifest(PACKAGED, own)


#: Model, tasks, settings, and why they do not go together.
REFUSED: list[tuple[str, list[Task], dict[str, Any], str]] = [
    ("tiny", [Task.TEXT2VIDEO], EAGER, "AnimateDiffPipeline, which does text2video, does not tell"),
    ("svd", [Task.IMG2VIDEO], EAGER, "unet .*: diffusers has no step caches for it"),
    (
        "wan2.1",
        [Task.TEXT2VIDEO, Task.VIDEO2VIDEO],
        EAGER,
        "WanVideoToVideoPipeline, .* take video2video out of the model's tasks",
    ),
    ("wan2.1", [Task.TEXT2VIDEO], {"cache": "mag"}, "`mag_ratios` must be provided"),
    (
        "wan2.2-t2v-a14b",
        [Task.TEXT2VIDEO],
        {"cache": "mag", "cache_options": {"mag_ratios": [1.0]}},
        "this model has two",
    ),
    ("wan2.1", [Task.TEXT2VIDEO], {"cache": "pyramid_attention"}, "may run the denoiser twice"),
    ("wan2.1-i2v-480p", [Task.IMG2VIDEO], {"cache": "sea"}, "Wan's text2video alone"),
    (
        "wan2.1",
        [Task.TEXT2VIDEO],
        {"cache": "first_block", "cache_options": {"treshold": 1}},
        r"among those of FirstBlockCacheConfig \(threshold\), got treshold",
    ),
    (
        "wan2.1",
        [Task.TEXT2VIDEO],
        {"cache": "taylorseer", "cache_options": {"cache_identifiers": ["nothing"]}},
        "nothing of it is what the cache looks for",
    ),
    (
        "wan2.1",
        [Task.TEXT2VIDEO],
        {"cache": "taylorseer", "compile": True},
        "cache taylorseer sits within the blocks that it compiles",
    ),
    ("ltx-2", [Task.TEXT2VIDEO], {"cache": "pyramid_attention"}, "may run the denoiser twice"),
    ("ltx-2", [Task.TEXT2VIDEO], EAGER, "LTX2VideoTransformerBlock.* not registered"),
    ("cogvideox", [Task.TEXT2VIDEO], {"compile": True}, "names no blocks to be compiled"),
    ("tiny", [Task.TEXT2VIDEO], {"compile": True}, "names no blocks to be compiled"),
    ("cogvideox", [Task.TEXT2VIDEO], {"attention": "native"}, "does not go by diffusers' backends"),
    ("wan2.1", [Task.TEXT2VIDEO], {"attention": "quick"}, "must be one of .*, got 'quick'"),
    ("wan2.1", [Task.TEXT2VIDEO], {"attention": "flash_hub"}, "fetches its code when it runs"),
    ("wan2.1", [Task.TEXT2VIDEO], {"attention": "flash"}, "not on the CPU"),
    (
        "wan2.1",
        [Task.TEXT2VIDEO],
        {"compile": True, "layerwise_casting": "float8_e4m3fn"},
        "changes each layer's weights",
    ),
]


@pytest.mark.parametrize(("model", "tasks", "settings", "words"), REFUSED)
def test_what_cannot_work_is_refused_at_start(
    tiny_models: Path, model: str, tasks: list[Task], settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=rf"manifest, models.{model}.acceleration: .*{words}"):
        accelerated(tiny_models, model, tasks, **settings)


@pytest.mark.parametrize(
    ("settings", "offload", "takes_loras", "words"),
    [
        ({"compile": True}, "group", False, "compile: the blocks that it compiles would move"),
        ({"compile": True}, "model", False, None),
        ({"compile": True}, "none", True, "compile: each request's LoRAs"),
        ({"layerwise_casting": "float8_e5m2"}, "none", True, "layerwise_casting: LoRAs"),
        ({"layerwise_casting": "float8_e5m2"}, "group", False, None),
        ({"cache": "sea"}, "model", False, "cache sea: its hook"),
        ({"cache": "first_block"}, "model", True, None),
        ({"attention": "flash"}, "none", False, "attention flash: .* install `flash-attn"),
        ({"attention": "_native_cudnn"}, "none", True, None),
    ],
)
def test_settings_are_held_against_memory_and_requests(
    settings: dict[str, Any], offload: Any, takes_loras: bool, words: str | None
) -> None:
    reasons = list(
        acceleration.refusals(
            Acceleration(**settings),
            fitting=RESIDENT if offload == "none" else Fitting(offload=offload),
            device=GPU,
            takes_loras=takes_loras,
        )
    )
    if words is None:
        assert not reasons
    else:
        assert len(reasons) == 1
        with pytest.raises(ValueError, match=words):
            raise ValueError(reasons[0])


def test_a_model_with_loras_is_not_compiled(tiny_models: Path) -> None:
    changes = {"acceleration": Acceleration(compile=True), "tasks": frozenset({Task.TEXT2VIDEO})}
    entry = MANIFEST.find("wan2.1").model_copy(update=changes)
    lora = AdapterEntry(
        id="style", kind=AdapterKind.LORA, models=frozenset({entry.id}), repo="someone/style"
    )
    manifest = Manifest(models=(entry,), adapters=(lora,))
    loader = Loader(models_dir=tiny_models, device="cpu")
    with pytest.raises(
        ValueError, match="each request's LoRAs would have the blocks compiled anew"
    ):
        Pipelines(manifest=manifest, loader=loader, default_model=entry.id)


@pytest.mark.parametrize("offload", ["model", "group"])
def test_a_cache_works_on_a_model_that_is_offloaded(
    tiny_models: Path, offload: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    plain = accelerated(tiny_models, "wan2.1", **EAGER)
    fast = accelerated(tiny_models, "wan2.1", **EAGER)
    entry = MANIFEST.find("wan2.1")
    weights = sizes(tiny_models, entry, {"default": "float32"})
    room = max(weights.values()) if offload == "model" else weights["vae"]
    fast.loader._free = lambda: working_memory(entry) + room
    with counted(plain, "wan2.1", Task.TEXT2VIDEO) as some:
        whole = plain.frames("wan2.1", Task.TEXT2VIDEO, **STEPS).astype(int)
    with counted(fast, "wan2.1", Task.TEXT2VIDEO) as as_many:
        frames = fast.frames("wan2.1", Task.TEXT2VIDEO, **STEPS)

    assert {"model": "one component", "group": "one block"}[offload] in caplog.text
    assert len(as_many) == len(some)
    assert np.abs(frames - whole).max() <= 1
