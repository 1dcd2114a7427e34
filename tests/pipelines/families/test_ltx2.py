"""LTX-2: frames with sound, images at either end, a video drawn anew with a sound of its own."""

from typing import Any

import numpy as np
import pytest
import torch

from src.errors import GenerationError
from src.generation import GenerationRequest, Sound, Task
from src.pipelines.clip import inputs_for
from src.pipelines.family import Inputs
from tests.pipelines.conftest import Studio, sources_of

pytestmark = pytest.mark.real

#: The two that differ in layers, in their vocoder and in what they are sent.
MODELS = ("ltx-2", "ltx-2.3")
RATES = {"ltx-2": 24_000, "ltx-2.3": 48_000}
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


def inputs_of(studio: Studio, request: GenerationRequest) -> Inputs:
    """What the room would call the pipeline with, from sources of noise."""
    width, height, num_frames = request.parameters.shape
    frames = np.random.default_rng(0).integers(0, 256, (num_frames, height, width, 3), np.uint8)
    return inputs_for(studio.room.load(request), request, sources_of(request, frames))


def sent(studio: Studio, request: GenerationRequest) -> dict[str, Any]:
    model = studio.room.load(request)
    pipeline, task = model.pipeline(request.task), model.family.tasks[request.task]
    return task.call_keywords(pipeline, inputs_of(studio, request))


def sound_of(studio: Studio, model: str, task: Task, **given: Any) -> Sound:
    sound = studio.clip(studio.request(model, task, **given)).sound
    assert sound is not None
    return sound


@pytest.mark.parametrize(
    ("task", "change"),
    [
        *((task, change) for task in Task for change in CHANGES),
        (Task.VIDEO2VIDEO, {"strength": 0.5}),
    ],
)
def test_every_parameter_changes_the_frames_and_the_sound(
    studio: Studio, task: Task, change: dict[str, Any]
) -> None:
    clips = []
    for given in (BASE[task], BASE[task] | change):
        clip = studio.clip(studio.request("ltx-2", task, **given))
        assert clip.sound is not None
        clips.append((np.concatenate(list(clip.chunks)).tobytes(), clip.sound.samples.tobytes()))

    assert clips[0][0] != clips[1][0]
    assert clips[0][1] != clips[1][1]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("task", Task)
def test_a_clip_comes_with_sound_of_its_length(studio: Studio, model: str, task: Task) -> None:
    clip = studio.clip(studio.request(model, task, num_frames=16, fps=10))
    frames = np.concatenate(list(clip.chunks))

    assert frames.shape == (16, 64, 64, 3)
    assert clip.sound is not None
    assert clip.sound.rate == RATES[model]
    channels, length = clip.sound.samples.shape
    assert channels == 2
    assert clip.sound.samples.dtype == np.dtype(np.float32)
    # 17 frames were made sound for, and the decoder's first latent is a fourth of the others.
    assert length == int(1.6 * RATES[model])
    assert clip.sound.samples.std() > 0.01


def test_our_sound_is_the_one_that_the_pipeline_itself_would_have_given(studio: Studio) -> None:
    for task in Task:
        request = studio.request("ltx-2", task, num_frames=9)
        ours = studio.clip(request).sound
        model, inputs = studio.room.load(request), inputs_of(studio, request)
        pipeline, spec = model.pipeline(task), model.family.tasks[task]
        with spec.during(pipeline, inputs):
            keywords = spec.call_keywords(pipeline, inputs) | {"output_type": "np"}
            theirs = pipeline(**keywords).audio[0].numpy()

        assert ours is not None
        assert np.allclose(ours.samples, theirs[:, : ours.samples.shape[1]], atol=1e-6)


@pytest.mark.parametrize("fps", [1, 60])
def test_a_single_frame_has_sound_as_long_as_it_is_seen(studio: Studio, fps: int) -> None:
    sound = sound_of(studio, "ltx-2", Task.TEXT2VIDEO, num_frames=1, fps=fps)

    assert sound.samples.shape == (2, 24_000 // fps)


def test_a_sound_of_no_numbers_is_an_error(studio: Studio) -> None:
    request = studio.request("ltx-2", Task.TEXT2VIDEO)
    bias = studio.room.load(request).pipeline(Task.TEXT2VIDEO).vocoder.conv_out.bias
    kept = bias.detach().clone()
    try:
        with torch.no_grad():
            bias.fill_(float("nan"))
        with pytest.raises(GenerationError, match="sound holds values that are no numbers"):
            studio.clip(request)
    finally:
        with torch.no_grad():
            bias.copy_(kept)


@pytest.mark.parametrize(
    ("task", "media", "indices"),
    [
        (Task.TEXT2VIDEO, set(), []),
        (Task.TEXT2VIDEO, {"last_image"}, [-1]),
        (Task.IMG2VIDEO, set(), [0]),
        (Task.IMG2VIDEO, {"last_image"}, [0, -1]),
    ],
)
def test_images_stand_at_either_end(
    studio: Studio, task: Task, media: set[str], indices: list[int]
) -> None:
    request = studio.request("ltx-2", task, media=media, num_frames=16)
    plain = studio.frames("ltx-2", task, num_frames=16)
    with_it = np.concatenate(list(studio.clip(request).chunks))

    assert [each.index for each in sent(studio, request)["conditions"]] == indices
    assert np.array_equal(plain, with_it) != bool(media)


def test_the_last_image_stands_on_the_frame_that_is_seen_last(studio: Studio) -> None:
    """Of 16 frames, though 17 are generated: in seconds, as the rotary positions are."""
    request = studio.request("ltx-2", Task.IMG2VIDEO, media={"last_image"}, num_frames=16, fps=10)
    model, inputs = studio.room.load(request), inputs_of(studio, request)
    pipeline, spec = model.pipeline(Task.IMG2VIDEO), model.family.tasks[Task.IMG2VIDEO]
    places: list[Any] = []

    def noted(**figures: Any) -> Any:
        places.append(placed(**figures))
        return places[-1]

    with spec.during(pipeline, inputs):
        placed = pipeline._prepare_keyframe_coords
        pipeline.__dict__["_prepare_keyframe_coords"] = noted
        pipeline(**spec.call_keywords(pipeline, inputs))

    (coords,) = places
    assert coords.shape == (1, 3, 4, 2)
    assert coords[0, 0].tolist() == pytest.approx(np.array([[1.5, 1.6]] * 4))
    assert "_prepare_keyframe_coords" not in pipeline.__dict__


@pytest.mark.parametrize(("installed", "crf"), [(True, None), (False, 0)])
def test_an_image_is_compressed_as_in_training_where_pyav_is_installed(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, installed: bool, crf: int | None
) -> None:
    monkeypatch.setattr("diffusers.utils.import_utils._av_available", installed)

    (condition,) = sent(studio, studio.request("ltx-2", Task.IMG2VIDEO))["conditions"]

    assert condition.crf == crf


@pytest.mark.parametrize("strength", [0.25, 0.5, 1.0])
def test_a_video_is_noised_as_the_first_step_that_is_done_has_it(
    studio: Studio, strength: float
) -> None:
    """Against the schedule that the pipeline makes of all eight steps."""
    request = studio.request("ltx-2", Task.VIDEO2VIDEO, strength=1.0, num_inference_steps=8)
    pipeline = studio.room.load(request).pipeline(Task.VIDEO2VIDEO)
    studio.clip(request)
    whole = pipeline.scheduler.sigmas.tolist()

    changed = studio.request("ltx-2", Task.VIDEO2VIDEO, strength=strength, num_inference_steps=8)
    studio.clip(changed)
    left = int(strength * 8)

    assert pipeline.scheduler.sigmas.tolist() == pytest.approx(whole[8 - left :], abs=1e-5)
    assert sent(studio, changed)["noise_scale"] == pytest.approx(whole[8 - left], abs=1e-5)


def test_a_video_is_kept_the_more_the_less_strength_there_is(studio: Studio) -> None:
    distances = []
    for strength in (0.1, 0.5, 1.0):
        request = studio.request(
            "ltx-2", Task.VIDEO2VIDEO, strength=strength, num_inference_steps=10, num_frames=9
        )
        pipeline = studio.room.load(request).pipeline(Task.VIDEO2VIDEO)
        keywords = sent(studio, request)
        made = pipeline(**keywords).frames
        distances.append(float((made - keywords["latents"]).abs().mean()))

    assert distances[0] < distances[1] < distances[2]


def test_the_sound_of_a_video_goes_through_a_whole_schedule(studio: Studio) -> None:
    """From noise alone to none, in as many steps as the frames have left."""
    request = studio.request("ltx-2", Task.VIDEO2VIDEO, strength=0.5, num_inference_steps=8)
    model, inputs = studio.room.load(request), inputs_of(studio, request)
    pipeline, spec = model.pipeline(Task.VIDEO2VIDEO), model.family.tasks[Task.VIDEO2VIDEO]
    before = pipeline.audio_scheduler
    with spec.during(pipeline, inputs):
        pipeline(**spec.call_keywords(pipeline, inputs))
        own = pipeline.audio_scheduler.sigmas.tolist()

    assert len(own) == len(pipeline.scheduler.sigmas) == 5
    assert own[0] == 1.0
    assert own[-2:] == pytest.approx([0.1, 0.0])
    assert pipeline.scheduler.sigmas[0] < 0.95
    assert before is None
    assert pipeline.audio_scheduler is before


@pytest.mark.parametrize("model", MODELS)
def test_guidance_of_one_turns_all_guidance_off(studio: Studio, model: str) -> None:
    """One pass through the transformer a step; with guidance two or three, by the version."""
    passes = {}
    for scale in (1.0, 3.0):
        request = studio.request(model, Task.TEXT2VIDEO, guidance_scale=scale)
        transformer = studio.room.load(request).pipeline(Task.TEXT2VIDEO).transformer
        seen: list[Any] = []
        hook = transformer.register_forward_pre_hook(
            lambda _module, _inputs, seen=seen: seen.append(None)
        )
        try:
            studio.clip(request)
        finally:
            hook.remove()
        passes[scale] = len(seen) // 2  # of two steps

    assert passes == {1.0: 1, 3.0: 3 if model == "ltx-2.3" else 2}


@pytest.mark.parametrize(("model", "newer"), [("ltx-2", False), ("ltx-2.3", True)])
def test_each_version_is_told_of_the_other_stream_as_it_was_trained(
    studio: Studio, model: str, newer: bool
) -> None:
    assert sent(studio, studio.request(model, Task.TEXT2VIDEO))["use_cross_timestep"] is newer


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("task", Task)
def test_a_single_step_gives_frames(studio: Studio, model: str, task: Task) -> None:
    """The schedule that diffusers makes of one step is no number."""
    frames = studio.frames(model, task, num_inference_steps=1, strength=1.0)

    assert frames.std() > 5
