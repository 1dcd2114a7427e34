"""How an owner stands, on every database: each call is counted for the next."""

from __future__ import annotations

import asyncio

import pytest

from src.gateway.refusals import TooMany
from src.gateway.store import Database, Standing, Usage, Videos
from src.gateway.video import State, Video
from tests.gateway.store.examples import NOW, a_video, number_of


async def taken(database: Database, video: Video, state: State = State.QUEUED) -> Video:
    """A video that the endpoint has taken, and that has come to a state."""
    videos, usage = Videos(database), Usage(database)
    await videos.add(video, {}, number=number_of(video))
    changed = await videos.change(video.id, state=State.QUEUED, also=usage.begin)
    assert changed
    if state is not State.QUEUED:
        changed = await videos.change(
            video.id, state=state, seconds=2.5, gpu_seconds=4.0, also=usage.end
        )
        assert changed
    return changed


async def standing(database: Database, *, now: float = NOW, owner: str = "somebody") -> Standing:
    told: list[Standing] = []
    video = a_video(owner=owner, created_at=now)
    await Videos(database).add(video, {}, number=number_of(video), admit=told.append)
    await Videos(database).remove(video.id)
    return told[0]


async def test_a_newcomer_has_had_nothing(database: Database) -> None:
    assert await standing(database) == Standing()


async def test_what_was_had_is_counted_once_wherever_it_is_written(database: Database) -> None:
    await taken(database, a_video(created_at=NOW - 1))
    await taken(database, a_video(created_at=NOW - 2), State.COMPLETED)
    gone = await taken(database, a_video(created_at=NOW - 3), State.COMPLETED)
    await Videos(database).remove(gone.id)
    await taken(database, a_video(created_at=NOW - 90), State.FAILED)
    new = a_video(created_at=NOW - 4)
    await Videos(database).add(new, {}, number=number_of(new))
    await taken(database, a_video(owner="somebody else", created_at=NOW - 1))

    assert await standing(database) == Standing(
        open=2,
        in_minute=4,
        minute_left=56.0,
        calls=5,
        video_seconds=5.0,
        gpu_seconds=12.0,
    )


async def test_the_month_is_summed_for_those_alone_who_have_a_limit(database: Database) -> None:
    await taken(database, a_video(created_at=NOW - 2), State.COMPLETED)
    told: list[Standing] = []
    video = a_video()
    await Videos(database).add(
        video, {}, number=number_of(video), admit=told.append, by_month=False
    )

    assert told == [Standing(in_minute=1, minute_left=58.0)]


async def test_who_is_refused_leaves_nothing(database: Database) -> None:
    def refuse(_: Standing) -> None:
        raise TooMany("too many")

    video = a_video()
    with pytest.raises(TooMany):
        await Videos(database).add(video, {}, number=number_of(video), admit=refuse)
    assert await Videos(database).find(video.id) is None
    assert await standing(database) == Standing()


async def test_calls_at_once_are_told_of_those_before(database: Database) -> None:
    told: list[int] = []

    async def add() -> None:
        video = a_video()
        await Videos(database).add(
            video, {}, number=number_of(video), admit=lambda now: told.append(now.open)
        )

    await asyncio.gather(*(add() for _ in range(25)))
    assert sorted(told) == list(range(25))
