"""A worker that is told to go."""

from __future__ import annotations

import signal
import time

import pytest

from loopback import Platform, Rules, Status
from tests.loop.small import LONG, SMALL
from tests.loop.starting import Start, until

pytestmark = pytest.mark.loop


def test_an_idle_worker_is_gone_within_5_seconds_of_its_long_polls(start: Start) -> None:
    with Platform(Rules(poll=30)) as platform, start(platform) as worker:
        platform.wait_for_worker()
        worker.wait_for(platform.submit(SMALL))
        platform.wait_for_worker()
        begun = time.monotonic()
        worker.signal(signal.SIGTERM)
        code = worker.wait(60)

    assert code == 0
    assert time.monotonic() - begun < 5


def test_what_was_taken_is_delivered_and_nothing_more_is_taken(start: Start) -> None:
    with (
        Platform(Rules(poll=30)) as platform,
        start(platform, WORKER_CONCURRENCY="2") as worker,
    ):
        platform.wait_for_worker()
        held = [platform.submit(LONG | {"num_inference_steps": 10}) for _ in range(2)]
        until(lambda: all(job.started.is_set() for job in held) and held[0].progress)
        worker.signal(signal.SIGTERM)
        time.sleep(2)
        later = platform.submit(SMALL)
        code = worker.wait(120)

    assert code == 0
    assert [job.status for job in held] == [Status.COMPLETED] * 2
    assert later.deliveries == 0
