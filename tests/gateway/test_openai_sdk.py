"""OpenAI's own Python client against the gateway: nothing is changed but its base URL."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from loopback import Status
from src.errors import OutOfMemory
from src.media.sniff import sniff
from tests.gateway.fakes import Gateway, QuickWorker, settled
from tests.gateway.pictures import PNG

pytestmark = pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")

#: What a caller of the SDK says beyond its own arguments.
SMALL = settled({})


@pytest.fixture
def client(gateway: Gateway) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{gateway.url}/v1", api_key="caller-key", max_retries=0) as client:
        yield client


def made(client: OpenAI, prompt: str = "a fox", **said: Any) -> Any:
    """A video, once it is over."""
    extra = {**SMALL, **said.pop("extra_body", {})}
    return client.videos.create_and_poll(
        prompt=prompt, poll_interval_ms=20, extra_body=extra, **said
    )


def drawn_anew(video_id: str) -> dict[str, Any]:
    """An edit of a video by its id, which this client's own argument does not take."""
    extra = {**SMALL, "video": {"id": video_id}}
    return {"prompt": "in snow", "video": openai.omit, "extra_body": extra}


def test_a_video_is_made_read_and_deleted(client: OpenAI, worker: QuickWorker) -> None:
    video = client.videos.create(
        prompt="a fox", model="sora-2", seconds="4", extra_body={"fps": 8, "size": "64x48"}
    )
    assert (video.status, video.object, video.model) == ("queued", "video", "sora-2")
    assert (video.size, video.seconds, video.prompt) == ("64x48", "4", "a fox")
    video = client.videos.poll(video.id, poll_interval_ms=20)
    assert (video.status, video.progress, video.error) == ("completed", 100, None)
    assert video.completed_at is not None
    assert video.expires_at is not None
    assert video.created_at <= video.completed_at < video.expires_at
    data = client.videos.download_content(video.id).read()
    assert sniff(data) == "MP4"
    gone = client.videos.delete(video.id)
    assert (gone.id, gone.deleted, gone.object) == (video.id, True, "video.deleted")
    with pytest.raises(openai.NotFoundError, match="Video not found"):
        client.videos.retrieve(video.id)
    (asked,) = worker.inputs
    assert asked["endpoint"] == "/v1/videos"
    assert asked["prompt"] == "a fox"
    assert f"video_{asked['request_id']}" == video.id


@pytest.mark.usefixtures("worker")
def test_polling_by_itself_takes_the_servers_word_for_when(client: OpenAI) -> None:
    video = client.videos.create_and_poll(prompt="a fox", extra_body=SMALL)
    assert video.status == "completed"


async def test_the_async_client_does_the_same(gateway: Gateway, worker: QuickWorker) -> None:
    async with AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="k", max_retries=0) as client:
        calls = (
            client.videos.create_and_poll(
                prompt=f"fox {number}", poll_interval_ms=20, extra_body=SMALL
            )
            for number in range(4)
        )
        videos = await asyncio.gather(*calls)
        assert {video.status for video in videos} == {"completed"}
        assert {video.prompt for video in videos} == {f"fox {number}" for number in range(4)}
        listed = [video.id async for video in client.videos.list(limit=3)]
        assert sorted(listed) == sorted(video.id for video in videos)
        content = await client.videos.download_content(videos[0].id)
        assert sniff(await content.aread()) == "MP4"
        remix = await client.videos.remix(videos[0].id, prompt="a hare")
        assert remix.remixed_from_video_id == videos[0].id
        assert (await client.videos.delete(videos[1].id)).deleted
    assert len(worker.jobs) <= 5


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_a_list_is_read_page_by_page(client: OpenAI, order: Any) -> None:
    made_ids = [client.videos.create(prompt=f"fox {n}", extra_body=SMALL).id for n in range(5)]
    expected = made_ids if order == "asc" else made_ids[::-1]
    pages = [
        [video.id for video in page.data]
        for page in client.videos.list(limit=2, order=order).iter_pages()
    ]
    assert pages == [expected[:2], expected[2:4], expected[4:]]
    assert [video.id for video in client.videos.list(order=order)] == expected


@pytest.mark.usefixtures("worker")
def test_every_variant_of_the_content(client: OpenAI) -> None:
    video = made(client, extra_body={"num_frames": 20})
    kinds = {
        variant: sniff(client.videos.download_content(video.id, variant=variant).read())
        for variant in ("video", "thumbnail", "spritesheet")
    }
    assert kinds == {"video": "MP4", "thumbnail": "WebP", "spritesheet": "JPEG"}


@pytest.mark.usefixtures("worker")
def test_content_is_saved_into_a_file_as_it_comes(client: OpenAI, tmp_path: Any) -> None:
    video = made(client)
    with client.videos.with_streaming_response.download_content(video.id) as response:
        assert response.headers["content-type"] == "video/mp4"
        assert f'filename="{video.id}.mp4"' in response.headers["content-disposition"]
        response.stream_to_file(tmp_path / "fox.mp4")
        assert int(response.headers["content-length"]) == (tmp_path / "fox.mp4").stat().st_size


def test_a_remix_is_the_same_request_with_another_prompt(
    client: OpenAI, worker: QuickWorker
) -> None:
    video = made(client, extra_body={"seed": 11, "negative_prompt": "rain"})
    remix = client.videos.remix(video.id, prompt="a hare")
    assert remix.id != video.id
    assert remix.remixed_from_video_id == video.id
    assert (remix.prompt, remix.size) == ("a hare", "64x48")
    remix = client.videos.poll(remix.id, poll_interval_ms=20)
    assert (remix.status, remix.remixed_from_video_id) == ("completed", video.id)
    first, second = worker.inputs
    assert second == {**first, "prompt": "a hare", "request_id": remix.id.removeprefix("video_")}


@pytest.mark.parametrize(
    "file",
    [
        PNG,
        ("start.png", PNG, "image/png"),
        ("start.txt", PNG, "text/plain"),
    ],
    ids=["bytes", "named", "misnamed"],
)
def test_an_image_is_sent_as_a_file(client: OpenAI, worker: QuickWorker, file: Any) -> None:
    assert made(client, input_reference=file).status == "completed"
    assert worker.inputs[0]["input_reference"].startswith("data:image/png;base64,")
    ((image, video),) = worker.pipelines.inputs
    assert image.getpixel((0, 0)) == (0, 128, 128)
    assert video is None


def test_a_video_is_drawn_anew_by_its_id(client: OpenAI, worker: QuickWorker) -> None:
    video = made(client)
    edit = client.videos.edit(**drawn_anew(video.id))
    edit = client.videos.poll(edit.id, poll_interval_ms=20)
    assert (edit.status, edit.remixed_from_video_id) == ("completed", video.id)
    _, (image, frames) = worker.pipelines.inputs
    assert image is None
    assert frames.shape == (5, 48, 64, 3)


def test_a_video_that_is_sent_is_drawn_anew(client: OpenAI, worker: QuickWorker) -> None:
    data = client.videos.download_content(made(client).id).read()
    edit = client.videos.edit(
        prompt="in snow", video=("v.mp4", data, "video/mp4"), extra_body=SMALL
    )
    assert client.videos.poll(edit.id, poll_interval_ms=20).status == "completed"
    assert worker.pipelines.inputs[1][1].shape == (5, 48, 64, 3)


def test_objects_and_arrays_arrive_as_they_were_said(client: OpenAI, worker: QuickWorker) -> None:
    extra = {
        **SMALL,
        "extra_params": {"clip_skip": 2},
        "video_params": {"fps": 8},
        "enable_frame_interpolation": False,
    }
    assert client.videos.create(prompt="a fox", extra_body=extra).status == "queued"
    made(client)
    said = next(asked for asked in worker.inputs if "extra_params" in asked)
    assert said["extra_params"] == {"clip_skip": "2"}
    assert said["video_params"] == {"fps": "8"}
    assert said["enable_frame_interpolation"] == "false"


def test_deleting_a_video_that_is_under_way_stops_it(
    client: OpenAI, worker: QuickWorker, gateway: Gateway, platform: Any
) -> None:
    worker.hold()
    video = client.videos.create(prompt="a fox", extra_body=SMALL)
    assert worker.pipelines.started.wait(20)
    assert client.videos.delete(video.id).deleted
    (job,) = platform.jobs.values()
    assert job.status is Status.CANCELLED
    assert list(client.videos.list()) == []
    assert gateway.do(gateway.parts.videos.find(video.id.removeprefix("video_"))) is None


def test_progress_is_the_workers_own(client: OpenAI, worker: QuickWorker) -> None:
    worker.hold()
    video = client.videos.create(prompt="a fox", extra_body={**SMALL, "num_inference_steps": 4})
    assert worker.pipelines.started.wait(20)
    worker.release()
    seen = [video.progress]
    while video.status in ("queued", "in_progress"):
        video = client.videos.retrieve(video.id)
        seen.append(video.progress)
    assert seen == sorted(seen)
    assert seen[0] == 0
    assert seen[-1] == 100


def test_a_failed_job_is_a_video_that_failed(client: OpenAI, worker: QuickWorker) -> None:
    worker.pipelines.error = OutOfMemory("cuda: tried to allocate 20 GiB at 0x7f")
    video = made(client)
    assert video.status == "failed"
    assert video.error
    assert "0x7f" not in video.error.message
    with pytest.raises(openai.UnprocessableEntityError, match="Video generation failed"):
        client.videos.download_content(video.id)


@pytest.mark.parametrize(
    ("said", "message", "param"),
    [
        ({"size": "0x10"}, "size must be WIDTHxHEIGHT", "size"),
        ({"seconds": "8s"}, "seconds must be a number", "seconds"),
        (
            {"extra_body": {"num_inference_steps": 201}},
            "num_inference_steps",
            "num_inference_steps",
        ),
        ({"extra_body": {"image_reference": {"file_id": "f"}}}, "file_id", "image_reference"),
        ({"input_reference": b"no image at all"}, "must be an image or a video", "input_reference"),
        ({"input_reference": ("empty.png", b"")}, "the file is empty", "input_reference"),
    ],
)
def test_a_wrong_request_is_refused_at_once(
    client: OpenAI, said: Any, message: str, param: str, platform: Any
) -> None:
    with pytest.raises(openai.BadRequestError, match=message) as caught:
        client.videos.create(prompt="a fox", **said)
    assert caught.value.param == param
    assert caught.value.code == "invalid_request"
    assert caught.value.type == "invalid_request_error"
    assert not platform.jobs


def test_what_is_not_done_says_so_and_is_not_asked_again(gateway: Gateway) -> None:
    with OpenAI(base_url=f"{gateway.url}/v1", api_key="k") as client:
        with pytest.raises(openai.InternalServerError, match="Not supported: extensions"):
            client.videos.extend(prompt="on", seconds="4", video=b"1")
        with pytest.raises(openai.InternalServerError, match="Not supported: characters"):
            client.videos.create_character(name="Fox", video=b"1")


def test_content_before_it_is_there_is_a_conflict(client: OpenAI, worker: QuickWorker) -> None:
    worker.hold()
    video = client.videos.create(prompt="a fox", extra_body=SMALL)
    with pytest.raises(openai.ConflictError, match="still in-progress"):
        client.videos.download_content(video.id)


@pytest.mark.parametrize(
    "video_id",
    ["video_" + 32 * "0", "video_1", "nothing", 32 * "a", "video_" + 32 * "A", "..", "video_%00"],
)
def test_an_unknown_video_is_not_found(client: OpenAI, video_id: str) -> None:
    for ask in (
        client.videos.retrieve,
        client.videos.download_content,
        client.videos.delete,
        lambda name: client.videos.remix(name, prompt="a hare"),
    ):
        if video_id == "..":
            with pytest.raises((openai.NotFoundError, ValueError)):
                ask(video_id)
        else:
            with pytest.raises(openai.NotFoundError):
                ask(video_id)


@pytest.mark.usefixtures("worker")
def test_nobody_sees_somebody_elses_videos(gateway: Gateway, client: OpenAI) -> None:
    video = made(client)
    with OpenAI(base_url=f"{gateway.url}/v1", api_key="another", max_retries=0) as other:
        assert list(other.videos.list()) == []
        assert list(other.videos.list(after=video.id)) == []
        with pytest.raises(openai.NotFoundError):
            other.videos.retrieve(video.id)
        with pytest.raises(openai.NotFoundError):
            other.videos.download_content(video.id)
        with pytest.raises(openai.NotFoundError):
            other.videos.edit(**drawn_anew(video.id))


@pytest.mark.parametrize("gateway", [{"runpod_api_key": "platform-key"}], indirect=True)
def test_an_unknown_key_is_told_so(client: OpenAI) -> None:
    with pytest.raises(openai.AuthenticationError, match="Invalid API key") as caught:
        client.videos.create(prompt="a fox")
    assert caught.value.code == "invalid_api_key"


@pytest.mark.parametrize("gateway", [{"max_per_minute": 1}], indirect=True)
def test_too_many_calls_are_told_when_to_come_again(client: OpenAI) -> None:
    client.videos.create(prompt="a fox")
    with pytest.raises(openai.RateLimitError) as caught:
        client.videos.create(prompt="a fox")
    assert caught.value.type == "rate_limit_error"
    assert int(caught.value.response.headers["retry-after"]) > 0
