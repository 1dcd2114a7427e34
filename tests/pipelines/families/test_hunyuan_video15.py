"""HunyuanVideo 1.5: guidance by a component, a size taken from the image, no loader of LoRAs."""

from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image

from builder.tiny_models import hunyuan_video15
from src.generation import Sources, Task
from src.manifest import load_manifest
from src.pipelines import FAMILIES
from src.pipelines.clip import inputs_for

from ..conftest import Studio

pytestmark = pytest.mark.real

CASES = [("hunyuanvideo-1.5", Task.TEXT2VIDEO), ("hunyuanvideo-1.5-i2v", Task.IMG2VIDEO)]
ENTRIES = [entry for entry in load_manifest() if entry.family == "hunyuan_video15"]


@pytest.fixture(scope="module")
def unchanged(studio: Studio) -> dict[str, Any]:
    """What each model gives before anything is changed."""
    return {model: studio.frames(model, task) for model, task in CASES}


@pytest.mark.parametrize(("model", "task"), CASES)
@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "something else"},
        {"prompt": 'a fox "hi"'},
        {"negative_prompt": "blurred"},
        {"num_inference_steps": 3},
        {"guidance_scale": 3.0},
        {"flow_shift": 2.0},
    ],
)
def test_every_parameter_changes_the_frames(
    studio: Studio, unchanged: dict[str, Any], model: str, task: Task, change: dict[str, Any]
) -> None:
    request = studio.request(model, task, **change)

    assert change.items() <= request.parameters.given().items()
    assert not np.array_equal(unchanged[model], studio.frames(model, task, **change))


@pytest.mark.parametrize(("model", "task"), CASES)
def test_a_model_that_is_not_guided_goes_once_through_the_transformer(
    studio: Studio, model: str, task: Task
) -> None:
    """With the guidance that the call asks for, not with the guider's own."""
    transformer = studio.room.load(studio.request(model, task)).pipeline(task).transformer
    passes: list[None] = []
    hook = transformer.register_forward_hook(lambda *_: passes.append(None))
    try:
        studio.frames(model, task, guidance_scale=1.0)
        once = len(passes)
        studio.frames(model, task, guidance_scale=3.0)
    finally:
        hook.remove()

    assert (once, len(passes)) == (2, 2 + 4)


@pytest.mark.parametrize(("model", "task"), CASES)
def test_what_is_changed_for_a_call_is_put_back_even_when_it_fails(
    studio: Studio, model: str, task: Task
) -> None:
    request = studio.request(model, task, guidance_scale=3.0, flow_shift=2.0)
    loaded = studio.room.load(request)
    pipeline, spec = loaded.pipeline(task), loaded.family.tasks[task]
    guider, scheduler = pipeline.guider, pipeline.scheduler
    before = dict(vars(pipeline.video_processor))

    def fail() -> None:
        with spec.during(pipeline, inputs_for(loaded, request, Sources())):
            assert guider.guidance_scale == 3.0
            assert pipeline.scheduler.config.shift == 2.0
            raise InterruptedError

    with pytest.raises(InterruptedError):
        fail()
    assert guider.guidance_scale == 6.0
    assert pipeline.scheduler is scheduler
    assert vars(pipeline.video_processor) == before


def test_an_image_is_drawn_on_at_its_own_size_and_not_at_the_pipelines(studio: Studio) -> None:
    request = studio.request("hunyuanvideo-1.5-i2v", Task.IMG2VIDEO, width=64, height=90)
    loaded = studio.room.load(request)
    pipeline, spec = loaded.pipeline(Task.IMG2VIDEO), loaded.family.tasks[Task.IMG2VIDEO]
    pixels = np.random.default_rng(0).integers(0, 256, (90, 64, 3), np.uint8)
    inputs = inputs_for(loaded, request, Sources(image=Image.fromarray(pixels)))
    processor, image = pipeline.video_processor, inputs.sources.image
    asked = {"height": 96, "width": 64, "target_size": pipeline.target_size}
    with spec.during(pipeline, inputs):
        size = processor.calculate_default_height_width(**asked)
        output = pipeline(**spec.call_keywords(pipeline, inputs))
    resized = processor.resize(image, height=96, width=64, resize_mode="crop")

    assert processor.calculate_default_height_width(**asked) == (768, 512)
    assert size == (96, 64)
    assert output.frames.shape == (1, 32, 2, 6, 4)
    assert image is not None
    assert resized.tobytes() == image.tobytes()


def test_the_template_has_as_many_tokens_as_the_pipeline_cuts_away(studio: Studio) -> None:
    request = studio.request("hunyuanvideo-1.5", Task.TEXT2VIDEO)
    pipeline = studio.room.load(request).pipeline(Task.TEXT2VIDEO)
    conversation = [
        {"role": "system", "content": pipeline.system_message},
        {"role": "user", "content": "a fox"},
    ]
    ids = pipeline.tokenizer.apply_chat_template(conversation, return_dict=True).input_ids
    shown = pipeline.tokenizer.decode(ids[pipeline.prompt_template_encode_start_idx :])

    assert shown == "a fox<|im_end|>\n"


def test_loras_are_taken_when_diffusers_takes_them() -> None:
    family = FAMILIES["hunyuan_video15"]
    classes = [getattr(diffusers, spec.pipeline) for spec in family.tasks.values()]

    assert [hasattr(cls, "load_lora_weights") for cls in classes] == [family.takes_lora] * 2


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_the_published_transformer_has_eight_thousand_million_weights(entry: Any) -> None:
    with torch.device("meta"):
        pipeline = hunyuan_video15.published(entry)

    weights = sum(weight.numel() for weight in pipeline.transformer.parameters())
    assert weights == pytest.approx(8.3e9, rel=0.03)
    assert pipeline.guider.guidance_scale == entry.defaults["guidance_scale"]
    assert pipeline.scheduler.config.shift == entry.defaults["flow_shift"]
