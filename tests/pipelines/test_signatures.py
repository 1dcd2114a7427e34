"""The drift check: what we send is what the pinned diffusers takes."""

import inspect

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image

from src.generation import Parameters, Sources, Task
from src.manifest import load_manifest
from src.pipelines import FAMILIES
from src.pipelines.family import Inputs

from .conftest import CASES, Studio

pytestmark = pytest.mark.real

EVERYTHING = Parameters(
    prompt="a fox",
    negative_prompt="blur",
    width=64,
    height=64,
    num_frames=3,
    fps=8,
    seed=1,
    num_inference_steps=2,
    guidance_scale=7.0,
    guidance_scale_2=3.0,
    boundary_ratio=0.9,
    true_cfg_scale=4.0,
    flow_shift=5.0,
    strength=0.5,
    clip_skip=1,
    min_guidance_scale=1.0,
    max_guidance_scale=3.0,
    motion_bucket_id=127,
    noise_aug_strength=0.02,
    latent_interpolation_method="slerp",
)


def test_every_family_and_task_is_among_the_cases() -> None:
    covered = {(load_manifest().find(model).family, task) for model, task in CASES}

    assert covered == {(name, task) for name, family in FAMILIES.items() for task in family.tasks}


@pytest.mark.parametrize(("model", "task"), CASES)
def test_the_pipeline_takes_every_keyword_that_we_send(
    studio: Studio, model: str, task: Task
) -> None:
    loaded = studio.room.load(studio.request(model, task))
    spec = loaded.family.tasks[task]
    plan = loaded.family.plan(width=64, height=64, num_frames=3)
    size = (plan.generated_width, plan.generated_height)
    inputs = Inputs(
        plan=plan,
        parameters=EVERYTHING,
        sources=Sources(
            image=Image.new("RGB", size),
            last_image=Image.new("RGB", size),
            video=np.zeros((plan.generated_frames, size[1], size[0], 3), np.uint8),
        ),
        generator=torch.Generator(),
    )
    pipeline = loaded.pipeline(task)
    sent = spec.call_keywords(pipeline, inputs).keys()
    taken = inspect.signature(getattr(diffusers, spec.pipeline).__call__).parameters

    assert type(pipeline).__name__ == spec.pipeline
    assert sent - taken.keys() == set()
    assert sent >= spec.keywords


def test_a_keyword_that_the_pipeline_lost_would_be_seen() -> None:
    taken = inspect.signature(diffusers.StableVideoDiffusionPipeline.__call__).parameters

    assert "guidance_scale" not in taken
    assert "prompt" not in taken
