"""Wan 2.1 and 2.2 over real pipelines: experts, schedules, images, and the causal VAE."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from accelerate.hooks import AlignDevicesHook, add_hook_to_module, remove_hook_from_module
from PIL import Image

from src.generation import GenerationRequest, MediaReference, Parameters, Sources, Task
from src.pipelines.clip import inputs_for
from tests.pipelines.conftest import Studio, sources_of

pytestmark = pytest.mark.real

TEXT, IMAGE, VIDEO = Task.TEXT2VIDEO, Task.IMG2VIDEO, Task.VIDEO2VIDEO
EXPERTS = [("wan2.2-t2v-a14b", TEXT), ("wan2.2-i2v-a14b", IMAGE)]
#: Models that the tests of all families do not come to, since they run the first of each task.
OTHERS = [*EXPERTS, ("wan2.2", TEXT), ("wan2.2", IMAGE), ("wan2.1-flf2v", IMAGE)]
NOISE = np.random.default_rng(0).integers(0, 256, (3, 80, 64, 3), np.uint8)
FIRST, LAST, ANOTHER = (Image.fromarray(frame).resize((64, 64)) for frame in NOISE)


def frames_between(studio: Studio, model: str, num_frames: int, **images: Any) -> Any:
    """Frames from one image to another, both given; noise of the same seed."""
    request = studio.request(model, IMAGE, media=["last_image"], num_frames=num_frames)
    clip = studio.room.generate(
        studio.room.load(request),
        request,
        on_step=lambda _done, _total: None,
        sources=Sources(**images),
    )
    return np.concatenate(list(clip.chunks))


def pipeline_of(studio: Studio, model: str, task: Task) -> Any:
    return studio.room.load(studio.request(model, task)).pipeline(task)


@contextmanager
def counted(pipeline: Any) -> Iterator[Counter[str]]:
    """How often each expert is asked."""
    calls: Counter[str] = Counter()
    handles = [
        getattr(pipeline, name).register_forward_pre_hook(
            lambda *_, name=name: calls.update([name])
        )
        for name in ("transformer", "transformer_2")
    ]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


# --- the experts


@pytest.mark.parametrize(("model", "task"), EXPERTS)
@pytest.mark.parametrize(
    ("boundary_ratio", "asked"),
    [
        (0.0, {"transformer": 8}),
        (0.6, {"transformer": 4, "transformer_2": 4}),
        (1.0, {"transformer_2": 8}),
    ],
)
def test_the_second_expert_takes_over_below_the_boundary(
    studio: Studio, model: str, task: Task, boundary_ratio: float, asked: dict[str, int]
) -> None:
    """Four steps at noise 1.0, 0.75, 0.5 and 0.25, each with a prompt and without."""
    pipeline = pipeline_of(studio, model, task)
    own = pipeline.config.boundary_ratio
    with counted(pipeline) as calls:
        studio.frames(
            model,
            task,
            boundary_ratio=boundary_ratio,
            num_inference_steps=4,
            flow_shift=1.0,
            guidance_scale=4.0,
        )

    assert calls == asked
    assert pipeline.config.boundary_ratio == own is not None


@pytest.mark.parametrize(("model", "task"), EXPERTS)
@pytest.mark.parametrize(
    ("boundary_ratio", "drives", "idle"),
    [(0.0, "guidance_scale", "guidance_scale_2"), (1.0, "guidance_scale_2", "guidance_scale")],
)
def test_each_expert_is_driven_by_its_own_guidance(
    studio: Studio, model: str, task: Task, boundary_ratio: float, drives: str, idle: str
) -> None:
    given: dict[str, Any] = {
        "boundary_ratio": boundary_ratio,
        "guidance_scale": 4.0,
        "guidance_scale_2": 4.0,
    }
    frames = studio.frames(model, task, **given)

    assert np.array_equal(frames, studio.frames(model, task, **given | {idle: 8.0}))
    assert not np.array_equal(frames, studio.frames(model, task, **given | {drives: 8.0}))


def test_no_guidance_of_the_first_expert_is_none_of_the_second(studio: Studio) -> None:
    given: dict[str, Any] = {"boundary_ratio": 0.5, "guidance_scale": 1.0, "num_inference_steps": 4}
    frames = [
        studio.frames("wan2.2-t2v-a14b", TEXT, guidance_scale_2=scale, **given)
        for scale in (3.0, 9.0)
    ]

    assert np.array_equal(*frames)


def test_a_call_that_fails_leaves_the_boundary_and_the_schedule(studio: Studio) -> None:
    pipeline = pipeline_of(studio, "wan2.2-t2v-a14b", TEXT)
    before = pipeline.config.boundary_ratio, pipeline.scheduler

    def stop(_done: int, _total: int) -> None:
        assert (pipeline.config.boundary_ratio, pipeline.scheduler.config.flow_shift) == (0.3, 7.0)
        raise InterruptedError

    request = studio.request("wan2.2-t2v-a14b", TEXT, boundary_ratio=0.3, flow_shift=7.0)
    with pytest.raises(InterruptedError):
        studio.clip(request, on_step=stop)

    assert (pipeline.config.boundary_ratio, pipeline.scheduler) == before


# --- what only some of the models do


@pytest.mark.parametrize(
    ("model", "task", "media", "given", "unused"),
    [
        ("wan2.1", TEXT, (), {"guidance_scale_2": 3.0, "boundary_ratio": 0.5}, 2),
        ("wan2.2", TEXT, (), {"guidance_scale_2": 3.0, "boundary_ratio": 0.5}, 2),
        ("wan2.2", IMAGE, ("last_image",), {}, 1),
        ("wan2.1-i2v-480p", IMAGE, ("last_image",), {}, 1),
        ("wan2.1-flf2v", IMAGE, ("last_image",), {"boundary_ratio": 0.5}, 1),
        ("wan2.2-i2v-a14b", IMAGE, ("last_image",), {"guidance_scale_2": 3.0}, 0),
    ],
)
def test_what_a_model_has_no_part_for_is_named(
    studio: Studio, model: str, task: Task, media: tuple[str, ...], given: Any, unused: int
) -> None:
    # Strength is in every small request; here only video2video has use for it.
    request = studio.request(model, task, media=media, **given)
    warnings = [words for words in request.warnings if not words.startswith("strength")]

    assert len(warnings) == unused
    assert all(f"not used by {model}" in words for words in warnings)


def test_diffusers_takes_no_last_image_for_a_model_that_knows_one(studio: Studio) -> None:
    """Why `last_image` is a feature: the tokens of two images become a batch of two."""
    pipeline = pipeline_of(studio, "wan2.1-i2v-480p", IMAGE)
    with pytest.raises(RuntimeError, match="Sizes of tensors must match"):
        pipeline(FIRST, prompt="", width=64, height=64, num_frames=5, last_image=LAST)


@pytest.mark.parametrize("model", ["wan2.1-flf2v", "wan2.2-i2v-a14b"])
def test_the_last_image_changes_the_frames(studio: Studio, model: str) -> None:
    one, other = (
        frames_between(studio, model, 5, image=FIRST, last_image=image) for image in (LAST, ANOTHER)
    )

    assert one.shape == (5, 64, 64, 3)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("model", ["wan2.1-flf2v", "wan2.2-i2v-a14b"])
def test_surplus_frames_are_left_out_between_the_two_images(studio: Studio, model: str) -> None:
    """Six frames of nine: the last is still the one that is drawn towards the last image."""
    nine, six, one = (
        frames_between(studio, model, count, image=FIRST, last_image=LAST) for count in (9, 6, 1)
    )

    assert np.array_equal(six, nine[[0, 2, 3, 5, 6, 8]])
    assert one.shape == (1, 64, 64, 3)


def test_without_a_last_image_the_clip_goes_back_to_the_first(studio: Studio) -> None:
    back, explicit = (
        frames_between(studio, "wan2.1-flf2v", 5, image=FIRST, **images)
        for images in ({}, {"last_image": FIRST})
    )

    assert np.array_equal(back, explicit)


# --- parameters


CHANGES: list[tuple[str, Task, dict[str, Any]]] = [
    *(
        (model, task, change)
        for model, task in (("wan2.1", TEXT), ("wan2.1-i2v-480p", IMAGE), ("wan2.1", VIDEO))
        for change in (
            {"prompt": "something else"},
            {"negative_prompt": "blurred"},
            {"guidance_scale": 9.0},
            {"num_inference_steps": 3},
            {"flow_shift": 9.0},
        )
    ),
    ("wan2.1", VIDEO, {"strength": 0.5}),
    ("wan2.2", TEXT, {"flow_shift": 1.0}),
    ("wan2.2", IMAGE, {"flow_shift": 1.0}),
]


@pytest.mark.parametrize(("model", "task", "change"), CHANGES)
def test_every_parameter_changes_the_frames(
    studio: Studio, model: str, task: Task, change: dict[str, Any]
) -> None:
    base: dict[str, Any] = {"strength": 1.0} if task is VIDEO else {}

    assert change.keys() <= studio.request(model, task, **change).parameters.given().keys()
    assert not np.array_equal(
        studio.frames(model, task, **base), studio.frames(model, task, **base | change)
    )


@pytest.mark.parametrize(("model", "task"), OTHERS)
def test_the_flow_shift_is_the_schedule_of_the_call(studio: Studio, model: str, task: Task) -> None:
    pipeline = pipeline_of(studio, model, task)
    heard: list[float] = []
    studio.clip(
        studio.request(model, task, flow_shift=2.5),
        on_step=lambda *_: heard.append(pipeline.scheduler.config.flow_shift),
    )

    assert heard == [2.5, 2.5]
    assert pipeline.scheduler.config.flow_shift != 2.5


@pytest.mark.parametrize(("strength", "steps"), [(1.0, 5), (0.6, 3), (0.3, 1)])
def test_strength_is_the_share_of_the_steps_that_a_video_is_redrawn_by(
    studio: Studio, strength: float, steps: int
) -> None:
    heard: list[int] = []
    request = studio.request("wan2.1", VIDEO, strength=strength, num_inference_steps=5)
    studio.clip(request, on_step=lambda done, _total: heard.append(done))

    assert len(heard) == steps


def test_what_modelslab_sends_is_done_as_it_is(studio: Studio) -> None:
    ultra = Parameters(
        width=854, height=480, num_frames=81, num_inference_steps=25, fps=16, flow_shift=5.0
    )
    for task in (TEXT, IMAGE):
        image = MediaReference(field="init_image", value="") if task is IMAGE else None
        request = GenerationRequest(task=task, model="wan2.2", parameters=ultra, image=image)
        settled = studio.room.settle(request)

        assert settled.warnings == ()
        assert ultra.given().items() <= settled.parameters.given().items()


# --- sizes and frames


@pytest.mark.parametrize(
    ("model", "width", "height", "generated"),
    [("wan2.1", 854, 720, (864, 720)), ("wan2.2", 854, 720, (864, 736))],
)
def test_only_the_model_that_must_grows_to_multiples_of_32(
    studio: Studio, model: str, width: int, height: int, generated: tuple[int, int]
) -> None:
    request = studio.request(model, TEXT, width=width, height=height, num_frames=6)
    plan = inputs_for(studio.room.load(request), request, Sources()).plan

    assert (plan.generated_width, plan.generated_height) == generated
    assert plan.generated_frames == 9


@pytest.mark.parametrize("task", [TEXT, IMAGE])
@pytest.mark.parametrize("size", [(70, 66, 2), (80, 112, 6)])
def test_wan_2_2_gives_any_size(studio: Studio, task: Task, size: tuple[int, int, int]) -> None:
    width, height, num_frames = size
    frames = studio.frames("wan2.2", task, width=width, height=height, num_frames=num_frames)

    assert frames.shape == (num_frames, height, width, 3)
    assert all(frame.std() > 5 for frame in frames)


def test_wan_2_2_hears_its_image(studio: Studio) -> None:
    one, other = (studio.frames("wan2.2", IMAGE, media_seed=seed) for seed in (0, 1))

    assert not np.array_equal(one[0], other[0])
    assert not np.array_equal(one, studio.frames("wan2.2", TEXT))


# --- the VAE


@pytest.mark.parametrize(("model", "task"), OTHERS)
def test_our_frames_are_those_that_the_pipeline_itself_would_have_given(
    studio: Studio, model: str, task: Task
) -> None:
    request = studio.request(model, task, num_frames=9)
    ours = np.concatenate(list(studio.clip(request).chunks))
    loaded = studio.room.load(request)
    noise = np.random.default_rng(0).integers(0, 256, (9, 64, 64, 3), np.uint8)
    inputs = inputs_for(loaded, request, sources_of(request, noise))
    pipeline, spec = loaded.pipeline(task), loaded.family.tasks[task]
    with spec.during(pipeline, inputs):
        keywords = spec.call_keywords(pipeline, inputs) | {"output_type": "np"}
        theirs = (pipeline(**keywords).frames[0] * 255).round().astype(np.uint8)

    # Values on the edge between two numbers may fall to either side.
    assert np.abs(ours.astype(int) - theirs.astype(int)).max() <= 1


def some_latents(pipeline: Any) -> torch.Tensor:
    shape = (1, pipeline.vae.config.z_dim, 4, 8, 8)
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def decoded_whole(pipeline: Any, latents: torch.Tensor) -> torch.Tensor:
    """As diffusers' pipelines do."""
    config = pipeline.vae.config
    shape = (1, config.z_dim, 1, 1, 1)
    spread = 1.0 / torch.tensor(config.latents_std).view(shape)
    whole: torch.Tensor = pipeline.vae.decode(
        latents / spread + torch.tensor(config.latents_mean).view(shape), return_dict=False
    )[0]
    return whole


@pytest.mark.parametrize("model", ["wan2.1", "wan2.2"])
def test_decoding_piece_by_piece_gives_the_same_bits(studio: Studio, model: str) -> None:
    request = studio.request(model, TEXT)
    loaded = studio.room.load(request)
    pipeline = loaded.pipeline(TEXT)
    latents = some_latents(pipeline)
    pieces = []
    with torch.no_grad():
        for piece in loaded.family.decode(
            pipeline, latents, inputs_for(loaded, request, Sources())
        ):
            pieces.append(piece)
            pipeline.vae.clear_cache()  # as any other use of the VAE in between would
        whole = decoded_whole(pipeline, latents)

    assert [piece.shape[2] for piece in pieces] == [1, 4, 4, 4]
    assert torch.equal(torch.cat(pieces, dim=2), whole)


@pytest.mark.parametrize("model", ["wan2.1", "wan2.2"])
def test_a_vae_that_decodes_in_tiles_is_left_to_it(
    studio: Studio, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = studio.request(model, TEXT)
    loaded = studio.room.load(request)
    pipeline = loaded.pipeline(TEXT)
    latent_side = pipeline.vae.spatial_compression_ratio
    for side in ("height", "width"):  # two tiles each way of 8x8 latents
        monkeypatch.setattr(pipeline.vae, f"tile_sample_min_{side}", 6 * latent_side)
        monkeypatch.setattr(pipeline.vae, f"tile_sample_stride_{side}", 4 * latent_side)
    latents = some_latents(pipeline)[:, :, :2]
    with torch.no_grad():
        seamless = decoded_whole(pipeline, latents)
        monkeypatch.setattr(pipeline.vae, "use_tiling", True)
        pieces = list(
            loaded.family.decode(pipeline, latents, inputs_for(loaded, request, Sources()))
        )

        assert len(pieces) == 1
        assert torch.equal(pieces[0], decoded_whole(pipeline, latents))
    assert not torch.equal(pieces[0], seamless)


def test_a_vae_that_is_moved_for_each_call_is_called_as_a_whole(studio: Studio) -> None:
    """Offloading hooks into `decode`: its parts by themselves would stay where they are."""
    request = studio.request("wan2.1", TEXT)
    loaded = studio.room.load(request)
    pipeline = loaded.pipeline(TEXT)
    latents = some_latents(pipeline)[:, :, :2]
    add_hook_to_module(pipeline.vae, AlignDevicesHook(execution_device="cpu"))
    try:
        with torch.no_grad():
            pieces = list(
                loaded.family.decode(pipeline, latents, inputs_for(loaded, request, Sources()))
            )
    finally:
        remove_hook_from_module(pipeline.vae)

    assert [piece.shape[2] for piece in pieces] == [5]


@pytest.mark.parametrize(
    ("model", "media", "told"),
    [
        ("wan2.1-flf2v", (), ["last_image: not given, and wan2.1-flf2v was made for one"]),
        ("wan2.1-flf2v", ("last_image",), []),
        ("wan2.2-i2v-a14b", (), []),
    ],
)
def test_a_model_made_for_two_images_says_that_one_is_missing(
    studio: Studio, model: str, media: tuple[str, ...], told: list[str]
) -> None:
    warnings = studio.request(model, Task.IMG2VIDEO, media=media).warnings

    assert [words for words in warnings if words.startswith("last_image")] == told
