import asyncio
import base64
import subprocess
import sys
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from aiohttp import web
from PIL import Image

from src.errors import FetchFailed, UndecodableMedia
from src.generation import Clip, MediaReference, VideoFormat
from src.media import Fetcher, Media, Mp4Options, VideoLimits

from .conftest import Serve


@pytest.fixture
def media() -> Media:
    return Media(
        fetcher=Fetcher(max_bytes=1_000_000, timeout=10, read_timeout=10, allow_private=True),
        image_max_pixels=1_000_000,
        video_limits=VideoLimits(max_pixels=1_000_000, max_seconds=10, max_frames=100, timeout=10),
        mp4=Mp4Options(crf=20, preset="superfast", timeout=60),
    )


def image_bytes(colour: str) -> bytes:
    file = BytesIO()
    Image.new("RGB", (40, 30), colour).save(file, "PNG")
    return file.getvalue()


async def test_an_image_by_url(media: Media, serve: Serve) -> None:
    async def answer(request: web.Request) -> web.Response:
        del request
        return web.Response(body=image_bytes("red"))

    server = await serve(answer)
    reference = MediaReference(field="init_image", value=str(server.make_url("/a.png")))

    image = await media.read_image(reference, width=64, height=32)

    assert image.size == (64, 32)
    assert image.getpixel((5, 5)) == (255, 0, 0)


async def test_an_image_in_the_request(media: Media) -> None:
    value = base64.b64encode(image_bytes("blue")).decode()

    image = await media.read_image(
        MediaReference(field="init_image", value=value), width=8, height=8
    )

    assert image.getpixel((5, 5)) == (0, 0, 255)


async def test_errors_name_the_field(media: Media, serve: Serve) -> None:
    async def answer(request: web.Request) -> web.Response:
        del request
        raise web.HTTPNotFound

    server = await serve(answer)
    url = server.make_url("/a.png")

    with pytest.raises(FetchFailed) as caught:
        await media.read_image(
            MediaReference(field="start_image", value=f"{url}?secret"), width=8, height=8
        )
    assert str(caught.value) == f"start_image: {url} answered 404 Not Found"

    no_video = MediaReference(field="init_video", value="data:,hello")
    with pytest.raises(UndecodableMedia, match=r"^init_video: must be an MP4"):
        await media.read_video(no_video, num_frames=2, width=8, height=8)


@pytest.mark.parametrize("video_format", VideoFormat)
async def test_what_it_writes_it_reads(
    media: Media, tmp_path: Path, video_format: VideoFormat
) -> None:
    levels = np.arange(0, 160, 20, dtype=np.uint8)
    frames = np.broadcast_to(levels[:, None, None, None], (8, 32, 64, 3))
    clip = Clip(width=64, height=32, num_frames=8, fps=Fraction(8), chunks=iter([frames]))
    path = tmp_path / "clip"

    await asyncio.to_thread(media.write, clip, path, video_format=video_format)
    value = (
        f"data:{video_format.content_type};base64,{base64.b64encode(path.read_bytes()).decode()}"
    )
    seen = await media.read_video(
        MediaReference(field="init_video", value=value), num_frames=4, width=32, height=16
    )

    assert seen.shape == (4, 16, 32, 3)
    assert seen.mean(axis=(1, 2, 3)) == pytest.approx([0, 40, 100, 140], abs=3)


@pytest.mark.parametrize("video_format", VideoFormat)
def test_what_it_writes_it_makes_smaller_and_takes_a_picture_of(
    media: Media, tmp_path: Path, video_format: VideoFormat
) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (8, 64, 96, 3), np.uint8)
    clip = Clip(width=96, height=64, num_frames=8, fps=Fraction(8), chunks=iter([frames]))
    path, small, picture = tmp_path / "clip", tmp_path / "small", tmp_path / "picture"
    media.write(clip, path, video_format=video_format)
    most = path.stat().st_size // 4

    width, height = media.smaller(path, small, max_bytes=most, video_format=video_format)
    media.poster(small, picture)

    assert small.stat().st_size <= most
    with Image.open(picture) as image:
        assert image.size == (width, height)


def test_the_room_tries_its_own_ffmpeg(media: Media) -> None:
    media.check()


def test_importing_the_room_is_cheap() -> None:
    """No model library, and nothing that asks the machine what it is."""
    heavy = ("torch", "diffusers", "transformers", "runpod", "boto3", "pydantic", "imageio_ffmpeg")
    script = f"import sys, src.media; print([name for name in {heavy} if name in sys.modules])"

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"
