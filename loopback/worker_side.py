"""The HTTP face that workers see: jobs and stop signals out, results and heartbeats in."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from aiohttp import web

from .endpoint import Endpoint, Pod
from .faults import Faults
from .jobs import Job, Kind, Received


class WorkerSide:
    """Routes under /v2/<endpoint> as the SDK asks for them."""

    def __init__(self, endpoint: Endpoint, faults: Faults) -> None:
        """Everything that happens, happens to the endpoint, as far as faults let it."""
        self._endpoint = endpoint
        self._rules = endpoint.rules
        self._faults = faults

    def routes(self, prefix: str) -> list[web.RouteDef]:
        """The routes, for an application."""
        return [
            web.get(f"{prefix}/job-take/{{pod}}", self._take),
            web.get(f"{prefix}/job-take-batch/{{pod}}", self._take_batch),
            web.get(f"{prefix}/job-stop/{{pod}}", self._stop),
            web.get(f"{prefix}/ping/{{pod}}", self._ping),
            web.post(f"{prefix}/job-done/{{pod}}/{{job}}", self._done),
            web.post(f"{prefix}/job-stream/{{pod}}/{{job}}", self._stream),
        ]

    async def _take(self, request: web.Request) -> web.Response:
        jobs = await self._jobs(request, 1)
        return web.json_response(jobs[0]) if jobs else _nothing()

    async def _take_batch(self, request: web.Request) -> web.Response:
        jobs = await self._jobs(request, int(request.query["batch_size"]))
        return web.json_response(jobs) if jobs else _nothing()

    async def _jobs(self, request: web.Request, count: int) -> list[dict[str, Any]]:
        pod = self._pod(request)
        return await self._endpoint.take(pod, count, still_there=lambda: _is_there(request))

    async def _stop(self, request: web.Request) -> web.Response:
        pod = self._pod(request)
        stops = await self._endpoint.stops(pod, still_there=lambda: _is_there(request))
        return web.json_response({"jobsToStop": stops}) if stops else _nothing()

    async def _ping(self, request: web.Request) -> web.Response:
        pod, query = self._pod(request), request.query
        if query.get("status") == "unhealthy":
            pod.unhealthy.append((query.get("check", ""), query.get("reason", "")))
        else:
            jobs = query.get("job_id", "")
            self._endpoint.ping(pod, tuple(jobs.split(",")) if jobs else ())
        return web.Response()

    async def _done(self, request: web.Request) -> web.Response:
        return await self._receive(request, None)

    async def _stream(self, request: web.Request) -> web.Response:
        return await self._receive(request, "chunk")

    async def _receive(self, request: web.Request, kind: Kind | None) -> web.Response:
        """Take one post, put it on record, and have it take effect unless it is refused."""
        pod, job = self._pod(request), self._job(request)
        # Read whole even if it is too large: a connection that is cut looks like a network error,
        # which the SDK tries again, and a refusal it does not.
        raw = await request.read()
        arrived = time.monotonic()
        body = _decode(raw)  # the SDK labels its JSON as a form
        kind = kind or ("progress" if body.get("status") == "IN_PROGRESS" else "result")
        if delay := self._faults.delay(kind):
            await asyncio.sleep(delay)
        status = self._effect(job, pod, kind, body, len(raw))
        job.received.append(
            Received(
                at=time.monotonic(),
                kind=kind,
                body=body,
                status=status,
                arrived=arrived,
                pod=pod.id,
                size_bytes=len(raw),
                request_id=request.headers.get("X-Request-ID"),
            )
        )
        return web.Response(status=status)

    def _effect(self, job: Job, pod: Pod, kind: Kind, body: dict[str, Any], size: int) -> int:
        """What a post does; gives the status that answers it."""
        if self._faults.fails(kind):
            return 500
        if size > self._limit(job, kind):
            if kind == "result":
                self._endpoint.empty_result(job)
            return 400
        if kind == "progress":
            self._endpoint.progress(job, body.get("output"))
        elif kind == "chunk":
            self._endpoint.chunk(job, body.get("output"))
        else:
            self._endpoint.result(job, body)
            if body.get("stopPod"):
                self._endpoint.stop_pod(pod)
        return 500 if self._faults.loses_answer(kind) else 200

    def _limit(self, job: Job, kind: Kind) -> int:
        if kind == "chunk":
            return self._rules.chunk_bytes
        return self._rules.runsync_bytes if job.waits else self._rules.run_bytes

    def _pod(self, request: web.Request) -> Pod:
        if not request.headers.get("Authorization"):
            raise web.HTTPUnauthorized
        return self._endpoint.pod(request.match_info["pod"])

    def _job(self, request: web.Request) -> Job:
        job = self._endpoint.jobs.get(request.match_info["job"])
        if job is None:
            raise web.HTTPNotFound
        return job


def _decode(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except ValueError:
        raise web.HTTPBadRequest(text="the body is not JSON") from None
    if not isinstance(body, dict):
        raise web.HTTPBadRequest(text="the body is not a JSON object")
    return body


def _is_there(request: web.Request) -> bool:
    """Whether the worker still holds its end of the poll."""
    return request.transport is not None and not request.transport.is_closing()


def _nothing() -> web.Response:
    return web.Response(status=204)
