"""The second, upscaling pass, end to end: another model's, and a model's own."""

import weakref
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src.dialects.modelslab import ModelsLab
from src.errors import InvalidRequest
from src.generation import Clip, GenerationRequest, Sources, Task
from src.manifest import Manifest, load_manifest
from src.pipelines.loader import Loader
from src.pipelines.room import Pipelines
from src.pipelines.upscale import second_pass

from .conftest import Studio

pytestmark = pytest.mark.real

LARGER: dict[str, Any] = {
    "upscale_width": 96,
    "upscale_height": 80,
    "upscale_strength": 0.9,
    "upscale_guidance_scale": 5.0,
    "upscale_num_inference_steps": 4,
}
PAIRS = [("zeroscope", Task.TEXT2VIDEO), *(("tiny", task) for task in Task)]


@pytest.mark.parametrize(
    ("model", "task", "width", "height"),
    [("zeroscope", Task.TEXT2VIDEO, 128, 96), *(("tiny", task, 90, 70) for task in Task)],
)
def test_a_clip_is_of_the_upscaled_size(
    studio: Studio, model: str, task: Task, width: int, height: int
) -> None:
    asked = {"upscale_width": width, "upscale_height": height, "fps": 10}
    clip = studio.clip(studio.request(model, task, **LARGER | asked))
    frames = np.concatenate(list(clip.chunks))

    assert (clip.width, clip.height, clip.num_frames) == (width, height, 3)
    assert clip.fps == 10
    assert frames.shape == (3, height, width, 3)
    assert frames.std() > 5


@cache
def upscaled(studio: Studio, model: str) -> Any:
    return studio.frames(model, Task.TEXT2VIDEO, **LARGER)


@pytest.mark.parametrize("model", ["zeroscope", "tiny"])
@pytest.mark.parametrize(
    "change",
    [
        {"upscale_width": 104},
        {"upscale_height": 88},
        {"upscale_strength": 0.5},
        {"upscale_guidance_scale": 1.5},
        {"upscale_num_inference_steps": 3},
        {"prompt": "something else"},
        {"negative_prompt": "blurred"},
        {"seed": 8},
        {"num_inference_steps": 3},
    ],
)
def test_each_parameter_of_either_pass_changes_the_frames(
    studio: Studio, model: str, change: dict[str, Any]
) -> None:
    plain = upscaled(studio, model)

    assert not np.array_equal(plain, studio.frames(model, Task.TEXT2VIDEO, **LARGER | change))


@pytest.mark.parametrize("model", ["zeroscope", "tiny"])
def test_the_same_seed_gives_the_same_bytes(studio: Studio, model: str) -> None:
    plain = upscaled(studio, model)

    assert np.array_equal(plain, studio.frames(model, Task.TEXT2VIDEO, **LARGER))


def test_the_second_pass_starts_from_the_frames_of_the_first(studio: Studio) -> None:
    """One step in a hundred is the least that it redraws: much of what it started from is left."""
    least = {"upscale_strength": 0.01, "upscale_num_inference_steps": 100}
    sides = {"upscale_width": 128, "upscale_height": 128}
    larger = studio.frames("zeroscope", Task.TEXT2VIDEO, **LARGER | least | sides)
    first, other = (
        studio.frames("zeroscope", Task.TEXT2VIDEO, seed=seed).repeat(2, axis=1).repeat(2, axis=2)
        for seed in (7, 8)
    )

    assert likeness(larger, first) > likeness(larger, other)


def likeness(one: Any, other: Any) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


@pytest.mark.parametrize(("model", "task"), PAIRS)
def test_the_steps_of_both_passes_are_counted_as_one_row(
    studio: Studio, model: str, task: Task
) -> None:
    heard: list[tuple[int, int]] = []
    steps = {"num_inference_steps": 4, "strength": 0.5, "upscale_num_inference_steps": 5}
    request = studio.request(model, task, **LARGER | steps)  # 0.9 of 5 are 4
    studio.clip(request, on_step=lambda done, total: heard.append((done, total)))
    total = (2 if task is Task.VIDEO2VIDEO else 4) + 4

    assert heard == [(done, total) for done in range(1, total + 1)]


class Stopped(Exception):
    pass


def test_the_upscalers_own_defaults_are_used_said_and_counted(studio: Studio) -> None:
    request = studio.request("zeroscope", Task.TEXT2VIDEO, upscale_width=96, upscale_height=80)
    parameters = request.parameters
    heard: list[int] = []

    def stop_in_the_second(done: int, total: int) -> None:
        heard.append(total)
        if done == 3:
            raise Stopped

    with pytest.raises(Stopped):
        studio.clip(request, on_step=stop_in_the_second)

    assert parameters.upscale_strength == 0.6
    assert parameters.upscale_guidance_scale == 15.0
    assert parameters.upscale_num_inference_steps == 50
    assert heard == [32, 32, 32]  # two of the first pass, and 0.6 of 50


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"upscale_width": 2048, "upscale_height": 1024},
            r"^upscale_width x upscale_height must be at most 1048576 pixels for zeroscope-xl, "
            "got 2048x1024",
        ),
        (
            {"upscale_strength": 0.2},
            r"^upscale_strength must leave a step to do: "
            r"times upscale_num_inference_steps \(4\) it must reach 1, got 0.2",
        ),
        (
            {"upscale_num_inference_steps": 101},
            "^upscale_num_inference_steps must be at most 100 for zeroscope-xl, got 101",
        ),
        (
            {"upscale_guidance_scale": 31.0},
            "^upscale_guidance_scale must be at most 30 for zeroscope-xl, got 31",
        ),
    ],
)
def test_what_the_second_pass_cannot_do_is_refused_before_the_first(
    studio: Studio, change: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidRequest, match=words):
        studio.request("zeroscope", Task.TEXT2VIDEO, **LARGER | change)


@pytest.mark.parametrize(
    ("given", "size"),
    [
        ({"upscale_width": 1024}, (1024, 568)),
        ({"upscale_height": 576}, (1036, 576)),
        ({"upscale_width": 1024, "upscale_height": 640}, (1024, 640)),
    ],
)
def test_the_side_that_is_not_given_keeps_the_shape(
    studio: Studio, given: dict[str, Any], size: tuple[int, int]
) -> None:
    request = studio.request("zeroscope", Task.TEXT2VIDEO, width=576, height=320, **given)

    assert (request.parameters.upscale_width, request.parameters.upscale_height) == size


def test_a_model_without_an_upscaler_says_that_it_does_not_upscale(studio: Studio) -> None:
    request = studio.request("cogvideox", Task.TEXT2VIDEO, **LARGER)

    assert {f"{name}: not used by cogvideox, ignored" for name in LARGER} <= set(request.warnings)
    assert not LARGER.keys() & request.parameters.given().keys()


def test_without_a_size_nothing_is_upscaled(studio: Studio) -> None:
    sides = ("upscale_width", "upscale_height")
    figures = {name: value for name, value in LARGER.items() if name not in sides}
    request = studio.request("zeroscope", Task.TEXT2VIDEO, **figures)

    assert not LARGER.keys() & request.parameters.given().keys()
    assert next(studio.clip(request).chunks).shape[1:] == (64, 64, 3)


def test_what_modelslab_documents_holds_for_the_second_pass(studio: Studio) -> None:
    body = {"key": "x", "model_id": "zeroscope", "prompt": "a cat", "num_frames": 25}
    size = {"width": 512, "height": 512, "upscale_width": 1024, "upscale_height": 640}
    request = studio.room.settle(ModelsLab().decode_request({**body, **size}))
    parameters = request.parameters

    assert request.warnings == ()
    assert parameters.output_shape == (1024, 640, 25)
    assert parameters.upscale_strength == 0.6
    assert parameters.upscale_guidance_scale == 15.0
    assert parameters.upscale_num_inference_steps == 20


@pytest.mark.parametrize("name", ["dark-sushi-mix", "Dark-Sushi-Mix-Vid"])
def test_adapters_go_along_where_a_model_is_its_own_upscaler(studio: Studio, name: str) -> None:
    request = studio.request(name, Task.TEXT2VIDEO, **LARGER)
    adapted = replace(request, parameters=replace(request.parameters, lora_models=("a",)))
    second = second_pass(adapted, load_manifest().find(name))

    assert second is not None
    assert (second.model, second.parameters.lora_models) == ("dark-sushi-mix", ("a",))


def test_adapters_do_not_go_along_to_another_model(studio: Studio) -> None:
    request = studio.request("zeroscope", Task.TEXT2VIDEO, **LARGER)
    adapted = replace(request, parameters=replace(request.parameters, lora_models=("a",)))
    second = second_pass(adapted, load_manifest().find("zeroscope"))

    assert second is not None
    assert (second.model, second.parameters.lora_models) == ("zeroscope-xl", None)


class Small:
    """A room with memory for one of two models."""

    def __init__(self, models_dir: Path, *, size_bytes: int) -> None:
        models = tuple(load_manifest().find(name) for name in ("zeroscope", "zeroscope-xl"))
        budget = int(1.5 * size_bytes)
        self.loader = Loader(models_dir=models_dir, device="cpu", memory_budget=budget)
        manifest = Manifest(models=models)
        self.room = Pipelines(manifest=manifest, loader=self.loader, default_model="zeroscope")

    def clip(self, request: GenerationRequest) -> Clip:
        return self.room.generate(
            self.room.load(request), request, on_step=lambda _done, _total: None, sources=Sources()
        )


def test_where_there_is_memory_for_one_model_the_first_makes_room_for_the_second(
    studio: Studio, tiny_models: Path
) -> None:
    request = studio.request("zeroscope", Task.TEXT2VIDEO, **LARGER)
    small = Small(tiny_models, size_bytes=studio.room.load(request).size_bytes)
    unet = weakref.ref(small.room.load(request).pipeline(Task.TEXT2VIDEO).unet)

    frames = np.concatenate(list(small.clip(request).chunks))

    assert small.loader.resident == ["zeroscope-xl"]
    assert unet() is None
    assert np.array_equal(frames, upscaled(studio, "zeroscope"))
    assert np.array_equal(np.concatenate(list(small.clip(request).chunks)), frames)
