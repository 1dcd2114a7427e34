"""The server: one endpoint, both its faces, in a thread of its own."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Mapping
from types import TracebackType
from typing import Any, TypeVar

from aiohttp import web

from .caller_side import CallerSide
from .endpoint import Endpoint, Pod
from .faults import Faults
from .jobs import Job, Policy, new_id
from .rules import Rules
from .webhooks import Webhooks
from .worker_side import WorkerSide

ENDPOINT = "testendpoint"
POD = "testpod"
HOST = "127.0.0.1"
#: Seconds for the server to come up, to do a thing that takes no time, and to end.
PATIENCE = 10.0

T = TypeVar("T")


class Platform:
    """A platform with one endpoint and any number of workers, while its `with` block lasts.

    Its methods may be called from any thread; jobs and pods may be read from any.
    """

    def __init__(
        self, rules: Rules | None = None, *, port: int = 0, endpoint: str = ENDPOINT
    ) -> None:
        """Without a port it takes a free one."""
        self.rules = rules or Rules()
        self.port = port
        self.faults = Faults()
        self._name = endpoint
        self._webhooks = Webhooks(self.rules)
        self._endpoint = Endpoint(self.rules, on_end=self._webhooks.send)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = threading.Event()
        self._refusal: OSError | None = None
        self._thread = threading.Thread(target=self._serve, name="platform", daemon=True)

    def __enter__(self) -> Platform:
        """Serve. Raises OSError where the port is not to be had."""
        self._thread.start()
        self._ready.wait(PATIENCE)
        if self._refusal:
            self._thread.join(PATIENCE)
            raise self._refusal
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End every poll and every connection."""
        if self._loop:
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)

    # --- what a caller does -------------------------------------------------------------------

    @property
    def jobs(self) -> Mapping[str, Job]:
        """Every job that there ever was, by id."""
        return self._endpoint.jobs

    def submit(
        self,
        input: object,  # noqa: A002  the platform's word
        *,
        webhook: str | None = None,
        s3Config: object = None,  # noqa: N803  the platform's word
        policy: Mapping[str, Any] | None = None,
        sync: bool = False,
        id: str | None = None,  # noqa: A002  the platform's word
    ) -> Job:
        """Put a job into the queue. Raises ValueError for a wrong policy."""
        job = Job(
            id=id or new_id(sync=sync),
            input=input,
            policy=Policy.read(policy, self.rules),
            webhook=webhook,
            s3_config=s3Config,
        )
        return self._do(lambda: self._endpoint.submit(job))

    def cancel(self, job: Job) -> None:
        """Stop a job: a worker that has it is told, and posts nothing for it."""
        self._do(lambda: self._endpoint.cancel(job))

    def retry(self, job: Job) -> None:
        """Send a failed job round again under its id. Raises ValueError for any other."""
        self._do(lambda: self._endpoint.retry(job))

    # --- workers ------------------------------------------------------------------------------

    def pod(self, name: str = POD) -> Pod:
        """The worker of this name, to be read."""
        return self._do(lambda: self._endpoint.pod(name))

    def worker_died(self, name: str = POD) -> None:
        """Believe that a worker is gone, and hand out again what it held."""
        self._do(lambda: self._endpoint.worker_died(self._endpoint.pod(name)))

    def wait_for_worker(self, name: str = POD, seconds: float = 60) -> None:
        """Wait until a worker's poll for jobs is open. Raises TimeoutError."""
        pod = self.pod(name)
        opened = self._await(
            lambda: self._endpoint.bell.until(lambda: pod.open_polls > 0, seconds),
            seconds + PATIENCE,
        )
        if not opened:
            raise TimeoutError(f"worker {name} did not ask for a job within {seconds} s")

    @property
    def base_url(self) -> str:
        """What `runpod.endpoint_url_base` is for callers."""
        return f"http://{HOST}:{self.port}/v2"

    def settings(self, pod: str = POD) -> dict[str, str]:
        """What the platform sets in a worker's environment, and no more."""
        base = f"{self.base_url}/{self._name}"
        return {
            "RUNPOD_WEBHOOK_GET_JOB": f"{base}/job-take/$ID?gpu=SIM",
            "RUNPOD_WEBHOOK_POST_OUTPUT": f"{base}/job-done/$RUNPOD_POD_ID/$ID?gpu=SIM",
            "RUNPOD_WEBHOOK_POST_STREAM": f"{base}/job-stream/$RUNPOD_POD_ID/$ID?gpu=SIM",
            "RUNPOD_WEBHOOK_PING": f"{base}/ping/$RUNPOD_POD_ID?gpu=SIM",
            "RUNPOD_PING_INTERVAL": "1000",  # milliseconds; less than that has the SDK ping nonstop
            "RUNPOD_POD_ID": pod,
            "RUNPOD_ENDPOINT_ID": self._name,
            "RUNPOD_AI_API_KEY": "test-key",
            "RUNPOD_SKIP_AUTO_SYSTEM_CHECKS": "true",
            "RUNPOD_SKIP_GPU_CHECK": "true",
            "RUNPOD_LOG_LEVEL": "INFO",
            "NO_PROXY": HOST,
        }

    def environment(self, pod: str = POD, **settings: str) -> dict[str, str]:
        """The environment of a worker process: ours, the platform's over it, then the worker's."""
        return {**os.environ, **self.settings(pod), **settings}  # noqa: TID251  for a child process

    # --- the thread ---------------------------------------------------------------------------

    def _do(self, what: Callable[[], T]) -> T:
        """Do something where the endpoint lives."""

        async def there() -> T:
            return what()

        return self._await(there, PATIENCE)

    def _await(self, what: Callable[[], Coroutine[Any, Any, T]], seconds: float) -> T:
        if self._loop is None:
            raise RuntimeError("the platform serves inside its `with` block only")
        return asyncio.run_coroutine_threadsafe(what(), self._loop).result(seconds)

    def _serve(self) -> None:
        loop = asyncio.new_event_loop()
        try:
            runner = loop.run_until_complete(self._start())
        except OSError as error:
            self._refusal = error
            self._ready.set()
        else:
            watch = loop.create_task(self._endpoint.watch())
            self._loop = loop
            self._ready.set()
            loop.run_forever()
            self._loop = None
            loop.run_until_complete(self._stop(runner, watch))
        finally:
            loop.close()

    async def _start(self) -> web.AppRunner:
        app = web.Application(client_max_size=0)  # the faces have limits of their own
        prefix = f"/v2/{self._name}"
        app.add_routes(WorkerSide(self._endpoint, self.faults).routes(prefix))
        app.add_routes(CallerSide(self._endpoint).routes(prefix))
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        try:
            await web.TCPSite(runner, HOST, self.port).start()
        except OSError:
            await runner.cleanup()
            raise
        self.port = runner.addresses[0][1]
        return runner

    async def _stop(self, runner: web.AppRunner, watch: asyncio.Task[None]) -> None:
        self._endpoint.bell.close()
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
        await self._webhooks.close()
        await runner.cleanup()
