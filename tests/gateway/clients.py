"""A gateway in a process of its own, that can be killed, and clients that do not give up."""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from loopback import ENDPOINT, Platform, WorkerProcess
from serve.ports import HOST, free_port
from tests.loop.starting import until

KEY = {"Authorization": "Bearer caller-key"}
#: Seconds that a client tries again before it says that something is wrong.
PATIENCE = 300.0


class GatewayProcess:
    """`python -m src.gateway` on one port and one database, however often it is started."""

    def __init__(self, root: Path, platform: Platform, folder: Path, **settings: str) -> None:
        self._root = root
        self._folder = folder
        self._port = free_port(0, option="")
        self._environment = {
            **os.environ,
            "GATEWAY_ENDPOINT": f"{platform.base_url}/{ENDPOINT}",
            "GATEWAY_PORT": str(self._port),
            "GATEWAY_DATABASE_URL": f"sqlite:///{folder}/gateway.db",
            "GATEWAY_WATCH_SECONDS": "0.5",
            "GATEWAY_MAX_OPEN": "100000",
            "GATEWAY_MAX_PER_MINUTE": "100000",
            **settings,
        }
        self._process: WorkerProcess | None = None
        self.starts = 0

    def __enter__(self) -> GatewayProcess:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process:
            self._process.__exit__(kind, error, traceback)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self._port}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.starts += 1
        self._process = WorkerProcess(
            self._root,
            self._environment,
            self._folder / f"gateway-{self.starts}.log",
            (sys.executable, "-m", "src.gateway"),
        )
        until(self._answers)

    def kill(self) -> None:
        """SIGKILL, and start it again."""
        assert self._process
        self._process.kill()
        self.start()

    def log(self) -> str:
        """What all of them have printed."""
        files = sorted(self._folder.glob("gateway-*.log"))
        return "\n".join(file.read_text("utf-8", "replace") for file in files)

    def _answers(self) -> bool:
        assert self._process
        assert self._process.is_running, self._process.log()
        with suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/healthz", timeout=5).status_code == 200
        return False


@dataclass
class Tally:
    """What the clients have had so far."""

    #: Ids that each call was answered with, by its idempotency key.
    ids: dict[str, set[str]] = field(default_factory=dict)
    #: What each call's video is in the end.
    videos: dict[str, dict[str, Any]] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)
    #: Calls that met a dead gateway and were made again.
    again: int = 0


class Clients:
    """Each with a thread and jobs of its own."""

    def __init__(self, url: str, *, count: int, jobs: int, body: dict[str, Any]) -> None:
        """`jobs` are of all clients together."""
        self._url = url
        self._count = count
        self._jobs = jobs
        self._body = body
        self.tally = Tally()
        self._pool = ThreadPoolExecutor(count)
        self._running = [self._pool.submit(self._client, number) for number in range(count)]

    def wait(self) -> Tally:
        """Wait for all of them; whatever one of them raised is raised here."""
        for future in self._running:
            future.result(2 * PATIENCE)
        self._pool.shutdown()
        return self.tally

    def _client(self, number: int) -> None:
        with httpx.Client(
            base_url=self._url, headers=KEY, timeout=60, follow_redirects=True
        ) as client:
            names = [f"call-{n}" for n in range(number, self._jobs, self._count)]
            for name in names:
                self._ask(client, name)
            for name in names:
                self._collect(client, name)

    def _ask(self, client: httpx.Client, name: str) -> None:
        body = {**self._body, "prompt": name}
        made = self._call(
            client, "POST", "/v1/videos", json=body, headers={"Idempotency-Key": name}
        )
        self.tally.ids.setdefault(name, set()).add(made.json()["id"])

    def _collect(self, client: httpx.Client, name: str) -> None:
        (video_id,) = self.tally.ids[name]
        end = time.monotonic() + PATIENCE
        video = self._call(client, "GET", f"/v1/videos/{video_id}").json()
        while video["status"] in ("queued", "in_progress"):
            assert time.monotonic() < end, video
            time.sleep(0.2)
            video = self._call(client, "GET", f"/v1/videos/{video_id}").json()
        self.tally.videos[name] = video
        if video["status"] == "completed":
            content = self._call(client, "GET", f"/v1/videos/{video_id}/content").content
            self.tally.contents[name] = content

    def _call(self, client: httpx.Client, method: str, path: str, **more: Any) -> httpx.Response:
        """Until it is answered; any other answer than a good one is the test's to hear of."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                answer = client.request(method, path, **more)
                if answer.status_code != 503:
                    assert answer.status_code == 200, (method, path, answer.text)
                    return answer
            except httpx.TransportError:
                pass
            assert time.monotonic() < end, (method, path)
            self.tally.again += 1
            time.sleep(0.1)
