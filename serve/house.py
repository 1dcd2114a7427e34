"""The three processes, each up before the next is started, and all of them gone at the end."""

from __future__ import annotations

import os
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from loopback import ENDPOINT, Platform, Rules, WorkerProcess

from .ports import HOST, free_port

#: Any key will do for the loopback platform.
KEY = "local"
#: Seconds for the worker to load its model and be warm, and for the gateway to be up.
PATIENCE = 300.0
#: Where results go is not for the shell that this is started from to say.
DROPPED = ("BUCKET_", "OUTPUT_DIR", "RUNPOD_")


class NotUp(Exception):
    """Something did not come up; the message has the end of its log."""


class Stopped(Exception):
    """Somebody has asked for the end."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to run, and where."""

    root: Path
    #: For logs, the gateway's database and the worker's notes.
    folder: Path
    models: Path
    #: 0 is any.
    port: int
    platform_port: int


class House:
    """Everything, while its `with` block lasts."""

    def __init__(self, plan: Plan, *, say: Callable[[str], None], over: threading.Event) -> None:
        """`say` hears a line for each that is up; `over` ends the waiting for it."""
        self._plan = plan
        self._say = say
        self._over = over
        self._stack = ExitStack()
        self.url = ""

    def __enter__(self) -> House:
        """Start. Raises PortTaken, NotUp, and Stopped once `over` is set."""
        with ExitStack() as stack:
            self._start(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End them in the order against the one that they were started in."""
        self._stack.close()

    @property
    def platform_url(self) -> str:
        """What RUNPOD_ENDPOINT_BASE_URL is for callers of the endpoint itself."""
        return self._platform.base_url

    def watch(self) -> None:
        """Wait until `over` is set. Raises NotUp where a process ends before."""
        while not self._over.wait(0.5):
            for name, process in (("worker", self._worker), ("gateway", self._gateway)):
                if not process.is_running:
                    raise NotUp(_told(name, process))

    def _start(self, stack: ExitStack) -> None:
        plan = self._plan
        plan.folder.mkdir(parents=True, exist_ok=True)
        port = free_port(plan.port, option="--port")
        platform_port = free_port(plan.platform_port, option="--platform-port")

        self._platform = stack.enter_context(Platform(Rules(poll=2.0), port=platform_port))
        self._say(f"platform: {self._platform.base_url}/{ENDPOINT}")

        started = time.monotonic()
        self._say("worker: loading the demo model ...")
        self._worker = stack.enter_context(self._process("worker", self._worker_settings()))
        self._until("worker", self._worker, self._takes_jobs)
        self._say(f"worker: ready after {time.monotonic() - started:.1f} s")

        started = time.monotonic()
        module = (sys.executable, "-m", "src.gateway")
        settings = self._gateway_settings(port)
        self._gateway = stack.enter_context(self._process("gateway", settings, module))
        self.url = f"http://{HOST}:{port}"
        self._until("gateway", self._gateway, self._answers)
        self._say(f"gateway: ready after {time.monotonic() - started:.1f} s")

    def _process(
        self,
        name: str,
        settings: Mapping[str, str],
        command: tuple[str, ...] = (sys.executable, "handler.py"),
    ) -> WorkerProcess:
        own = {
            key: value
            for key, value in os.environ.items()  # noqa: TID251  for a child process
            if not key.startswith(DROPPED)
        }
        log = self._plan.folder / f"{name}.log"
        return WorkerProcess(self._plan.root, {**own, **settings}, log, command)

    def _worker_settings(self) -> dict[str, str]:
        return {
            **self._platform.settings(),
            "MODELS_DIR": str(self._plan.models),
            "DEFAULT_MODEL": "demo",
            "WORKER_CONCURRENCY": "1",
            "STATE_DIR": str(self._plan.folder / "state"),
        }

    def _gateway_settings(self, port: int) -> dict[str, str]:
        return {
            "GATEWAY_ENDPOINT": f"{self._platform.base_url}/{ENDPOINT}",
            "GATEWAY_HOST": HOST,
            "GATEWAY_PORT": str(port),
            "GATEWAY_RUNPOD_API_KEY": KEY,
            "GATEWAY_OPEN_TO_ALL": "true",
            "GATEWAY_MODELS": "demo",
            # A slow machine's video is waited for, where an answer in between has no link yet.
            "GATEWAY_WAIT_SECONDS": "300",
            "GATEWAY_DATABASE_URL": f"sqlite:///{self._plan.folder / 'gateway.db'}",
        }

    def _until(self, name: str, process: WorkerProcess, is_up: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not is_up():
            if self._over.wait(0.1):
                raise Stopped
            if not process.is_running or time.monotonic() > end:
                raise NotUp(_told(name, process))

    def _takes_jobs(self) -> bool:
        return self._platform.pod().open_polls > 0

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=5) as response:  # noqa: S310
                return bool(response.status == 200)
        except (urllib.error.URLError, OSError):
            return False


def _told(name: str, process: WorkerProcess) -> str:
    """What became of a process, and the end of its log."""
    code = process.exit_code
    what = f"does not answer after {PATIENCE:.0f} s" if code is None else f"ended with {code}"
    return f"the {name} {what}; the end of {process.log_path}:\n{process.log()[-3000:]}"
