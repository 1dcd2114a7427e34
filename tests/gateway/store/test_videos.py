"""What is kept of videos comes back as it was, on both databases, however many write at once."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, replace
from typing import Any

import pytest

from src.gateway.store import Database, Videos
from src.gateway.store.videos import Content, Order
from src.gateway.video import OPEN, Api, Failure, State, Video
from tests.gateway.store.examples import BODY, NOW, a_video, number_of

#: Every field says something that a column of the wrong kind would lose.
FULL: dict[str, Any] = {
    "model": "wan-2.1 模",
    "prompt": "a fox\n狐 🦊 %s %(x)s :name '\"",
    "state": State.COMPLETED,
    "job_id": "3f6f-u1",
    "idempotency_key": "k" * 200,
    "remixed_from": "f" * 32,
    "progress": 33.3333333333333,
    "eta": 0.1,
    "answer": BODY,
    "failure": Failure(status=400, message="width: \x00 wide", code="bad", param="width"),
    "link": "https://example.com/v.mp4?" + "x" * 4000,
    "content_type": "image/gif",
    "width": 2**31 - 1,
    "height": 1,
    "num_frames": 81,
    "fps": 23.976023976023978,
    "seconds": 1e-9,
    "gpu_seconds": 123456789.12345679,
    "completed_at": NOW + 1e-6,
}


@pytest.fixture
def videos(database: Database) -> Videos:
    return Videos(database)


async def kept(videos: Videos, **changes: Any) -> Video:
    video = a_video(**changes)
    return await videos.add(video, BODY, number=number_of(video))


# --- what goes in comes out -----------------------------------------------------------------------


@pytest.mark.parametrize("said", [{}, FULL], ids=["bare", "full"])
async def test_a_video_comes_back_as_it_was(videos: Videos, said: dict[str, Any]) -> None:
    video = await kept(videos, **said)
    assert await videos.find(video.id) == video
    assert await videos.find_number(number_of(video)) == video
    assert await videos.body(video.id) == BODY


async def test_a_change_comes_back_as_it_was(videos: Videos) -> None:
    video = await kept(videos)
    changes: dict[str, Any] = {
        name: value for name, value in FULL.items() if name != "idempotency_key"
    }
    wanted = replace(video, **changes)
    assert await videos.change(video.id, **changes) == wanted
    assert await videos.find(video.id) == wanted


async def test_what_is_not_there_is_none(videos: Videos) -> None:
    assert await videos.find("0" * 32) is None
    assert await videos.find_number(2**53) is None
    assert await videos.body("0" * 32) is None
    assert await videos.content("0" * 32) is None
    assert await videos.change("0" * 32, progress=1.0) is None
    assert not await videos.remove("0" * 32)


@pytest.mark.parametrize("size", [0, 1, 12_000_000])
async def test_bytes_come_back_as_they_were(videos: Videos, size: int) -> None:
    video = await kept(videos)
    data = (bytes(range(256)) * (size // 256 + 1))[:size]
    content = Content(content_type="video/mp4", data=data)
    ended = await videos.change(video.id, content=content, state=State.COMPLETED)
    assert ended is not None
    assert await videos.content(video.id) == Content(content_type="video/mp4", data=data)


async def test_a_variant_is_replaced_and_others_stay(videos: Videos) -> None:
    video = await kept(videos)
    for variant, data in (("thumbnail", b"1"), ("spritesheet", b"2"), ("thumbnail", b"3")):
        await videos.put(video.id, variant, Content(content_type="image/jpeg", data=data))
    found = [await videos.content(video.id, name) for name in ("thumbnail", "spritesheet", "video")]
    assert [item and item.data for item in found] == [b"3", b"2", None]


async def test_a_picture_of_a_video_that_went_is_not_kept(videos: Videos) -> None:
    video = await kept(videos)
    await videos.remove(video.id)
    await videos.put(video.id, "thumbnail", Content(content_type="image/jpeg", data=b"1"))
    assert await videos.content(video.id, "thumbnail") is None


# --- who was first --------------------------------------------------------------------------------


async def test_of_many_ends_one_is_written_and_its_bytes_with_it(videos: Videos) -> None:
    video = await kept(videos)

    async def end(number: int) -> Video | None:
        content = Content(content_type="video/mp4", data=bytes([number]))
        return await videos.change(
            video.id, content=content, state=State.COMPLETED, width=number + 1
        )

    ended = [item for item in await asyncio.gather(*map(end, range(12))) if item]
    assert len(ended) == 1
    found, content = await videos.find(video.id), await videos.content(video.id)
    assert found == ended[0]
    assert found.width == content.data[0] + 1 if content else None


async def test_a_change_wants_the_state_that_it_was_made_for(videos: Videos) -> None:
    video = await kept(videos, state=State.QUEUED)
    only_new = frozenset({State.NEW})
    assert await videos.change(video.id, only_if=only_new, state=State.IN_PROGRESS) is None
    assert await videos.change(video.id, state=State.FAILED) is not None
    assert await videos.change(video.id, state=State.COMPLETED) is None
    assert (await videos.find(video.id)) == replace(video, state=State.FAILED)


async def test_one_idempotency_key_is_one_video_of_one_owner(videos: Videos) -> None:
    made = await asyncio.gather(
        *(kept(videos, owner=owner, idempotency_key="k") for owner in "ab" for _ in range(10))
    )
    assert {video.owner: len({v.id for v in made if v.owner == video.owner}) for video in made} == {
        "a": 1,
        "b": 1,
    }
    without = await asyncio.gather(*(kept(videos) for _ in range(3)))
    assert len({video.id for video in without}) == 3


async def test_twenty_writers_at_once_all_write(videos: Videos) -> None:
    async def one(number: int) -> str:
        video = await kept(videos, owner=f"owner {number % 4}")
        for percent in range(5):
            await videos.change(video.id, progress=float(percent), state=State.IN_PROGRESS)
        content = Content(content_type="video/mp4", data=bytes(50_000))
        await videos.change(video.id, content=content, state=State.COMPLETED)
        return video.id

    made = await asyncio.gather(*map(one, range(20)))
    found = [await videos.find(video_id) for video_id in made]
    assert [video and (video.state, video.progress) for video in found] == [
        (State.COMPLETED, 4.0)
    ] * 20


# --- lists ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_pages_give_each_video_once_even_of_one_moment(videos: Videos, order: Order) -> None:
    made = [await kept(videos, created_at=NOW + step // 3) for step in range(10)]
    await kept(videos, owner="somebody else")
    await kept(videos, api=Api.LOCALAI)
    wanted = sorted(made, key=lambda v: (v.created_at, v.id), reverse=order == "desc")

    seen: list[Video] = []
    more = True
    while more:
        after = seen[-1] if seen else None
        page, more = await videos.page("somebody", Api.OPENAI, after=after, limit=4, order=order)
        assert len(page) <= 4
        seen += page
    assert seen == wanted
    whole, more = await videos.page("somebody", Api.OPENAI, after=None, limit=None, order=order)
    assert (list(whole), more) == (wanted, False)
    exact, more = await videos.page("somebody", Api.OPENAI, after=None, limit=10, order=order)
    assert (len(exact), more) == (10, False)


async def test_open_ones_are_counted_by_owner(videos: Videos) -> None:
    for state in State:
        await kept(videos, state=state)
    await kept(videos, owner="somebody else")
    assert await videos.count_open("somebody") == len(OPEN)
    assert await videos.count_open("nobody") == 0


# --- looking after, and forgetting ----------------------------------------------------------------


async def test_stale_ones_are_taken_oldest_first_and_marked(videos: Videos) -> None:
    made = [await kept(videos, looked_at=NOW - age) for age in (3, 30, 20, 10)]
    await kept(videos, looked_at=NOW - 100, state=State.FAILED)
    taken = await videos.take_stale(now=NOW, age=5, most=2)
    assert {video.id for video in taken} == {made[1].id, made[2].id}
    assert {video.looked_at for video in taken} == {NOW}
    assert [v.id for v in await videos.take_stale(now=NOW, age=5, most=9)] == [made[3].id]
    assert await videos.take_stale(now=NOW, age=5, most=9) == []


async def test_those_who_take_at_once_get_others(videos: Videos) -> None:
    made = {(await kept(videos, looked_at=NOW - 60)).id for _ in range(60)}
    taken = await asyncio.gather(
        *(videos.take_stale(now=NOW, age=5, most=10) for _ in range(8)),
    )
    ids = [video.id for share in taken for video in share]
    assert len(ids) == len(set(ids))
    rest = await videos.take_stale(now=NOW, age=5, most=100)
    assert {*ids, *(video.id for video in rest)} == made


async def test_what_is_expired_is_forgotten_with_all_of_it_and_open_ones_stay(
    videos: Videos,
) -> None:
    old = await kept(videos, state=State.COMPLETED, expires_at=NOW - 1)
    await videos.put(old.id, "video", Content(content_type="video/mp4", data=b"1"))
    open_one = await kept(videos, expires_at=NOW - 1)
    young = await kept(videos, state=State.COMPLETED, expires_at=NOW + 1)
    assert await videos.remove_expired(NOW) == 1
    left = [await videos.find(video.id) for video in (old, open_one, young)]
    assert left == [None, open_one, young]
    assert await videos.body(old.id) is None
    assert await videos.content(old.id) is None


async def test_a_row_has_every_field_of_a_video() -> None:
    assert asdict(a_video(**FULL)).keys() >= FULL.keys()
    missing = {name for name, value in asdict(a_video(**FULL)).items() if value is None}
    assert not missing, "FULL is to fill every field"
