"""HunyuanVideo: guidance of two kinds, a template that is counted, and a VAE in tiles of time."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.pipelines.hunyuan_video import (
    pipeline_hunyuan_video,
    pipeline_hunyuan_video_image2video,
)

from builder.tiny_models import hunyuan_video
from src.generation import Sources, Task
from src.manifest import load_manifest
from src.pipelines.clip import inputs_for

from ..conftest import Studio

pytestmark = pytest.mark.real

CASES = [("hunyuanvideo", Task.TEXT2VIDEO), ("hunyuanvideo-i2v", Task.IMG2VIDEO)]
TEMPLATES = {
    Task.TEXT2VIDEO: pipeline_hunyuan_video.DEFAULT_PROMPT_TEMPLATE,
    Task.IMG2VIDEO: pipeline_hunyuan_video_image2video.DEFAULT_PROMPT_TEMPLATE,
}
BESIDE_A_NEGATIVE_PROMPT = {"negative_prompt": "blurred", "true_cfg_scale": 4.0}


@pytest.mark.parametrize(("model", "task"), CASES)
@pytest.mark.parametrize(
    ("base", "change"),
    [
        ({}, {"prompt": "something else"}),
        ({}, {"num_inference_steps": 3}),
        ({}, {"guidance_scale": 3.0}),
        ({}, {"flow_shift": 2.0}),
        ({}, {"true_cfg_scale": 4.0}),
        (BESIDE_A_NEGATIVE_PROMPT, {"true_cfg_scale": 2.0}),
        (BESIDE_A_NEGATIVE_PROMPT, {"negative_prompt": "red"}),
    ],
)
def test_every_parameter_changes_the_frames(
    studio: Studio, model: str, task: Task, base: dict[str, Any], change: dict[str, Any]
) -> None:
    request = studio.request(model, task, **(base | change))

    assert change.items() <= request.parameters.given().items()
    assert not np.array_equal(
        studio.frames(model, task, **base), studio.frames(model, task, **(base | change))
    )


@pytest.mark.parametrize(("model", "task"), CASES)
def test_true_guidance_alone_leads_away_from_the_empty_prompt(
    studio: Studio, model: str, task: Task
) -> None:
    alone = studio.frames(model, task, true_cfg_scale=4.0)

    assert np.array_equal(alone, studio.frames(model, task, true_cfg_scale=4.0, negative_prompt=""))


@pytest.mark.parametrize(("model", "task"), CASES)
def test_another_flow_shift_is_for_one_call(studio: Studio, model: str, task: Task) -> None:
    request = studio.request(model, task, flow_shift=2.0)
    loaded = studio.room.load(request)
    pipeline = loaded.pipeline(task)
    kept = pipeline.scheduler
    inputs = inputs_for(loaded, request, Sources())

    with loaded.family.tasks[task].during(pipeline, inputs):
        assert pipeline.scheduler.config.shift == 2.0
    assert pipeline.scheduler is kept


@pytest.mark.parametrize(("model", "task"), CASES)
def test_the_template_has_as_many_tokens_as_the_pipeline_cuts_away(
    studio: Studio, tiny_models: Path, model: str, task: Task
) -> None:
    request = studio.request(model, task)
    ours = studio.room.load(request).pipeline(task)
    stock = type(ours).from_pretrained(tiny_models / studio.room.entry(request).repo)
    before, _ = TEMPLATES[task]["template"].split("{}")
    expected = TEMPLATES[task]["crop_start"]

    assert len(ours.tokenizer(before).input_ids) == expected
    # When this fails, transformers reads the file's rules, and ours need no mending any more.
    assert len(stock.tokenizer(before).input_ids) != expected


@pytest.mark.parametrize(
    ("frames", "height", "width", "pieces"),
    [(1, 8, 8, 1), (4, 8, 8, 1), (5, 8, 8, 2), (7, 8, 8, 2), (9, 8, 8, 3), (5, 33, 2, 2)],
)
def test_frames_decoded_in_pieces_are_those_of_the_vae(
    studio: Studio, frames: int, height: int, width: int, pieces: int
) -> None:
    """Bit for bit, with as many latents as there are tiles in time, and one of tiles in space."""
    request = studio.request("hunyuanvideo", Task.TEXT2VIDEO)
    loaded = studio.room.load(request)
    pipeline = loaded.pipeline(Task.TEXT2VIDEO)
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn((1, 16, frames, height, width), generator=generator)
    with torch.no_grad():
        whole = pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor).sample
        inputs = inputs_for(loaded, request, Sources())
        ours = list(loaded.family.decode(pipeline, latents, inputs))

    assert pipeline.vae.use_tiling
    assert len(ours) == pieces
    assert torch.equal(torch.cat(ours, dim=2), whole)


@pytest.mark.parametrize(("model", "task"), CASES)
def test_the_published_transformer_has_thirteen_thousand_million_weights(
    model: str, task: Task
) -> None:
    entry = load_manifest().find(model)
    with torch.device("meta"):
        pipeline = hunyuan_video.published(entry)

    assert task in entry.tasks
    weights = sum(weight.numel() for weight in pipeline.transformer.parameters())
    # 25.6 GB in bfloat16, as its repositories' files weigh.
    assert weights == pytest.approx(12.8e9, rel=0.03)
