"""The life of a video against the real platform on loopback, whatever is cut off on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loopback import ENDPOINT, Job, Platform, Status
from loopback import Rules as SimulatorRules
from src.dialects import DIALECTS
from src.dialects.modelslab.answer import number_of
from src.gateway.accounts import Account
from src.gateway.desk import Desk, Rules
from src.gateway.endpoint import Endpoint
from src.gateway.handover import HANDED_OVER_IN
from src.gateway.parts import Parts, build_parts
from src.gateway.reading import LOST
from src.gateway.refusals import BadRequest, Conflict, NotFound, TooLarge, Unauthorized, Unavailable
from src.gateway.settings import GatewaySettings
from src.gateway.store.usage import Used
from src.gateway.store.videos import Content
from src.gateway.video import Api, Call, State, Video
from tests.gateway.test_reading import BASE64, LINK, VIDEO
from tests.loop.starting import until
from tests.loopback.http_worker import HttpWorker

ME = Account(id="me", platform_key="my-key")
OTHER = Account(id="other", platform_key="other-key")
BODY = {"model": "tiny", "prompt": "a fox", "size": "64x48", "num_frames": 5}


class Clock:
    """Goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        self.now += 0.001  # no two moments are one
        return self.now


class Lossy(Endpoint):
    """An endpoint whose answers are lost on the way, or that is not reached at all."""

    #: How many of the next answers are lost, and calls that do not arrive.
    lost = 0
    unheard = 0
    #: Hold every answer until it is set.
    gate: asyncio.Event | None = None

    async def run(self, payload: Any, *, key: str, policy: Any = None) -> str:
        if self.unheard:
            self.unheard -= 1
            raise Unavailable("not reached")
        job_id = await super().run(payload, key=key, policy=policy)
        if self.gate:
            await self.gate.wait()
        if self.lost:
            self.lost -= 1
            raise Unavailable("no answer")
        return job_id


class Office:
    """A desk with what stands around it."""

    def __init__(self, parts: Parts, clock: Clock, endpoint: Lossy) -> None:
        self.parts, self.clock, self.endpoint = parts, clock, endpoint
        self.desk = Desk(
            endpoint=endpoint,
            accounts=parts.accounts,
            videos=parts.videos,
            usage=parts.usage,
            gate=parts.limits,
            dialects={Api(name): dialect for name, dialect in DIALECTS.items()},
            number_of=number_of,
            rules=Rules(pauses=(0.0, 0.0)),
            clock=clock,
        )

    async def ask(self, account: Account = ME, **more: Any) -> Video:
        return await self.desk.submit(account, call(**more))

    async def look(self, video: Video, account: Account = ME) -> Video:
        self.clock.now += 1
        return await self.desk.find(account, video.id)

    async def kept(self) -> list[Video]:
        found, _ = await self.parts.videos.page(
            "me", Api.OPENAI, after=None, limit=None, order="asc"
        )
        return list(found)

    async def used(self) -> list[Used]:
        return list(await self.parts.usage.of(since=0, until=2e9, owner="me"))


def call(body: Any = BODY, **more: Any) -> Call:
    said = {"model": body.get("model"), "prompt": body.get("prompt")} | more
    return Call(api=Api.OPENAI, endpoint="/v1/videos", body=body, **said)


@pytest.fixture
async def office(platform: Platform, tmp_path: Path) -> AsyncIterator[Office]:
    clock = Clock()
    settings = GatewaySettings(
        endpoint=f"{platform.base_url}/{ENDPOINT}",
        database_url=f"sqlite:///{tmp_path}/gateway.db",
        max_per_minute=1000,
    )
    parts = build_parts(settings, clock=clock)
    office = Office(parts, clock, Lossy(settings.endpoint))
    yield office
    await office.desk.close()
    await office.endpoint.close()
    await parts.close()


@pytest.fixture
def by_hand(platform: Platform) -> HttpWorker:
    """A worker that does what the test says."""
    return HttpWorker(platform)


def only(platform: Platform) -> Job:
    (job,) = platform.jobs.values()
    return job


# --- asking for one -------------------------------------------------------------------------------


async def test_a_call_becomes_a_job_that_carries_the_videos_id(
    office: Office, platform: Platform
) -> None:
    body = BODY | {
        "key": "secret",
        " key": "secret",
        "endpoint": "text2video",
        "request_id": "mine",
        "openai_route": "/v1/chat",
        "openai_input": {},
    }
    video = await office.ask(body=body)
    job = only(platform)
    assert job.input == BODY | {"endpoint": "/v1/videos", "request_id": video.id}
    assert (video.state, video.job_id) == (State.QUEUED, job.id)
    assert await office.kept() == [video]
    assert await office.used() == [Used(owner="me", calls=1)]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"body": BODY | {"size": "wide"}}, "size"),
        ({"body": BODY | {"seed": float("nan")}}, "seed"),
        ({"body": BODY | {"extra_params": {"a": [float("nan")]}}}, "no NaN and no Infinity"),
        ({"body": BODY | {"extra_params": {"a": float("-inf")}}}, "no NaN and no Infinity"),
        ({"prompt": "a\0fox"}, "prompt must be text without NUL"),
        ({"prompt": "a \ud800 fox"}, "half a surrogate pair"),
        ({"model": "m" * 201}, "model must be at most 200 characters, got 201"),
        ({"idempotency_key": "k" * 201}, "Idempotency-Key must be at most 200 characters"),
        ({"idempotency_key": "\0"}, "Idempotency-Key must be text"),
    ],
)
async def test_what_cannot_be_made_or_kept_is_refused_and_leaves_nothing(
    office: Office, platform: Platform, more: dict[str, Any], told: str
) -> None:
    with pytest.raises(BadRequest, match=told):
        await office.ask(**more)
    assert (platform.jobs, await office.kept(), await office.used()) == ({}, [], [])


async def test_a_body_that_is_nested_without_end_is_refused(office: Office) -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(BadRequest):
        await office.ask(body=BODY | {"extra_params": {"deep": deep}})


async def test_a_body_past_the_platforms_limit_is_refused_and_leaves_nothing(
    office: Office, platform: Platform
) -> None:
    with pytest.raises(TooLarge, match="at most 10000000 bytes"):
        await office.ask(body=BODY | {"input_reference": "data:," + "n" * 10_000_000})
    assert (platform.jobs, await office.kept()) == ({}, [])


@pytest.mark.parametrize("rules", [SimulatorRules(poll=0.2, api_key="another")], ids=["key"])
async def test_a_key_that_the_platform_refuses_leaves_nothing(office: Office) -> None:
    with pytest.raises(Unauthorized):
        await office.ask()
    assert (await office.kept(), await office.used()) == ([], [])


# --- the same call again --------------------------------------------------------------------------


async def test_twenty_same_calls_at_once_are_one_video_and_one_job(
    office: Office, platform: Platform
) -> None:
    made = await asyncio.gather(*(office.ask(idempotency_key="k") for _ in range(20)))
    assert {video.id for video in made} == {only(platform).input["request_id"]}
    assert await office.used() == [Used(owner="me", calls=1)]


async def test_a_key_of_another_request_is_a_conflict_and_of_another_owner_is_not(
    office: Office, platform: Platform
) -> None:
    mine = await office.ask(idempotency_key="k")
    with pytest.raises(Conflict):
        await office.ask(body=BODY | {"seed": 2}, idempotency_key="k")
    other = await office.ask(OTHER, idempotency_key="k")
    assert len({mine.id, other.id}) == len(platform.jobs) == 2


async def test_a_body_with_tuples_is_the_same_request(office: Office) -> None:
    body = BODY | {"extra_params": {"a": (1, 2)}}
    first, second = [await office.ask(body=body, idempotency_key="k") for _ in range(2)]
    assert first.id == second.id


async def test_an_endpoint_that_answers_at_a_later_try_has_one_id(
    office: Office, platform: Platform
) -> None:
    office.endpoint.unheard, office.endpoint.lost = 1, 1
    video = await office.ask()
    assert video.state is State.QUEUED
    assert {job.input["request_id"] for job in platform.jobs.values()} == {video.id}
    assert await office.used() == [Used(owner="me", calls=1)]


async def test_an_endpoint_that_is_away_leaves_nothing(office: Office) -> None:
    office.endpoint.unheard = 3
    with pytest.raises(Unavailable):
        await office.ask()
    assert (await office.kept(), await office.used()) == ([], [])


async def test_a_call_that_may_have_been_taken_keeps_its_id_for_the_next_try(
    office: Office, platform: Platform
) -> None:
    """Else the worker could not tell that it is the same, and would make it again."""
    office.endpoint.lost = 3
    with pytest.raises(Unavailable):
        await office.ask(idempotency_key="k")
    (interrupted,) = await office.kept()
    assert (interrupted.state, interrupted.failure and interrupted.failure.code) == (
        State.FAILED,
        "interrupted",
    )
    video = await office.ask(idempotency_key="k")
    assert (video.id, video.state, video.failure, video.completed_at) == (
        interrupted.id,
        State.QUEUED,
        None,
        None,
    )
    assert {job.input["request_id"] for job in platform.jobs.values()} == {video.id}
    assert await office.used() == [Used(owner="me", calls=1)]


async def test_a_caller_who_goes_in_the_middle_leaves_no_job_that_nobody_knows(
    office: Office, platform: Platform
) -> None:
    office.endpoint.gate = asyncio.Event()
    asking = asyncio.create_task(office.ask())
    await asyncio.to_thread(until, lambda: platform.jobs)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    office.endpoint.gate.set()
    await office.desk.close()
    (video,) = await office.kept()
    assert (video.state, video.job_id) == (State.QUEUED, only(platform).id)


async def test_a_job_too_many_is_stopped(office: Office, platform: Platform) -> None:
    """Another gateway has handed the same call over, between our job and our note of it."""
    office.endpoint.gate = asyncio.Event()
    asking = asyncio.create_task(office.ask(idempotency_key="k"))
    await asyncio.to_thread(until, lambda: platform.jobs)
    (row,) = await office.kept()
    theirs = platform.submit(BODY | {"request_id": row.id})
    await office.parts.videos.change(
        row.id, state=State.QUEUED, job_id=theirs.id, also=office.parts.usage.begin
    )
    office.endpoint.gate.set()
    assert (await asking).job_id == theirs.id
    ours = next(job for job in platform.jobs.values() if job is not theirs)
    assert (ours.status, theirs.status) == (Status.CANCELLED, Status.IN_QUEUE)
    assert await office.used() == [Used(owner="me", calls=1)]


# --- looking after it -----------------------------------------------------------------------------


async def test_a_video_goes_its_way_and_is_counted_once(
    office: Office, platform: Platform, by_hand: HttpWorker
) -> None:
    video = await office.ask()
    assert (await office.look(video)).state is State.QUEUED
    by_hand.take()
    by_hand.progress(only(platform), {"progress": 30, "eta": 4})
    seen = await office.look(video)
    assert (seen.state, seen.progress, seen.eta) == (State.IN_PROGRESS, 30.0, 4.0)
    by_hand.done(only(platform), output={"url": BASE64, "num_frames": 5, "fps": 8})
    office.clock.now += 1
    seen_by_all = await asyncio.gather(*(office.desk.find(ME, video.id) for _ in range(10)))
    assert {item.state for item in seen_by_all} == {State.COMPLETED}
    assert len({item.completed_at for item in seen_by_all}) == 1
    content = await office.parts.videos.content(video.id)
    assert content == Content(content_type="video/mp4", data=VIDEO)
    (used,) = await office.used()
    assert (used.calls, used.completed, used.video_seconds) == (1, 1, 0.625)
    assert used.gpu_seconds == seen_by_all[0].gpu_seconds is not None


async def test_a_job_that_the_platform_forgot_is_lost(office: Office, platform: Platform) -> None:
    video = await office.ask()
    only(platform).deleted = True
    seen = await office.look(video)
    assert (seen.state, seen.failure) == (State.FAILED, LOST)


async def test_a_platform_that_is_away_changes_nothing(office: Office) -> None:
    video = await office.ask()
    office.endpoint.url = "http://127.0.0.1:1/v2/gone"
    with pytest.raises(Unavailable):
        await office.look(video)
    assert await office.kept() == [video]


async def test_a_video_that_was_never_seen_to_be_taken_is_given_up_in_time(
    office: Office,
) -> None:
    office.endpoint.lost = 3
    with pytest.raises(Unavailable):
        await office.ask(idempotency_key="k")
    (row,) = await office.kept()
    new = replace(row, id="f" * 32, state=State.NEW, failure=None, idempotency_key="other")
    await office.parts.videos.add(new, BODY, number=5)
    office.clock.now = new.created_at + HANDED_OVER_IN - 2
    assert (await office.look(new)).state is State.NEW
    office.clock.now = new.created_at + HANDED_OVER_IN
    assert (await office.look(new)).state is State.FAILED
    again = await office.ask(idempotency_key="other")
    assert (again.id, again.state) == (new.id, State.QUEUED)


async def test_somebody_elses_video_is_not_there(office: Office) -> None:
    video = await office.ask()
    attempts = (
        office.desk.find(OTHER, video.id),
        office.desk.find_number(OTHER, number_of(video.job_id or "")),
        office.desk.delete(OTHER, video.id),
        office.desk.remix(OTHER, video.id, "a hare"),
        office.desk.find(ME, "no such"),
        office.desk.find(ME, "\0"),
        office.desk.find(ME, "\ud800"),
        office.desk.find_number(ME, 10**30),
        office.desk.find_number(ME, -1),
    )
    answers = await asyncio.gather(*attempts, return_exceptions=True)
    assert [type(answer) for answer in answers] == [NotFound] * len(attempts)
    assert await office.kept() == [video]


async def test_waiting_ends_with_the_video_or_with_the_time(
    office: Office, platform: Platform, by_hand: HttpWorker
) -> None:
    video = await office.ask()
    assert (await office.desk.wait(ME, video, 0.1)).is_open
    by_hand.take()
    by_hand.done(only(platform), output={"url": LINK})
    office.clock.now += 1
    assert (await office.desk.wait(ME, video, 30)).link == LINK


# --- ending it ------------------------------------------------------------------------------------


async def test_deleting_stops_what_is_under_way_and_counts_what_it_took(
    office: Office, platform: Platform, by_hand: HttpWorker
) -> None:
    video = await office.ask()
    by_hand.take()
    gone = await office.desk.delete(ME, video.id)
    assert gone.state is State.CANCELLED
    assert only(platform).status == Status.CANCELLED
    assert await office.kept() == []
    (used,) = await office.used()
    assert (used.calls, used.completed, used.gpu_seconds > 0) == (1, 0, True)
    with pytest.raises(NotFound):
        await office.desk.delete(ME, video.id)


async def test_deleting_what_is_done_stops_nothing(
    office: Office, platform: Platform, by_hand: HttpWorker
) -> None:
    video = await office.ask()
    by_hand.take()
    by_hand.done(only(platform), output={"url": BASE64})
    assert (await office.desk.delete(ME, video.id)).state in (State.COMPLETED, State.QUEUED)
    assert only(platform).status == Status.COMPLETED
    assert await office.parts.videos.content(video.id) is None


async def test_many_who_delete_at_once_delete_once(office: Office, platform: Platform) -> None:
    video = await office.ask()
    answers = await asyncio.gather(
        *(office.desk.delete(ME, video.id) for _ in range(5)), return_exceptions=True
    )
    assert {type(answer) for answer in answers} <= {Video, NotFound}
    assert only(platform).status == Status.CANCELLED
    assert await office.kept() == []


async def test_a_video_that_cannot_be_stopped_stays(office: Office) -> None:
    video = await office.ask()
    office.endpoint.url = "http://127.0.0.1:1/v2/gone"
    with pytest.raises(Unavailable):
        await office.desk.delete(ME, video.id)
    assert await office.kept() == [video]


async def test_a_remix_is_the_same_request_with_another_prompt(
    office: Office, platform: Platform
) -> None:
    video = await office.ask()
    other = await office.desk.remix(ME, video.id, "a hare")
    assert (other.remixed_from, other.prompt) == (video.id, "a hare")
    assert platform.jobs[other.job_id or ""].input == BODY | {
        "prompt": "a hare",
        "endpoint": "/v1/videos",
        "request_id": other.id,
    }


# --- clocks, outages, and owners who never come back ----------------------------------------------


async def test_a_clock_that_goes_back_keeps_no_video_from_being_looked_at(
    office: Office, platform: Platform, by_hand: HttpWorker
) -> None:
    video = await office.ask()
    by_hand.done(platform.jobs[by_hand.take()["id"]], output={"url": BASE64})
    office.clock.now -= 3600
    assert (await office.desk.find(ME, video.id)).state is State.COMPLETED


async def test_a_job_that_could_not_be_written_down_is_stopped(
    office: Office, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone(*_: object, **__: object) -> None:
        raise Unavailable("the database cannot be reached")

    monkeypatch.setattr(office.parts.videos, "change", gone)
    with pytest.raises(Unavailable):
        await office.ask()
    assert only(platform).status is Status.CANCELLED
    with pytest.raises(Unavailable):  # this one is asked for again
        await office.ask(idempotency_key="k")
    assert [job.status for job in platform.jobs.values()] == [Status.CANCELLED, Status.IN_QUEUE]


async def test_a_key_is_remembered_once_the_platform_has_taken_it(office: Office) -> None:
    accounts = office.parts.accounts
    me = await accounts.of("my-key")
    office.endpoint.unheard = 3
    with pytest.raises(Unavailable):
        await office.ask(me)
    assert not accounts.is_proven(me)
    await office.ask(me)
    assert accounts.is_proven(me)


async def test_an_owner_who_asks_after_a_restart_is_remembered(office: Office) -> None:
    me = await office.parts.accounts.of("my-key")
    video = await office.ask(me)
    later = build_parts(office.parts.settings, clock=office.clock)
    await later.desk.find(me, video.id)
    assert later.accounts.is_proven(me)
    await later.close()
