"""ModelsLab's webhook and a job's own time, in the real worker."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from loopback import Platform, Status, WorkerProcess
from tests.loop.small import LONG, SMALL
from tests.loop.starting import Start

pytestmark = pytest.mark.loop


class Hooks:
    """A caller's server, which is busy when it is first asked."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.asked = 0
        hooks = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                hooks.asked += 1
                if hooks.asked > 1:
                    hooks.heard.append(body)
                self.send_response(200 if hooks.asked > 1 else 503)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Nobody reads it."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"


@pytest.fixture
def hooks() -> Iterator[Hooks]:
    hooks = Hooks()
    thread = threading.Thread(target=hooks.server.serve_forever)
    thread.start()
    yield hooks
    hooks.server.shutdown()
    hooks.server.server_close()
    thread.join()


@pytest.fixture
def platform() -> Iterator[Platform]:
    with Platform() as platform:
        yield platform


@pytest.fixture
def worker(platform: Platform, start: Start) -> Iterator[WorkerProcess]:
    with start(platform, ALLOW_PRIVATE_URLS="true", JOB_TIMEOUT="15") as worker:
        yield worker


def test_a_webhook_hears_of_the_end_and_a_job_above_its_time_is_stopped(
    platform: Platform, worker: WorkerProcess, hooks: Hooks
) -> None:
    more = {"webhook": hooks.url, "track_id": "7"}
    done = worker.wait_for(platform.submit(SMALL | more))
    late = worker.wait_for(
        platform.submit(LONG | more | {"num_inference_steps": 100, "width": 512, "height": 512})
    )
    after = worker.wait_for(platform.submit(SMALL))

    assert (done.status, late.status, after.status) == (
        Status.COMPLETED,
        Status.FAILED,
        Status.COMPLETED,
    )
    assert "JOB_TIMEOUT" in str(late.error)
    made, failed = hooks.heard
    assert hooks.asked == 3  # the first was tried again
    assert (made["status"], made["track_id"], made["output"]) == (
        "success",
        "7",
        done.output["output"],
    )
    assert (failed["status"], failed["track_id"]) == ("failed", "7")
    assert str(late.error) in failed["message"]
