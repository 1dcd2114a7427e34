"""The room over real pipelines: what comes out is what was asked for, and every word counts."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from src.bootstrap import build_media
from src.config import Settings
from src.errors import GenerationError, OutOfMemory, UnknownModel, UnsupportedTask
from src.generation import GenerationRequest, Sources, Task, VideoFormat
from src.manifest import Manifest, load_manifest
from src.pipelines.clip import inputs_for
from src.pipelines.room import Pipelines
from tests.probe import probe

from .conftest import CASES, Studio, sources_of

pytestmark = pytest.mark.real


#: The fewest steps that each task can do: what is tried here is the size.
ONE_STEP: dict[str, Any] = {
    "num_inference_steps": 1,
    "strength": 1.0,
    "guidance_scale": 1.0,
    "max_guidance_scale": 1.0,
}


#: A size and a number of frames that no family can do: for every case, and for two at a size that
#: people ask for, which takes a CPU half a minute.
ODD = [(*case, 214, 122) for case in CASES]
LARGE = [
    ("tiny", Task.TEXT2VIDEO, 854, 480),
    ("cogvideox", Task.TEXT2VIDEO, 854, 480),
]


@pytest.mark.parametrize(("model", "task", "width", "height"), ODD + LARGE)
def test_what_is_asked_for_comes_out_to_the_pixel_and_the_frame(
    studio: Studio, model: str, task: Task, width: int, height: int, tmp_path: Path
) -> None:
    size: dict[str, Any] = {"width": width, "height": height, "num_frames": 16}
    request = studio.request(model, task, **ONE_STEP, **size, fps=10)
    clip = studio.clip(request)
    chunks = list(clip.chunks)
    media = build_media(Settings())

    assert all(frame.std() > 5 for chunk in chunks for frame in chunk)
    for video_format in VideoFormat:
        path = tmp_path / f"clip.{video_format}"
        media.write(replace(clip, chunks=iter(chunks)), path, video_format=video_format)
        probed = probe(path)
        assert (probed.size, probed.frames, probed.fps) == ((width, height), 16, 10.0)


@pytest.mark.parametrize(("model", "task"), CASES)
@pytest.mark.parametrize("size", [(70, 66, 2), (64, 64, 1), (10, 128, 12)])
def test_any_size_and_any_number_of_frames_comes_out_as_it_is(
    studio: Studio, model: str, task: Task, size: tuple[int, int, int]
) -> None:
    width, height, num_frames = size
    frames = studio.frames(model, task, width=width, height=height, num_frames=num_frames)

    assert frames.shape == (num_frames, height, width, 3)


@pytest.mark.parametrize(("model", "task"), CASES)
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(
    studio: Studio, model: str, task: Task
) -> None:
    first = studio.frames(model, task)
    studio.frames(model, task, seed=8)

    assert np.array_equal(first, studio.frames(model, task))
    assert not np.array_equal(first, studio.frames(model, task, seed=8))


SAMPLING: list[dict[str, Any]] = [
    {"prompt": "something else"},
    {"negative_prompt": "blurred"},
    {"guidance_scale": 3.0},
    {"num_inference_steps": 3},
]
CHANGES: list[tuple[str, Task, dict[str, Any]]] = [
    *(("cogvideox", Task.TEXT2VIDEO, change) for change in SAMPLING),
    *(
        ("svd", Task.IMG2VIDEO, change)
        for change in (
            {"num_inference_steps": 3},
            {"min_guidance_scale": 2.0},
            {"max_guidance_scale": 6.0},
            {"motion_bucket_id": 20},
            {"noise_aug_strength": 0.5},
            {"fps": 15},
        )
    ),
    *(("tiny", task, change) for task in Task for change in (*SAMPLING, {"clip_skip": 1})),
    ("tiny", Task.IMG2VIDEO, {"strength": 0.2}),
    ("tiny", Task.IMG2VIDEO, {"latent_interpolation_method": "slerp"}),
    ("tiny", Task.VIDEO2VIDEO, {"strength": 0.5}),
]


@pytest.mark.parametrize(("model", "task", "change"), CHANGES)
def test_every_parameter_changes_the_frames(
    studio: Studio, model: str, task: Task, change: dict[str, Any]
) -> None:
    # Enough noise in a source video that what the network makes of it is seen.
    base: dict[str, Any] = (
        {"strength": 1.0, "num_inference_steps": 4} if task is Task.VIDEO2VIDEO else {}
    )
    changed = base | change

    assert change.keys() <= studio.request(model, task, **changed).parameters.given().keys()
    assert not np.array_equal(
        studio.frames(model, task, **base), studio.frames(model, task, **changed)
    )


@pytest.mark.parametrize(("model", "task"), [case for case in CASES if case[1] != "text2video"])
def test_the_image_or_video_that_goes_in_changes_the_frames(
    studio: Studio, model: str, task: Task
) -> None:
    assert not np.array_equal(studio.frames(model, task), studio.frames(model, task, media_seed=1))


@pytest.mark.parametrize(("model", "task"), CASES)
def test_our_frames_are_those_that_the_pipeline_itself_would_have_given(
    studio: Studio, model: str, task: Task
) -> None:
    """The latents that we decode in pieces, against diffusers' own decoding and rounding."""
    request = studio.request(model, task, num_frames=9, width=64, height=96)
    ours = np.concatenate(list(studio.clip(request).chunks))
    loaded = studio.room.load(request)
    pipeline = loaded.pipeline(task)
    spec = loaded.family.tasks[task]

    theirs = _own_frames(studio, request, pipeline, spec)

    assert ours.shape == theirs.shape
    # Kernels differ by batch size: a value on the edge between two may fall to either side.
    assert np.abs(ours.astype(int) - theirs.astype(int)).max() <= 1


def _own_frames(studio: Studio, request: GenerationRequest, pipeline: Any, spec: Any) -> Any:
    """Send what we send, but leave decoding to the pipeline."""
    loaded = studio.room.load(request)
    width, height, num_frames = request.parameters.shape
    frames = np.random.default_rng(0).integers(0, 256, (num_frames, height, width, 3), np.uint8)
    inputs = inputs_for(loaded, request, sources_of(request, frames))
    keywords = spec.call_keywords(pipeline, inputs) | {"output_type": "np"}
    with spec.during(pipeline, inputs):
        made = pipeline(**keywords).frames[0]
    return (np.asarray(made) * 255).round().astype(np.uint8)


@pytest.mark.parametrize(("model", "task"), CASES)
def test_each_step_is_heard_of_in_order(studio: Studio, model: str, task: Task) -> None:
    heard: list[tuple[int, int]] = []
    request = studio.request(model, task, num_inference_steps=4, strength=1.0)
    studio.clip(request, on_step=lambda done, total: heard.append((done, total)))

    assert heard == [(1, 4), (2, 4), (3, 4), (4, 4)]


class Stopped(Exception):
    pass


@pytest.mark.parametrize(("model", "task"), CASES)
def test_a_step_that_raises_ends_the_call_and_leaves_the_model_as_it_was(
    studio: Studio, model: str, task: Task
) -> None:
    before = studio.frames(model, task)
    heard: list[int] = []

    def stop_at_second(done: int, _total: int) -> None:
        heard.append(done)
        if done == 2:
            raise Stopped

    with pytest.raises(Stopped):
        studio.clip(
            studio.request(model, task, num_inference_steps=5, strength=1.0),
            on_step=stop_at_second,
        )

    assert heard == [1, 2]
    assert np.array_equal(before, studio.frames(model, task))


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_memory_that_runs_out_is_named_and_the_next_clip_is_made(
    studio: Studio, error: Exception
) -> None:
    def run_out(_done: int, _total: int) -> None:
        raise error

    with pytest.raises(OutOfMemory, match=str(error)):
        studio.clip(studio.request("tiny", Task.TEXT2VIDEO), on_step=run_out)

    assert studio.frames("tiny", Task.TEXT2VIDEO).shape == (3, 64, 64, 3)


def test_an_image_keeps_its_place_when_the_size_is_grown(studio: Studio) -> None:
    """At the asked size, what the cut leaves lies where the image's own pixels lay."""
    request = studio.request("svd", Task.IMG2VIDEO, width=90, height=70)
    plan = studio.room.load(request).family.plan(width=90, height=70, num_frames=3)

    assert (plan.left, plan.top) == (3, 1)


def test_a_model_that_is_not_there_is_named_with_those_that_are(studio: Studio) -> None:
    with pytest.raises(UnknownModel, match=r"Model not found: 'sora'; present are: .*svd.*tiny"):
        studio.request("sora", Task.TEXT2VIDEO)


def test_a_task_that_a_model_cannot_do_is_refused(studio: Studio) -> None:
    with pytest.raises(UnsupportedTask, match="svd does not do text2video; it does: img2video"):
        studio.request("svd", Task.TEXT2VIDEO)


@pytest.mark.parametrize(("run", "clips"), [(None, 0), (False, 0), (True, 1)])
def test_warming_leaves_the_default_model_in_memory_and_on_a_cpu_runs_it_only_when_told(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, run: bool | None, clips: int
) -> None:
    made: list[object] = []
    generate = studio.room.generate

    def counted(*arguments: Any, **more: Any) -> Any:
        made.append(arguments)
        return generate(*arguments, **more)

    monkeypatch.setattr(studio.room, "generate", counted)
    assert studio.room.warm(run=run) == "tiny"
    assert studio.loader.resident[-1] == "tiny"
    assert len(made) == clips


def test_a_network_that_gives_no_numbers_is_an_error(studio: Studio) -> None:
    request = studio.request("tiny", Task.TEXT2VIDEO)
    loaded = studio.room.load(request)
    weight = loaded.pipeline(Task.TEXT2VIDEO).vae.decoder.conv_out.weight
    kept = weight.detach().clone()
    try:
        with torch.no_grad():
            weight.fill_(float("nan"))
        with pytest.raises(GenerationError, match="no numbers"):
            list(studio.clip(request).chunks)
    finally:
        with torch.no_grad():
            weight.copy_(kept)


def test_cogvideox_decodes_the_same_without_what_it_would_keep_in_vain(
    studio: Studio, tiny_models: Path
) -> None:
    """Our setting of the VAE's convolutions against diffusers' own, bit for bit."""
    request = studio.request("cogvideox", Task.TEXT2VIDEO)
    ours = studio.room.load(request).pipeline(Task.TEXT2VIDEO)
    repo = studio.room.entry(request).repo
    stock = type(ours).from_pretrained(tiny_models / repo, use_safetensors=True)
    inputs = inputs_for(studio.room.load(request), request, Sources())
    latents = torch.randn((1, 5, 16, 8, 8), generator=torch.Generator().manual_seed(0))
    family = studio.room.load(request).family
    with torch.no_grad():
        theirs = stock.decode_latents(latents)
        pieces = list(family.decode(ours, latents, inputs))

    assert len(pieces) == 2
    assert torch.equal(torch.cat(pieces, dim=2), theirs)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"family": "sora"}, "models.tiny: family must be one of animatediff, .* got 'sora'"),
        (
            {"family": "stable_video_diffusion"},
            r"tasks must be among stable_video_diffusion's \(img2video\), got text2video",
        ),
    ],
)
def test_a_manifest_that_no_family_can_serve_is_refused_at_start(
    studio: Studio, change: dict[str, Any], words: str
) -> None:
    entry = load_manifest().find("tiny").model_copy(update=change)
    with pytest.raises(ValueError, match=words):
        Pipelines(manifest=Manifest(models=(entry,)), loader=studio.loader, default_model="tiny")
