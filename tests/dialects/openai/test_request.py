"""What clients of OpenAI's and vLLM-Omni's Videos API send, and what is wrong with it."""

import json
from typing import Any

import pytest

from src.dialects import detect
from src.dialects.openai import OpenAI
from src.dialects.openai.body import Body, Unused
from src.errors import InvalidRequest
from src.generation import GenerationRequest, Task

PICTURE = "data:image/png;base64,iVBORw0KGgo="
FILM = "https://e.x/a.mp4"
#: Fields of no use that have a value which asks for nothing.
HARMLESS: dict[str, list[Any]] = {
    "num_outputs_per_prompt": [1, "1"],
    "quality": ["default", "Standard", "auto"],
    "generate_sound": [False, "false"],
}


def decode(**said: Any) -> GenerationRequest:
    return OpenAI().decode_request({"endpoint": "/v1/videos", "prompt": "a cat", **said})


def refusal(**said: Any) -> str:
    with pytest.raises(InvalidRequest) as caught:
        decode(**said)
    return str(caught.value)


@pytest.mark.parametrize(
    ("said", "figures"),
    [
        ({}, {}),
        ({"width": 854, "height": "480"}, {"width": 854, "height": 480}),
        ({"width": 854}, {"width": 854}),
        ({"size": "1280x720"}, {"width": 1280, "height": 720}),
        ({"size": "1280x720", "width": 64, "height": 64}, {"width": 1280, "height": 720}),
        ({"num_frames": "80", "fps": "16"}, {"num_frames": 80, "fps": 16}),
        ({"fps": 24.0}, {"fps": 24}),
        ({"video_params": {"width": 64, "height": 48, "num_frames": 9, "fps": 8}},
         {"width": 64, "height": 48, "num_frames": 9, "fps": 8}),
        ({"video_params": '{"num_frames": "9"}'}, {"num_frames": 9}),
        ({"video_params": {"num_frames": 9, "width": 8}, "num_frames": 5},
         {"num_frames": 5, "width": 8}),
        ({"video_params": {"width": 8}, "size": "64x48"}, {"width": 64, "height": 48}),
        ({"video_params": ""}, {}),
    ],
)  # fmt: skip
def test_figures_in_the_order_of_vllm_omni(said: dict[str, Any], figures: dict[str, int]) -> None:
    given = decode(**said).parameters.given()
    del given["prompt"]
    assert given == figures


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ({}, None),
        ({"seconds": "4"}, 4.0),
        ({"seconds": 4}, 4.0),
        ({"seconds": " 4.5 ", "fps": 8}, 4.5),
        ({"seconds": "4", "num_frames": 16}, None),
        ({"seconds": "4", "video_params": {"num_frames": 16}}, None),
    ],
)
def test_num_frames_wins_over_seconds(said: dict[str, Any], seconds: float | None) -> None:
    assert decode(**said).seconds == seconds


@pytest.mark.parametrize(
    ("said", "parameter", "understood"),
    [
        ({"num_inference_steps": "40"}, "num_inference_steps", 40),
        ({"guidance_scale": "4.0"}, "guidance_scale", 4.0),
        ({"guidance_scale": 0}, "guidance_scale", 0.0),
        ({"guidance_scale_2": 3}, "guidance_scale_2", 3.0),
        ({"boundary_ratio": "0.875"}, "boundary_ratio", 0.875),
        ({"flow_shift": 12}, "flow_shift", 12.0),
        ({"true_cfg_scale": 6}, "true_cfg_scale", 6.0),
        ({"seed": 0}, "seed", 0),
        ({"seed": -1}, "seed", None),
        ({"seed": "7"}, "seed", 7),
        ({"negative_prompt": "blur"}, "negative_prompt", "blur"),
        ({"enable_frame_interpolation": "true"}, "enable_frame_interpolation", True),
        ({"enable_frame_interpolation": False}, "enable_frame_interpolation", None),
        ({"frame_interpolation_exp": "2"}, "frame_interpolation_exp", 2),
        ({"frame_interpolation_scale": 0.5}, "frame_interpolation_scale", 0.5),
        ({"lora": {"name": "a", "scale": 0.5}}, "lora_models", ("a",)),
        ({"lora": '{"lora_name": "a", "lora_scale": "0.5"}'}, "lora_strength", (0.5,)),
        ({"lora": [{"name": "a"}, {"adapter": "b"}]}, "lora_models", ("a", "b")),
        ({"extra_params": {"strength": 0.4}}, "strength", 0.4),
        ({"extra_params": '{"motion_bucket_id": 20}'}, "motion_bucket_id", 20),
        ({"extra_params": {"flow_shift": 3}, "flow_shift": 5}, "flow_shift", 3.0),
    ],
)
def test_a_field_is_understood_as_clients_write_it(
    said: dict[str, Any], parameter: str, understood: object
) -> None:
    assert getattr(decode(**said).parameters, parameter) == understood


@pytest.mark.parametrize(
    ("said", "task", "value"),
    [
        ({"input_reference": PICTURE}, Task.IMG2VIDEO, PICTURE),
        ({"input_reference": {"image_url": PICTURE}}, Task.IMG2VIDEO, PICTURE),
        ({"input_reference": json.dumps({"image_url": PICTURE})}, Task.IMG2VIDEO, PICTURE),
        ({"input_reference": {"image_url": PICTURE, "file_id": None}}, Task.IMG2VIDEO, PICTURE),
        ({"input_reference": {"image_url": {"url": PICTURE}}}, Task.IMG2VIDEO, PICTURE),
        ({"input_reference": FILM}, Task.VIDEO2VIDEO, FILM),
        ({"input_references": [PICTURE]}, Task.IMG2VIDEO, PICTURE),
        ({"image_reference": {"image_url": PICTURE}}, Task.IMG2VIDEO, PICTURE),
        ({"image_reference": json.dumps({"image_url": PICTURE})}, Task.IMG2VIDEO, PICTURE),
        ({"image_reference": [{"image_url": PICTURE}]}, Task.IMG2VIDEO, PICTURE),
        ({"image_reference": {"image_url": FILM}}, Task.IMG2VIDEO, FILM),
        ({"video_reference": {"video_url": "https://e.x/a"}}, Task.VIDEO2VIDEO, "https://e.x/a"),
        ({"input_reference": "", "image_reference": None}, Task.TEXT2VIDEO, None),
    ],
)
def test_references_in_every_shape(said: dict[str, Any], task: Task, value: str | None) -> None:
    request = decode(**said)
    reference = request.image or request.video
    assert request.task is task
    assert (reference.value if reference else None) == value
    assert (request.video is not None) == (task is Task.VIDEO2VIDEO)
    if reference:
        assert request.name_of("image") == reference.field == next(iter(said))


@pytest.mark.parametrize(
    ("said", "warnings"),
    [
        ({"size": "64x48", "height": 80}, ["height: not used beside size, ignored"]),
        ({"size": "64x48", "video_params": {"width": 8}},
         ["video_params.width: not used beside size, ignored"]),
        ({"fps": 8, "video_params": {"fps": 9, "depth": 3}},
         ["video_params.fps: not used beside fps, ignored",
          "video_params.depth: unknown field, ignored"]),
        ({"num_frames": 16, "seconds": "4"}, ["seconds: not used beside num_frames, ignored"]),
        ({"num_frames": 32, "fps": 8, "seconds": "4"}, []),
        ({"model": "sora-2"},
         ["model: OpenAI's own, not served here; the worker's default model is used instead"]),
        ({"model": "Sora-2-pro-2025-10-06"},
         ["model: OpenAI's own, not served here; the worker's default model is used instead"]),
        ({"flow_shift": 5, "extra_params": {"flow_shift": 3}},
         ["flow_shift: not used beside extra_params.flow_shift, ignored"]),
        ({"flow_shift": 3, "extra_params": {"flow_shift": "3"}}, []),
        ({"lora": {"name": "a"}, "extra_params": {"lora_models": "b"}},
         ["lora: not used beside extra_params.lora_models, ignored"]),
        ({"extra_params": {"sample_solver": "unipc"}},
         ["extra_params.sample_solver: unknown field, ignored"]),
        ({"webhook": "https://e.x"}, ["webhook: unknown field, ignored"]),
        ({"user": "u-1"}, ["user: not supported, ignored"]),
        ({"return_stage_metrics": True, "request_id": "r-1"}, []),
        ({"num_outputs_per_prompt": 2}, ["num_outputs_per_prompt: not supported, ignored"]),
        ({"quality": "lossless"}, ["quality: not supported, ignored"]),
        *(({name: value}, []) for name, values in HARMLESS.items() for value in values),
        *(({name: "x"}, [f"{name}: not supported, ignored"]) for name in Unused.model_fields),
    ],
)  # fmt: skip
def test_nothing_is_dropped_in_silence(said: dict[str, Any], warnings: list[str]) -> None:
    assert list(decode(**said).warnings) == warnings


@pytest.mark.parametrize(
    ("model", "asked"),
    [("sora-2", None), ("sora-2-pro", None), ("svd", "svd"), ("my-sora", "my-sora"), (None, None)],
)
def test_openais_own_models_mean_the_default(model: str | None, asked: str | None) -> None:
    assert decode(model=model).model == asked


def test_a_last_frame_may_stand_in_extra_params() -> None:
    request = decode(extra_params={"last_image": PICTURE})

    assert request.last_image is not None
    assert (request.last_image.field, request.last_image.value) == (
        "extra_params.last_image",
        PICTURE,
    )


def test_the_platforms_wrapping_is_taken_off() -> None:
    body = {"openai_route": "/v1/videos", "openai_input": {"prompt": "a fox", "size": "64x48"}}
    request = detect(body).decode_request(body)

    assert request.parameters.prompt == "a fox"
    assert request.parameters.width == 64
    assert request.warnings == ()


@pytest.mark.parametrize("inner", [None, "x", 7, ["a"]])
def test_a_wrapping_without_a_body_is_refused(inner: object) -> None:
    body = {"openai_route": "/v1/videos", "openai_input": inner}
    with pytest.raises(InvalidRequest, match="openai_input must be a JSON object, got "):
        detect(body).decode_request(body)


IMAGES: list[Any] = [
    *(7, [PICTURE, PICTURE], "{"),
    *({"file_id": "f"}, {"image_url": 7}, {"image_url": {"u": 1}}),
    {"image_url": PICTURE, "file_id": "f"},
]
FIGURES: list[Any] = ["wide", 0, "0", -1, 1.5, True, "0x10", "NaN", float("inf"), "1e999", [8], {}]
GUIDANCE: list[Any] = [-0.1, 20.1, "x", "NaN", float("nan"), True]
BAD: dict[str, list[Any]] = {
    "prompt": [7, ["a"], "x" * 10_001],
    "model": [7, {}, "x" * 201],
    "negative_prompt": [7, {}],
    **dict.fromkeys(("width", "height", "num_frames"), FIGURES),
    "fps": [0, 241, "23.976", True],
    "seconds": [0, "0", "8s", "NaN", -1, 3601, "1e9", True, [4], "0x10"],
    "size": ["0x10", "10x0", "x", "1080p", "64x48x2", 64, "999999x9", {}],
    "num_inference_steps": [0, 201, 1.5, "many"],
    **dict.fromkeys(("guidance_scale", "guidance_scale_2", "true_cfg_scale"), GUIDANCE),
    "boundary_ratio": [-0.1, 1.1, "x"],
    "flow_shift": [0, 101, "x", "inf"],
    "seed": [1.5, "seed", 2**63, True, -(2**63) - 1],
    "enable_frame_interpolation": ["maybe", 2],
    "return_stage_metrics": ["maybe", 2],
    "frame_interpolation_exp": [0, 5, 1.5],
    "frame_interpolation_scale": [0, 4.1],
    "lora": [7, "x", {}, {"scale": 1}, '{"name": "a", "scale": 11}', "[" * 9],
    "extra_params": [7, "x", ["a"], "[1]", "{"],
    "video_params": [7, "x", ["a"], "{"],
    **dict.fromkeys(("input_reference", "input_references", "image_reference"), IMAGES),
    "video_reference": [7, {"file_id": "f"}, {"image_url": PICTURE}],
    "response_format": ["mp4", 7],
    "request_id": [7, "a/b", "..", "x" * 129],
}  # fmt: skip


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field, values in BAD.items() for value in values]
)
def test_a_bad_value_is_refused_by_name_rule_and_value(field: str, value: object) -> None:
    message = refusal(**{field: value})
    assert message.startswith(f"{field} must be ")
    assert ", got " in message
    assert len(message) < 400


def test_every_field_has_its_bad_values_above() -> None:
    assert Body.model_fields.keys() - Unused.model_fields.keys() == BAD.keys()


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"prompt": ""}, "prompt is required"),
        ({"input_reference": PICTURE, "image_reference": {"image_url": PICTURE}},
         "Provide only one of input_reference, image_reference, or video_reference, got "
         "input_reference and image_reference"),
        ({"video_params": {"width": 0}},
         "video_params.width must be a whole number, at least 1, got 0"),
        ({"extra_params": {"output_format": "webm"}},
         "extra_params.output_format must be one of mp4, gif, got 'webm'"),
        ({"guidance_scale": 21}, "guidance_scale must be a number from 0 to 20, got 21"),
        ({"width": "wide", "seconds": "8s"},
         "seconds must be a number above 0 and at most 3600, got '8s'; "
         "width must be a whole number, at least 1, got 'wide'"),
    ],
)  # fmt: skip
def test_messages_are_whole(said: dict[str, Any], message: str) -> None:
    assert refusal(**said) == message
