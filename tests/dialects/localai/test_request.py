"""What LocalAI's clients really send, and what is wrong with what they send."""

from typing import Any

import pytest

from src.dialects.localai import LocalAI
from src.dialects.localai.body import Body, Unused
from src.errors import InvalidRequest
from src.generation import GenerationRequest, Task, VideoFormat

PICTURE = "data:image/png;base64,iVBORw0KGgo="


def decode(**said: Any) -> GenerationRequest:
    return LocalAI().decode_request({"endpoint": "/video", "prompt": "a cat", **said})


def refusal(**said: Any) -> str:
    with pytest.raises(InvalidRequest) as caught:
        decode(**said)
    return str(caught.value)


@pytest.mark.parametrize(
    ("field", "written", "parameter", "understood"),
    [
        ("width", 512, "width", 512),
        ("width", "512", "width", 512),
        ("height", " 512 ", "height", 512),
        ("num_frames", 16.0, "num_frames", 16),
        ("fps", "8", "fps", 8),
        ("seed", 42, "seed", 42),
        ("seed", 0, "seed", None),
        ("seed", -1, "seed", None),
        ("seed", "-77", "seed", None),
        ("cfg_scale", "7.5", "guidance_scale", 7.5),
        ("step", "30", "num_inference_steps", 30),
        ("negative_prompt", "blur", "negative_prompt", "blur"),
        ("size", "640x480", "width", 640),
        ("size", "640 X 480", "height", 480),
        ("params", {"flow_shift": "3.0"}, "flow_shift", 3.0),
        ("params", '{"guidance_scale_2": "4"}', "guidance_scale_2", 4.0),
        ("params", {"boundary_ratio": "0.9"}, "boundary_ratio", 0.9),
        ("params", {"lora_models": "a, b"}, "lora_models", ("a", "b")),
        ("params", {"lora": '{"name": "a", "scale": 0.5}'}, "lora_strength", (0.5,)),
        ("params", {"enable_frame_interpolation": "true"}, "enable_frame_interpolation", True),
        ("params", {"enable_frame_interpolation": "false"}, "enable_frame_interpolation", None),
        ("params", {"clip_skip": "2"}, "clip_skip", 1),
        ("params", {"clip_skip": 1}, "clip_skip", None),
        # Clients in Go send 0 and "" for what they do not mean.
        *((name, 0, ours, None) for name, ours in (
            ("width", "width"), ("height", "height"), ("num_frames", "num_frames"),
            ("fps", "fps"), ("cfg_scale", "guidance_scale"), ("step", "num_inference_steps"),
        )),
        ("width", "0", "width", None),
        ("cfg_scale", 0.0, "guidance_scale", None),
        ("size", "", "width", None),
    ],
)  # fmt: skip
def test_a_field_is_understood_as_clients_write_it(
    field: str, written: object, parameter: str, understood: object
) -> None:
    request = decode(**{field: written})
    assert getattr(request.parameters, parameter) == understood
    assert request.warnings == ()


@pytest.mark.parametrize(
    ("said", "task", "image", "video"),
    [
        ({}, Task.TEXT2VIDEO, None, None),
        ({"start_image": PICTURE}, Task.IMG2VIDEO, "start_image", None),
        ({"start_image": [PICTURE]}, Task.IMG2VIDEO, "start_image", None),
        ({"start_image": {"image_url": PICTURE}}, Task.IMG2VIDEO, "start_image", None),
        ({"input_reference": PICTURE}, Task.IMG2VIDEO, "input_reference", None),
        ({"input_reference": "https://e.x/a.gif"}, Task.IMG2VIDEO, "input_reference", None),
        ({"input_reference": "https://e.x/a"}, Task.IMG2VIDEO, "input_reference", None),
        ({"input_reference": "https://e.x/a.MP4?x=.png"}, Task.VIDEO2VIDEO, None,
         "input_reference"),
        ({"input_reference": "data:video/webm;base64,GkXf"}, Task.VIDEO2VIDEO, None,
         "input_reference"),
        ({"input_reference": "AAAAIGZ0eXBpc29tAAACAGlzb21pc28y"}, Task.VIDEO2VIDEO, None,
         "input_reference"),
        ({"input_reference": "AAAAIGZ0eXBhdmlmAAAAAGF2aWZtaWYx"}, Task.IMG2VIDEO,
         "input_reference", None),
        ({"input_reference": "GkXfo59ChoEBQveBAULygQRC84EIQoKE"}, Task.VIDEO2VIDEO, None,
         "input_reference"),
        ({"end_image": PICTURE}, Task.TEXT2VIDEO, None, None),
    ],
)  # fmt: skip
def test_what_there_is_to_start_from_tells_the_task(
    said: dict[str, Any], task: Task, image: str | None, video: str | None
) -> None:
    request = decode(**said)
    assert request.task is task
    assert (request.image.field if request.image else None) == image
    assert (request.video.field if request.video else None) == video
    assert (request.last_image is not None) == ("end_image" in said)


@pytest.mark.parametrize(
    ("said", "warnings"),
    [
        ({"size": "64x48", "width": 80}, ["width: not used beside size, ignored"]),
        ({"size": "64x48", "width": 64, "height": 48}, []),
        ({"num_frames": 16, "seconds": "2"}, ["seconds: not used beside num_frames, ignored"]),
        ({"num_frames": 16, "seconds": "2", "fps": 8}, []),
        ({"num_frames": 0, "seconds": "2"}, []),
        ({"start_image": PICTURE, "input_reference": PICTURE},
         ["input_reference: not used beside start_image, ignored"]),
        ({"audio": "https://e.x/a.mp3"}, ["audio: not supported, ignored"]),
        ({"audio": ""}, []),
        ({"webhook": "https://e.x"}, ["webhook: unknown field, ignored"]),
        ({"params": {"sampler": "euler"}}, ["params.sampler: unknown field, ignored"]),
        ({"params": {"lora": {"name": "a"}, "lora_models": "b"}},
         ["params.lora_models: not used beside params.lora, ignored"]),
        ({"request_id": "r-1", "key": "sk"}, []),
        ({"params": {"last_image": PICTURE}, "end_image": PICTURE},
         ["params.last_image: not used beside end_image, ignored"]),
    ],
)  # fmt: skip
def test_nothing_is_dropped_in_silence(said: dict[str, Any], warnings: list[str]) -> None:
    assert list(decode(**said).warnings) == warnings


@pytest.mark.parametrize(
    ("said", "seconds"),
    [({"seconds": "2"}, 2), ({"seconds": 2.5}, 2.5), ({"seconds": 2, "num_frames": 9}, None)],
)
def test_seconds_are_left_to_whoever_knows_the_models_rate(
    said: dict[str, Any], seconds: float | None
) -> None:
    assert decode(**said).seconds == seconds


@pytest.mark.parametrize(
    ("said", "base64", "video_format"),
    [
        ({}, False, VideoFormat.MP4),
        ({"response_format": "url"}, False, VideoFormat.MP4),
        ({"response_format": "B64_JSON "}, True, VideoFormat.MP4),
        ({"params": {"output_format": "gif"}}, False, VideoFormat.GIF),
    ],
)
def test_how_it_comes_back(said: dict[str, Any], base64: bool, video_format: VideoFormat) -> None:
    delivery = decode(**said).delivery
    assert (delivery.as_base64, delivery.format) == (base64, video_format)


REFERENCES: list[Any] = [
    *(7, True, ["a", "b"], {}, "{bad"),
    *({"file_id": "f"}, {"image_url": "a", "file_id": "f"}),
]
FIGURES: list[Any] = ["wide", -1, 1.5, True, "0x10", "NaN", float("inf"), "1e999", [8], {}]
BAD: dict[str, list[Any]] = {
    "model": [7, {}, "x" * 201],
    "prompt": [7, ["a"], "x" * 10_001],
    "negative_prompt": [7, {}],
    **dict.fromkeys(("start_image", "end_image", "input_reference"), REFERENCES),
    **dict.fromkeys(("width", "height", "num_frames", "step"), FIGURES),
    "fps": [241, -1, "23.976", "8fps", True],
    "seconds": [0, "0", "8s", "NaN", -1, 3601, "1e9", True, [4]],
    "size": ["0x10", "10x0", "x", "64", "64x", "64x48x2", "-64x48", 64, "999999x9", {}],
    "seed": [1.5, "seed", 2**63, True],
    "cfg_scale": [-1, "high", "NaN", float("nan"), True],
    "response_format": ["mp4", 7, {}],
    "params": [7, "x", ["a"], "[1]", "{"],
    "request_id": [7, "a/b", "..", "x" * 129],
}


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
        ({"prompt": None}, "prompt is required"),
        ({"size": "0x10"}, "size must be WIDTHxHEIGHT in pixels, such as \"1280x720\", got '0x10'"),
        ({"seconds": "8s"}, "seconds must be a number above 0 and at most 3600, got '8s'"),
        ({"params": {"flow_shift": "x"}},
         "params.flow_shift must be a number above 0 and at most 100, got 'x'"),
        ({"params": {"lora_models": "a,b,c", "lora_strength": "1,2"}},
         "params.lora_strength must be one number, or one for each of lora_models (3), got 2"),
        ({"start_image": {"file_id": "f-1"}},
         'start_image must be one URL, data URI or base64 string, or {"image_url": ...} around '
         "one; a file_id is not supported, since no files are kept here, got an object"),
    ],
)  # fmt: skip
def test_messages_are_whole(said: dict[str, Any], message: str) -> None:
    assert refusal(**said) == message


@pytest.mark.parametrize(
    ("said", "field"), [({"width": "x", "fps": "y"}, "width"), ({"params": {"strength": 2}}, None)]
)
def test_the_error_knows_the_first_field(said: dict[str, Any], field: str | None) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode(**said)
    assert caught.value.field == (field or "params.strength")
