"""CogVideoX from text, from an image and from a video; versions 1.0 and 1.5."""

from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from src.generation import GenerationRequest, Task
from src.manifest import load_manifest
from src.pipelines.clip import inputs_for
from src.pipelines.families.cogvideox import _learned_positions
from tests.pipelines.conftest import Studio, sources_of

pytestmark = pytest.mark.real

MODELS = [
    (entry.id, task)
    for entry in load_manifest()
    if entry.family == "cogvideox"
    for task in Task
    if task in entry.tasks
]
LEARNED = "cogvideox-5b-i2v"
#: One model for each way of calling the transformer.
DIFFERENT = [case for case in MODELS if case[0] != "cogvideox-5b"]
BASE: dict[str, Any] = {"strength": 1.0}
CHANGES: list[dict[str, Any]] = [
    {"prompt": "something else"},
    {"negative_prompt": "blurred"},
    {"num_inference_steps": 3},
    {"guidance_scale": 3.0},
    {"seed": 8},
]


def test_each_version_is_there_with_its_tasks() -> None:
    assert set(MODELS) == {
        ("cogvideox", Task.TEXT2VIDEO),
        ("cogvideox", Task.VIDEO2VIDEO),
        ("cogvideox-5b", Task.TEXT2VIDEO),
        ("cogvideox-5b", Task.VIDEO2VIDEO),
        (LEARNED, Task.IMG2VIDEO),
        ("cogvideox1.5-5b", Task.TEXT2VIDEO),
        ("cogvideox1.5-5b-i2v", Task.IMG2VIDEO),
    }


@pytest.mark.parametrize(
    ("model", "task", "change"),
    [
        *((model, task, change) for model, task in DIFFERENT for change in CHANGES),
        ("cogvideox", Task.VIDEO2VIDEO, {"strength": 0.5}),
    ],
)
def test_every_parameter_changes_the_frames(
    studio: Studio, model: str, task: Task, change: dict[str, Any]
) -> None:
    plain = unchanged(studio, model, task)

    request = studio.request(model, task, **BASE | change)
    assert change.keys() <= request.parameters.given().keys()
    assert not np.array_equal(plain, studio.frames(model, task, **BASE | change))


@cache
def unchanged(studio: Studio, model: str, task: Task) -> Any:
    return studio.frames(model, task, **BASE)


@pytest.mark.parametrize(("model", "task"), MODELS)
def test_our_frames_are_those_that_the_pipeline_itself_would_have_given(
    studio: Studio, model: str, task: Task
) -> None:
    """Also where the pipeline pads what it generates, and drops that when it decodes."""
    width, height, num_frames = 70, 66, 12
    request = studio.request(model, task, width=width, height=height, num_frames=num_frames)
    ours = np.concatenate(list(studio.clip(request).chunks))
    loaded = studio.room.load(request)
    plan = loaded.family.plan(width=width, height=height, num_frames=num_frames)
    keywords = called_with(studio, request) | {"output_type": "np"}
    made = np.asarray(loaded.pipeline(task)(**keywords).frames[0])
    theirs = (made * 255).round().astype(int)

    assert len(theirs) == plan.generated_frames == 8 * -(-(num_frames - 1) // 8) + 1
    rows, columns = slice(plan.top, plan.top + height), slice(plan.left, plan.left + width)
    assert ours.shape == (num_frames, height, width, 3)
    assert np.abs(ours - theirs[:num_frames, rows, columns]).max() <= 1


def called_with(studio: Studio, request: GenerationRequest) -> dict[str, Any]:
    """What the room sends for a request and noise of its size."""
    loaded = studio.room.load(request)
    width, height, num_frames = request.parameters.shape
    frames = np.random.default_rng(0).integers(0, 256, (num_frames, height, width, 3), np.uint8)
    inputs = inputs_for(loaded, request, sources_of(request, frames))
    task = loaded.family.tasks[request.task]
    return task.call_keywords(loaded.pipeline(request.task), inputs)


def test_an_input_video_is_grown_to_a_count_that_the_vae_can_do(studio: Studio) -> None:
    request = studio.request("cogvideox", Task.VIDEO2VIDEO, num_frames=12)
    video = called_with(studio, request)["video"]

    assert len(video) == 17
    assert all(frame == video[11] for frame in video[12:])
    assert not any(one == other for one, other in pairwise(video[:12]))


@pytest.mark.parametrize(("model", "task"), MODELS)
def test_what_modelslabs_clients_send_is_within_the_limits(
    studio: Studio, model: str, task: Task
) -> None:
    said: dict[str, Any] = {
        "width": 512,
        "height": 512,
        "num_frames": 30,
        "num_inference_steps": 50,
    }

    assert studio.request(model, task, **said).parameters.shape == (512, 512, 30)


def test_a_video_is_redrawn_by_its_share_of_the_steps(studio: Studio) -> None:
    heard: list[tuple[int, int]] = []
    request = studio.request("cogvideox", Task.VIDEO2VIDEO, num_inference_steps=4, strength=0.5)
    studio.clip(request, on_step=lambda done, total: heard.append((done, total)))

    assert heard == [(1, 2), (2, 2)]


def patches(studio: Studio) -> Any:
    request = studio.request(LEARNED, Task.IMG2VIDEO)
    return studio.room.load(request).pipeline(Task.IMG2VIDEO).transformer.patch_embed


@pytest.mark.parametrize("frames", [49, 25, 1])
def test_learned_positions_are_the_models_own_at_the_size_that_it_learned(
    studio: Studio, frames: int
) -> None:
    of_model = patches(studio)
    positions = _learned_positions(of_model, 60, 90, frames)
    tokens = 226 + (frames // 4 + 1) * 30 * 45

    assert positions.shape == (1, tokens, 16)
    assert torch.equal(positions, of_model.pos_embedding[:, :tokens])


@pytest.mark.parametrize(
    ("size", "rows", "columns"),
    [((64, 64), (0, 29), (8, 37)), ((20, 90), (10, 19), (0, 44)), ((96, 64), (0, 29), (12, 31))],
)
def test_learned_positions_of_another_shape_are_those_in_the_middle(
    size: tuple[int, int], rows: tuple[int, int], columns: tuple[int, int]
) -> None:
    """A table that holds where it is: row in one channel, column in the other."""
    row, column = torch.meshgrid(torch.arange(30.0), torch.arange(45.0), indexing="ij")
    table = torch.stack([row, column], dim=-1).expand(13, 30, 45, 2).reshape(1, -1, 2)
    text = torch.full((1, 226, 2), -1.0)

    positions = _learned_positions(table_of(torch.cat([text, table], dim=1)), *size, 9)

    assert positions.shape == (1, 226 + 3 * (size[0] // 2) * (size[1] // 2), 2)
    assert torch.equal(positions[:, :226], text)
    found = positions[0, 226:]
    assert (found.amin(dim=0).tolist(), found.amax(dim=0).tolist()) == (
        [rows[0], columns[0]],
        [rows[1], columns[1]],
    )


def table_of(positions: torch.Tensor) -> Any:
    from types import SimpleNamespace

    return SimpleNamespace(
        pos_embedding=positions,
        patch_size=2,
        sample_height=60,
        sample_width=90,
        max_text_seq_length=226,
        temporal_compression_ratio=4,
    )


def test_diffusers_itself_still_refuses_other_sizes_with_learned_positions(
    studio: Studio, tiny_models: Any
) -> None:
    """When it no longer does, our way round it can go."""
    from diffusers import CogVideoXImageToVideoPipeline

    request = studio.request(LEARNED, Task.IMG2VIDEO)
    repo = tiny_models / studio.room.entry(request).repo
    stock = CogVideoXImageToVideoPipeline.from_pretrained(repo, use_safetensors=True)
    stock.set_progress_bar_config(disable=True)
    with pytest.raises(ValueError, match="different resolution"):
        stock(**called_with(studio, request))
