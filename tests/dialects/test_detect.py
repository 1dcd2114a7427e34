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
        # The other dialects' fields are ModelsLab's to answer until they are there.
        ({"cfg_scale": 7, "init_video": None, "init_image": None}, T2V),
        ({"seconds": "4", "init_video": None, "init_image": None}, T2V),
    ],
)
def test_the_task_by_precedence(said: dict[str, Any], task: Task) -> None:
    payload = EVERYTHING | said
    dialect = detect(payload)
    assert dialect.name == "modelslab"
    assert dialect.decode_request(payload).task is task


@pytest.mark.parametrize(
    ("endpoint", "shown"),
    [
        ("txt2vid", "'txt2vid'"),
        ("text2video/fetch", "'text2video/fetch'"),
        ("img2video_extra", "'img2video_extra'"),
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
