"""The HTTP face that callers see: `runpod.Endpoint`, or curl as the documentation shows it."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from .endpoint import Endpoint
from .jobs import Job, Policy, new_id


class CallerSide:
    """Routes under /v2/<endpoint> as the platform documents them."""

    def __init__(self, endpoint: Endpoint) -> None:
        """Everything that is asked, is asked of the endpoint."""
        self._endpoint = endpoint
        self._rules = endpoint.rules

    def routes(self, prefix: str) -> list[web.RouteDef]:
        """The routes, for an application."""
        return [
            web.post(f"{prefix}/run", self._run),
            web.post(f"{prefix}/runsync", self._runsync),
            web.get(f"{prefix}/status/{{job}}", self._status),
            web.post(f"{prefix}/status/{{job}}", self._status),
            web.get(f"{prefix}/stream/{{job}}", self._stream),
            web.post(f"{prefix}/stream/{{job}}", self._stream),
            web.post(f"{prefix}/cancel/{{job}}", self._cancel),
            web.post(f"{prefix}/retry/{{job}}", self._retry),
            web.post(f"{prefix}/purge-queue", self._purge),
            web.get(f"{prefix}/health", self._health),
        ]

    async def _run(self, request: web.Request) -> web.Response:
        job = await self._submit(request, sync=False)
        return web.json_response({"id": job.id, "status": job.status})

    async def _runsync(self, request: web.Request) -> web.Response:
        seconds = self._patience(request)
        job = await self._submit(request, sync=True)
        await self._endpoint.bell.until(lambda: job.is_final, seconds)
        return web.json_response(job.as_status())

    async def _status(self, request: web.Request) -> web.Response:
        return web.json_response(self._job(request).as_status())

    async def _stream(self, request: web.Request) -> web.Response:
        """The chunks that were not fetched before, so that a reader comes to an end."""
        job = self._job(request)
        new, job.fetched = job.chunks[job.fetched :], len(job.chunks)
        return web.json_response(
            {"status": job.status, "stream": [{"output": chunk} for chunk in new]}
        )

    async def _cancel(self, request: web.Request) -> web.Response:
        job = self._job(request)
        self._endpoint.cancel(job)
        return web.json_response({"id": job.id, "status": job.status})

    async def _retry(self, request: web.Request) -> web.Response:
        job = self._job(request)
        try:
            self._endpoint.retry(job)
        except ValueError as error:
            raise _refusal(web.HTTPBadRequest, str(error)) from None
        return web.json_response({"id": job.id, "status": job.status})

    async def _purge(self, request: web.Request) -> web.Response:
        self._check_key(request)
        return web.json_response({"removed": self._endpoint.purge(), "status": "completed"})

    async def _health(self, request: web.Request) -> web.Response:
        self._check_key(request)
        return web.json_response(self._endpoint.health())

    async def _submit(self, request: web.Request, *, sync: bool) -> Job:
        self._check_key(request)
        raw = await request.read()
        limit = self._rules.runsync_bytes if sync else self._rules.run_bytes
        if len(raw) > limit:
            # 413 is not among the errors that the platform documents; 400 is.
            raise _refusal(web.HTTPBadRequest, f"the request is larger than {limit} bytes")
        try:
            return self._endpoint.submit(self._read(json.loads(raw), sync=sync))
        except ValueError as error:
            raise _refusal(web.HTTPBadRequest, str(error)) from None

    def _read(self, body: object, *, sync: bool) -> Job:
        """The job of a request; what else stands at its top is dropped. Raises ValueError."""
        if not isinstance(body, dict) or body.get("input") is None:
            raise ValueError("input is required")
        webhook = body.get("webhook")
        return Job(
            id=new_id(sync=sync),
            input=body["input"],
            policy=Policy.read(body.get("policy"), self._rules),
            webhook=webhook if isinstance(webhook, str) and webhook else None,
            s3_config=body.get("s3Config"),
        )

    def _patience(self, request: web.Request) -> float:
        """Seconds that /runsync waits; `wait` says milliseconds."""
        said = request.query.get("wait")
        if said is None:
            return self._rules.sync_wait
        least, most = self._rules.sync_wait_range
        try:
            return min(max(int(said) / 1000, least), most)
        except ValueError:
            raise _refusal(web.HTTPBadRequest, "wait must be a number of milliseconds") from None

    def _job(self, request: web.Request) -> Job:
        self._check_key(request)
        job = self._endpoint.find(request.match_info["job"])
        if job is None:
            raise _refusal(web.HTTPNotFound, "there is no such job")
        return job

    def _check_key(self, request: web.Request) -> None:
        """Any key will do unless one is set, with or without the word Bearer."""
        said = request.headers.get("Authorization", "").removeprefix("Bearer").strip()
        if not said or self._rules.api_key not in (None, said):
            raise _refusal(web.HTTPUnauthorized, "a key is required, and the right one")


def _refusal(kind: type[web.HTTPError], message: str) -> web.HTTPError:
    body: dict[str, Any] = {"error": message}
    return kind(text=json.dumps(body), content_type="application/json")
