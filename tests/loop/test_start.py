"""A worker's start, as its log tells it."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from loopback import Platform, Rules, WorkerProcess
from tests.loop.small import SMALL
from tests.loop.starting import Start, until

pytestmark = pytest.mark.loop

PHASES = {"settings", "weights read ahead", "libraries", "SDK", "load", "ready"}


def phases(worker: WorkerProcess) -> dict[str, dict[str, Any]]:
    lines = [json.loads(line) for line in worker.log().splitlines() if line.startswith("{")]
    return {line["phase"]: line for line in lines if "phase" in line}


@pytest.mark.parametrize("warm_up", [True, False])
def test_each_phase_has_its_seconds_and_the_first_job_comes_after_the_last(
    start: Start, warm_up: bool
) -> None:
    settings = {"WARM_UP": "true"} if warm_up else {}
    with Platform(Rules(poll=30)) as platform, start(platform, **settings) as worker:
        worker.wait_for(platform.submit(SMALL))
        told = phases(worker)

    assert told.keys() == PHASES | ({"warm-up"} if warm_up else set())
    assert told["weights read ahead"]["bytes"] > 0
    ready = told["ready"]["seconds"]
    for name, line in told.items():
        assert 0 <= line["seconds"] <= line["since_start"] <= ready + 0.02, name
    assert told["settings"]["since_start"] <= told["libraries"]["since_start"]


@pytest.mark.parametrize("after", ["settings", "libraries"])
def test_sigterm_while_importing_or_loading_ends_it_with_exit_code_0(
    start: Start, after: str
) -> None:
    with Platform(Rules(poll=30)) as platform, start(platform) as worker:
        until(lambda: f'"phase": "{after}"' in worker.log())
        worker.signal(signal.SIGTERM)
        code = worker.wait(30)
    assert code == 0, worker.log()
