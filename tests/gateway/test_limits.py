"""How much one key may have, held also against calls that come at once."""

from __future__ import annotations

import calendar
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from loopback import Platform
from src.gateway.accounts import Account
from src.gateway.limits import Limits
from src.gateway.refusals import LimitReached, Refusal, TooMany
from src.gateway.store import Standing
from src.gateway.store.keys import Allowance
from src.gateway.store.standing import month_of
from tests.gateway.conftest import Serve
from tests.gateway.fakes import Gateway, QuickWorker, settled

BODY = settled({"prompt": "a fox", "instant_response": True})
PATH = "/api/v6/video/text2video"


def post(gateway: Gateway, key: str = "caller-key", **more: Any) -> httpx.Response:
    with gateway.client(key) as client:
        return client.post(PATH, json=BODY | more)


def at_once(count: int, *gateways: Gateway, key: str = "caller-key") -> Counter[int]:
    """The statuses of as many calls at once, over these gateways in turn."""
    with ThreadPoolExecutor(count) as threads:
        calls = [
            threads.submit(post, gateways[index % len(gateways)], key) for index in range(count)
        ]
        return Counter(call.result().status_code for call in calls)


@pytest.mark.parametrize(
    ("standing", "refusal"),
    [
        (Standing(), None),
        (Standing(open=2, in_minute=2, calls=9, video_seconds=9.9, gpu_seconds=0), None),
        (Standing(open=3), TooMany),
        (Standing(in_minute=3), TooMany),
        (Standing(calls=10), LimitReached),
        (Standing(video_seconds=10), LimitReached),
        (Standing(gpu_seconds=12.5), LimitReached),
        # A month that is used up is said first: coming back does not help.
        (Standing(open=3, calls=10), LimitReached),
    ],
)
def test_what_is_admitted(standing: Standing, refusal: type[Refusal] | None) -> None:
    limits = Limits(max_open=3, max_per_minute=3)
    allowance = Allowance(calls=10, video_seconds=10, gpu_seconds=10)
    account = Account(id="a", platform_key="key", allowance=allowance)

    if refusal is None:
        limits.admit(account, standing)
    else:
        with pytest.raises(refusal):
            limits.admit(account, standing)


def test_an_allowance_of_nothing_admits_nothing() -> None:
    account = Account(id="a", platform_key="key", allowance=Allowance(calls=0))
    with pytest.raises(LimitReached, match="0 of 0 calls"):
        Limits(max_open=1, max_per_minute=1).admit(account, Standing())


@pytest.mark.parametrize(
    ("day", "first", "after"),
    [
        ((2026, 11, 21, 14, 0, 0), (2026, 11, 1), (2026, 12, 1)),
        ((2026, 12, 31, 23, 59, 59), (2026, 12, 1), (2027, 1, 1)),
        ((2024, 2, 29, 0, 0, 0), (2024, 2, 1), (2024, 3, 1)),
        ((2026, 1, 1, 0, 0, 0), (2026, 1, 1), (2026, 2, 1)),
    ],
)
def test_months_are_those_of_the_calendar(
    day: tuple[int, ...], first: tuple[int, ...], after: tuple[int, ...]
) -> None:
    begin, end = month_of(calendar.timegm(day))
    assert (begin, end) == (
        calendar.timegm((*first, 0, 0, 0)),
        calendar.timegm((*after, 0, 0, 0)),
    )


def test_twenty_calls_at_once_do_not_pass_a_limit_of_three(
    serve: Serve, platform: Platform
) -> None:
    gateway = serve(max_open=3)

    assert at_once(20, gateway) == {200: 3, 429: 17}
    assert len(platform.jobs) == 3


def test_two_gateways_on_one_database_hold_one_limit(serve: Serve, platform: Platform) -> None:
    one, other = serve(max_open=3), serve(max_open=3)

    assert at_once(20, one, other) == {200: 3, 429: 17}
    assert len(platform.jobs) == 3


def test_a_limit_is_one_keys_and_a_refusal_says_when_to_come_back(
    serve: Serve, platform: Platform
) -> None:
    gateway = serve(max_open=1)

    assert post(gateway).status_code == 200
    refused = post(gateway)
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) > 0
    assert "at most 1 videos" in refused.json()["message"]
    assert post(gateway, "another-key").status_code == 200
    assert len(platform.jobs) == 2


def test_a_video_that_is_over_makes_room(serve: Serve, worker: QuickWorker) -> None:
    gateway = serve(max_open=1)

    for _ in range(3):
        assert post(gateway, instant_response=False).json()["status"] == "success"
    assert len(worker.jobs) == 3


def test_calls_of_a_minute_count_also_when_their_videos_are_gone(
    serve: Serve, worker: QuickWorker
) -> None:
    gateway = serve(max_per_minute=2)

    async def forget(video_id: str) -> None:
        account = await gateway.parts.accounts.of("caller-key")
        await gateway.parts.desk.delete(account, video_id)

    for _ in range(2):
        assert post(gateway, instant_response=False).status_code == 200
    for job in worker.inputs:
        gateway.do(forget(job["request_id"]))
    refused = post(gateway)
    assert refused.status_code == 429
    assert 50 < int(refused.headers["retry-after"]) <= 60


def test_what_the_endpoint_did_not_take_does_not_count(serve: Serve, platform: Platform) -> None:
    gateway = serve(max_per_minute=1)
    url, gateway.parts.endpoint.url = gateway.parts.endpoint.url, f"{platform.base_url}/nothing"

    assert post(gateway).status_code == 503
    gateway.parts.endpoint.url = url
    assert post(gateway).status_code == 200


def test_a_repeated_call_is_answered_beyond_the_limit(serve: Serve, platform: Platform) -> None:
    gateway = serve(max_open=1)
    with gateway.client() as client:
        client.headers["Idempotency-Key"] = "order-1"
        first, second = (client.post(PATH, json=BODY) for _ in range(2))

    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json()["id"] == second.json()["id"]
    assert len(platform.jobs) == 1


@pytest.mark.parametrize(
    ("allowance", "said"),
    [
        ({"calls": 2}, "2 of 2 calls"),
        ({"video_seconds": 1.0}, "1.25 of 1 seconds of video"),
        ({"gpu_seconds": 0.001}, "of 0.001 GPU seconds"),
    ],
)
def test_a_keys_month_is_used_up(
    serve: Serve, worker: QuickWorker, allowance: dict[str, float], said: str
) -> None:
    gateway = serve(runpod_api_key="platform-key")
    key, free = gateway.add_key("small", **allowance), gateway.add_key("free")
    told = [post(gateway, key, instant_response=False) for _ in range(3)]

    refused = next(item for item in told if item.status_code != 200)
    assert refused.status_code == 402
    assert said in refused.json()["message"]
    assert len(worker.jobs) == told.index(refused)
    assert post(gateway, free).status_code == 200


def test_calls_of_a_month_are_held_against_calls_at_once(serve: Serve, platform: Platform) -> None:
    gateway = serve(runpod_api_key="platform-key")
    key = gateway.add_key("small", calls=4)

    assert at_once(12, gateway, key=key) == {200: 4, 402: 8}
    assert len(platform.jobs) == 4


def test_last_months_calls_are_not_this_months(serve: Serve, platform: Platform) -> None:
    gateway = serve(runpod_api_key="platform-key")
    key = gateway.add_key("small", calls=1)
    assert post(gateway, key).status_code == 200

    async def age() -> None:
        from sqlalchemy import update

        from src.gateway.store.tables import usage, videos

        async with gateway.parts.database.begin() as connection:
            for table in (usage, videos):
                aged = update(table).values(created_at=table.c.created_at - 40 * 24 * 3600)
                await connection.execute(aged)

    assert post(gateway, key).status_code == 402
    gateway.do(age())
    assert post(gateway, key).status_code == 200
    assert len(platform.jobs) == 2
