"""RunPod's REST API from a caller's side: the platform on loopback, and servers that are not it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from loopback import ENDPOINT, Platform
from src.gateway.endpoint import MOST_ANSWER, Endpoint, JobState, JobStatus
from src.gateway.refusals import (
    BadRequest,
    EndpointFailed,
    Forbidden,
    Refusal,
    TooLarge,
    TooMany,
    Unauthorized,
    Unavailable,
)
from tests.loopback.http_worker import HttpWorker

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture
async def endpoint(platform: Platform) -> AsyncIterator[Endpoint]:
    endpoint = Endpoint(f"{platform.base_url}/{ENDPOINT}/")
    yield endpoint
    await endpoint.close()


class Strange:
    """A server that answers everything with one thing, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[web.Request] = []
        self.answer: Answer = lambda _: asyncio.sleep(0, web.json_response({"id": "j"}))

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        return await self.answer(request)


@pytest.fixture
def strange() -> Strange:
    return Strange()


@pytest.fixture
async def to_strange(strange: Strange) -> AsyncIterator[Endpoint]:
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", strange.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    endpoint = Endpoint(f"http://127.0.0.1:{runner.addresses[0][1]}/v2/e")
    yield endpoint
    await endpoint.close()
    await runner.cleanup()


def text(body: str, status: int = 200, **headers: str) -> Answer:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=body, status=status, headers=headers)

    return answer


# --- the platform ---------------------------------------------------------------------------------


async def test_a_job_goes_its_way(endpoint: Endpoint, platform: Platform) -> None:
    worker = HttpWorker(platform)
    job_id = await endpoint.run({"prompt": "狐"}, key="k", policy={"executionTimeout": 7000})
    job = platform.jobs[job_id]
    assert (job.input, job.policy.execution_timeout) == ({"prompt": "狐"}, 7.0)
    assert await endpoint.status(job_id, key="k") == JobState(status=JobStatus.IN_QUEUE)
    worker.take()
    worker.progress(job, {"percent": 10})
    seen = await endpoint.status(job_id, key="k")
    assert seen
    assert (seen.status, seen.output) == (JobStatus.IN_PROGRESS, {"percent": 10})
    worker.done(job, output={"done": True})
    seen = await endpoint.status(job_id, key="k")
    assert seen
    assert (seen.status, seen.output) == (JobStatus.COMPLETED, {"done": True})
    assert seen.execution_seconds is not None
    await endpoint.cancel(job_id, key="k")  # it is over: nothing happens
    assert (await endpoint.health(key="k"))["jobs"]["completed"] == 1


async def test_a_job_that_is_not_there_is_none_and_needs_no_stopping(endpoint: Endpoint) -> None:
    assert await endpoint.status("none", key="k") is None
    await endpoint.cancel("none", key="k")


@pytest.mark.parametrize(("size", "fits"), [(9_999_900, True), (10_000_000, False)])
async def test_a_body_is_held_to_the_platforms_limit_before_it_goes(
    endpoint: Endpoint, platform: Platform, size: int, fits: bool
) -> None:
    if fits:
        await endpoint.run({"image": "A" * size}, key="k")
    else:
        with pytest.raises(TooLarge, match="give large media as URLs"):
            await endpoint.run({"image": "A" * size}, key="k")
    assert len(platform.jobs) == fits


# --- servers that are not it ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "refusal", "told"),
    [
        (text("", 401), Unauthorized, "does not take this key"),
        (text("", 403), Forbidden, "may not use the endpoint"),
        (text("", 404), Unavailable, "no such endpoint"),
        (text("", 429), TooMany, "no more requests"),
        (text('{"error": "input is required"}', 400), BadRequest, "input is required"),
        (text("<html>" + "x" * 9000, 400), BadRequest, "<html>x"),
        (text('["no"]', 422), BadRequest, "no"),
        (text("", 500), EndpointFailed, "answered 500"),
        (text("", 302, Location="http://127.0.0.1:1/"), EndpointFailed, "answered 302"),
        (text(""), EndpointFailed, "no JSON object"),
        (text("[]"), EndpointFailed, "no JSON object"),
        (text("[" * 100_000), EndpointFailed, "no JSON object"),
        (text("{}"), EndpointFailed, "gave no id"),
        (text('{"id": 7}'), EndpointFailed, "gave no id"),
        (text('{"id": "../../other/run"}'), EndpointFailed, "gave no id"),
        (text('{"id": "' + "j" * 201 + '"}'), EndpointFailed, "gave no id"),
        (text(" " * (MOST_ANSWER + 1)), EndpointFailed, "more than"),
        (text("{", 200, **{"Content-Encoding": "gzip"}), EndpointFailed, "no JSON object"),
    ],
)
async def test_another_answer_is_a_refusal(
    to_strange: Endpoint, strange: Strange, answer: Answer, refusal: type[Refusal], told: str
) -> None:
    strange.answer = answer
    with pytest.raises(refusal, match=told):
        await to_strange.run({}, key="k")


@pytest.mark.parametrize(
    "said",
    [
        '{"status": "DONE"}',
        '{"status": null}',
        '{"status": ["COMPLETED"]}',
        "{}",
    ],
)
async def test_a_status_that_nobody_knows_is_a_failure_of_the_endpoint(
    to_strange: Endpoint, strange: Strange, said: str
) -> None:
    strange.answer = text(said)
    with pytest.raises(EndpointFailed, match="no status that is known"):
        await to_strange.status("j", key="k")


@pytest.mark.parametrize(
    ("said", "seconds", "error", "output"),
    [
        ('{"executionTime": 1500}', 1.5, None, None),
        ('{"executionTime": "1500", "error": {"a": 1}}', None, '{"a": 1}', None),
        ('{"executionTime": true, "error": ""}', None, "", None),
        ('{"executionTime": 1e400, "output": NaN}', None, None, None),
        ('{"executionTime": -5, "output": [Infinity, 1]}', None, None, [None, 1]),
        ('{"executionTime": 1' + "0" * 400 + "}", None, None, None),
    ],
)
async def test_odd_figures_are_left_out(
    to_strange: Endpoint,
    strange: Strange,
    said: str,
    seconds: float | None,
    error: str | None,
    output: Any,
) -> None:
    strange.answer = text('{"status": "FAILED", ' + said[1:])
    assert await to_strange.status("j", key="k") == JobState(
        status=JobStatus.FAILED, output=output, error=error, execution_seconds=seconds
    )


async def test_a_server_that_says_nothing_is_unavailable(
    to_strange: Endpoint, strange: Strange
) -> None:
    async def never(_: web.Request) -> web.Response:
        await asyncio.sleep(30)
        raise AssertionError

    strange.answer = never
    endpoint = Endpoint(to_strange.url, timeout=0.2)
    with pytest.raises(Unavailable, match="cannot be reached: TimeoutError"):
        await endpoint.health(key="k")
    await endpoint.close()


async def test_a_server_that_cuts_off_is_unavailable(
    to_strange: Endpoint, strange: Strange
) -> None:
    async def cut(request: web.Request) -> web.Response:
        assert request.transport
        request.transport.abort()
        return web.Response()

    strange.answer = cut
    with pytest.raises(Unavailable):
        await to_strange.run({}, key="k")


async def test_the_key_goes_to_the_endpoint_and_nowhere_else(
    to_strange: Endpoint, strange: Strange
) -> None:
    await to_strange.run({"prompt": "a"}, key="secret")
    (request,) = strange.asked
    assert request.headers["Authorization"] == "Bearer secret"
    assert "secret" not in str(request.url)


async def test_no_server_is_unavailable() -> None:
    endpoint = Endpoint("http://127.0.0.1:1/v2/e")
    with pytest.raises(Unavailable, match="cannot be reached"):
        await endpoint.run({}, key="k")
    await endpoint.close()


async def test_what_no_answer_of_ours_could_hold_is_not_read_out_of_one(
    strange: Strange, to_strange: Endpoint
) -> None:
    said = (
        r'{"eta": 1e999, "all": [-1e999, NaN, 1.5], "\udc00": "a \ud83d b", "fox": "\ud83e\udd8a"}'
    )
    strange.answer = text(f'{{"status": "IN_PROGRESS", "output": {said}}}')
    seen = await to_strange.status("j", key="k")
    assert seen
    assert seen.output == {
        "eta": None,
        "all": [None, None, 1.5],
        "\ufffd": "a \ufffd b",
        "fox": "\N{FOX FACE}",
    }
