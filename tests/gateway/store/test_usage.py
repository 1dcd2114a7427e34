"""What was used is counted once, and stays when the video goes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from src.gateway.store import Database, Usage, Videos
from src.gateway.store.transaction import Transaction
from src.gateway.store.usage import Used
from src.gateway.video import State, Video
from tests.gateway.store.examples import BODY, NOW, a_video

MONTH: dict[str, Any] = {"since": NOW - 1, "until": NOW + 1000}


@pytest.fixture
def usage(database: Database) -> Usage:
    return Usage(database)


async def test_calls_are_summed_by_owner_and_outlive_their_videos(
    database: Database, usage: Usage
) -> None:
    videos = Videos(database)
    for owner, state, seconds, gpu in (
        ("a", State.COMPLETED, 2.5, 10.0),
        ("a", State.COMPLETED, 1.5, 0.1),
        ("a", State.FAILED, 9.0, 0.2),
        ("b", State.CANCELLED, None, None),
        ("b", State.QUEUED, None, None),
    ):
        video = await videos.add(a_video(owner=owner), BODY, number=hash((owner, state, gpu)) >> 12)
        over = replace(video, state=state, seconds=seconds, gpu_seconds=gpu)
        async with database.begin() as transaction:
            await usage.begin(transaction, video)
            await usage.end(transaction, over)
        await videos.remove(video.id)

    used = await usage.of(**MONTH)
    assert used == [
        Used(owner="a", calls=3, completed=2, video_seconds=4.0, gpu_seconds=10.0 + 0.1 + 0.2),
        Used(owner="b", calls=2),
    ]
    assert await usage.of(**MONTH, owner="b") == [Used(owner="b", calls=2)]
    assert await usage.of(**MONTH, owner="nobody") == []


async def test_a_change_and_its_count_are_written_together_or_not_at_all(
    database: Database, usage: Usage
) -> None:
    videos = Videos(database)
    video = await videos.add(a_video(), BODY, number=1)
    only_new = frozenset({State.NEW})

    async def fails(transaction: Transaction, taken: Video) -> None:
        await usage.begin(transaction, taken)
        raise RuntimeError("killed here")

    with pytest.raises(RuntimeError):
        await videos.change(video.id, only_if=only_new, state=State.QUEUED, also=fails)
    assert (await videos.find(video.id), await usage.of(**MONTH)) == (video, [])

    begun = await asyncio.gather(
        *(
            videos.change(video.id, only_if=only_new, state=State.QUEUED, also=usage.begin)
            for _ in range(5)
        )
    )
    ended = await asyncio.gather(
        *(
            videos.change(video.id, state=State.COMPLETED, seconds=2.0, also=usage.end)
            for _ in range(5)
        )
    )
    assert [sum(item is not None for item in many) for many in (begun, ended)] == [1, 1]
    assert await usage.of(**MONTH) == [
        Used(owner="somebody", calls=1, completed=1, video_seconds=2.0)
    ]


async def test_a_look_at_an_open_video_ends_no_count(database: Database, usage: Usage) -> None:
    videos = Videos(database)
    video = await videos.add(a_video(state=State.QUEUED), BODY, number=1)
    async with database.begin() as transaction:
        await usage.begin(transaction, video)
    await videos.change(video.id, state=State.IN_PROGRESS, gpu_seconds=5.0, also=usage.end)
    assert await usage.of(**MONTH) == [Used(owner="somebody", calls=1)]


@pytest.mark.parametrize(
    ("since", "until", "count"), [(0, 0, 0), (0, 1, 1), (-1, 0, 0), (-1, 9, 1)]
)
async def test_a_time_counts_from_its_start_to_before_its_end(
    database: Database, usage: Usage, since: float, until: float, count: int
) -> None:
    async with database.begin() as transaction:
        await usage.begin(transaction, a_video())
    assert len(await usage.of(since=NOW + since, until=NOW + until)) == count
