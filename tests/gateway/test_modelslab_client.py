"""ModelsLab's own client against the gateway, with another base URL and nothing else changed."""

from __future__ import annotations

import base64
import io
import threading
import warnings
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from pydantic.warnings import PydanticDeprecatedSince20

from tests.gateway.fakes import Gateway, QuickWorker
from tests.probe import probe

with warnings.catch_warnings():
    # It was written for an older pydantic.
    warnings.simplefilter("ignore", PydanticDeprecatedSince20)
    from modelslab_py.core.apis.video import Video
    from modelslab_py.core.client import Client
    from modelslab_py.schemas.video import (
        Image2Video,
        Image2VideoUltra,
        Text2Video,
        Text2VideoUltra,
    )

pytestmark = pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20")


def modelslab(gateway: Gateway, *, enterprise: bool = False, patience: int = 1) -> Video:
    """The client with another base URL: nothing else is changed.

    `patience` is the pause between two fetches, and the longest that an asynchronous call takes.
    """
    client = Client("caller-key", fetch_retry=50, fetch_timeout=patience)
    client.base_url = f"{gateway.url}/api/"
    return Video(client=client, enterprise=enterprise)


def picture() -> str:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


@pytest.mark.parametrize("enterprise", [False, True])
@pytest.mark.parametrize(
    ("method", "schema", "figures"),
    [
        # A plain call, with the client's own defaults: 512x512, 30 frames, 50 steps.
        ("text_to_video", Text2Video(model_id="svd", prompt="a fox"), (512, 512, 30)),
        (
            "image_to_video",
            Image2Video(model_id="svd", prompt="", init_image=picture(), width=64, height=48),
            (64, 48, 30),
        ),
        ("text_to_video_ultra", Text2VideoUltra(prompt="a fox", resolution=36), (64, 36, 81)),
        (
            "image_to_video_ultra",
            Image2VideoUltra(prompt="a fox", init_image=picture(), resolution=36),
            (64, 36, 92),
        ),
    ],
    ids=["text", "image", "text ultra", "image ultra"],
)
def test_modelslabs_client_makes_a_video(
    gateway: Gateway,
    worker: QuickWorker,
    tmp_path: Path,
    method: str,
    schema: Any,
    figures: tuple[int, int, int],
    enterprise: bool,
) -> None:
    video = modelslab(gateway, enterprise=enterprise)
    told = getattr(video, method)(schema)

    assert told["status"] == "success", told
    file = tmp_path / "video.mp4"
    file.write_bytes(httpx.get(told["output"][0]).content)
    made = probe(file)
    assert (*made.size, made.frames) == figures
    assert video.fetch(str(told["id"])) == told
    assert worker.inputs


@pytest.mark.parametrize("gateway", [{"wait_seconds": 0}], indirect=True)
def test_modelslabs_client_fetches_until_there_is_a_video(
    gateway: Gateway, worker: QuickWorker
) -> None:
    worker.hold()
    video = modelslab(gateway)
    told = video.text_to_video(Text2Video(model_id="svd", prompt="a fox", width=64, height=48))
    assert told["status"] == "processing"
    threading.Timer(1.5, worker.release).start()

    done = video.fetch(str(told["id"]))
    assert (done["status"], done["output"]) == ("success", told["future_links"])


async def test_modelslabs_client_works_in_a_loop_too(gateway: Gateway, worker: QuickWorker) -> None:
    async with modelslab(gateway, patience=60).client as client:
        schema = Text2Video(model_id="svd", prompt="a fox", width=64, height=48)
        told = await Video(client=client).async_text_to_video(schema)
        done = await Video(client=client).async_fetch(str(told["id"]))

    assert told["status"] == done["status"] == "success"
    assert worker.inputs


def test_modelslabs_client_raises_what_is_refused(gateway: Gateway) -> None:
    schema = Text2Video(model_id="svd", prompt="a fox", width=-1)
    with pytest.raises(Exception, match=r"400.*width"):  # its own errors are plain Exceptions
        modelslab(gateway).text_to_video(schema)
