"""The table of docs/parameters.md, cell by cell, against the real pipelines.

Where it says that a parameter is honoured, changing it changes the clip; where it says that it
warns, the warning is there; where it says error, the job is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from builder.parameters_docs import LOCALAI, PAGE, Cell, cells, page
from src.dialects import detect
from src.errors import UnsupportedTask
from src.generation import MEDIA, GenerationRequest, MediaReference, Parameters, Task
from src.manifest import AdapterKind, load_manifest
from src.pipelines import FAMILIES
from src.pipelines.choices import NAMING
from src.pipelines.settle import STARTS_FROM

from .conftest import Studio

MANIFEST = load_manifest()
TABLE = cells(MANIFEST)

UPSCALED = {
    "upscale_width": 96,
    "upscale_height": 96,
    "upscale_strength": 0.9,
    "upscale_guidance_scale": 5.0,
    "upscale_num_inference_steps": 3,
}
#: A value that is not the usual one, for each parameter whose names are not the manifest's.
CHANGED: dict[str, Any] = {
    "prompt": "something else",
    "negative_prompt": "blurred",
    "width": 80,
    "height": 80,
    "num_frames": 4,
    "fps": 15,
    "seed": 8,
    "num_inference_steps": 3,
    "guidance_scale": 2.7,
    "guidance_scale_2": 9.0,
    "boundary_ratio": 0.1,
    "true_cfg_scale": 4.0,
    "flow_shift": 1.5,
    "strength": 0.5,
    "clip_skip": 1,
    "min_guidance_scale": 2.0,
    "max_guidance_scale": 6.0,
    "motion_bucket_id": 20,
    "noise_aug_strength": 0.5,
    "latent_interpolation_method": "slerp",
    "use_improved_sampling": True,
    "improved_sampling_seed": 7,
    "upscale_width": 112,
    "upscale_height": 112,
    "upscale_strength": 0.5,
    "upscale_guidance_scale": 9.0,
    "upscale_num_inference_steps": 5,
    "motion_lora_strength": (0.3,),
    "lora_strength": (0.3,),
    "domain_lora_scale": 0.3,
    "ip_adapter_scale": 0.1,
    "enhance_prompt": True,
    "enable_frame_interpolation": True,
    "frame_interpolation_exp": 2,
    "frame_interpolation_scale": 0.5,
}
#: What must be set as well for a parameter to mean anything.
BESIDE: dict[str, dict[str, Any]] = {
    "improved_sampling_seed": {"use_improved_sampling": True, "improved_sampling_seed": 42},
    "true_cfg_scale": {"negative_prompt": "blurred"},
    "negative_prompt": {"true_cfg_scale": 4.0},  # HunyuanVideo reads it with that alone
    # Of two steps both fall to the first expert, where the schedule leans far towards noise.
    **{name: {"num_inference_steps": 4} for name in ("guidance_scale_2", "boundary_ratio")},
    "frame_interpolation_exp": {"enable_frame_interpolation": True},
    "frame_interpolation_scale": {"enable_frame_interpolation": True},
    **dict.fromkeys(UPSCALED, UPSCALED),
}
#: Parameters that belong to an adapter, and what names it.
OF_ADAPTERS = {
    "motion_lora_strength": "motion_loras",
    "lora_strength": "lora_models",
    "domain_lora_scale": "adapter_lora",
    "ip_adapter_scale": "ip_adapter_id",
    "ip_adapter_image": "ip_adapter_id",
    "controlnet_images": "controlnet",
}
#: Images that an adapter reads.
READ_BY = {"ip_adapter_id": "ip_adapter_image", "controlnet": "controlnet_images"}


def honoured() -> Iterator[tuple[str, str, Task]]:
    for cell in TABLE:
        for task, models in cell.honoured.items():
            yield cell.parameter, models[0], task


def named(model: str, parameter: str) -> dict[str, Any]:
    """The last adapter of the kind that a parameter names: the first may be the model's own."""
    kind = NAMING[parameter]
    adapter = [item for item in MANIFEST.adapters_for(model, kind) if item.repo][-1:]
    name = adapter[0].id if adapter else f"worker-video/{model}-lora"
    return {parameter: (name,) if kind in (AdapterKind.LORA, AdapterKind.MOTION_LORA) else name}


def asked(parameter: str, model: str, task: Task) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is asked for without the parameter and with it; media by our name for them."""
    # Enough noise in a source video that what the network makes of it is seen.
    base: dict[str, Any] = (
        {"strength": 1.0, "num_inference_steps": 2} if task is Task.VIDEO2VIDEO else {}
    )
    if task is Task.VIDEO2VIDEO and parameter == "strength":
        base = {"strength": 1.0, "num_inference_steps": 4}
    base |= BESIDE.get(parameter, {})
    owner = OF_ADAPTERS.get(parameter)
    if owner:
        base |= named(model, owner)
        if owner in READ_BY and parameter != READ_BY[owner]:
            base |= {READ_BY[owner]: True}
    if parameter in NAMING:
        change = named(model, parameter) | (
            {READ_BY[parameter]: True} if parameter in READ_BY else {}
        )
    elif parameter in MEDIA:
        change = {parameter: True}
    else:
        change = {parameter: CHANGED[parameter]}
    return base, base | change


class Clips:
    """What came of a request, in a few bytes; each is made once."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._made: dict[str, Any] = {}

    def of(self, model: str, task: Task, given: dict[str, Any]) -> Any:
        key = repr((model, task, sorted(given.items())))
        if key not in self._made:
            self._made[key] = self._make(model, task, given)
        return self._made[key]

    def _make(self, model: str, task: Task, given: dict[str, Any]) -> Any:
        clip = self._studio.clip(request_of(self._studio, model, task, given))
        digest = hashlib.sha256()
        for chunk in clip.chunks:
            digest.update(chunk.tobytes())
        return clip.width, clip.height, clip.num_frames, clip.fps, digest.hexdigest()


def request_of(studio: Studio, model: str, task: Task, given: dict[str, Any]) -> GenerationRequest:
    media = {name for name in given if name in MEDIA and name not in STARTS_FROM.values()}
    other = {name: value for name, value in given.items() if name not in MEDIA}
    return studio.request(model, task, media=media, **other)


@pytest.fixture(scope="module")
def clips(studio: Studio) -> Clips:
    return Clips(studio)


@pytest.mark.real
@pytest.mark.parametrize(("parameter", "model", "task"), list(honoured()))
def test_a_parameter_that_is_honoured_changes_the_clip(
    studio: Studio, clips: Clips, parameter: str, model: str, task: Task
) -> None:
    if parameter == STARTS_FROM.get(task):
        frames = [studio.frames(model, task, media_seed=seed) for seed in (0, 1)]
        assert frames[0].tobytes() != frames[1].tobytes()
        return
    before, after = asked(parameter, model, task)

    assert clips.of(model, task, before) != clips.of(model, task, after)


def unused() -> Iterator[tuple[str, str, Task]]:
    for cell in TABLE:
        for task, models in cell.warned.items():
            if cell.parameter not in STARTS_FROM.values():
                yield from ((cell.parameter, model, task) for model in models)


@pytest.mark.parametrize(("parameter", "model", "task"), list(unused()))
def test_a_parameter_that_is_not_honoured_is_named_in_a_warning(
    bare_room: Any, parameter: str, model: str, task: Task
) -> None:
    value = CHANGED.get(parameter, ("x",) if parameter.endswith("s") else "x")
    reference = MediaReference(field=parameter, value="https://example.com/x")
    given: dict[str, Any] = (
        {parameter: (reference,) if parameter == "controlnet_images" else reference}
        if parameter in MEDIA
        else {"parameters": Parameters(**{parameter: value})}
    )
    settled = bare_room.settle(
        GenerationRequest(
            task=task, model=model, field_names={parameter: f"their {parameter}"}, **given
        )
    )

    assert [words for words in settled.warnings if words.startswith(f"their {parameter}: ")] != []
    assert getattr(settled.parameters, parameter, None) is None
    assert parameter not in settled.media()


def errors() -> list[Cell]:
    return [cell for cell in TABLE if cell.words == "error"]


@pytest.mark.parametrize("cell", errors(), ids=lambda cell: f"{cell.parameter}-{cell.family}")
def test_what_a_family_cannot_start_from_is_refused(bare_room: Any, cell: Cell) -> None:
    task = next(task for task, name in STARTS_FROM.items() if name == cell.parameter)
    model = next(entry.id for entry in MANIFEST if entry.family == cell.family)

    with pytest.raises(UnsupportedTask, match=f"does not do {task}"):
        bare_room.settle(GenerationRequest(task=task, model=model))


def test_the_page_is_the_one_that_the_code_writes() -> None:
    assert PAGE.read_text("utf-8") == page(), "run `make docs`"


def test_the_table_is_complete() -> None:
    written = {(cell.parameter, cell.family) for cell in TABLE}

    assert written == {
        (name, family) for name in (*MEDIA, *Parameters.__annotations__) for family in FAMILIES
    }


SEEDS = {
    "ModelsLab": "key model_id prompt negative_prompt seed height width num_frames "
    "num_inference_steps guidance_scale clip_skip upscale_height upscale_width upscale_strength "
    "upscale_guidance_scale upscale_num_inference_steps use_improved_sampling "
    "improved_sampling_seed fps output_type instant_response temp webhook track_id init_image "
    "init_video strength min_guidance_scale max_guidance_scale motion_bucket_id base64 "
    "noise_aug_strength latent_interpolation_method enhance_prompt lora_models lora_strength "
    "motion_loras motion_lora_strength domain_lora_scale adapter_lora motion_module resolution "
    "portrait sample_shift",
    "LocalAI": "model prompt negative_prompt start_image end_image width height num_frames fps "
    "seconds size input_reference seed cfg_scale step response_format",
    "vLLM-Omni": "prompt model seconds size user input_reference image_reference width height "
    "num_frames fps num_inference_steps guidance_scale guidance_scale_2 boundary_ratio flow_shift "
    "true_cfg_scale seed negative_prompt enable_frame_interpolation frame_interpolation_exp "
    "frame_interpolation_scale frame_interpolation_model_path lora extra_params",
}


@pytest.mark.parametrize(
    ("api", "field"), [(api, name) for api, names in SEEDS.items() for name in names.split()]
)
def test_every_field_of_the_three_apis_is_on_the_page(api: str, field: str) -> None:
    rows = [row for row in written_rows() if f"`{field}`" in row]

    assert any(api in row or is_parameter(row) for row in rows), f"{api}'s {field} is not there"


@cache
def written_rows() -> tuple[str, ...]:
    return tuple(row for row in page().splitlines() if row.startswith("|"))


def is_parameter(row: str) -> bool:
    return row.split("|")[1].strip(" `") in {*MEDIA, *Parameters.__annotations__}


def test_the_words_of_other_apis_stand_for_parameters_that_there_are() -> None:
    assert set(LOCALAI.values()) <= {*MEDIA, *Parameters.__annotations__}


#: Something for each field, where "x" would be refused.
SAID: dict[str, Any] = {
    **dict.fromkeys(("width", "height", "upscale_width", "upscale_height"), 80),
    **dict.fromkeys(("num_frames", "num_inference_steps", "upscale_num_inference_steps"), 3),
    **dict.fromkeys(("seed", "improved_sampling_seed", "clip_skip", "fps"), 2),
    **dict.fromkeys(("guidance_scale", "guidance_scale_2", "true_cfg_scale"), 2.5),
    **dict.fromkeys(("min_guidance_scale", "max_guidance_scale", "upscale_guidance_scale"), 2.5),
    **dict.fromkeys(("strength", "upscale_strength", "noise_aug_strength", "boundary_ratio"), 0.9),
    **dict.fromkeys(("lora_strength", "motion_lora_strength", "domain_lora_scale"), 0.5),
    **dict.fromkeys(("flow_shift", "sample_shift", "frame_interpolation_scale"), 3.5),
    **dict.fromkeys(("use_improved_sampling", "enhance_prompt", "portrait", "base64"), True),
    **dict.fromkeys(("instant_response", "temp", "enable_frame_interpolation"), True),
    "frame_interpolation_exp": 3,
    "motion_bucket_id": 20,
    "resolution": 72,
    "output_type": "gif",
    "webhook": "https://example.com/hook",
    "latent_interpolation_method": "slerp",
    "adapter_lora": "v2_sd15_adapter",
    "lora": {"name": "x"},
    "model_id": "svd-14",
}


def seed_fields() -> list[str]:
    names = {name for fields in SEEDS.values() for name in fields.split()}
    return sorted(names - {"key", "init_image", "prompt"})


@pytest.mark.parametrize("field", seed_fields())
def test_no_field_of_the_three_apis_is_dropped_in_silence(bare_room: Any, field: str) -> None:
    """On a model that honours few: each field changes what will be done, or is warned of."""
    plain: dict[str, Any] = {
        "model_id": "svd",
        "endpoint": "img2video",
        "init_image": "https://example.com/x",
    }
    plain |= {"seed": 1, "prompt": "x"}
    said = plain | {field: SAID.get(field, "x")}
    without, with_it = (
        bare_room.settle(detect(body).decode_request(body)) for body in (plain, said)
    )
    warned = [words for words in with_it.warnings if words.startswith(f"{field}: ")]

    assert warned or replace(with_it, warnings=()) != replace(without, warnings=())
