"""The gateway's image: up, healthy, hands a call to the platform, and ends."""

from __future__ import annotations

import json
import time
import urllib.request
from pathlib import Path
from typing import Any

from loopback import ENDPOINT, Platform, WorkerProcess

from .containers import expect, is_healthy, own_environment, run, terminate
from .image import GATEWAY, Buildah

#: The image's own port, in a network where nothing else listens.
URL = "http://127.0.0.1:8080"
#: Seconds for it to be up.
PATIENCE = 60


def try_it(buildah: Buildah) -> None:
    """Start it with its own command. Raises Failed."""
    log = buildah.folder / "gateway.log"
    with Platform() as platform, buildah.container(GATEWAY) as (name, _):
        settings = {
            "GATEWAY_ENDPOINT": f"{platform.base_url}/{ENDPOINT}",
            "GATEWAY_RUNPOD_API_KEY": "test-key",
            "GATEWAY_OPEN_TO_ALL": "true",
        }
        command = run(buildah, GATEWAY, name, settings)
        with WorkerProcess(Path(), own_environment(), log, command) as gateway:
            started = time.monotonic()
            while not is_healthy(buildah, GATEWAY, name):
                expect(time.monotonic() - started < PATIENCE, "the gateway is not up", log)
            ready = time.monotonic() - started
            video = _post("/v1/videos", {"model": "demo", "prompt": "a fox"})
            expect(video["status"] == "queued", f"a call is answered {video}", log)
            asked = [job.input["prompt"] for job in platform.jobs.values()]
            expect(asked == ["a fox"], f"the platform has jobs for {asked}", log)
            terminate(gateway)
            code = gateway.wait(30)
    expect(code == 0, f"the gateway ended with {code} on SIGTERM", log)
    print(f"  the gateway: healthy after {ready:.1f} s, a call handed over, ended")


def _post(path: str, body: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(  # noqa: S310  our own address
        URL + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
        answer: dict[str, Any] = json.load(response)
    return answer
