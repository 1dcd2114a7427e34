"""What stands behind and around a gateway in tests: a quick worker, and the gateway served."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any, TypeVar

import httpx
import uvicorn
from aiohttp import ClientError, ClientSession, web

from loopback import ENDPOINT, POD, Platform
from src.bootstrap import build_worker
from src.config import Platform as PlatformSettings
from src.config import Settings
from src.errors import UnknownModel
from src.gateway.app import build_app
from src.gateway.parts import Parts
from src.gateway.settings import GatewaySettings
from src.generation import GenerationRequest
from src.notify import PlatformProgress
from src.storage import Item, Kept, Links
from tests.fakes import FakePipelines, MemoryAttempts, MemoryStorage

HOST = "127.0.0.1"
KEY = {"Authorization": "test-key"}
#: Seconds for a thread to begin and to end.
PATIENCE = 20.0

T = TypeVar("T")


class GreyPipelines(FakePipelines):
    """The GPU room of `tests.fakes`; with `models` it serves these names and no other."""

    def __init__(self, *, models: frozenset[str] | None = None) -> None:
        super().__init__()
        self.models = models

    def settle(self, request: GenerationRequest) -> GenerationRequest:
        if self.models is not None and request.model not in self.models:
            raise UnknownModel(f"Model not found: {request.model!r}")
        settled = super().settle(request)
        # What a caller documents goes under what it says, and over the room's own.
        documented = request.parameters.over(request.defaults).over(settled.parameters)
        return replace(settled, parameters=documented)


class Bucket(MemoryStorage):
    """Keeps what was saved, and serves it by HTTP while its worker runs."""

    def __init__(self) -> None:
        super().__init__()
        self.base_url = ""
        #: Method and path of every request.
        self.asked: list[tuple[str, str]] = []

    def links(self, item: Item) -> Links | None:
        return Links(url=f"{self.base_url}/{item.name}")

    def save(self, path: Any, item: Item, *, stop: threading.Event | None = None) -> Links:
        super().save(path, item, stop=stop)
        return Links(url=f"{self.base_url}/{item.name}")

    def find(self, item: Item) -> Kept | None:
        kept = super().find(item)
        return kept and replace(kept, links=Links(url=f"{self.base_url}/{item.name}"))

    async def get(self, request: web.Request) -> web.Response:
        """One file, or a range of it."""
        self.asked.append((request.method, request.path))
        content_type, data = self.saved.get(request.match_info["name"], ("", b""))
        if not data:
            raise web.HTTPNotFound
        start, stop, _ = request.http_range.indices(len(data))
        headers = {"Content-Range": f"bytes {start}-{stop - 1}/{len(data)}"}
        return web.Response(
            body=data[start:stop],
            content_type=content_type,
            status=206 if "Range" in request.headers else 200,
            headers=headers if "Range" in request.headers else {},
        )


class QuickWorker:
    """The real worker over grey frames, taking jobs from a platform as the SDK does.

    While its `with` block lasts. Answers, progress, failures and cancelling are the product's;
    only the GPU room is a fake: `pipelines.gate` holds jobs before their next step,
    `pipelines.error` has them fail, `pipelines.requests` is what it was asked to make.
    """

    def __init__(
        self,
        platform: Platform,
        *,
        pod: str = POD,
        slots: int = 4,
        bucket: Bucket | None = None,
        pipelines: GreyPipelines | None = None,
    ) -> None:
        """Without a bucket its answers hold the videos themselves."""
        self.pipelines = pipelines or GreyPipelines()
        self.bucket = bucket
        #: Every job that it was handed, as it came, in order.
        self.jobs: list[dict[str, Any]] = []
        self._base = f"{platform.base_url}/{ENDPOINT}"
        self._environment = platform.settings(pod)
        self._pod = pod
        self._slots = slots
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="quick-worker", daemon=True)

    def __enter__(self) -> QuickWorker:
        self._thread.start()
        assert self._ready.wait(PATIENCE)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.pipelines.gate.set()
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    @property
    def inputs(self) -> list[dict[str, Any]]:
        """What each job asked for."""
        return [job["input"] for job in self.jobs]

    def hold(self) -> None:
        """Have every job wait before its next step, until `release`."""
        self.pipelines.gate.clear()

    def release(self) -> None:
        self.pipelines.gate.set()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._work())

    async def _work(self) -> None:
        files = web.AppRunner(web.Application(), access_log=None, shutdown_timeout=1)
        if self.bucket:
            files.app.router.add_get("/{name}", self.bucket.get)  # HEAD, too
            await files.setup()
            site = web.TCPSite(files, HOST, 0)
            await site.start()
            self.bucket.base_url = f"http://{HOST}:{files.addresses[0][1]}"
        self._worker = build_worker(
            Settings(allow_private_urls=True),
            platform=PlatformSettings(webhook_get_job=self._environment["RUNPOD_WEBHOOK_GET_JOB"]),
            pipelines=self.pipelines,
            storage=self.bucket,
            attempts=MemoryAttempts(),
            progress=PlatformProgress(
                url_template=self._environment["RUNPOD_WEBHOOK_POST_OUTPUT"],
                pod_id=self._pod,
                headers=lambda: KEY,
                interval=0.02,
            ),
        )
        self._under_way: dict[str, asyncio.Task[None]] = {}
        async with ClientSession(headers=KEY) as self._session:
            polls = [asyncio.create_task(self._poll()) for _ in range(self._slots)]
            polls.append(asyncio.create_task(self._hear_stops()))
            self._ready.set()
            await self._ended.wait()
            for task in polls:
                task.cancel()
            await asyncio.gather(*polls, return_exceptions=True)
        await files.cleanup()

    async def _poll(self) -> None:
        while True:
            envelope = await self._get("job-take")
            if envelope:
                self.jobs.append(envelope)
                task = asyncio.create_task(self._do(envelope))
                self._under_way[envelope["id"]] = task
                try:
                    await asyncio.wait({task})
                except asyncio.CancelledError:  # of the poll, even if the task has just ended
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)
                    raise
                if not task.cancelled():
                    task.result()  # a fault of this worker's own ends its poll

    async def _hear_stops(self) -> None:
        while True:
            for job_id in (await self._get("job-stop") or {}).get("jobsToStop", ()):
                if task := self._under_way.get(job_id):
                    task.cancel()

    async def _do(self, envelope: dict[str, Any]) -> None:
        answer = await self._worker.handle(envelope)
        error = answer.pop("error", None)
        body = {"output": answer} | ({"error": error} if error else {})
        url = f"{self._base}/job-done/{self._pod}/{envelope['id']}?gpu=SIM&isStream=false"
        async with self._session.post(url, json=body) as response:
            assert response.status in (200, 400)

    async def _get(self, what: str) -> Any:
        try:
            async with self._session.get(f"{self._base}/{what}/{self._pod}") as response:
                return await response.json() if response.status == 200 else None
        except ClientError:  # the platform is gone before its worker
            await asyncio.sleep(0.1)
            return None


class Gateway:
    """The gateway served on a port of its own, while its `with` block lasts."""

    def __init__(self, settings: GatewaySettings) -> None:
        self.settings = settings
        self.app = build_app(settings)
        self.parts: Parts = self.app.state.parts
        self._server = _Server(
            uvicorn.Config(
                self.app,
                host=HOST,
                port=0,
                log_config=None,
                access_log=False,
                lifespan="on",
                ws="none",
                timeout_graceful_shutdown=2,
            )
        )
        self._thread = threading.Thread(target=self._server.run, name="gateway", daemon=True)

    def __enter__(self) -> Gateway:
        self._thread.start()
        assert self._server.up.wait(PATIENCE), "the gateway did not start"
        assert self._server.started, "the gateway did not start: see the log"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.should_exit = True
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    @property
    def url(self) -> str:
        """Where it is, without a slash at its end."""
        return f"http://{HOST}:{self._server.port}"

    def client(self, key: str | None = "caller-key", **options: Any) -> httpx.Client:
        """A client that shows this key as a Bearer, unless it is None; close it, or use `with`."""
        return httpx.Client(**self._as_caller(key), **options)

    def _as_caller(self, key: str | None) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return {"base_url": self.url, "headers": headers, "timeout": 60}

    def hang_up_on(self, path: str, body: Mapping[str, Any], *, once: Callable[[], bool]) -> None:
        """Post, and close the connection as soon as `once` has come back with True."""

        async def post_and_leave() -> None:
            async with httpx.AsyncClient(**self._as_caller("caller-key")) as client:
                post = asyncio.create_task(client.post(path, json=body))
                assert await asyncio.to_thread(once)
                assert not post.done(), "it was answered before the caller hung up"
                post.cancel()
                await asyncio.wait({post})

        asyncio.run(post_and_leave())

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """Where the gateway's parts live."""
        assert self._server.loop
        return self._server.loop

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something where the gateway's parts live: `gateway.do(gateway.parts.keys.all())`."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(PATIENCE)

    def add_key(self, name: str, **allowance: Any) -> str:
        """One of the operator's keys; gives its secret."""
        from src.gateway.store.keys import Allowance

        _, secret = self.do(self.parts.keys.add(name, Allowance(**allowance), now=0.0))
        return secret


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = threading.Event()
        self.loop: asyncio.AbstractEventLoop | None = None
        self.port = 0

    async def startup(self, sockets: Any = None) -> None:
        self.loop = asyncio.get_running_loop()
        try:
            await super().startup(sockets)
            if self.started:
                self.port = self.servers[0].sockets[0].getsockname()[1]
        finally:
            self.up.set()


def settled(body: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A body with small figures, so that its video takes no time."""
    return {"width": 64, "height": 48, "num_frames": 5, "fps": 8, **body, **more}
