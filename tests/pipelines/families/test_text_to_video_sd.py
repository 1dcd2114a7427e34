"""Zeroscope and its upscaler: what diffusers' retired pipelines make of our parameters."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from src.generation import Sources, Task
from src.manifest import load_manifest
from src.pipelines.clip import inputs_for
from src.pipelines.family import LORA
from src.pipelines.loader import Loader
from src.pipelines.settle import honoured
from tests.pipelines.conftest import Studio, sources_of

pytestmark = pytest.mark.real

FROM_TEXT, FROM_VIDEO = ("zeroscope", Task.TEXT2VIDEO), ("zeroscope-xl", Task.VIDEO2VIDEO)
BASE: dict[str, Any] = {"num_inference_steps": 4, "strength": 1.0}
CHANGES: list[dict[str, Any]] = [
    {"prompt": "something else"},
    {"negative_prompt": "blurred"},
    {"num_inference_steps": 3},
    {"guidance_scale": 3.0},
    {"clip_skip": 1},
]


@pytest.mark.parametrize(
    ("model", "task", "change"),
    [
        *((*FROM_TEXT, change) for change in CHANGES),
        *((*FROM_VIDEO, change) for change in (*CHANGES, {"strength": 0.4})),
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


@pytest.mark.parametrize(("model", "task"), [FROM_TEXT, FROM_VIDEO])
def test_frames_decoded_in_pieces_are_those_decoded_at_once(
    studio: Studio, model: str, task: Task
) -> None:
    loaded = studio.room.load(studio.request(model, task))
    pipeline = loaded.pipeline(task)
    inputs = inputs_for(loaded, studio.request(model, task), Sources())
    latents = torch.randn((1, 4, 6, 9, 11), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        pieces = list(loaded.family.decode(pipeline, latents, inputs))
        whole = pipeline.decode_latents(latents)

    assert [piece.shape for piece in pieces] == [(1, 3, 4, 72, 88), (1, 3, 2, 72, 88)]
    assert torch.equal(torch.cat(pieces, dim=2), whole)


def test_the_unet_takes_latents_that_its_halvings_leave_a_rest_of(studio: Studio) -> None:
    """9x11 latents: neither side divides by 8."""
    pipeline = studio.room.load(studio.request(*FROM_TEXT)).pipeline(Task.TEXT2VIDEO)
    keywords = {"num_frames": 5, "num_inference_steps": 1, "output_type": "latent"}
    latents = pipeline("a fox", width=88, height=72, **keywords).frames

    assert latents.shape == (1, 4, 5, 9, 11)


def test_an_input_video_keeps_its_size(studio: Studio) -> None:
    """The pipeline takes no size: it measures the video, which is grown to eights already."""
    request = studio.request(*FROM_VIDEO, width=70, height=66, num_frames=3)
    loaded = studio.room.load(request)
    video = np.zeros((3, 66, 70, 3), np.uint8)
    inputs = inputs_for(loaded, request, sources_of(request, video))
    pipeline = loaded.pipeline(Task.VIDEO2VIDEO)
    keywords = loaded.family.tasks[Task.VIDEO2VIDEO].call_keywords(pipeline, inputs)

    assert [frame.size for frame in keywords["video"]] == [(72, 72)] * 3
    assert pipeline(**keywords).frames.shape == (1, 4, 3, 9, 9)


def test_a_video_is_redrawn_by_its_share_of_the_steps(studio: Studio) -> None:
    heard: list[tuple[int, int]] = []
    request = studio.request(*FROM_VIDEO, num_inference_steps=5, strength=0.6)
    studio.clip(request, on_step=lambda done, total: heard.append((done, total)))

    assert heard == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(("model", "task"), [FROM_TEXT, FROM_VIDEO])
def test_it_is_sampled_as_its_model_card_does(studio: Studio, model: str, task: Task) -> None:
    pipeline = studio.room.load(studio.request(model, task)).pipeline(task)

    assert type(pipeline.scheduler).__name__ == "DPMSolverMultistepScheduler"
    assert pipeline.scheduler.config.beta_schedule == "scaled_linear"
    assert pipeline.vae.use_slicing


def test_nothing_is_said_of_the_pipelines_retirement(
    tiny_models: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """It logs a warning each time that one of these is made."""
    model = Loader(models_dir=tiny_models, device="cpu").load(load_manifest().find("zeroscope"))
    model.pipeline(Task.VIDEO2VIDEO)

    assert "".join(capfd.readouterr()) == ""


def test_no_lora_is_taken_since_its_unet_has_no_loader() -> None:
    from diffusers import UNet3DConditionModel

    from src.pipelines.families.text_to_video_sd import FAMILY

    assert not hasattr(UNet3DConditionModel, "load_lora_adapter")
    assert not honoured(load_manifest().find("zeroscope"), FAMILY, Task.TEXT2VIDEO) & LORA


def test_what_modelslab_documents_is_within_the_limits(studio: Studio) -> None:
    said: dict[str, Any] = {
        "width": 512,
        "height": 512,
        "num_frames": 30,
        "num_inference_steps": 50,
    }
    upscaled: dict[str, Any] = {
        "upscale_width": 1024,
        "upscale_height": 1024,
        "upscale_guidance_scale": 15.0,
    }
    request = studio.request("zeroscope", Task.TEXT2VIDEO, **said, **upscaled)

    assert request.parameters.output_shape == (1024, 1024, 30)
