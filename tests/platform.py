"""RunPod's side of the worker protocol, on loopback: hands out jobs, takes results.

Speaks what the SDK speaks (job-take, job-take-batch, job-stop, job-done, ping), so that the
real worker loop can be run against it in a process of its own.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

ENDPOINT = "testendpoint"
POD = "testpod"
#: Seconds that a poll stays open when there is nothing to say; the SDK asks again at once.
POLL = 0.5


@dataclass
class Job:
    """What the platform knows of a job."""

    input: Any
    id: str = field(default_factory=lambda: f"{uuid.uuid4()}-e1")
    status: str = "IN_QUEUE"
    output: Any = None
    error: str | None = None
    progress: list[Any] = field(default_factory=list)
    finished: threading.Event = field(default_factory=threading.Event)


class Platform:
    """A platform with one endpoint and one worker."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self._queue: deque[Job] = deque()
        self._stops: deque[str] = deque()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.port = 0

    def __enter__(self) -> Platform:
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def submit(self, input: Any, **more: Any) -> Job:  # noqa: A002  RunPod's word
        """Put a job into the queue."""
        job = Job(input=input, **more)
        self.jobs[job.id] = job
        self._queue.append(job)
        return job

    def cancel(self, job: Job) -> None:
        """Tell the worker to stop a job; it will post nothing for it."""
        job.status = "CANCELLED"
        self._stops.append(job.id)

    def environment(self, **settings: str) -> dict[str, str]:
        """What the platform sets for a worker, and the worker's own settings over it."""
        base = f"http://127.0.0.1:{self.port}/v2/{ENDPOINT}"
        return {
            **os.environ,
            "RUNPOD_WEBHOOK_GET_JOB": f"{base}/job-take/$ID?gpu=SIM",
            "RUNPOD_WEBHOOK_POST_OUTPUT": f"{base}/job-done/$RUNPOD_POD_ID/$ID?gpu=SIM",
            "RUNPOD_WEBHOOK_PING": f"{base}/ping/$RUNPOD_POD_ID?gpu=SIM",
            "RUNPOD_PING_INTERVAL": "1000",
            "RUNPOD_POD_ID": POD,
            "RUNPOD_ENDPOINT_ID": ENDPOINT,
            "RUNPOD_AI_API_KEY": "test-key",
            "RUNPOD_SKIP_AUTO_SYSTEM_CHECKS": "true",
            "RUNPOD_SKIP_GPU_CHECK": "true",
            "RUNPOD_LOG_LEVEL": "INFO",
            "NO_PROXY": "127.0.0.1",
            **settings,
        }

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        runner = web.AppRunner(self._app())
        self._loop.run_until_complete(runner.setup())
        site = web.TCPSite(runner, "127.0.0.1", 0)
        self._loop.run_until_complete(site.start())
        self.port = runner.addresses[0][1]
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())

    def _app(self) -> web.Application:
        app = web.Application(client_max_size=20 * 1024 * 1024)
        prefix = f"/v2/{ENDPOINT}"
        app.router.add_get(f"{prefix}/job-take/{{pod}}", self._take)
        app.router.add_get(f"{prefix}/job-take-batch/{{pod}}", self._take_batch)
        app.router.add_get(f"{prefix}/job-stop/{{pod}}", self._stop)
        app.router.add_get(f"{prefix}/ping/{{pod}}", self._ping)
        app.router.add_post(f"{prefix}/job-done/{{pod}}/{{job}}", self._done)
        return app

    async def _take(self, _request: web.Request) -> web.Response:
        if not await _wait_for(self._queue):
            return web.Response(status=204)
        return web.json_response(self._hand_out())

    async def _take_batch(self, request: web.Request) -> web.Response:
        if not await _wait_for(self._queue):
            return web.Response(status=204)
        count = min(int(request.query["batch_size"]), len(self._queue))
        return web.json_response([self._hand_out() for _ in range(count)])

    def _hand_out(self) -> dict[str, Any]:
        job = self._queue.popleft()
        job.status = "IN_PROGRESS"
        return {"id": job.id, "input": job.input}

    async def _stop(self, _request: web.Request) -> web.Response:
        if not await _wait_for(self._stops):
            return web.Response(status=204)
        return web.json_response({"jobsToStop": [self._stops.popleft()]})

    async def _ping(self, _request: web.Request) -> web.Response:
        return web.Response()

    async def _done(self, request: web.Request) -> web.Response:
        job = self.jobs[request.match_info["job"]]
        # The SDK labels its JSON as a form.
        _settle(job, json.loads(await request.read()))
        return web.Response()


class WorkerProcess:
    """handler.py in a process of its own, as the platform runs it."""

    def __init__(self, root: Path, environment: Mapping[str, str], log: Path) -> None:
        self._log = log.open("wb")
        self.log_path = log
        self._process = subprocess.Popen(
            [sys.executable, "handler.py"],
            cwd=root,
            env=dict(environment),
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # the heartbeat is a child that must go with it
        )

    def __enter__(self) -> WorkerProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.terminate()

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def log(self) -> str:
        """What it has printed so far."""
        return self.log_path.read_text("utf-8", "replace")

    def wait_for(self, job: Job, seconds: float = 120) -> Job:
        """Wait until the job has a result; fails at once when the worker dies."""
        end = time.monotonic() + seconds
        while not job.finished.wait(0.2):
            if self._process.poll() is not None:
                raise AssertionError(f"the worker died:\n{self.log()}")
            if time.monotonic() > end:
                raise AssertionError(f"no result after {seconds} s:\n{self.log()}")
        return job

    def terminate(self) -> int:
        """SIGTERM, then wait; the whole group goes if it does not end by itself."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            return self._process.wait(10)
        finally:
            self._log.close()


async def _wait_for(queue: deque[Any]) -> bool:
    end = time.monotonic() + POLL
    while not queue and time.monotonic() < end:  # noqa: ASYNC110  the test's thread fills it
        await asyncio.sleep(0.02)
    return bool(queue)


def _settle(job: Job, body: dict[str, Any]) -> None:
    if body.get("status") == "IN_PROGRESS":
        job.progress.append(body.get("output"))
        return
    job.output = body.get("output")
    error = body.get("error")
    # The platform takes a failure only from a string; anything else ends as COMPLETED.
    job.error = error if isinstance(error, str) else None
    job.status = "FAILED" if job.error else "COMPLETED"
    job.finished.set()
