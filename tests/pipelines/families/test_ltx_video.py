"""LTX-Video: images at either end, a video drawn anew, and the decoder's last bit of noise."""

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from src.generation import GenerationRequest, Sources, Task
from src.manifest import load_manifest
from src.pipelines.clip import inputs_for
from tests.pipelines.conftest import Studio, sources_of

pytestmark = pytest.mark.real

MODEL = "ltx-video"
#: Enough noise in a source video that what the network makes of it is seen.
BASE: dict[Task, dict[str, Any]] = {
    Task.TEXT2VIDEO: {},
    Task.IMG2VIDEO: {},
    Task.VIDEO2VIDEO: {"strength": 1.0, "num_inference_steps": 4},
}
CHANGES: list[dict[str, Any]] = [
    {"prompt": "something else"},
    {"negative_prompt": "blurred"},
    {"num_inference_steps": 3},
    {"guidance_scale": 5.0},
    {"fps": 12},
]


def sent(studio: Studio, request: GenerationRequest) -> dict[str, Any]:
    """The keywords of the pipeline's call, from sources of noise."""
    model = studio.room.load(request)
    width, height, num_frames = request.parameters.shape
    frames = np.random.default_rng(0).integers(0, 256, (num_frames, height, width, 3), np.uint8)
    inputs = inputs_for(model, request, sources_of(request, frames))
    return model.family.tasks[request.task].call_keywords(model.pipeline(request.task), inputs)


@pytest.mark.parametrize(
    ("task", "change"),
    [
        *((task, change) for task in Task for change in CHANGES),
        (Task.VIDEO2VIDEO, {"strength": 0.5}),
    ],
)
def test_every_parameter_changes_the_frames(
    studio: Studio, task: Task, change: dict[str, Any]
) -> None:
    changed = BASE[task] | change

    assert change.items() <= studio.request(MODEL, task, **changed).parameters.given().items()
    assert not np.array_equal(
        studio.frames(MODEL, task, **BASE[task]), studio.frames(MODEL, task, **changed)
    )


@pytest.mark.parametrize("task", Task)
def test_the_rate_is_that_of_the_file(studio: Studio, task: Task) -> None:
    assert sent(studio, studio.request(MODEL, task, fps=12))["frame_rate"] == 12


@pytest.mark.parametrize(
    ("task", "media", "indices"),
    [
        (Task.TEXT2VIDEO, set(), []),
        (Task.TEXT2VIDEO, {"last_image"}, [15]),
        (Task.IMG2VIDEO, set(), [0]),
        (Task.IMG2VIDEO, {"last_image"}, [15, 0]),
    ],
)
def test_images_stand_at_the_frames_that_are_seen_first_and_last(
    studio: Studio, task: Task, media: set[str], indices: list[int]
) -> None:
    """Of 16 frames, though 17 are generated."""
    keywords = sent(studio, studio.request(MODEL, task, media=media, num_frames=16))

    assert keywords["num_frames"] == 17
    assert [each.frame_index for each in keywords["conditions"] or []] == indices


@pytest.mark.parametrize("task", [Task.TEXT2VIDEO, Task.IMG2VIDEO])
def test_a_last_image_changes_the_frames(studio: Studio, task: Task) -> None:
    request = studio.request(MODEL, task, media={"last_image"}, num_frames=16)
    with_it = np.concatenate(list(studio.clip(request).chunks))

    assert not any("last_image" in warning for warning in request.warnings)
    assert not np.array_equal(with_it, studio.frames(MODEL, task, num_frames=16))


def test_of_a_single_frame_the_first_image_is_seen(studio: Studio) -> None:
    """It is put there after the last one."""
    request = studio.request(MODEL, Task.IMG2VIDEO, media={"last_image"}, num_frames=1)
    model = studio.room.load(request)
    first, last = (Image.new("RGB", (64, 64), colour) for colour in ("red", "blue"))
    inputs = inputs_for(model, request, Sources(image=first, last_image=last))
    spec, pipeline = model.family.tasks[Task.IMG2VIDEO], model.pipeline(Task.IMG2VIDEO)
    conditions = spec.call_keywords(pipeline, inputs)["conditions"]

    assert [(each.image, each.frame_index) for each in conditions] == [(last, 0), (first, 0)]


def distance(studio: Studio, strength: float) -> float:
    """How far a video's latents are left behind."""
    request = studio.request(
        MODEL, Task.VIDEO2VIDEO, strength=strength, num_inference_steps=20, num_frames=9
    )
    model = studio.room.load(request)
    keywords = sent(studio, request)
    made = model.pipeline(Task.VIDEO2VIDEO)(**keywords).frames
    return float((made - keywords["latents"]).abs().mean())


def test_a_video_is_kept_the_more_the_less_strength_there_is(studio: Studio) -> None:
    near, middle, far = (distance(studio, strength) for strength in (0.05, 0.25, 1.0))

    assert near < middle < far
    assert near < 0.5 * far


def test_only_the_remaining_steps_of_a_video_are_done(studio: Studio) -> None:
    heard: list[tuple[int, int]] = []
    request = studio.request(MODEL, Task.VIDEO2VIDEO, strength=0.5, num_inference_steps=6)
    studio.clip(request, on_step=lambda done, total: heard.append((done, total)))

    assert heard == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("task", Task)
def test_the_decoder_puts_the_same_noise_on_as_the_pipeline(studio: Studio, task: Task) -> None:
    """Its noise is drawn after the pipeline's: the same seed gives it only in the same place."""
    request = studio.request(MODEL, task, num_frames=9, **BASE[task])
    model = studio.room.load(request)
    pipeline, spec = model.pipeline(task), model.family.tasks[task]
    frames = np.random.default_rng(0).integers(0, 256, (9, 64, 64, 3), np.uint8)
    sources = sources_of(request, frames)

    inputs = inputs_for(model, request, sources)
    latents = pipeline(**spec.call_keywords(pipeline, inputs)).frames
    with torch.no_grad():
        ours = torch.cat(list(model.family.decode(pipeline, latents, inputs)), dim=2)
    again = inputs_for(model, request, sources)
    theirs = pipeline(**spec.call_keywords(pipeline, again) | {"output_type": "pt"}).frames

    # Theirs are in [0, 1], and cut to it.
    assert torch.allclose((ours[0].permute(1, 0, 2, 3) / 2 + 0.5).clamp(0, 1), theirs[0], atol=1e-6)


def test_the_distilled_schedule_is_the_one_of_eight_steps() -> None:
    """The timesteps that diffusers' guide has for distilled weights (api/pipelines/ltx_video)."""
    from diffusers.pipelines.ltx.pipeline_ltx_condition import linear_quadratic_schedule

    steps = load_manifest().find("ltx-video-13b-distilled").defaults["num_inference_steps"]
    timesteps = (linear_quadratic_schedule(steps) * 1000).tolist()

    assert timesteps[:7] == pytest.approx([1000, 993, 987, 981, 975, 909, 725], abs=1)
