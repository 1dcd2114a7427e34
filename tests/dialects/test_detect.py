"""Which API a job speaks, and which task it asks for: decision 1 as a table."""

from typing import Any

import pytest

from src.dialects import DEFAULT, detect
from src.errors import InvalidRequest
from src.generation import Task

T2V, I2V, V2V = Task.TEXT2VIDEO, Task.IMG2VIDEO, Task.VIDEO2VIDEO
EVERYTHING = {
    "prompt": "a cat",
    "init_image": "https://e.x/a.png",
    "init_video": "https://e.x/a.mp4",
}


@pytest.mark.parametrize(
    ("said", "task"),
    [
        # `endpoint` wins over everything that the body holds.
        ({"endpoint": "text2video"}, T2V),
        ({"endpoint": "img2video"}, I2V),
        ({"endpoint": "video2video"}, V2V),
        ({"endpoint": " IMG2VIDEO "}, I2V),
        ({"endpoint ": "img2video"}, I2V),
        ({"endpoint": "text2video_ultra"}, T2V),
        ({"endpoint": "img2video_ultra"}, I2V),
        ({"endpoint": "text-to-video"}, T2V),
        ({"endpoint": "image-to-video"}, I2V),
        ({"endpoint": "video-to-video"}, V2V),
        ({"endpoint": "/api/v6/video/text2video"}, T2V),
        ({"endpoint": "v6/video/img2video/"}, I2V),
        ({"endpoint": "https://modelslab.com/api/v1/enterprise/video/img2video"}, I2V),
        ({"endpoint": "https://modelslab.com/api/v6/video/video2video?lang=en"}, V2V),
        ({"endpoint": "https://modelslab.com/api/v7/video-fusion/text-to-video"}, T2V),
        ({"endpoint": "/api/v1/enterprise/ultra_video/text2video"}, T2V),
        ({"endpoint": "/api/v1/enterprise/image_to_video_ultra/img2video"}, I2V),
        # Without it: what there is to start from.
        ({}, V2V),
        ({"endpoint": None}, V2V),
        ({"endpoint": "  "}, V2V),
        ({"init_video": None}, I2V),
        ({"init_video": ""}, I2V),
        ({"init_video": [], "init_image": None}, T2V),
    ],
)
def test_the_task_by_precedence(said: dict[str, Any], task: Task) -> None:
    payload = EVERYTHING | said
    dialect = detect(payload)
    assert dialect.name == "modelslab"
    assert dialect.decode_request(payload).task is task


CAT = {"prompt": "a cat"}
ALL = {"model_id": "svd", "cfg_scale": 7, "size": "64x64", **CAT}


@pytest.mark.parametrize(
    ("payload", "name"),
    [
        # 1. `endpoint` says it outright, whatever else there is.
        (ALL | {"endpoint": "text2video"}, "modelslab"),
        (ALL | {"endpoint": "/video"}, "localai"),
        (ALL | {"endpoint": "video"}, "localai"),
        (ALL | {"endpoint": " LocalAI "}, "localai"),
        (ALL | {"endpoint": "http://localhost:8080/video/"}, "localai"),
        (ALL | {"endpoint": "http://localhost:8080/video?key=1"}, "localai"),
        (ALL | {"endpoint": "openai"}, "openai"),
        (ALL | {"endpoint": "/v1/videos"}, "openai"),
        (ALL | {"endpoint": "v1/videos/"}, "openai"),
        (ALL | {"endpoint": "/v1/videos/sync"}, "openai"),
        (ALL | {"endpoint": "https://api.openai.com/v1/videos"}, "openai"),
        (ALL | {"endpoint ": "/V1/Videos"}, "openai"),
        ({"openai_route": "/v1/videos", "openai_input": CAT}, "openai"),
        ({"openai_route": "/v1/videos/sync", "openai_input": CAT}, "openai"),
        ({"openai_route": "/v1/videos", "openai_input": CAT, "model_id": "svd"}, "openai"),
        ({"openai_route": "/v1/videos", "openai_input": CAT, "endpoint": "/video"}, "localai"),
        (ALL | {"endpoint": None}, "modelslab"),
        # 2. What only ModelsLab has.
        (ALL, "modelslab"),
        (CAT | {"cfg_scale": 7, "seconds": 4, "init_image": "x"}, "modelslab"),
        (CAT | {"start_image": "x", "key": ""}, "modelslab"),
        (CAT | {"size": "64x64", "webhook": "https://e.x/hook"}, "modelslab"),
        (CAT | {"flow_shift": 3, "sample_shift": 4}, "modelslab"),
        # ... but not what it has taken over from others, and not what nobody said.
        (CAT | {"end_image": "x"}, "localai"),
        (CAT | {"lora": {"name": "a"}}, "openai"),
        (CAT | {"size": "64x64", "model_id": None, "init_image": ""}, "openai"),
        # 3. What LocalAI has and OpenAI has not.
        *((CAT | {name: 1, "size": "64x64"}, "localai") for name in (
            "start_image", "end_image", "cfg_scale", "step", "response_format", "params",
        )),
        # 4. What the other two have.
        *((CAT | {name: 1}, "openai") for name in (
            "size", "seconds", "input_reference", "image_reference", "guidance_scale_2",
            "true_cfg_scale", "flow_shift", "boundary_ratio", "extra_params", "lora",
            "video_params", "video_reference", "input_references",
        )),
        # 5. Anything else.
        (CAT, "modelslab"),
        ({}, "modelslab"),
        (CAT | {"width": 64, "num_frames": 8, "guidance_scale": 3}, "modelslab"),
        (CAT | {"size": None, "cfg_scale": ""}, "modelslab"),
    ],
)  # fmt: skip
def test_the_api_by_precedence(payload: dict[str, Any], name: str) -> None:
    assert detect(payload).name == name


def test_a_plain_body_may_call_its_model_as_the_other_apis_do() -> None:
    body = CAT | {"model": "svd", "width": 64}
    request = detect(body).decode_request(body)

    assert (detect(body).name, request.model, request.warnings) == ("modelslab", "svd", ())


@pytest.mark.parametrize("route", ["/v1/chat/completions", "/v1/videos/video_1", "", None, 7])
def test_another_route_of_the_platforms_wrapping_is_refused(route: object) -> None:
    with pytest.raises(InvalidRequest, match="openai_route must be one of /v1/videos, "):
        detect({"openai_route": route, "openai_input": CAT})


@pytest.mark.parametrize(
    ("endpoint", "shown"),
    [
        ("txt2vid", "'txt2vid'"),
        ("text2video/fetch", "'text2video/fetch'"),
        ("img2video_extra", "'img2video_extra'"),
        ("/v1/videos/video_1/remix", "'/v1/videos/video_1/remix'"),
        ("/v2/videos", "'/v2/videos'"),
        ("/generated-videos", "'/generated-videos'"),
        (7, "7"),
        (["text2video"], "['text2video']"),
        ({"a": "secret"}, "an object"),
    ],
)
def test_an_unknown_endpoint_is_named_with_the_known_ones(endpoint: object, shown: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        detect({"endpoint": endpoint, "prompt": "a cat"})
    message = str(caught.value)
    assert message.startswith("endpoint must be one of text2video, img2video, video2video, ")
    assert ", /video, /v1/videos, got " in message
    assert message.endswith(f"got {shown}")


def test_there_is_always_somebody_to_answer() -> None:
    assert DEFAULT.encode_error(InvalidRequest("why")) == {"status": "error", "message": "why"}


@pytest.mark.parametrize(
    ("endpoint", "size", "frames", "shift"),
    [
        ("text2video", (512, 512), 16, None),
        ("text2video_ultra", (854, 480), 81, 5.0),
        ("ultra_video/text2video", (854, 480), 81, 5.0),
    ],
)
def test_each_endpoint_has_its_own_defaults(
    endpoint: str, size: tuple[int, int], frames: int, shift: float | None
) -> None:
    defaults = DEFAULT.decode_request({"endpoint": endpoint, "prompt": "a cat"}).defaults
    assert (defaults.width, defaults.height) == size
    assert defaults.num_frames == frames
    assert defaults.flow_shift == shift
