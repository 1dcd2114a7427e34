"""Two gateways on one PostgreSQL database are one: whoever is asked knows what the other did."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from loopback import Platform, Status
from tests.gateway.conftest import Serve
from tests.gateway.fakes import Gateway, QuickWorker, settled
from tests.gateway.store.postgres import Postgres
from tests.loop.starting import until

BODY = settled({"prompt": "a fox"})


@pytest.fixture
def pair(serve: Serve, postgres: Postgres) -> tuple[Gateway, Gateway]:
    url = postgres.new_database()
    first, second = (serve(database_url=url, watch_seconds=0.2, max_open=1000) for _ in range(2))
    return first, second


@pytest.fixture
def clients(pair: tuple[Gateway, Gateway]) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    with ExitStack() as stack:
        first, second = (stack.enter_context(gateway.client()) for gateway in pair)
        yield first, second


def create(client: httpx.Client, name: str | None = None, **more: Any) -> dict[str, Any]:
    headers = {"Idempotency-Key": name} if name else {}
    answer = client.post("/v1/videos", json=BODY | more, headers=headers)
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


def done(client: httpx.Client, video_id: str) -> dict[str, Any]:
    end = time.monotonic() + 60
    while True:
        found: dict[str, Any] = client.get(f"/v1/videos/{video_id}").json()
        if found["status"] not in ("queued", "in_progress"):
            return found
        assert time.monotonic() < end, found
        time.sleep(0.05)


def used(gateway: Gateway) -> list[tuple[int, int]]:
    sums = gateway.do(gateway.parts.usage.of(since=0, until=2e9))
    return [(item.calls, item.completed) for item in sums]


def test_what_one_took_the_other_answers_lists_gives_out_and_deletes(
    pair: tuple[Gateway, Gateway],
    clients: tuple[httpx.Client, httpx.Client],
    worker: QuickWorker,  # noqa: ARG001  it does the jobs
) -> None:
    one, other = clients
    video_id = create(one)["id"]
    assert done(other, video_id)["status"] == "completed"
    contents = {client.get(f"/v1/videos/{video_id}/content").content for client in clients}
    assert len(contents) == 1
    assert [item["id"] for item in other.get("/v1/videos").json()["data"]] == [video_id]
    assert other.delete(f"/v1/videos/{video_id}").status_code == 200
    assert one.get(f"/v1/videos/{video_id}").status_code == 404
    assert [used(gateway) for gateway in pair] == [[(1, 1)]] * 2


def test_one_stops_what_the_other_took(
    pair: tuple[Gateway, Gateway],
    clients: tuple[httpx.Client, httpx.Client],
    platform: Platform,
    worker: QuickWorker,
) -> None:
    worker.hold()
    video_id = create(clients[0])["id"]
    until(lambda: worker.jobs)
    assert clients[1].delete(f"/v1/videos/{video_id}").status_code == 200
    (job,) = platform.jobs.values()
    assert job.status == Status.CANCELLED
    assert used(pair[0]) == [(1, 0)]


def test_the_same_calls_to_both_at_once_are_one_video_each(
    pair: tuple[Gateway, Gateway],
    clients: tuple[httpx.Client, httpx.Client],
    platform: Platform,
    worker: QuickWorker,
) -> None:
    worker.hold()  # a job that is too many is stopped unless it was done before
    names = [f"call-{number}" for number in range(8)]
    with ThreadPoolExecutor(16) as pool:
        asked = [
            (name, pool.submit(create, client, name, prompt=name))
            for name in names
            for client in clients
            for _ in range(2)
        ]
        ids = {(name, future.result()["id"]) for name, future in asked}
    assert len(ids) == len(names)
    worker.release()
    for name, video_id in sorted(ids):
        video = done(clients[0], video_id)
        assert (video["status"], video["prompt"]) == ("completed", name)
    # Where both handed one over, one of the two jobs was stopped.
    ended = Counter(job.status for job in platform.jobs.values())
    assert ended[Status.COMPLETED] == len(names)
    assert set(ended) <= {Status.COMPLETED, Status.CANCELLED}
    assert used(pair[1]) == [(len(names), len(names))]


def test_a_limit_holds_over_both(serve: Serve, postgres: Postgres, worker: QuickWorker) -> None:
    worker.hold()
    url = postgres.new_database()
    pair = [serve(database_url=url, max_open=5) for _ in range(2)]
    with ExitStack() as stack, ThreadPoolExecutor(20) as pool:
        clients = [stack.enter_context(gateway.client()) for gateway in pair]
        asked = [
            pool.submit(clients[number % 2].post, "/v1/videos", json=BODY) for number in range(20)
        ]
        answers = Counter(future.result().status_code for future in asked)
    assert answers == {200: 5, 429: 15}


def test_what_nobody_asks_about_is_fetched_once(
    pair: tuple[Gateway, Gateway],
    clients: tuple[httpx.Client, httpx.Client],
    platform: Platform,
    worker: QuickWorker,  # noqa: ARG001
) -> None:
    for number in range(12):
        create(clients[number % 2])
    until(lambda: all(job.is_final for job in platform.jobs.values()))
    until(lambda: used(pair[0]) == [(12, 12)])
