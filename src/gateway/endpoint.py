"""A RunPod endpoint as its callers see it: run, status, cancel, health.

The facts are those of the platform's REST API: https://docs.runpod.io/serverless/endpoints/operations
"""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from typing import Any

import aiohttp

from .refusals import (
    BadRequest,
    EndpointFailed,
    Forbidden,
    Refusal,
    TooLarge,
    TooMany,
    Unauthorized,
    Unavailable,
)

log = logging.getLogger(__name__)

#: The platform refuses larger bodies of /run.
MOST_BYTES = 10_000_000
#: What may stand in a URL as it is, and in its column.
JOB_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")
#: Half of a character of JSON's two (\ud83d\ude00), and how an answer with one may spell it.
HALF = re.compile("[\ud800-\udfff]")
MAY_BE_HALF = re.compile(rb"\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]")
#: A year and more: beside it a number is no time.
MOST_MILLISECONDS = 10**11
#: Answers are at most 20 MB, and the JSON around them.
MOST_ANSWER = 25_000_000


class JobStatus(StrEnum):
    """The platform's words."""

    IN_QUEUE = "IN_QUEUE"
    IN_PROGRESS = "IN_PROGRESS"
    #: Another word for IN_PROGRESS in its documentation.
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMED_OUT = "TIMED_OUT"


@dataclass(frozen=True, kw_only=True)
class JobState:
    """What the platform says of a job."""

    status: JobStatus
    #: The worker's answer, or its last update.
    output: Any = None
    error: str | None = None
    #: Seconds that a worker had it; None before it ends.
    execution_seconds: float | None = None


class Endpoint:
    """One endpoint; every call is made with a key of the platform."""

    def __init__(self, url: str, *, timeout: float = 30.0, is_own_key: bool = False) -> None:
        """`url` is as in https://api.runpod.ai/v2/<endpoint>; `timeout` is in seconds a call.

        With `is_own_key` the platform's key is the operator's: that it is not taken is not the
        caller's to mend.
        """
        self._is_own_key = is_own_key
        self.url = url.rstrip("/")
        self._timeout = aiohttp.ClientTimeout(total=timeout, sock_connect=10)
        self._session: aiohttp.ClientSession | None = None

    async def run(
        self, payload: Mapping[str, Any], *, key: str, policy: Mapping[str, Any] | None = None
    ) -> str:
        """Put a job into the queue and give its id. Raises Refusal; TooLarge above 10 MB."""
        body = {"input": payload} | ({"policy": policy} if policy else {})
        data = json.dumps(body).encode()
        if len(data) > MOST_BYTES:
            raise TooLarge(
                f"the request must be at most {MOST_BYTES} bytes with its media, got {len(data)}; "
                "give large media as URLs"
            )
        answer = await self._call("POST", "run", key=key, data=data)
        job_id = answer.get("id")
        if not isinstance(job_id, str) or not JOB_ID.fullmatch(job_id):
            raise EndpointFailed("the endpoint took the job and gave no id")
        return job_id

    async def status(self, job_id: str, *, key: str) -> JobState | None:
        """Where a job is; None where the platform does not know it, or no more. Raises Refusal."""
        answer = await self._call("GET", f"status/{job_id}", key=key, missing={404})
        if answer is None:
            return None
        try:
            status = JobStatus(answer.get("status"))
        except ValueError:
            raise EndpointFailed("the endpoint said no status that is known") from None
        milliseconds = _milliseconds(answer.get("executionTime"))
        error = answer.get("error")
        return JobState(
            status=status,
            output=answer.get("output"),
            error=error if isinstance(error, str) or error is None else json.dumps(error),
            execution_seconds=None if milliseconds is None else milliseconds / 1000,
        )

    async def cancel(self, job_id: str, *, key: str) -> None:
        """Have a job stopped; one that is over, or unknown, is left as it is. Raises Refusal."""
        # The platform answers 400 for a job that has ended.
        await self._call("POST", f"cancel/{job_id}", key=key, missing={400, 404})

    async def health(self, *, key: str) -> dict[str, Any]:
        """Jobs and workers by their state, in the platform's own words. Raises Refusal."""
        return dict(await self._call("GET", "health", key=key))

    async def close(self) -> None:
        """End every connection."""
        if self._session:
            await self._session.close()

    async def _call(
        self,
        method: str,
        path: str,
        *,
        key: str,
        data: bytes | None = None,
        missing: frozenset[int] | set[int] = frozenset(),
    ) -> Any:  # noqa: ANN401  JSON
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        try:
            async with self._open().request(
                method,
                f"{self.url}/{path}",
                data=None if data is None else io.BytesIO(data),  # sent piece by piece
                headers=headers,
                allow_redirects=False,
            ) as response:
                if response.status in missing:
                    return None
                if response.status >= 300:
                    raise await self._refusal(response)
                return _object(await _bytes(response, MOST_ANSWER))
        except (TimeoutError, aiohttp.ClientError) as error:
            raise Unavailable(f"the endpoint cannot be reached: {type(error).__name__}") from error

    async def _refusal(self, response: aiohttp.ClientResponse) -> Refusal:
        if self._is_own_key and response.status in (401, 403):
            log.error("the endpoint does not take GATEWAY_RUNPOD_API_KEY: %s", response.status)
            return EndpointFailed("the endpoint does not take the gateway's own key")
        return await _refusal(response)

    def _open(self) -> aiohttp.ClientSession:
        # Made at the first call: a session belongs to the loop that it was made in.
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout)
        return self._session


def _milliseconds(value: object) -> float | None:
    """A time, where it is one."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if 0 <= value < MOST_MILLISECONDS else None


async def _refusal(response: aiohttp.ClientResponse) -> Refusal:
    """What a refusal of the platform is to our caller."""
    status = response.status
    if status == 401:
        return Unauthorized("the endpoint does not take this key")
    if status == 403:
        return Forbidden("this key may not use the endpoint")
    if status == 429:
        return TooMany("the endpoint takes no more requests for now", retry_after=10)
    if status in (400, 413, 422):
        return BadRequest(f"the endpoint refused the job: {await _reason(response)}")
    if status == 404:
        return Unavailable("there is no such endpoint")
    return EndpointFailed(f"the endpoint answered {status}")


async def _reason(response: aiohttp.ClientResponse) -> str:
    text = (await _bytes(response, MOST_ANSWER))[:4096].decode("utf-8", "replace")
    try:
        found = json.loads(text)
    except ValueError:
        return text[:200]
    return str(found.get("error", found) if isinstance(found, dict) else found)[:200]


async def _bytes(response: aiohttp.ClientResponse, most: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > most:
            raise EndpointFailed(f"the endpoint answered more than {most} bytes")
        parts.append(part)
    return b"".join(parts)


def _object(raw: bytes) -> dict[str, Any]:
    try:
        # Python's reader takes NaN, which is no JSON and could not be kept.
        answer = json.loads(raw, parse_constant=lambda _: None, parse_float=_finite)
        answer = _whole(answer) if MAY_BE_HALF.search(raw) else answer
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise EndpointFailed("the endpoint answered something that is no JSON object")
    return answer


def _finite(text: str) -> float | None:
    """A number; 1e999 is JSON, and infinite."""
    number = float(text)
    return number if isfinite(number) else None


def _whole(value: Any) -> Any:  # noqa: ANN401  JSON
    """The same with U+FFFD for halves of characters, which no answer of ours could hold."""
    if isinstance(value, dict):
        return {_whole(name): _whole(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return HALF.sub("\ufffd", value) if isinstance(value, str) else value
