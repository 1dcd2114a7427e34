"""OpenAI's client, the gateway, the platform, handler.py with real pipelines, and a real bucket."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from openai import OpenAI
from PIL import Image

from loopback import Platform
from tests.gateway.fakes import Gateway
from tests.gateway.pictures import PNG
from tests.loop.conftest import start  # noqa: F401
from tests.loop.starting import Start
from tests.probe import probe
from tests.s3.fixtures import Bucket, bucket, swift, swift_client  # noqa: F401

pytestmark = [
    pytest.mark.loop,
    pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning"),
]

SMALL = {"width": 66, "height": 64, "num_frames": 5, "num_inference_steps": 2, "fps": 10, "seed": 1}


@pytest.fixture
def client(gateway: Gateway) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{gateway.url}/v1", api_key="k", max_retries=0, timeout=120) as client:
        yield client


@pytest.mark.parametrize("stored", ["in the answer", "in the bucket"])
def test_text_image_and_video_become_videos(
    client: OpenAI,
    platform: Platform,
    start: Start,  # noqa: F811
    bucket: Bucket,  # noqa: F811
    stored: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    settings = {"OUTPUT_DIR": "", "DEFAULT_MODEL": "tiny", "ALLOW_PRIVATE_URLS": "true"}
    if stored == "in the bucket":
        settings |= {
            "BUCKET_ENDPOINT_URL": bucket.url,
            "BUCKET_ACCESS_KEY_ID": bucket.access_key,
            "BUCKET_SECRET_ACCESS_KEY": bucket.secret_key,
            "BUCKET_NAME": bucket.name,
            "BUCKET_REGION": bucket.region,
            "BUCKET_ADDRESSING": "path",
        }
    folder = tmp_path_factory.mktemp("videos")
    with start(platform, **settings):
        text = client.videos.create_and_poll(prompt="a fox", model="sora-2", extra_body=SMALL)
        started = client.videos.create_and_poll(
            prompt="a fox", input_reference=PNG, extra_body=SMALL
        )
        remix = client.videos.remix(text.id, prompt="a hare")
        remix = client.videos.poll(remix.id)
    for video in (text, started, remix):
        assert video.status == "completed", video.error
        client.videos.download_content(video.id).write_to_file(folder / "v.mp4")
        found = probe(folder / "v.mp4")
        assert (found.codec, found.size, found.frames, found.fps) == ("h264", (66, 64), 5, 10.0)
        thumbnail = client.videos.download_content(video.id, variant="thumbnail")
        thumbnail.write_to_file(folder / "v.webp")
        with Image.open(folder / "v.webp") as image:
            assert image.size == (66, 64)
    assert len(bucket.listed()) == (3 if stored == "in the bucket" else 0)
